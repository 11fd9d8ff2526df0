//! Property sources: YAML 1.1 and .properties readers, overlay, placeholders, difference, flat forms. Pure.
//!
//! The way of an answer: a [`Tree`] of files at one version → [`resolve()`] picks the files of an application and
//! its profiles, reads them, filters their documents and orders them → [`overlay()`] lays the sources over each
//! other → [`Placeholders`] fills `${…}` → [`forms`] writes the flat forms. Each step does what Spring Boot
//! and Spring Cloud Config do, so that an answer is the same to the byte.

mod activation;
mod ant;
mod difference;
pub mod forms;
mod overlay;
mod placeholder;
mod plain_text;
mod profile;
mod read;
mod resolve;
mod tree;
mod value;

pub use difference::difference;
pub use indexmap::IndexMap;
pub use overlay::overlay;
pub use placeholder::{PlaceholderError, Placeholders};
pub use plain_text::find_plain_text;
pub use profile::{ProfileError, matches_profiles};
pub use read::{Limits, Properties, ReadError, read_file, read_properties, read_xml, read_yaml};
pub use resolve::{Naming, PropertySource, Request, Resolution, resolve, search_locations};
pub use tree::Tree;
pub use value::{Entry, Origin, Value};
