//! Programs that a measurement starts, on a core of their own, and ends without leaving any behind.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child as Process, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// How long a program may take to end by itself after SIGTERM.
const GRACE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Child(Process);

impl Child {
    /// Starts `program` pinned to `cores` (a list as taskset takes it), its standard output and error going to `log`.
    pub fn start<S: AsRef<OsStr>>(cores: &str, program: &Path, args: &[S], log: &Path) -> io::Result<Self> {
        let mut command = Command::new("taskset");
        command.arg("-c").arg(cores).arg(program).args(args);
        Self::spawn(command, log)
    }

    /// Starts a prepared command, its standard output and error going to `log`.
    pub fn spawn(mut command: Command, log: &Path) -> io::Result<Self> {
        let output = File::create(log)?;
        let errors = output.try_clone()?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map(Self)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or(io::ErrorKind::NotFound)?, signal)?)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> io::Result<()> {
        self.0.wait().map(|_| ())
    }

    /// Waits until it accepts connections at `address`; an error when it ends first or takes longer than
    /// `patience`.
    pub async fn accepts(&mut self, address: SocketAddr, patience: Duration) -> io::Result<()> {
        let tries = patience.as_millis() / 20;
        for _ in 0..tries {
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if self.has_ended() {
                return Err(io::Error::other("it ended before it accepted connections"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other(format!("no connection accepted at {address} within {patience:?}")))
    }

    fn ended_within_grace(&self) -> io::Result<bool> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let handle = pidfd_open(pid.ok_or(io::ErrorKind::NotFound)?, PidfdFlags::empty())?;
        Ok(poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&GRACE))? > 0)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.has_ended() {
            return;
        }
        // A frozen program must run again to end.
        let _ = self.signal(Signal::CONT);
        let _ = self.signal(Signal::TERM);
        if !self.ended_within_grace().unwrap_or(false) {
            let _ = self.0.kill();
        }
        let _ = self.0.wait();
    }
}
