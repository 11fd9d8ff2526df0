//! Unix sockets: a file that stands for a queue, and that stays behind when its process is killed.

use std::fs::{Metadata, Permissions, set_permissions, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

use super::{ListenError, Socket};

/// The file of a Unix socket, as it was found or made.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put its own file there since.
    id: (u64, u64),
}

impl SocketFile {
    /// The one that is there now.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = symlink_metadata(path)?;
        if !file.file_type().is_socket() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "the file is no socket"));
        }
        Ok(Self { path: path.to_owned(), id: id(&file) })
    }

    /// Lets these connect.
    pub fn permit(&self, mode: u32) -> io::Result<()> {
        set_permissions(&self.path, Permissions::from_mode(mode))
    }

    /// Removes it, unless it is gone or another is in its place. Who connected already and waits is not touched.
    pub fn remove(&self) -> io::Result<()> {
        match symlink_metadata(&self.path) {
            Ok(file) if id(&file) == self.id => std::fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn id(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Binds a Unix socket to a new file with these permissions. A file that a dead process left behind is replaced; one
/// that somebody listens on, or that is no socket, is an error.
///
/// A socket that is bound and does not listen yet looks as if its process were dead.
pub fn unix(path: &Path, mode: u32) -> Result<(Socket, SocketFile), ListenError> {
    bind(path, mode).map_err(|source| ListenError { address: format!("unix:{}", path.display()), source })
}

fn bind(path: &Path, mode: u32) -> io::Result<(Socket, SocketFile)> {
    let address = SockAddr::unix(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_abandoned(path, &address)?;
            socket.bind(&address)?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(path).display();
            return Err(io::Error::new(ErrorKind::NotFound, format!("the folder {folder} doesn't exist")));
        }
        bound => bound?,
    }
    let file = SocketFile::at(path)?;
    // Nobody can connect before it listens.
    if let Err(error) = file.permit(mode) {
        file.remove()?;
        return Err(error);
    }
    Ok((Socket(socket), file))
}

/// Removes a Unix socket's file on which nobody listens.
fn remove_abandoned(path: &Path, address: &SockAddr) -> io::Result<()> {
    let in_the_way = |why: &str| Err(io::Error::new(ErrorKind::AddrInUse, why));
    let file = match SocketFile::at(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return in_the_way("a file is there that is no socket; remove it, or choose another name");
        }
        // It is gone by now.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let probe = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full queue is somebody's too, and is not waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => file.remove(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            in_the_way("a socket is there that this user may not connect to, so it may be in use")
        }
        _ => in_the_way("another process listens there"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("haechi-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_that_was_left_behind_is_replaced() {
        let folder = folder("stale");
        let path = folder.join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        let (socket, file) = unix(&path, 0o640).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(socket.path().as_deref(), Some(path.as_path()));
        file.permit(0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        file.remove().unwrap();
        file.remove().unwrap();
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_somebody_elses_is_not_touched() {
        let folder = folder("live");
        let path = folder.join("a.sock");
        let refused = |what: &str| {
            let error = unix(&path, 0o600).unwrap_err();
            assert_eq!(error.source.kind(), ErrorKind::AddrInUse, "{error}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(path.exists());
        };
        let listens = UnixListener::bind(&path).unwrap();
        refused("another process listens there");
        drop(listens);
        std::fs::remove_file(&path).unwrap();
        let datagrams = UnixDatagram::bind(&path).unwrap();
        refused("another process listens there");
        drop(datagrams);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "mine").unwrap();
        refused("no socket");
        std::fs::remove_file(&path).unwrap();
        let (_socket, file) = unix(&path, 0o600).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        file.remove().unwrap();
        assert!(path.exists(), "the other's file stays");
        let error = unix(&folder.join("none/a.sock"), 0o600).unwrap_err();
        assert!(error.to_string().ends_with("none doesn't exist"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
