//! `status` (`StatusInfo`) and `serverinfo/statusoverrides`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use haechi_web::{Response, answer};
use http::StatusCode;
use serde::Serialize;

use super::negotiate::Wanted;
use crate::shared::Shared;
use crate::view::{self, View};

#[derive(Serialize)]
struct StatusInfo {
    #[serde(rename = "generalStats")]
    general: BTreeMap<&'static str, String>,
    #[serde(rename = "applicationStats")]
    application: BTreeMap<&'static str, String>,
    #[serde(rename = "instanceInfo")]
    instance: BTreeMap<&'static str, String>,
}

fn info(shared: &Shared, view: &View) -> StatusInfo {
    let urls = |available: bool| {
        let urls: Vec<_> =
            view.peers.iter().filter(|p| p.available == available).map(|p| p.url.as_str()).collect();
        urls.join(",")
    };
    let all: Vec<_> = view.peers.iter().map(|p| p.url.as_str()).collect();
    let own = shared.options.own_url.as_ref().map(view::shown_url).unwrap_or_default();
    StatusInfo {
        general: BTreeMap::from([
            ("environment", shared.options.environment.clone()),
            ("server-uptime", view::uptime(view.uptime_secs)),
            ("instances", view.instances.len().to_string()),
            ("renewals-last-minute", view.renewals_last_minute.to_string()),
            ("renewals-threshold", view.renewals_threshold.to_string()),
            ("self-preservation", view.self_preservation.to_string()),
        ]),
        application: BTreeMap::from([
            ("registered-replicas", all.join(",")),
            ("available-replicas", urls(true)),
            ("unavailable-replicas", urls(false)),
        ]),
        instance: BTreeMap::from([("url", own), ("status", "UP".to_owned())]),
    }
}

/// Figures of this registry in Netflix's shape.
pub(crate) fn status(shared: &Shared, wanted: Wanted) -> Response {
    let info = info(shared, &View::of(shared));
    if wanted.encoding.is_json() {
        return answer::json(StatusCode::OK, &info);
    }
    let mut body = String::from("<com.netflix.eureka.util.StatusInfo>");
    for (section, entries) in [
        ("generalStats", &info.general),
        ("applicationStats", &info.application),
        ("instanceInfo", &info.instance),
    ] {
        let _ = write!(body, "<{section}>");
        for (key, value) in entries {
            let _ = write!(body, "<{key}>{}</{key}>", view::escaped(value));
        }
        let _ = write!(body, "</{section}>");
    }
    body.push_str("</com.netflix.eureka.util.StatusInfo>");
    answer::with(StatusCode::OK, wanted.encoding.content_type(), body)
}

/// Overrides in force, by instance id.
pub(crate) fn overrides(shared: &Shared) -> Response {
    let state = shared.state();
    let overrides: BTreeMap<&str, &str> = state.overrides().map(|(id, s)| (id, s.as_str())).collect();
    answer::json(StatusCode::OK, &overrides)
}
