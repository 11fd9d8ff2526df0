//! What a table of 10,000 routes costs: `cargo run --release -p haechi-route --example ten_thousand_routes`.
//!
//! A third of the routes are prefixes, a third exact paths and a third patterns, on 100 hosts, with an ignored
//! pattern of higher priority that every request meets. Requests go to all routes alike, at random, so caches
//! help as little as they can. Medians over chunks; where the fastest is far from it, the machine was busy.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use haechi_core::{RouteName, rng};
use haechi_route::config::{Action, HostPattern, Match, PathPattern, Respond, Retry, Route, Timeouts};
use haechi_route::{NoHeaders, NormalPath, RequestView, RouteTable};

const ROUTES: usize = 10_000;
const HOSTS: usize = 100;
const CHUNKS: usize = 51;
/// Enough that the kernel's steps in counting CPU time (a tick, 4 ms at most) don't show.
const PER_CHUNK: usize = 100_000;

fn route(name: &str, host: Option<HostPattern>, path: &str, priority: i32) -> Route {
    Route {
        name: RouteName::new(name).unwrap(),
        matches: Match { host, path: Some(PathPattern::Pattern(path.to_owned())), ..Match::default() },
        priority,
        filters: Vec::new(),
        action: Action::Respond(Respond::text(200, "")),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    }
}

fn path(i: usize) -> (String, String) {
    let (team, service) = (i % 37, i);
    let base = format!("/team-{team}/service-{service}");
    match i % 3 {
        0 => (format!("{base}/**"), format!("{base}/orders/{i}")),
        1 => (format!("{base}/status"), format!("{base}/status")),
        _ => (format!("{base}/*/items/**"), format!("{base}/shop/items/{i}")),
    }
}

fn main() {
    let mut routes: Vec<Route> = (1..ROUTES)
        .map(|i| {
            let host = HostPattern::Exact(format!("host-{}.example", i % HOSTS));
            route(&format!("route-{i}"), Some(host), &path(i).0, 0)
        })
        .collect();
    routes.push(route("ignored", None, "/**/internal/**", 1));

    let before = resident_bytes();
    let start = Instant::now();
    let (table, refused) = RouteTable::build(&routes);
    let build = start.elapsed();
    let grown = resident_bytes().saturating_sub(before);
    assert!(refused.is_empty());
    println!("routes          {}", table.len());
    println!("build           {:.1} ms", build.as_secs_f64() * 1e3);
    println!("bytes per route {} counted, {} resident", table.heap_bytes() / ROUTES, grown / ROUTES);

    let asked: Vec<(String, String, usize)> =
        (1..ROUTES).map(|i| (format!("host-{}.example:8080", i % HOSTS), path(i).1, i - 1)).collect();
    let paths: Vec<NormalPath<'_>> =
        asked.iter().map(|(_, path, _)| NormalPath::new(path.as_bytes()).unwrap()).collect();
    let mut rng = rng::seeded(1);
    let mut nanos: Vec<f64> = (0..CHUNKS)
        .map(|_| {
            let order: Vec<usize> = (0..PER_CHUNK).map(|_| rng.usize(..asked.len())).collect();
            let start = cpu_nanos();
            for i in order {
                let (host, _, expected) = &asked[i];
                let request =
                    RequestView { method: "GET", host, path: &paths[i], query: "", headers: &NoHeaders };
                assert_eq!(black_box(&table).find(&request), Some(*expected));
            }
            (cpu_nanos() - start) as f64 / PER_CHUNK as f64
        })
        .collect();
    nanos.sort_by(f64::total_cmp);
    println!(
        "match           {:.0} ns of CPU, median of {CHUNKS} chunks of {PER_CHUNK}, {:.0} ns the fastest",
        nanos[CHUNKS / 2],
        nanos[0]
    );
}

/// Time that this thread has spent on a processor, so that other programs' turns don't count; the clock where
/// there is no /proc.
fn cpu_nanos() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let on_cpu = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    on_cpu.unwrap_or_else(|| START.get_or_init(Instant::now).elapsed().as_nanos() as u64)
}

/// Resident memory of this process; 0 where there is no /proc.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}
