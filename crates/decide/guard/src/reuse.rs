//! For how long an idle connection to an endpoint may be used again.
//!
//! A service closes connections that were idle for too long, and does not ask. A request sent at that moment is
//! lost, and one that may not be sent twice fails. So what the service says (`Keep-Alive: timeout=n`) and what
//! it was seen to do bounds the idle time after which its connections are used.

use std::fmt;
use std::time::Duration;

use haechi_core::Instant;

/// Without knowledge of the endpoint, a request that can't be sent again goes only on a connection that was used
/// within this time. The shortest timeout in wide use is five seconds.
const UNKNOWN: Duration = Duration::from_secs(1);

/// Closes of connections that were idle for less teach nothing: no service forgets so fast, one that restarts
/// closes connections of every age.
const SHORTEST: Duration = Duration::from_millis(100);

/// What was seen is believed for this long after it was last seen.
const REMEMBERED: Duration = Duration::from_mins(10);

/// A request is sent this much earlier than the service would close, a quarter of the timeout, within bounds:
/// the request's way takes time, and the service's clock began before ours.
const MARGIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What one worker knows of when one endpoint closes idle connections.
#[derive(Clone, Debug, Default)]
pub struct Reuse {
    announced: Option<Duration>,
    seen: Option<Seen>,
}

/// A close that was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The shortest idle time.
    after: Duration,
    /// The last time that it was confirmed.
    at: Instant,
}

impl Reuse {
    /// The endpoint said that it closes connections idle for this long.
    pub fn announced(&mut self, timeout: Duration) {
        self.announced = Some(timeout);
    }

    /// The endpoint closed a connection: silent after `silent` of idle time, closed after `closed`.
    pub fn closed(&mut self, silent: Duration, closed: Duration, now: Instant) {
        if closed < SHORTEST {
            return;
        }
        let after = silent.max(SHORTEST);
        let shortest = self.remembered(now).map_or(after, |seen| seen.after.min(after));
        self.seen = Some(Seen { after: shortest, at: now });
    }

    /// A connection of the endpoint was found open after this idle time. Of one that is far older than what was
    /// seen before, the close then had another reason, such as a restart.
    pub fn open(&mut self, idle: Duration) {
        if self.seen.is_some_and(|seen| idle > seen.after * 2) {
            self.seen = None;
        }
    }

    /// The idle time up to which a connection is used again. `repeatable` says that the request may be sent
    /// again should it be lost.
    pub fn within(&self, now: Instant, repeatable: bool) -> Duration {
        match self.known(now) {
            Some(timeout) => timeout.saturating_sub((timeout / 4).clamp(MARGIN.0, MARGIN.1)),
            None if repeatable => Duration::MAX,
            None => UNKNOWN,
        }
    }

    /// In words.
    pub fn explain(&self, now: Instant) -> impl fmt::Display {
        let (announced, seen) = (self.announced, self.remembered(now).map(|seen| seen.after));
        let within = self.within(now, false);
        fmt::from_fn(move |f| {
            match (announced, seen) {
                (Some(said), Some(seen)) => {
                    write!(f, "says it closes idle connections after {said:?}, was seen to after {seen:?}")?;
                }
                (Some(said), None) => write!(f, "says it closes idle connections after {said:?}")?,
                (None, Some(seen)) => write!(f, "was seen to close idle connections after {seen:?}")?,
                (None, None) => {
                    return write!(f, "not seen to close idle connections; POSTs use them for {within:?}");
                }
            }
            write!(f, "; they are used for {within:?}")
        })
    }

    fn remembered(&self, now: Instant) -> Option<Seen> {
        self.seen.filter(|seen| now.since(seen.at) < REMEMBERED)
    }

    fn known(&self, now: Instant) -> Option<Duration> {
        let seen = self.remembered(now).map(|seen| seen.after);
        self.announced.into_iter().chain(seen).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn without_knowledge_only_what_may_be_sent_again_uses_old_connections() {
        let reuse = Reuse::default();
        assert_eq!(reuse.within(at(0), true), Duration::MAX);
        assert_eq!(reuse.within(at(0), false), UNKNOWN);
    }

    #[test]
    fn what_the_service_says_or_does_bounds_every_request_the_shorter_first() {
        let mut reuse = Reuse::default();
        reuse.announced(5000 * MS);
        assert_eq!(reuse.within(at(0), false), 3750 * MS);
        assert_eq!(reuse.within(at(0), true), 3750 * MS);
        reuse.closed(1800 * MS, 2000 * MS, at(1));
        assert_eq!(reuse.within(at(1), true), 1350 * MS);
        reuse.closed(4000 * MS, 4200 * MS, at(1));
        assert_eq!(reuse.within(at(1), true), 1350 * MS, "the shortest counts");
        reuse.announced(60_000 * MS);
        reuse.seen = None;
        assert_eq!(reuse.within(at(1), false), 58_000 * MS, "the margin has a bound");
        assert_eq!(
            reuse.explain(at(1)).to_string(),
            "says it closes idle connections after 60s; they are used for 58s"
        );
    }

    #[test]
    fn a_timeout_of_nothing_means_that_no_connection_is_used_again() {
        let mut reuse = Reuse::default();
        reuse.announced(Duration::ZERO);
        assert_eq!(reuse.within(at(0), true), Duration::ZERO);
    }

    #[test]
    fn what_was_seen_is_forgotten_when_it_is_old_or_contradicted() {
        let mut reuse = Reuse::default();
        reuse.closed(900 * MS, 1000 * MS, at(0));
        assert!(reuse.within(at(599), true) < 1000 * MS);
        assert_eq!(reuse.within(at(600), true), Duration::MAX);
        reuse.closed(900 * MS, 1000 * MS, at(700));
        reuse.open(1800 * MS);
        assert!(reuse.within(at(700), true) < 1000 * MS, "a timer that runs late contradicts nothing");
        reuse.open(1801 * MS);
        assert_eq!(reuse.within(at(700), true), Duration::MAX);
    }

    #[test]
    fn a_restart_that_closes_young_connections_teaches_nothing() {
        let mut reuse = Reuse::default();
        reuse.closed(Duration::ZERO, 99 * MS, at(0));
        assert_eq!(reuse.within(at(0), true), Duration::MAX);
        reuse.closed(Duration::ZERO, 150 * MS, at(0));
        assert_eq!(reuse.within(at(0), true), 50 * MS);
    }
}
