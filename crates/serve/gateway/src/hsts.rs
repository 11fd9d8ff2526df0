//! The promise of TLS for the future (RFC 6797), added to a head that is written already.
//!
//! So nothing else that writes heads knows of it, and listeners without it pay for one look at an empty field.

use haechi_route::config::Hsts;

const NAME: &str = "Strict-Transport-Security";

/// The line that answers of a listener have.
pub(crate) fn line(hsts: &Hsts) -> Box<str> {
    format!("{NAME}: {}\r\n", hsts.value()).into()
}

/// Adds the line to the head that begins at `from`, unless the service or a filter set the field: browsers look at
/// the first one alone (RFC 6797 §8.1), and who knows the host has the last word.
pub(crate) fn add(out: &mut Vec<u8>, from: usize, line: &str) {
    let head = out.get(from..).unwrap_or_default();
    let Some(length) = head.windows(4).position(|window| window == b"\r\n\r\n") else { return };
    let mut lines = head[..length].split(|byte| *byte == b'\n');
    let is_set = lines.any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.eq_ignore_ascii_case(NAME.as_bytes())
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
