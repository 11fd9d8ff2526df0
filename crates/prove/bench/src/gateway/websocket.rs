//! WebSocket messages: each connection is upgraded once and then sends one message after the other, which the
//! service sends back as it came. Gateways look at no frame, so the client's mask is left on the way back.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use haechi_core::{Clock, SystemClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::measure::Sample;
use super::{Options, Subject};
use crate::error::Error;
use crate::load::connection::{Answer, Failure};
use crate::load::tally::Tally;
use crate::machine::usage::cpu_of_tree;

/// A client's text frame of 125 bytes (RFC 6455 §5.2): final, masked, with a mask of zeros.
fn frame() -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 0x7d, 0, 0, 0, 0];
    frame.extend([b'x'; 125]);
    frame
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: bench.local\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Opens a connection and upgrades it.
async fn upgraded(address: SocketAddr) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(UPGRADE).await?;
    let mut head = Vec::new();
    // Byte by byte, so that nothing behind the head is taken.
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if head.starts_with(b"HTTP/1.1 101 ") {
        return Ok(stream);
    }
    Err(Failure::Wrong(String::from_utf8_lossy(&head).into_owned()))
}

async fn exchange(stream: &mut TcpStream, frame: &[u8], back: &mut [u8]) -> Result<Answer, Failure> {
    stream.write_all(frame).await?;
    stream.read_exact(back).await?;
    if back == frame {
        return Ok(Answer { status: 101, body_len: frame.len() as u64, keep_alive: true });
    }
    Err(Failure::Wrong("another message".to_owned()))
}

/// Measures `subject` once.
pub async fn one(options: &Options, subject: &Subject) -> Result<Sample, Error> {
    let clock: Arc<dyn Clock> = SystemClock::start();
    let (tally, over) = (Rc::new(RefCell::new(Tally::default())), Rc::new(Cell::new(false)));
    let mut tasks = Vec::new();
    for _ in 0..options.connections {
        let mut stream = upgraded(subject.running.address).await.map_err(|source| Error::Check {
            subject: subject.name(),
            what: "an upgrade to WebSocket".to_owned(),
            source,
        })?;
        let (tally, over, clock) = (tally.clone(), over.clone(), clock.clone());
        tasks.push(tokio::task::spawn_local(async move {
            let frame = frame();
            let mut back = vec![0; frame.len()];
            while !over.get() {
                let sent = clock.now();
                let outcome = exchange(&mut stream, &frame, &mut back).await;
                let failed = outcome.is_err();
                tally.borrow_mut().record(&outcome, clock.now().since(sent));
                if failed {
                    return;
                }
            }
        }));
    }
    let pid = subject.running.child.pid();
    tokio::time::sleep(options.warm_up()).await;
    tally.take();
    let (before, started) = (cpu_of_tree(pid), clock.now());
    tokio::time::sleep(options.duration()).await;
    let (after, seconds) = (cpu_of_tree(pid), clock.now().since(started).as_secs_f64());
    let tally = tally.take();
    over.set(true);
    for task in tasks {
        assert!(task.await.is_ok(), "a connection of the load generator panicked");
    }
    let millis = |quantile| tally.latency.quantile(quantile).as_secs_f64() * 1e3;
    Ok(Sample {
        requests: tally.answered,
        failed: tally.failed,
        failures: tally.failures(),
        seconds,
        cpu: after - before,
        p50_ms: millis(0.5),
        p99_ms: millis(0.99),
    })
}
