//! What may be done again and how often: the retry budget, and the use of idle connections. Pure.
//!
//! Invariant: whatever the order of calls, retries granted never exceed the tokens that successes and time
//! have paid for (see [`RetryBudget`]).

mod retry_budget;
mod reuse;

pub use retry_budget::{RetryBudget, WINDOW};
pub use reuse::Reuse;
