//! A process of instances. Each has a socket of its own that listens, at an address of its own: all of 127/8 is this
//! machine.
//!
//! A restart begins as a request arrives on a connection that carried others before: that is the moment at which a
//! client of the instance can't know. All connections end then, the socket with them, and the port refuses for a while.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::fleet::{Line, Order, Seen, Told};
use super::requests::{body_of, is_post, number_of};
use crate::error::Error;
use crate::machine::limits::raise_open_files;

/// How long an instance waits for a request before it restarts without one.
const PATIENCE: Duration = Duration::from_secs(15);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// Bytes of a head that is read in part.
const HALF: usize = 20;
/// Longer requests end their connection; none is sent.
const MAX_REQUEST: usize = 4096;
/// Hosts in one of the networks that the addresses are taken from.
const HOSTS: usize = 250;

/// Options of the process.
#[derive(Debug, Args)]
pub struct InstanceOptions {
    /// Where to report.
    #[arg(long)]
    control: SocketAddr,
    /// Of this process: its instances have addresses that no other's have.
    #[arg(long)]
    number: u8,
    #[arg(long)]
    instances: usize,
    #[arg(long)]
    at_once: usize,
    #[arg(long)]
    away_ms: u64,
}

/// When a restart closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// A request arrived, and nothing of it was read.
    Crossing,
    /// Some bytes of it were read.
    HalfHead,
    /// It was read, and is not answered.
    Unanswered,
    /// It was just answered, with no word of closing.
    Answered,
    /// No request came.
    Idle,
}

const MOMENTS: [Moment; 4] = [Moment::Crossing, Moment::HalfHead, Moment::Unanswered, Moment::Answered];

struct Instance {
    address: SocketAddr,
    /// When to restart, once that was decided.
    moment: Cell<Option<Moment>>,
    /// Whether connections end with a reset.
    reset: Cell<bool>,
    /// Told that the moment has come.
    falls: Notify,
    /// Told that it listens again.
    back: Notify,
    log: Rc<Log>,
}

/// What all instances saw.
#[derive(Default)]
struct Log {
    posts: RefCell<BTreeMap<u64, u32>>,
    moments: RefCell<BTreeMap<Moment, u64>>,
    connections: Cell<u64>,
}

impl Log {
    /// Bytes of a request arrived: it may have been processed.
    fn arrived(&self, number: u64) {
        if is_post(number) {
            *self.posts.borrow_mut().entry(number).or_default() += 1;
        }
    }

    fn seen(&self) -> Seen {
        let moments = self.moments.borrow();
        Seen {
            restarts: moments.values().sum(),
            moments: moments.iter().map(|(moment, count)| (format!("{moment:?}"), *count)).collect(),
            posts: self.posts.borrow().iter().map(|(number, times)| (*number, *times)).collect(),
            connections: self.connections.get(),
        }
    }
}

