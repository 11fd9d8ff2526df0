//! Random operations against a naive model; what must always hold is checked after each.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{EPOCH, World, registration};
use haechi_core::{Instant, WallTime, Witness};
use haechi_lease::{
    Action, Counts, Policy, Registration, Registry, Renewal, Snapshot, Source, Standing, Status, Verdict,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Register { app: usize, id: usize, status: Status, dirty: u64, secs: u64, source: Source },
    Renew { app: usize, id: usize, dirty: Option<u64>, source: Source },
    Cancel { app: usize, id: usize },
    SetStatus { app: usize, id: usize, status: Status },
    DeleteStatus { app: usize, id: usize, status: Option<Status> },
    Evidence { id: usize, witness: Witness, age: u64 },
    Pass { secs: u64 },
    StandStill { secs: u64 },
}

const APPS: [&str; 2] = ["A", "B"];
const IDS: [&str; 5] = ["1", "2", "3", "4", "5"];

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL.to_vec())
}

fn source() -> impl Strategy<Value = Source> {
    prop::sample::select(vec![Source::Client, Source::Client, Source::Peer, Source::StateFile])
}

fn op() -> impl Strategy<Value = Op> {
    let app = || 0..APPS.len();
    let id = || 0..IDS.len();
    let secs = prop::sample::select(vec![3u64, 20, 90]);
    prop_oneof![
        4 => (app(), id(), status(), 0u64..4, secs, source())
            .prop_map(|(app, id, status, dirty, secs, source)| Op::Register { app, id, status, dirty, secs, source }),
        6 => (app(), id(), prop::option::of(0u64..4), source())
            .prop_map(|(app, id, dirty, source)| Op::Renew { app, id, dirty, source }),
        1 => (app(), id()).prop_map(|(app, id)| Op::Cancel { app, id }),
        1 => (app(), id(), status()).prop_map(|(app, id, status)| Op::SetStatus { app, id, status }),
        1 => (app(), id(), prop::option::of(status()))
            .prop_map(|(app, id, status)| Op::DeleteStatus { app, id, status }),
        1 => (id(), prop::sample::select(vec![Witness::Refused, Witness::Exited, Witness::Reset]), 0u64..40)
            .prop_map(|(id, witness, age)| Op::Evidence { id, witness, age }),
        4 => (1u64..40).prop_map(|secs| Op::Pass { secs }),
        1 => (6u64..500).prop_map(|secs| Op::StandStill { secs }),
    ]
}

type Key = (&'static str, &'static str);

/// What was acknowledged to each instance: when it was heard last, and for how long that is good.
#[derive(Default)]
struct Model(BTreeMap<Key, (Instant, Duration)>);

fn key_of(instance: &haechi_lease::Instance<()>) -> Key {
    let find = |all: &'static [&'static str], name: &str| *all.iter().find(|n| **n == name).unwrap();
    (find(&APPS, instance.registration.app.as_str()), find(&IDS, instance.registration.id.as_str()))
}

fn apply(world: &mut World, model: &mut Model, op: &Op) {
    let (now, wall) = (world.now, world.wall());
    match *op {
        Op::Register { app, id, status, dirty, secs, source } => {
            let sent = Registration {
                status,
                last_dirty: Some(WallTime(EPOCH + dirty)),
                duration: Duration::from_secs(secs),
                renewal_interval: Duration::from_secs(secs.div_ceil(3)),
                ..registration(APPS[app], IDS[id])
            };
            world.register(sent, source);
            model.0.insert((APPS[app], IDS[id]), (now, Duration::from_secs(secs)));
        }
        Op::Renew { app, id, dirty, source } => {
            let renewal = world.renew(APPS[app], IDS[id], dirty.map(|d| EPOCH + d), source);
            let known = model.0.get_mut(&(APPS[app], IDS[id]));
            match renewal {
                Renewal::Unknown => {}
                _ => known.unwrap().0 = now,
            }
        }
        Op::Cancel { app, id } => {
            let gone = world.registry.cancel(APPS[app], IDS[id], now, wall);
            assert_eq!(gone.is_some(), model.0.remove(&(APPS[app], IDS[id])).is_some());
        }
        Op::SetStatus { app, id, status } => {
            let path = (APPS[app], IDS[id]);
            if world.registry.set_status(path, status, None, now, wall) {
                model.0.get_mut(&path).unwrap().0 = now;
            }
        }
        Op::DeleteStatus { app, id, status } => {
            let path = (APPS[app], IDS[id]);
            if world.registry.delete_status(path, status, None, now, wall) {
                model.0.get_mut(&path).unwrap().0 = now;
            }
        }
        Op::Evidence { id, witness, age } => {
            let at = now - Duration::from_secs(age);
            if let Verdict::Removed(gone) = world.evidence(IDS[id], witness, at) {
                let (heard, _) = model.0.remove(&key_of(&gone)).unwrap();
                assert!(witness.is_hard() && heard <= at, "evidence removed an instance heard of since");
            }
        }
        Op::Pass { secs } => (0..secs).for_each(|_| step(world, model, Duration::from_secs(1))),
        Op::StandStill { secs } => step(world, model, Duration::from_secs(secs)),
    }
}

