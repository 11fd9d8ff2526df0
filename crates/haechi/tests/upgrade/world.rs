//! What the tests run: a service, the program with a file of its own, and load.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_web::client::{self, Client};
use haechi_web::{Handler, Limits, Request, Response, answer};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, watch};

/// A service that echoes a path, and at `/slow` sends what the test gives it.
pub struct Service(tokio::sync::Mutex<mpsc::Receiver<&'static str>>);

impl Handler for Service {
    async fn handle(&self, request: Request) -> Response {
        if request.uri.path() != "/slow" {
            return answer::text(http::StatusCode::OK, request.uri.path());
        }
        let (mut sender, body) = answer::streamed(1);
        let mut parts = std::mem::replace(&mut *self.0.lock().await, mpsc::channel(1).1);
        tokio::spawn(async move {
            while let Some(part) = parts.recv().await {
                if sender.send_data(part.into()).await.is_err() {
                    return;
                }
            }
        });
        http::Response::new(body)
    }
}

pub async fn service() -> (String, mpsc::Sender<&'static str>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (parts, received) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let service = Arc::new(Service(tokio::sync::Mutex::new(received)));
    tokio::spawn(haechi_web::serve(listener, service, Limits::default(), stopped));
    (address, parts, stop)
}

/// A program on disk that can be replaced, and what runs from it.
pub struct Haechi {
    pub folder: TempDir,
    pub child: Child,
    /// What it prints, and what takes over from it.
    pub lines: Lines<BufReader<ChildStdout>>,
    pub ready: String,
}

impl Haechi {
    pub async fn start(text: &str) -> Self {
        Self::start_with(text, |_| ()).await
    }

    pub async fn start_with(text: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        install(folder.path());
        std::fs::write(folder.path().join("haechi.yaml"), text).unwrap();
        let mut command = Command::new(folder.path().join("haechi"));
        command.args(["up", "-f"]).arg(folder.path().join("haechi.yaml"));
        command.stdout(Stdio::piped()).kill_on_drop(true);
        prepare(&mut command);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next_line().await.unwrap().expect("it says that it is ready");
        assert!(ready.starts_with("haechi is ready: "), "{ready}");
        Self { folder, child, lines, ready }
    }

    pub fn program(&self) -> PathBuf {
        self.folder.path().join("haechi")
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("haechi.yaml")
    }

    /// The address after `what` in the line that says it is ready.
    pub fn address(&self, what: &str) -> String {
        let after = self.ready.split(&format!("{what} on ")).nth(1).expect("the part is listed");
        after.split(',').next().unwrap().to_owned()
    }

    /// `haechi upgrade`
    pub async fn upgrade(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
        command.args(["upgrade", "-f"]).arg(self.file()).output().await.unwrap()
    }

    /// The same, which must succeed. The pid that serves now.
    pub async fn upgraded(&self) -> i32 {
        let output = self.upgrade().await;
        let (said, why) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{said}{why}");
        let last = said.lines().last().unwrap();
        assert!(last.contains("has taken over"), "{last}");
        last.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Replaces the program by a script.
    pub fn replace(&self, script: &str, mode: u32) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, script).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::rename(&new, self.program()).unwrap();
    }

    /// Processes that run from the folder.
    pub fn running(&self) -> Vec<i32> {
        running(self.folder.path())
    }

    pub async fn until_only(&self, pid: i32) {
        for other in self.running().into_iter().filter(|other| *other != pid) {
            ended(other).await;
        }
        assert_eq!(self.running(), [pid]);
    }
}

impl Drop for Haechi {
    fn drop(&mut self) {
        for pid in self.running() {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
    }
}

pub fn install(folder: &Path) {
    let (from, new) = (Path::new(env!("CARGO_BIN_EXE_haechi")), folder.join("new"));
    if std::fs::hard_link(from, &new).is_err() {
        std::fs::copy(from, &new).unwrap();
    }
    std::fs::rename(&new, folder.join("haechi")).unwrap();
}

/// Processes with the folder in their command line, which are the test's own: the folder's name is random.
pub fn running(folder: &Path) -> Vec<i32> {
    let mut pids = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = text(&line);
        // An ended process that nobody waited for has no command line.
        if line.contains(folder.to_str().unwrap()) && !line.contains("\0upgrade\0") {
            pids.push(pid);
        }
    }
    pids
}

/// Waits until a process has ended: its descriptor can be read then (pidfd_open(2)).
pub async fn ended(pid: i32) {
    // One that is gone was waited for already.
    let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::NONBLOCK) else { return };
    let waited = tokio::task::spawn_blocking(move || {
        let mut waiting = [PollFd::new(&process, PollFlags::IN)];
        // A signal may interrupt it.
        while poll(&mut waiting, None).is_err() {}
    });
    waited.await.unwrap();
}

pub fn open_files(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn http() -> Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

pub fn gateway(service: &str, more: &str) -> String {
    format!(
        "admin: {{ listen: 127.0.0.1:0 }}\ngateway:\n  workers: 2\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes: [{{ name: all, match: {{ path: /** }}, service: a }}]\nservices:\n  a: {{ endpoints: [{service}] }}\n{more}"
    )
}

/// Requests without a pause until stopped. One that isn't answered right panics, which ends the test.
pub struct Load {
    stop: Arc<AtomicBool>,
    right: watch::Receiver<u64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    /// By HTTP: every other task on a kept connection, the others on new ones.
    pub fn start(web: &str, tasks: usize) -> Self {
        let (web, kept) = (web.to_owned(), http());
        Self::of(tasks, move |number| {
            let url = format!("http://{web}/{number}");
            let client = if number % 2 == 0 { kept.clone() } else { http() };
            async move {
                let response = client.get(&url).send().await.unwrap_or_else(|e| panic!("{e:?}"));
                assert_eq!(response.status(), 200);
                assert_eq!(response.text().await.unwrap(), format!("/{number}"));
            }
        })
    }

    /// So many tasks that `ask` again and again, each with its number.
    pub fn of<F: Future<Output = ()> + Send>(
        tasks: usize,
        ask: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let (stop, (count, right)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
        let tasks: Vec<_> = (0..tasks)
            .map(|number| {
                let (stop, count, ask) = (stop.clone(), count.clone(), ask.clone());
                tokio::spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        ask(number).await;
                        count.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        Self { stop, right, tasks }
    }

    pub async fn until_more(&self, count: u64) {
        let mut right = self.right.clone();
        let wanted = *right.borrow() + count;
        right.wait_for(|right| *right >= wanted).await.expect("a request failed");
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "a request failed");
    }

    pub async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        *self.right.borrow()
    }
}
