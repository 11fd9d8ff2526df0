//! The commands that don't serve.

pub mod check;
pub mod explain;
pub mod import;
pub mod schema;
pub mod status;
pub mod upgrade;
