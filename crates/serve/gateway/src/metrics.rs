//! Everything counted, as Prometheus reads it (text format 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write;

use haechi_acme::Answers;
use haechi_core::{RouteName, ServiceName};

use crate::board::Board;
use crate::layer4;
use crate::stats::{BOUNDS_US, Counter, HistogramSum, Http3Stats, RouteStats, ServiceStats, WorkerStats};
use crate::status::{AcmeStatus, CertificateStatus};
use crate::udp;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of one route over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteSum {
    pub answers: [u64; 5],
    pub client_gone: u64,
    pub latency: HistogramSum,
}

/// Counts of one service over all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceSum {
    pub answers: [u64; 5],
    /// By the name of the metric.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Adds up the routes of all workers.
pub(crate) fn routes<'a>(boards: impl Iterator<Item = &'a Board>) -> BTreeMap<RouteName, RouteSum> {
    let mut sums: BTreeMap<RouteName, RouteSum> = BTreeMap::new();
    for (name, stats) in boards.flat_map(Board::routes) {
        let RouteStats { answers, client_gone, latency } = &*stats;
        let sum = sums.entry(name).or_default();
        add_classes(&mut sum.answers, answers);
        sum.client_gone += client_gone.get();
        latency.add_to(&mut sum.latency);
    }
    sums
}

/// Adds up the services of all workers.
pub(crate) fn services<'a>(boards: impl Iterator<Item = &'a Board>) -> BTreeMap<ServiceName, ServiceSum> {
    let mut sums: BTreeMap<ServiceName, ServiceSum> = BTreeMap::new();
    for (name, stats) in boards.flat_map(Board::services) {
        let sum = sums.entry(name).or_default();
        add_classes(&mut sum.answers, &stats.answers);
        let ServiceStats {
            answers: _,
            attempts,
            retries,
            budget_exhausted,
            connects,
            reused,
            idle_connections,
            closed_idle,
            stale_attempts,
            in_flight,
            full,
            ejections,
            no_endpoint,
            endpoints,
            endpoints_admitting,
        } = &*stats;
        for (name, counter) in [
            ("haechi_attempts_total", attempts),
            ("haechi_retries_total", retries),
            ("haechi_retry_budget_exhausted_total", budget_exhausted),
            ("haechi_connects_total", connects),
            ("haechi_connections_reused_total", reused),
            ("haechi_idle_connections", idle_connections),
            ("haechi_idle_connections_closed_total", closed_idle),
            ("haechi_stale_attempts_total", stale_attempts),
            ("haechi_in_flight", in_flight),
            ("haechi_in_flight_limit_strikes_total", full),
            ("haechi_ejections_total", ejections),
            ("haechi_no_endpoint_total", no_endpoint),
        ] {
            *sum.counts.entry(name).or_default() += counter.get();
        }
        // Every worker knows the same endpoints; the one that sees the fewest admitting is the one to hear of.
        let known = sum.counts.entry("haechi_endpoints").or_default();
        *known = (*known).max(endpoints.get());
        let admitting = sum.counts.entry("haechi_endpoints_admitting").or_insert(u64::MAX);
        *admitting = (*admitting).min(endpoints_admitting.get());
    }
    sums
}

fn add_classes(sums: &mut [u64; 5], classes: &[Counter; 5]) {
    for (sum, class) in sums.iter_mut().zip(classes) {
        *sum += class.get();
    }
}

/// Writes all metrics.
pub(crate) fn render(boards: &[&Board], generation: u64, certificates: &[CertificateStatus]) -> String {
    let mut out = String::with_capacity(16 << 10);
    head(&mut out, "haechi_generation", "gauge", "Generation of the running configuration.");
    line(&mut out, "haechi_generation", "", generation);
    render_routes(&mut out, &routes(boards.iter().copied()));
    render_services(&mut out, &services(boards.iter().copied()));
    render_workers(&mut out, boards);
    render_tls(&mut out, boards, certificates);
    layer4::metrics::render(&mut out, boards);
    render_http3(&mut out, boards);
    udp::metrics::render(&mut out, boards);
    out
}

fn render_tls(out: &mut String, boards: &[&Board], certificates: &[CertificateStatus]) {
    let mut done: BTreeMap<String, u64> = BTreeMap::new();
    let mut failed: BTreeMap<&str, u64> = BTreeMap::new();
    let mut under_way = 0;
    for stats in boards.iter().map(|board| &board.worker.tls) {
        for (labels, count) in stats.each_done() {
            *done.entry(labels).or_default() += count;
        }
        for (reason, count) in stats.each_failed() {
            *failed.entry(reason).or_default() += count;
        }
        under_way += stats.under_way.get();
    }
    head(out, "haechi_tls_handshakes_total", "counter", "TLS handshakes with clients that were done.");
    for (labels, count) in done {
        line(out, "haechi_tls_handshakes_total", &labels, count);
    }
    head(out, "haechi_tls_handshake_failures_total", "counter", "TLS handshakes with clients that failed.");
    for (reason, count) in failed {
        line(out, "haechi_tls_handshake_failures_total", &format!("reason=\"{reason}\""), count);
    }
    head(
        out,
        "haechi_tls_handshakes_under_way",
        "gauge",
        "TLS handshakes with clients that are not done yet.",
    );
    line(out, "haechi_tls_handshakes_under_way", "", under_way);
    let name = "haechi_certificate_expiry_timestamp_seconds";
    head(out, name, "gauge", "When a certificate that is served expires, in seconds since 1970.");
    for certificate in certificates {
        let (listener, file) = (label(&certificate.listener), label(&certificate.file));
        line(out, name, &format!("listener=\"{listener}\",file=\"{file}\""), certificate.not_after);
    }
}

