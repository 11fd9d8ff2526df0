//! What can be set.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use haechi_lease::{Limits, Policy};
use haechi_web::client::Url;

/// A user and a password (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user; no colon in it.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A registry's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bounds on what is held.
    pub limits: Limits,
    /// The rules' numbers.
    pub policy: Policy,
    /// Path in front of Eureka's own, no slash at the end. `/v2` below it is served too.
    pub prefix: String,
    /// Whom clients and peers must be; without it nobody is asked.
    pub auth: Option<Credentials>,
    /// The lease of an instance that names none.
    pub lease_duration: Duration,
    /// The renewal interval of an instance that names none.
    pub renewal_interval: Duration,
    /// Bounds of the HTTP server.
    pub http: haechi_web::Limits,
    /// Where registrations survive a restart. Without it they don't.
    pub state_file: Option<PathBuf>,
    /// Other registries, by the address under which their clients know them (`http://host:8761/eureka/`).
    pub peers: Vec<Url>,
    /// This registry's own address in that form, so that it isn't its own peer.
    pub own_url: Option<Url>,
    /// For connecting to a peer.
    pub peer_connect_timeout: Duration,
    /// For a whole exchange with a peer.
    pub peer_timeout: Duration,
    /// Most changes in one batch for a peer.
    pub peer_batch: usize,
    /// How long a batch waits to fill.
    pub peer_batch_delay: Duration,
    /// Most changes that wait for one peer; the oldest go first.
    pub peer_queue: usize,
    /// For learning what peers know, before the first client is answered.
    pub sync_up_timeout: Duration,
    /// Shown on the dashboard.
    pub environment: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            policy: Policy::default(),
            prefix: "/eureka".to_owned(),
            auth: None,
            lease_duration: Duration::from_secs(90),
            renewal_interval: Duration::from_secs(30),
            http: haechi_web::Limits::default(),
            state_file: None,
            peers: Vec::new(),
            own_url: None,
            peer_connect_timeout: Duration::from_secs(1),
            peer_timeout: Duration::from_secs(5),
            // Netflix's peers send so many.
            peer_batch: 250,
            // Netflix's wait 500 ms; less is sooner, and the batch is rarely fuller for waiting.
            peer_batch_delay: Duration::from_millis(100),
            peer_queue: 500_000,
            sync_up_timeout: Duration::from_secs(5),
            environment: "test".to_owned(),
        }
    }
}
