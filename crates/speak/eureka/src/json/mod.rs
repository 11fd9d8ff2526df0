//! The JSON forms (`EurekaJacksonCodec`).

pub mod read;
pub(crate) mod write;
