//! Pinning: what is measured has a core of its own, everything that measures it shares the other.

use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Which core does what.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Cores {
    /// Core of what is measured.
    #[arg(long, default_value_t = 0)]
    pub subject_core: usize,
    /// Core of the load generator and of the service behind the gateway.
    #[arg(long, default_value_t = 1)]
    pub client_core: usize,
    /// Niceness of everything measured and measuring; below zero (root only) where other programs run.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub nice: i32,
}

/// Takes the client's core and the niceness for the calling thread and what it starts.
pub fn take(cores: Cores) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cores.client_core);
    sched_setaffinity(None, &set)?;
    if cores.nice != 0 {
        setpriority_process(None, cores.nice)?;
        // Where the kernel groups processes by session (sched(7), autogroup), the group's niceness decides.
        let _ = std::fs::write("/proc/self/autogroup", cores.nice.to_string());
    }
    Ok(())
}
