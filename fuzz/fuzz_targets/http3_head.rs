//! A field section of HTTP/3 that is taken is one head of HTTP/1 that ends where it ends, and trailers that are taken mean
//! the same when they are written anew. Numbers and settings are read from any bytes.
#![no_main]

use haechi_http::h3::{
    BadHead, are_settings, number_length, read_number, read_request, read_trailers, write_number, write_trailers,
};
use haechi_http::{HeadLimits, HeadSlots, RequestHead, h2};
use libfuzzer_sys::fuzz_target;

/// Frames as a stream has them: each number that is there comes back, in no more bytes.
fn numbers(mut bytes: &[u8]) {
    while let Some((number, length)) = read_number(bytes) {
        assert_eq!(length, number_length(bytes[0]));
        let mut anew = Vec::new();
        write_number(&mut anew, number);
        assert!(anew.len() <= length);
        assert_eq!(read_number(&anew), Some((number, anew.len())));
        bytes = &bytes[length..];
    }
}

fuzz_target!(|bytes: &[u8]| {
    numbers(bytes);
    are_settings(bytes);
    let limits = HeadLimits::default();
    if let Ok(trailers) = read_trailers(bytes, limits.head_bytes) {
        let mut anew = Vec::new();
        write_trailers(&mut anew, &trailers);
        assert_eq!(read_trailers(&anew, limits.head_bytes), Ok(trailers));
    }
    let request = match read_request(bytes, &limits) {
        Ok(request) => request,
        Err(BadHead::Compression) => {
            // It is none for trailers either.
            assert!(read_trailers(bytes, limits.head_bytes).is_err());
            return;
        }
        Err(BadHead::Request(_)) => return,
    };
    for no_body in [false, true] {
        let mut head = Vec::new();
        if h2::write_request(&mut head, &request, no_body, None).is_err() {
            continue;
        }
        let text = &head[..];
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'\n' => assert_eq!(text[at - 1], b'\r'),
                b'\r' => assert_eq!(text[at + 1], b'\n'),
                0..=8 | 11..=31 | 127 => panic!("a control byte went through"),
                _ => {}
            }
        }
        // More bytes than on the wire, as names and values were referred to; refused where both versions forbid it.
        let limits = HeadLimits { head_bytes: 4 * limits.head_bytes, fields: 2 * limits.fields, ..limits };
        let mut slots = HeadSlots::new();
        if let Ok(parsed) = RequestHead::parse(&head, &mut slots, &limits) {
            let parsed = parsed.expect("a whole head");
            assert_eq!(parsed.len, head.len(), "something follows the head");
            assert_eq!(parsed.method, request.method().as_str());
        }
    }
});
