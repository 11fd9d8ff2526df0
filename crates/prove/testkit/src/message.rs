//! Messages as a plain, unforgiving reader sees them.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request or response: its start line, fields and decoded body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// First line, without CRLF.
    pub start: String,
    /// Names as sent, and values.
    pub fields: Vec<(String, String)>,
    /// Decoded.
    pub body: Vec<u8>,
}

impl Message {
    /// The only value of a field; panics when there are two.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice in {self:?}");
        value
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a stream message by message. Keeps what was read beyond the last one.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Everything that ever came.
    pub seen: Vec<u8>,
}

impl Reader {
    async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut chunk = vec![0; 16 << 10];
        match stream.read(&mut chunk).await {
            Ok(count) if count > 0 => {
                self.buffer.extend_from_slice(&chunk[..count]);
                self.seen.extend_from_slice(&chunk[..count]);
                true
            }
            _ => false,
        }
    }

    /// The next head, body not yet read.
    pub async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Message> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(parse_head(&head));
            }
            if !self.more(stream).await {
                return None;
            }
        }
    }

    /// The body that belongs to a head. Nothing when the stream ended before the body did.
    pub async fn body(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        head: &Message,
        until_close: bool,
    ) -> Option<Vec<u8>> {
        if head.field("transfer-encoding").is_some() {
            return self.chunks(stream).await;
        }
        if let Some(length) = head.field("content-length") {
            return self.exactly(stream, length.parse().unwrap()).await;
        }
        if until_close {
            while self.more(stream).await {}
            return Some(std::mem::take(&mut self.buffer));
        }
        Some(Vec::new())
    }

    async fn exactly(&mut self, stream: &mut (impl AsyncRead + Unpin), count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !self.more(stream).await {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    async fn chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                    break self.buffer.drain(..end + 2).collect::<Vec<u8>>();
                }
                if !self.more(stream).await {
                    return None;
                }
            };
            let size =
                usize::from_str_radix(std::str::from_utf8(&line[..line.len() - 2]).unwrap(), 16).unwrap();
            let chunk = self.exactly(stream, size + 2).await?;
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends with CRLF");
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return Some(body);
            }
        }
    }
}

fn parse_head(head: &[u8]) -> Message {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let start = lines.next().unwrap_or_default().to_owned();
    let fields = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        })
        .collect();
    Message { start, fields, body: Vec::new() }
}
