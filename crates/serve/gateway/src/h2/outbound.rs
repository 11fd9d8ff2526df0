//! A stream to a service, as a connection that carries one request and its answer.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use h2::Reason;
use h2::client::ResponseFuture;
use h2::ext::Protocol;
use haechi_http::{
    Body, HeadLimits, HeadSlots, MAX_WRITTEN_FIELDS, RequestFraming, RequestHead, h2 as heads,
};
use http::Response;

use super::body::{Form, Incoming, Out, Outgoing};
use super::broken;
use super::pool::Link;
use super::websocket::accept;

/// Bounds on a request's head, which the gateway wrote itself: a client's and what filters add.
const REQUEST_LIMITS: HeadLimits =
    HeadLimits { head_bytes: 2 << 20, fields: MAX_WRITTEN_FIELDS, target_bytes: 2 << 20 };

/// Room for the head of most answers.
const HEAD_ROOM: usize = 512;

/// A stream to a service.
#[derive(Debug)]
pub(crate) struct Outbound {
    request: Sending,
    answer: Receiving,
    /// A head of the answer as HTTP/1.1, and how much of it was read. Before what `answer` holds.
    head: Vec<u8>,
    head_at: usize,
    to_head: bool,
    /// What the client asked to switch to, and what the service must say to its key.
    switch: Option<(Protocol, String)>,
    /// Whether the service said that it did not begin to process the request (RFC 9113 §8.7).
    unprocessed: bool,
    link: Rc<Link>,
}

#[derive(Debug)]
enum Sending {
    Head,
    Body(Outgoing),
    Tunnel(Out),
    Ended,
    /// The request can't be sent.
    Failed,
    /// The same, and neither the service nor its connection is to blame.
    Unsaid,
}

#[derive(Debug)]
enum Receiving {
    /// Nothing was asked yet.
    Nothing,
    Head(ResponseFuture),
    Body(Incoming),
}

impl Outbound {
    pub fn new(link: Rc<Link>) -> Self {
        link.opened();
        Self {
            request: Sending::Head,
            answer: Receiving::Nothing,
            head: Vec::new(),
            head_at: 0,
            to_head: false,
            switch: None,
            unprocessed: false,
            link,
        }
    }

    /// Whether the service did not begin to process the request, so that any method may be sent again.
    pub const fn is_unprocessed(&self) -> bool {
        self.unprocessed
    }

    /// Whether it is the request that can't be told over HTTP/2, or not to this service.
    pub const fn is_unsaid(&self) -> bool {
        matches!(self.request, Sending::Unsaid)
    }

    /// Lets no other request use this stream's connection.
    pub fn retire(&self) {
        self.link.retire();
    }

