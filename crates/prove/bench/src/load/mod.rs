//! Load generators on one thread: closed loop (as fast as answers come) and open loop (at a given rate, with
//! latency from the intended send time, so that a stall of the server is not hidden by the client's own wait).

pub mod closed;
pub mod connection;
pub mod histogram;
pub mod http2;
pub mod open;
pub mod tally;

use connection::{Answer, Failure};

/// What to send and what must come back.
pub trait Workload {
    /// The request numbered `number`, counted from 0 over all connections; `scratch` is room to write it.
    fn request<'a>(&'a self, number: u64, scratch: &'a mut Vec<u8>) -> &'a [u8];

    /// Whether `answer` is right.
    fn check(&self, answer: &Answer) -> Result<(), Failure>;
}

/// One request, again and again.
#[derive(Debug)]
pub struct Fixed {
    request: Vec<u8>,
    length: Option<u64>,
}

impl Fixed {
    /// A GET of `path` whose answers must be 200 and, when `length` is given, exactly that long.
    pub fn new(host: &str, path: &str, length: Option<u64>) -> Self {
        Self::with(host, path, "Accept: */*\r\n", length)
    }

    /// A GET with further header fields, each ended by CR LF.
    pub fn with(host: &str, path: &str, fields: &str, length: Option<u64>) -> Self {
        // What curl sends and no more: an ordinary, small head.
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haechi-bench\r\n{fields}\r\n");
        Self { request: request.into_bytes(), length }
    }

    /// A POST of a body of so many bytes.
    pub fn upload(host: &str, path: &str, body: usize, length: Option<u64>) -> Self {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: haechi-bench\r\nContent-Length: {body}\r\n\r\n"
        );
        let mut request = head.into_bytes();
        request.resize(request.len() + body, b'x');
        Self { request, length }
    }
}

impl Workload for Fixed {
    fn request<'a>(&'a self, _: u64, _: &'a mut Vec<u8>) -> &'a [u8] {
        &self.request
    }

    fn check(&self, answer: &Answer) -> Result<(), Failure> {
        if answer.status != 200 {
            return Err(Failure::Wrong(format!("status {}", answer.status)));
        }
        match self.length {
            Some(length) if length != answer.body_len => {
                Err(Failure::Wrong(format!("{} bytes, not {length}", answer.body_len)))
            }
            _ => Ok(()),
        }
    }
}
