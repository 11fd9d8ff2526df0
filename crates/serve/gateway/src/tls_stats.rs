//! What is counted of TLS with clients, on one worker.

use crate::stats::Counter;

/// Why handshakes fail, as metrics call it. The last one is for what has no word of its own.
const REASONS: [&str; 11] = [
    "timeout",
    "closed",
    "plain_http",
    "not_tls",
    "unknown_name",
    "no_trust",
    "client_certificate",
    "incompatible",
    "alert",
    "tls_on_plain_port",
    "protocol",
];

/// Counts of handshakes.
#[derive(Debug, Default)]
pub(crate) struct TlsStats {
    /// Those that are done, by version (1.2, 1.3) and whether they resumed a session.
    done: [[Counter; 2]; 2],
    failed: [Counter; REASONS.len()],
    /// Those that are not done yet.
    pub under_way: Counter,
}

impl TlsStats {
    /// Counts a handshake that is done.
    pub fn done(&self, is_tls13: bool, resumed: bool) {
        self.done[usize::from(is_tls13)][usize::from(resumed)].one();
    }

    /// Counts a handshake that failed.
    pub fn failed(&self, reason: &str) {
        let index = REASONS.iter().position(|known| *known == reason).unwrap_or(REASONS.len() - 1);
        self.failed[index].one();
    }

    /// Counts of handshakes that are done, by their labels.
    pub fn each_done(&self) -> impl Iterator<Item = (String, u64)> {
        ["1.2", "1.3"].into_iter().zip(&self.done).flat_map(|(version, counts)| {
            ["false", "true"].into_iter().zip(counts).map(move |(resumed, count)| {
                (format!("version=\"{version}\",resumed=\"{resumed}\""), count.get())
            })
        })
    }

    /// Counts of handshakes that failed, by their reasons.
    pub fn each_failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.failed.iter().map(Counter::get))
    }
}
