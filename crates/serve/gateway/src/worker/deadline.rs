//! Deadlines without timers: each connection owns one slot, a sweep looks at all slots every so often.
//!
//! Setting a deadline is a store, so it costs nothing to move one with every read. A timer per read was
//! measured to cost 4 % of a request. The price is that a deadline strikes up to [`COARSE`] late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use haechi_core::{Clock, Instant};
use tokio::sync::Notify;

/// The longest time between two sweeps.
const COARSE: Duration = Duration::from_millis(100);

/// The shortest time between two sweeps; no deadline is kept more exactly than this.
const FINE: Duration = Duration::from_millis(5);

const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// All deadlines of a worker.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: RefCell<Slots>,
    /// When the next sweep comes.
    next: Cell<Instant>,
    earlier: Notify,
}

/// Apart, so that a sweep runs over plain numbers only.
#[derive(Debug, Default)]
struct Slots {
    at: Vec<Instant>,
    came: Vec<Came>,
    /// Since when the connection waits for its client; [`NEVER`] while it does not.
    waiting: Vec<Instant>,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Connections that were told to give way and did not yet.
    leaving: usize,
}

/// Whether a deadline came, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Not,
    /// Its time came.
    InTime,
    /// The connection was told to give way.
    ToGiveWay,
}

impl Slots {
    fn set_came(&mut self, index: usize, came: Came) {
        if self.came[index] == Came::ToGiveWay {
            self.leaving -= 1;
        }
        self.came[index] = came;
    }
}

/// One connection's deadline. Dropping it frees the slot.
#[derive(Debug)]
pub(crate) struct Deadline {
    owner: Rc<Deadlines>,
    index: usize,
}

