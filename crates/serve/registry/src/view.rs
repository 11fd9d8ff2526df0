//! The registry as people and the console see it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use haechi_core::WallTime;
use haechi_lease::{Instance, LeaseView, Standing};
use haechi_web::client::Url;
use serde::Serialize;

use crate::convert::Wire;
use crate::shared::Shared;

/// One instance.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceView {
    /// The application, in upper case.
    pub service: String,
    /// The instance's id.
    pub instance: String,
    /// Where requests can be sent, if anywhere.
    pub address: Option<String>,
    /// Eureka's status.
    pub status: &'static str,
    /// The override in force, `UNKNOWN` if none.
    pub overridden: &'static str,
    /// Why it is so.
    pub why: String,
    /// Metadata `zone`.
    pub zone: Option<String>,
    /// Metadata `version`.
    pub version: Option<String>,
    /// When its lease began.
    pub registered: WallTime,
    /// The last heartbeat.
    pub last_renewal: WallTime,
    /// What is left of the lease, in seconds.
    pub lease_remaining_secs: u64,
    /// What the lease lasts after each heartbeat, in seconds.
    pub lease_duration_secs: u64,
    /// `on_time`, `late` or `held` (expired, kept by self-preservation).
    pub standing: &'static str,
    /// It came from the state file and hasn't been heard of since.
    pub restored: bool,
    /// Failures that gateways saw and that weren't proof of its death.
    pub soft_evidence: u32,
}

/// A peer registry.
#[derive(Clone, Debug, Serialize)]
pub struct PeerView {
    /// Its address, without credentials.
    pub url: String,
    /// Whether the last exchange worked.
    pub available: bool,
    /// What waits to be sent to it.
    pub pending: usize,
}

/// The registry.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// The newest generation.
    pub generation: u64,
    /// Seconds since the start.
    pub uptime_secs: u64,
    /// Every instance, by application and id.
    pub instances: Vec<InstanceView>,
    /// Heartbeats in the last completed minute.
    pub renewals_last_minute: u64,
    /// Heartbeats a minute if everybody is on time.
    pub renewals_expected: u64,
    /// 85 % of that.
    pub renewals_threshold: u64,
    /// Whether expired leases are being kept.
    pub self_preservation: bool,
    /// How many.
    pub held: usize,
    /// Instances whose silence counts.
    pub known: usize,
    /// Those that are silent.
    pub silent: usize,
    /// How many may be, and still be taken for dead.
    pub tolerated: usize,
    /// The peers.
    pub peers: Vec<PeerView>,
    /// Whether what is acknowledged is on disk. Nothing without a state file.
    pub durable: Option<bool>,
}

impl View {
    pub(crate) fn of(shared: &Shared) -> Self {
        let now = shared.clock.now();
        let (leases, vitals) = {
            let state = shared.state();
            (state.leases(now).collect::<Vec<_>>(), state.vitals(now))
        };
        Self {
            generation: vitals.generation.0,
            uptime_secs: now.since(shared.started.0).as_secs(),
            instances: leases.iter().map(instance).collect(),
            renewals_last_minute: vitals.renewals_last_minute,
            renewals_expected: vitals.renewals_expected,
            renewals_threshold: vitals.renewals_threshold,
            self_preservation: vitals.self_preservation,
            held: vitals.held,
            known: vitals.preservation.known,
            silent: vitals.preservation.silent,
            tolerated: vitals.preservation.tolerated,
            peers: shared.peers.views(),
            durable: shared.state_file().map(|file| file.is_durable()),
        }
    }
}

fn instance(lease: &LeaseView<Wire>) -> InstanceView {
    let instance = &lease.instance;
    let registration = &instance.registration;
    let label = |key: &str| registration.metadata.get(key).cloned();
    InstanceView {
        service: registration.app.to_string(),
        instance: registration.id.to_string(),
        address: registration.endpoint.map(|e| e.address.to_string()),
        status: instance.status.as_str(),
        overridden: instance.overridden.as_str(),
        why: instance.why.to_string(),
        zone: label("zone"),
        version: label("version"),
        registered: instance.registered,
        last_renewal: instance.last_renewal(),
        lease_remaining_secs: lease.remaining.as_secs(),
        lease_duration_secs: registration.duration.as_secs(),
        standing: match lease.standing {
            Standing::OnTime => "on_time",
            Standing::Late => "late",
            Standing::Expired => "held",
        },
        restored: lease.restored,
        soft_evidence: lease.soft_evidence,
    }
}

/// Leases listed at `/lastn`, of each kind (`CircularQueue` of 1000 in Netflix's).
const LAST_N: usize = 1_000;

/// What was last registered and cancelled, oldest first: when, and which instance.
pub(crate) type Last = VecDeque<(WallTime, String)>;

/// The last registrations and cancellations.
#[derive(Debug, Default)]
pub(crate) struct LastN {
    registered: Mutex<Last>,
    cancelled: Mutex<Last>,
}

impl LastN {
    pub fn registered(&self, instance: &Instance<Wire>, at: WallTime) {
        push(&self.registered, instance, at);
    }

    pub fn cancelled(&self, instance: &Instance<Wire>, at: WallTime) {
        push(&self.cancelled, instance, at);
    }

    /// Registered, cancelled.
    pub fn both(&self) -> (Last, Last) {
        let copy = |list: &Mutex<Last>| list.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (copy(&self.registered), copy(&self.cancelled))
    }
}

fn push(list: &Mutex<Last>, instance: &Instance<Wire>, at: WallTime) {
    let registration = &instance.registration;
    let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
    if list.len() == LAST_N {
        list.pop_front();
    }
    list.push_back((at, format!("{}({})", registration.app, registration.id)));
}

/// A peer's address for people: without user name and password.
pub(crate) fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses that can't have either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.to_string()
}

/// Days, hours and minutes.
pub(crate) fn uptime(secs: u64) -> String {
    format!("{} days {:02}:{:02}", secs / 86_400, secs / 3_600 % 24, secs / 60 % 60)
}

/// Text for HTML and XML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