    /// Sends what the service takes of a request in HTTP/1.1's form. Its head comes whole.
    pub fn poll_send(&mut self, mut cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut used = 0;
        while used < data.len() {
            let rest = &data[used..];
            let sent = match &mut self.request {
                Sending::Head => match self.send_head(cx.as_deref_mut(), rest) {
                    Poll::Ready(Err(error)) => {
                        let unsaid = error.kind() == io::ErrorKind::Unsupported;
                        self.request = if unsaid { Sending::Unsaid } else { Sending::Failed };
                        Poll::Ready(Err(error))
                    }
                    sent => sent,
                },
                Sending::Body(body) => {
                    let sent = body.write(cx.as_deref_mut(), rest);
                    if body.ended {
                        self.request = Sending::Ended;
                    }
                    sent
                }
                Sending::Tunnel(out) => out.write_raw(cx.as_deref_mut(), rest),
                Sending::Ended | Sending::Failed | Sending::Unsaid => {
                    Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
                }
            };
            match sent {
                Poll::Ready(count) => used += count?,
                Poll::Pending if used > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(used))
    }

    fn send_head(&mut self, cx: Option<&mut Context<'_>>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut slots = HeadSlots::new();
        let head = RequestHead::parse(data, &mut slots, &REQUEST_LIMITS).map_err(unsaid)?;
        let head = head.ok_or(io::ErrorKind::InvalidData)?;
        let Some(cx) = cx else { return Poll::Pending };
        let mut send = self.link.send.clone();
        ready!(send.poll_ready(cx)).map_err(broken)?;
        let mut request = heads::request(&head, self.link.https).map_err(unsaid)?;
        self.to_head = head.method == "HEAD";
        if let Some(protocol) = head.upgrade {
            if !ready!(self.link.poll_takes_connect(cx)) {
                return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
            }
            let protocol = std::str::from_utf8(protocol).map_err(unsaid)?;
            let key = head.fields().iter().find(|field| field.name.eq_ignore_ascii_case("sec-websocket-key"));
            let protocol = Protocol::from(protocol.to_ascii_lowercase().as_str());
            request.extensions_mut().insert(protocol.clone());
            self.switch = Some((protocol, accept(key.map_or(&[], |field| field.value))));
        }
        let ended =
            self.switch.is_none() && matches!(head.framing, RequestFraming::None | RequestFraming::Length(0));
        let (response, stream) = send.send_request(request, ended).map_err(broken)?;
        self.answer = Receiving::Head(response);
        self.request = if self.switch.is_some() {
            Sending::Tunnel(Out::to_service(stream))
        } else if ended {
            Sending::Ended
        } else {
            let body = Body::of_request(head.framing, REQUEST_LIMITS.head_bytes);
            Sending::Body(Outgoing::behind_head(Out::to_service(stream), body))
        };
        Poll::Ready(Ok(head.len))
    }

    /// Reads the answer as HTTP/1.1.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, area: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let filled = self.read_head(area);
            // The area is full, or another head follows an interim one.
            if filled > 0 && (filled == area.len() || matches!(self.answer, Receiving::Head(_))) {
                return Poll::Ready(Ok(filled));
            }
            match &mut self.answer {
                Receiving::Nothing if matches!(self.request, Sending::Failed | Sending::Unsaid) => {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                }
                Receiving::Nothing => return Poll::Pending,
                Receiving::Head(response) => {
                    // Interim heads come before the final one, and are there by then.
                    if let Poll::Ready(Some(Ok(interim))) = response.poll_informational(cx) {
                        (self.head, self.head_at) = (self.interim(&interim)?, 0);
                        continue;
                    }
                    match ready!(std::pin::Pin::new(response).poll(cx)) {
                        Ok(response) => {
                            let (head, body) = self.head(response)?;
                            (self.head, self.head_at, self.answer) = (head, 0, Receiving::Body(body));
                        }
                        Err(error) => return Poll::Ready(Err(self.failed(error))),
                    }
                }
                Receiving::Body(body) => {
                    return match body.poll_fill(cx, &mut area[filled..]) {
                        Poll::Ready(Ok(count)) => Poll::Ready(Ok(filled + count)),
                        _ if filled > 0 => Poll::Ready(Ok(filled)),
                        other => other,
                    };
                }
            }
        }
    }

    /// Copies what is left of a head. Returns how much that was.
    fn read_head(&mut self, area: &mut [u8]) -> usize {
        let left = &self.head[self.head_at..];
        let take = left.len().min(area.len());
        area[..take].copy_from_slice(&left[..take]);
        self.head_at += take;
        take
    }

    fn interim(&self, response: &Response<()>) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(HEAD_ROOM);
        heads::write_response(&mut head, response, false, self.to_head).map_err(io::Error::other)?;
        Ok(head)
    }

    fn head(&self, response: Response<h2::RecvStream>) -> io::Result<(Vec<u8>, Incoming)> {
        let mut head = Vec::with_capacity(HEAD_ROOM);
        let ended = response.body().is_end_stream();
        let form = match &self.switch {
            Some((protocol, accept)) if response.status().is_success() => {
                heads::write_switch(&mut head, &response, protocol.as_str(), accept);
                Form::Plain
            }
            _ => {
                let chunked = heads::write_response(&mut head, &response, ended, self.to_head);
                if chunked.map_err(io::Error::other)? { Form::Chunked } else { Form::Plain }
            }
        };
        Ok((head, Incoming::new(response.into_body(), form, ended)))
    }

    fn failed(&mut self, error: h2::Error) -> io::Error {
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        self.unprocessed = error.is_remote() && (refused || error.is_go_away());
        broken(error)
    }

    /// Says that nothing more is sent.
    pub fn shutdown(&mut self) {
        if let Sending::Tunnel(out) = &mut self.request {
            out.end();
            self.request = Sending::Ended;
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        // What is left unsent or unread is cancelled by the frame layer.
        if let Sending::Body(Outgoing { out, .. }) | Sending::Tunnel(out) = &mut self.request {
            out.reset(Reason::CANCEL);
        }
        self.link.closed();
    }
}

/// The request has no form in HTTP/2.
fn unsaid(why: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}
