//! What is counted. Each worker writes its own counters and only it does, so a count is a load and a store;
//! readers add the workers up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use haechi_http::{BadBody, BadRequest};

use crate::failure::Failure;
use crate::layer4::RefusedStats;
use crate::tls_stats::TlsStats;

/// Grows. One writer.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    #[inline]
    pub fn add(&self, by: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub fn one(&self) {
        self.add(1);
    }

    /// Takes one off, for what is counted while it lasts.
    #[inline]
    pub fn less_one(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts a status in its class, 1xx to 5xx.
#[inline]
pub(crate) fn count_class(classes: &[Counter; 5], status: u16) {
    if let Some(class) = classes.get(usize::from(status / 100).wrapping_sub(1)) {
        class.one();
    }
}

/// Upper bounds of the latency buckets, in microseconds. From a cache hit to a slow report.
pub(crate) const BOUNDS_US: [u64; 16] = [
    250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// How long things took.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS_US.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Counts one.
    #[inline]
    pub fn record(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let bucket = BOUNDS_US.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS_US.len());
        self.buckets[bucket].one();
        self.sum_us.add(micros);
    }

    /// Adds this one's counts to a sum over workers.
    pub fn add_to(&self, sum: &mut HistogramSum) {
        for (bucket, total) in self.buckets.iter().zip(&mut sum.buckets) {
            *total += bucket.get();
        }
        sum.sum_us += self.sum_us.get();
    }
}

/// A histogram over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramSum {
    /// Counts per bucket, not cumulative; the last is beyond all bounds.
    pub buckets: [u64; BOUNDS_US.len() + 1],
    pub sum_us: u64,
}

/// Counts of one route on one worker.
#[derive(Debug, Default)]
pub(crate) struct RouteStats {
    /// By class of status: 1xx to 5xx.
    pub answers: [Counter; 5],
    /// Requests whose client left before the answer was whole.
    pub client_gone: Counter,
    pub latency: Histogram,
}

impl RouteStats {
    /// Counts an answer.
    #[inline]
    pub fn answered(&self, status: u16, took: Duration) {
        count_class(&self.answers, status);
        self.latency.record(took);
    }
}

/// Counts of one service on one worker.
#[derive(Debug, Default)]
pub(crate) struct ServiceStats {
    /// Answers of the service, by class of status.
    pub answers: [Counter; 5],
    pub attempts: Counter,
    pub retries: Counter,
    /// Retries that the budget did not allow.
    pub budget_exhausted: Counter,
    pub connects: Counter,
    /// Requests sent on a connection that was there already.
    pub reused: Counter,
    pub idle_connections: Counter,
    /// Idle connections that the service closed.
    pub closed_idle: Counter,
    /// Attempts lost because the service closed the idle connection at that moment.
    pub stale_attempts: Counter,
    /// Requests in flight now.
    pub in_flight: Counter,
    /// Requests refused because as many as allowed were in flight.
    pub full: Counter,
    pub ejections: Counter,
    /// Requests for which there was no endpoint.
    pub no_endpoint: Counter,
    /// Endpoints known now.
    pub endpoints: Counter,
    /// Of these, not ejected.
    pub endpoints_admitting: Counter,
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How often each limit struck on one worker.
        #[derive(Debug, Default)]
        pub(crate) struct LimitStats {
            $($(#[$doc])* pub $name: Counter,)*
        }

        impl LimitStats {
            /// Each limit's name and count.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.get()),)*].into_iter()
            }
        }
    };
}

