//! The registry's state as a value: who is registered, whose lease runs until when, what changed lately.
//!
//! Everything is synchronous and takes `now` ([`haechi_core::Instant`], for leases) and `wall`
//! ([`haechi_core::WallTime`], for timestamps that leave the process) as arguments. The semantics are
//! Netflix Eureka's `AbstractInstanceRegistry` and `PeerAwareInstanceRegistryImpl`, except where
//! `docs/decisions/0200-registry-semantics.md` says why not.
//!
//! Costs: a heartbeat looks its lease up and writes two numbers; a change is O(log n); a [`Snapshot`] is
//! rebuilt only for the services that changed since the last one.

mod changes;
mod evidence;
mod followed;
mod handover;
mod instance;
mod lease;
mod limits;
mod link;
mod preserve;
mod rate;
mod registry;
mod renew;
mod snapshot;
mod status;
mod tick;
mod views;

pub use changes::Delta;
pub use evidence::{Kept, Verdict};
pub use followed::Followed;
pub use handover::{Handover, KeptInstance, KeptLease};
pub use instance::{Action, Details, Endpoint, Instance, Registration};
pub use lease::{Key, Standing};
pub use limits::{Limits, Policy};
pub use preserve::Preservation;
pub use registry::{RegisterError, Registry, Source};
pub use renew::{Heartbeat, Renewal};
pub use snapshot::{AppSnapshot, Snapshot};
pub use status::{Counts, Status};
pub use tick::{Evicted, Tick};
pub use views::{LeaseView, Vitals};
