//! A request's head that is taken, written anew, is one unambiguous head with the same meaning.
#![no_main]

use haechi_http::{HeadLimits, HeadSlots, RequestFraming, RequestHead};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits::default();
    let mut slots = HeadSlots::new();
    let Ok(Some(head)) = RequestHead::parse(bytes, &mut slots, &limits) else { return };
    assert!(head.len <= bytes.len());
    assert!(bytes[..head.len].ends_with(b"\r\n\r\n"));
    let mut anew = format!("{} {} HTTP/1.1\r\n", head.method, head.target.path_and_query).into_bytes();
    if let Some(authority) = head.authority {
        anew.extend_from_slice(format!("Host: {}\r\n", authority.text).as_bytes());
    } else {
        anew.extend_from_slice(b"Host: none\r\n");
    }
    head.copy_fields(&mut anew, |field, known| {
        known != haechi_http::Known::Host && !known.is_hop_by_hop() && !head.nominated.has(field.name)
    });
    if head.framing == RequestFraming::Chunked {
        anew.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    anew.extend_from_slice(b"\r\n");
    // Naked lines and control bytes would be read differently elsewhere.
    let text = &anew[..];
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(text[at - 1], b'\r'),
            b'\r' => assert_eq!(text[at + 1], b'\n'),
            0..=8 | 11..=31 | 127 => panic!("a control byte went through"),
            _ => {}
        }
    }
    let limits = HeadLimits { head_bytes: limits.head_bytes + 1024, fields: 128, ..limits };
    let mut slots = HeadSlots::new();
    let again = RequestHead::parse(&anew, &mut slots, &limits).expect("taken again").expect("complete");
    assert_eq!(again.len, anew.len());
    assert_eq!(again.framing, head.framing);
    assert_eq!(again.method, head.method);
    assert_eq!(again.target.path_and_query, head.target.path_and_query);
});
