//! Zuul and Ribbon properties read as routes and services. Pure.
//!
//! The way through: [`import`] reads the flat properties (`settings`, `ribbon`), makes the route map as Zuul's
//! locator did (`locate`), and lowers each route (`lower`). Zuul takes the first route
//! that matches and Haechi the most specific one; `order` gives priorities where the two would differ.
//! What can't be honoured is a [`Warning`] that names its property. Source: Spring Cloud Netflix 2.2.9.

use std::collections::BTreeMap;

use haechi_core::ServiceName;
use haechi_route::config::{Route, Service};
use indexmap::IndexMap;

mod key;
mod known;
mod listing;
mod locate;
mod lower;
mod order;
mod ribbon;
mod service;
mod settings;
mod yaml;

pub use listing::{Listing, RouteDetails};
pub use yaml::to_yaml;

/// What an application's properties say of routing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// The routes, in Zuul's order, those of ignored patterns first.
    pub routes: Vec<Route>,
    /// The services that they name.
    pub services: BTreeMap<ServiceName, Service>,
    /// What isn't as it was with Zuul.
    pub warnings: Vec<Warning>,
    /// What `GET /routes` answered.
    pub listing: Listing,
}

/// A property that isn't honoured as Zuul did, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The property, as written.
    pub property: String,
    /// What is done instead, or what to write.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.property, self.message)
    }
}

/// Reads the merged properties of `application`. `discovered` are the registry's services: unless they are
/// ignored each gets a route `/{name in lower case}/**`.
pub fn import(
    application: &str,
    properties: &IndexMap<String, String>,
    discovered: &[ServiceName],
) -> Import {
    let mut warnings = Warnings::default();
    let settings = settings::Settings::read(properties, &mut warnings);
    let ribbon = ribbon::Ribbon::read(properties, &mut warnings);
    let located = locate::locate(application, &settings, discovered, &mut warnings);
    let listing = listing::list(&settings, &located);
    let mut import = lower::lower(&settings, &ribbon, &located, &mut warnings);
    import.listing = listing;
    import.warnings = warnings.list;
    import
}

#[derive(Default)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
}

impl Warnings {
    pub(crate) fn add(&mut self, property: &str, message: impl Into<String>) {
        let warning = Warning { property: property.to_owned(), message: message.into() };
        if !self.list.contains(&warning) {
            self.list.push(warning);
        }
    }
}