/// Runs the instances until the other end of the line is gone.
pub async fn serve(options: InstanceOptions) -> Result<(), Error> {
    raise_open_files(options.instances as u64 * 4 + 1024);
    let log: Rc<Log> = Rc::default();
    let mut instances = Vec::new();
    for index in 0..options.instances {
        let ip = Ipv4Addr::new(127, 10 + options.number, (index / HOSTS) as u8, (index % HOSTS) as u8 + 1);
        let listener = listen(SocketAddr::from((ip, 0)))?;
        let instance = Rc::new(Instance {
            address: listener.local_addr()?,
            moment: Cell::new(None),
            reset: Cell::new(index % 2 == 0),
            falls: Notify::new(),
            back: Notify::new(),
            log: log.clone(),
        });
        let away = Duration::from_millis(1 + index as u64 % options.away_ms.max(1));
        tokio::task::spawn_local(run(instance.clone(), listener, away));
        instances.push(instance);
    }
    let mut line = Line::new(TcpStream::connect(options.control).await?);
    line.say(&Told::Listening(instances.iter().map(|instance| instance.address).collect())).await?;
    while let Ok(order) = line.hear().await {
        match order {
            Order::Restart => {
                restart_all(&instances, options.at_once).await;
                line.say(&Told::Restarted).await?;
            }
            Order::Report => line.say(&Told::Saw(log.seen())).await?,
        }
    }
    Ok(())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// One after the other, in so many rows.
async fn restart_all(instances: &[Rc<Instance>], at_once: usize) {
    let mut rows = JoinSet::new();
    for row in 0..at_once {
        let own: Vec<_> = instances.iter().skip(row).step_by(at_once).cloned().collect();
        rows.spawn_local(async move {
            for (index, instance) in own.iter().enumerate() {
                instance.restart(MOMENTS[(row + index) % MOMENTS.len()]).await;
            }
        });
    }
    while rows.join_next().await.is_some() {}
}

impl Instance {
    async fn restart(&self, moment: Moment) {
        self.moment.set(Some(moment));
        if tokio::time::timeout(PATIENCE, self.back.notified()).await.is_err() {
            self.fall(Moment::Idle);
            self.back.notified().await;
        }
    }

    /// The moment has come, unless another connection's came first.
    fn fall(&self, moment: Moment) {
        if self.moment.take().is_some() {
            *self.log.moments.borrow_mut().entry(moment).or_default() += 1;
            self.falls.notify_one();
        }
    }
}

/// One instance's lives.
async fn run(instance: Rc<Instance>, mut listener: TcpListener, away: Duration) {
    loop {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn_local(connection(stream, instance.clone()));
                    }
                }
                Some(_) = connections.join_next() => {}
                () = instance.falls.notified() => break,
            }
        }
        drop(listener);
        connections.shutdown().await;
        tokio::time::sleep(away).await;
        listener = loop {
            // The system may take a moment to let go of the port.
            match listen(instance.address) {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        instance.back.notify_one();
    }
}

/// Answers requests. Any error means that the gateway left.
async fn connection(stream: TcpStream, instance: Rc<Instance>) {
    instance.log.connections.set(instance.log.connections.get() + 1);
    let _ = stream.set_nodelay(true);
    let mut socket = Socket { stream, instance };
    let _ = socket.serve().await;
}

struct Socket {
    stream: TcpStream,
    instance: Rc<Instance>,
}

impl Socket {
    async fn serve(&mut self) -> std::io::Result<()> {
        let mut request = Vec::with_capacity(256);
        let mut first = [0; HALF];
        let mut answered = 0;
        loop {
            // What arrives is noted even when it is never read.
            let count = self.stream.peek(&mut first).await?;
            if count == 0 {
                return Ok(());
            }
            let known = number_of(&first[..count]);
            if let Some(number) = known {
                self.instance.log.arrived(number);
            }
            let moment = self.instance.moment.get().filter(|_| answered > 0);
            match moment {
                Some(Moment::Crossing) => return self.fall(Moment::Crossing).await,
                Some(Moment::HalfHead) => {
                    self.stream.read_exact(&mut first[..count]).await?;
                    return self.fall(Moment::HalfHead).await;
                }
                _ => {}
            }
            request.clear();
            while !is_whole(&request) {
                if request.len() > MAX_REQUEST || self.stream.read_buf(&mut request).await? == 0 {
                    return Ok(());
                }
            }
            let Some(number) = number_of(&request) else { return Ok(()) };
            if known.is_none() {
                self.instance.log.arrived(number);
            }
            if moment == Some(Moment::Unanswered) {
                return self.fall(Moment::Unanswered).await;
            }
            let length = body_of(number);
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{:x<length$}", "");
            self.stream.write_all(answer.as_bytes()).await?;
            answered += 1;
            if moment == Some(Moment::Answered) {
                return self.fall(Moment::Answered).await;
            }
        }
    }

    /// Waits to be closed with all others.
    async fn fall(&self, moment: Moment) -> std::io::Result<()> {
        self.instance.fall(moment);
        std::future::pending().await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.instance.reset.get() {
            let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
        }
    }
}

/// Whether a request is there with its body: three bytes of a POST.
fn is_whole(request: &[u8]) -> bool {
    let body = if request.starts_with(b"POST") { 3 } else { 0 };
    let end = request.windows(4).position(|four| four == b"\r\n\r\n");
    end.is_some_and(|end| request.len() >= end + 4 + body)
}
