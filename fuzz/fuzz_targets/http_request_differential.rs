//! Whatever our reader takes for a request, hyper takes for the same one, or refuses.
//!
//! Where the two may differ:
//! - hyper refuses more targets: `http::Uri` has its own ideas of a query's bytes (`"`, `<`, `>`).
//! - hyper reads trailers where we drop them, and refuses some that we check and drop.
//! - hyper may go on after a message on which we close: what follows is not compared.
#![no_main]

#[path = "../side/wire.rs"]
mod wire;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use haechi_http::{HeadLimits, HeadSlots, RequestHead};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use libfuzzer_sys::fuzz_target;
use wire::{Body, Message, Wire};

/// As the gateway's default.
const EXTRAS: usize = 16 << 10;

/// The requests that we take, to the first that is refused, cut, or the last of its connection.
fn ours(bytes: &[u8], step: usize) -> Vec<Message> {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        let mut slots = HeadSlots::new();
        let Ok(Some(head)) = RequestHead::parse(&bytes[at..], &mut slots, &HeadLimits::default()) else {
            return all;
        };
        at += head.len;
        let (body, used) =
            wire::our_body(haechi_http::Body::of_request(head.framing, EXTRAS), &bytes[at..], step);
        at += used;
        let fields = head.fields().iter().map(|field| (field.name.to_owned(), field.value.to_vec()));
        let whole = matches!(body, Body::Whole(_));
        all.push(Message {
            start: format!("{} {} {:?}", head.method, head.target.path_and_query, head.version),
            fields: wire::sorted(fields),
            body,
        });
        if !whole || !head.keep_alive {
            return all;
        }
    }
}

/// The requests that hyper takes, and whether it complained in the end.
fn theirs(bytes: &[u8], step: usize) -> (Vec<Message>, Option<hyper::Error>) {
    let seen: Arc<Mutex<Vec<Message>>> = Arc::default();
    let log = seen.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let target = head.uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
            let version = if head.version == hyper::Version::HTTP_11 { "Http11" } else { "Http10" };
            let body = match body.collect().await {
                Ok(body) => Body::Whole(body.to_bytes().to_vec()),
                Err(error) => wire::why(&error),
            };
            log.lock().unwrap().push(Message {
                start: format!("{} {target} {version}", head.method),
                fields: wire::of_hyper(&head.headers),
                body,
            });
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let io = Wire { bytes: bytes.to_vec(), at: 0, step, waits: false };
    let connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let served = wire::drive(connection).expect("hyper ends when its bytes do");
    let seen = seen.lock().unwrap().clone();
    (seen, served.err())
}

/// A comparison that sees nothing finds nothing.
fn check_both() {
    let good = b"POST /a?b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (theirs, complaint) = theirs(good, 7);
    assert!(theirs.len() == 2 && complaint.is_none(), "{theirs:?}, {complaint:?}");
    assert_eq!(ours(good, 3), theirs);
}

fuzz_target!(init: check_both(), |bytes: &[u8]| {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let step = if *step < 128 { usize::MAX >> 1 } else { usize::from(*step - 127) };
    let ours = ours(bytes, step);
    if ours.is_empty() {
        return;
    }
    let (theirs, complaint) = theirs(bytes, step);
    for (at, mine) in ours.iter().enumerate() {
        let Some(other) = theirs.get(at) else {
            assert!(complaint.is_some(), "hyper does not see {mine:?}");
            return;
        };
        if mine.body == Body::Refused || other.body == Body::Refused {
            return;
        }
        assert_eq!(mine, other);
    }
});
