//! What an operator hears of: panics are counted, and what peers send wrongly does not fill the log.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Stdio;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use common::{Up, folder, gateway, get, write};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// PING with and without ACK (RFC 9113 §6.7).
const ANSWER: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0nobody's";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0the last";

#[tokio::test]
async fn frames_that_nobody_asked_for_leave_no_line_in_the_log() {
    let folder = folder();
    let routes = "    - { name: all, match: { path: /** }, respond: { status: 200 } }\n";
    let file = write(&folder, &gateway(routes, "  {}\n"));
    let mut up = Up::start_with(&file, Stdio::piped()).await;
    let mut stderr = up.child.stderr.take().unwrap();
    let web = up.address("gateway web").replace("http://", "");
    let mut client = TcpStream::connect(web).await.unwrap();
    client.write_all(&[PREFACE, ANSWER, PING].concat()).await.unwrap();
    let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
    // Its own PING is answered behind what was wrong.
    while !heard.windows(8).any(|window| window == b"the last") {
        let count = client.read(&mut buffer).await.unwrap();
        assert!(count > 0, "{heard:?}");
        heard.extend_from_slice(&buffer[..count]);
    }
    let (status, metrics) = get(&format!("{}/metrics", up.address("admin"))).await;
    assert_eq!(status, 200);
    assert!(metrics.ends_with("\nhaechi_panics_total 0\n"), "{metrics}");

    up.signal(Signal::TERM);
    let mut said = String::new();
    stderr.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "");
}
