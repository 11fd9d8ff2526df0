//! A new binary takes over from the one that runs: real processes, real signals, real load.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::linux::net::SocketAddrExt as _;
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
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// A service that echoes a path, and at `/slow` sends what the test gives it.
struct Service(tokio::sync::Mutex<mpsc::Receiver<&'static str>>);

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

async fn service() -> (String, mpsc::Sender<&'static str>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (parts, received) = mpsc::channel(1);
    let (stop, stopped) = watch::channel(false);
    let service = Arc::new(Service(tokio::sync::Mutex::new(received)));
    tokio::spawn(haechi_web::serve(listener, service, Limits::default(), stopped));
    (address, parts, stop)
}

/// A program on disk that can be replaced, and what runs from it.
struct Haechi {
    folder: TempDir,
    child: Child,
    /// What it prints, and what takes over from it.
    lines: Lines<BufReader<ChildStdout>>,
    ready: String,
}

impl Haechi {
    async fn start(text: &str) -> Self {
        Self::start_with(text, |_| ()).await
    }

    async fn start_with(text: &str, prepare: impl FnOnce(&mut Command)) -> Self {
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

    fn program(&self) -> PathBuf {
        self.folder.path().join("haechi")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("haechi.yaml")
    }

    /// The address after `what` in the line that says it is ready.
    fn address(&self, what: &str) -> String {
        let after = self.ready.split(&format!("{what} on ")).nth(1).expect("the part is listed");
        after.split(',').next().unwrap().to_owned()
    }

    /// `haechi upgrade`
    async fn upgrade(&self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haechi"));
        command.args(["upgrade", "-f"]).arg(self.file()).output().await.unwrap()
    }

    /// The same, which must succeed. The pid that serves now.
    async fn upgraded(&self) -> i32 {
        let output = self.upgrade().await;
        let (said, why) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{said}{why}");
        let last = said.lines().last().unwrap();
        assert!(last.contains("has taken over"), "{last}");
        last.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Replaces the program by a script.
    fn replace(&self, script: &str, mode: u32) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, script).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::rename(&new, self.program()).unwrap();
    }

    /// Processes that run from the folder.
    fn running(&self) -> Vec<i32> {
        running(self.folder.path())
    }

    async fn until_only(&self, pid: i32) {
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

fn install(folder: &Path) {
    let (from, new) = (Path::new(env!("CARGO_BIN_EXE_haechi")), folder.join("new"));
    if std::fs::hard_link(from, &new).is_err() {
        std::fs::copy(from, &new).unwrap();
    }
    std::fs::rename(&new, folder.join("haechi")).unwrap();
}

/// Processes with the folder in their command line, which are the test's own: the folder's name is random.
fn running(folder: &Path) -> Vec<i32> {
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
async fn ended(pid: i32) {
    // One that is gone was waited for already.
    let Ok(process) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::NONBLOCK) else { return };
    let waited = tokio::task::spawn_blocking(move || {
        let mut waiting = [PollFd::new(&process, PollFlags::IN)];
        // A signal may interrupt it.
        while poll(&mut waiting, None).is_err() {}
    });
    waited.await.unwrap();
}

fn open_files(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn http() -> Client {
    client::client(Duration::from_secs(5), Duration::from_secs(20)).unwrap()
}

fn gateway(service: &str, more: &str) -> String {
    format!(
        "admin: {{ listen: 127.0.0.1:0 }}\ngateway:\n  workers: 2\n  listeners: [{{ name: web, listen: 127.0.0.1:0 }}]\n  routes: [{{ name: all, match: {{ path: /** }}, service: a }}]\nservices:\n  a: {{ endpoints: [{service}] }}\n{more}"
    )
}

/// Requests without a pause over kept connections and over new ones, until stopped. Answers how many were right; the
/// first that isn't ends the test.
struct Load {
    stop: Arc<AtomicBool>,
    right: watch::Receiver<u64>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(web: &str, tasks: usize) -> Self {
        let (stop, (count, right)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
        let tasks: Vec<_> = (0..tasks)
            .map(|number| {
                let (stop, count, url) = (stop.clone(), count.clone(), format!("http://{web}/{number}"));
                tokio::spawn(async move {
                    let kept = http();
                    while !stop.load(Ordering::Relaxed) {
                        let client = if number % 2 == 0 { kept.clone() } else { http() };
                        let response = client.get(&url).send().await.unwrap_or_else(|e| panic!("{e:?}"));
                        assert_eq!(response.status(), 200);
                        assert_eq!(response.text().await.unwrap(), format!("/{number}"));
                        count.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        Self { stop, right, tasks }
    }

    async fn until_more(&self, count: u64) {
        let mut right = self.right.clone();
        let wanted = *right.borrow() + count;
        right.wait_for(|right| *right >= wanted).await.expect("a request failed");
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "a request failed");
    }

    async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        *self.right.borrow()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_fails_and_a_download_outlives_three_upgrades() {
    let (address, parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "")).await;
    let web = haechi.address("gateway web");
    let mut download = http().get(format!("http://{web}/slow")).send().await.unwrap();
    let load = Load::start(&web, 4);
    let first = haechi.child.id().unwrap().cast_signed();
    let mut pids = vec![first];
    for part in ["one", "two", "three"] {
        load.until_more(50).await;
        pids.push(haechi.upgraded().await);
        load.until_more(50).await;
        parts.send(part).await.unwrap();
        assert_eq!(download.chunk().await.unwrap().unwrap(), part);
    }
    assert!(load.finish().await >= 300);
    drop(parts);
    assert_eq!(download.chunk().await.unwrap(), None, "the download ended as a whole");
    pids.dedup();
    assert_eq!(pids.len(), 4, "each is another process");
    haechi.until_only(pids[3]).await;
    let status = http().get(format!("http://{}/api/overview", haechi.address("admin"))).send().await.unwrap();
    let status = status.text().await.unwrap();
    assert!(status.contains("\"generation\":4"), "generations go on: {status}");
}

#[tokio::test]
async fn a_binary_or_file_that_can_not_start_changes_nothing_and_is_named() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "")).await;
    let web = haechi.address("gateway web");
    let pid = haechi.child.id().unwrap().cast_signed();
    let load = Load::start(&web, 2);
    for (script, mode, why) in [
        ("#!/bin/sh\nexit 3\n", 0o755, "exit status: 3"),
        ("no program\n", 0o755, "can't start"),
        ("#!/bin/sh\nexec sleep 1000\n", 0o644, "can't start"),
        ("#!/bin/sh\nkill -9 $$\n", 0o755, "signal: 9"),
    ] {
        haechi.replace(script, mode);
        let output = haechi.upgrade().await;
        assert_eq!(output.status.code(), Some(1), "{script}");
        let said = text(&output.stderr);
        assert!(said.contains(why) && said.contains(&format!("pid {pid} serves on")), "{script}: {said}");
        assert_eq!(haechi.running(), [pid]);
        load.until_more(10).await;
    }
    // The file is right for what runs, and then wrong for a new process.
    install(haechi.folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = format!("registry: {{ listen: \"{}\" }}\n", taken.local_addr().unwrap());
    std::fs::write(haechi.file(), gateway(&address, &registry)).unwrap();
    let output = haechi.upgrade().await;
    assert!(text(&output.stderr).contains("the registry can't listen on"), "{}", text(&output.stderr));
    load.until_more(10).await;
    drop(taken);
    let new = haechi.upgraded().await;
    load.until_more(10).await;
    load.finish().await;
    haechi.until_only(new).await;
}

#[tokio::test]
async fn a_new_process_that_says_nothing_is_ended() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "upgrade: { start-timeout: 1ms }\n")).await;
    let pid = haechi.child.id().unwrap().cast_signed();
    haechi.replace("#!/bin/sh\nexec sleep 1000\n", 0o755);
    let output = haechi.upgrade().await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let why = said.contains("it said nothing for 1ms") && said.contains(&format!("pid {pid} serves on"));
    assert!(why, "{said}");
    assert_eq!(haechi.running(), [pid]);
}

#[tokio::test]
async fn a_second_upgrade_is_refused_while_one_is_going_on() {
    let (address, _parts, _stop) = service().await;
    let mut haechi = Haechi::start_with(&gateway(&address, ""), |command| {
        command.stderr(Stdio::piped());
    })
    .await;
    let mut log = BufReader::new(haechi.child.stderr.take().unwrap()).lines();
    haechi.replace("#!/bin/sh\necho the new one runs\nexec sleep 1000\n", 0o755);
    let pid = Pid::from_raw(haechi.child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::USR2).unwrap();
    assert_eq!(haechi.lines.next_line().await.unwrap().unwrap(), "the new one runs");
    let refused = haechi.upgrade().await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("going on already"), "{}", text(&refused.stderr));
    kill_process(pid, Signal::USR2).unwrap();
    while !log.next_line().await.unwrap().expect("it says so").contains("going on already") {}
    // Told to stop meanwhile, it ends the new process and stops.
    kill_process(pid, Signal::TERM).unwrap();
    assert!(haechi.child.wait().await.unwrap().success());
    assert!(haechi.running().is_empty());
}

#[tokio::test]
async fn twenty_upgrades_in_a_row_leave_one_process_with_no_more_open_files() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "registry: { listen: 127.0.0.1:0 }\n")).await;
    let web = haechi.address("gateway web");
    let mut counts = Vec::new();
    let mut last = 0;
    for _ in 0..20 {
        last = haechi.upgraded().await;
        let ok = http().get(format!("http://{web}/x")).send().await.unwrap().status();
        assert_eq!(ok, 200);
        haechi.until_only(last).await;
        counts.push(open_files(last));
    }
    assert!(counts.iter().all(|count| *count <= counts[0] + 2), "{counts:?}");
    kill_process(Pid::from_raw(last).unwrap(), Signal::TERM).unwrap();
    ended(last).await;
    assert!(http().get(format!("http://{web}/x")).send().await.is_err(), "nobody holds the port");
}

