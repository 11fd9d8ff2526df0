//! `vips/{vip}` and `svips/{vip}`.

use std::sync::Arc;

use haechi_lease::{Instance, Status};
use haechi_web::{Response, answer};
use http::StatusCode;

use super::negotiate::Wanted;
use crate::convert::Wire;
use crate::listing;
use crate::shared::Shared;

/// Every instance that answers to a virtual name, compared with regard to case. An unknown name is an empty
/// listing, not an error.
pub(crate) fn listing(shared: &Shared, vip: &str, secure: bool, wanted: Wanted) -> Response {
    let snapshot = shared.state().snapshot();
    let answers_to = |instance: &Arc<Instance<Wire>>| {
        let registration = &instance.registration;
        let names = if secure { &registration.secure_vips } else { &registration.vips };
        names.iter().any(|name| **name == *vip)
    };
    let apps: Vec<(&str, Vec<Arc<Instance<Wire>>>)> = snapshot
        .apps
        .values()
        .map(|a| (a.app.as_str(), a.instances.iter().filter(|i| answers_to(i)).cloned().collect()))
        .filter(|(_, instances): &(&str, Vec<_>)| !instances.is_empty())
        .collect();
    let all = apps.iter().flat_map(|(_, instances)| instances.iter());
    let hash_code = hash_code(all.map(|i| i.status));
    let apps = apps.iter().map(|(app, instances)| (*app, instances.as_slice()));
    let body = listing::write(wanted.encoding, "-1", &hash_code, apps);
    answer::with(StatusCode::OK, wanted.encoding.content_type(), body)
}

fn hash_code(statuses: impl Iterator<Item = Status>) -> String {
    haechi_lease::Counts::of(statuses).hash_code()
}
