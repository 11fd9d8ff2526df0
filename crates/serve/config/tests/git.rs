//! A config server on local git repositories, over HTTP.
#![allow(clippy::unwrap_used)]

mod support;

use support::{commit, git, repository, serve};

#[tokio::test]
async fn a_commit_is_served_by_the_next_request() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let first =
        repository(&repo, &[("application.yml", "message: Hello World!\n"), ("app-dev.yml", "x: 1\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;

    let reply = served.get("/app/default").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let json = reply.json();
    assert_eq!(json["version"], first);
    assert_eq!(json["label"], serde_json::Value::Null);
    assert_eq!(json["propertySources"][0]["source"]["message"], "Hello World!");
    assert_eq!(json["propertySources"][0]["name"], format!("{}/application.yml", repo.display()));

    let second = commit(&repo, &[("application.yml", "message: Hello Moon!\n")]);
    let json = served.get("/app/default").await.json();
    assert_eq!(json["version"], second);
    assert_eq!(json["propertySources"][0]["source"]["message"], "Hello Moon!");
}
