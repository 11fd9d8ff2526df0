//! Frames and streams where they don't belong, or too many of them.

use haechi_testkit::h3::frame;

use crate::common::h3::{Saw, control, say};
use crate::{DATA, EXCESSIVE_LOAD, GET, HEADERS, MESSAGE_ERROR, POST, Setting, closed, head};

const UNKNOWN: u64 = 0x21;

const FRAME_UNEXPECTED: u64 = 0x105;
const FRAME_ERROR: u64 = 0x106;
const STREAM_CREATION_ERROR: u64 = 0x103;
const CLOSED_CRITICAL_STREAM: u64 = 0x104;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10a;
const REQUEST_INCOMPLETE: u64 = 0x10d;
const DECOMPRESSION_FAILED: u64 = 0x200;
const ENCODER_STREAM_ERROR: u64 = 0x201;

#[tokio::test]
async fn frames_out_of_place_end_the_connection() {
    let setting = Setting::new().await;
    let post = head(POST);
    let cases: Vec<(&str, Vec<u8>, Saw)> = vec![
        ("a body without a head", frame(DATA, b"x"), Saw::Closed(FRAME_UNEXPECTED)),
        ("settings", frame(4, b""), Saw::Closed(FRAME_UNEXPECTED)),
        ("a push", frame(5, b""), Saw::Closed(FRAME_UNEXPECTED)),
        ("a ping of HTTP/2", frame(6, b""), Saw::Closed(FRAME_UNEXPECTED)),
        ("a head that is cut", post[..9].to_vec(), Saw::Closed(FRAME_ERROR)),
        ("half a frame's length", [&post[..], &[0, 0x40]].concat(), Saw::Closed(FRAME_ERROR)),
        ("a section that is none", frame(HEADERS, b"\xff\xff"), Saw::Closed(DECOMPRESSION_FAILED)),
        ("a dynamic table", frame(HEADERS, b"\x02\x00\x80"), Saw::Closed(DECOMPRESSION_FAILED)),
        ("nothing", Vec::new(), Saw::Reset(REQUEST_INCOMPLETE)),
        ("an unknown frame alone", frame(UNKNOWN, b"x"), Saw::Reset(REQUEST_INCOMPLETE)),
        (
            "a body behind trailers",
            [&post[..], &frame(DATA, b"x"), &head(&[("x", "y")]), &frame(DATA, b"z")].concat(),
            Saw::Closed(FRAME_UNEXPECTED),
        ),
        (
            "trailers twice",
            [&post[..], &head(&[("x", "y")]), &head(&[("x", "y")])].concat(),
            Saw::Closed(FRAME_UNEXPECTED),
        ),
        (
            "trailers with a pseudo field",
            [&post[..], &frame(DATA, b"x"), &head(&[(":path", "/")])].concat(),
            Saw::Reset(MESSAGE_ERROR),
        ),
    ];
    for (what, bytes, expected) in cases {
        let connection = setting.connect().await;
        assert_eq!(say(&connection, &bytes).await, expected, "{what}");
    }
    setting.serves().await;
    assert!(setting.service.requests().iter().all(|seen| seen.target() == "/good"));
}

#[tokio::test]
async fn what_means_nothing_is_ignored() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    let _control = control(&connection).await;
    // Frames, a stream and a setting of types that nobody knows (RFC 9114 §9).
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(b"\x40\x54whatever").await.ok();
    let long = frame(UNKNOWN, &[b'x'; 5000]);
    let empty = frame(0x40, b"");
    let body = [frame(DATA, b"ab"), long.clone(), frame(DATA, b""), frame(DATA, b"c")].concat();
    let bytes = [long.clone(), empty, head(POST), long.clone(), body, head(&[("x", "y")]), long].concat();
    assert_eq!(say(&connection, &bytes).await, Saw::Status(200));
    assert_eq!(setting.service.requests()[0].text(), "abc");
}

#[tokio::test]
async fn control_streams_are_held_to_their_rules() {
    let setting = Setting::new().await;
    let cases: &[(&str, &[u8], bool, u64)] = &[
        ("no settings", b"\x00\x07\x01\x00", false, MISSING_SETTINGS),
        ("settings twice", b"\x00\x04\x00\x04\x00", false, FRAME_UNEXPECTED),
        ("a setting of HTTP/2", b"\x00\x04\x02\x02\x01", false, SETTINGS_ERROR),
        ("half a setting", b"\x00\x04\x01\x01", false, SETTINGS_ERROR),
        ("large settings", b"\x00\x04\x60\x00", false, EXCESSIVE_LOAD),
        ("a body", b"\x00\x04\x00\x00\x00", false, FRAME_UNEXPECTED),
        ("a head", b"\x00\x04\x00\x01\x00", false, FRAME_UNEXPECTED),
        ("its end", b"\x00\x04\x00", true, CLOSED_CRITICAL_STREAM),
        ("a push", b"\x01\x00", false, STREAM_CREATION_ERROR),
        ("an insert", b"\x02\x3f\x01", false, ENCODER_STREAM_ERROR),
        ("the encoder's end", b"\x02", true, CLOSED_CRITICAL_STREAM),
        ("the decoder's end", b"\x03", true, CLOSED_CRITICAL_STREAM),
    ];
    for (what, bytes, ends, code) in cases {
        let connection = setting.connect().await;
        let mut stream = connection.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        if *ends {
            stream.finish().unwrap();
        }
        assert_eq!(closed(&connection).await, *code, "{what}");
    }
    let connection = setting.connect().await;
    let _first = control(&connection).await;
    let _second = control(&connection).await;
    assert_eq!(closed(&connection).await, STREAM_CREATION_ERROR, "two of them");
    setting.serves().await;
}

#[tokio::test]
async fn floods_are_sent_away() {
    let setting = Setting::new().await;
    // Frames that mean nothing, in a body.
    let connection = setting.connect().await;
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(POST)).await.unwrap();
    let empty = frame(DATA, b"").repeat(2000);
    while send.write_all(&empty).await.is_ok() {}
    assert_eq!(closed(&connection).await, EXCESSIVE_LOAD);
    // On the control stream.
    let connection = setting.connect().await;
    let mut stream = control(&connection).await;
    while stream.write_all(&frame(UNKNOWN, b"x").repeat(100)).await.is_ok() {}
    assert_eq!(closed(&connection).await, EXCESSIVE_LOAD);
    // Streams that mean nothing.
    let connection = setting.connect().await;
    while let Ok(mut stream) = connection.open_uni().await {
        stream.write_all(b"\x21x").await.ok();
    }
    assert_eq!(closed(&connection).await, EXCESSIVE_LOAD);
    // Requests that are taken back.
    let connection = setting.connect().await;
    while let Ok((mut send, mut receive)) = connection.open_bi().await {
        send.write_all(&head(GET)).await.ok();
        send.reset(0x10c_u32.into()).ok();
        receive.stop(0x10c_u32.into()).ok();
    }
    assert_eq!(closed(&connection).await, EXCESSIVE_LOAD);
    setting.serves().await;
    let metrics = setting.gateway.metrics();
    for (limit, times) in [("http3_control_frames", 3), ("http3_resets", 1)] {
        let line = format!("haechi_limit_strikes_total{{limit=\"{limit}\"}} {times}\n");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}
