//! When the process has no descriptors left: what gives way, so that connections can be accepted and made again.
//!
//! Idle connections to services go first: nobody notices but the next request, which needs a new one. Clients that wait
//! go next. What carries a request never does. Other workers, whose descriptors are of the same process, are asked for
//! theirs.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::Worker;
use super::accept::PAUSE;
use super::places::give_way;
use crate::plan::Plan;

/// One in so many idle connections to services is closed at once, so that finding the oldest costs little for each.
const SHARE: usize = 16;

/// Pauses that an attempt to connect makes for others to give way, at most. Together they are short of the time that
/// a connection to a service has.
const PAUSES: u32 = 5;

/// Between two lines that say that descriptors ran out.
const QUIET: Duration = Duration::from_secs(10);

/// Whether the process or the machine has no descriptor or memory left for a socket.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno))
}

impl Worker {
    /// Connects to a service although a try just failed for want of descriptors: as soon as something gave way.
    /// Fails when nothing is left that could, or it takes too long. The caller bounds the time too.
    pub async fn connect_despite<S>(&self, connect: impl AsyncFn() -> io::Result<S>) -> io::Result<S> {
        self.stats.limits.connect_descriptors.one();
        self.say_short();
        let mut pauses = 0;
        loop {
            pauses += u32::from(!self.make_room_for_descriptors().await);
            match connect().await {
                Err(error) if is_shortage(&error) && pauses < PAUSES => {}
                connected => return connected,
            }
        }
    }

    /// Lets connections go that carry no request. Returns at once when descriptors are free by that, with true, else
    /// after a pause in which those who were told to leave can do so.
    pub(super) async fn make_room_for_descriptors(&self) -> bool {
        if self.close_oldest_idle() > 0 {
            return true;
        }
        // Many may ask in one turn. Who was told to leave does so when its task runs.
        if self.deadlines.leaving() == 0 {
            give_way(self);
        }
        self.places.ask_others();
        tokio::time::sleep(PAUSE).await;
        false
    }

    /// Closes the idle connections to services that there is no room for beside those of clients.
    pub(super) fn keep_within_descriptors(&self, plan: &Plan) {
        let idle: usize = plan.services.values().map(|service| service.idle()).sum();
        let over = idle.saturating_sub(self.places.idle_share(self));
        if over > 0 {
            self.stats.limits.idle_connections.add(self.close_idle(|_| over) as u64);
        }
    }

    /// Closes some of the idle connections to services, the oldest first. Returns how many.
    pub(super) fn close_oldest_idle(&self) -> usize {
        self.close_idle(|idle| idle.div_ceil(SHARE))
    }

    /// Closes the oldest of the idle connections to services: as many as `count` says, which is told how many there are.
    fn close_idle(&self, count: impl Fn(usize) -> usize) -> usize {
        let plan = self.plan.borrow().clone();
        let mut since = Vec::new();
        for service in plan.services.values() {
            service.idle_since(&mut since);
        }
        let count = count(since.len()).min(since.len());
        let Some(last) = count.checked_sub(1) else { return 0 };
        let (_, until, _) = since.select_nth_unstable(last);
        let mut left = count;
        for service in plan.services.values() {
            service.close_idle(*until, &mut left);
        }
        count - left
    }

    fn say_short(&self) {
        let now = self.now();
        if self.short.get().is_none_or(|said| now.since(said) >= QUIET) {
            self.short.set(Some(now));
            tracing::warn!(
                "no descriptors left for a connection to a service; idle ones are closed. Raise the limit of open files"
            );
        }
    }
}
