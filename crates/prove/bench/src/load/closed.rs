//! Closed loop: each connection sends its next request as soon as it has the last answer.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use haechi_core::Clock;

use super::Workload;
use super::connection::{Answer, Connection, Failure};
use super::tally::Tally;

/// How long a connection waits after a failure, so that a dead server isn't hammered.
const PAUSE: Duration = Duration::from_millis(10);

/// How much to send where.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The server.
    pub target: SocketAddr,
    /// Keep-alive connections, each with one request at a time.
    pub connections: usize,
    /// Load before the measurement starts.
    pub warm_up: Duration,
    /// The measurement.
    pub duration: Duration,
}

/// What was counted between two readings of whatever the caller samples.
#[derive(Debug)]
pub struct Measured<S> {
    /// Answers and failures in between.
    pub tally: Tally,
    /// Time between the readings.
    pub elapsed: Duration,
    /// The readings at the start and at the end.
    pub samples: (S, S),
}

struct Shared<W> {
    workload: W,
    clock: std::sync::Arc<dyn Clock>,
    tally: RefCell<Tally>,
    stop: Cell<bool>,
}

/// Runs `plan` on the current `LocalSet`. `sample` is read when the measurement starts and when it ends.
pub async fn run<W: Workload + 'static, S>(
    plan: Plan,
    workload: W,
    clock: &std::sync::Arc<dyn Clock>,
    sample: impl Fn() -> S,
) -> Measured<S> {
    let shared =
        Rc::new(Shared { workload, clock: clock.clone(), tally: RefCell::default(), stop: Cell::new(false) });
    let tasks: Vec<_> = (0..plan.connections)
        .map(|number| tokio::task::spawn_local(connection(shared.clone(), plan.target, number)))
        .collect();
    tokio::time::sleep(plan.warm_up).await;
    shared.tally.take();
    let (before, started) = (sample(), clock.now());
    tokio::time::sleep(plan.duration).await;
    let (after, ended) = (sample(), clock.now());
    let tally = shared.tally.take();
    shared.stop.set(true);
    for task in tasks {
        // A task that panicked has shown its message; the failures it would have counted are lost with it.
        assert!(task.await.is_ok(), "a connection of the load generator panicked");
    }
    Measured { tally, elapsed: ended.since(started), samples: (before, after) }
}

async fn connection<W: Workload>(shared: Rc<Shared<W>>, target: SocketAddr, number: usize) {
    let mut open = None;
    let mut scratch = Vec::new();
    let mut sequence = 0;
    while !shared.stop.get() {
        let request = shared.workload.request(number, sequence, &mut scratch);
        sequence += 1;
        let started = shared.clock.now();
        let outcome = exchange(&mut open, target, request).await;
        let outcome = outcome.and_then(|answer| shared.workload.check(&answer).map(|()| answer));
        let keep = matches!(&outcome, Ok(answer) if answer.keep_alive);
        shared.tally.borrow_mut().record(&outcome, shared.clock.now().since(started));
        if !keep {
            open = None;
        }
        if outcome.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn exchange(
    open: &mut Option<Connection>,
    target: SocketAddr,
    request: &[u8],
) -> Result<Answer, Failure> {
    let connection = match open {
        Some(connection) => connection,
        None => open.insert(Connection::open(target).await?),
    };
    connection.exchange(request, None).await
}
