//! Following a repository: fetching a remote one at an interval or when told to, looking at a local one for
//! those who watch.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use haechi_git::Interrupt;
use tokio::sync::oneshot;

use super::repository::GitRepository;
use crate::error::Error;

/// A wait that is as good as none.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs until the server stops. The only place that fetches, so there is never more than one fetch at a time.
pub(super) async fn follow(repository: Arc<GitRepository>) {
    let local = repository.is_local();
    let every = if local { Some(repository.shared.limits.local_poll) } else { repository.options.refresh };
    loop {
        if !local {
            repository.fetch_once().await;
        }
        repository.look_again().await;
        repository.fetches.send_modify(|fetches| fetches.ended = fetches.begun);
        tokio::select! {
            () = repository.kick.notified() => {}
            () = tokio::time::sleep(every.unwrap_or(NEVER)) => {}
            () = repository.shared.stopped() => return,
        }
        if repository.closed.load(Ordering::SeqCst) {
            return;
        }
        repository.fetches.send_modify(|fetches| fetches.begun += 1);
    }
}

impl GitRepository {
    async fn fetch_once(&self) {
        let result = self.fetch_on_a_thread().await;
        let (now, wall) = (self.shared.clock.now(), self.shared.clock.wall());
        self.fetches.send_modify(|fetches| {
            fetches.last_ended = Some(now);
            match result {
                Ok(()) => {
                    if fetches.error.take().is_some() {
                        self.shared.say(format!("{} can be fetched again", self.name));
                    }
                    fetches.last_success = Some(wall);
                }
                Err(why) => {
                    if fetches.error.as_ref() != Some(&why) {
                        self.shared.say(format!("{why}; what is in memory is served on"));
                    }
                    fetches.error = Some(why);
                }
            }
        });
    }

    /// On a thread of its own and not one of the runtime's: a remote that hangs must not hold the process
    /// when it ends.
    async fn fetch_on_a_thread(&self) -> Result<(), String> {
        let interrupt = Interrupt::new();
        let (done, wait) = oneshot::channel();
        let (repository, for_thread) = (Arc::clone(&self.repository), interrupt.clone());
        std::thread::Builder::new()
            .name("git-fetch".into())
            .spawn(move || {
                let _ = done.send(repository.fetch(&for_thread));
            })
            .map_err(|e| e.to_string())?;
        tokio::select! {
            result = wait => match result {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("the fetch from {} broke off", self.name)),
            },
            () = self.shared.stopped() => {
                interrupt.fire();
                Err("the server stops".into())
            }
        }
    }

    /// Fetches now, and waits for the end of a fetch that began after the call; at most `wait`. Whether one
    /// ended in time.
    pub async fn refresh(&self, wait: Duration) -> bool {
        let mut fetches = self.fetches.subscribe();
        let wanted = fetches.borrow_and_update().begun + 1;
        self.kick.notify_one();
        let ended = fetches.wait_for(|fetches| fetches.ended >= wanted);
        matches!(tokio::time::timeout(wait, ended).await, Ok(Ok(_)))
    }

    /// A fetch for a label that isn't known, shared by everyone who waits, and not more often than the limit
    /// allows: the name may be made up.
    pub(super) async fn fetch_for(&self, label: &str) -> Result<(), Error> {
        let limits = &self.shared.limits;
        let recent =
            |ended: haechi_core::Instant| self.shared.clock.now().since(ended) < limits.label_fetch_every;
        let (ended, last) = {
            let fetches = self.fetches.borrow();
            (fetches.last_ended, fetches.begun)
        };
        let in_time = if ended.is_some_and(recent) {
            true
        } else if last == 0 && ended.is_none() {
            // The first fetch is on its way.
            let mut fetches = self.fetches.subscribe();
            let first = fetches.wait_for(|fetches| fetches.last_ended.is_some());
            matches!(tokio::time::timeout(limits.label_wait, first).await, Ok(Ok(_)))
        } else {
            self.refresh(limits.label_wait).await
        };
        let error = self.fetches.borrow().error.clone();
        match (in_time, error) {
            (true, None) => Ok(()),
            (false, None) => Err(self.unavailable(label, "the remote has not answered yet")),
            (_, Some(why)) => Err(self.unavailable(label, &why)),
        }
    }

    fn unavailable(&self, label: &str, why: &str) -> Error {
        Error::Unavailable { repository: format!("{label} of {}", self.name), why: why.to_owned() }
    }
}