#[tokio::test]
async fn workers_and_listeners_may_change_between_the_two() {
    let (address, _parts, _stop) = service().await;
    let text_of = gateway(&address, "");
    let haechi = Haechi::start(&text_of).await;
    let web = haechi.address("gateway web");
    let load = Load::start(&web, 4);
    for (workers, more) in [(1, ""), (3, ", { name: other, listen: 127.0.0.1:0 }"), (2, "")] {
        let listeners = format!("[{{ name: web, listen: 127.0.0.1:0 }}{more}]");
        let changed = text_of
            .replace("workers: 2", &format!("workers: {workers}"))
            .replace("[{ name: web, listen: 127.0.0.1:0 }]", &listeners);
        std::fs::write(haechi.file(), changed).unwrap();
        haechi.upgraded().await;
        load.until_more(200).await;
    }
    load.finish().await;
}

/// Asks over a Unix socket, on a new connection, which must be answered.
async fn ask(path: &Path) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(b"GET /unix HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("/unix"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unix_socket_goes_from_process_to_process_and_its_file_with_the_last() {
    let (address, _parts, _stop) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web.sock");
    let unix = format!(", {{ name: unix, listen: \"unix:{}\" }}]", path.display());
    let config = gateway(&address, "").replace("127.0.0.1:0 }]", &format!("127.0.0.1:0 }}{unix}"));
    let haechi = Haechi::start(&config).await;
    assert_eq!(haechi.address("gateway unix"), format!("unix:{}", path.display()));
    let (stop, (count, mut asked)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (path, stop, count) = (path.clone(), stop.clone(), count.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask(&path).await;
                    count.send_modify(|count| *count += 1);
                }
            })
        })
        .collect();
    let mut last = 0;
    for _ in 0..3 {
        let wanted = *asked.borrow() + 20;
        asked.wait_for(|count| *count >= wanted).await.expect("a request failed");
        last = haechi.upgraded().await;
    }
    haechi.until_only(last).await;
    let wanted = *asked.borrow() + 20;
    asked.wait_for(|count| *count >= wanted).await.expect("a request failed");
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    kill_process(Pid::from_raw(last).unwrap(), Signal::KILL).unwrap();
    ended(last).await;
    assert!(path.exists() && UnixStream::connect(&path).await.is_err(), "it had no time to remove its file");
    let mut haechi = Haechi::start(&config).await;
    ask(&path).await;
    kill_process(Pid::from_raw(haechi.child.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    assert!(haechi.child.wait().await.unwrap().success());
    assert!(!path.exists());
}

/// A service that sends each datagram back, for as long as the test runs.
async fn echo() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut bytes = [0; 64];
        loop {
            let (count, from) = socket.recv_from(&mut bytes).await.unwrap();
            socket.send_to(&bytes[..count], from).await.unwrap();
        }
    });
    address
}

