//! One keep-alive connection of a load generator: sends a request, reads the whole answer, says what it was.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room for an answer's head and for each read of a body.
const BUFFER: usize = 256 * 1024;
/// More header fields than any server measured here sends.
const MAX_FIELDS: usize = 48;

/// Why an exchange failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The connection could not be opened, or broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// The server closed before the answer was complete.
    #[error("closed before the answer was complete")]
    Closed,
    /// The bytes are no HTTP/1.1 answer.
    #[error("malformed answer: {0}")]
    Malformed(&'static str),
    /// A complete answer that isn't the one expected.
    #[error("wrong answer: {0}")]
    Wrong(String),
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Bytes of the body, without chunk framing.
    pub body_len: u64,
    /// Whether the server keeps the connection open.
    pub keep_alive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
}

/// A connection with its read buffer.
#[derive(Debug)]
pub struct Connection<S = TcpStream> {
    stream: S,
    buffer: Box<[u8]>,
    /// Unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl Connection {
    /// Connects.
    pub async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// The open socket alone, without the buffer.
    pub fn into_idle(self) -> TcpStream {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// One that is open already.
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }

    /// Sends `request` (complete, body included) and reads the answer; its body goes to `body` if given.
    pub async fn exchange(
        &mut self,
        request: &[u8],
        mut body: Option<&mut Vec<u8>>,
    ) -> Result<Answer, Failure> {
        self.stream.write_all(request).await?;
        let (mut answer, framing) = self.read_head().await?;
        answer.body_len = match framing {
            Framing::Length(length) => {
                self.read_exactly(length, body.as_deref_mut()).await?;
                length
            }
            Framing::Chunked => self.read_chunks(body).await?,
        };
        Ok(answer)
    }

    async fn read_head(&mut self) -> Result<(Answer, Framing), Failure> {
        loop {
            if let Some((answer, framing, head_len)) = parse_head(&self.buffer[self.start..self.end])? {
                self.start += head_len;
                return Ok((answer, framing));
            }
            self.fill().await?;
        }
    }

    /// Consumes `length` bytes.
    async fn read_exactly(&mut self, length: u64, mut body: Option<&mut Vec<u8>>) -> Result<(), Failure> {
        let mut missing = length;
        while missing > 0 {
            if self.start == self.end {
                self.fill().await?;
            }
            let taken = ((self.end - self.start) as u64).min(missing) as usize;
            if let Some(body) = body.as_deref_mut() {
                body.extend_from_slice(&self.buffer[self.start..self.start + taken]);
            }
            self.start += taken;
            missing -= taken as u64;
        }
        Ok(())
    }

    /// Consumes a chunked body (RFC 9112 section 7.1); trailers are skipped.
    async fn read_chunks(&mut self, mut body: Option<&mut Vec<u8>>) -> Result<u64, Failure> {
        let mut total = 0;
        loop {
            let size = self.read_line(parse_chunk_size).await?;
            if size == 0 {
                while self.read_line(|line| Some(!line.is_empty())).await? {}
                return Ok(total);
            }
            self.read_exactly(size, body.as_deref_mut()).await?;
            self.read_line(|line| line.is_empty().then_some(())).await?;
            total += size;
        }
    }

    async fn read_line<T>(&mut self, parse: impl Fn(&[u8]) -> Option<T>) -> Result<T, Failure> {
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(length) = unread.windows(2).position(|pair| pair == b"\r\n") {
                let parsed = parse(&unread[..length]).ok_or(Failure::Malformed("chunk framing"))?;
                self.start += length + 2;
                return Ok(parsed);
            }
            self.fill().await?;
        }
    }

    /// Reads more bytes behind the unread ones.
    async fn fill(&mut self) -> Result<(), Failure> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(Failure::Malformed("head or line longer than the buffer"));
        }
        match self.stream.read(&mut self.buffer[self.end..]).await? {
            0 => Err(Failure::Closed),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }
}

fn parse_chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()
}

/// The head at the start of `bytes` and its length; `None` when incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, Framing, usize)>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let head_len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Failure::Malformed("head")),
    };
    let status = head.code.unwrap_or_default();
    let mut framing = matches!(status, 100..200 | 204 | 304).then_some(Framing::Length(0));
    let mut keep_alive = head.version == Some(1);
    for field in head.headers.iter() {
        if field.name.eq_ignore_ascii_case("content-length") && framing.is_none() {
            let length = std::str::from_utf8(field.value).ok().and_then(|text| text.parse().ok());
            framing = Some(Framing::Length(length.ok_or(Failure::Malformed("Content-Length"))?));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") && framing.is_none() {
            framing = Some(Framing::Chunked);
        } else if field.name.eq_ignore_ascii_case("connection") {
            keep_alive = !field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let framing = framing.ok_or(Failure::Malformed("an answer without Content-Length or chunks"))?;
    Ok(Some((Answer { status, body_len: 0, keep_alive }, framing, head_len)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers whatever comes with `answer`, in pieces of `piece` bytes, then closes.
    async fn scripted(answer: &'static [u8], piece: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut request = [0; 64];
            let _ = stream.read(&mut request).await.unwrap();
            for part in answer.chunks(piece) {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    async fn exchange(answer: &'static [u8], piece: usize) -> Result<(Answer, Vec<u8>), Failure> {
        let mut connection = Connection::open(scripted(answer, piece).await).await.unwrap();
        let mut body = Vec::new();
        let answer = connection.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(&mut body)).await?;
        Ok((answer, body))
    }

    #[tokio::test]
    async fn an_answer_with_a_length_is_read_whole_in_any_pieces() {
        for piece in [1, 7, 1000] {
            let (answer, body) =
                exchange(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", piece).await.unwrap();
            assert_eq!(answer, Answer { status: 200, body_len: 5, keep_alive: true });
            assert_eq!(body, b"hello");
        }
    }

    #[tokio::test]
    async fn a_chunked_answer_is_read_without_its_framing() {
        let wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\na: b\r\n\r\n";
        for piece in [1, 1000] {
            let (answer, body) = exchange(wire, piece).await.unwrap();
            assert_eq!(answer, Answer { status: 200, body_len: 5, keep_alive: true });
            assert_eq!(body, b"hello");
        }
    }

    #[tokio::test]
    async fn a_truncated_answer_is_a_failure() {
        let cut = exchange(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", 1000).await;
        assert!(matches!(cut, Err(Failure::Closed | Failure::Io(_))), "{cut:?}");
    }

    #[tokio::test]
    async fn statuses_without_a_body_and_closing_are_seen() {
        let (answer, _) =
            exchange(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", 1000).await.unwrap();
        assert_eq!(answer, Answer { status: 204, body_len: 0, keep_alive: false });
    }
}
