//! CPU time and memory of a process and its descendants, from /proc.

use std::fs;
use std::ops::Sub;

/// CPU seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Cpu {
    /// In user mode.
    pub user: f64,
    /// In the kernel.
    pub system: f64,
}

impl Cpu {
    /// Both together. The kernel's accounting is exact for the sum; the split is sampled by its tick.
    pub fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Sub for Cpu {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// CPU time that `pid` and its living descendants have used.
pub fn cpu_of_tree(pid: u32) -> Cpu {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    tree(pid).iter().filter_map(|pid| ticks_of(*pid)).fold(Cpu::default(), |sum, (user, system)| Cpu {
        user: sum.user + user as f64 / ticks,
        system: sum.system + system as f64 / ticks,
    })
}

/// Bytes of memory of `pid` and its descendants: proportional set size, so that pages shared by forked
/// workers count once. The kernel's socket buffers are not in it.
pub fn memory_of_tree(pid: u32) -> u64 {
    let of = |pid: &u32| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    tree(pid).iter().filter_map(of).sum::<u64>() * 1024
}

/// Descriptors that `pid` has open.
pub fn descriptors_of(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// `pid` and everything below it.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        next += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

/// utime and stime of a process, in clock ticks: fields 14 and 15 of /proc/PID/stat (see proc(5)).
fn ticks_of(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; what follows the last parenthesis starts with field 3.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_and_memory() {
        let mine = std::process::id();
        let before = cpu_of_tree(mine);
        let mut sum = 0u64;
        while (cpu_of_tree(mine) - before).total() < 0.03 {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 7);
        }
        assert!(memory_of_tree(mine) > 100_000);
        assert!(tree(mine).contains(&mine));
    }

    #[test]
    fn a_process_that_is_gone_counts_nothing() {
        assert_eq!(cpu_of_tree(u32::MAX), Cpu::default());
        assert_eq!(memory_of_tree(u32::MAX), 0);
    }
}
