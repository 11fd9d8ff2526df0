//! Following a registry over its restarts.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{
    Evidence, Generation, InstanceFact, InstanceId, InstanceState, Instant, ServiceName, ServiceSnapshot,
    Witness,
};
use haechi_lease::Followed;

const SETTLES: Duration = Duration::from_secs(90);

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn service(name: &str, ports: &[u16]) -> Arc<ServiceSnapshot> {
    let service = ServiceName::new(name).unwrap();
    let fact = |port: &u16| InstanceFact {
        service: service.clone(),
        instance: InstanceId::new(&format!("i{port}")).unwrap(),
        address: address(*port),
        secure: false,
        version: None,
        zone: None,
        state: InstanceState::Up,
        why: "registered".into(),
        weight: 100,
        metadata: Arc::default(),
        generation: Generation(1),
    };
    Arc::new(ServiceSnapshot {
        service: service.clone(),
        generation: Generation(1),
        instances: ports.iter().map(fact).collect(),
    })
}

fn ports(followed: &mut Followed, name: &str) -> Vec<u16> {
    let directory = followed.directory();
    let found = directory.service(name).map(|s| s.instances.iter().map(|fact| fact.address.port()).collect());
    found.unwrap_or_default()
}

fn refused(name: &str, port: u16) -> Evidence {
    Evidence {
        service: ServiceName::new(name).unwrap(),
        address: address(port),
        witness: Witness::Refused,
        at: Instant::ZERO,
    }
}

fn at(secs: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(secs)
}

#[test]
fn an_empty_registry_after_a_restart_empties_nobody() {
    let mut followed = Followed::default();
    followed.whole(vec![service("A", &[1, 2]), service("B", &[3])], Duration::ZERO, at(0));
    assert_eq!(ports(&mut followed, "A"), [1, 2]);
    followed.whole(vec![], SETTLES, at(100));
    assert_eq!((ports(&mut followed, "A"), ports(&mut followed, "B")), (vec![1, 2], vec![3]));
    assert_eq!(followed.carried(), 3);

    // One registers again, and says goodbye: the registry's word counts.
    followed.part(vec![service("A", &[1])], &[]);
    assert_eq!(ports(&mut followed, "A"), [1, 2]);
    followed.part(vec![], &[ServiceName::new("A").unwrap()]);
    assert_eq!(ports(&mut followed, "A"), [2]);

    // One is seen dead; the last did not come back in its time.
    followed.evidence(&Evidence { witness: Witness::TimedOut, ..refused("A", 2) });
    assert_eq!(ports(&mut followed, "A"), [2]);
    followed.evidence(&refused("A", 2));
    assert_eq!(ports(&mut followed, "A"), Vec::<u16>::new());
    assert_eq!(followed.next_expiry(), Some(at(190)));
    assert_eq!((followed.expire(at(189)), ports(&mut followed, "B")), (0, vec![3]));
    assert_eq!((followed.expire(at(190)), ports(&mut followed, "B")), (1, vec![]));
}

#[test]
fn a_registry_that_restarts_again_gives_nobody_more_time() {
    let mut followed = Followed::default();
    followed.whole(vec![service("A", &[1])], Duration::ZERO, at(0));
    followed.whole(vec![], SETTLES, at(10));
    followed.whole(vec![], SETTLES, at(60));
    assert_eq!(followed.expire(at(100)), 1);
}

#[test]
fn a_registry_that_has_settled_is_believed() {
    let mut followed = Followed::default();
    followed.whole(vec![service("A", &[1, 2])], Duration::ZERO, at(0));
    followed.whole(vec![], SETTLES, at(1));
    followed.whole(vec![service("A", &[2])], Duration::ZERO, at(2));
    assert_eq!(ports(&mut followed, "A"), [2]);
    assert_eq!(followed.carried(), 0);
}

#[test]
fn nothing_new_is_the_same_directory_and_evidence_of_the_listed_is_the_registrys_to_weigh() {
    let mut followed = Followed::default();
    followed.whole(vec![service("A", &[1]), service("B", &[2])], Duration::ZERO, at(0));
    let before = followed.directory();
    followed.whole(vec![service("A", &[1]), service("B", &[2])], SETTLES, at(1));
    followed.evidence(&refused("A", 1));
    assert!(Arc::ptr_eq(&before, &followed.directory()));
    followed.part(vec![service("B", &[2, 3])], &[]);
    let after = followed.directory();
    assert!(after.generation > before.generation);
    let a = |directory: &haechi_core::Directory| directory.service("A").cloned().unwrap();
    assert!(Arc::ptr_eq(&a(&before), &a(&after)), "an unchanged service is not made anew");
}
