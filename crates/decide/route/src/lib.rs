//! Which route a request takes, and the lowered values of the gateway's configuration. Pure.
//!
//! The way through: [`NormalPath`] refuses or normalizes the path once, [`RouteTable`] finds the most specific
//! route for it ([`Specificity`] says what that means), [`rewrite_path`] makes the path that is forwarded.
//! Invariant: matching and forwarding see the same [`NormalPath`], never the bytes that arrived.

mod action;
mod ant;
pub mod config;
mod difference;
mod explain;
mod lint;
mod path;
mod request;
mod rewrite;
mod specificity;
mod table;
mod tie;
mod tree;
mod valid;

pub use ant::AntPattern;
pub use config::GatewayConfig;
pub use difference::{Change, ChangeKind, difference};
pub use explain::{Explanation, Verdict};
pub use lint::{Problem, Severity, changeable_header, lint};
pub use path::{BadPath, NormalPath, normal_literal};
pub use request::{Headers, NoHeaders, RequestView};
pub use rewrite::rewrite_path;
pub use specificity::Specificity;
pub use table::RouteTable;
pub use tie::can_both_match;
pub use valid::{Reason, Refused, canonical_pattern};
