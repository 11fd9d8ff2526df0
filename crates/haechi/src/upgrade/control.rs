//! Where `haechi upgrade` asks the process that runs: a Unix socket beside the configuration file, for the same
//! user alone. The socket itself is handed over too, so it is there all the time.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Type};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests that wait, at most.
const QUEUE: u8 = 8;
/// A longer line is no line of ours.
const LINE_BYTES: u64 = 64 << 10;
/// For the asker to say what it wants.
const ASK: Duration = Duration::from_secs(5);
/// The only thing that can be asked.
const UPGRADE: &str = "upgrade";

/// What the process that runs answers, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// What happens.
    Said(String),
    /// It is done.
    Done(String),
    /// It was not done, and why.
    Failed(String),
}

/// Somebody asks for an upgrade.
#[derive(Debug)]
pub struct Request(UnixStream);

impl Request {
    /// Tells the asker. One that left is no harm.
    pub async fn say(&mut self, line: &Line) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        if let Err(error) = self.0.write_all(&text).await {
            tracing::debug!(%error, "who asked for an upgrade is gone");
        }
    }
}

/// The socket where askers come.
#[derive(Debug)]
pub struct Control {
    /// Where it is.
    pub path: PathBuf,
    socket: OwnedFd,
    accepting: JoinHandle<()>,
}

impl AsFd for Control {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Control {
    /// Takes requests at the socket of a configuration file: the one that was inherited, or a new one.
    pub fn listen(
        path: PathBuf,
        inherited: Option<OwnedFd>,
    ) -> anyhow::Result<(Self, mpsc::Receiver<Request>)> {
        let socket = match inherited {
            Some(socket) => socket,
            None => bind(&path).with_context(|| format!("can't listen on {}", path.display()))?,
        };
        let listener = std::os::unix::net::UnixListener::from(socket.try_clone()?);
        listener.set_nonblocking(true)?;
        let (requests, received) = mpsc::channel(QUEUE.into());
        let accepting = tokio::spawn(accept(UnixListener::from_std(listener)?, requests));
        Ok((Self { path, socket, accepting }, received))
    }

    /// Takes no more requests: another process does.
    pub fn leave(self) {
        self.accepting.abort();
    }

    /// Takes no more requests, and takes the socket away.
    pub fn close(self) {
        self.accepting.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the control socket can't be removed");
        }
    }
}

async fn accept(listener: UnixListener, requests: mpsc::Sender<Request>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "can't accept at the control socket");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let requests = requests.clone();
        tokio::spawn(async move {
            if let Ok(Ok(request)) = tokio::time::timeout(ASK, asked(stream)).await
                && requests.send(request).await.is_err()
            {
                tracing::debug!("nobody takes requests any more");
            }
        });
    }
}

async fn asked(mut stream: UnixStream) -> anyhow::Result<Request> {
    let user = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    ensure!(user == own || user == 0, "user {user} may not ask");
    let mut line = String::new();
    BufReader::new((&mut stream).take(LINE_BYTES)).read_line(&mut line).await?;
    ensure!(line.trim_end() == UPGRADE, "{line:?} can't be asked");
    Ok(Request(stream))
}

/// Where the process that runs this configuration file listens.
pub fn path_of(state_folder: &Path, file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".sock");
    state_folder.join(name)
}

/// A path short enough for a socket's address (108 bytes), which leads to the same place through an open folder.
struct Reached {
    path: PathBuf,
    _folder: Option<File>,
}

fn reach(path: &Path) -> io::Result<Reached> {
    if path.as_os_str().len() < 100 {
        return Ok(Reached { path: path.to_owned(), _folder: None });
    }
    let folder = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    Ok(Reached { path: short.join(path.file_name().unwrap_or_default()), _folder: Some(folder) })
}

fn bind(path: &Path) -> anyhow::Result<OwnedFd> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let reached = reach(path)?;
    let address = SockAddr::unix(&reached.path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    if let Err(error) = socket.bind(&address) {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error.into());
        }
        let probe = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        if probe.connect(&address).is_ok() {
            bail!("another process runs with this file");
        }
        // Left behind by a process that was killed.
        std::fs::remove_file(path)?;
        socket.bind(&address)?;
    }
    // Nobody can connect before it listens.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    socket.listen(QUEUE.into())?;
    Ok(socket.into())
}

/// Asks for an upgrade; tells what is said meanwhile.
pub async fn ask(path: &Path, mut said: impl FnMut(&str)) -> anyhow::Result<Line> {
    let reached = reach(path).with_context(|| format!("no Haechi runs there: {}", path.display()))?;
    let mut stream = UnixStream::connect(&reached.path).await.with_context(|| {
        format!(
            "can't ask at {}; is Haechi running with this file, as the same user? (or send SIGUSR2 to it)",
            path.display()
        )
    })?;
    stream.write_all(format!("{UPGRADE}\n").as_bytes()).await?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).with_context(|| format!("it answers {line:?}"))? {
            Line::Said(text) => said(&text),
            last => return Ok(last),
        }
    }
    bail!("it ended before it answered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_arrives_and_a_stale_socket_of_any_length_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(60)).join("b".repeat(60));
        let path = path_of(&deep, Path::new("x/haechi.yaml"));
        drop(bind(&path).unwrap());
        let (control, mut requests) = Control::listen(path.clone(), None).unwrap();
        assert!(bind(&path).unwrap_err().to_string().contains("another process"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let asker = tokio::spawn({
            let path = path.clone();
            async move {
                let mut said = Vec::new();
                let last = ask(&path, |text| said.push(text.to_owned())).await.unwrap();
                (said, last)
            }
        });
        let mut request = requests.recv().await.unwrap();
        request.say(&Line::Said("one".into())).await;
        request.say(&Line::Failed("two".into())).await;
        assert_eq!(asker.await.unwrap(), (vec!["one".to_owned()], Line::Failed("two".into())));
        control.close();
        assert!(!path.exists());
        assert!(ask(&path, |_| ()).await.is_err());
    }
}