fn render_http3(out: &mut String, boards: &[&Board]) {
    type Count = fn(&Http3Stats) -> &Counter;
    let counts: [(&str, &str, &str, Count); 5] = [
        ("haechi_http3_connections", "gauge", "Open connections of HTTP/3.", |stats| &stats.connections),
        ("haechi_http3_connections_total", "counter", "Connections of HTTP/3 that were made.", |stats| {
            &stats.accepted
        }),
        ("haechi_http3_requests_total", "counter", "Requests that came by HTTP/3.", |stats| &stats.requests),
        (
            "haechi_http3_retries_total",
            "counter",
            "Clients that first had to show that they are where they say (Retry of QUIC).",
            |stats| &stats.retries,
        ),
        (
            "haechi_http3_silent_total",
            "counter",
            "Connections that ended because nothing was heard of their client for 30 s.",
            |stats| &stats.silent,
        ),
    ];
    for (name, kind, help, count) in counts {
        head(out, name, kind, help);
        line(out, name, "", boards.iter().map(|board| count(&board.worker.http3).get()).sum::<u64>());
    }
}

fn render_routes(out: &mut String, routes: &BTreeMap<RouteName, RouteSum>) {
    head(out, "haechi_requests_total", "counter", "Requests answered, by route and class of status.");
    for (name, sum) in routes {
        for (class, count) in CLASSES.iter().zip(sum.answers) {
            line(
                out,
                "haechi_requests_total",
                &format!("route=\"{}\",code=\"{class}\"", label(name.as_str())),
                count,
            );
        }
    }
    head(
        out,
        "haechi_clients_gone_total",
        "counter",
        "Requests whose client left before the answer was whole.",
    );
    for (name, sum) in routes {
        line(
            out,
            "haechi_clients_gone_total",
            &format!("route=\"{}\"", label(name.as_str())),
            sum.client_gone,
        );
    }
    head(out, "haechi_request_seconds", "histogram", "From a request's head to the end of its answer.");
    for (name, sum) in routes {
        let route = label(name.as_str());
        let mut total = 0;
        for (index, count) in sum.latency.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| format!("{}", *us as f64 / 1e6));
            line(out, "haechi_request_seconds_bucket", &format!("route=\"{route}\",le=\"{bound}\""), total);
        }
        let seconds = sum.latency.sum_us as f64 / 1e6;
        line(out, "haechi_request_seconds_sum", &format!("route=\"{route}\""), seconds);
        line(out, "haechi_request_seconds_count", &format!("route=\"{route}\""), total);
    }
}

fn render_services(out: &mut String, services: &BTreeMap<ServiceName, ServiceSum>) {
    head(
        out,
        "haechi_service_answers_total",
        "counter",
        "Answers of a service's endpoints, by class of status.",
    );
    for (name, sum) in services {
        for (class, count) in CLASSES.iter().zip(sum.answers) {
            let labels = format!("service=\"{}\",code=\"{class}\"", label(name.as_str()));
            line(out, "haechi_service_answers_total", &labels, count);
        }
    }
    for (metric, kind, help) in [
        ("haechi_attempts_total", "counter", "Attempts to get an answer from an endpoint."),
        ("haechi_retries_total", "counter", "Attempts after the first."),
        ("haechi_retry_budget_exhausted_total", "counter", "Retries that the budget did not allow."),
        ("haechi_connects_total", "counter", "New connections to endpoints."),
        (
            "haechi_connections_reused_total",
            "counter",
            "Requests sent on a connection that was there already.",
        ),
        ("haechi_idle_connections", "gauge", "Connections to endpoints that wait for a request."),
        ("haechi_idle_connections_closed_total", "counter", "Idle connections that the service closed."),
        (
            "haechi_stale_attempts_total",
            "counter",
            "Attempts lost because the service closed the idle connection at that moment.",
        ),
        ("haechi_in_flight", "gauge", "Requests in flight to endpoints."),
        (
            "haechi_in_flight_limit_strikes_total",
            "counter",
            "Requests refused because as many as `connections.in-flight` allows were in flight.",
        ),
        ("haechi_ejections_total", "counter", "Endpoints left out on what a worker saw."),
        ("haechi_no_endpoint_total", "counter", "Requests for which there was no endpoint."),
        ("haechi_endpoints", "gauge", "Endpoints known."),
        (
            "haechi_endpoints_admitting",
            "gauge",
            "Endpoints not ejected, as the worker with the fewest sees it.",
        ),
    ] {
        head(out, metric, kind, help);
        for (name, sum) in services {
            let count = sum.counts.get(metric).copied().unwrap_or_default();
            line(out, metric, &format!("service=\"{}\"", label(name.as_str())), count);
        }
    }
}

