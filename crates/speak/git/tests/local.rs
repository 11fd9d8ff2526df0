//! Local repositories: what Haechi writes, git reads, and the other way round.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use haechi_git::{Change, Error, Limits, RemoteOptions, Repository, Signature, Snapshot, Uri};
use support::git;

fn open(dir: &Path) -> Repository {
    let uri = Uri::parse(dir.to_str().unwrap()).unwrap();
    Repository::open(uri, Path::new("/nonexistent"), RemoteOptions::default()).unwrap()
}

fn read(repository: &Repository, label: &str) -> Snapshot {
    let commit = repository.resolve(label).unwrap();
    repository.snapshot(&commit, &Limits::default(), None).unwrap()
}

fn text(snapshot: &Snapshot, path: &str) -> Option<String> {
    snapshot.files.get(path).map(|f| String::from_utf8(f.bytes.to_vec()).unwrap())
}

fn me() -> Signature {
    Signature { name: "Demo".into(), email: "demo@example".into(), seconds: 1_700_000_000 }
}

#[test]
fn a_repository_made_here_is_clean_for_git_and_a_commit_made_by_git_is_seen_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    haechi_git::init(dir).unwrap();
    let first = haechi_git::commit(
        dir,
        &[("application.properties", Change::Write(b"a=1\n")), ("sub/x.yml", Change::Write(b"b: 2\n"))],
        "Begin",
        &me(),
    )
    .unwrap();
    assert_eq!(git(dir, &["rev-parse", "main"]), first);
    assert_eq!(git(dir, &["status", "--porcelain"]), "");
    assert_eq!(git(dir, &["log", "-1", "--format=%an <%ae> %at %s"]), "Demo <demo@example> 1700000000 Begin");
    git(dir, &["fsck", "--strict"]);

    let repository = open(dir);
    assert_eq!(read(&repository, "main").commit, first);
    let second = support::commit(dir, &[("application.properties", "a=2\n")]);
    let snapshot = read(&repository, "main");
    assert_eq!(
        (snapshot.commit.clone(), text(&snapshot, "application.properties")),
        (second, Some("a=2\n".into()))
    );

    let third = haechi_git::commit(
        dir,
        &[("sub/x.yml", Change::Remove), ("y.yml", Change::Write(b"c: 3\n"))],
        "Move",
        &me(),
    )
    .unwrap();
    assert_eq!(git(dir, &["status", "--porcelain"]), "");
    assert_eq!(git(dir, &["ls-files"]), "application.properties\ny.yml");
    let snapshot = read(&repository, "main");
    assert_eq!(snapshot.commit, third);
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["application.properties", "y.yml"]);
}

#[test]
fn branches_tags_and_commits_are_labels_and_anything_else_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let first = support::repository(dir, &[("a.yml", "v: 1\n")]);
    git(dir, &["tag", "-a", "v1", "-m", "one"]);
    git(dir, &["branch", "feature/x"]);
    let second = support::commit(dir, &[("a.yml", "v: 2\n")]);
    git(dir, &["pack-refs", "--all"]);
    git(dir, &["gc", "-q"]);
    let repository = open(dir);
    for (label, commit) in [
        ("main", &second),
        ("refs/heads/main", &second),
        ("refs/tags/v1", &first),
        ("v1", &first),
        ("feature/x", &first),
        (&first, &first),
        (&first[..8], &first),
        (&first.to_uppercase(), &first),
    ] {
        assert_eq!(&repository.resolve(label).unwrap(), commit, "{label}");
    }
    let tree = git(dir, &["rev-parse", "HEAD^{tree}"]);
    for label in [
        "", "nope", "HEAD", "../main", "main..v1", "main^", "main~1", "@{1}", "/main", "main/", "abc", &tree,
        "a\0b", "a\nb", "-x",
    ] {
        assert!(matches!(repository.resolve(label), Err(Error::UnknownLabel(_))), "{label:?}");
    }
}

#[test]
fn links_submodules_and_names_that_are_not_safe_are_left_out_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let commit = support::repository(dir, &[("a.yml", "v: 1\n"), ("bin.dat", "x")]);
    std::os::unix::fs::symlink("/etc/passwd", dir.join("link.yml")).unwrap();
    git(dir, &["add", "link.yml"]);
    git(dir, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    git(dir, &["commit", "-q", "-m", "links"]);
    let repository = open(dir);
    let snapshot = read(&repository, "main");
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["a.yml", "bin.dat"]);
    let skipped: Vec<_> = snapshot.skipped.iter().map(|s| s.path.as_str()).collect();
    assert_eq!(skipped, ["link.yml", "module"]);
}

#[test]
fn what_did_not_change_is_shared_with_the_snapshot_before() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    support::repository(dir, &[("a.yml", "v: 1\n"), ("b.yml", "w: 1\n")]);
    let repository = open(dir);
    let before = read(&repository, "main");
    let commit = support::commit(dir, &[("a.yml", "v: 2\n")]);
    let after = repository.snapshot(&commit, &Limits::default(), Some(&before)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&before.files["b.yml"].bytes, &after.files["b.yml"].bytes));
    assert_ne!(before.files["a.yml"].id, after.files["a.yml"].id);
}

#[test]
fn a_snapshot_past_a_limit_is_refused_and_a_file_past_it_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let commit = support::repository(dir, &[("a/b/c.yml", "v: 1\n"), ("big.txt", &"x".repeat(1000))]);
    let repository = open(dir);
    let take = |limits: Limits| repository.snapshot(&commit, &limits, None);
    let small_files = take(Limits { file_bytes: 999, ..Limits::default() }).unwrap();
    assert_eq!(small_files.files.len(), 1);
    assert_eq!(small_files.skipped[0].path, "big.txt");
    for limits in [
        Limits { total_bytes: 1000, ..Limits::default() },
        Limits { files: 1, ..Limits::default() },
        Limits { depth: 1, ..Limits::default() },
    ] {
        assert!(matches!(take(limits.clone()), Err(Error::TooLarge { .. })), "{limits:?}");
    }
}

#[test]
fn a_folder_without_a_repository_is_said_so_and_the_one_above_is_not_taken_instead() {
    let dir = tempfile::tempdir().unwrap();
    support::repository(dir.path(), &[("sub/a.yml", "v: 1\n")]);
    let uri = Uri::parse(dir.path().join("sub").to_str().unwrap()).unwrap();
    let opened = Repository::open(uri, Path::new("/nonexistent"), RemoteOptions::default());
    assert!(matches!(opened.err(), Some(Error::NotARepository { .. })));
}
