//! The pages for people: `/` and `/lastn`.

use std::fmt::Write as _;

use haechi_web::{Response, answer};
use http::StatusCode;

use crate::shared::Shared;
use crate::view::{self, InstanceView, Last, View, escaped};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1d2430}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde2ea;vertical-align:top}\
th{color:#5a6675;font-weight:600}.UP{color:#0a7a33}.DOWN,.held{color:#b3261e}\
.STARTING,.OUT_OF_SERVICE,.UNKNOWN,.late{color:#8a5a00}.warn{background:#fff4d6;padding:.6rem 1rem}\
code{font-size:.9em}";

fn html(title: &str, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body>{body}</body></html>"
    );
    answer::with(StatusCode::OK, "text/html;charset=UTF-8", page)
}

/// What is registered, whether it is heard of, and what self-preservation makes of it.
pub(crate) fn dashboard(shared: &Shared) -> Response {
    let view = View::of(shared);
    let mut body = String::from("<h1>Haechi service registry</h1>");
    if view.self_preservation {
        let _ = write!(
            body,
            "<p class=\"warn\"><b>Self-preservation is on.</b> {} of {} instances are silent, more than the {} \
             that can be taken for dead. Expired instances are kept ({}) until they are heard again.</p>",
            view.silent, view.known, view.tolerated, view.held
        );
    }
    body.push_str(
        "<h2>Instances</h2><table id=\"instances\"><tr><th>Service<th>Instance<th>Address<th>Status\
                   <th>Why<th>Zone<th>Lease</tr>",
    );
    view.instances.iter().for_each(|instance| row(&mut body, instance));
    body.push_str("</table>");
    if view.instances.is_empty() {
        body.push_str("<p>No instance is registered.</p>");
    }
    figures(&mut body, shared, &view);
    body.push_str("<h2>Peers</h2>");
    if view.peers.is_empty() {
        body.push_str("<p>None.</p>");
    } else {
        body.push_str("<table><tr><th>Address<th>Available<th>Waiting</tr>");
        for peer in &view.peers {
            let available = if peer.available { "yes" } else { "no" };
            let _ = write!(body, "<tr><td>{}<td>{available}<td>{}</tr>", escaped(&peer.url), peer.pending);
        }
        body.push_str("</table>");
    }
    body.push_str("<p><a href=\"/lastn\">Last registrations and cancellations</a></p>");
    html("Haechi service registry", &body)
}

fn row(body: &mut String, instance: &InstanceView) {
    let standing = if instance.restored { "restored, not heard yet" } else { instance.standing };
    let _ = write!(
        body,
        "<tr><td>{}<td><code>{}</code><td>{}<td class=\"{status}\"><b>{status}</b><td>{}<td>{}\
         <td class=\"{}\">{} s of {} s ({})</tr>",
        escaped(&instance.service),
        escaped(&instance.instance),
        instance.address.as_deref().unwrap_or("-"),
        escaped(&instance.why),
        escaped(instance.zone.as_deref().unwrap_or("-")),
        instance.standing,
        instance.lease_remaining_secs,
        instance.lease_duration_secs,
        standing.replace('_', " "),
        status = instance.status,
    );
}

fn figures(body: &mut String, shared: &Shared, view: &View) {
    body.push_str("<h2>Figures</h2><table>");
    let durable = match view.durable {
        None => "no state file",
        Some(true) => "yes",
        Some(false) => "no: the state file can't be written",
    };
    for (name, value) in [
        ("Environment", escaped(&shared.options.environment)),
        ("Current time", shared.clock.wall().to_string()),
        ("Uptime", view::uptime(view.uptime_secs)),
        ("Generation", view.generation.to_string()),
        ("Renewals in the last minute", view.renewals_last_minute.to_string()),
        ("Renewals a minute if all are on time", view.renewals_expected.to_string()),
        ("Silent instances", format!("{} of {}", view.silent, view.known)),
        ("Registrations survive a restart", durable.to_owned()),
    ] {
        let _ = write!(body, "<tr><th>{name}<td>{value}</tr>");
    }
    body.push_str("</table>");
}

/// The last leases that began and that were given back.
pub(crate) fn last_n(shared: &Shared) -> Response {
    let (registered, cancelled) = shared.last_n.both();
    let mut body = String::from("<h1>Last leases</h1><p><a href=\"/\">Registry</a></p>");
    for (title, id, list) in [("Cancelled", "cancelled", cancelled), ("Registered", "registered", registered)]
    {
        leases(&mut body, title, id, &list);
    }
    html("Last leases", &body)
}

fn leases(body: &mut String, title: &str, id: &str, list: &Last) {
    let _ = write!(body, "<h2>{title}</h2><table id=\"{id}\"><tr><th>When<th>Lease</tr>");
    for (at, lease) in list.iter().rev() {
        let _ = write!(body, "<tr><td>{at}<td>{}</tr>", escaped(lease));
    }
    body.push_str("</table>");
}
