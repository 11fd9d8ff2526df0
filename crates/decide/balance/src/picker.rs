//! The picker of one service on one worker.

use std::collections::HashMap;
use std::time::Duration;

use haechi_core::rng::Rng;
use haechi_core::{Address, Instant, Witness};
use haechi_route::config::{Balance, Ejection};

use crate::admission::Change;
use crate::endpoint::{Attempt, Endpoint, EndpointKey, EndpointSpec};
use crate::latency::PeakEwma;
use crate::policy::{self, Candidates};
use crate::status::EndpointStatus;

/// The latency that a failed attempt counts as, at least: an endpoint that fails fast must not look fast.
const FAILURE_COUNTS_AS: Duration = Duration::from_secs(1);

/// A chosen endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Names it to the picker.
    pub key: EndpointKey,
    /// Where it is.
    pub address: Address,
    /// In what state it was chosen.
    pub kind: PickKind,
}

/// In what state an endpoint was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickKind {
    /// It is admitting.
    Regular,
    /// Its ejection is over, and this request finds out whether it works again.
    Trial,
    /// Every endpoint is ejected; a doubtful one is better than none.
    Panic,
}

#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) epoch: u32,
    pub(crate) endpoint: Option<Endpoint>,
}

/// Chooses endpoints of one service and remembers how they did.
#[derive(Debug)]
pub struct Picker {
    balance: Balance,
    ejection: Ejection,
    slots: Vec<Slot>,
    /// Slots of weight above 0 that are admitting.
    ready: Vec<u32>,
    /// Slots of weight above 0 that aren't.
    ejected: Vec<u32>,
    /// Whether all of these have one weight.
    alike: bool,
    /// The slot whose turn was last, where all have one weight.
    last: Option<u32>,
    panics: u64,
}

impl Picker {
    /// A picker without endpoints.
    pub fn new(balance: Balance, ejection: Ejection) -> Self {
        let (slots, ready, ejected) = (Vec::new(), Vec::new(), Vec::new());
        Self { balance, ejection, slots, ready, ejected, alike: true, last: None, panics: 0 }
    }

    /// Takes a new configuration; endpoints and what is known of them stay.
    pub fn configure(&mut self, balance: Balance, ejection: Ejection, now: Instant) {
        self.balance = balance;
        self.ejection = ejection;
        if !self.ejection.enabled {
            self.slots.iter_mut().filter_map(|slot| slot.endpoint.as_mut()).for_each(|endpoint| {
                if !endpoint.admission.is_admitting() {
                    endpoint.admission.readmit(now);
                }
            });
        }
        self.sort_out();
    }

    /// Replaces the endpoints. One whose address stays keeps its key, its load, latency and ejection; a new one
    /// starts with the mean latency of the others, so that it is neither flooded nor shunned. Of two with one
    /// address the first counts.
    pub fn update(&mut self, endpoints: &[EndpointSpec], now: Instant) {
        let mut wanted: HashMap<&Address, u16> = HashMap::with_capacity(endpoints.len());
        for spec in endpoints {
            wanted.entry(&spec.address).or_insert(spec.weight);
        }
        for slot in &mut self.slots {
            let Some(endpoint) = &mut slot.endpoint else { continue };
            if let Some(weight) = wanted.remove(&endpoint.address) {
                endpoint.weight = weight;
            } else {
                slot.endpoint = None;
                slot.epoch = slot.epoch.wrapping_add(1);
            }
        }
        let mean = self.mean_latency(now);
        let mut free =
            (0..self.slots.len()).filter(|i| self.slots[*i].endpoint.is_none()).collect::<Vec<_>>();
        // In the order given, so that the same updates always make the same picker.
        for spec in endpoints {
            let Some(weight) = wanted.remove(&spec.address) else { continue };
            let index = free.pop().unwrap_or_else(|| {
                self.slots.push(Slot::default());
                self.slots.len() - 1
            });
            let spec = EndpointSpec { weight, address: spec.address.clone() };
            self.slots[index].endpoint = Some(Endpoint::new(spec, mean, now));
        }
        self.sort_out();
    }

