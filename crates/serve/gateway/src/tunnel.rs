//! After a service agreed to switch protocols: bytes both ways, unread.

use tokio::io::{AsyncWriteExt, copy_bidirectional};

use crate::client::Client;
use crate::exchange::{Outcome, Then};
use crate::upstream::Upstream;
use crate::worker::Worker;

/// Passes bytes both ways until both sides are done. `first` came from the service behind its head.
pub(crate) async fn run(
    client: &mut Client,
    mut upstream: Upstream,
    first: &[u8],
    worker: &Worker,
) -> Outcome {
    client.deadline.clear();
    let early = std::mem::take(&mut client.pending);
    let idle = worker.plan.borrow().config.limits.keep_alive;
    let mut passed = 0;
    if client.flush(worker, idle).await
        && client.conn.write_all(first).await.is_ok()
        && upstream.conn.write_all(&early).await.is_ok()
    {
        client.deadline.clear();
        passed = copy_bidirectional(&mut client.conn, &mut upstream.conn).await.map_or(0, |(_, down)| down);
    }
    Outcome { status: 101, failure: None, body_bytes: passed + first.len() as u64, then: Then::Close }
}
