//! Version 1: one line of text (§2.1).

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, BadHeader, Header, Said};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line that the specification knows, its end included.
const MAX_LINE: usize = 107;

pub(super) fn read(input: &[u8]) -> Result<Option<Header>, BadHeader> {
    let seen = &input[..input.len().min(MAX_LINE)];
    let Some(end) = seen.iter().position(|byte| *byte == b'\n') else {
        return if seen.len() == MAX_LINE { Err(malformed("its line does not end")) } else { Ok(None) };
    };
    let line = seen[..end].strip_suffix(b"\r").ok_or(malformed("its line does not end with CR LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| malformed("it is not ASCII"))?;
    let said = said(line.get(SIGNATURE.len()..).unwrap_or_default())?;
    Ok(Some(Header { said, len: end + 1 }))
}

fn said(text: &str) -> Result<Said, BadHeader> {
    // Whatever follows this word is to be ignored.
    if text == "UNKNOWN" || text.starts_with("UNKNOWN ") {
        return Ok(Said::Unknown);
    }
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(malformed("a word is missing"));
    let is_v6 = match word()? {
        "TCP4" => false,
        "TCP6" => true,
        _ => return Err(malformed("its family is not TCP4, TCP6 or UNKNOWN")),
    };
    let (source, destination) = (ip(word()?, is_v6)?, ip(word()?, is_v6)?);
    let (from, to) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(malformed("there are too many words"));
    }
    Ok(Said::Proxied(Addresses {
        source: SocketAddr::new(source, from),
        destination: SocketAddr::new(destination, to),
    }))
}

fn ip(text: &str, is_v6: bool) -> Result<IpAddr, BadHeader> {
    let address: IpAddr = text.parse().map_err(|_| malformed("an address is none"))?;
    if address.is_ipv6() == is_v6 { Ok(address) } else { Err(malformed("an address is of another family")) }
}

/// Digits alone, without a zero in front.
fn port(text: &str) -> Result<u16, BadHeader> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical).ok_or(malformed("a port is none"))
}

const fn malformed(why: &'static str) -> BadHeader {
    BadHeader::Malformed(why)
}

pub(super) fn write(addresses: Option<Addresses>) -> Vec<u8> {
    let Some(Addresses { source, destination }) = addresses else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = match (source.is_ipv4(), destination.is_ipv4()) {
        (true, true) => "TCP4",
        (false, false) => "TCP6",
        // The line has no way to say it.
        _ => return b"PROXY UNKNOWN\r\n".to_vec(),
    };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}