limits! {
    /// Heads longer than `limits.head_bytes`.
    head_bytes,
    /// Heads with more fields than `limits.headers`.
    headers,
    /// Targets longer than `limits.target_bytes`.
    target_bytes,
    /// Bodies longer than `limits.body_bytes`.
    body_bytes,
    /// Chunk extensions and trailers beyond `limits.chunk_extra_bytes`.
    chunk_extra_bytes,
    /// Connections for which another had to give way because of `limits.connections`, or had to wait.
    connections,
    /// Connections closed at once because of `limits.connections_per_address`.
    connections_per_address,
    /// Clients of which no more was read for `limits.pipelined_bytes` while a request was in flight.
    pipelined_bytes,
    /// Heads that did not arrive within `limits.head_timeout`.
    head_timeout,
    /// Idle connections closed after `limits.keep_alive`.
    keep_alive,
    /// Moments at which a connection could not be accepted because the process had no descriptors left.
    descriptors,
    /// Connections to services that could not be made at once because the process had no descriptors left.
    connect_descriptors,
    /// Connections to services that could not be made because no local port was left for them.
    connect_ports,
    /// Idle connections to services closed because of `limits.idle-connections` or the process's descriptors.
    idle_connections,
    /// HTTP/2 connections that held a quarter of `limits.http2-connection-window` of answers that were not taken.
    http2_connection_window,
    /// Clients sent away because of `limits.http2-control-frames`.
    http2_control_frames,
    /// Clients sent away because of `limits.http2-resets`.
    http2_resets,
    /// Clients sent away because of frames that cost memory: CONTINUATION without end, tiny DATA, streams that are
    /// reset before they are looked at.
    http2_frames,
    /// HTTP/3 connections that held a quarter of `limits.http3-connection-window` of answers, besides what QUIC had.
    http3_connection_window,
    /// Clients sent away because of `limits.http3-control-frames`.
    http3_control_frames,
    /// Clients sent away because of `limits.http3-resets`.
    http3_resets,
    /// Requests for more ranges of a file than are looked at.
    ranges,
    /// Contents of files that were forgotten because of `limits.file_cache_bytes`.
    file_cache,
    /// Clients that sent a body or took an answer more slowly than `limits.min_rate`.
    min_rate,
    /// Large bodies that were copied because all of `limits.pipes` were in use.
    pipes,
    /// Answers that were not compressed because of `limits.compressors`.
    compressors,
    /// Interim answers beyond what one answer may have.
    interim_answers,
    /// TLS handshakes turned away because of `limits.handshakes`.
    handshakes,
    /// Headers of the PROXY protocol that said to be longer than is taken.
    proxy_header,
    /// TLS handshakes that were not done, and headers of the PROXY protocol and ClientHellos that were not there, within
    /// `limits.handshake_timeout`.
    handshake_timeout,
    /// Tunnels in which no byte moved for `limits.tunnel-idle`, or for their route's `idle` timeout.
    tunnel_idle,
    /// Tunnels that were open `limits.tunnel-drain` after their listener or route was removed.
    tunnel_drain,
    /// Sessions of UDP for which others had to give way because of `limits.udp-sessions`, or that there was no place for.
    udp_sessions,
}

/// Connections by their header of the PROXY protocol, on listeners that expect one.
#[derive(Debug, Default)]
pub(crate) struct ProxyHeaderStats {
    pub proxied: Counter,
    pub unknown: Counter,
    pub local: Counter,
    pub absent: Counter,
    pub malformed: Counter,
    pub late: Counter,
    pub closed: Counter,
}

impl ProxyHeaderStats {
    /// Each result's name and count.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Self { proxied, unknown, local, absent, malformed, late, closed } = self;
        [
            ("proxied", proxied),
            ("unknown", unknown),
            ("local", local),
            ("absent", absent),
            ("malformed", malformed),
            ("late", late),
            ("closed", closed),
        ]
        .into_iter()
        .map(|(name, counter)| (name, counter.get()))
    }
}

/// Counts of one worker that belong to no route or service.
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    pub accepted: Counter,
    pub connections: Counter,
    /// Connections that went to a worker with fewer.
    pub handed_over: Counter,
    pub limits: LimitStats,
    pub tls: TlsStats,
    pub proxy_headers: ProxyHeaderStats,
    /// Requests refused before a route was known, by class of status.
    pub refused: [Counter; 5],
    /// Connections that no route of layer 4 took.
    pub layer4_refused: RefusedStats,
    pub access_log_dropped: Counter,
    pub http3: Http3Stats,
    /// Bytes of bodies that were moved inside the kernel.
    pub spliced_bytes: Counter,
    /// Bytes of answers that are held for clients of HTTP/2 and HTTP/3.
    pub unsent_bytes: Counter,
}

/// Counts of HTTP/3 on one worker.
#[derive(Debug, Default)]
pub(crate) struct Http3Stats {
    /// Connections that were made.
    pub accepted: Counter,
    /// Those that are open now.
    pub connections: Counter,
    /// Streams with a request.
    pub requests: Counter,
    /// Clients that had to show that they are where they say (RFC 9000 §8.1.2).
    pub retries: Counter,
    /// Connections that ended because nothing was heard of their client any more.
    pub silent: Counter,
}

impl WorkerStats {
    /// Counts a request that was refused before a route was known.
    pub fn refused(&self, failure: Failure) {
        count_class(&self.refused, failure.status());
    }
}

impl LimitStats {
    /// Counts the limit behind a failure, if there is one.
    pub fn struck(&self, failure: Failure) {
        match failure {
            Failure::Request(BadRequest::HeadTooLarge) => self.head_bytes.one(),
            Failure::Request(BadRequest::TooManyFields) => self.headers.one(),
            Failure::Request(BadRequest::TargetTooLong) => self.target_bytes.one(),
            Failure::BodyTooLarge => self.body_bytes.one(),
            Failure::Body(BadBody::ChunkExtras) => self.chunk_extra_bytes.one(),
            Failure::HeadTimeout => self.head_timeout.one(),
            Failure::BodyTimeout | Failure::SlowClient => self.min_rate.one(),
            _ => {}
        }
    }
}
