//! Open loop: requests have intended send times, one every 1/rate, whatever the server does. Latency counts
//! from the intended time: a request that had to wait for a free connection shows its wait.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use tokio::sync::Notify;

use super::Workload;
use super::connection::{Answer, Connection, Failure};
use super::tally::Tally;

/// How long a request may take before it counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How much to send where.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The server.
    pub target: SocketAddr,
    /// Requests a second.
    pub rate: u32,
    /// Connections at most; requests wait for one when all are busy.
    pub connections: usize,
    /// How long to send.
    pub duration: Duration,
}

/// One finished exchange.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// The request's number.
    pub number: u64,
    /// When it should have been sent.
    pub intended: Instant,
    /// When its answer was complete, or it failed.
    pub ended: Instant,
    /// Whether the answer was right.
    pub right: bool,
}

struct Shared<W, F> {
    workload: W,
    finished: F,
    clock: Arc<dyn Clock>,
    tally: RefCell<Tally>,
    /// Requests not yet taken by a connection, by number and intended time; `None` tells one connection to end.
    due: RefCell<VecDeque<Option<(u64, Instant)>>>,
    more: Notify,
}

/// Runs `plan` on the current `LocalSet`; `finished` sees each exchange as it ends.
pub async fn run<W, F>(plan: Plan, workload: W, clock: &Arc<dyn Clock>, finished: F) -> Tally
where
    W: Workload + 'static,
    F: Fn(Finished, &Result<Answer, Failure>) + 'static,
{
    let shared = Rc::new(Shared {
        workload,
        finished,
        clock: clock.clone(),
        tally: RefCell::default(),
        due: RefCell::default(),
        more: Notify::new(),
    });
    let tasks: Vec<_> = (0..plan.connections)
        .map(|_| tokio::task::spawn_local(connection(shared.clone(), plan.target)))
        .collect();
    send_times(plan, &shared).await;
    for _ in 0..plan.connections {
        shared.due.borrow_mut().push_back(None);
        shared.more.notify_one();
    }
    for task in tasks {
        assert!(task.await.is_ok(), "a connection of the load generator panicked");
    }
    shared.tally.take()
}

/// Queues each request when its time has come. The timer ticks in milliseconds, so at high rates several
/// are queued at once, each with its own intended time.
async fn send_times<W, F>(plan: Plan, shared: &Shared<W, F>) {
    let total = plan.duration.as_secs_f64() * f64::from(plan.rate);
    let started = shared.clock.now();
    let mut queued = 0;
    while queued < total as u64 {
        let due = (shared.clock.now().since(started).as_secs_f64() * f64::from(plan.rate)) as u64 + 1;
        while queued < due.min(total as u64) {
            let intended = started + Duration::from_secs_f64(queued as f64 / f64::from(plan.rate));
            shared.due.borrow_mut().push_back(Some((queued, intended)));
            shared.more.notify_one();
            queued += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn connection<W, F>(shared: Rc<Shared<W, F>>, target: SocketAddr)
where
    W: Workload,
    F: Fn(Finished, &Result<Answer, Failure>),
{
    let mut open = None;
    let mut scratch = Vec::new();
    loop {
        let next = shared.due.borrow_mut().pop_front();
        let (number, intended) = match next {
            Some(Some(due)) => due,
            Some(None) => return,
            None => {
                shared.more.notified().await;
                continue;
            }
        };
        let request = shared.workload.request(number, &mut scratch);
        let outcome = exchange(&mut open, target, request).await;
        let outcome = outcome.and_then(|answer| shared.workload.check(&answer).map(|()| answer));
        if !matches!(&outcome, Ok(answer) if answer.keep_alive) {
            open = None;
        }
        let ended = shared.clock.now();
        shared.tally.borrow_mut().record(&outcome, ended.since(intended));
        (shared.finished)(Finished { number, intended, ended, right: outcome.is_ok() }, &outcome);
    }
}

async fn exchange(
    open: &mut Option<Connection>,
    target: SocketAddr,
    request: &[u8],
) -> Result<Answer, Failure> {
    let work = async {
        let connection = match open {
            Some(connection) => connection,
            None => open.insert(Connection::open(target).await?),
        };
        connection.exchange(request, None).await
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure::Wrong(format!("no answer within {PATIENCE:?}"))),
    }
}
