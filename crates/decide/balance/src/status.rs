//! Endpoints in words, for the console.

use std::time::Duration;

use haechi_core::{Address, Instant};

use crate::admission::State;
use crate::endpoint::Endpoint;

/// What one worker knows of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Where it is.
    pub address: Address,
    /// Share relative to its peers.
    pub weight: u16,
    /// Attempts in flight.
    pub in_flight: u32,
    /// Peak EWMA of the time to an answer's head.
    pub latency: Duration,
    /// `admitting`, `rejecting` or `probing`.
    pub state: &'static str,
    /// Why it is in that state.
    pub why: String,
    /// Attempts sent since it is known.
    pub sent: u64,
    /// Of these, failed.
    pub failed: u64,
}

impl EndpointStatus {
    pub(crate) fn of(endpoint: &Endpoint, now: Instant) -> Self {
        let (state, why) = describe(endpoint, now);
        Self {
            address: endpoint.address.clone(),
            weight: endpoint.weight,
            in_flight: endpoint.in_flight,
            latency: endpoint.latency.latency(now),
            state,
            why,
            sent: endpoint.sent,
            failed: endpoint.failed,
        }
    }
}

fn describe(endpoint: &Endpoint, now: Instant) -> (&'static str, String) {
    let cause = endpoint.admission.cause.map_or_else(String::new, |cause| cause.to_string());
    match endpoint.admission.state {
        State::Admitting if endpoint.weight == 0 => ("admitting", "weight 0, takes no requests".to_owned()),
        State::Admitting if cause.is_empty() => ("admitting", "never ejected".to_owned()),
        State::Admitting => ("admitting", format!("answered after its ejection ({cause})")),
        State::Rejecting { until } if until > now => {
            ("rejecting", format!("{cause}; tried again in {} ms", until.since(now).as_millis()))
        }
        State::Rejecting { .. } | State::Probing { trial: None, .. } => {
            ("probing", format!("{cause}; the next request tries it"))
        }
        State::Probing { trial: Some(sent), .. } => {
            ("probing", format!("{cause}; being tried for {} ms", now.since(sent).as_millis()))
        }
    }
}