impl Deadlines {
    /// A new deadline that never comes.
    pub fn register(self: &Rc<Self>) -> Deadline {
        let mut slots = self.slots.borrow_mut();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.at.push(NEVER);
            slots.came.push(Came::Not);
            slots.waiting.push(NEVER);
            slots.wakers.push(None);
            slots.at.len() - 1
        });
        Deadline { owner: self.clone(), index }
    }

    /// Wakes every task whose deadline has come. Returns when to look again.
    pub fn sweep(&self, now: Instant) -> Instant {
        let mut slots = self.slots.borrow_mut();
        let mut next = now + COARSE;
        let Slots { at, came, wakers, .. } = &mut *slots;
        for (index, at) in at.iter_mut().enumerate() {
            if *at <= now {
                *at = NEVER;
                came[index] = Came::InTime;
                if let Some(waker) = wakers[index].take() {
                    waker.wake();
                }
            } else if *at < next {
                next = *at;
            }
        }
        let next = next.max(now + FINE);
        self.next.set(next);
        next
    }

    /// Lets the deadlines of the `count` connections come that have waited for their clients for the longest time.
    /// Returns how many there were.
    pub fn give_way(&self, count: usize) -> usize {
        let mut slots = self.slots.borrow_mut();
        let mut waiting: Vec<(Instant, usize)> = slots
            .waiting
            .iter()
            .enumerate()
            .filter_map(|(index, since)| (*since != NEVER).then_some((*since, index)))
            .collect();
        let count = count.min(waiting.len());
        if count < waiting.len() {
            waiting.select_nth_unstable(count);
        }
        for (_, index) in &waiting[..count] {
            slots.at[*index] = NEVER;
            slots.waiting[*index] = NEVER;
            slots.came[*index] = Came::ToGiveWay;
            if let Some(waker) = slots.wakers[*index].take() {
                waker.wake();
            }
        }
        slots.leaving += count;
        count
    }

    /// Connections that were told to give way and did not yet: their tasks run later.
    pub fn leaving(&self) -> usize {
        self.slots.borrow().leaving
    }

    /// Wakes every task, so that it looks at what changed.
    pub fn wake_all(&self) {
        for waker in &mut self.slots.borrow_mut().wakers {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    /// Sweeps for as long as the worker lives. `each` runs with every sweep.
    pub async fn run(&self, clock: &dyn Clock, mut each: impl FnMut(Instant)) {
        loop {
            let now = clock.now();
            let next = self.sweep(now);
            each(now);
            tokio::select! {
                () = tokio::time::sleep(next.since(now)) => {}
                // A deadline came in that is earlier than the sweep that was planned.
                () = self.earlier.notified() => {
                    let wait = self.next.get().since(clock.now());
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }
}

impl Deadline {
    /// Sets it, or moves it either way.
    #[inline]
    pub fn set(&self, at: Instant) {
        self.set_waiting(at, NEVER);
    }

    /// Sets it while nothing but the client is waited for, since `since`. The connection may be told to
    /// [give way](Deadlines::give_way) then: its deadline comes at once.
    #[inline]
    pub fn set_waiting(&self, at: Instant, since: Instant) {
        let mut slots = self.owner.slots.borrow_mut();
        slots.at[self.index] = at;
        slots.waiting[self.index] = since;
        slots.set_came(self.index, Came::Not);
        if at < self.owner.next.get() {
            self.owner.next.set(at);
            self.owner.earlier.notify_one();
        }
    }

    /// Whether it came because the connection was told to give way.
    pub fn gave_way(&self) -> bool {
        self.owner.slots.borrow().came[self.index] == Came::ToGiveWay
    }

    /// Lets it never come.
    pub fn clear(&self) {
        self.set(NEVER);
    }

    /// Ready once it has come. To be polled after everything else that could wake the task.
    #[inline]
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut slots = self.owner.slots.borrow_mut();
        if slots.came[self.index] != Came::Not {
            return Poll::Ready(());
        }
        let waker = &mut slots.wakers[self.index];
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut slots = self.owner.slots.borrow_mut();
        slots.at[self.index] = NEVER;
        slots.set_came(self.index, Came::Not);
        slots.waiting[self.index] = NEVER;
        slots.wakers[self.index] = None;
        slots.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn struck(deadline: &Deadline) -> bool {
        deadline.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_deadline_strikes_once_its_time_has_come() {
        let deadlines = Rc::new(Deadlines::default());
        let (early, late) = (deadlines.register(), deadlines.register());
        early.set(at(10));
        late.set(at(20));
        assert_eq!(deadlines.sweep(at(9)), at(14));
        assert!(!struck(&early));
        deadlines.sweep(at(10));
        assert!(struck(&early) && !struck(&late));
    }

    #[test]
    fn those_that_wait_longest_give_way_and_those_at_work_never() {
        let deadlines = Rc::new(Deadlines::default());
        let (busy, idle, idlest) = (deadlines.register(), deadlines.register(), deadlines.register());
        busy.set_waiting(at(1000), at(1));
        busy.set(at(1000));
        idle.set_waiting(at(1000), at(3));
        idlest.set_waiting(at(1000), at(2));
        assert_eq!(deadlines.give_way(1), 1);
        assert!(struck(&idlest) && !struck(&idle) && !struck(&busy));
        assert_eq!(deadlines.give_way(5), 1);
        assert!(struck(&idle) && idle.gave_way() && !struck(&busy));
        assert_eq!((deadlines.give_way(5), deadlines.leaving()), (0, 2));
        drop(idlest);
        assert_eq!(deadlines.leaving(), 1);
        idle.set(at(1000));
        assert_eq!(deadlines.leaving(), 0);
        assert!(!struck(&idle), "what it waited for came");
    }

    #[test]
    fn a_deadline_can_be_moved_and_its_slot_is_used_again() {
        let deadlines = Rc::new(Deadlines::default());
        let deadline = deadlines.register();
        deadline.set(at(10));
        deadline.set(at(1000));
        assert_eq!(deadlines.sweep(at(500)), at(600));
        assert!(!struck(&deadline));
        drop(deadline);
        assert_eq!(deadlines.register().index, 0);
        deadlines.sweep(at(2000));
    }
}
