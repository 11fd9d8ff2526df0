//! Spring Cloud Config's wire forms, ciphers and webhook forms, and nothing else.
//!
//! [`endpoint`] reads a request's method and path, [`environment`] writes the document that clients fetch,
//! [`error`] writes Spring Boot's error document, [`monitor`] reads webhooks, [`cipher`] decrypts `{cipher}` values.

pub mod cipher;
pub mod endpoint;
pub mod environment;
pub mod error;
pub mod monitor;
pub mod valid;

pub use endpoint::{Endpoint, FlatForm, Target};
pub use environment::{Environment, Media, Property, Scalar, Source};