/// Asks from a new port, and once more when no answer comes, as resolvers of DNS do.
async fn ask_by_udp(gateway: &str, question: &str) {
    for _ in 0..2 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(gateway).await.unwrap();
        socket.send(question.as_bytes()).await.unwrap();
        let mut bytes = [0; 64];
        if let Ok(received) = timeout(Duration::from_secs(5), socket.recv(&mut bytes)).await {
            return assert_eq!(text(&bytes[..received.unwrap()]), question);
        }
    }
    panic!("{question} is not answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_twice_over_udp_is_answered_throughout() {
    let config = format!(
        "gateway:\n  workers: 2\n  listeners: [{{ name: dns, protocol: udp, listen: 127.0.0.1:0 }}]\n  udp-routes: [{{ name: dns, listener: dns, service: a }}]\nservices:\n  a: {{ endpoints: [{}] }}\n",
        echo().await
    );
    let haechi = Haechi::start(&config).await;
    let address = haechi.address("gateway dns");
    let (stop, (count, mut asked)) = (Arc::new(AtomicBool::new(false)), watch::channel(0));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (address, stop, count) = (address.clone(), stop.clone(), count.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let question = count.borrow().to_string();
                    ask_by_udp(&address, &question).await;
                    count.send_modify(|count| *count += 1);
                }
            })
        })
        .collect();
    let mut last = 0;
    for _ in 0..3 {
        let wanted = *asked.borrow() + 100;
        asked.wait_for(|count| *count >= wanted).await.expect("a question failed");
        last = haechi.upgraded().await;
    }
    haechi.until_only(last).await;
    let wanted = *asked.borrow() + 100;
    asked.wait_for(|count| *count >= wanted).await.expect("a question failed");
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_service_manager_is_told_of_the_new_process() {
    let (address, _parts, _stop) = service().await;
    let name = format!("haechi-upgrade-{}", std::process::id());
    let manager = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = std::os::unix::net::UnixDatagram::bind_addr(&manager).unwrap();
    let haechi = Haechi::start_with(&gateway(&address, ""), |command| {
        command.env("NOTIFY_SOCKET", format!("@{name}"));
    })
    .await;
    let pid = haechi.upgraded().await;
    haechi.replace("#!/bin/sh\nexit 3\n", 0o755);
    assert_eq!(haechi.upgrade().await.status.code(), Some(1));
    for expected in ["READY=1", "RELOADING=1", &format!("MAINPID={pid}\nREADY=1"), "RELOADING=1", "READY=1"] {
        let mut buffer = [0; 64];
        let count = manager.recv(&mut buffer).unwrap();
        assert_eq!(text(&buffer[..count]), expected);
    }
}

