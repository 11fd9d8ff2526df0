//! What a client of HTTP/3 can say wrongly or too often, written byte by byte, and judged by what the service received
//! and by how others are served meanwhile.
#![allow(clippy::unwrap_used)]

mod common;

use common::h3::{NAME, Saw, ask, connect, control, frame, quic, request, say, section, see, speaks_h3};
use common::tls::Ca;
use common::{config, start};
use haechi_route::config::ClientCertificates;
use haechi_testkit::Service;
use quinn::Connection;
use tokio::io::AsyncWriteExt;

const DATA: u64 = 0;
const HEADERS: u64 = 1;
const UNKNOWN: u64 = 0x21;

const FRAME_UNEXPECTED: u64 = 0x105;
const FRAME_ERROR: u64 = 0x106;
const EXCESSIVE_LOAD: u64 = 0x107;
const STREAM_CREATION_ERROR: u64 = 0x103;
const CLOSED_CRITICAL_STREAM: u64 = 0x104;
const SETTINGS_ERROR: u64 = 0x109;
const MISSING_SETTINGS: u64 = 0x10a;
const REQUEST_INCOMPLETE: u64 = 0x10d;
const MESSAGE_ERROR: u64 = 0x10e;
const DECOMPRESSION_FAILED: u64 = 0x200;
const ENCODER_STREAM_ERROR: u64 = 0x201;

type Fields = &'static [(&'static str, &'static str)];

