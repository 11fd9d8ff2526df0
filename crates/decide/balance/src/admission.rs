//! Whether an endpoint is let in: *admitting* → (evidence) → *rejecting* → (time) → *probing* → (a trial's
//! answer) → *admitting*, or back to *rejecting* for twice as long.

use std::fmt;
use std::time::Duration;

use haechi_core::{Instant, Witness};
use haechi_route::config::Ejection;

/// Why an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Hard evidence: its socket or process is gone.
    Gone(Witness),
    /// An attempt got no answer for this long, and nothing else did in that time.
    Silent(Duration),
    /// So many attempts in a row failed, the last one so.
    Failing(u32, Witness),
    /// The trial after an ejection failed so.
    TrialFailed(Witness),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone(witness) => f.write_str(words(*witness)),
            Self::Silent(waited) => write!(f, "answered nobody for {} ms", waited.as_millis()),
            Self::Failing(n, witness) => write!(f, "{n} failures in a row, the last: {}", words(*witness)),
            Self::TrialFailed(witness) => write!(f, "trial failed: {}", words(*witness)),
        }
    }
}

const fn words(witness: Witness) -> &'static str {
    match witness {
        Witness::Exited => "process exited",
        Witness::Refused => "connection refused",
        Witness::Reset => "connection reset",
        Witness::TimedOut => "timed out",
        Witness::LeaseExpired => "lease expired",
    }
}

/// What a report changed, for the event log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The endpoint is left out for this long.
    Ejected {
        /// How long, at least.
        lasting: Duration,
        /// Why.
        cause: Cause,
    },
    /// The endpoint takes requests again.
    Readmitted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Admitting,
    Rejecting { until: Instant },
    Probing { since: Instant, trial: Option<Instant> },
}

/// The ejection under which an attempt was sent; 0 is none.
pub(crate) type EjectionNumber = u32;

#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub(crate) state: State,
    pub(crate) cause: Option<Cause>,
    /// Soft failures since the last answer.
    in_a_row: u32,
    /// Ejections without a long good time between them: each doubles the next.
    strikes: u32,
    number: EjectionNumber,
    readmitted: Instant,
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Admitting,
            cause: None,
            in_a_row: 0,
            strikes: 0,
            number: 0,
            readmitted: Instant::ZERO,
        }
    }

    pub(crate) fn is_admitting(&self) -> bool {
        self.state == State::Admitting
    }

    /// Goes from rejecting to probing when the time is over.
    pub(crate) fn wake(&mut self, now: Instant) {
        if let State::Rejecting { until } = self.state
            && until <= now
        {
            self.state = State::Probing { since: until, trial: None };
        }
    }

    /// Whether a trial may be sent now to an endpoint that has waited for one for `patience`. A trial that was
    /// never reported back stops counting after the longest ejection.
    pub(crate) fn wants_trial(&self, now: Instant, patience: Duration, ejection: &Ejection) -> bool {
        match self.state {
            State::Probing { since, trial } => {
                now >= since + patience && trial.is_none_or(|sent| now >= sent + ejection.max)
            }
            _ => false,
        }
    }

    /// An attempt is sent; returns the ejection it is sent under.
    pub(crate) fn sent(&mut self, now: Instant) -> EjectionNumber {
        match &mut self.state {
            State::Admitting => 0,
            State::Rejecting { .. } => self.number,
            State::Probing { trial, .. } => {
                *trial = Some(now);
                self.number
            }
        }
    }

    /// An answer came to an attempt sent under ejection `under`. An answer to an attempt from before the
    /// ejection proves too little to end it.
    pub(crate) fn answered(&mut self, under: EjectionNumber, now: Instant) -> Option<Change> {
        self.in_a_row = 0;
        (!self.is_admitting() && under == self.number).then(|| {
            self.state = State::Admitting;
            self.readmitted = now;
            Change::Readmitted
        })
    }

    /// An attempt ended without any evidence: the trial's place is free again.
    pub(crate) fn abandoned(&mut self, under: EjectionNumber) {
        if let State::Probing { trial, .. } = &mut self.state
            && under == self.number
        {
            *trial = None;
        }
    }

    /// An attempt failed. `silence` is the time it waited, if nothing was answered meanwhile.
    pub(crate) fn failed(
        &mut self,
        ejection: &Ejection,
        under: EjectionNumber,
        silence: Option<Duration>,
        witness: Witness,
        now: Instant,
    ) -> Option<Change> {
        if !ejection.enabled {
            return None;
        }
        let cause = match self.state {
            // What was sent before or in panic must not double the time once per request.
            State::Rejecting { .. } => return None,
            State::Probing { .. } if under == self.number => Cause::TrialFailed(witness),
            State::Probing { .. } => return None,
            State::Admitting if witness.is_hard() => Cause::Gone(witness),
            State::Admitting => {
                self.in_a_row += 1;
                match (witness, silence) {
                    (Witness::TimedOut, Some(waited)) => Cause::Silent(waited),
                    _ if self.in_a_row >= ejection.consecutive.max(1) => {
                        Cause::Failing(self.in_a_row, witness)
                    }
                    _ => return None,
                }
            }
        };
        Some(self.eject(ejection, cause, now))
    }

    fn eject(&mut self, ejection: &Ejection, cause: Cause, now: Instant) -> Change {
        if self.is_admitting() && now.since(self.readmitted) > ejection.max {
            self.strikes = 0;
        }
        let factor = 1u32.checked_shl(self.strikes).unwrap_or(u32::MAX);
        let lasting = ejection.base.saturating_mul(factor).min(ejection.max);
        self.strikes = self.strikes.saturating_add(1);
        self.number = self.number.wrapping_add(1).max(1);
        self.in_a_row = 0;
        self.cause = Some(cause);
        self.state = State::Rejecting { until: now + lasting };
        Change::Ejected { lasting, cause }
    }

    /// Ends an ejection because ejection was switched off.
    pub(crate) fn readmit(&mut self, now: Instant) {
        self.state = State::Admitting;
        self.readmitted = now;
    }
}
