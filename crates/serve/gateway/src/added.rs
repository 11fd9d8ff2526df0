//! What a listener adds to a head that is written already: the promise of TLS for the future (RFC 6797), and where
//! HTTP/3 is spoken (RFC 7838).
//!
//! So nothing else that writes heads knows of it, and listeners without it pay for one look at an empty list.

use haechi_route::config::Listener;

use crate::prepare::HttpVersion;

/// Lines that answers have.
pub(crate) type Lines = Box<[Box<str>]>;

/// The lines that answers of a listener have on a connection of this version, to this port.
pub(crate) fn lines(listener: &Listener, protocol: HttpVersion, port: &str) -> Lines {
    let hsts = listener.tls.as_ref().and_then(|tls| tls.hsts.as_ref());
    let hsts = hsts.map(|hsts| format!("Strict-Transport-Security: {}\r\n", hsts.value()));
    // Who speaks it knows.
    let http3 = listener.http3.as_ref().filter(|_| protocol != HttpVersion::Http3).map(|http3| {
        let announced = http3.port.map(|port| port.to_string());
        let (port, seconds) = (announced.as_deref().unwrap_or(port), http3.max_age.as_secs());
        format!("Alt-Svc: h3=\":{port}\"; ma={seconds}\r\n")
    });
    hsts.into_iter().chain(http3).map(Into::into).collect()
}

/// Adds the lines to the head that begins at `from`, but no field that the service or a filter set: browsers look at
/// the first promise of TLS alone (RFC 6797 §8.1), and who knows the host has the last word.
pub(crate) fn add_all(out: &mut Vec<u8>, from: usize, lines: &[Box<str>]) {
    for line in lines {
        add(out, from, line);
    }
}

fn add(out: &mut Vec<u8>, from: usize, line: &str) {
    let named = line.split(':').next().unwrap_or_default();
    let head = out.get(from..).unwrap_or_default();
    let Some(length) = head.windows(4).position(|window| window == b"\r\n\r\n") else { return };
    let mut lines = head[..length].split(|byte| *byte == b'\n');
    let is_set = lines.any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(named.as_bytes())
    });
    if !is_set {
        let end = from + length + 2;
        out.splice(end..end, line.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gets_it_once_and_a_body_is_left_alone() {
        let line = "Strict-Transport-Security: max-age=9\r\n";
        let mut out = b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\n".to_vec();
        let from = out.windows(5).rposition(|window| window == b"HTTP/").unwrap();
        add(&mut out, from, line);
        add(&mut out, from, line);
        let expected =
            format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n{line}\r\nbody\r\n\r\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_the_service_says_stands() {
        let text = b"HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=0\r\n\r\n";
        let mut out = text.to_vec();
        add(&mut out, 0, "Strict-Transport-Security: max-age=9\r\n");
        assert_eq!(out, text);
    }
}
