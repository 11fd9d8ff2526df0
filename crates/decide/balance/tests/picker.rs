//! The picker: who is picked, who is ejected and why, and how one comes back.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use haechi_balance::{Attempt, Change, EndpointSpec, PickKind, Picked, Picker};
use haechi_core::rng::{self, Rng};
use haechi_core::{Address, Instant, Witness};
use haechi_route::config::{Balance, Ejection};
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn address(n: u16) -> Address {
    Address::Tcp(([127, 0, 0, 1], 8000 + n).into())
}

fn port(address: &Address) -> u16 {
    address.tcp().unwrap().port()
}

fn specs(weights: &[u16]) -> Vec<EndpointSpec> {
    (0..).zip(weights).map(|(n, weight)| EndpointSpec { address: address(n), weight: *weight }).collect()
}

fn picker(balance: Balance, weights: &[u16]) -> (Picker, Rng) {
    let mut picker = Picker::new(balance, Ejection::default());
    picker.update(&specs(weights), at(0));
    (picker, rng::seeded(7))
}

/// Sends a request and says where it went; the attempt is still in flight.
fn send(picker: &mut Picker, rng: &mut Rng, now: Instant) -> (Picked, Attempt) {
    let picked = picker.pick(now, rng, &[]).unwrap();
    let attempt = picker.sent(picked.key, now);
    (picked, attempt)
}

/// Sends a request to this endpoint, whatever the policy prefers.
fn send_to(picker: &mut Picker, rng: &mut Rng, now: Instant, n: u16) -> Attempt {
    let mut others = Vec::new();
    loop {
        let picked = picker.pick(now, rng, &others).unwrap();
        if picked.address == address(n) {
            return picker.sent(picked.key, now);
        }
        others.push(picked.key);
    }
}

fn state(picker: &Picker, now: Instant, n: u16) -> (&'static str, String) {
    let status = picker.status(now).into_iter().find(|s| s.address == address(n)).unwrap();
    (status.state, status.why)
}

