//! Waiting for a change instead of asking again and again.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use support::{commit, git, repository, serve};

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_answered_when_what_it_is_served_changes_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n"), ("other.yml", "w: 1\n")]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    options.limits.local_poll = Duration::from_millis(10);
    let served = serve(options).await;
    let first = served.get("/haechi/watch/app/default").await.json();
    assert_eq!(first["changed"], true);
    let since = first["version"].as_str().unwrap().to_owned();

    let path = format!("/haechi/watch/app/default/main?since={since}");
    let label_matters = served.get(&path).await.json();
    assert_ne!(label_matters["version"], first["version"]);

    let (client, address) = (served.client.clone(), served.address);
    let watching = tokio::spawn(async move {
        let url = format!("http://{address}/haechi/watch/app/default?since={since}");
        client.get(url).send().await.unwrap().text().await.unwrap()
    });
    // Another application's change turns the generation, but doesn't answer this watcher.
    let mut generation = served.server.watch();
    generation.mark_unchanged();
    commit(&repo, &[("other.yml", "w: 2\n")]);
    generation.changed().await.unwrap();
    assert!(!watching.is_finished());
    commit(&repo, &[("app.yml", "v: 2\n")]);
    let answer: serde_json::Value = serde_json::from_str(&watching.await.unwrap()).unwrap();
    assert_eq!(answer["changed"], true);
    assert_eq!(answer["version"], served.get("/haechi/watch/app/default").await.json()["version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_answered_when_its_time_is_up_and_too_many_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    options.limits.watch_wait = Duration::from_millis(50);
    let served = serve(options.clone()).await;
    let version =
        served.get("/haechi/watch/app/default").await.json()["version"].as_str().unwrap().to_owned();
    let same = served.get(&format!("/haechi/watch/app/default?since={version}")).await.json();
    assert_eq!((same["version"].as_str(), same["changed"].as_bool()), (Some(version.as_str()), Some(false)));
    options.limits.watchers = 0;
    let served = serve(options).await;
    assert_eq!(served.get("/haechi/watch/app/default").await.status, 503);
}
