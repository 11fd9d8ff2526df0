//! Bounds.

use std::time::Duration;

/// Bounds on what a client may do. Each is counted when it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's head, its line included.
    pub head_bytes: usize,
    /// Header fields in a head, at most 128.
    pub headers: usize,
    /// Bytes of a request's target.
    pub target_bytes: usize,
    /// Bytes of a request's body; 0 is no bound.
    pub body_bytes: u64,
    /// Bytes of a chunk's extensions, and of all trailers of a body.
    pub chunk_extra_bytes: usize,
    /// Open client connections, over all listeners and workers. Beyond it those that wait for their client for
    /// the longest time give way.
    pub connections: usize,
    /// Of these, from one address (IPv6: one /64); 0 is no bound.
    pub connections_per_address: usize,
    /// Idle connections to services, over all services and workers. Beyond it the oldest are closed.
    pub idle_connections: usize,
    /// Bytes of further requests that are read ahead while one is in flight.
    pub pipelined_bytes: usize,
    /// Answers that each worker compresses at the same time.
    pub compressors: usize,
    /// Bytes of small files' contents that each worker remembers.
    pub file_cache_bytes: usize,
    /// Pipes of one worker, for large bodies between plain sockets; without one they are copied.
    pub pipes: usize,
    /// Bytes a second of a request's body that a client must send, or of an answer that it must take, on the
    /// average; the route's idle bound is allowed for in advance. 0 is no bound.
    pub min_rate: u64,
    /// For a request's head to arrive, from its first byte.
    pub head_timeout: Duration,
    /// For a client connection to stay idle between requests.
    pub keep_alive: Duration,
    /// Streams of an HTTP/2 connection at once.
    pub http2_streams: u32,
    /// Bytes of a stream's body that its peer may send ahead.
    pub http2_window: u32,
    /// The same for all streams of a connection together, and four times what is held of all answers that the client does
    /// not take.
    pub http2_connection_window: u32,
    /// HTTP/2 frames that carry nothing, within ten seconds and beyond what real work brings with it.
    pub http2_control_frames: u32,
    /// Streams that a client may reset within ten seconds.
    pub http2_resets: u32,
    /// Streams of an HTTP/3 connection at once.
    pub http3_streams: u32,
    /// Bytes of a stream's body that a client may send ahead.
    pub http3_window: u32,
    /// The same for all streams of a connection together, and as much of all answers that the client has not
    /// acknowledged.
    pub http3_connection_window: u32,
    /// HTTP/3 frames and streams that carry nothing, within ten seconds and beyond what real work brings with it.
    pub http3_control_frames: u32,
    /// Streams of HTTP/3 that a client may reset within ten seconds.
    pub http3_resets: u32,
    /// TLS handshakes under way, per worker.
    pub handshakes: usize,
    /// For a TLS handshake to be done, or a ClientHello to arrive that decides where its connection goes.
    pub handshake_timeout: Duration,
    /// For a connection that switched protocols (WebSocket) and in which no byte moves.
    pub tunnel_idle: Duration,
    /// For tunnels whose listener or route is gone.
    pub tunnel_drain: Duration,
    /// UDP sessions, per worker. Beyond it those that were quiet for the longest time give way.
    pub udp_sessions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 << 10,
            headers: 100,
            target_bytes: 16 << 10,
            body_bytes: 0,
            chunk_extra_bytes: 8 << 10,
            connections: 100_000,
            connections_per_address: 0,
            idle_connections: 100_000,
            pipelined_bytes: 64 << 10,
            compressors: 256,
            file_cache_bytes: 16 << 20,
            pipes: 128,
            min_rate: 500,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            http2_streams: 128,
            http2_window: 256 << 10,
            http2_connection_window: 1 << 20,
            http2_control_frames: 10_000,
            http2_resets: 1_000,
            http3_streams: 128,
            http3_window: 256 << 10,
            http3_connection_window: 1 << 20,
            http3_control_frames: 10_000,
            http3_resets: 1_000,
            handshakes: 10_000,
            handshake_timeout: Duration::from_secs(10),
            tunnel_idle: Duration::from_secs(3600),
            tunnel_drain: Duration::from_secs(600),
            udp_sessions: 10_000,
        }
    }
}
