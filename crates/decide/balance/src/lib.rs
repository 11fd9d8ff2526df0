//! Which endpoint a request is sent to: round robin, weighted, P2C, ejection. Pure.
//!
//! A worker holds one [`Picker`] per service. The way of an attempt: [`Picker::pick`] chooses, [`Picker::sent`]
//! counts it as in flight and gives an [`Attempt`], [`Picker::answered`] hears of the answer's head, and one of
//! [`Picker::finished`], [`Picker::failed`] or [`Picker::abandoned`] takes the attempt back.
//!
//! Invariants: picking doesn't allocate; an endpoint of weight 0 is never picked; an ejected one only as a
//! trial after its time, one at a time, or when there is no other (panic), and then the pick says so.

mod admission;
mod endpoint;
mod latency;
mod picker;
mod policy;
mod status;

pub use admission::{Cause, Change};
pub use endpoint::{Attempt, EndpointKey, EndpointSpec};
pub use picker::{PickKind, Picked, Picker};
pub use status::EndpointStatus;
