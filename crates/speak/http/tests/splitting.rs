//! However the network cuts the input, the result is the same.
#![allow(clippy::unwrap_used)]

use haechi_http::{
    BadBody, Body, HeadLimits, HeadSlots, RequestFraming, RequestHead, ResponseHead, ends_head, write_chunk,
    write_last_chunk,
};
use proptest::prelude::*;

/// Bytes that resemble requests, with what breaks parsers put in between.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"POST /a?b HTTP/1.0\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 204 \r\n",
        b"Host: a\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close, x\r\n",
        b"X: y\r\n",
        b"X:\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\0",
        b":",
        b"\xff",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

fn request(bytes: &[u8]) -> Result<Option<(String, usize)>, haechi_http::BadRequest> {
    let mut slots = HeadSlots::new();
    let head = RequestHead::parse(bytes, &mut slots, &HeadLimits::default())?;
    Ok(head.map(|head| (format!("{:?} {} {:?}", head.method, head.target.path(), head.framing), head.len)))
}

fn response(bytes: &[u8]) -> Result<Option<(String, usize)>, haechi_http::BadResponse> {
    let mut slots = HeadSlots::new();
    let head = ResponseHead::parse(bytes, &mut slots, &HeadLimits::default(), false)?;
    Ok(head.map(|head| (format!("{} {:?}", head.status, head.framing), head.len)))
}

/// Feeds a body in pieces. Returns its data, how many bytes belonged to it, and whether it ended.
fn read(mut body: Body, input: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, usize, bool), BadBody> {
    let (mut data, mut used, mut from) = (Vec::new(), 0, 0);
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(input.len());
    for end in ends {
        while from < end {
            let piece = body.read(&input[from..end])?;
            data.extend_from_slice(piece.data);
            from += piece.consumed;
            used += piece.consumed;
            if piece.done {
                return Ok((data, used, true));
            }
            assert!(piece.consumed > 0, "a piece makes progress");
        }
    }
    Ok((data, used, false))
}

proptest! {
    #[test]
    fn a_head_is_the_same_wherever_it_is_cut(bytes in nearly_a_head()) {
        let (whole_request, whole_response) = (request(&bytes), response(&bytes));
        for cut in 0..bytes.len() {
            // What is there so far either decides as the whole does, or asks for more.
            match request(&bytes[..cut]) {
                Ok(None) => {}
                early => prop_assert_eq!(&early, &whole_request),
            }
            match response(&bytes[..cut]) {
                Ok(None) => {}
                early => prop_assert_eq!(&early, &whole_response),
            }
        }
    }

    #[test]
    fn a_complete_head_is_never_missed(bytes in nearly_a_head()) {
        if let Ok(Some((_, len))) = request(&bytes) {
            let cuts_miss = (0..len).all(|cut| !ends_head(&bytes[..len], cut) && cut + 3 < len);
            prop_assert!(!cuts_miss);
            prop_assert!(ends_head(&bytes[..len], 0));
            prop_assert!(ends_head(&bytes[..len], len - 1));
        }
    }

    #[test]
    fn a_chunked_body_is_the_same_wherever_it_is_cut(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5),
        noise in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..3),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            write_chunk(&mut wire, chunk);
        }
        write_last_chunk(&mut wire, b"");
        wire.extend_from_slice(b"next");
        if noise.is_empty() {
            let body = Body::of_request(RequestFraming::Chunked, 100);
            prop_assert_eq!(read(body, &wire, &cuts), Ok((chunks.concat(), wire.len() - 4, true)));
        }
        for (at, byte) in noise {
            let at = at % wire.len();
            wire[at] = byte;
        }
        let whole = read(Body::of_request(RequestFraming::Chunked, 100), &wire, &[]);
        prop_assert_eq!(read(Body::of_request(RequestFraming::Chunked, 100), &wire, &cuts), whole);
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = request(&bytes);
        let _ = response(&bytes);
        let _ = read(Body::of_request(RequestFraming::Chunked, 50), &bytes, &[]);
    }
}

#[test]
fn broken_chunks_are_refused() {
    for (wire, why) in [
        ("\r\n", BadBody::ChunkSize),
        (" 1\r\n", BadBody::ChunkSize),
        ("1 \r\n", BadBody::ChunkSize),
        ("-1\r\n", BadBody::ChunkSize),
        ("+1\r\n", BadBody::ChunkSize),
        ("0x1\r\n", BadBody::ChunkSize),
        ("g\r\n", BadBody::ChunkSize),
        ("1\n", BadBody::ChunkSize),
        (";a\r\n", BadBody::ChunkSize),
        ("1000000000000000\r\n", BadBody::ChunkSize),
        ("ffffffffffffffff\r\n", BadBody::ChunkSize),
        ("00000000000000001\r\n", BadBody::ChunkSize),
        ("1\rx", BadBody::ChunkEnd),
        ("1\r\nxx", BadBody::ChunkEnd),
        ("1\r\nx\n", BadBody::ChunkEnd),
        ("1\r\nx\r\r", BadBody::ChunkEnd),
        ("0\r\n\rx", BadBody::ChunkEnd),
        ("1;a\nb", BadBody::ChunkExtension),
        ("1;\0", BadBody::ChunkExtension),
        ("0\r\n\n", BadBody::Trailer),
        ("0\r\nX\r\n", BadBody::Trailer),
        ("0\r\n: x\r\n", BadBody::Trailer),
        ("0\r\nX : y\r\n", BadBody::Trailer),
        ("0\r\nX: y\n", BadBody::Trailer),
        ("0\r\n folded: y\r\n", BadBody::Trailer),
        ("0\r\nContent-Length: 1\r\n", BadBody::Trailer),
        ("0\r\nTransfer_Encoding: chunked\r\n", BadBody::Trailer),
        ("0\r\nHost: a\r\n", BadBody::Trailer),
        ("0\r\nAuthorization: a\r\n", BadBody::Trailer),
    ] {
        let body = Body::of_request(RequestFraming::Chunked, 1000);
        assert_eq!(read(body, wire.as_bytes(), &[]), Err(why), "{wire:?}");
    }
    let long = format!("1;{}", "x".repeat(200));
    let body = Body::of_request(RequestFraming::Chunked, 100);
    assert_eq!(read(body, long.as_bytes(), &[]), Err(BadBody::ChunkExtras));
}
