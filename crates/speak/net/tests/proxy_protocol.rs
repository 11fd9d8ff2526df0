//! Headers of the PROXY protocol, as the specification writes them, and what is no header.
#![allow(clippy::unwrap_used)]

use haechi_net::proxy_protocol::{Addresses, BadHeader, Header, MAX_BYTES, Said, Version, read, write};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn proxied(source: &str, destination: &str) -> Said {
    Said::Proxied(Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() })
}

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

const FOUR: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xC3, 0x50, 0x01, 0xBB];

fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

fn good() -> Vec<(Vec<u8>, Said)> {
    let four = proxied("192.0.2.1:50000", "198.51.100.7:443");
    let six = [
        &[0x20, 1, 0xd, 0xb8][..],
        &[0; 11],
        &[1],
        &[0x20, 1, 0xd, 0xb8],
        &[0; 11],
        &[2],
        &[0xC3, 0x50, 0x01, 0xBB],
    ];
    let six = six.concat();
    vec![
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\r\n".to_vec(), four),
        (
            b"PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n".to_vec(),
            proxied("[2001:db8::1]:50000", "[2001:db8::2]:443"),
        ),
        (
            b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n".to_vec(),
            proxied(
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
        ),
        (b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n".to_vec(), proxied("0.0.0.0:0", "0.0.0.0:0")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Said::Unknown),
        (b"PROXY UNKNOWN ::1 whatever this is\r\n".to_vec(), Said::Unknown),
        (v2(0x21, 0x11, FOUR), four),
        (v2(0x21, 0x21, &six), proxied("[2001:db8::1]:50000", "[2001:db8::2]:443")),
        (v2(0x20, 0x00, &[]), Said::Local),
        (v2(0x20, 0x11, FOUR), Said::Local),
        (v2(0x20, 0xFF, &[1, 2, 3]), Said::Local),
        (v2(0x21, 0x00, &[]), Said::Unknown),
        (v2(0x21, 0x00, &[7; 20]), Said::Unknown),
        (v2(0x21, 0x31, &[0; 216]), Said::Unknown),
        (v2(0x21, 0x11, &[FOUR, &extension(0x02, b"shop.example"), &extension(0x04, &[0; 9])].concat()), four),
        (v2(0x21, 0x11, &[FOUR, &extension(0x01, b"")].concat()), four),
    ]
}

#[test]
fn good_headers_say_who_asks_and_end_where_they_end() {
    for (bytes, said) in good() {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let header = Header { said, len: bytes.len() };
        assert_eq!(read(&bytes), Ok(Some(header)), "{shown:?}");
        let more = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(read(&more), Ok(Some(header)), "{shown:?} with a request behind it");
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]), Ok(None), "{shown:?} cut to {end} bytes");
        }
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 107 - 14]].concat();
    let malformed: Vec<Vec<u8>> = vec![
        b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 50000\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443 \r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 50000 443 1\r\n".to_vec(),
        b"PROXY TCP4  192.0.2.1 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 050 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 +50 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 -1 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.01 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.256 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 2001:db8::2 50000 443\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY TCP6 fe80::1%eth0 ::1 50000 443\r\n".to_vec(),
        b"PROXY tcp4 192.0.2.1 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.1 198.51.100.7 50000 443\r\n".to_vec(),
        b"PROXY UNKNOWNS\r\n".to_vec(),
        b"PROXY \r\n".to_vec(),
        b"PROXY TCP4 \xFF\xFE 198.51.100.7 50000 443\r\n".to_vec(),
        long,
        v2(0x11, 0x11, FOUR),
        v2(0x22, 0x11, FOUR),
        v2(0x21, 0x11, &FOUR[..11]),
        v2(0x21, 0x21, &[0; 35]),
        v2(0x21, 0x31, &[0; 215]),
        v2(0x21, 0x12, FOUR),
        v2(0x21, 0x22, &[0; 36]),
        v2(0x21, 0x32, &[0; 216]),
        v2(0x21, 0x13, FOUR),
        v2(0x21, 0x41, FOUR),
        v2(0x21, 0x11, &[FOUR, &[4, 0]].concat()),
        v2(0x21, 0x11, &[FOUR, &[4, 0, 9, 0]].concat()),
        v2(0x21, 0x11, &[FOUR, &extension(0x03, &[0; 4])].concat()),
        v2(0x21, 0x11, &[FOUR, &extension(0x03, &[0; 3])].concat()),
    ];
    for bytes in malformed {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(matches!(read(&bytes), Err(BadHeader::Malformed(_))), "{shown:?} is {:?}", read(&bytes));
    }
    for absent in
        [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01", b"proxy TCP4", b"PROXYTCP4", b"\r\n\r\nG", b"\0"]
    {
        assert_eq!(read(absent), Err(BadHeader::Absent), "{:?}", String::from_utf8_lossy(absent));
    }
    let mut long = v2(0x21, 0x11, &vec![0; MAX_BYTES - 15]);
    assert_eq!(read(&long), Err(BadHeader::TooLong));
    long.truncate(16);
    assert_eq!(read(&long), Err(BadHeader::TooLong), "nothing is waited for");
    assert_eq!(read(b""), Ok(None));
}

#[test]
fn a_sum_is_checked() {
    // The sum is taken another way than the reader does it.
    let mut header = v2(0x21, 0x11, &[FOUR, &extension(0x03, &[0; 4])].concat());
    let sum = reference_sum(&header).to_be_bytes();
    let end = header.len();
    header[end - 4..].copy_from_slice(&sum);
    assert_eq!(read(&header).unwrap().unwrap().said, proxied("192.0.2.1:50000", "198.51.100.7:443"));
    for at in 16..end {
        let mut damaged = header.clone();
        damaged[at] ^= 1;
        assert!(read(&damaged).is_err() || (28..31).contains(&at), "byte {at} was damaged and nobody saw it");
    }
}

/// CRC-32C another way than the reader's: most significant bit first, on reflected bytes.
fn reference_sum(bytes: &[u8]) -> u32 {
    let mut sum = !0_u32;
    for byte in bytes {
        sum ^= u32::from(byte.reverse_bits()) << 24;
        for _ in 0..8 {
            sum = if sum >> 31 == 1 { (sum << 1) ^ 0x1EDC_6F41 } else { sum << 1 };
        }
    }
    (!sum).reverse_bits()
}

#[test]
fn the_other_way_to_sum_is_right() {
    assert_eq!(reference_sum(b"123456789"), 0xE306_9283);
}

#[test]
fn what_is_written_is_read() {
    let cases = [
        ("192.0.2.1:50000", "198.51.100.7:443", proxied("192.0.2.1:50000", "198.51.100.7:443")),
        ("[2001:db8::1]:1", "[2001:db8::2]:2", proxied("[2001:db8::1]:1", "[2001:db8::2]:2")),
        ("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:2", proxied("192.0.2.1:1", "192.0.2.2:2")),
    ];
    for version in [Version::V1, Version::V2] {
        for (source, destination, said) in cases {
            let Said::Proxied(addresses) = proxied(source, destination) else { unreachable!() };
            let header = write(version, Some(addresses));
            assert_eq!(read(&header), Ok(Some(Header { said, len: header.len() })), "{version:?} {source}");
        }
        let header = write(version, None);
        assert_eq!(read(&header), Ok(Some(Header { said: Said::Unknown, len: header.len() })));
    }
}
