//! What can be set.

use std::path::PathBuf;
use std::time::Duration;

use haechi_lease::{Limits, Policy};
use haechi_web::client::Url;

/// A registry's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bounds on what is held.
    pub limits: Limits,
    /// The rules' numbers.
    pub policy: Policy,
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
            http: haechi_web::Limits::default(),
            state_file: None,
            peers: Vec::new(),
            own_url: None,
            peer_connect_timeout: Duration::from_secs(1),
            peer_timeout: Duration::from_secs(5),
            sync_up_timeout: Duration::from_secs(5),
            environment: "test".to_owned(),
        }
    }
}
