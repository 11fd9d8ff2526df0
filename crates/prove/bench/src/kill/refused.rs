//! Connections refused on this machine, from the kernel's counter `Tcp: AttemptFails` (RFC 4022), read every
//! few milliseconds. It counts every program's attempts: nothing else may be refused meanwhile
//! (docs/performance.md says how to give the command a network of its own).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Clock, Instant};
use tokio::task::JoinHandle;

use crate::error::Error;

/// Time between two readings.
const TICK: Duration = Duration::from_millis(2);

/// A watch that runs until it is dropped.
#[derive(Debug)]
pub struct Refused {
    seen: Rc<RefCell<Vec<Instant>>>,
    task: JoinHandle<()>,
}

impl Refused {
    /// Starts to watch on the current `LocalSet`.
    pub fn watch(clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut before = attempt_fails()?;
        let seen: Rc<RefCell<Vec<Instant>>> = Rc::default();
        let shared = seen.clone();
        let task = tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(TICK).await;
                let Ok(now) = attempt_fails() else { continue };
                shared.borrow_mut().extend((before..now).map(|_| clock.now()));
                before = now;
            }
        });
        Ok(Self { seen, task })
    }

    /// When each was seen, since the start.
    pub fn counted(&self) -> Vec<Instant> {
        self.seen.borrow().clone()
    }
}

impl Drop for Refused {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn attempt_fails() -> Result<u64, Error> {
    let text = std::fs::read_to_string("/proc/net/snmp")?;
    let mut tcp = text.lines().filter(|line| line.starts_with("Tcp:")).map(str::split_ascii_whitespace);
    let (names, values) = (tcp.next(), tcp.next());
    let found = names.zip(values).and_then(|(names, values)| {
        names.zip(values).find(|(name, _)| *name == "AttemptFails").and_then(|(_, value)| value.parse().ok())
    });
    found.ok_or_else(|| Error::Missing("AttemptFails in /proc/net/snmp".to_owned()))
}
