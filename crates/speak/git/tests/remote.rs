//! Remotes: real git's HTTP back end and daemon, a program in ssh's place, and remotes that hang.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::Duration;

use haechi_git::{Credentials, Error, Interrupt, Limits, RemoteOptions, Repository, Ssh, Uri};
use support::git;

fn open(uri: &str, mirror: &Path, options: RemoteOptions) -> Repository {
    Repository::open(Uri::parse(uri).unwrap(), mirror, options).unwrap()
}

fn text(repository: &Repository, label: &str, path: &str) -> String {
    let commit = repository.resolve(label).unwrap();
    let snapshot = repository.snapshot(&commit, &Limits::default(), None).unwrap();
    String::from_utf8(snapshot.files[path].bytes.to_vec()).unwrap()
}

/// Clones, sees a change and a rewritten branch after a fetch, and reads on after the remote is gone.
fn follows(uri: &str, origin: &Path, mirror: &Path, options: &RemoteOptions) {
    let repository = open(uri, mirror, options.clone());
    assert!(matches!(repository.resolve("main"), Err(Error::UnknownLabel(_))), "nothing is fetched yet");
    assert!(repository.fetch(&Interrupt::new()).unwrap().new_objects);
    assert_eq!(text(&repository, "main", "a.yml"), "v: 1\n");
    assert_eq!(text(&repository, "v1", "a.yml"), "v: 1\n");
    assert!(!repository.fetch(&Interrupt::new()).unwrap().new_objects);

    support::commit(origin, &[("a.yml", "v: 2\n")]);
    assert!(repository.fetch(&Interrupt::new()).unwrap().new_objects);
    assert_eq!(text(&repository, "main", "a.yml"), "v: 2\n");

    std::fs::write(origin.join("a.yml"), "v: 3\n").unwrap();
    git(origin, &["commit", "-qa", "--amend", "-m", "rewritten"]);
    repository.fetch(&Interrupt::new()).unwrap();
    assert_eq!(text(&repository, "main", "a.yml"), "v: 3\n");

    std::fs::remove_dir_all(origin).unwrap();
    assert!(repository.fetch(&Interrupt::new()).is_err());
    assert_eq!(text(&repository, "main", "a.yml"), "v: 3\n");
    let reopened = open(uri, mirror, options.clone());
    assert_eq!(text(&reopened, "main", "a.yml"), "v: 3\n", "the mirror outlives the process");
}

fn origin(base: &Path) -> std::path::PathBuf {
    let origin = base.join("origin");
    support::repository(&origin, &[("a.yml", "v: 1\n")]);
    git(&origin, &["tag", "v1"]);
    origin
}

#[test]
fn a_remote_over_http_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(dir.path());
    let address = support::http(dir.path(), None);
    let uri = format!("http://{address}/origin/.git");
    follows(&uri, &origin, &dir.path().join("mirror"), &RemoteOptions::default());
}

#[test]
fn a_remote_over_http_gets_the_password_and_a_wrong_one_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(dir.path());
    let address = support::http(dir.path(), Some("YW5uOnMzY3JldA==")); // ann:s3cret
    let uri = format!("http://{address}/origin/.git");
    for credentials in [None, Some(Credentials { username: "ann".into(), password: "wrong".into() })] {
        let options = RemoteOptions { credentials, ..RemoteOptions::default() };
        let error = open(&uri, &dir.path().join("none"), options).fetch(&Interrupt::new()).unwrap_err();
        assert!(matches!(error, Error::Fetch { .. }), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    let credentials = Some(Credentials { username: "ann".into(), password: "s3cret".into() });
    follows(
        &uri,
        &origin,
        &dir.path().join("mirror"),
        &RemoteOptions { credentials, ..RemoteOptions::default() },
    );
}

#[test]
fn a_remote_over_git_daemon_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(dir.path());
    let address = support::daemon(dir.path());
    follows(
        &format!("git://{address}/origin/.git"),
        &origin,
        &dir.path().join("mirror"),
        &RemoteOptions::default(),
    );
}

