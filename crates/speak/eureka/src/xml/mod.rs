//! The XML forms (XStream's, as `Converters` of Netflix's client set it up).

mod name;
pub mod read;
mod tree;
pub(crate) mod write;
