//! A config server on local git repositories, over HTTP.
#![allow(clippy::unwrap_used)]

mod support;

use haechi_config::{
    ConfigServer, Credentials, GitOptions, Options, PatternRepository, RepositoryOptions, SourceOptions,
};
use haechi_core::SystemClock;
use haechi_stream::Events;
use serde_json::{Value, json};
use support::{Reply, commit, git, git_with, program, repository, serve};

/// The value that a key has in the highest source of an environment document.
fn value(reply: &Reply, key: &str) -> Value {
    let json = reply.json();
    let sources = json["propertySources"].as_array().unwrap();
    sources.iter().find_map(|s| s["source"].get(key)).cloned().unwrap_or(Value::Null)
}

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
    assert_eq!((&json["version"], &json["label"], &json["state"]), (&json!(first), &Value::Null, &json!("")));
    assert_eq!(value(&reply, "message"), "Hello World!");
    assert_eq!(json["propertySources"][0]["name"], format!("{}/application.yml", repo.display()));

    let second = commit(&repo, &[("application.yml", "message: Hello Moon!\n")]);
    let reply = served.get("/app/default").await;
    assert_eq!(reply.json()["version"], second);
    assert_eq!(value(&reply, "message"), "Hello Moon!");
    assert_eq!(served.server.flat("app", "default", None).await.unwrap()["message"], "Hello Moon!".into());
}

#[tokio::test]
async fn an_edit_committed_by_hand_is_served_and_one_that_is_not_committed_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.properties", "message=one\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    std::fs::write(repo.join("app.properties"), "message=two\n").unwrap();
    assert_eq!(value(&served.get("/app/default").await, "message"), "one");
    program(&repo, &["-c", "user.name=T", "-c", "user.email=t@example", "commit", "-qam", "two"]);
    assert_eq!(value(&served.get("/app/default").await, "message"), "two");
}

#[tokio::test]
async fn labels_are_branches_tags_and_commits_and_an_unknown_one_is_404() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let first = repository(&repo, &[("app.yml", "v: 1\n")]);
    program(&repo, &["tag", "v1"]);
    program(&repo, &["branch", "feature/x"]);
    let second = commit(&repo, &[("app.yml", "v: 2\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    for (label, expected) in [("main", 2), ("v1", 1), ("feature(_)x", 1), (&first[..10], 1), (&second, 2)] {
        let reply = served.get(&format!("/app/default/{label}")).await;
        assert_eq!((reply.status, value(&reply, "v")), (200, json!(expected)), "{label}");
        assert_eq!(reply.json()["label"], label.replace("(_)", "/"));
    }
    let both = served.get("/app/default/main,v1").await.json();
    assert_eq!(both["version"], format!("{second},{first}"));
    let values: Vec<_> =
        both["propertySources"].as_array().unwrap().iter().map(|s| &s["source"]["v"]).collect();
    assert_eq!(values, [1, 2], "the last label comes first");
    let unknown = served.get("/app/default/nope").await;
    assert_eq!((unknown.status, unknown.json()["status"].clone()), (404, json!(404)));
    assert_eq!(served.get("/app/default/main,nope").await.status, 404);
    assert_eq!(served.get("/nope/app-default.yml").await.status, 404);
    assert_eq!(served.get("/app/default/nope/app.yml").await.status, 404);
}

#[tokio::test]
async fn the_default_label_is_main_or_else_master_or_what_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    program(&repo, &["branch", "-m", "master"]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    assert_eq!(value(&served.get("/app/default").await, "v"), 1);
    let mut options = RepositoryOptions::new(repo.to_str().unwrap());
    options.default_label = Some("live".into());
    let served = serve(git_with(options, dir.path())).await;
    assert_eq!(served.get("/app/default").await.status, 404);
    program(&repo, &["branch", "live"]);
    assert_eq!(value(&served.get("/app/default").await, "v"), 1);
}

#[tokio::test]
async fn a_file_that_breaks_is_served_in_its_last_good_version_and_everybody_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n"), ("other.yml", "w: 1\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    assert_eq!(value(&served.get("/app/default").await, "v"), 1);

    commit(&repo, &[("app.yml", "v: 2\nbad: [\n"), ("other.yml", "w: 2\n")]);
    let reply = served.get("/app/default").await;
    assert_eq!((reply.status, value(&reply, "v")), (200, json!(1)));
    assert!(reply.header("haechi-config-warning").unwrap().starts_with("app.yml:"), "{:?}", reply.headers);
    let other = served.get("/other/default").await;
    assert_eq!((value(&other, "w"), other.header("haechi-config-warning")), (json!(2), None));

    let status = served.server.status();
    let problem = &status.repositories[0].labels[0].problems[0];
    assert_eq!((problem.file.as_str(), problem.serving_last_good), ("app.yml", true));
    assert!(problem.line >= 2, "{problem}");
    let health = served.get("/actuator/health").await;
    assert_eq!((health.status, health.json()["status"].clone()), (200, json!("UP")));
    assert!(health.body.contains("app.yml:"), "{}", health.body);
    assert!(
        served.said().iter().any(|s| s.contains("app.yml:") && s.contains("last good")),
        "{:?}",
        served.said()
    );

    commit(&repo, &[("app.yml", "v: 3\n")]);
    let reply = served.get("/app/default").await;
    assert_eq!((value(&reply, "v"), reply.header("haechi-config-warning")), (json!(3), None));
    assert!(served.server.status().problems().is_empty());
}

