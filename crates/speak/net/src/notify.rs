//! Telling systemd, as `sd_notify(3)` describes: one datagram to the socket named by `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What the service manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything accepts.
    Ready,
    /// A new configuration or a new process is coming; [`State::Ready`] or [`State::TakenOver`] follows.
    Reloading,
    /// Everything accepts in another process, which is the main one from now on.
    TakenOver {
        /// That process.
        pid: u32,
    },
    /// Draining and then gone.
    Stopping,
}

/// Tells the service manager, if there is one. False when there is none.
pub fn tell(state: State) -> std::io::Result<bool> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(path) => send(path.as_encoded_bytes(), state).map(|()| true),
        None => Ok(false),
    }
}

fn send(path: &[u8], state: State) -> std::io::Result<()> {
    // A leading @ means the abstract namespace.
    let address = match path.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::new(&*String::from_utf8_lossy(path)))?,
    };
    let message = match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => "RELOADING=1".to_owned(),
        State::TakenOver { pid } => format!("MAINPID={pid}\nREADY=1"),
        State::Stopping => "STOPPING=1".to_owned(),
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_gets_one_datagram() {
        let name = format!("haechi-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        send(format!("@{name}").as_bytes(), State::Ready).unwrap();
        let mut buffer = [0; 32];
        let count = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"READY=1");
        send(format!("@{name}").as_bytes(), State::TakenOver { pid: 7 }).unwrap();
        let count = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"MAINPID=7\nREADY=1");
    }
}
