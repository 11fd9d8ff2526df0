//! The words of the domain, shared by every band: ids, addresses, instance facts, generations, evidence, units,
//! and the two seams through which time and randomness enter.
//!
//! Invariant: nothing here does I/O, and nothing here knows tokio.

pub mod address;
pub mod clock;
pub mod evidence;
pub mod fact;
pub mod generation;
pub mod id;
pub mod rng;
pub mod units;

pub use address::Address;
pub use clock::{Clock, Instant, ManualClock, SystemClock, WallTime};
pub use evidence::{Evidence, Witness};
pub use fact::{Directory, InstanceFact, InstanceState, ServiceSnapshot};
pub use generation::Generation;
pub use id::{InstanceId, InvalidName, RouteName, ServiceName};
