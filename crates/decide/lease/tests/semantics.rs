//! Eureka's rules, one by one (`AbstractInstanceRegistry`, `registry/rule/*`, `InstanceResource`).
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{EPOCH, World, registration};
use haechi_core::WallTime;
use haechi_lease::{Action, Limits, Policy, Registration, Registry, Renewal, Source, Status};

fn with_dirty(dirty: u64, status: Status) -> Registration<()> {
    Registration { last_dirty: Some(WallTime(dirty)), status, ..registration("A", "1") }
}

#[test]
fn the_registration_with_the_greater_dirty_timestamp_wins_and_the_lease_is_new_all_the_same() {
    let mut world = World::default();
    world.register(with_dirty(200, Status::Up), Source::Client);
    world.pass(5);
    let kept = world.register(with_dirty(100, Status::Down), Source::Client);
    assert_eq!((kept.status, kept.last_dirty), (Status::Up, WallTime(200)));
    assert_eq!(kept.registered, world.wall());
    let replaced = world.register(with_dirty(200, Status::Down), Source::Client);
    assert_eq!(replaced.status, Status::Down, "equal: the incoming one wins");
}

#[test]
fn a_status_follows_the_first_rule_that_matches() {
    use Status::{Down, OutOfService, Starting, Unknown, Up};
    // (override set before, what is sent, who sends it, what counts)
    for (set, sent, source, counts) in [
        (None, Up, Source::Client, Up),
        (None, Starting, Source::Client, Starting),
        (None, Unknown, Source::Client, Unknown),
        (Some(OutOfService), Up, Source::Client, OutOfService),
        (Some(OutOfService), Up, Source::Peer, OutOfService),
        (Some(OutOfService), Down, Source::Client, Down),
        (Some(OutOfService), Starting, Source::Client, Starting),
    ] {
        let mut world = World::default();
        world.register(registration("A", "1"), Source::Client);
        if let Some(status) = set {
            assert!(world.registry.set_status(("A", "1"), status, None, world.now, world.wall()));
        }
        world.register(with_dirty(EPOCH + 1, sent), source);
        assert_eq!(world.status("1"), Some(counts), "{set:?} {sent:?} {source:?}");
    }
}

#[test]
fn a_known_status_outlives_a_registration_by_a_client_but_not_by_a_peer() {
    for (source, counts) in [(Source::Client, Status::OutOfService), (Source::Peer, Status::Up)] {
        let mut world = World::default();
        world.register(with_dirty(1, Status::OutOfService), Source::Client);
        world.register(with_dirty(2, Status::Up), source);
        assert_eq!(world.status("1"), Some(counts), "{source:?}");
    }
}

#[test]
fn an_override_in_the_body_counts_only_if_none_is_known() {
    let mut world = World::default();
    let sent = Registration { overridden: Status::OutOfService, ..with_dirty(1, Status::Up) };
    assert_eq!(world.register(sent, Source::Client).status, Status::OutOfService);
    let other = Registration { overridden: Status::Up, ..with_dirty(2, Status::Up) };
    assert_eq!(world.register(other, Source::Client).status, Status::OutOfService);
    assert_eq!(world.registry.overrides().collect::<Vec<_>>(), [("1", Status::OutOfService)]);
}

#[test]
fn heartbeats_are_answered_by_who_knows_better() {
    let mut world = World::default();
    assert!(matches!(world.renew("A", "1", None, Source::Client), Renewal::Unknown));
    world.register(with_dirty(100, Status::Up), Source::Client);
    for (dirty, source, expected) in [
        (None, Source::Client, "renewed"),
        (Some(100), Source::Client, "renewed"),
        (Some(99), Source::Client, "renewed"),
        (Some(101), Source::Client, "sender is newer"),
        (Some(100), Source::Peer, "renewed"),
        (Some(101), Source::Peer, "sender is newer"),
        (Some(99), Source::Peer, "peer is older"),
    ] {
        let got = match world.renew("A", "1", dirty, source) {
            Renewal::Renewed => "renewed",
            Renewal::SenderIsNewer => "sender is newer",
            Renewal::PeerIsOlder(ours) => {
                assert_eq!(ours.last_dirty, WallTime(100));
                "peer is older"
            }
            Renewal::Unknown => "unknown",
        };
        assert_eq!(got, expected, "{dirty:?} {source:?}");
    }
}

#[test]
fn applications_are_found_in_any_case_and_instances_exactly() {
    let mut world = World::default();
    world.register(registration("A", "Host:a:1"), Source::Client);
    assert!(matches!(world.renew("a", "Host:a:1", None, Source::Client), Renewal::Renewed));
    assert!(matches!(world.renew("A", "host:a:1", None, Source::Client), Renewal::Unknown));
    assert!(world.registry.get_by_id("Host:a:1", world.now).is_some());
}

#[test]
fn a_heartbeat_makes_no_generation() {
    let mut world = World::default();
    world.register(registration("A", "1"), Source::Client);
    let before = world.registry.snapshot();
    world.pass(7);
    world.renew("A", "1", Some(EPOCH), Source::Client);
    assert!(Arc::ptr_eq(&before, &world.registry.snapshot()));
    assert_eq!(world.get("1").unwrap().last_renewal(), world.wall());
}