#[tokio::test]
async fn a_file_that_was_never_good_is_an_error_for_its_application_only() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("shop.yml", "v: [\n"), ("other.yml", "w: 1\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    for path in ["/shop/default", "/shop-default.yml", "/main/shop-default.json", "/shop,other/default"] {
        let reply = served.get(path).await;
        assert_eq!(reply.status, 500, "{path}");
        assert!(reply.json()["message"].as_str().unwrap().contains("shop.yml:"), "{}", reply.body);
    }
    assert_eq!(value(&served.get("/other/default").await, "w"), 1);
    assert_eq!(served.get("/actuator/health").await.status, 200);
}

#[tokio::test]
async fn every_form_of_an_answer_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let yaml = "name: world\ngreeting: Hello ${name}!\nlist: [a, b]\nport: 8080\n";
    repository(&repo, &[("app.yml", yaml), ("nginx.conf", "listen ${port};\n"), ("nginx-dev.conf", "dev\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    let v2 = "application/vnd.spring-cloud.config-server.v2+json";
    let reply = served.get_with("/app/default", &[("accept", v2)]).await;
    assert_eq!(reply.header("content-type"), Some(v2));
    assert_eq!(value(&reply, "port"), json!({"value": 8080, "origin": "4:7"}));
    for (path, content_type, body) in [
        (
            "/app-default.yml",
            "text/plain",
            "name: world\ngreeting: Hello world!\nport: 8080\nlist:\n- a\n- b\n",
        ),
        (
            "/app-default.properties",
            "text/plain",
            "name: world\ngreeting: Hello world!\nport: 8080\nlist[0]: a\nlist[1]: b",
        ),
        (
            "/main/app-default.json",
            "application/json",
            r#"{"name":"world","greeting":"Hello world!","port":8080,"list":["a","b"]}"#,
        ),
        ("/app/default/main/nginx.conf", "text/plain;charset=UTF-8", "listen 8080;\n"),
        (
            "/app/default/main/nginx.conf?resolvePlaceholders=false",
            "text/plain;charset=UTF-8",
            "listen ${port};\n",
        ),
        ("/app/dev/nginx.conf?useDefaultLabel", "text/plain;charset=UTF-8", "dev\n"),
    ] {
        for _ in 0..2 {
            let reply = served.get(path).await;
            assert_eq!(
                (reply.status, reply.header("content-type"), reply.body.as_str()),
                (200, Some(content_type), body),
                "{path}"
            );
        }
    }
    let head = served.send("HEAD", "/app-default.yml", &[], "").await;
    assert_eq!((head.status, head.body.as_str(), head.header("content-length")), (200, "", Some("60")));
    let raw =
        served.get_with("/app/default/main/nginx.conf", &[("accept", "application/octet-stream")]).await;
    assert_eq!(
        (raw.header("content-type"), raw.body.as_str()),
        (Some("application/octet-stream"), "listen ${port};\n")
    );
    assert!(served.get("/app-default.yml?resolvePlaceholders=false").await.body.contains("Hello ${name}!"));
}

#[tokio::test]
async fn a_file_is_not_sent_again_until_something_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("a.txt", "one\n")]);
    let served = serve(git(repo.to_str().unwrap(), dir.path())).await;
    let first = served.get("/app/default/main/a.txt").await;
    let modified = first.header("last-modified").unwrap().to_owned();
    let again = served.get_with("/app/default/main/a.txt", &[("if-modified-since", &modified)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    // Even in the same second, and even for an older commit.
    commit(&repo, &[("a.txt", "two\n")]);
    let changed = served.get_with("/app/default/main/a.txt", &[("if-modified-since", &modified)]).await;
    assert_eq!((changed.status, changed.body.as_str()), (200, "two\n"));
    let modified = changed.header("last-modified").unwrap().to_owned();
    program(&repo, &["reset", "-q", "--hard", "HEAD~1"]);
    let back = served.get_with("/app/default/main/a.txt", &[("if-modified-since", &modified)]).await;
    assert_eq!((back.status, back.body.as_str()), (200, "one\n"));
}

#[tokio::test]
async fn applications_go_to_the_repository_whose_pattern_they_match_and_that_has_the_label() {
    let dir = tempfile::tempdir().unwrap();
    let (main, team) = (dir.path().join("main"), dir.path().join("team"));
    repository(&main, &[("application.yml", "from: main\n")]);
    program(&main, &["branch", "feature"]);
    repository(&team, &[("application.yml", "from: team\n")]);
    let pattern = |name: &str, patterns: &[&str]| PatternRepository {
        name: name.into(),
        patterns: patterns.iter().map(|p| (*p).to_owned()).collect(),
        repository: RepositoryOptions::new(team.to_str().unwrap()),
    };
    let git = GitOptions {
        default: RepositoryOptions::new(main.to_str().unwrap()),
        repositories: vec![pattern("shop", &[]), pattern("x", &["local*", "*/staging"])],
    };
    let served = serve(Options::new(vec![SourceOptions::Git(git)], dir.path().into())).await;
    for (path, from) in [
        ("/shop/default", "team"),
        ("/shop/default/feature", "main"),
        ("/local-app/dev", "team"),
        ("/any/staging", "team"),
        ("/any/dev,staging", "team"),
        ("/any/dev", "main"),
    ] {
        assert_eq!(value(&served.get(path).await, "from"), from, "{path}");
    }
}

#[tokio::test]
async fn an_address_with_placeholders_stands_for_a_repository_each() {
    let dir = tempfile::tempdir().unwrap();
    for app in ["a", "b"] {
        repository(&dir.path().join(app), &[("application.yml", &format!("of: {app}\n"))]);
    }
    let uri = format!("{}/{{application}}", dir.path().display());
    let served = serve(git(uri, dir.path().join("mirrors"))).await;
    assert_eq!(value(&served.get("/a/default").await, "of"), "a");
    assert_eq!(value(&served.get("/b/default").await, "of"), "b");
    assert_eq!(served.get("/nope/default").await.status, 503);
    let host = git("https://{application}.example/x.git", dir.path());
    let clock = SystemClock::start();
    assert!(ConfigServer::start(host, clock.clone(), Events::new(clock)).await.is_err());
}

#[tokio::test]
async fn sources_are_laid_over_each_other_in_their_order_and_overrides_over_all() {
    let dir = tempfile::tempdir().unwrap();
    let (high, low) = (dir.path().join("high"), dir.path().join("low"));
    repository(&high, &[("app.yml", "a: high\nb: high\n")]);
    repository(&low, &[("app.yml", "a: low\nc: low\n")]);
    let one = |path: &std::path::Path| {
        let default = RepositoryOptions::new(path.to_str().unwrap());
        SourceOptions::Git(GitOptions { default, repositories: Vec::new() })
    };
    let mut options = Options::new(vec![one(&high), one(&low)], dir.path().into());
    options.overrides.insert("b".into(), "over ${c} \\${c}".into());
    options.prefix = "/config".into();
    let served = serve(options).await;
    let reply = served.get("/config/app/default").await;
    let json = reply.json();
    assert_eq!((&json["version"], &json["state"]), (&Value::Null, &Value::Null));
    assert_eq!(json["propertySources"][0], json!({"name": "overrides", "source": {"b": "over ${c} ${c}"}}));
    let v2 = "application/vnd.spring-cloud.config-server.v2+json";
    let described = served.get_with("/config/app/default", &[("accept", v2)]).await;
    assert_eq!(
        value(&described, "b"),
        json!({"value": "over ${c} ${c}", "origin": "Config server overrides"})
    );
    assert_eq!((value(&reply, "a"), value(&reply, "c")), (json!("high"), json!("low")));
    assert_eq!(served.get("/app/default").await.status, 404);
    assert_eq!(served.get("/configapp/default").await.status, 404);
}

#[tokio::test]
async fn nothing_known_is_an_empty_answer_or_404_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    let served = serve(options.clone()).await;
    let reply = served.get("/nope/default").await;
    assert_eq!((reply.status, reply.json()["propertySources"].clone()), (200, json!([])));
    options.accept_empty = false;
    let served = serve(options).await;
    assert_eq!(served.get("/nope/default").await.status, 404);
    assert_eq!(served.get("/app/default").await.status, 200);
}

#[tokio::test]
async fn a_password_guards_everything_but_the_word_of_health() {
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    repository(&repo, &[("app.yml", "v: 1\n")]);
    let mut options = git(repo.to_str().unwrap(), dir.path());
    options.auth = Some(Credentials { username: "ann".into(), password: "s3cret".into() });
    let served = serve(options).await;
    for path in ["/app/default", "/app-default.yml", "/haechi/watch/app/default", "/nope", "/encrypt/status"]
    {
        let reply = served.get(path).await;
        assert_eq!(reply.status, 401, "{path}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Basic "));
    }
    for wrong in ["Basic Og==", "Basic", "Basic YW5uOndyb25n", "Bearer YW5uOnMzY3JldA==", "Basic !!!"] {
        assert_eq!(served.get_with("/app/default", &[("authorization", wrong)]).await.status, 401, "{wrong}");
    }
    for right in ["Basic YW5uOnMzY3JldA==", "basic  YW5uOnMzY3JldA=="] {
        assert_eq!(served.get_with("/app/default", &[("authorization", right)]).await.status, 200, "{right}");
    }
    assert_eq!(served.get("/actuator/health").await.body, r#"{"status":"UP"}"#);
}