    /// Chooses an endpoint that isn't in `exclude`. `None`: there is none to send to.
    ///
    /// A first attempt (nothing excluded) may be a trial of an endpoint whose ejection is over. For a request
    /// that must not be sent twice use [`pick_known`](Self::pick_known).
    pub fn pick(&mut self, now: Instant, rng: &mut Rng, exclude: &[EndpointKey]) -> Option<Picked> {
        self.pick_with(now, rng, exclude, Duration::ZERO)
    }

    /// As [`pick`](Self::pick), for a request that can't be sent again if its endpoint fails: an endpoint is
    /// tried by it only if no other request came to try it for as long as the longest ejection.
    pub fn pick_known(&mut self, now: Instant, rng: &mut Rng, exclude: &[EndpointKey]) -> Option<Picked> {
        self.pick_with(now, rng, exclude, self.ejection.max)
    }

    fn pick_with(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        exclude: &[EndpointKey],
        patience: Duration,
    ) -> Option<Picked> {
        if !self.ejected.is_empty()
            && exclude.is_empty()
            && let Some(slot) = self.trial(now, patience)
        {
            return self.picked(slot, PickKind::Trial);
        }
        let kind = if self.ready.is_empty() { PickKind::Panic } else { PickKind::Regular };
        let list = if self.ready.is_empty() { &self.ejected } else { &self.ready };
        let among = Candidates { list, exclude };
        let slot = match self.balance {
            Balance::P2c => policy::p2c(&self.slots, &among, now, rng),
            Balance::Random => policy::random(&self.slots, &among, rng),
            Balance::RoundRobin if self.alike => policy::turns(&self.slots, &among, &mut self.last),
            Balance::RoundRobin => policy::round_robin(&mut self.slots, &among),
        }?;
        self.panics += u64::from(kind == PickKind::Panic);
        self.picked(slot, kind)
    }

    fn trial(&mut self, now: Instant, patience: Duration) -> Option<u32> {
        let (slots, ejection) = (&mut self.slots, &self.ejection);
        self.ejected.iter().copied().find(|slot| {
            slots[*slot as usize].endpoint.as_mut().is_some_and(|endpoint| {
                endpoint.admission.wake(now);
                endpoint.admission.wants_trial(now, patience, ejection)
            })
        })
    }

    fn picked(&self, slot: u32, kind: PickKind) -> Option<Picked> {
        let Slot { epoch, endpoint } = self.slots.get(slot as usize)?;
        let address = endpoint.as_ref()?.address.clone();
        Some(Picked { key: EndpointKey { slot, epoch: *epoch }, address, kind })
    }

    /// An attempt begins: call it before connecting, right after the pick.
    pub fn sent(&mut self, key: EndpointKey, now: Instant) -> Attempt {
        let under = self.endpoint_mut(key).map_or(0, |endpoint| {
            endpoint.in_flight += 1;
            endpoint.sent += 1;
            endpoint.admission.sent(now)
        });
        Attempt { key, sent_at: now, under, answered: false }
    }

    /// The head of an answer came. The attempt stays in flight until [`finished`](Self::finished).
    pub fn answered(&mut self, attempt: &mut Attempt, now: Instant) -> Option<Change> {
        let first = !std::mem::replace(&mut attempt.answered, true);
        let endpoint = self.endpoint_mut(attempt.key)?;
        endpoint.last_answer = endpoint.last_answer.max(Some(now));
        if !first {
            return None;
        }
        let latency = now.since(attempt.sent_at);
        endpoint.latency.observe(latency, now);
        let change = endpoint.admission.answered(attempt.under, now);
        if change.is_some() {
            // What it was before its ejection says nothing of what it is now.
            endpoint.latency = PeakEwma::starting_at(latency, now);
        }
        self.after(change)
    }

    /// The answer is complete.
    pub fn finished(&mut self, attempt: Attempt) {
        self.take_back(attempt);
    }

    /// It ended without evidence on the endpoint, for example because the client went away.
    pub fn abandoned(&mut self, attempt: Attempt) {
        let (under, answered) = (attempt.under, attempt.answered);
        if let Some(endpoint) = self.take_back(attempt)
            && !answered
        {
            endpoint.admission.abandoned(under);
        }
    }

