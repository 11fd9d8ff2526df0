//! Closed loop: each connection sends its next request as soon as it has the last answer.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::Clock;
use tokio::task::JoinHandle;

use super::Workload;
use super::connection::{Answer, Connection, Failure};
use super::tally::Tally;

/// How long a last answer may take after the measurement.
const PATIENCE: Duration = Duration::from_secs(10);
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
    clock: Arc<dyn Clock>,
    tally: RefCell<Tally>,
    /// Number of the next request, and the one before which to stop.
    next: Cell<u64>,
    end: Cell<u64>,
}

impl<W: Workload + 'static> Shared<W> {
    fn new(workload: W, clock: &Arc<dyn Clock>, end: u64) -> Rc<Self> {
        let (next, end) = (Cell::new(0), Cell::new(end));
        Rc::new(Self { workload, clock: clock.clone(), tally: RefCell::default(), next, end })
    }

    fn connect(self: &Rc<Self>, target: SocketAddr, connections: usize) -> Vec<JoinHandle<()>> {
        (0..connections).map(|_| tokio::task::spawn_local(connection(self.clone(), target))).collect()
    }

    /// The number of the next request to send, if there is one.
    fn take(&self) -> Option<u64> {
        let number = self.next.get();
        self.next.set(number + 1);
        (number < self.end.get()).then_some(number)
    }
}

/// Runs `plan` on the current `LocalSet`. `sample` is read when the measurement starts and when it ends.
pub async fn run<W: Workload + 'static, S>(
    plan: Plan,
    workload: W,
    clock: &Arc<dyn Clock>,
    sample: impl Fn() -> S,
) -> Measured<S> {
    let shared = Shared::new(workload, clock, u64::MAX);
    let tasks = shared.connect(plan.target, plan.connections);
    tokio::time::sleep(plan.warm_up).await;
    shared.tally.take();
    let (before, started) = (sample(), clock.now());
    tokio::time::sleep(plan.duration).await;
    let (after, ended) = (sample(), clock.now());
    let tally = shared.tally.take();
    shared.end.set(0);
    finish(tasks, PATIENCE).await;
    Measured { tally, elapsed: ended.since(started), samples: (before, after) }
}

/// Sends the requests numbered below `count`, each once, on the current `LocalSet`. What has no answer when
/// `patience` is over counts as failed.
pub async fn each<W: Workload + 'static>(
    (target, connections): (SocketAddr, usize),
    count: u64,
    workload: W,
    clock: &Arc<dyn Clock>,
    patience: Duration,
) -> Tally {
    let shared = Shared::new(workload, clock, count);
    let tasks = shared.connect(target, connections);
    let deadline = clock.now() + patience;
    finish(tasks, patience).await;
    let mut tally = shared.tally.take();
    let late = || Err(Failure::Wrong(format!("no answer within {patience:?}")));
    for _ in tally.answered + tally.failed..count {
        tally.record(&late(), clock.now().since(deadline));
    }
    tally
}

/// Waits for connections to finish, and gives up those that don't.
async fn finish(tasks: Vec<JoinHandle<()>>, patience: Duration) {
    let over = tokio::time::sleep(patience);
    tokio::pin!(over);
    for mut task in tasks {
        tokio::select! {
            biased;
            ended = &mut task => assert!(ended.is_ok(), "a connection of the load generator panicked"),
            () = &mut over => task.abort(),
        }
    }
}

async fn connection<W: Workload + 'static>(shared: Rc<Shared<W>>, target: SocketAddr) {
    let mut open = None;
    let mut scratch = Vec::new();
    while let Some(number) = shared.take() {
        let request = shared.workload.request(number, &mut scratch);
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