/// Certificates that are ordered.
pub(crate) fn render_acme(out: &mut String, names: &[AcmeStatus], orders: [u64; 2], answers: &Answers) {
    let [failed, issued] = orders;
    let answered = [("http-01", answers.answered()), ("tls-alpn-01", answers.certificates.shown())];
    if names.is_empty() && failed + issued == 0 {
        return;
    }
    let name = "haechi_acme_orders_total";
    head(out, name, "counter", "Orders of certificates that are done, by how they ended.");
    line(out, name, "result=\"issued\"", issued);
    line(out, name, "result=\"failed\"", failed);
    let name = "haechi_acme_challenges_answered_total";
    head(out, name, "counter", "Questions of CAs that were answered.");
    for (kind, count) in answered {
        line(out, name, &format!("challenge=\"{kind}\""), count);
    }
    type Of = fn(&AcmeStatus) -> u64;
    let each: [(&str, &str, Of); 3] = [
        ("haechi_acme_failures", "Orders for a name that failed in a row.", |known| known.failures.into()),
        (
            "haechi_acme_expiry_timestamp_seconds",
            "When the certificate of a name expires; 0 without one.",
            |known| known.not_after.unwrap_or_default(),
        ),
        ("haechi_acme_next_order_timestamp_seconds", "When a certificate is ordered next.", |known| {
            known.next
        }),
    ];
    for (metric, help, of) in each {
        head(out, metric, "gauge", help);
        for known in names {
            let (name, directory) = (label(&known.name), label(&known.directory));
            line(out, metric, &format!("name=\"{name}\",directory=\"{directory}\""), of(known));
        }
    }
}

fn render_workers(out: &mut String, boards: &[&Board]) {
    let sum =
        |of: fn(&WorkerStats) -> &Counter| boards.iter().map(|board| of(&board.worker).get()).sum::<u64>();
    head(out, "haechi_accepted_total", "counter", "Client connections accepted.");
    line(out, "haechi_accepted_total", "", sum(|stats| &stats.accepted));
    head(out, "haechi_client_connections", "gauge", "Open client connections.");
    line(out, "haechi_client_connections", "", sum(|stats| &stats.connections));
    head(out, "haechi_worker_connections", "gauge", "Open client connections of each worker.");
    for (index, board) in boards.iter().enumerate() {
        let count = board.worker.connections.get();
        line(out, "haechi_worker_connections", &format!("worker=\"{index}\""), count);
    }
    head(out, "haechi_handed_over_total", "counter", "Connections given to a worker that had fewer.");
    line(out, "haechi_handed_over_total", "", sum(|stats| &stats.handed_over));
    head(
        out,
        "haechi_access_log_dropped_total",
        "counter",
        "Lines lost because the log could not be written in time.",
    );
    line(out, "haechi_access_log_dropped_total", "", sum(|stats| &stats.access_log_dropped));
    head(out, "haechi_spliced_bytes_total", "counter", "Bytes of bodies that were moved inside the kernel.");
    line(out, "haechi_spliced_bytes_total", "", sum(|stats| &stats.spliced_bytes));
    head(out, "haechi_unsent_bytes", "gauge", "Bytes of answers held for clients of HTTP/2 and HTTP/3.");
    line(out, "haechi_unsent_bytes", "", sum(|stats| &stats.unsent_bytes));
    head(out, "haechi_refused_total", "counter", "Requests refused before a route was known.");
    let mut refused = [0; 5];
    let mut limits: BTreeMap<&str, u64> = BTreeMap::new();
    let mut headers: BTreeMap<&str, u64> = BTreeMap::new();
    for board in boards {
        for (result, count) in board.worker.proxy_headers.each() {
            *headers.entry(result).or_default() += count;
        }
        add_classes(&mut refused, &board.worker.refused);
        for (limit, count) in board.worker.limits.each() {
            *limits.entry(limit).or_default() += count;
        }
    }
    for (class, count) in CLASSES.iter().zip(refused) {
        line(out, "haechi_refused_total", &format!("code=\"{class}\""), count);
    }
    head(
        out,
        "haechi_proxy_headers_total",
        "counter",
        "Connections that had to begin with a header of the PROXY protocol, by what came.",
    );
    for (result, count) in headers {
        line(out, "haechi_proxy_headers_total", &format!("result=\"{result}\""), count);
    }
    head(out, "haechi_limit_strikes_total", "counter", "How often each limit struck.");
    for (limit, count) in limits {
        line(out, "haechi_limit_strikes_total", &format!("limit=\"{limit}\""), count);
    }
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

pub(crate) fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    // Writing to a string can't fail.
    let _ = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

/// A label's value: names hold no control characters, but may hold quotes.
pub(crate) fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}
