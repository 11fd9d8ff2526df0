//! What the registry's operations cost with 100,000 instances in 50 services:
//! `cargo run --release -p haechi-lease --example cost`.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use haechi_core::{InstanceId, Instant, ServiceName, SystemClock, WallTime};
use haechi_lease::{Endpoint, Heartbeat, Limits, Policy, Registration, Registry, Source, Status};

const INSTANCES: u32 = 100_000;
const SERVICES: u32 = 50;

fn registration(n: u32) -> Registration<()> {
    Registration {
        app: ServiceName::new(&format!("SERVICE-{}", n % SERVICES)).unwrap(),
        id: InstanceId::new(&format!("host-{n}.example:service-{}:8080", n % SERVICES)).unwrap(),
        status: Status::Up,
        overridden: Status::Unknown,
        last_dirty: Some(WallTime(1)),
        renewal_interval: Duration::from_secs(30),
        duration: Duration::from_secs(90),
        endpoint: Some(Endpoint { address: (n.to_be_bytes(), 8080).into(), secure: false }),
        vips: vec![],
        secure_vips: vec![],
        metadata: Arc::default(),
        details: Arc::new(()),
    }
}

fn main() {
    let clock = SystemClock::start();
    let mut registry: Registry<()> = Registry::new(Limits::default(), Policy::default());
    let at = |secs: u64| (Instant::ZERO + Duration::from_secs(secs), WallTime(1_000 * secs));
    let all: Vec<_> = (0..INSTANCES).map(registration).collect();
    let names: Vec<_> = all.iter().map(|r| (r.app.clone(), r.id.clone())).collect();
    let mut measure = |what: &str, count: u32, run: &mut dyn FnMut(&mut Registry<()>)| {
        let began = clock.now();
        run(&mut registry);
        let took = clock.now().since(began);
        println!(
            "{what:<44} {:>9.1} µs each, {:>9.2} ms in all",
            took.as_secs_f64() * 1e6 / f64::from(count),
            took.as_secs_f64() * 1e3
        );
    };
    let (now, wall) = at(1);
    measure("register", INSTANCES, &mut |registry| {
        for registration in &all {
            registry.register(registration.clone(), Source::Client, now, wall).unwrap();
        }
    });
    measure("first snapshot", 1, &mut |registry| drop(registry.snapshot()));
    let heartbeat = Heartbeat { last_dirty: Some(WallTime(1)), overridden: None };
    let (now, wall) = at(30);
    measure("heartbeat", INSTANCES, &mut |registry| {
        for (app, id) in &names {
            registry.renew((app.as_str(), id.as_str()), heartbeat, Source::Client, now, wall);
        }
    });
    let mut sec = 30;
    measure("tick, over two minutes with heartbeats", 120, &mut |registry| {
        for _ in 0..120 {
            sec += 1;
            let (now, wall) = at(sec);
            for (app, id) in names.iter().skip(sec as usize % 30).step_by(30) {
                registry.renew((app.as_str(), id.as_str()), heartbeat, Source::Client, now, wall);
            }
            assert!(registry.tick(now, wall).evicted.is_empty());
        }
    });
    measure("snapshot after one change", 1, &mut |registry| {
        let (now, wall) = at(sec);
        registry.set_status(
            (names[0].0.as_str(), names[0].1.as_str()),
            Status::OutOfService,
            None,
            now,
            wall,
        );
        drop(registry.snapshot());
    });
}
