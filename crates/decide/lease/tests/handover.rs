//! A registry that was handed over again and again behaves like one that never was.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{World, registration};
use haechi_core::{Witness, rng};
use haechi_lease::{Handover, Limits, Policy, Registry, Source, Status};

fn hand_over(world: &mut World) {
    let handover: Handover<()> = world.registry.hand_over(world.now);
    world.registry = Registry::going_on(handover, Limits::default(), Policy::default(), world.now);
    world.tick();
}

/// What clients and people see.
fn seen(world: &mut World) -> String {
    let snapshot = world.registry.snapshot();
    let instances = snapshot.apps.values().flat_map(|app| &app.instances);
    let instances: Vec<_> = instances
        .map(|i| {
            (
                i.registration.id.clone(),
                i.status,
                i.generation,
                i.last_updated,
                i.last_renewal(),
                i.why.clone(),
            )
        })
        .collect();
    let delta = world.registry.delta();
    let delta: Vec<_> =
        delta.apps.values().flatten().map(|i| (i.registration.id.clone(), i.action)).collect();
    let leases: Vec<_> = world
        .registry
        .leases(world.now)
        .map(|l| (l.instance.registration.id.clone(), l.remaining, l.restored, l.soft_evidence))
        .collect();
    format!("{} {} {instances:?}\n{delta:?}\n{leases:?}", snapshot.generation, snapshot.hash_code)
}

#[test]
fn a_registry_that_was_handed_over_is_the_same_registry() {
    for seed in 0..40 {
        let mut rng = rng::seeded(seed);
        let (mut stays, mut moves) = (World::default(), World::default());
        for world in [&mut stays, &mut moves] {
            world.register(registration("A", "old"), Source::StateFile);
        }
        for step in 0..400 {
            let id = ["1", "2", "3", "4", "5"][rng.usize(..5)];
            let what = rng.u8(..12);
            for world in [&mut stays, &mut moves] {
                let (now, wall) = (world.now, world.wall());
                match what {
                    0 => drop(world.register(registration("A", id), Source::Client)),
                    1 => drop(world.registry.cancel("A", id, now, wall)),
                    2 => drop(world.evidence(id, Witness::Refused, now)),
                    3 => drop(world.evidence(id, Witness::TimedOut, now)),
                    4 => drop(world.registry.set_status(("A", id), Status::OutOfService, None, now, wall)),
                    5 => drop(world.registry.delete_status(("A", id), Some(Status::Up), None, now, wall)),
                    _ => drop(world.renew("A", id, None, Source::Client)),
                }
            }
            let secs = rng.u64(1..20);
            let alive = ["2", "3"];
            assert_eq!(stays.pass_with(secs, &alive), moves.pass_with(secs, &alive), "{seed}, {step}");
            if step % 5 == 0 {
                hand_over(&mut moves);
                stays.tick();
            }
            assert_eq!(seen(&mut stays), seen(&mut moves), "{seed}, {step}");
        }
    }
}

#[test]
fn a_lease_keeps_its_age_over_many_handovers() {
    let mut world = World::default();
    world.register_all(&["1"]);
    for _ in 0..9 {
        assert!(world.pass(10).is_empty());
        hand_over(&mut world);
    }
    assert_eq!(world.pass(2), ["1"], "ninety seconds after its last heartbeat");
}

#[test]
fn a_full_registry_hands_everybody_over_even_to_smaller_limits() {
    let mut world = World::default();
    world.register_all(&["1", "2", "3"]);
    world.now = world.now + Duration::from_secs(1);
    let limits = Limits { instances: 1, ..Limits::default() };
    let registry =
        Registry::going_on(world.registry.hand_over(world.now), limits, Policy::default(), world.now);
    assert_eq!(registry.leases(world.now).count(), 3);
}
