//! The retry budget: its bound as a property, and the cases that people will ask about.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use haechi_core::Instant;
use haechi_guard::RetryBudget;
use haechi_route::config;
use proptest::prelude::*;

fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

fn budget(percent: u32, floor_per_second: u32, burst: u32) -> RetryBudget {
    RetryBudget::new(config::RetryBudget { percent, floor_per_second, burst }, Instant::ZERO)
}

fn take_all(budget: &mut RetryBudget, now: Instant) -> u64 {
    let before = budget.granted();
    while budget.try_take(now) {}
    budget.granted() - before
}

#[test]
fn a_full_bucket_grants_its_burst_and_no_more() {
    let mut budget = budget(20, 0, 3);
    assert_eq!(take_all(&mut budget, at(0)), 3);
    assert_eq!(take_all(&mut budget, at(3_600_000)), 0, "without floor and successes nothing comes back");
    assert_eq!(budget.denied(), 2);
}

#[test]
fn twenty_percent_of_successes_become_retries() {
    let mut budget = budget(20, 0, 100);
    take_all(&mut budget, at(0));
    for _ in 0..4 {
        budget.succeeded(at(1));
    }
    assert!(!budget.try_take(at(1)), "four successes are 0.8 of a token");
    budget.succeeded(at(1));
    assert!(budget.try_take(at(1)));
    assert!(!budget.try_take(at(1)));
}

#[test]
fn a_quiet_service_gets_its_floor() {
    let mut budget = budget(0, 10, 5);
    take_all(&mut budget, at(0));
    assert!(!budget.try_take(at(99)));
    assert!(budget.try_take(at(100)));
    assert_eq!(take_all(&mut budget, at(60_000)), 5, "the floor never fills past the burst");
}

#[test]
fn a_busy_service_can_retry_all_that_one_frozen_instance_holds() {
    let mut budget = budget(20, 10, 100);
    for success in 0..2_500 {
        budget.succeeded(at(success * 2));
    }
    // 500 requests a second, half of them to an instance that freezes for a timeout of one second.
    assert!(take_all(&mut budget, at(6_000)) >= 250);
}

#[test]
fn savings_are_gone_when_the_traffic_is() {
    let mut budget = budget(20, 0, 100);
    for success in 0..5_000 {
        budget.succeeded(at(success));
    }
    assert_eq!(budget.available(at(5_000)), 1_000);
    assert_eq!(take_all(&mut budget, at(60_000)), 100);
}

#[test]
fn a_clock_that_reads_earlier_pays_nothing_twice() {
    let mut budget = budget(0, 1, 10);
    take_all(&mut budget, at(5_000));
    assert_eq!(take_all(&mut budget, at(4_000)), 0);
    assert_eq!(take_all(&mut budget, at(6_000)), 1);
}

#[test]
fn a_new_configuration_keeps_what_was_earned() {
    let mut budget = budget(20, 0, 10);
    let narrow = config::RetryBudget { percent: 20, floor_per_second: 0, burst: 4 };
    budget.configure(narrow, at(1));
    assert_eq!(budget.available(at(1)), 4);
    let wide = config::RetryBudget { percent: 20, floor_per_second: 0, burst: 50 };
    budget.configure(wide, at(2));
    assert_eq!(take_all(&mut budget, at(2)), 4);
}

#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    Succeed(u16),
    Take(u16),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..5_000_000_000u64).prop_map(Event::Wait),
        (0..300u16).prop_map(Event::Succeed),
        (0..300u16).prop_map(Event::Take),
    ];
    prop::collection::vec(event, 0..60)
}

proptest! {
    #[test]
    fn retries_never_exceed_what_successes_and_time_paid(
        percent in 0..=200u32, floor in 0..=2_000u32, burst in 0..=500u32, events in events(),
    ) {
        let mut budget = budget(percent, floor, burst);
        let mut nanos = 0u64;
        let mut successes = 0u64;
        for event in events {
            match event {
                Event::Wait(by) => nanos += by,
                Event::Succeed(n) => for _ in 0..n {
                    budget.succeeded(Instant::from_nanos(nanos));
                    successes += 1;
                },
                Event::Take(n) => for _ in 0..n {
                    let _ = budget.try_take(Instant::from_nanos(nanos));
                },
            }
            // In units of 10⁻⁹ token, exactly.
            let paid = u128::from(burst) * 1_000_000_000
                + u128::from(nanos) * u128::from(floor)
                + u128::from(successes) * u128::from(percent) * 10_000_000;
            prop_assert!(u128::from(budget.granted()) * 1_000_000_000 <= paid);
        }
    }

    #[test]
    fn nothing_paid_is_lost_while_the_bucket_has_room(percent in 0..=100u32, successes in 0..1_000u32) {
        let mut budget = budget(percent, 0, 1_000);
        take_all(&mut budget, at(0));
        for _ in 0..successes {
            budget.succeeded(at(0));
        }
        prop_assert_eq!(take_all(&mut budget, at(0)), u64::from(percent * successes / 100));
    }
}