/// One exchange on a connection that is kept.
async fn exchange(connection: &mut TcpStream, head: &str, body: &str) -> String {
    let request = format!(
        "{head}\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !text(&answer).contains("\r\n\r\n") {
        let count = connection.read_buf(&mut answer).await.unwrap();
        assert!(count > 0, "closed without an answer: {}", text(&answer));
    }
    text(&answer)
}

#[tokio::test]
async fn the_registry_forgets_nobody_and_heartbeats_over_kept_connections_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let more = format!("registry: {{ listen: 127.0.0.1:0, snapshot: {{ path: {} }} }}\n", state.display());
    let (address, _parts, _stop) = service().await;
    let by_registry = gateway(&address, &more).replace(&format!("[{address}]"), "{ registry: APP }");
    let haechi = Haechi::start(&by_registry).await;
    let (web, registry) = (haechi.address("gateway web"), haechi.address("registry"));
    let port = address.rsplit(':').next().unwrap();
    let instance = format!(
        r#"{{"instance":{{"instanceId":"one","hostName":"h","app":"APP","ipAddr":"127.0.0.1","status":"UP","port":{{"$":{port},"@enabled":"true"}},"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"leaseInfo":{{"renewalIntervalInSecs":30,"durationInSecs":90}},"vipAddress":"app","lastDirtyTimestamp":"5"}}}}"#
    );
    let mut kept = TcpStream::connect(&registry).await.unwrap();
    let taken = exchange(&mut kept, "POST /eureka/apps/APP HTTP/1.1", &instance).await;
    assert!(taken.starts_with("HTTP/1.1 204"), "{taken}");
    let leases = || async {
        let url = format!("http://{registry}/eureka/apps/APP/one");
        let response = http().get(url).header("accept", "application/json").send().await.unwrap();
        let instance: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let lease = &instance["instance"]["leaseInfo"];
        (lease["registrationTimestamp"].clone(), lease["lastRenewalTimestamp"].as_u64().unwrap())
    };
    let (registered, renewed) = leases().await;
    let load = Load::start(&web, 2);
    load.until_more(5).await;
    let pid = haechi.upgraded().await;
    // The connection still leads to the old process, which passes the heartbeat on. Whether it has begun to close such
    // connections by now is its affair.
    let heartbeat = exchange(&mut kept, "PUT /eureka/apps/APP/one HTTP/1.1", "").await;
    assert!(heartbeat.starts_with("HTTP/1.1 200"), "{heartbeat}");
    let (registered_after, renewed_after) = leases().await;
    assert_eq!(registered_after, registered, "its lease goes on");
    assert!(renewed_after > renewed, "the heartbeat arrived");
    load.until_more(50).await;
    load.finish().await;
    haechi.until_only(pid).await;
    // The old process left the state file alone: a restart finds the instance.
    let mut second = TcpStream::connect(&registry).await.unwrap();
    let two = instance.replace("\"one\"", "\"two\"");
    assert!(exchange(&mut second, "POST /eureka/apps/APP HTTP/1.1", &two).await.contains(" 204"));
    let kept = text(&std::fs::read(&state).unwrap());
    assert!(kept.contains("\"one\"") && kept.contains("\"two\""), "{kept}");
}

