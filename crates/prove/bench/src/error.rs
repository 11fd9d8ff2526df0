//! What can go wrong while measuring. A measurement that can't be trusted is an error, not a figure.

use std::io;

use thiserror::Error;

use crate::load::connection::Failure;

/// Why a measurement ended.
#[derive(Debug, Error)]
pub enum Error {
    /// A file, socket or process could not be used.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A program is not there.
    #[error("{0} is missing: install or build it, or leave it out")]
    Missing(String),
    /// A program did not start.
    #[error("{program} did not start: {source}\n{output}")]
    Start {
        /// Which.
        program: String,
        /// What it printed.
        output: String,
        /// Why.
        source: io::Error,
    },
    /// An answer before the measurement was not right, so the figures would mean nothing.
    #[error("{subject} does not answer {what} right: {source}")]
    Check {
        /// Who answered.
        subject: String,
        /// What was asked.
        what: String,
        /// What was wrong.
        source: Failure,
    },
    /// A figure that had to be reached was not.
    #[error("{0}")]
    Missed(String),
    /// Results could not be written as JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}
