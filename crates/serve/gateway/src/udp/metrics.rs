//! What is counted of datagrams, as Prometheus reads it.

use std::collections::BTreeMap;

use haechi_core::RouteName;

use super::{DROPS, ENDS, Sum};
use crate::board::Board;
use crate::metrics::{head, label, line};

/// Adds up the routes of all workers.
pub(crate) fn sums<'a>(boards: impl Iterator<Item = &'a Board>) -> BTreeMap<RouteName, Sum> {
    let mut sums: BTreeMap<RouteName, Sum> = BTreeMap::new();
    for (name, stats) in boards.flat_map(Board::udp_routes) {
        stats.add_to(sums.entry(name).or_default());
    }
    sums
}

pub(crate) fn render(out: &mut String, boards: &[&Board]) {
    let sums: Vec<(String, Sum)> =
        sums(boards.iter().copied()).into_iter().map(|(name, sum)| (label(name.as_str()), sum)).collect();
    let mut family = |name: &str, kind: &str, help: &str, values: &dyn Fn(&Sum) -> Vec<(String, u64)>| {
        head(out, name, kind, help);
        for (route, sum) in &sums {
            for (labels, count) in values(sum) {
                line(out, name, &format!("route=\"{route}\"{labels}"), count);
            }
        }
    };
    family("haechi_udp_sessions", "gauge", "Sessions of UDP now.", &|sum| {
        vec![(String::new(), sum.sessions)]
    });
    family("haechi_udp_sessions_ended_total", "counter", "Of these, ended, by how.", &|sum| {
        ENDS.iter().zip(sum.ended).map(|(end, count)| (format!(",end=\"{end}\""), count)).collect()
    });
    family("haechi_udp_datagrams_total", "counter", "Datagrams that were passed on.", &|sum| {
        let counts = [("service", sum.to_service.0), ("client", sum.to_client.0)];
        counts.map(|(to, count)| (format!(",to=\"{to}\""), count)).into()
    });
    family("haechi_udp_bytes_total", "counter", "Bytes in them.", &|sum| {
        let counts = [("service", sum.to_service.1), ("client", sum.to_client.1)];
        counts.map(|(to, count)| (format!(",to=\"{to}\""), count)).into()
    });
    family("haechi_udp_dropped_total", "counter", "Datagrams that were not passed on, by why.", &|sum| {
        DROPS.iter().zip(sum.dropped).map(|(why, count)| (format!(",reason=\"{why}\""), count)).collect()
    });
}
