//! The admin port: the console for people, the same facts as JSON for programs, Prometheus metrics, and the
//! endpoints that Zuul's users know (`/routes`, `/refresh`, with and without `/actuator`).
//!
//! The parts are not imported: the binary implements [`Operations`] over whatever runs in its process.

pub mod handler;
pub mod live;
pub mod view;

pub use handler::Admin;
pub use view::Overview;

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

/// A future that an implementer of [`Operations`] returns.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A request to explain, as a client would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The method.
    pub method: String,
    /// Path and query, or a whole URL.
    pub target: String,
    /// Header fields, names as given.
    pub headers: Vec<(String, String)>,
}

/// What the admin port shows and does. None waits for a part that hangs.
pub trait Operations: Send + Sync + 'static {
    /// Everything the console shows, now.
    fn overview(&self) -> Answer<Overview>;

    /// Whether every part accepts and no configured thing was left out; with the reasons if not.
    fn health(&self) -> Result<(), Vec<String>>;

    /// Prometheus text.
    fn metrics(&self) -> String;

    /// The route map in Zuul's form; `details` for the long one.
    fn zuul_routes(&self, details: bool) -> Value;

    /// Reads every source of configuration again and applies what changed. Answers the changed keys, or why it
    /// could not be done (the old configuration then serves on).
    fn refresh(&self) -> Answer<Result<Vec<String>, String>>;

    /// Which route a request would take, with filters, service and endpoints, and why.
    fn explain(&self, question: Question) -> Answer<Value>;

    /// The JSON Schema of the configuration file.
    fn schema(&self) -> Value;
}