    /// It failed. A kept connection that the endpoint closed before taking the request is no failure of the
    /// endpoint: report that as [`abandoned`](Self::abandoned).
    pub fn failed(&mut self, attempt: Attempt, now: Instant, witness: Witness) -> Option<Change> {
        let ejection = self.ejection.clone();
        let Attempt { sent_at, under, .. } = attempt;
        let endpoint = self.take_back(attempt)?;
        endpoint.failed += 1;
        let waited = now.since(sent_at);
        endpoint.latency.observe(waited.max(FAILURE_COUNTS_AS), now);
        let silent = endpoint.last_answer.is_none_or(|answer| answer < sent_at);
        let silence = silent.then_some(waited);
        let change = endpoint.admission.failed(&ejection, under, silence, witness, now);
        self.after(change)
    }

    /// Hard evidence that came another way, from another worker or the registry. Soft evidence isn't taken:
    /// it counts where it was seen.
    pub fn witnessed(&mut self, address: &Address, now: Instant, witness: Witness) -> Option<Change> {
        if !witness.is_hard() {
            return None;
        }
        let ejection = &self.ejection;
        let endpoint =
            self.slots.iter_mut().filter_map(|s| s.endpoint.as_mut()).find(|e| e.address == *address)?;
        let change = endpoint.admission.failed(ejection, 0, None, witness, now);
        self.after(change)
    }

    /// Every endpoint's state, and why, ordered by address.
    pub fn status(&self, now: Instant) -> Vec<EndpointStatus> {
        let endpoints = self.slots.iter().filter_map(|slot| slot.endpoint.as_ref());
        let mut list: Vec<_> = endpoints.map(|endpoint| EndpointStatus::of(endpoint, now)).collect();
        list.sort_by(|a, b| a.address.cmp(&b.address));
        list
    }

    /// How many endpoints there are, and how many of them are admitting and have a weight.
    pub fn counts(&self) -> (usize, usize) {
        (self.slots.iter().filter(|slot| slot.endpoint.is_some()).count(), self.ready.len())
    }

    /// Picks made since the start while every endpoint was ejected.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    fn endpoint_mut(&mut self, key: EndpointKey) -> Option<&mut Endpoint> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.epoch == key.epoch { slot.endpoint.as_mut() } else { None }
    }

    fn take_back(&mut self, attempt: Attempt) -> Option<&mut Endpoint> {
        let key = attempt.key;
        drop(attempt);
        let endpoint = self.endpoint_mut(key)?;
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        Some(endpoint)
    }

    fn after(&mut self, change: Option<Change>) -> Option<Change> {
        if change.is_some() {
            self.sort_out();
        }
        change
    }

    /// Puts each slot into the list that fits its state, in order. The lists never need more room than there are
    /// slots.
    fn sort_out(&mut self) {
        self.ready.clear();
        self.ejected.clear();
        self.ready.reserve(self.slots.len());
        self.ejected.reserve(self.slots.len());
        for (index, slot) in self.slots.iter().enumerate() {
            match &slot.endpoint {
                Some(endpoint) if endpoint.weight == 0 => {}
                Some(endpoint) if endpoint.admission.is_admitting() => self.ready.push(index as u32),
                Some(_) => self.ejected.push(index as u32),
                None => {}
            }
        }
        let listed =
            self.slots.iter().filter_map(|slot| slot.endpoint.as_ref()).map(|endpoint| endpoint.weight);
        let mut weights = listed.filter(|weight| *weight > 0);
        let first = weights.next();
        self.alike = weights.all(|weight| Some(weight) == first);
    }

    fn mean_latency(&self, now: Instant) -> Duration {
        let known = self.slots.iter().filter_map(|slot| slot.endpoint.as_ref());
        let (sum, count) = known
            .filter(|endpoint| endpoint.last_answer.is_some())
            .fold((0.0, 0u32), |(sum, n), endpoint| (sum + endpoint.latency.nanos(now), n + 1));
        Duration::from_nanos((sum / f64::from(count.max(1))) as u64)
    }
}