/// Nothing is both expired and renewed: who is evicted was silent for longer than its lease.
fn step(world: &mut World, model: &mut Model, by: Duration) {
    world.now = world.now + by;
    for evicted in world.tick().evicted {
        let (heard, duration) = model.0.remove(&key_of(&evicted.instance)).unwrap();
        assert!(world.now.since(heard) > duration, "evicted within its lease");
    }
    let vitals = world.registry.vitals(world.now);
    let lately_evicted = vitals.preservation.known - (vitals.instances - vitals.restored);
    let silent =
        world.registry.leases(world.now).filter(|l| l.standing != Standing::OnTime && !l.restored).count();
    assert_eq!(vitals.preservation.silent, silent + lately_evicted, "counted along the way and anew");
}

fn statuses(snapshot: &Snapshot<()>) -> BTreeMap<(String, String), Status> {
    snapshot
        .apps
        .values()
        .flat_map(|app| &app.instances)
        .map(|i| ((i.registration.app.to_string(), i.registration.id.to_string()), i.status))
        .collect()
}

/// What must hold at any time.
fn check(registry: &mut Registry<()>, model: &Model, now: Instant) {
    let snapshot = registry.snapshot();
    let full = statuses(&snapshot);
    assert_eq!(snapshot.hash_code, Counts::of(full.values().copied()).hash_code());
    assert_eq!(full.len(), model.0.len(), "nobody acknowledged is forgotten, nobody else is there");
    assert!(model.0.keys().all(|(app, id)| full.contains_key(&((*app).to_owned(), (*id).to_owned()))));

    let directory = registry.directory();
    let facts: usize = directory.services.values().map(|s| s.instances.len()).sum();
    assert_eq!(facts, full.len());
    for fact in directory.services.values().flat_map(|s| &s.instances) {
        let key = (fact.service.to_string(), fact.instance.to_string());
        assert_eq!(fact.state, full[&key].state());
    }

    // The counts kept along the way agree with a recount, as of the last tick.
    let vitals = registry.vitals(now);
    let leases: Vec<_> = registry.leases(now).collect();
    assert_eq!(vitals.instances, leases.len());
    assert_eq!(vitals.restored, leases.iter().filter(|l| l.restored).count());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_invariant_holds_after_every_operation(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::default();
        let mut model = Model::default();
        for op in &ops {
            apply(&mut world, &mut model, op);
            check(&mut world.registry, &model, world.now);
        }
    }

    #[test]
    fn a_delta_applied_to_an_older_listing_gives_the_newest(
        before in prop::collection::vec(op(), 0..30),
        after in prop::collection::vec(op(), 0..30),
    ) {
        // Kept for long, so that every change since the older listing is still there.
        let mut world =
            World::with(Policy { delta_retention: Duration::from_secs(1_000_000), ..Policy::default() });
        let mut model = Model::default();
        for op in &before {
            apply(&mut world, &mut model, op);
        }
        let mut client = statuses(&world.registry.snapshot());
        for op in &after {
            apply(&mut world, &mut model, op);
        }
        let delta = world.registry.delta();
        for instance in delta.apps.values().flatten() {
            let key = (instance.registration.app.to_string(), instance.registration.id.to_string());
            match instance.action {
                Action::Deleted => client.remove(&key),
                Action::Added | Action::Modified => client.insert(key, instance.status),
            };
        }
        prop_assert_eq!(&client, &statuses(&world.registry.snapshot()));
        prop_assert_eq!(delta.hash_code, Counts::of(client.values().copied()).hash_code());
    }
}
