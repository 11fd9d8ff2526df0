//! Eureka's statuses.

use haechi_core::InstanceState;

/// What an instance says of itself, or what was set for it. Declared in the alphabetical order of their wire
/// names, which is the order in which the reconcile hash code lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// `DOWN`: it can't serve.
    Down,
    /// `OUT_OF_SERVICE`: taken out on purpose.
    OutOfService,
    /// `STARTING`: not ready yet.
    Starting,
    /// `UNKNOWN`: also stands for "no override".
    Unknown,
    /// `UP`: takes requests.
    Up,
}

impl Status {
    /// Every status, in the order of the hash code.
    pub const ALL: [Self; 5] = [Self::Down, Self::OutOfService, Self::Starting, Self::Unknown, Self::Up];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Starting => "STARTING",
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
        }
    }

    /// Reads a wire name exactly as written.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }

    /// What it means to a consumer of facts. `UNKNOWN` takes no requests.
    pub const fn state(self) -> InstanceState {
        match self {
            Self::Up => InstanceState::Up,
            Self::Starting => InstanceState::Starting,
            Self::OutOfService => InstanceState::OutOfService,
            Self::Down | Self::Unknown => InstanceState::Down,
        }
    }

    /// Whether an instance with this status obeys overrides; `DOWN`, `STARTING` and `UNKNOWN` beat them
    /// (`DownOrStartingRule`).
    pub const fn obeys_overrides(self) -> bool {
        matches!(self, Self::Up | Self::OutOfService)
    }
}

/// How many instances have each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; 5]);

impl Counts {
    /// Counts them.
    pub fn of(statuses: impl Iterator<Item = Status>) -> Self {
        let mut counts = Self::default();
        statuses.for_each(|status| counts.add(status));
        counts
    }

    pub(crate) fn add(&mut self, status: Status) {
        self.0[status as usize] += 1;
    }

    pub(crate) fn remove(&mut self, status: Status) {
        self.0[status as usize] -= 1;
    }

    /// The reconcile hash code: `NAME_count_` for each status that occurs, by name
    /// (`Applications.getReconcileHashCode`). Empty for an empty registry.
    pub fn hash_code(&self) -> String {
        let mut code = String::new();
        for (status, count) in Status::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0) {
            code.push_str(status.as_str());
            code.push('_');
            code.push_str(&count.to_string());
            code.push('_');
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_code_lists_statuses_by_name() {
        let mut counts = Counts::default();
        assert_eq!(counts.hash_code(), "");
        for status in [Status::Up, Status::Starting, Status::Down, Status::Up, Status::OutOfService] {
            counts.add(status);
        }
        assert_eq!(counts.hash_code(), "DOWN_1_OUT_OF_SERVICE_1_STARTING_1_UP_2_");
        counts.remove(Status::Down);
        assert_eq!(counts.hash_code(), "OUT_OF_SERVICE_1_STARTING_1_UP_2_");
        let names: Vec<_> = Status::ALL.iter().map(|s| s.as_str()).collect();
        assert!(names.is_sorted());
    }

    #[test]
    fn names_are_read_exactly() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("up"), None);
        assert_eq!(Status::parse(""), None);
    }
}
