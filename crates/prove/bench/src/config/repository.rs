//! The git repository both config servers serve, and a remote for it that can be told to hang.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;

use tokio::net::{TcpListener, TcpStream};

use crate::error::Error;

/// What the repository holds: an application as in the microproxy story, and what all applications share.
const FILES: [(&str, &str); 4] = [
    (
        "application.yml",
        "logging:\n  level:\n    root: info\nmanagement:\n  endpoints:\n    web:\n      exposure:\n        include: health,refresh\n",
    ),
    ("discovery-service.properties", "eureka.instance.hostname=localhost\nserver.port=8761\n"),
    (
        "helloworld-client.properties",
        "zuul.ignored-services=*\nzuul.ignoredPatterns=/**/api/**\nzuul.routes.helloworld-service=/hello/**\n\
         zuul.host.connect-timeout-millis=2000\nzuul.host.socket-timeout-millis=5000\nribbon.ReadTimeout=5000\n\
         ribbon.ConnectTimeout=2000\nserver.port=9999\n",
    ),
    ("helloworld-service.properties", "message=Hello World!\nserver.port=8000\n"),
];

/// Makes the repository in `folder`.
pub fn make(folder: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text)?;
    }
    git(folder, &["init", "-q", "-b", "main"])?;
    git(folder, &["add", "-A"])?;
    git(folder, &["commit", "-q", "-m", "the story's properties"])
}

fn git(folder: &Path, arguments: &[&str]) -> Result<(), Error> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "bench"), ("GIT_AUTHOR_EMAIL", "bench@example.invalid")])
        .envs([("GIT_COMMITTER_NAME", "bench"), ("GIT_COMMITTER_EMAIL", "bench@example.invalid")])
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Missed(format!("git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// A git remote, served by `git daemon`, until it is told to hang: then it accepts and never answers.
#[derive(Debug)]
pub struct Remote {
    address: SocketAddr,
    hangs: Rc<Cell<bool>>,
    held: Rc<RefCell<Vec<TcpStream>>>,
}

impl Remote {
    /// Serves the repositories in `folder`.
    pub async fn serve(folder: &Path) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let remote = Self { address: listener.local_addr()?, hangs: Rc::default(), held: Rc::default() };
        let (hangs, held, folder) = (remote.hangs.clone(), remote.held.clone(), folder.to_owned());
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if hangs.get() {
                    held.borrow_mut().push(stream);
                } else if let Err(error) = answer(stream, &folder) {
                    eprintln!("git daemon: {error}");
                }
            }
        });
        Ok(remote)
    }

    /// The URL of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("git://{}/{repository}", self.address)
    }

    /// From now on it accepts and never answers.
    pub fn hang(&self) {
        self.hangs.set(true);
    }

    /// Connections that have been left without an answer so far.
    pub fn held(&self) -> usize {
        self.held.borrow().len()
    }
}

/// `git daemon` for one connection, in a process of its own.
fn answer(stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let input = stream.into_std()?;
    input.set_nonblocking(false)?;
    let output = input.try_clone()?;
    let mut daemon = Command::new("git")
        .args(["daemon", "--inetd", "--export-all"])
        .arg(format!("--base-path={}", folder.display()))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
        .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)))
        .stderr(Stdio::null())
        .spawn()?;
    // The process must be waited for; it lives as long as one fetch.
    std::thread::spawn(move || daemon.wait());
    Ok(())
}
