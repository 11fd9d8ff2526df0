//! The file a person writes: typed model, JSON Schema, diagnostics, lowering. Pure.
//!
//! `text → tree (haechi-yaml) → checked against the schema → raw types → lowered values`, and on the whole way
//! diagnostics, so that one reading finds everything that is wrong. Types, schema and checks have one source:
//! the structs in [`raw`].
//!
//! A route, listener or service with a mistake is left out and the rest can be applied; a mistake anywhere else
//! costs the file.

mod diagnostic;
mod effective;
mod emit;
pub mod expectation;
mod files;
mod format;
mod lower;
pub mod lowered;
mod mask;
mod native;
pub mod raw;
mod read;
mod reference;
mod render;
mod reread;
mod schema;
mod substitute;
mod validate;

pub use diagnostic::{Cost, Diagnostic, Note, Severity};
pub use effective::{Effective, Place, effective};
pub use emit::yaml;
pub use files::{CertificateSeen, Files, Unchecked};
pub use haechi_yaml::{Position, Span};
pub use lower::expect::{Unmet, holds};
pub use lowered::Lowered;
pub use mask::masked_words as shown;
pub use native::{gateway_in_full, gateway_yaml};
pub use read::{Reading, Source, read};
pub use reference::reference;
pub use render::Renderings;
pub use reread::reread;
pub use schema::schema;