#[test]
fn a_remote_over_ssh_is_followed_and_the_program_told_what_was_configured() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(dir.path());
    let ssh = Ssh {
        command: support::fake_ssh(dir.path()),
        identity_file: Some("/keys/id".into()),
        known_hosts_file: Some("/keys/known".into()),
        strict_host_keys: true,
    };
    let uri = format!("ssh://git@h.example:2222{}", origin.display());
    follows(&uri, &origin, &dir.path().join("mirror"), &RemoteOptions { ssh, ..RemoteOptions::default() });
    let told = std::fs::read_to_string(dir.path().join("ssh.args")).unwrap();
    for argument in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "/keys/id",
        "UserKnownHostsFile=/keys/known",
        "2222",
        "git@h.example",
    ] {
        assert!(told.lines().any(|l| l == argument), "{argument} in {told}");
    }
}

#[test]
fn what_ssh_complains_of_is_in_the_error() {
    let dir = tempfile::tempdir().unwrap();
    let command = support::script(dir.path(), "ssh", "echo 'Permission denied (publickey).' >&2; exit 255\n");
    let ssh = Ssh { command, ..Ssh::default() };
    let repository =
        open("git@h.example:x.git", &dir.path().join("m"), RemoteOptions { ssh, ..RemoteOptions::default() });
    let error = repository.fetch(&Interrupt::new()).unwrap_err();
    assert!(error.to_string().contains("Permission denied (publickey)"), "{error}");
}

#[test]
fn a_remote_that_says_nothing_is_given_up_on_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let silent = support::silent();
    let ssh = Ssh { command: support::script(dir.path(), "ssh", "exec sleep 1000\n"), ..Ssh::default() };
    let options = RemoteOptions { timeout: Duration::from_millis(200), ssh, ..RemoteOptions::default() };
    for uri in [format!("http://{silent}/x"), format!("git://{silent}/x"), "ssh://h.example/x".into()] {
        let error = open(&uri, &dir.path().join("m"), options.clone()).fetch(&Interrupt::new()).unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{uri}: {error:?}");
    }
}

#[test]
fn a_fetch_can_be_interrupted_from_another_thread() {
    let dir = tempfile::tempdir().unwrap();
    let uri = format!("git://{}/x", support::silent());
    let repository = open(&uri, &dir.path().join("m"), RemoteOptions::default());
    let interrupt = Interrupt::new();
    let error = std::thread::scope(|scope| {
        let fetch = scope.spawn(|| repository.fetch(&interrupt));
        interrupt.fire();
        fetch.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, Error::Interrupted(_)), "{error:?}");
}

#[test]
fn references_that_the_remote_dropped_stay_unless_told_to_prune() {
    let dir = tempfile::tempdir().unwrap();
    let origin = origin(dir.path());
    git(&origin, &["branch", "old"]);
    let uri = format!("git://{}/origin/.git", support::daemon(dir.path()));
    let keeps = open(&uri, &dir.path().join("keeps"), RemoteOptions::default());
    let prunes =
        open(&uri, &dir.path().join("prunes"), RemoteOptions { prune: true, ..RemoteOptions::default() });
    for repository in [&keeps, &prunes] {
        repository.fetch(&Interrupt::new()).unwrap();
        repository.resolve("old").unwrap();
    }
    git(&origin, &["branch", "-D", "old"]);
    keeps.fetch(&Interrupt::new()).unwrap();
    assert_eq!(prunes.fetch(&Interrupt::new()).unwrap().pruned, ["refs/heads/old"]);
    keeps.resolve("old").unwrap();
    assert!(matches!(prunes.resolve("old"), Err(Error::UnknownLabel(_))));
    assert!(prunes.resolve("main").is_ok() && prunes.resolve("v1").is_ok());
}

#[test]
fn a_mirror_that_is_damaged_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let _origin = origin(dir.path());
    let mirror = dir.path().join("mirror");
    let uri = format!("git://{}/origin/.git", support::daemon(dir.path()));
    open(&uri, &mirror, RemoteOptions::default()).fetch(&Interrupt::new()).unwrap();
    std::fs::remove_file(mirror.join("HEAD")).unwrap();
    let repository = open(&uri, &mirror, RemoteOptions::default());
    repository.fetch(&Interrupt::new()).unwrap();
    assert_eq!(text(&repository, "main", "a.yml"), "v: 1\n");
}