#[test]
fn round_robin_interleaves_by_weight() {
    let (mut picker, mut rng) = picker(Balance::RoundRobin, &[5, 1, 1]);
    let ports: Vec<u16> =
        (0..14).map(|_| port(&picker.pick(at(0), &mut rng, &[]).unwrap().address) - 8000).collect();
    assert_eq!(ports, [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn round_robin_of_one_weight_goes_around_past_who_is_tried_ejected_or_gone() {
    let (mut picker, mut rng) = picker(Balance::RoundRobin, &[100; 4]);
    let next = |picker: &mut Picker, rng: &mut Rng, tried: &[_]| {
        port(&picker.pick(at(0), rng, tried).unwrap().address) - 8000
    };
    let round: Vec<u16> = (0..5).map(|_| next(&mut picker, &mut rng, &[])).collect();
    assert_eq!(round, [0, 1, 2, 3, 0]);
    let tried = picker.pick(at(0), &mut rng, &[]).unwrap();
    assert_eq!(tried.address, address(1));
    assert_eq!([(); 4].map(|()| next(&mut picker, &mut rng, &[tried.key])), [2, 3, 0, 2]);
    picker.witnessed(&address(0), at(0), Witness::Refused);
    assert_eq!([(); 4].map(|()| next(&mut picker, &mut rng, &[])), [3, 1, 2, 3]);
    picker.update(&specs(&[100; 3]), at(0));
    assert_eq!([(); 3].map(|()| next(&mut picker, &mut rng, &[])), [1, 2, 1]);
}

#[test]
fn random_and_p2c_follow_the_weights_when_loads_are_alike() {
    for balance in [Balance::Random, Balance::P2c] {
        let (mut picker, mut rng) = picker(balance, &[100, 50]);
        let mut heavy = 0;
        for i in 0..30_000u64 {
            let (picked, mut attempt) = send(&mut picker, &mut rng, at(i));
            heavy += u32::from(picked.address == address(0));
            picker.answered(&mut attempt, at(i));
            picker.finished(attempt);
        }
        assert!((19_400..20_600).contains(&heavy), "{balance:?}: {heavy}");
    }
}

#[test]
fn p2c_prefers_what_is_less_in_flight() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let (first, _hanging) = send(&mut picker, &mut rng, at(0));
    for _ in 0..50 {
        let (picked, attempt) = send(&mut picker, &mut rng, at(0));
        assert_ne!(picked.address, first.address);
        picker.abandoned(attempt);
    }
}

#[test]
fn weight_zero_takes_none() {
    for balance in [Balance::P2c, Balance::Random, Balance::RoundRobin] {
        let (mut only, mut rng) = picker(balance, &[0, 0]);
        assert_eq!(only.pick(at(0), &mut rng, &[]), None);
        let (mut one, mut rng) = picker(balance, &[0, 1, 0]);
        assert!((0..100).all(|_| one.pick(at(0), &mut rng, &[]).unwrap().address == address(1)));
    }
}

#[test]
fn a_retry_goes_elsewhere_or_nowhere() {
    for balance in [Balance::P2c, Balance::Random, Balance::RoundRobin] {
        let (mut picker, mut rng) = picker(balance, &[1, 100, 7]);
        let mut tried = Vec::new();
        for _ in 0..3 {
            let picked = picker.pick(at(0), &mut rng, &tried).unwrap();
            assert!(!tried.contains(&picked.key));
            tried.push(picked.key);
        }
        assert_eq!(picker.pick(at(0), &mut rng, &tried), None);
    }
}

#[test]
fn a_refused_connection_ejects_at_once_and_a_trial_brings_it_back() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let attempt = send_to(&mut picker, &mut rng, at(0), 0);
    let change = picker.failed(attempt, at(1), Witness::Refused);
    assert!(matches!(change, Some(Change::Ejected { lasting, .. }) if lasting == Duration::from_secs(1)));
    assert_eq!(
        state(&picker, at(1), 0),
        ("rejecting", "connection refused; tried again in 1000 ms".to_owned())
    );
    for t in 1..1001 {
        assert_eq!(picker.pick(at(t), &mut rng, &[]).unwrap().address, address(1));
    }
    let (trial, mut attempt) = send(&mut picker, &mut rng, at(1001));
    assert_eq!((trial.address, trial.kind), (address(0), PickKind::Trial));
    assert_eq!(send(&mut picker, &mut rng, at(1002)).0.address, address(1), "one trial at a time");
    assert_eq!(picker.answered(&mut attempt, at(1010)), Some(Change::Readmitted));
    assert_eq!(state(&picker, at(1010), 0).0, "admitting");
}

#[test]
fn a_failed_trial_doubles_the_time_up_to_the_longest() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let attempt = send_to(&mut picker, &mut rng, at(0), 0);
    let mut change = picker.failed(attempt, at(0), Witness::Refused);
    let (mut now, mut times) = (Instant::ZERO, Vec::new());
    while let Some(Change::Ejected { lasting, .. }) = change {
        times.push(lasting.as_secs());
        if times.len() == 7 {
            break;
        }
        now = now + lasting;
        let (trial, attempt) = send(&mut picker, &mut rng, now);
        assert_eq!(trial.kind, PickKind::Trial);
        change = picker.failed(attempt, now, Witness::Reset);
    }
    assert_eq!(times, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn a_good_time_forgives_old_ejections() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let mut eject = |picker: &mut Picker, now| {
        let attempt = send_to(picker, &mut rng, now, 0);
        let Some(Change::Ejected { lasting, .. }) = picker.failed(attempt, now, Witness::Refused) else {
            panic!("not ejected")
        };
        let (_, mut trial) = send(picker, &mut rng, now + lasting);
        assert_eq!(picker.answered(&mut trial, now + lasting), Some(Change::Readmitted));
        picker.finished(trial);
        lasting.as_secs()
    };
    assert_eq!(eject(&mut picker, at(0)), 1);
    assert_eq!(eject(&mut picker, at(5_000)), 2);
    assert_eq!(eject(&mut picker, at(60_000)), 1);
}

#[test]
fn silence_ejects_at_once_but_not_an_endpoint_that_answers_others() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let slow = send_to(&mut picker, &mut rng, at(0), 0);
    let mut other = send_to(&mut picker, &mut rng, at(10), 0);
    picker.answered(&mut other, at(500));
    assert_eq!(picker.failed(slow, at(1000), Witness::TimedOut), None, "it answered at 500");
    let frozen = send_to(&mut picker, &mut rng, at(1000), 0);
    let change = picker.failed(frozen, at(2000), Witness::TimedOut);
    assert!(matches!(change, Some(Change::Ejected { .. })));
    assert!(state(&picker, at(2000), 0).1.starts_with("answered nobody for 1000 ms"));
}