#[test]
fn a_status_is_set_and_taken_back_until_the_client_registers_again() {
    let mut world = World::default();
    world.register(with_dirty(100, Status::Up), Source::Client);
    let (now, wall) = (world.now, world.wall());
    let path = ("a", "1");
    assert!(!world.registry.set_status(("A", "2"), Status::Down, None, now, wall));
    assert!(world.registry.set_status(path, Status::OutOfService, Some(WallTime(150)), now, wall));
    let set = world.get("1").unwrap();
    assert_eq!((set.status, set.overridden), (Status::OutOfService, Status::OutOfService));
    assert_eq!((set.action, set.last_dirty), (Action::Modified, WallTime(150)));

    assert!(world.registry.delete_status(path, None, None, now, wall));
    assert_eq!(world.status("1"), Some(Status::Unknown));
    assert!(matches!(world.renew("A", "1", None, Source::Client), Renewal::Unknown));
    world.register(with_dirty(200, Status::Up), Source::Client);
    assert_eq!(world.status("1"), Some(Status::Up));

    let generation = world.registry.generation();
    assert!(world.registry.delete_status(path, Some(Status::Down), None, now, wall));
    assert_eq!(world.registry.generation(), generation, "without an override there is nothing to do");
}

#[test]
fn service_up_is_the_first_time_it_was_up() {
    let mut world = World::default();
    world.register(with_dirty(1, Status::Starting), Source::Client);
    assert_eq!(world.get("1").unwrap().service_up, WallTime(0));
    world.pass(3);
    let up_at = world.wall();
    world.register(with_dirty(2, Status::Up), Source::Client);
    world.pass(3);
    world.register(with_dirty(3, Status::Up), Source::Client);
    assert_eq!(world.get("1").unwrap().service_up, up_at);
}

#[test]
fn a_full_registry_takes_renewed_registrations_but_no_new_ones() {
    let limits = Limits { instances: 1, ..Limits::default() };
    let mut registry: Registry<()> = Registry::new(limits, Policy::default());
    let wall = WallTime(EPOCH);
    let now = haechi_core::Instant::ZERO;
    for (id, taken) in [("1", true), ("2", false), ("1", true)] {
        let result = registry.register(registration("A", id), Source::Client, now, wall);
        assert_eq!(result.is_ok(), taken, "{id}");
    }
    assert_eq!(registry.vitals(now).instances, 1);
}

#[test]
fn deltas_hold_three_minutes_of_changes_each_instance_once() {
    let mut world = World::default();
    world.register_all(&["1", "2"]);
    let (now, wall) = (world.now, world.wall());
    world.registry.set_status(("A", "1"), Status::Down, None, now, wall);
    world.registry.cancel("A", "2", now, wall).unwrap();
    let delta = world.registry.delta();
    let told: Vec<_> =
        delta.apps["A"].iter().map(|i| (i.registration.id.as_str(), i.action, i.evicted.0 > 0)).collect();
    assert_eq!(told, [("1", Action::Modified, false), ("2", Action::Deleted, true)]);
    assert_eq!(delta.hash_code, "DOWN_1_");
    world.pass_with(180, &["1"]);
    assert_eq!(world.registry.delta().apps["A"].len(), 2);
    let before = world.registry.delta_revision();
    world.pass_with(1, &["1"]);
    assert!(world.registry.delta().apps.is_empty());
    assert_ne!(world.registry.delta_revision(), before);
}

#[test]
fn few_changes_are_kept_when_the_limit_is_small() {
    let limits = Limits { recent_changes: 2, ..Limits::default() };
    let mut registry: Registry<()> = Registry::new(limits, Policy::default());
    for id in ["1", "2", "3"] {
        registry
            .register(registration("A", id), Source::Client, haechi_core::Instant::ZERO, WallTime(EPOCH))
            .unwrap();
    }
    let kept: Vec<_> = registry.delta().apps["A"].iter().map(|i| i.registration.id.to_string()).collect();
    assert_eq!(kept, ["2", "3"]);
}

#[test]
fn an_unchanged_service_is_the_same_snapshot() {
    let mut world = World::default();
    world.register(registration("A", "1"), Source::Client);
    world.register(registration("B", "1"), Source::Client);
    let (full, directory) = (world.registry.snapshot(), world.registry.directory());
    world.register(registration("B", "2"), Source::Client);
    let (full2, directory2) = (world.registry.snapshot(), world.registry.directory());
    assert!(Arc::ptr_eq(&full.apps["A"], &full2.apps["A"]));
    assert!(Arc::ptr_eq(&directory.services["A"], &directory2.services["A"]));
    assert_eq!(directory2.services["B"].instances.len(), 2);
    assert!(directory2.generation > directory.generation);
}

#[test]
fn facts_carry_weight_zone_and_version_from_the_metadata() {
    let mut world = World::default();
    let labels = [("weight", "25"), ("zone", "z1"), ("version", "1.2")];
    let metadata = labels.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    world.register(Registration { metadata: Arc::new(metadata), ..registration("A", "1") }, Source::Client);
    world.register(Registration { endpoint: None, ..registration("A", "2") }, Source::Client);
    let directory = world.registry.directory();
    let facts = &directory.services["A"].instances;
    assert_eq!(facts.len(), 1, "nothing can be sent to an instance without an address");
    assert_eq!(
        (facts[0].weight, facts[0].zone.as_deref(), facts[0].version.as_deref()),
        (25, Some("z1"), Some("1.2"))
    );
    assert_eq!(facts[0].generation, haechi_core::Generation(1));
}

#[test]
fn metadata_is_replaced_under_a_new_lease() {
    let mut world = World::default();
    world.register(registration("A", "1"), Source::Client);
    world.pass(10);
    let metadata = Arc::new([("k".to_owned(), "v".to_owned())].into());
    let again = world.registry.set_metadata(("A", "1"), metadata, world.now, world.wall()).unwrap();
    assert_eq!(again.registration.metadata["k"], "v");
    assert_eq!((again.action, again.registered), (Action::Added, world.wall()));
    assert_eq!(again.registration.duration, Duration::from_secs(90));
}
