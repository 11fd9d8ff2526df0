//! An answer's head that is taken, written anew, is one unambiguous head with the same meaning.
#![no_main]

use haechi_http::{HeadLimits, HeadSlots, ResponseFraming, ResponseHead};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((flags, bytes)) = bytes.split_first() else { return };
    let to_head = flags & 1 == 1;
    let limits = HeadLimits::default();
    let mut slots = HeadSlots::new();
    let Ok(Some(head)) = ResponseHead::parse(bytes, &mut slots, &limits, to_head) else { return };
    assert!((100..=599).contains(&head.status));
    assert!(bytes[..head.len].ends_with(b"\r\n\r\n"));
    let mut anew = format!("HTTP/1.1 {} {}\r\n", head.status, head.reason).into_bytes();
    head.copy_fields(&mut anew, |field, known| !known.is_hop_by_hop() && !head.nominated.has(field.name));
    if head.framing == ResponseFraming::Chunked {
        anew.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    anew.extend_from_slice(b"\r\n");
    let limits = HeadLimits { head_bytes: limits.head_bytes + 1024, fields: 128, ..limits };
    let mut slots = HeadSlots::new();
    let again =
        ResponseHead::parse(&anew, &mut slots, &limits, to_head).expect("taken again").expect("complete");
    assert_eq!(again.len, anew.len());
    assert_eq!((again.status, again.framing), (head.status, head.framing));
});
