//! ClientHellos of a real client, whole, in pieces and spoilt.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use haechi_tls::{Alert, BadHello, ClientHello, HelloReader, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// What rustls sends first.
fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8]) -> Result<Option<ClientHello>, BadHello> {
    HelloReader::default().push(bytes)
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what is read")]
fn named(name: &str) -> Result<Option<ClientHello>, BadHello> {
    Ok(Some(ClientHello { server_name: Some(name.to_owned()) }))
}

/// A message in records of `size` bytes each.
fn in_records(message: &[u8], size: usize) -> Vec<u8> {
    let records = message.chunks(size).flat_map(|part| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    });
    records.collect()
}

#[test]
fn the_name_is_read_in_lower_case_and_an_address_is_none() {
    assert_eq!(read(&hello("Shop.Example.com")), named("shop.example.com"));
    assert_eq!(read(&hello("192.0.2.1")), Ok(Some(ClientHello { server_name: None })));
}

#[test]
fn pieces_and_records_of_every_size_say_the_same_and_are_passed_on_as_they_came() {
    let whole = hello("shop.example.com");
    for size in 1..whole.len() {
        let mut reader = HelloReader::default();
        let mut found = Ok(None);
        for piece in whole.chunks(size) {
            assert_eq!(found, Ok(None));
            found = reader.push(piece);
        }
        assert_eq!(found, named("shop.example.com"), "in pieces of {size}");
        assert_eq!(reader.into_bytes(), whole);
        if in_records(&whole[5..], size).len() < 18 << 10 {
            assert_eq!(
                read(&in_records(&whole[5..], size)),
                named("shop.example.com"),
                "in records of {size}"
            );
        }
    }
}

#[test]
fn what_follows_in_another_record_is_kept() {
    let mut bytes = hello("a.example");
    bytes.extend_from_slice(&[20, 3, 3, 0, 1, 1]);
    let mut reader = HelloReader::default();
    assert_eq!(reader.push(&bytes), named("a.example"));
    assert_eq!(reader.into_bytes(), bytes);
}

#[test]
fn other_protocols_are_told_by_their_first_bytes() {
    for first in [&b"GET / HTTP/1.1\r\n"[..], b"\0", b"\x80\x2e\x01", b"SSH-2.0", b"\x16\x02"] {
        assert_eq!(read(first), Err(BadHello::NotTls), "{first:?}");
    }
    assert_eq!(read(b""), Ok(None));
    assert_eq!(read(b"\x16"), Ok(None));
}

#[test]
fn no_spoilt_byte_around_the_name_leads_to_another_name() {
    let whole = hello("shop.example.com");
    let at = whole.windows(16).position(|bytes| bytes == b"shop.example.com").unwrap();
    for (index, bit) in (0..whole.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
        let mut spoilt = whole.clone();
        spoilt[index] ^= 1 << bit;
        if let Ok(Some(ClientHello { server_name: Some(name) })) = read(&spoilt) {
            let in_name = (at..at + 16).contains(&index);
            assert!(in_name || name == "shop.example.com", "byte {index}: {name}");
        }
    }
}

/// A ClientHello with these extensions.
fn made(extensions: &[u8]) -> Vec<u8> {
    let mut body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
    body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend_from_slice(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    in_records(&[&[1], &length[1..], &body].concat(), 1 << 14)
}

fn name(text: &[u8]) -> Vec<u8> {
    let n = u8::try_from(text.len()).unwrap();
    [&[0, 0, 0, n + 5, 0, n + 3, 0, 0, n], text].concat()
}

#[test]
fn doubtful_names_are_refused() {
    assert_eq!(read(&made(&name(b"a.example"))), named("a.example"));
    assert_eq!(read(&made(&name(b"a.Example."))), named("a.example"));
    assert_eq!(read(&made(&[])), Ok(Some(ClientHello { server_name: None })));
    let twice = [name(b"a.example"), name(b"b.example")].concat();
    let two_in_one = [0, 0, 0, 10, 0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'];
    let other_kind = [0, 0, 0, 6, 0, 4, 1, 0, 1, b'a'];
    for extensions in
        [&twice[..], &two_in_one, &other_kind, &[0, 0, 0, 0], &[0, 0, 0, 2, 0, 0], &[0, 10, 0, 1]]
    {
        assert_eq!(read(&made(extensions)), Err(BadHello::Malformed), "{extensions:?}");
    }
    for text in
        [&b"a.example.."[..], b".", b".a", b"a..b", b"a b", b"a\0.example", b"\xc3\xa4.example", b"a/b", b""]
    {
        assert_eq!(read(&made(&name(text))), Err(BadHello::Malformed), "{text:?}");
    }
}

#[test]
fn what_has_no_end_is_refused() {
    assert_eq!(read(&[22, 3, 1, 0, 0]), Err(BadHello::Malformed));
    assert_eq!(read(&[22, 3, 1, 0x40, 1]), Err(BadHello::Malformed));
    assert_eq!(read(&[22, 3, 1, 0, 4, 1, 1, 0, 0]), Err(BadHello::TooLong));
    let endless = in_records(&[&[1, 0, 64, 0], &[7; 4000][..]].concat(), 1);
    let mut reader = HelloReader::default();
    let refused = endless.iter().find_map(|byte| reader.push(&[*byte]).err());
    assert_eq!(refused, Some(BadHello::TooLong));
}

#[test]
fn alerts_are_records_of_their_own() {
    assert_eq!(Alert::UnrecognizedName.record(), [21, 3, 3, 0, 2, 2, 112]);
}
