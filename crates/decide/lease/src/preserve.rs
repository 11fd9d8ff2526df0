//! Self-preservation: whether silence means death, or only that the registry can't hear.
//!
//! Eureka compares last minute's renewals with 85 % of what it expects, which for fewer than about 13
//! instances never allows an eviction. Here the question is asked at the moment a lease runs out: *who else is
//! silent?* A crash silences one instance while the others stay on time; a network fault silences nearly all
//! of them within one heartbeat interval, so by the time the first lease (usually three intervals) runs out,
//! the others are conspicuously late. The rule needs no minimum size. The reasoning and its limits are in
//! `docs/decisions/0201-self-preservation.md`.

use crate::Policy;

/// What is heard of all instances, restored ones that were never heard of left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preservation {
    /// Instances whose silence counts: those registered, and those evicted within the window.
    pub known: usize,
    /// Those of them that are late, expired, or were evicted within the window.
    pub silent: usize,
    /// As many may be silent and still be taken for dead.
    pub tolerated: usize,
}

impl Preservation {
    pub(crate) fn assess(policy: &Policy, registered: usize, silent: usize, lately_evicted: usize) -> Self {
        let known = registered + lately_evicted;
        let tolerated = (known * policy.tolerated_silence_percent / 100).max(1);
        Self { known, silent: silent + lately_evicted, tolerated }
    }

    /// Whether an expired lease is proof enough.
    pub fn silence_is_death(&self) -> bool {
        self.silent <= self.tolerated
    }

    /// Whether the registry evidently hears most instances.
    pub fn hears_most(&self) -> bool {
        self.silent * 2 < self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent_of(silent: usize, registered: usize) -> bool {
        Preservation::assess(&Policy::default(), registered, silent, 0).silence_is_death()
    }

    #[test]
    fn one_silent_instance_is_dead_whatever_the_size() {
        for registered in [1, 2, 3, 5, 12, 13, 1000] {
            assert!(silent_of(1, registered), "1 of {registered}");
        }
    }

    #[test]
    fn mass_silence_is_not_mass_death() {
        for (silent, registered) in [(2, 2), (2, 3), (3, 3), (2, 12), (16, 100), (100, 100)] {
            assert!(!silent_of(silent, registered), "{silent} of {registered}");
        }
        for (silent, registered) in [(2, 14), (15, 100), (150, 1000)] {
            assert!(silent_of(silent, registered), "{silent} of {registered}");
        }
    }

    #[test]
    fn the_lately_evicted_still_count_as_silent() {
        let policy = Policy::default();
        assert!(Preservation::assess(&policy, 100, 8, 7).silence_is_death());
        assert!(!Preservation::assess(&policy, 100, 8, 10).silence_is_death());
    }
}
