//! Leases that run out, and self-preservation.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{World, registration};
use haechi_lease::{Policy, Registration, Renewal, Source};

#[test]
fn a_lease_lasts_once_its_duration_after_the_last_heartbeat() {
    let mut world = World::default();
    world.register_all(&["1", "2"]);
    world.pass_with(30, &["1", "2"]);
    assert_eq!(world.pass_with(90, &["2"]), [""; 0]);
    assert!(world.get("1").is_some());
    assert_eq!(world.pass_with(1, &["2"]), ["1"]);
    assert!(world.get("1").is_none());
}

#[test]
fn one_crashed_instance_of_any_small_number_is_evicted() {
    let ids = ["1", "2", "3", "4", "5", "6", "7", "8"];
    for n in 1..=ids.len() {
        let mut world = World::default();
        world.register_all(&ids[..n]);
        assert_eq!(world.pass_with(100, &ids[1..n]), ["1"], "of {n}");
    }
}

#[test]
fn a_registry_that_hears_nobody_evicts_nobody() {
    for ids in [&["1", "2"][..], &["1", "2", "3"], &["1", "2", "3", "4", "5", "6", "7"]] {
        let mut world = World::default();
        // Registered at different times, so that the leases run out one after another.
        for id in ids {
            world.register(registration("A", id), Source::Client);
            world.pass_with(4, ids);
        }
        assert_eq!(world.pass(3_600), [""; 0]);
        assert!(world.registry.vitals(world.now).self_preservation);
        assert!(world.get("1").is_some(), "kept instances are shown");
        assert_eq!(world.pass_with(120, ids), [""; 0], "and are heard again");
        assert!(!world.registry.vitals(world.now).self_preservation);
    }
}

#[test]
fn self_preservation_begins_and_ends_once() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3"]);
    let mut turns = Vec::new();
    for second in 1..=200 {
        world.now = world.now + Duration::from_secs(1);
        if second == 150 {
            for id in ["1", "2", "3"] {
                world.renew("A", id, None, Source::Client);
            }
        }
        turns.extend(world.tick().holding.map(|begins| (second, begins)));
    }
    assert_eq!(turns, [(91, true), (150, false)]);
}

#[test]
fn without_self_preservation_everybody_silent_goes() {
    let mut world = World::with(Policy { self_preservation: false, ..Policy::default() });
    world.register_all(&["1", "2", "3"]);
    assert_eq!(world.pass(91), ["1", "2", "3"]);
}

#[test]
fn two_crashes_one_after_the_other_are_both_evicted() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3"]);
    assert_eq!(world.pass_with(95, &["2", "3"]), ["1"]);
    // The second one was heard last at 90 s; its lease runs out at 180 s.
    assert_eq!(world.pass_with(90, &["3"]), ["2"]);
}

#[test]
fn evictions_of_the_last_minute_count_as_silence() {
    let mut world = World::default();
    for id in ["1", "2", "3"] {
        // So short that a heartbeat on time leaves no room to notice that others are late.
        let lease = Registration { duration: Duration::from_secs(35), ..registration("A", id) };
        world.register(lease, Source::Client);
    }
    assert_eq!(world.pass_with(36, &["2", "3"]), ["1"]);
    // The second lease runs out at 65 s: two silent of three known.
    assert_eq!(world.pass_with(60, &["3"]), [""; 0]);
    assert!(world.registry.vitals(world.now).self_preservation);
    assert_eq!(world.pass_with(1, &["3"]), ["2"], "a minute later it is one of two");
}

#[test]
fn two_of_three_silent_at_once_are_kept() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3"]);
    assert_eq!(world.pass_with(30, &["2", "3"]), [""; 0]);
    assert_eq!(world.pass_with(3_600, &["3"]), [""; 0]);
}

#[test]
fn some_of_many_are_evicted_after_the_longest_hold_because_most_are_heard() {
    let mut world = World::default();
    let alive = ["1", "2", "3", "4", "5", "6"];
    world.register_all(&alive);
    world.register_all(&["x", "y"]);
    assert_eq!(world.pass_with(90 + 900, &alive), [""; 0]);
    let mut evicted = world.pass_with(5, &alive);
    evicted.sort();
    assert_eq!(evicted, ["x", "y"]);
}

#[test]
fn a_process_that_stood_still_blames_nobody() {
    let mut world = World::default();
    world.register_all(&["1"]);
    world.pass_with(30, &["1"]);
    world.now = world.now + Duration::from_secs(3_600);
    assert!(world.tick().evicted.is_empty());
    assert!(world.get("1").is_some());
    assert_eq!(world.pass(88), [""; 0]);
    assert_eq!(world.pass(3), ["1"], "time passes again");
}

#[test]
fn a_heartbeat_between_the_end_of_a_lease_and_its_eviction_saves_it() {
    let mut world = World::default();
    world.register_all(&["1"]);
    world.pass(90);
    world.now = world.now + Duration::from_millis(900);
    assert!(world.get("1").is_none(), "gone as soon as its lease ran out, even before it is evicted");
    assert!(matches!(world.renew("A", "1", None, Source::Client), Renewal::Renewed));
    assert_eq!(world.pass(90), [""; 0]);
}

#[test]
fn restored_instances_must_renew_whatever_self_preservation_says() {
    let mut world = World::default();
    for id in ["1", "2", "3"] {
        world.register(registration("A", id), Source::StateFile);
    }
    assert_eq!(world.registry.vitals(world.now).restored, 3);
    assert!(world.registry.leases(world.now).all(|l| l.restored));
    world.renew("A", "1", None, Source::Client);
    assert_eq!(world.registry.vitals(world.now).restored, 2);
    let mut evicted = world.pass_with(91, &["1"]);
    evicted.sort();
    assert_eq!(evicted, ["2", "3"]);
}

#[test]
fn a_shorter_lease_after_a_longer_one_counts_from_its_own_registration() {
    let mut world = World::default();
    world.register_all(&["1", "2"]);
    world.pass_with(10, &["2"]);
    let short = Registration {
        duration: Duration::from_secs(5),
        renewal_interval: Duration::from_secs(2),
        ..registration("A", "1")
    };
    world.register(short, Source::Client);
    assert_eq!(world.pass_with(5, &["2"]), [""; 0]);
    assert_eq!(world.pass_with(1, &["2"]), ["1"]);
}

#[test]
fn renewals_and_their_threshold_are_counted_by_the_minute() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3", "4", "5"]);
    world.pass_with(120, &["1", "2", "3", "4", "5"]);
    let vitals = world.registry.vitals(world.now);
    assert_eq!((vitals.renewals_expected, vitals.renewals_threshold), (10, 8));
    assert_eq!(vitals.renewals_last_minute, 10);
}