#[test]
fn soft_failures_eject_only_in_a_row() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    for round in 0..20u64 {
        for n in 0..4 {
            let attempt = send_to(&mut picker, &mut rng, at(round * 10 + n), 0);
            assert_eq!(picker.failed(attempt, at(round * 10 + n), Witness::Reset), None);
        }
        let mut good = send_to(&mut picker, &mut rng, at(round * 10 + 5), 0);
        picker.answered(&mut good, at(round * 10 + 6));
        picker.finished(good);
    }
    for n in 0..5 {
        let attempt = send_to(&mut picker, &mut rng, at(300 + n), 0);
        assert_eq!(picker.failed(attempt, at(300 + n), Witness::Reset).is_some(), n == 4);
    }
}

#[test]
fn many_failures_of_one_death_count_as_one_ejection() {
    let (mut picker, mut rng) = picker(Balance::RoundRobin, &[100, 100]);
    let stuck: Vec<Attempt> = (0..50).map(|_| send_to(&mut picker, &mut rng, at(0), 0)).collect();
    let changes: Vec<Change> =
        stuck.into_iter().filter_map(|attempt| picker.failed(attempt, at(900), Witness::TimedOut)).collect();
    assert_eq!(changes.len(), 1);
    assert!(matches!(changes[0], Change::Ejected { lasting, .. } if lasting == Duration::from_secs(1)));
    assert_eq!(picker.status(at(900))[0].in_flight, 0);
}

#[test]
fn an_old_answer_does_not_end_an_ejection() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let mut old = send_to(&mut picker, &mut rng, at(0), 0);
    let refused = send_to(&mut picker, &mut rng, at(1), 0);
    picker.failed(refused, at(2), Witness::Refused);
    assert_eq!(picker.answered(&mut old, at(3)), None);
    assert_eq!(state(&picker, at(3), 0).0, "rejecting");
}

#[test]
fn if_all_are_ejected_one_is_picked_and_says_so() {
    for balance in [Balance::P2c, Balance::Random, Balance::RoundRobin] {
        let (mut picker, mut rng) = picker(balance, &[100, 100]);
        for n in 0..2 {
            let attempt = send_to(&mut picker, &mut rng, at(0), n);
            picker.failed(attempt, at(0), Witness::Refused);
        }
        let picked = picker.pick(at(1), &mut rng, &[]).unwrap();
        assert_eq!(picked.kind, PickKind::Panic);
        let retry = picker.pick(at(1), &mut rng, &[picked.key]).unwrap();
        assert_ne!(retry.address, picked.address);
        assert_eq!(picker.panics(), 2);
        let mut attempt = picker.sent(picked.key, at(1));
        assert_eq!(picker.answered(&mut attempt, at(2)), Some(Change::Readmitted));
        assert_eq!(picker.pick(at(3), &mut rng, &[]).unwrap().kind, PickKind::Regular);
    }
}

#[test]
fn what_must_not_be_sent_twice_tries_no_one_unless_nobody_else_does() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let attempt = send_to(&mut picker, &mut rng, at(0), 0);
    picker.failed(attempt, at(0), Witness::Refused);
    assert_eq!(picker.pick_known(at(5_000), &mut rng, &[]).unwrap().address, address(1));
    let late = picker.pick_known(at(31_000), &mut rng, &[]).unwrap();
    assert_eq!((late.address, late.kind), (address(0), PickKind::Trial));
}

#[test]
fn an_abandoned_trial_gives_its_place_to_the_next() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let attempt = send_to(&mut picker, &mut rng, at(0), 0);
    picker.failed(attempt, at(0), Witness::Refused);
    let (_, trial) = send(&mut picker, &mut rng, at(1_000));
    picker.abandoned(trial);
    assert_eq!(send(&mut picker, &mut rng, at(1_001)).0.kind, PickKind::Trial);
    // This one is never reported back; after the longest ejection it no longer blocks.
    assert_eq!(send(&mut picker, &mut rng, at(31_000)).0.kind, PickKind::Regular);
    assert_eq!(send(&mut picker, &mut rng, at(31_001)).0.kind, PickKind::Trial);
}

