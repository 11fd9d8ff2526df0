//! The admin port's view of the process.

use std::sync::Arc;

use haechi_admin::{Answer, Operations, Overview, Question};
use serde_json::Value;

use super::{Process, explain};
use crate::panics;

/// A running process.
pub struct Running(pub Arc<Process>);

impl Operations for Running {
    fn overview(&self) -> Answer<Overview> {
        let process = Arc::clone(&self.0);
        Box::pin(async move { process.overview().await })
    }

    fn health(&self) -> Result<(), Vec<String>> {
        let problems = self.0.problems();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn metrics(&self) -> String {
        let gateway = self.0.gateway.as_ref().map(haechi_gateway::Gateway::metrics).unwrap_or_default();
        gateway + &panics::metrics()
    }

    fn zuul_routes(&self, details: bool) -> Value {
        let shown = self.0.shown();
        let listing = shown.imported.as_ref().map(|imported| &imported.import.listing);
        let value = match listing {
            Some(listing) if details => serde_json::to_value(&listing.details),
            Some(listing) => serde_json::to_value(&listing.routes),
            None => Ok(Value::Object(serde_json::Map::new())),
        };
        // Maps of text to text and to structs of text can always be written.
        value.unwrap_or_default()
    }

    fn refresh(&self) -> Answer<Result<Vec<String>, String>> {
        let process = Arc::clone(&self.0);
        Box::pin(async move { process.refresh().await })
    }

    fn explain(&self, question: Question) -> Answer<Value> {
        let process = Arc::clone(&self.0);
        Box::pin(async move {
            let seen = process.seen().await;
            let shown = process.shown();
            explain::explain(&shown.gateway, &question, &|service| {
                process.endpoints_of(&shown, &seen, service)
            })
        })
    }

    fn schema(&self) -> Value {
        haechi_model::schema()
    }
}