const GET: Fields = &[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")];
const POST: Fields = &[(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", "a")];

/// Heads that must not reach the service: fields instead of those of `GET`, or beside them.
const TABLE: &[(&str, Fields, Fields)] = &[
    ("no method", &[(":scheme", "https"), (":path", "/x"), (":authority", "a")], &[]),
    ("no path", &[(":method", "GET"), (":scheme", "https"), (":authority", "a")], &[]),
    ("no scheme", &[(":method", "GET"), (":path", "/x"), (":authority", "a")], &[]),
    ("no authority", &[(":method", "GET"), (":scheme", "https"), (":path", "/x")], &[]),
    ("nothing at all", &[], &[]),
    ("plain http", &[(":method", "GET"), (":scheme", "http"), (":path", "/x"), (":authority", "a")], &[]),
    ("an empty path", &[(":method", "GET"), (":scheme", "https"), (":path", ""), (":authority", "a")], &[]),
    (
        "an empty authority",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "")],
        &[],
    ),
    (
        "an absolute path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "https://b/"), (":authority", "a")],
        &[],
    ),
    ("a fragment", &[(":method", "GET"), (":scheme", "https"), (":path", "/x#y"), (":authority", "a")], &[]),
    (
        "a space in the path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/x y"), (":authority", "a")],
        &[],
    ),
    (
        "a line end in the path",
        &[(":method", "GET"), (":scheme", "https"), (":path", "/x\r\nb: c"), (":authority", "a")],
        &[],
    ),
    (
        "a star that is no OPTIONS",
        &[(":method", "GET"), (":scheme", "https"), (":path", "*"), (":authority", "a")],
        &[],
    ),
    ("user info", &[(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "b@a")], &[]),
    (
        "a method that is none",
        &[(":method", "G T"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    ("CONNECT", &[(":method", "CONNECT"), (":authority", "a:1")], &[]),
    ("a path twice", GET, &[(":path", "/y")]),
    (
        "a method twice",
        &[(":method", "GET"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "an authority twice",
        &[(":authority", "b"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "a late pseudo field",
        &[(":method", "GET"), (":scheme", "https"), ("x", "y"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        "an unknown pseudo field",
        &[(":x", "y"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        ":status in a request",
        &[(":status", "200"), (":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")],
        &[],
    ),
    (
        ":protocol that was not offered",
        &[
            (":protocol", "websocket"),
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "a"),
        ],
        &[],
    ),
    ("another host", GET, &[("host", "b")]),
    ("two hosts", GET, &[("host", "a"), ("host", "a")]),
    ("a name in upper case", GET, &[("Name", "x")]),
    ("a name with a space", GET, &[("na me", "x")]),
    ("a name with a colon", GET, &[("na:me", "x")]),
    ("an empty name", GET, &[("", "x")]),
    ("a value with a line end", GET, &[("x", "y\r\nz: z")]),
    ("a value with a line feed", GET, &[("x", "y\nz")]),
    ("a value with nothing", GET, &[("x", "y\0z")]),
    ("a value behind a space", GET, &[("x", " y")]),
    ("a value before a tab", GET, &[("x", "y\t")]),
    ("connection", GET, &[("connection", "x")]),
    ("keep-alive", GET, &[("keep-alive", "1")]),
    ("proxy-connection", GET, &[("proxy-connection", "close")]),
    ("upgrade", GET, &[("upgrade", "websocket")]),
    ("transfer-encoding", POST, &[("transfer-encoding", "chunked")]),
    ("a look-alike", POST, &[("content_length", "3")]),
    ("a length that is none", POST, &[("content-length", "0x")]),
    ("a signed length", POST, &[("content-length", "+0")]),
    ("two lengths", POST, &[("content-length", "0"), ("content-length", "0")]),
    ("another expectation", POST, &[("expect", "nothing")]),
];

struct Setting {
    ca: Ca,
    service: Service,
    gateway: haechi_gateway::Gateway,
    address: std::net::SocketAddr,
}

impl Setting {
    async fn new() -> Self {
        let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
        let mut config = speaks_h3(config(&[service.address]), &ca);
        config.limits.http3_control_frames = 500;
        config.limits.http3_resets = 100;
        let (gateway, address) = start(config).await;
        Self { ca, service, gateway, address }
    }

    async fn connect(&self) -> Connection {
        quic(&self.ca, None, self.address).await.unwrap()
    }

    /// Somebody else is served.
    async fn serves(&self) {
        let (_connection, mut send) = connect(&self.ca, self.address).await;
        assert_eq!(ask(&mut send, request("GET", "/good"), None).await.unwrap().text(), "ok");
    }
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, &section(fields))
}

#[tokio::test]
async fn malformed_heads_are_refused() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    for (what, fields, more) in TABLE {
        let saw = say(&connection, &head(&[*fields, *more].concat())).await;
        assert!(matches!(saw, Saw::Status(400 | 417 | 501)), "{what}: {saw:?}");
    }
    assert_eq!(setting.service.requests().len(), 0);
    // None of them harmed the connection.
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
}

#[tokio::test]
async fn bodies_are_as_long_as_they_say() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    let sized = |length: &'static str| head(&[POST, &[("content-length", length)]].concat());
    for (what, bytes) in [
        ("shorter", [sized("3"), frame(DATA, b"ab")].concat()),
        ("longer", [sized("3"), frame(DATA, b"abcGET / HTTP/1.1\r\n\r\n")].concat()),
        ("longer by a frame", [sized("3"), frame(DATA, b"abc"), frame(DATA, b"d")].concat()),
        ("none", sized("3")),
        ("one where there is none", [sized("0"), frame(DATA, b"a")].concat()),
    ] {
        let saw = say(&connection, &bytes).await;
        // Some was answered before the end of its body was seen.
        assert!(matches!(saw, Saw::Reset(MESSAGE_ERROR) | Saw::Status(200)), "{what}: {saw:?}");
    }
    for seen in setting.service.requests() {
        assert!(matches!(seen.text().as_str(), "" | "abc"), "{seen:?}");
    }
    let good = [sized("3"), frame(DATA, b"ab"), frame(DATA, b""), frame(DATA, b"c")].concat();
    assert_eq!(say(&connection, &good).await, Saw::Status(200));
    assert_eq!(setting.service.requests().last().unwrap().text(), "abc");
}

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

/// The code with which the gateway closes a connection.
async fn closed(connection: &Connection) -> u64 {
    match connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn heads_and_fields_are_bounded() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    let long = "x".repeat(40_000);
    assert_eq!(say(&connection, &head(&[GET, &[("x", &long)]].concat())).await, Saw::Status(431));
    // A few bytes that stand for many: 5,000 times a field of the static table.
    let bomb = [section(GET), vec![0xc0 | 0x29; 5_000]].concat();
    assert_eq!(say(&connection, &frame(HEADERS, &bomb)).await, Saw::Status(431));
    assert_eq!(say(&connection, &head(&[GET, &[("x", "y"); 101]].concat())).await, Saw::Status(431));
    let target = format!("/{}", "x".repeat(20_000));
    let fields = [(":method", "GET"), (":scheme", "https"), (":path", &target), (":authority", "a")];
    assert_eq!(say(&connection, &head(&fields)).await, Saw::Status(414));
    // One that never comes whole.
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(&[1, 0xbf, 0xff, 0xff, 0xff]).await.unwrap();
    assert_eq!(see(receive).await, Saw::Status(431));
    assert_eq!(setting.service.requests().len(), 0);
    let metrics = setting.gateway.metrics();
    assert!(metrics.contains("haechi_limit_strikes_total{limit=\"head_bytes\"} 2"), "{metrics}");
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

#[tokio::test]
async fn a_head_that_does_not_come_is_answered_and_idle_connections_are_closed() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.head_timeout = std::time::Duration::from_millis(50);
    config.limits.keep_alive = std::time::Duration::from_millis(50);
    let (_gateway, address) = start(config).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let (mut send, receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET)[..5]).await.unwrap();
    assert_eq!(see(receive).await, Saw::Status(408));
    drop(send);
    assert_eq!(closed(&connection).await, 0x100);
}

#[tokio::test]
async fn handshakes_beyond_their_limit_are_refused_and_many_must_show_where_they_are() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    // A quarter of one is none: every client is asked.
    config.limits.handshakes = 1;
    let (gateway, address) = start(config).await;
    let (_connection, mut send) = connect(&ca, address).await;
    assert_eq!(ask(&mut send, request("GET", "/"), None).await.unwrap().text(), "ok");
    let metrics = gateway.metrics();
    assert!(metrics.contains("\nhaechi_http3_retries_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn an_address_has_as_many_connections_as_it_may() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.connections_per_address = 1;
    let (_gateway, address) = start(config).await;
    let first = quic(&ca, None, address).await.unwrap();
    let second = quic(&ca, None, address).await.unwrap();
    assert_eq!(closed(&second).await, EXCESSIVE_LOAD);
    first.close(0x100_u32.into(), b"");
    // The place is free once the gateway heard of it.
    loop {
        let next = quic(&ca, None, address).await.unwrap();
        if say(&next, &head(GET)).await == Saw::Status(200) {
            break;
        }
    }
}

#[tokio::test]
async fn client_certificates_are_asked_for_and_hosts_are_kept_apart() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    let listener = config.listeners.get_mut("web").unwrap();
    let asks = |hosts: Vec<haechi_route::config::HostPattern>| ClientCertificates {
        required: true,
        ca: vec![ca.file()],
        crl: Vec::new(),
        forward: true,
        hosts,
    };
    listener.tls.as_mut().unwrap().client = Some(asks(Vec::new()));
    let mut apart = config.clone();
    apart.listeners.get_mut("web").unwrap().tls.as_mut().unwrap().client =
        Some(asks(vec![haechi_route::config::HostPattern::Exact("inner.example".into())]));
    // Everybody is asked.
    let (_gateway, address) = start(config).await;
    let own = ca.issue(&["me"], 9);
    let connection = quic(&ca, Some(&own), address).await.unwrap();
    let named = |host: &'static str| {
        head(&[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", host)])
    };
    assert_eq!(say(&connection, &named(NAME)).await, Saw::Status(200));
    let told = service.requests()[0].field("x-forwarded-client-cert").map(str::to_owned);
    assert!(told.is_some_and(|told| told.contains("CN=me")));
    let without = match quic(&ca, None, address).await {
        // The client may be done before the gateway has looked.
        Ok(connection) => connection.closed().await.to_string(),
        Err(error) => error,
    };
    assert!(without.contains("ertificate"), "{without}");
    // One host asks: over QUIC nobody can be, so it is not served here (RFC 7838 §6 sends clients back to TCP).
    let (_gateway, address) = start(apart).await;
    let connection = quic(&ca, Some(&own), address).await.unwrap();
    assert_eq!(say(&connection, &named("inner.example")).await, Saw::Status(421));
    assert_eq!(say(&connection, &named(NAME)).await, Saw::Status(200));
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_more_than_windows() {
    let (told, mut stuck) = tokio::sync::mpsc::unbounded_channel();
    let service = Service::start(move |mut connection| {
        let told = told.clone();
        async move {
            connection.request().await;
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20)).await;
            let (mut sent, piece) = (0, vec![b'x'; 64 << 10]);
            // Until the gateway takes no more for a while that is long enough for it to have taken all.
            while let Ok(Ok(count)) =
                tokio::time::timeout(std::time::Duration::from_millis(500), connection.stream.write(&piece))
                    .await
            {
                sent += count;
            }
            told.send(sent).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let ca = Ca::new("ca");
    let (_gateway, address) = start(speaks_h3(config(&[service.address]), &ca)).await;
    let connection = quic(&ca, None, address).await.unwrap();
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&head(GET)).await.unwrap();
    send.finish().unwrap();
    let sent = stuck.recv().await.unwrap();
    // Most of it is in the kernel's buffers between the gateway and the service.
    assert!(sent < 24 << 20, "{sent} bytes left the service");
}

#[tokio::test]
async fn when_places_run_out_the_idlest_connection_gives_way() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    config.limits.connections = 2;
    let (gateway, address) = start(config).await;
    let (idlest, idle) = (quic(&ca, None, address).await.unwrap(), quic(&ca, None, address).await.unwrap());
    for connection in [&idlest, &idle] {
        // The gateway sends its settings once it waits for requests.
        connection.accept_uni().await.unwrap();
    }
    let new = quic(&ca, None, address).await.unwrap();
    assert_eq!(say(&new, &head(GET)).await, Saw::Status(200));
    assert_eq!(closed(&idlest).await, 0x100);
    assert_eq!(say(&idle, &head(GET)).await, Saw::Status(200));
    assert!(gateway.metrics().contains("haechi_limit_strikes_total{limit=\"connections\"} 1\n"));
}

#[tokio::test]
async fn nobody_is_served_until_the_cas_of_clients_can_be_read() {
    let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
    let mut config = speaks_h3(config(&[service.address]), &ca);
    let late = ca.path("late.pem");
    config.listeners.get_mut("web").unwrap().tls.as_mut().unwrap().client = Some(ClientCertificates {
        required: true,
        ca: vec![late.clone()],
        crl: Vec::new(),
        forward: false,
        hosts: Vec::new(),
    });
    let (gateway, address) = start(config).await;
    let own = ca.issue(&["me"], 9);
    quic(&ca, Some(&own), address).await.unwrap_err();
    let metrics = gateway.metrics();
    assert!(metrics.contains("haechi_tls_handshake_failures_total{reason=\"no_trust\"} 1\n"), "{metrics}");
    std::fs::copy(ca.file(), late).unwrap();
    loop {
        let Ok(connection) = quic(&ca, Some(&own), address).await else { continue };
        assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
        break;
    }
}

#[tokio::test]
async fn datagrams_that_are_no_quic_or_of_nobody_change_nothing() {
    let setting = Setting::new().await;
    let connection = setting.connect().await;
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
    let socket = tokio::net::UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    // An Initial that is none, a version that nobody speaks, a short header of no connection, and noise.
    let version = [&[0xc0, 0x0a, 0x0a, 0x0a, 0x0a, 8][..], &[7; 8], &[8], &[9; 8], &[0; 1200]].concat();
    let initial = [&[0xc3, 0, 0, 0, 1, 8][..], &[7; 8], &[8], &[9; 8], &[0, 0x44, 0xb0], &[5; 1200]].concat();
    let short = [&[0x40][..], &[6; 64]].concat();
    for datagram in [&[][..], &[0], &[0xff; 1200], &version, &initial, &short] {
        for _ in 0..100 {
            socket.send_to(datagram, setting.address).await.unwrap();
        }
    }
    assert_eq!(say(&connection, &head(GET)).await, Saw::Status(200));
    setting.serves().await;
    // No answer is larger than what asked for it.
    let (mut told, mut area) = (0, [0; 2048]);
    while let Ok(count) = socket.try_recv(&mut area) {
        assert!(count <= 1201, "{count}");
        told += 1;
    }
    assert!(told <= 600, "{told} answers");
}