#[test]
fn an_update_keeps_what_is_known_of_those_that_stay() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100, 100]);
    let mut slow = send_to(&mut picker, &mut rng, at(0), 1);
    picker.answered(&mut slow, at(400));
    let gone = send_to(&mut picker, &mut rng, at(400), 0);
    let gone_key = gone.key();
    picker.update(&specs(&[0, 100, 50, 100])[1..], at(400));
    let status = picker.status(at(400));
    assert_eq!(
        status.iter().map(|s| s.address.clone()).collect::<Vec<_>>(),
        [address(1), address(2), address(3)]
    );
    assert_eq!((status[0].in_flight, status[0].latency), (1, Duration::from_millis(400)));
    assert_eq!(status[1].weight, 50);
    assert_eq!(status[2].latency, Duration::from_millis(400), "a new one starts with the mean");
    assert_eq!(picker.failed(gone, at(500), Witness::Refused), None, "its slot is another's now");
    assert!((0..100).all(|_| picker.pick(at(500), &mut rng, &[]).unwrap().key != gone_key));
    assert_eq!(picker.counts(), (3, 3));
}

#[test]
fn evidence_from_elsewhere_ejects_if_it_is_hard() {
    let (mut picker, _) = picker(Balance::P2c, &[100, 100]);
    assert_eq!(picker.witnessed(&address(0), at(0), Witness::TimedOut), None);
    assert!(picker.witnessed(&address(0), at(0), Witness::Exited).is_some());
    assert_eq!(picker.witnessed(&address(9), at(0), Witness::Exited), None);
}

#[test]
fn ejection_can_be_switched_off() {
    let (mut picker, mut rng) = picker(Balance::P2c, &[100, 100]);
    let attempt = send_to(&mut picker, &mut rng, at(0), 0);
    picker.failed(attempt, at(0), Witness::Refused);
    picker.configure(Balance::P2c, Ejection { enabled: false, ..Ejection::default() }, at(1));
    assert_eq!(picker.counts(), (2, 2));
    let attempt = send_to(&mut picker, &mut rng, at(1), 0);
    assert_eq!(picker.failed(attempt, at(1), Witness::Refused), None);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Send,
    Answer(usize),
    Fail(usize, u8),
    Abandon(usize),
    Update(Vec<u16>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..3_000u64).prop_map(Step::Wait),
        4 => Just(Step::Send),
        2 => any::<usize>().prop_map(Step::Answer),
        2 => (any::<usize>(), 0..3u8).prop_map(|(i, kind)| Step::Fail(i, kind)),
        1 => any::<usize>().prop_map(Step::Abandon),
        1 => prop::collection::vec(prop_oneof![Just(0u16), 1..200u16], 0..5).prop_map(Step::Update),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn in_flight_is_exact_and_no_state_is_skipped(
        steps in steps(), seed: u64,
        balance in prop_oneof![Just(Balance::P2c), Just(Balance::Random), Just(Balance::RoundRobin)],
    ) {
        let mut picker = Picker::new(balance, Ejection::default());
        let mut weights = vec![100, 100, 3];
        picker.update(&specs(&weights), at(0));
        let (mut rng, mut now, mut flying) = (rng::seeded(seed), at(0), Vec::<(Picked, Attempt)>::new());
        for step in steps {
            match step {
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
                Step::Send => match picker.pick(now, &mut rng, &[]) {
                    None => prop_assert!(weights.iter().all(|weight| *weight == 0)),
                    Some(picked) => {
                        let of = picker.status(now).into_iter().find(|s| s.address == picked.address).unwrap();
                        prop_assert!(of.weight > 0);
                        match picked.kind {
                            PickKind::Regular => prop_assert_eq!(of.state, "admitting"),
                            PickKind::Trial => prop_assert_eq!(of.state, "probing"),
                            PickKind::Panic => prop_assert_ne!(of.state, "admitting"),
                        }
                        let attempt = picker.sent(picked.key, now);
                        flying.push((picked, attempt));
                    }
                },
                Step::Answer(i) if !flying.is_empty() => {
                    let (_, mut attempt) = flying.swap_remove(i % flying.len());
                    picker.answered(&mut attempt, now);
                    picker.finished(attempt);
                }
                Step::Fail(i, kind) if !flying.is_empty() => {
                    let (_, attempt) = flying.swap_remove(i % flying.len());
                    let witness = [Witness::Refused, Witness::Reset, Witness::TimedOut][usize::from(kind)];
                    picker.failed(attempt, now, witness);
                }
                Step::Abandon(i) if !flying.is_empty() => {
                    picker.abandoned(flying.swap_remove(i % flying.len()).1);
                }
                Step::Update(new) => {
                    weights = new;
                    picker.update(&specs(&weights), now);
                }
                _ => {}
            }
            for status in picker.status(now) {
                let most = flying.iter().filter(|(picked, _)| picked.address == status.address).count();
                prop_assert!(status.in_flight as usize <= most);
            }
        }
    }
}
