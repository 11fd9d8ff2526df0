//! How figures are shown: tables in Markdown, ratios, pictures.

pub mod stats;
pub mod table;
