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

/// The niceness of the session's group of processes (sched(7), autogroup), put back when dropped.
#[derive(Debug)]
pub struct Taken {
    session_before: Option<String>,
}

/// Takes the client's core and the niceness for the calling thread and what it starts, while the answer lives.
pub fn take(cores: Cores) -> std::io::Result<Taken> {
    let mut set = CpuSet::new();
    set.set(cores.client_core);
    sched_setaffinity(None, &set)?;
    let mut taken = Taken { session_before: None };
    if cores.nice != 0 {
        setpriority_process(None, cores.nice)?;
        // Where the kernel groups processes by session, the group's niceness decides.
        taken.session_before = session_nice();
        set_session_nice(&cores.nice.to_string());
    }
    Ok(taken)
}

const AUTOGROUP: &str = "/proc/self/autogroup";

/// `0` of `/autogroup-12 nice 0`.
fn session_nice() -> Option<String> {
    let text = std::fs::read_to_string(AUTOGROUP).ok()?;
    Some(text.trim().rsplit_once("nice ")?.1.to_owned())
}

fn set_session_nice(nice: &str) {
    // Kernels without autogroup have no such file, and then nothing is to be done.
    let _ = std::fs::write(AUTOGROUP, nice);
}

impl Drop for Taken {
    fn drop(&mut self) {
        if let Some(before) = &self.session_before {
            set_session_nice(before);
        }
    }
}
