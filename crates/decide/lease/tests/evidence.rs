//! Evidence of those who call instances.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{World, registration};
use haechi_core::{Instant, Witness};
use haechi_lease::{Kept, Registration, Renewal, Source, Verdict};

#[test]
fn a_refused_connection_removes_exactly_that_instance() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3"]);
    world.pass(1);
    assert!(
        matches!(world.refused("2", world.now), Verdict::Removed(gone) if gone.registration.id.as_str() == "2")
    );
    assert!(matches!(world.refused("2", world.now), Verdict::NoSuchInstance));
    let directory = world.registry.directory();
    let left: Vec<_> = directory.services["A"].instances.iter().map(|i| i.instance.to_string()).collect();
    assert_eq!(left, ["1", "3"]);
    assert!(
        matches!(world.renew("A", "2", None, Source::Client), Renewal::Unknown),
        "it must register again"
    );
    world.register_all(&["2"]);
    assert!(world.get("2").is_some());
}

#[test]
fn a_heartbeat_newer_than_the_evidence_keeps_the_instance() {
    let mut world = World::default();
    world.register_all(&["1"]);
    world.pass(10);
    let seen_at = world.now;
    world.pass(1);
    world.renew("A", "1", None, Source::Client);
    assert!(matches!(world.refused("1", seen_at), Verdict::Kept(_, Kept::HeardSince)));
    assert!(world.get("1").is_some());
    assert_eq!(world.registry.leases(world.now).next().unwrap().soft_evidence, 1);
}

#[test]
fn soft_evidence_only_counts() {
    let mut world = World::default();
    world.register_all(&["1"]);
    for witness in [Witness::Reset, Witness::TimedOut, Witness::LeaseExpired] {
        assert!(matches!(world.evidence("1", witness, world.now), Verdict::Counted(_)));
    }
    let lease = world.registry.leases(world.now).next().unwrap();
    assert_eq!(lease.soft_evidence, 3);
}

#[test]
fn one_piece_of_evidence_removes_one_of_two_at_the_same_address_the_one_silent_longest() {
    let mut world = World::default();
    let twin = |id: &str| Registration { endpoint: registration("A", "1").endpoint, ..registration("A", id) };
    world.register(twin("1"), Source::Client);
    world.register(twin("0-new"), Source::Client);
    world.pass(5);
    world.renew("A", "0-new", None, Source::Client);
    let seen_at = world.now;
    assert!(
        matches!(world.refused("1", seen_at), Verdict::Removed(gone) if gone.registration.id.as_str() == "1")
    );
    assert_eq!(world.registry.vitals(world.now).instances, 1);
}

#[test]
fn an_instance_that_proved_evidence_wrong_is_trusted_for_a_while() {
    let mut world = World::default();
    world.register_all(&["1"]);
    world.pass(1);
    assert!(matches!(world.refused("1", world.now), Verdict::Removed(_)));
    // A dead process doesn't send this.
    assert!(matches!(world.renew("A", "1", None, Source::Client), Renewal::Unknown));
    world.register_all(&["1"]);
    world.pass(1);
    assert!(matches!(world.refused("1", world.now), Verdict::Kept(_, Kept::Trusted)));
    assert!(
        matches!(world.evidence("1", Witness::Exited, world.now), Verdict::Removed(_)),
        "but an exit is an exit"
    );
}

#[test]
fn trust_ends() {
    let mut world = World::default();
    world.register_all(&["1"]);
    world.pass(1);
    world.refused("1", world.now);
    world.renew("A", "1", None, Source::Client);
    world.register_all(&["1"]);
    world.pass_with(601, &["1"]);
    assert!(matches!(world.refused("1", world.now), Verdict::Removed(_)));
}

#[test]
fn a_restarted_instance_that_just_registers_is_removed_again_when_it_dies_again() {
    let mut world = World::default();
    for _ in 0..5 {
        world.register_all(&["1"]);
        world.pass(2);
        assert!(matches!(world.refused("1", world.now), Verdict::Removed(_)));
    }
}

#[test]
fn evidence_from_before_the_registration_is_about_somebody_else() {
    let mut world = World::default();
    world.now = world.now + Duration::from_secs(1);
    world.register_all(&["1"]);
    assert!(matches!(world.refused("1", Instant::ZERO), Verdict::Kept(_, Kept::HeardSince)));
}
