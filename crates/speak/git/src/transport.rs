//! Connections to remotes that can be cut from another thread.
//!
//! gix's own ssh and git transports can't: a remote that accepts and then says nothing would hold the thread
//! for ever. Here the child process or socket is ours, and an [`Interrupt`] kills or shuts it.

use std::any::Any;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use base64::Engine as _;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::blocking_io::http::{self, reqwest as http_reqwest};
use gix::protocol::transport::client::git::{ConnectMode, blocking_io::Connection};
use gix::protocol::transport::{Protocol, Service};
use gix::url::Scheme;
use reqwest::header::HeaderValue;

use crate::fetch::{Credentials, RemoteOptions, Ssh};
use crate::interrupt::Interrupt;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The port of `git://` where none is given.
const GIT_PORT: u16 = 9418;
/// What the ssh program said last, kept for the error message.
const COMPLAINT_BYTES: usize = 2048;

/// A connection, not yet greeted.
pub(crate) struct Link {
    pub transport: Box<dyn Transport + Send>,
    /// What the transport is configured with before the greeting.
    pub options: Option<Box<dyn Any>>,
    pub complaint: Complaint,
}

/// How long a failed fetch waits for the last words of an ssh program that has ended. Only a child of its own
/// that holds the pipe open makes this run out.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the ssh program wrote to its standard error, and what else explains a failure.
#[derive(Clone, Default)]
pub(crate) struct Complaint {
    text: Arc<Mutex<String>>,
    /// Disconnected once all of standard error was read.
    reading: Arc<Mutex<Option<mpsc::Receiver<()>>>>,
}

impl Complaint {
    pub(crate) fn add(&self, line: &str) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() + line.len() < COMPLAINT_BYTES {
            let separator = if text.is_empty() { "" } else { "; " };
            text.push_str(separator);
            text.push_str(line);
        }
    }

    pub(crate) fn append_to(&self, why: String) -> String {
        if let Some(reading) = self.reading.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nothing is ever sent: this ends when the reader does, or when time is up.
            let _ = reading.recv_timeout(LAST_WORDS);
        }
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if text.is_empty() { why } else { format!("{why} ({text})") }
    }
}

pub(crate) fn connect(
    url: &gix::Url,
    options: &RemoteOptions,
    credentials: Option<&Credentials>,
    interrupt: &Interrupt,
) -> Result<Link, BoxError> {
    match url.scheme {
        Scheme::Http | Scheme::Https => over_http(url, options.timeout, credentials),
        Scheme::Git => over_tcp(url, options.timeout, interrupt),
        Scheme::Ssh => over_ssh(url, options, interrupt),
        ref other => Err(format!("the scheme {other} is not fetched from").into()),
    }
}

/// Each request is bounded by the timeout: the HTTP client runs on a thread of its own and can't be cut.
///
/// The password goes along with the first request. gix would send it over https only, once asked for it; but
/// whoever writes one for an http address (a git server on the same machine, say) means it, as with git.
fn over_http(url: &gix::Url, timeout: Duration, credentials: Option<&Credentials>) -> Result<Link, BoxError> {
    let authorization = credentials.map(basic).transpose()?;
    let configure = move |request: &mut reqwest::blocking::Request| {
        *request.timeout_mut() = Some(timeout);
        if let Some(value) = &authorization {
            request.headers_mut().insert(reqwest::header::AUTHORIZATION, value.clone());
        }
        Ok(())
    };
    let backend = http_reqwest::Options { configure_request: Some(Box::new(configure)) };
    let options = http::Options { backend: Some(Arc::new(Mutex::new(backend))), ..http::Options::default() };
    let transport = http::connect::<http_reqwest::Remote>(url.clone(), Protocol::V2, false);
    Ok(Link {
        transport: Box::new(transport),
        options: Some(Box::new(options)),
        complaint: Complaint::default(),
    })
}

