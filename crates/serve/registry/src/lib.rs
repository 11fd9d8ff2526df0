//! The service registry, wire-compatible with Netflix Eureka (`docs/decisions/020*.md` list the differences).
//!
//! [`Registry::start`] serves HTTP on a listener, publishes facts on the stream, takes evidence from it, and
//! replicates to peers. The rules are `haechi-lease`'s; the documents are `haechi-eureka`'s; here they meet
//! the network, the clock and the disk.

mod convert;
mod events;
mod feed;
mod follow;
mod handover;
mod http;
mod listing;
mod options;
mod passage;
mod peers;
mod registry;
mod shared;
mod state_file;
mod tasks;
mod view;

pub use follow::{FollowOptions, FollowView, Follower};
pub use handover::HandoverError;
pub use options::{Credentials, Options};
pub use passage::Held;
pub use registry::Registry;
pub use view::{InstanceView, PeerView, View};