#[tokio::test]
async fn gateways_elsewhere_that_follow_the_registry_do_not_hold_an_upgrade_up() {
    let (address, _parts, _stop) = service().await;
    let registry = Haechi::start("registry: { listen: 127.0.0.1:0 }\n").await;
    let listens = registry.address("registry");
    let following =
        gateway(&address, &format!("registry: {{ follow: {{ urls: [\"http://{listens}/eureka\"] }} }}\n"))
            .replace(&format!("[{address}]"), "{ registry: APP }");
    let elsewhere = Haechi::start(&following).await;
    let port = address.rsplit(':').next().unwrap();
    let instance = format!(
        r#"{{"instance":{{"instanceId":"one","hostName":"h","app":"APP","ipAddr":"127.0.0.1","status":"UP","port":{{"$":{port},"@enabled":"true"}},"dataCenterInfo":{{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}},"vipAddress":"app","lastDirtyTimestamp":"5"}}}}"#
    );
    let mut connection = TcpStream::connect(&listens).await.unwrap();
    exchange(&mut connection, "POST /eureka/apps/APP HTTP/1.1", &instance).await;
    let url = format!("http://{}/x", elsewhere.address("gateway web"));
    while http().get(&url).send().await.unwrap().status() != 200 {
        tokio::task::yield_now().await;
    }
    // The follower waits at the old process for news.
    registry.upgraded().await;
    let load = Load::start(&elsewhere.address("gateway web"), 1);
    load.until_more(20).await;
    load.finish().await;
    // And hears of the new one's.
    let two = instance.replace("APP", "TWO").replace("\"one\"", "\"two\"");
    let mut connection = TcpStream::connect(&listens).await.unwrap();
    exchange(&mut connection, "POST /eureka/apps/TWO HTTP/1.1", &two).await;
    let overview = format!("http://{}/api/overview", elsewhere.address("admin"));
    while !http().get(&overview).send().await.unwrap().text().await.unwrap().contains("TWO") {
        tokio::task::yield_now().await;
    }
}
