//! What is counted of connections that are passed on, as Prometheus reads it.

use std::collections::BTreeMap;

use haechi_core::RouteName;

use super::Sum;
use super::stats::ENDS;
use crate::board::Board;
use crate::metrics::{head, label, line};
use crate::stats::BOUNDS_US;

/// Adds up the routes of all workers.
pub(crate) fn sums<'a>(boards: impl Iterator<Item = &'a Board>) -> BTreeMap<RouteName, Sum> {
    let mut sums: BTreeMap<RouteName, Sum> = BTreeMap::new();
    for (name, stats) in boards.flat_map(Board::layer4_routes) {
        stats.add_to(sums.entry(name).or_default());
    }
    sums
}

pub(crate) fn render(out: &mut String, boards: &[&Board]) {
    let sums: Vec<(String, Sum)> =
        sums(boards.iter().copied()).into_iter().map(|(name, sum)| (label(name.as_str()), sum)).collect();
    head(out, "haechi_layer4_open", "gauge", "Connections that are passed on unread now.");
    for (route, sum) in &sums {
        line(out, "haechi_layer4_open", &format!("route=\"{route}\""), sum.open);
    }
    head(out, "haechi_layer4_ended_total", "counter", "Of these, ended, by how.");
    for (route, sum) in &sums {
        for (end, count) in ENDS.iter().zip(sum.ended) {
            line(out, "haechi_layer4_ended_total", &format!("route=\"{route}\",end=\"{end}\""), count);
        }
    }
    head(out, "haechi_layer4_bytes_total", "counter", "Bytes that were passed on unread.");
    for (route, sum) in &sums {
        for (to, count) in [("service", sum.to_service), ("client", sum.to_client)] {
            line(out, "haechi_layer4_bytes_total", &format!("route=\"{route}\",to=\"{to}\""), count);
        }
    }
    head(out, "haechi_layer4_seconds", "histogram", "How long they lasted.");
    for (route, sum) in &sums {
        let mut total = 0;
        for (index, count) in sum.lasted.buckets.iter().enumerate() {
            total += count;
            let bound = BOUNDS_US.get(index).map_or("+Inf".to_owned(), |us| format!("{}", *us as f64 / 1e6));
            line(out, "haechi_layer4_seconds_bucket", &format!("route=\"{route}\",le=\"{bound}\""), total);
        }
        line(out, "haechi_layer4_seconds_sum", &format!("route=\"{route}\""), sum.lasted.sum_us as f64 / 1e6);
        line(out, "haechi_layer4_seconds_count", &format!("route=\"{route}\""), total);
    }
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in boards.iter().flat_map(|board| board.worker.layer4_refused.each()) {
        *refused.entry(reason).or_default() += count;
    }
    head(
        out,
        "haechi_layer4_refused_total",
        "counter",
        "Connections, and datagrams, that no route took, by why.",
    );
    for (reason, count) in refused {
        line(out, "haechi_layer4_refused_total", &format!("reason=\"{reason}\""), count);
    }
}
