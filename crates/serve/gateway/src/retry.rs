//! When a request may be sent again.

use haechi_route::config::Retry;

use crate::failure::Failure;
use crate::prepare::RequestFacts;

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// The kernel took no byte of the request: no service can have seen it.
    Nothing,
    /// Bytes went out, none came back.
    Sent,
    /// Bytes of an answer came.
    Answered,
}

/// An attempt that did not lead to an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    pub failure: Failure,
    pub reached: Reached,
    /// Whether the connection had carried a request before. One that was closed while idle says nothing about
    /// the endpoint.
    pub reused: bool,
    /// Whether all of the request that was taken from the client is still there.
    pub replayable: bool,
}

impl Failed {
    /// An attempt that never got a connection.
    pub const fn to_connect(failure: Failure) -> Self {
        Self { failure, reached: Reached::Nothing, reused: false, replayable: true }
    }

    /// Whether sending the request again can do no harm that it has not done (RFC 9110 §9.2.2).
    pub fn is_safe(self, facts: &RequestFacts, retry: &Retry) -> bool {
        let another_may_do_better = matches!(
            self.failure,
            Failure::NoPort
                | Failure::Refused
                | Failure::Unreachable
                | Failure::ConnectTimeout
                | Failure::Closed
                | Failure::FirstByteTimeout
        );
        another_may_do_better
            && self.replayable
            && match self.reached {
                Reached::Nothing => true,
                Reached::Sent => facts.idempotent && retry.idempotent,
                Reached::Answered => false,
            }
    }

    /// Whether the same endpoint may be tried again: its idle connection was closed, it was not.
    pub fn is_stale_connection(self) -> bool {
        self.reused && self.failure == Failure::Closed && self.reached != Reached::Answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haechi_core::Instant;
    use haechi_http::Version;

    fn facts(idempotent: bool) -> RequestFacts {
        RequestFacts {
            version: Version::Http11,
            keep_alive: true,
            is_head: false,
            idempotent,
            upgrade: false,
            connect: false,
            takes_trailers: false,
            encodings: None,
            call: None,
            translated: None,
            format: Box::default(),
            patience: None,
            started: Instant::ZERO,
            line: crate::prepare::RequestLine::default(),
        }
    }

    #[test]
    fn what_no_service_saw_is_sent_again_whatever_its_method() {
        let refused = Failed::to_connect(Failure::Refused);
        assert!(refused.is_safe(&facts(false), &Retry::default()));
        assert!(refused.is_safe(&facts(true), &Retry { idempotent: false, ..Retry::default() }));
    }

    #[test]
    fn what_a_service_may_have_seen_is_sent_again_only_if_idempotent() {
        let closed =
            Failed { failure: Failure::Closed, reached: Reached::Sent, reused: true, replayable: true };
        assert!(closed.is_safe(&facts(true), &Retry::default()));
        assert!(!closed.is_safe(&facts(false), &Retry::default()));
        assert!(!closed.is_safe(&facts(true), &Retry { idempotent: false, ..Retry::default() }));
        assert!(!Failed { replayable: false, ..closed }.is_safe(&facts(true), &Retry::default()));
        assert!(!Failed { reached: Reached::Answered, ..closed }.is_safe(&facts(true), &Retry::default()));
    }

    #[test]
    fn what_another_endpoint_does_not_help_is_not_sent_again() {
        for failure in [Failure::ClientGone, Failure::NoDescriptors] {
            assert!(!Failed::to_connect(failure).is_safe(&facts(true), &Retry::default()));
        }
    }
}