/// RFC 7617.
fn basic(credentials: &Credentials) -> Result<HeaderValue, BoxError> {
    let pair = format!("{}:{}", credentials.username, credentials.password);
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn over_tcp(url: &gix::Url, timeout: Duration, interrupt: &Interrupt) -> Result<Link, BoxError> {
    let host = url.host().ok_or("no host")?;
    let mut last: BoxError = format!("{host} has no address").into();
    for address in (host, url.port.unwrap_or(GIT_PORT)).to_socket_addrs()? {
        let stream = match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => stream,
            Err(error) => {
                last = error.into();
                continue;
            }
        };
        let (writer, cut) = (stream.try_clone()?, stream.try_clone()?);
        interrupt.on_fire(move || {
            let _ = cut.shutdown(Shutdown::Both);
        });
        let connection = Connection::new(
            stream,
            writer,
            Protocol::V2,
            url.path.clone(),
            Some((host.to_owned(), url.port)),
            ConnectMode::Daemon,
            false,
        );
        return Ok(Link { transport: Box::new(connection), options: None, complaint: Complaint::default() });
    }
    Err(last)
}

fn over_ssh(url: &gix::Url, options: &RemoteOptions, interrupt: &Interrupt) -> Result<Link, BoxError> {
    let mut child = ssh_command(url, &options.ssh, options.timeout)?.spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let complaint = Complaint::default();
    if let Some(stderr) = child.stderr.take() {
        let (reader, reading) = mpsc::channel();
        *complaint.reading.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        let complaint = complaint.clone();
        std::thread::Builder::new().name("git-ssh-stderr".into()).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                complaint.add(line.trim());
            }
            drop::<mpsc::Sender<()>>(reader);
        })?;
    }
    let child = Arc::new(Mutex::new(child));
    let to_kill = Arc::clone(&child);
    interrupt.on_fire(move || kill(&to_kill));
    let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
        return Err("the ssh program has no standard input or output".into());
    };
    let connection = Connection::new(
        FromChild { stdout, child },
        ToChild(stdin),
        Protocol::V2,
        url.path.clone(),
        None::<(String, Option<u16>)>,
        ConnectMode::Process,
        false,
    )
    .custom_url(Some(url.to_bstring()));
    Ok(Link { transport: Box::new(connection), options: None, complaint })
}

/// `ssh … -p PORT user@host "git-upload-pack 'path'"`, with no prompt that nobody could answer.
fn ssh_command(url: &gix::Url, ssh: &Ssh, timeout: Duration) -> Result<Command, BoxError> {
    let (program, first) = ssh.command.split_first().ok_or("the ssh command is empty")?;
    let mut command = Command::new(program);
    command.args(first);
    command.args(["-o", "BatchMode=yes", "-o", "SendEnv=GIT_PROTOCOL"]);
    command.arg("-o").arg(format!("ConnectTimeout={}", timeout.as_secs().max(1)));
    command
        .arg("-o")
        .arg(format!("StrictHostKeyChecking={}", if ssh.strict_host_keys { "yes" } else { "no" }));
    if let Some(file) = &ssh.identity_file {
        command.arg("-i").arg(file).args(["-o", "IdentitiesOnly=yes"]);
    }
    if let Some(file) = &ssh.known_hosts_file {
        command.arg("-o").arg(format!("UserKnownHostsFile={}", file.display()));
    }
    if let Some(port) = url.port {
        command.arg("-p").arg(port.to_string());
    }
    let host = url.host().ok_or("no host")?;
    command.arg(match url.user() {
        Some(user) => format!("{user}@{host}"),
        None => host.to_owned(),
    });
    let path = gix::url::expand_path::for_shell(url.path.clone());
    if path.starts_with(b"-") {
        return Err("the path starts with a hyphen".into());
    }
    let quoted = path.to_string().replace('\'', "'\\''");
    command.arg(format!("{} '{quoted}'", Service::UploadPack.as_str()));
    command.env("GIT_PROTOCOL", "version=2");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = child.kill();
    // Reaps it; it is dead, so this doesn't wait for anyone.
    let _ = child.wait();
}

/// The program's output; kills it when the fetch is over, however it ended.
struct FromChild {
    stdout: ChildStdout,
    child: Arc<Mutex<Child>>,
}

impl io::Read for FromChild {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(buffer)
    }
}

impl Drop for FromChild {
    fn drop(&mut self) {
        kill(&self.child);
    }
}

struct ToChild(ChildStdin);

impl io::Write for ToChild {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
