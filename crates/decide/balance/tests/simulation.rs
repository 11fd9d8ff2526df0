//! A service under load on a virtual clock: seeded, so that a failure can be run again from what it prints.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use haechi_balance::{Attempt, EndpointSpec, Picker};
use haechi_core::rng::{self, Rng};
use haechi_core::{Address, Instant, Witness};
use haechi_route::config::{Balance, Ejection};

const MS: u64 = 1_000_000;

/// How an endpoint behaves at a time in nanoseconds: a latency, or no answer at all.
type Behaviour = fn(u64) -> Option<u64>;

struct World {
    picker: Picker,
    rng: Rng,
    behaviours: Vec<Behaviour>,
    flying: Vec<Option<(usize, Attempt, bool)>>,
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    /// Per second: attempts per endpoint, and failures.
    seconds: Vec<(Vec<u32>, u32)>,
}

const TIMEOUT: u64 = 200 * MS;

impl World {
    fn new(balance: Balance, behaviours: Vec<Behaviour>, seed: u64) -> Self {
        let mut picker = Picker::new(balance, Ejection::default());
        let specs: Vec<EndpointSpec> = (0..behaviours.len())
            .map(|n| EndpointSpec { address: Address::Tcp(([127, 0, 0, 1], n as u16).into()), weight: 100 })
            .collect();
        picker.update(&specs, Instant::ZERO);
        let (flying, ends, seconds) = (Vec::new(), BinaryHeap::new(), Vec::new());
        Self { picker, rng: rng::seeded(seed), behaviours, flying, ends, seconds }
    }

    /// Sends a request each millisecond.
    fn run(mut self, seconds: u64) -> Vec<(Vec<u32>, u32)> {
        for tick in 0..seconds * 1000 {
            let now = tick * MS;
            while let Some(Reverse((end, index))) = self.ends.peek().copied()
                && end <= now
            {
                self.ends.pop();
                self.end(end, index);
            }
            self.send(now);
        }
        self.seconds
    }

    fn send(&mut self, now: u64) {
        let at = Instant::from_nanos(now);
        let picked = self.picker.pick(at, &mut self.rng, &[]).unwrap();
        let endpoint = usize::from(picked.address.tcp().unwrap().port());
        let attempt = self.picker.sent(picked.key, at);
        let answer = (self.behaviours[endpoint])(now);
        let noise = self.rng.u64(80..120);
        let end = now + answer.map_or(TIMEOUT, |latency| latency * noise / 100);
        self.flying.push(Some((endpoint, attempt, answer.is_some())));
        self.ends.push(Reverse((end, self.flying.len() - 1)));
        let second = (now / (1000 * MS)) as usize;
        let endpoints = self.behaviours.len();
        self.seconds.resize_with(second + 1, || (vec![0; endpoints], 0));
        self.seconds[second].0[endpoint] += 1;
    }

    fn end(&mut self, end: u64, index: usize) {
        let (_, mut attempt, answers) = self.flying[index].take().unwrap();
        let now = Instant::from_nanos(end);
        if answers {
            self.picker.answered(&mut attempt, now);
            self.picker.finished(attempt);
        } else {
            self.picker.failed(attempt, now, Witness::TimedOut);
            self.seconds.last_mut().unwrap().1 += 1;
        }
    }
}

#[test]
fn a_slow_endpoint_gets_less_and_recovers_its_share() {
    let slow_for_a_while: Behaviour =
        |now| Some(if (10_000 * MS..20_000 * MS).contains(&now) { 100 * MS } else { 5 * MS });
    for seed in 0..5 {
        let behaviours = vec![slow_for_a_while, |_| Some(5 * MS), |_| Some(5 * MS)];
        let seconds = World::new(Balance::P2c, behaviours, seed).run(120);
        let share = |from: usize, to: usize| {
            let of = |n: usize| seconds[from..to].iter().map(|(counts, _)| counts[n]).sum::<u32>();
            f64::from(of(0)) / f64::from(of(0) + of(1) + of(2))
        };
        let (before, during, after) = (share(0, 10), share(11, 20), share(100, 120));
        assert!((0.28..0.39).contains(&before), "seed {seed}: {before}");
        assert!(during < 0.05, "seed {seed}: {during}");
        assert!((0.25..0.40).contains(&after), "seed {seed}: {after}");
    }
}

#[test]
fn a_frozen_endpoint_is_left_out_within_the_timeout_and_comes_back() {
    let frozen_for_a_while: Behaviour =
        |now| if (5_000 * MS..20_000 * MS).contains(&now) { None } else { Some(5 * MS) };
    for balance in [Balance::P2c, Balance::Random, Balance::RoundRobin] {
        for seed in 0..5 {
            let behaviours = vec![frozen_for_a_while, |_| Some(5 * MS), |_| Some(5 * MS)];
            let seconds = World::new(balance, behaviours, seed).run(40);
            let failed: u32 = seconds.iter().map(|(_, failed)| failed).sum();
            // At most all that was sent to it within one timeout, and a trial for each ejection (1 + 2 + 4 + 8 s).
            let at_once: u32 = TIMEOUT as u32 / MS as u32 / 3 * 2;
            assert!(failed <= at_once + 5, "{balance:?}, seed {seed}: {failed} failed");
            let while_frozen: u32 = seconds[6..20].iter().map(|(counts, _)| counts[0]).sum();
            assert!(while_frozen <= 5, "{balance:?}, seed {seed}: {while_frozen} sent while ejected");
            let back: u32 = seconds[38..].iter().map(|(counts, _)| counts[0]).sum();
            assert!(back > 400, "{balance:?}, seed {seed}: {back} of 2000 after it came back");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || World::new(Balance::P2c, vec![|_| Some(3 * MS), |_| Some(4 * MS), |_| None], 42).run(10);
    assert_eq!(run(), run());
}
