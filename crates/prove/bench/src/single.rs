//! `backend` and `load`: the two halves by themselves, to measure anything by hand.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use haechi_core::SystemClock;

use crate::backend::{self as service, Behaviour};
use crate::error::Error;
use crate::grpc;
use crate::load::open::Finished;
use crate::load::tally::Tally;
use crate::load::{Fixed, closed, open};

/// Failed requests of an open loop that are listed one by one.
const SHOWN_FAILURES: usize = 20;

/// Options of `backend`.
#[derive(Debug, Args)]
pub struct BackendOptions {
    /// Where to accept.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Where to accept calls of gRPC, whose messages are sent back.
    #[arg(long)]
    grpc: Option<SocketAddr>,
    /// Milliseconds before each answer.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Close each connection after so many answers.
    #[arg(long)]
    close_after: Option<u64>,
}

/// Options of `load`.
#[derive(Debug, Args)]
pub struct LoadOptions {
    /// The server.
    target: SocketAddr,
    /// What to GET.
    #[arg(long, default_value = "/128")]
    path: String,
    /// Host field.
    #[arg(long, default_value = "bench.local")]
    host: String,
    /// Bytes that each body must have; any, if left out.
    #[arg(long)]
    length: Option<u64>,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Requests a second, at intended times; as fast as answers come, if left out.
    #[arg(long)]
    rate: Option<u32>,
}

/// Serves until ended.
pub async fn backend(options: BackendOptions) -> Result<(), Error> {
    let behaviour =
        Behaviour { delay: Duration::from_millis(options.delay_ms), close_after: options.close_after };
    let listener = service::listen(options.listen)?;
    println!("serving /128, /16k and /1m at http://{}", listener.local_addr()?);
    if let Some(address) = options.grpc {
        let listener = service::listen(address)?;
        println!("answering {} at http://{}", grpc::METHOD, listener.local_addr()?);
        tokio::task::spawn_local(grpc::serve(listener));
    }
    service::serve(listener, behaviour).await;
    Ok(())
}

/// Loads and prints what came back; fails when an answer was wrong or missing.
pub async fn load(options: LoadOptions) -> Result<(), Error> {
    let workload = Fixed::new(&options.host, &options.path, options.length);
    let duration = Duration::from_secs_f64(options.seconds);
    let (target, connections) = (options.target, options.connections);
    let tally = if let Some(rate) = options.rate {
        paced(open::Plan { target, rate, connections, duration }, workload).await
    } else {
        let plan = closed::Plan { target, connections, warm_up: Duration::ZERO, duration };
        closed::run(plan, workload, &SystemClock::start(), || ()).await.tally
    };
    show(&tally, options.seconds);
    if tally.failed > 0 {
        return Err(Error::Missed(format!("{} failed: {}", tally.failed, tally.failures())));
    }
    Ok(())
}

/// An open loop that lists its failures with the times they were due and ended.
async fn paced(plan: open::Plan, workload: Fixed) -> Tally {
    let clock = SystemClock::start();
    let failures = Rc::new(RefCell::new(Vec::new()));
    let (seen, started) = (failures.clone(), clock.now());
    let note = move |finished: Finished, _: &_| {
        if !finished.right {
            seen.borrow_mut().push((finished.intended.since(started), finished.ended.since(started)));
        }
    };
    let tally = open::run(plan, workload, &clock, note).await;
    for (due, ended) in failures.borrow().iter().take(SHOWN_FAILURES) {
        println!("failed: due at {:.3} s, ended at {:.3} s", due.as_secs_f64(), ended.as_secs_f64());
    }
    tally
}

fn show(tally: &Tally, seconds: f64) {
    let millis = |quantile| tally.latency.quantile(quantile).as_secs_f64() * 1e3;
    println!(
        "{:.0} right answers a second, {} in all, {} bytes",
        tally.answered as f64 / seconds,
        tally.answered,
        tally.bytes
    );
    println!(
        "latency ms: p50 {:.3}, p90 {:.3}, p99 {:.3}, p99.9 {:.3}, max {:.3}",
        millis(0.5),
        millis(0.9),
        millis(0.99),
        millis(0.999),
        tally.latency.max().as_secs_f64() * 1e3
    );
}
