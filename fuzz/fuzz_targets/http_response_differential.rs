//! Whatever our reader takes for an answer, hyper takes for the same one, or refuses.
//!
//! Where the two may differ:
//! - hyper drops trailers only where they are not asked for, and refuses some that we check and drop.
//! - hyper hands a 101 out as an upgrade: its head is compared, what follows is not.
#![no_main]

#[path = "../side/wire.rs"]
mod wire;

use haechi_http::{HeadLimits, HeadSlots, ResponseHead};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::{Body, Message, Wire};

/// As the gateway's.
const EXTRAS: usize = 64 << 10;

/// The final answer that we take.
fn ours(bytes: &[u8], step: usize, to_head: bool) -> Option<Message> {
    let mut at = 0;
    loop {
        let mut slots = HeadSlots::new();
        let limits = HeadLimits { fields: 128, ..HeadLimits::default() };
        let head = ResponseHead::parse(&bytes[at..], &mut slots, &limits, to_head).ok()??;
        at += head.len;
        if head.is_interim() {
            continue;
        }
        let fields = head.fields().iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
        let (body, _) =
            wire::our_body(haechi_http::Body::of_response(head.framing, EXTRAS), &bytes[at..], step);
        return Some(Message { start: head.status.to_string(), fields: wire::sorted(fields), body });
    }
}

/// The answer that hyper takes, or its complaint.
fn theirs(bytes: &[u8], step: usize, to_head: bool) -> Result<Message, hyper::Error> {
    let io = Wire { bytes: bytes.to_vec(), at: 0, step, waits: true };
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
        let method = if to_head { "HEAD" } else { "GET" };
        let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
        let answer = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = match body.collect().await {
                Ok(body) => Body::Whole(body.to_bytes().to_vec()),
                Err(error) => wire::why(&error),
            };
            let fields = wire::of_hyper(&head.headers);
            Ok(Message { start: head.status.as_str().to_owned(), fields, body })
        };
        both(answer, connection).await
    };
    wire::drive(exchange).expect("hyper ends when its bytes do")
}

/// Drives the connection for as long as the answer takes.
async fn both<T>(answer: impl Future<Output = T>, connection: impl Future) -> T {
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    let mut ended = false;
    std::future::poll_fn(|cx| {
        if !ended {
            ended = connection.as_mut().poll(cx).is_ready();
        }
        answer.as_mut().poll(cx)
    })
    .await
}

/// A comparison that sees nothing finds nothing.
fn check_both() {
    let good = b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let theirs = theirs(good, 7, false).expect("an answer");
    assert_eq!(theirs.body, Body::Whole(b"hello".to_vec()));
    assert_eq!(ours(good, 3, false), Some(theirs));
}

fuzz_target!(init: check_both(), |bytes: &[u8]| {
    let [flags, step, bytes @ ..] = bytes else { return };
    let step = if *step < 128 { usize::MAX >> 1 } else { usize::from(*step - 127) };
    let to_head = flags & 1 == 1;
    let Some(mine) = ours(bytes, step, to_head) else { return };
    match theirs(bytes, step, to_head) {
        Ok(other) if mine.body != Body::Refused && other.body != Body::Refused && mine.start != "101" => {
            assert_eq!(mine, other);
        }
        Ok(other) => assert_eq!((mine.start, mine.fields), (other.start, other.fields)),
        // It refuses. That it waits for more would be a difference.
        Err(error) => assert!(!error.is_incomplete_message() || mine.body == Body::Cut, "{mine:?}: {error:?}"),
    }
});
