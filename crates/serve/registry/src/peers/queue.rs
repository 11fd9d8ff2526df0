//! What waits to be sent to one peer.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use haechi_core::Instant;
use haechi_eureka::{ReplicationAction, ReplicationItem};
use haechi_lease::{Instance, Status};

use crate::convert::{self, Wire};

/// Cancels and status changes are worth sending for this long (`maxTimeForReplication`).
const KEEP: Duration = Duration::from_secs(30);

/// Something to tell a peer.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub item: ReplicationItem,
    worth: Duration,
}

impl Task {
    fn new(instance: &Instance<Wire>, action: ReplicationAction, worth: Duration) -> Self {
        let registration = &instance.registration;
        let item = ReplicationItem {
            action,
            app_name: registration.app.to_string(),
            id: registration.id.to_string(),
            last_dirty: Some(instance.last_dirty.0),
            overridden_status: None,
            status: None,
            instance_info: None,
        };
        Self { item, worth }
    }

    pub fn register(instance: &Instance<Wire>) -> Self {
        let interval = instance.registration.renewal_interval;
        let mut task = Self::new(instance, ReplicationAction::Register, interval);
        task.item.status = Some(instance.status.as_str().to_owned());
        task.item.instance_info = Some(convert::info(instance));
        task
    }

    pub fn heartbeat(instance: &Instance<Wire>) -> Self {
        let interval = instance.registration.renewal_interval;
        let mut task = Self::new(instance, ReplicationAction::Heartbeat, interval);
        task.item.status = Some(instance.status.as_str().to_owned());
        if instance.overridden != Status::Unknown {
            task.item.overridden_status = Some(instance.overridden.as_str().to_owned());
        }
        task
    }

    pub fn cancel(instance: &Instance<Wire>) -> Self {
        Self::new(instance, ReplicationAction::Cancel, KEEP)
    }

    pub fn status(instance: &Instance<Wire>, status: Option<Status>, removed: bool) -> Self {
        let action =
            if removed { ReplicationAction::DeleteStatusOverride } else { ReplicationAction::StatusUpdate };
        let mut task = Self::new(instance, action, KEEP);
        task.item.status = status.map(|s| s.as_str().to_owned());
        task
    }
}

type Id = (ReplicationAction, String, String);

#[derive(Debug)]
struct Waiting {
    task: Task,
    expires: Instant,
}

/// Tasks in order. A later one of the same kind for the same instance replaces the earlier and goes to the
/// end, so that register, cancel, register ends with the instance registered.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    by_place: BTreeMap<i64, Waiting>,
    places: HashMap<Id, i64>,
    last: i64,
}

fn id(item: &ReplicationItem) -> Id {
    (item.action, item.app_name.clone(), item.id.clone())
}

impl Queue {
    pub fn len(&self) -> usize {
        self.by_place.len()
    }

    /// Adds one. Beyond `limit` the oldest go: a peer that was away for so long syncs anew.
    pub fn push(&mut self, task: Task, limit: usize, now: Instant) {
        self.last += 1;
        let expires = now + task.worth;
        if let Some(before) = self.places.insert(id(&task.item), self.last) {
            self.by_place.remove(&before);
        }
        self.by_place.insert(self.last, Waiting { task, expires });
        if self.by_place.len() > limit {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let (_, waiting) = self.by_place.pop_first()?;
        self.places.remove(&id(&waiting.task.item));
        Some(waiting)
    }

    /// Takes the first ones, leaving out what isn't worth sending any more.
    pub fn take(&mut self, most: usize, now: Instant) -> Vec<Task> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Some(waiting) = self.pop() else { break };
            if waiting.expires > now {
                taken.push(waiting.task);
            }
        }
        taken
    }

    /// Puts tasks back that couldn't be sent, in front, unless newer ones came meanwhile.
    pub fn put_back(&mut self, tasks: Vec<Task>, now: Instant) {
        let first = self.by_place.first_key_value().map_or(self.last, |(place, _)| *place);
        let start = first.saturating_sub_unsigned(tasks.len() as u64);
        for (place, task) in (start..first).zip(tasks) {
            let expires = now + task.worth;
            self.places.entry(id(&task.item)).or_insert_with(|| {
                self.by_place.insert(place, Waiting { task, expires });
                place
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(action: ReplicationAction, id: &str) -> Task {
        let item = ReplicationItem {
            action,
            app_name: "A".to_owned(),
            id: id.to_owned(),
            last_dirty: None,
            overridden_status: None,
            status: None,
            instance_info: None,
        };
        Task { item, worth: Duration::from_secs(30) }
    }

    fn kinds(tasks: &[Task]) -> Vec<(ReplicationAction, &str)> {
        tasks.iter().map(|t| (t.item.action, t.item.id.as_str())).collect()
    }

    use ReplicationAction::{Cancel, Heartbeat, Register};

    #[test]
    fn the_last_thing_that_happened_to_an_instance_is_told_last() {
        let mut queue = Queue::default();
        for action in [Register, Cancel, Register] {
            queue.push(task(action, "1"), 9, Instant::ZERO);
        }
        assert_eq!(kinds(&queue.take(9, Instant::ZERO)), [(Cancel, "1"), (Register, "1")]);
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_is_put_back_goes_first_unless_something_newer_came() {
        let mut queue = Queue::default();
        for id in ["1", "2", "3"] {
            queue.push(task(Heartbeat, id), 9, Instant::ZERO);
        }
        let taken = queue.take(2, Instant::ZERO);
        queue.push(task(Heartbeat, "1"), 9, Instant::ZERO);
        queue.put_back(taken, Instant::ZERO);
        assert_eq!(
            kinds(&queue.take(9, Instant::ZERO)),
            [(Heartbeat, "2"), (Heartbeat, "3"), (Heartbeat, "1")]
        );
    }

    #[test]
    fn what_is_too_old_is_not_sent() {
        let mut queue = Queue::default();
        queue.push(task(Cancel, "1"), 9, Instant::ZERO);
        queue.push(task(Cancel, "2"), 9, Instant::ZERO + Duration::from_secs(20));
        let later = Instant::ZERO + Duration::from_secs(31);
        assert_eq!(kinds(&queue.take(9, later)), [(Cancel, "2")]);
    }

    #[test]
    fn beyond_the_limit_the_oldest_go() {
        let mut queue = Queue::default();
        for id in ["1", "2", "3"] {
            queue.push(task(Cancel, id), 2, Instant::ZERO);
        }
        assert_eq!(kinds(&queue.take(9, Instant::ZERO)), [(Cancel, "2"), (Cancel, "3")]);
    }
}
