//! The state file: nothing acknowledged is forgotten.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::Harness;
use haechi_registry::Options;

fn options(path: &Path) -> Options {
    Options { state_file: Some(path.to_owned()), ..Options::default() }
}

fn ids(registry: &Harness) -> Vec<String> {
    registry.registry.status().instances.iter().map(|i| i.instance.clone()).collect()
}

/// A registry with three instances, one of them cancelled, one out of service.
async fn lived_in(path: &Path) -> Harness {
    let registry = Harness::with(options(path)).await;
    for id in ["1", "2", "3"] {
        assert_eq!(registry.register("hello", id, 8080).await.status(), 204);
    }
    assert_eq!(registry.delete("apps/HELLO/2").await.status(), 200);
    assert_eq!(registry.put("apps/HELLO/3/status?value=OUT_OF_SERVICE").await.status(), 200);
    registry
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.state");
    lived_in(&path).await.stop().await;
    let registry = Harness::with(options(&path)).await;
    let view = registry.registry.status();
    assert_eq!(ids(&registry), ["1", "3"]);
    assert!(view.instances.iter().all(|i| i.restored && i.why.contains("restored")));
    assert_eq!(
        (view.instances[1].status, view.instances[1].overridden),
        ("OUT_OF_SERVICE", "OUT_OF_SERVICE")
    );
    assert_eq!(registry.put("apps/HELLO/1").await.status(), 200);
    registry.pass(91);
    assert_eq!(ids(&registry), ["1"; 0], "91 s later neither has a lease");
    registry.stop().await;
}

#[tokio::test]
async fn restored_instances_that_renew_stay() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.state");
    lived_in(&path).await.stop().await;
    let registry = Harness::with(options(&path)).await;
    registry.pass(60);
    assert_eq!(registry.put("apps/HELLO/1?lastDirtyTimestamp=1795289986330").await.status(), 200);
    registry.pass(40);
    assert_eq!(ids(&registry), ["1"]);
    assert!(!registry.registry.status().instances[0].restored);
    registry.stop().await;
}

#[tokio::test]
async fn a_registry_that_is_killed_has_everything_it_acknowledged_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.state");
    let registry = lived_in(&path).await;
    // Never stopped: a copy of the file is what a kill would have left.
    let left = folder.path().join("left.state");
    fs::copy(&path, &left).unwrap();
    let restarted = Harness::with(options(&left)).await;
    assert_eq!(ids(&restarted), ["1", "3"]);
    restarted.stop().await;
    registry.stop().await;
}

#[tokio::test]
async fn a_torn_or_damaged_tail_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.state");
    let registry = Harness::with(options(&path)).await;
    let mut lengths = vec![0];
    for id in ["1", "2", "3"] {
        registry.register("hello", id, 8080).await;
        lengths.push(fs::metadata(&path).unwrap().len() as usize);
    }
    let whole = fs::read(&path).unwrap();
    registry.stop().await;
    let torn = folder.path().join("torn.state");
    for cut in (lengths[2]..whole.len()).step_by(97) {
        fs::write(&torn, &whole[..cut]).unwrap();
        let registry = Harness::with(options(&torn)).await;
        assert_eq!(ids(&registry), ["1", "2"], "cut at {cut} of {}", whole.len());
        assert_eq!(registry.register("hello", "4", 1).await.status(), 204, "and it goes on");
        registry.stop().await;
    }
    let mut flipped = whole.clone();
    flipped[lengths[2] + 20] ^= 1;
    fs::write(&torn, &flipped).unwrap();
    let registry = Harness::with(options(&torn)).await;
    assert_eq!(ids(&registry), ["1", "2"]);
    assert!(registry.events.recent().iter().any(|e| e.what.contains("damaged")));
    registry.stop().await;
    fs::write(&torn, "something else").unwrap();
    let registry = Harness::with(options(&torn)).await;
    assert_eq!(ids(&registry), [""; 0]);
    registry.stop().await;
}

#[tokio::test]
async fn trouble_with_the_disk_is_told_and_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "a file where a folder should be").unwrap();
    let path = blocked.join("registry.state");
    let registry = Harness::with(options(&path)).await;
    assert_eq!(registry.register("hello", "1", 8080).await.status(), 204);
    assert_eq!(registry.registry.status().durable, Some(false));
    assert!(registry.events.recent().iter().any(|e| e.what.contains("can't be written")));
    fs::remove_file(&blocked).unwrap();
    for n in 0..70 {
        registry.register("hello", &format!("more-{n}"), 8080).await;
    }
    assert_eq!(registry.registry.status().durable, Some(true), "it is tried again");
    registry.stop().await;
    let registry = Harness::with(options(&path)).await;
    assert_eq!(ids(&registry).len(), 71);
    registry.stop().await;
}
