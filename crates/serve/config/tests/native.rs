//! A config server on folders.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use haechi_config::{NativeOptions, Options, SourceOptions};
use serde_json::{Value, json};
use support::serve;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn options(dir: &Path, locations: &[&str]) -> Options {
    let native = NativeOptions {
        search_locations: locations.iter().map(|l| format!("{}/{l}", dir.display())).collect(),
        add_label_locations: true,
        version: None,
    };
    Options::new(vec![SourceOptions::Native(native)], dir.join("mirrors"))
}

#[tokio::test]
async fn a_folder_is_served_as_it_is_on_disk_now() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    write(
        &dir,
        &[
            ("conf/application.yml", "a: 1\n"),
            ("conf/app.yml", "b: 1\n"),
            ("conf/test/app.yml", "b: label\n"),
        ],
    );
    let served = serve(options(&dir, &["conf"])).await;
    let json = served.get("/app/default").await.json();
    assert_eq!((&json["version"], &json["state"]), (&Value::Null, &Value::Null));
    let name = format!("file:{}/conf/app.yml", dir.display());
    assert_eq!(json["propertySources"][0], json!({"name": name, "source": {"b": 1}}));
    write(&dir, &[("conf/app.yml", "b: 22\n")]);
    assert_eq!(served.get("/app/default").await.json()["propertySources"][0]["source"]["b"], 22);
    assert_eq!(served.get("/app/default/test").await.json()["propertySources"][0]["source"]["b"], "label");
    std::fs::remove_file(dir.join("conf/app.yml")).unwrap();
    assert_eq!(served.get("/app/default").await.json()["propertySources"][0]["source"], json!({"a": 1}));
    write(&dir, &[("conf/application.yml", "a: [\n")]);
    let reply = served.get("/app/default").await;
    assert_eq!(reply.json()["propertySources"][0]["source"], json!({"a": 1}), "the last good version");
    assert!(reply.header("haechi-config-warning").is_some());
}

#[tokio::test]
async fn later_locations_win_placeholders_are_filled_and_links_lead_nowhere_outside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    write(
        &dir,
        &[
            ("low/app.yml", "a: low\n"),
            ("high/app/app.yml", "a: high\n"),
            ("high/..data/real.txt", "inside\n"),
            ("high/app/x.txt", "x ${a}\n"),
            ("outside.txt", "SECRET\n"),
        ],
    );
    std::os::unix::fs::symlink("../../outside.txt", dir.join("high/app/out.txt")).unwrap();
    std::os::unix::fs::symlink("../..data/real.txt", dir.join("high/app/in.txt")).unwrap();
    let served = serve(options(&dir, &["low", "high/{application}"])).await;
    assert_eq!(served.get("/app/default").await.json()["propertySources"][0]["source"]["a"], "high");
    assert_eq!(served.get("/app/default/x.txt?useDefaultLabel").await.body, "x high\n");
    assert_eq!(served.get("/app/default/in.txt?useDefaultLabel").await.body, "inside\n");
    assert_eq!(served.get("/app/default/out.txt?useDefaultLabel").await.status, 404);
    let absolute = format!("/app/default/main{}/low/app.yml", dir.display());
    assert_eq!(served.get(&absolute).await.status, 404, "the machine's root is no location");
}
