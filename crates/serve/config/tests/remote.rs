//! A config server on remote repositories that change, hang and die.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_config::{Options, RepositoryOptions};
use serde_json::json;
use support::{Remote, Served, commit, git_with, program, repository, serve};

struct Setup {
    dir: tempfile::TempDir,
    repo: PathBuf,
    remote: Remote,
}

fn setup() -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("base/repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let remote = Remote::new(&dir.path().join("base"));
    Setup { dir, repo, remote }
}

impl Setup {
    /// Fetches when told to only, so that a test decides.
    fn options(&self) -> Options {
        let mut repository = RepositoryOptions::new(self.remote.uri("repo/.git"));
        repository.refresh = None;
        repository.clone_on_start = true;
        let mut options = git_with(repository, self.mirrors());
        // A slow machine must not look like a remote that doesn't answer.
        options.limits.label_wait = Duration::from_secs(600);
        options
    }

    fn mirrors(&self) -> PathBuf {
        self.dir.path().join("mirrors")
    }
}

async fn v(served: &Served, path: &str) -> serde_json::Value {
    let reply = served.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.json()["propertySources"][0]["source"]["v"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_served_once_the_server_is_told() {
    let setup = setup();
    let served = serve(setup.options()).await;
    let mut generation = served.server.watch();
    assert_eq!(v(&served, "/app/default").await, 1);
    generation.mark_unchanged();

    commit(&setup.repo, &[("app.yml", "v: 2\n")]);
    assert_eq!(v(&served, "/app/default").await, 1, "nobody has fetched");
    let told = served.send(
        "POST",
        "/monitor",
        &[("x-github-event", "push")],
        r#"{"commits":[{"modified":["my-app-dev.yml"]}]}"#,
    );
    let told = told.await;
    assert_eq!((told.status, told.json()), (200, json!(["my-app-dev", "my-app", "my"])));
    generation.changed().await.unwrap();
    assert_eq!(v(&served, "/app/default").await, 2);

    commit(&setup.repo, &[("app.yml", "v: 3\n")]);
    served.server.refresh_now().await;
    assert_eq!(v(&served, "/app/default").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_fetched_at_the_interval() {
    let setup = setup();
    let mut repository = RepositoryOptions::new(setup.remote.uri("repo/.git"));
    repository.refresh = Some(Duration::from_millis(20));
    repository.clone_on_start = true;
    let served = serve(git_with(repository, setup.mirrors())).await;
    let mut generation = served.server.watch();
    assert_eq!(v(&served, "/app/default").await, 1);
    generation.mark_unchanged();
    commit(&setup.repo, &[("app.yml", "v: 2\n")]);
    generation.changed().await.unwrap();
    assert_eq!(v(&served, "/app/default").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_label_is_fetched_for_once_by_all_who_ask() {
    let setup = setup();
    let mut options = setup.options();
    options.limits.label_fetch_every = Duration::ZERO;
    let served = serve(options).await;
    program(&setup.repo, &["branch", "new"]);
    assert_eq!(v(&served, "/app/default/new").await, 1);
    assert_eq!(served.get("/app/default/made-up").await.status, 404);
    let status = served.server.status();
    let labels: Vec<_> = status.repositories[0].labels.iter().map(|l| l.label.as_str()).collect();
    assert_eq!(labels, ["main or master", "new"], "a made-up label is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_labels_do_not_make_the_server_fetch_again_and_again() {
    let setup = setup();
    let mut options = setup.options();
    options.limits.label_fetch_every = Duration::from_secs(3600);
    let served = serve(options).await;
    setup.remote.hang();
    for n in 0..20 {
        assert_eq!(served.get(&format!("/app/default/made-up-{n}")).await.status, 404);
    }
}

/// Boots `clients` at once, each asking as Spring's client does: for the default profile, then for its own.
async fn boot(served: &Served, clients: usize) {
    let mut boots = tokio::task::JoinSet::new();
    for n in 0..clients {
        let (client, address) = (served.client.clone(), served.address);
        boots.spawn(async move {
            for profile in ["default", "dev"] {
                let url = format!("http://{address}/app-{}/{profile}", n % 50);
                let response = client.get(url).send().await.unwrap();
                assert_eq!(response.status().as_u16(), 200);
                assert!(response.text().await.unwrap().contains("\"shared\":true"));
            }
        });
    }
    while let Some(done) = boots.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_clients_boot_while_the_remote_hangs() {
    let setup = setup();
    commit(&setup.repo, &[("application.yml", "shared: true\n")]);
    let served = serve(setup.options()).await;
    setup.remote.hang();
    let hanging = served.server.clone();
    let refresh = tokio::spawn(async move { hanging.refresh_now().await });
    boot(&served, 300).await;
    assert!(!refresh.is_finished(), "the fetch hangs all the while");
    refresh.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_the_remote_dead_serves_what_is_on_disk() {
    let setup = setup();
    let served = serve(setup.options()).await;
    assert_eq!(v(&served, "/app/default").await, 1);
    drop(served);

    setup.remote.hang();
    let mut repository = RepositoryOptions::new(setup.remote.uri("repo/.git"));
    repository.timeout = Duration::from_millis(200);
    let served = serve(git_with(repository, setup.mirrors())).await;
    assert_eq!(v(&served, "/app/default").await, 1);
    served.server.refresh_now().await;
    let status = served.server.status();
    assert!(status.repositories[0].error.as_ref().unwrap().contains("not done after"), "{status:?}");
    assert_eq!(v(&served, "/app/default").await, 1);
    let health = served.get("/actuator/health").await;
    assert_eq!(health.status, 200);
    assert!(health.body.contains("not done after"), "{}", health.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_that_was_never_read_is_said_so_in_bounded_time() {
    let setup = setup();
    setup.remote.hang();
    let mut options = git_with(RepositoryOptions::new(setup.remote.uri("repo/.git")), setup.mirrors());
    options.limits.label_wait = Duration::from_millis(100);
    let served = serve(options).await;
    let reply = served.get("/app/default").await;
    assert_eq!(reply.status, 503, "{}", reply.body);
    assert!(reply.json()["message"].as_str().unwrap().contains("has not answered yet"), "{}", reply.body);
    assert_eq!(served.get("/actuator/health").await.status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_in_the_address_is_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let uri = "http://ann:s3cret@127.0.0.1:1/x.git";
    let served = serve(git_with(RepositoryOptions::new(uri), Path::new(dir.path()))).await;
    let shown = format!(
        "{:?} {:?} {} {}",
        served.server.status(),
        served.said(),
        served.get("/app/default").await.body,
        served.get("/actuator/health").await.body
    );
    assert!(shown.contains("127.0.0.1:1/x.git") && !shown.contains("s3cret"), "{shown}");
}
