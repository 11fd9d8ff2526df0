//! Version 2: binary (§2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, BadHeader, Header, MAX_BYTES, Said};

/// No request of any usual protocol begins so.
pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and transport, length of the rest.
const FIXED: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const UNSPEC: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// The families with datagrams: valid as such, and not what a connection is.
const DATAGRAMS: [u8; 3] = [0x12, 0x22, 0x32];

/// Addresses of two Unix sockets.
const UNIX_BYTES: usize = 216;

/// The extension that holds a sum (CRC-32C) of the whole header, its own four bytes taken as zero (§2.2.3).
const SUM: u8 = 0x03;

pub(super) fn read(input: &[u8]) -> Result<Option<Header>, BadHeader> {
    let Some(fixed) = input.first_chunk::<FIXED>() else {
        return match input.get(SIGNATURE.len()) {
            Some(command) if !is_command(*command) => Err(malformed("its version is not 2")),
            _ => Ok(None),
        };
    };
    let (command, family) = (fixed[12], fixed[13]);
    if !is_command(command) {
        return Err(malformed("its version is not 2, or its command not known"));
    }
    let len = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if len > MAX_BYTES {
        return Err(BadHeader::TooLong);
    }
    let Some(header) = input.get(..len) else { return Ok(None) };
    let rest = &header[FIXED..];
    // What belongs to a connection of the proxy's own is to be skipped, whatever it is.
    let (said, extensions) = if command == LOCAL {
        (Said::Local, None)
    } else {
        let (said, taken) = said(family, rest)?;
        // Without a family nobody knows where extensions would begin.
        (said, (family != UNSPEC).then(|| FIXED + taken))
    };
    if let Some(from) = extensions {
        check_extensions(header, from)?;
    }
    Ok(Some(Header { said, len }))
}

const fn is_command(byte: u8) -> bool {
    matches!(byte, LOCAL | PROXY)
}

/// What the addresses say, and how many bytes they take.
fn said(family: u8, rest: &[u8]) -> Result<(Said, usize), BadHeader> {
    let short = malformed("its addresses are cut off");
    match family {
        UNSPEC => Ok((Said::Unknown, 0)),
        TCP4 => {
            let bytes = rest.first_chunk::<12>().ok_or(short)?;
            let ip = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]).into();
            Ok((proxied(ip(0), ip(4), bytes[8..].try_into().map_err(|_| short)?), 12))
        }
        TCP6 => {
            let bytes = rest.first_chunk::<36>().ok_or(short)?;
            let ip = |part: &[u8]| <[u8; 16]>::try_from(part).map(Ipv6Addr::from).map_err(|_| short);
            let (source, destination) = (ip(&bytes[..16])?, ip(&bytes[16..32])?);
            let ports = bytes[32..].try_into().map_err(|_| short)?;
            Ok((proxied(source.into(), destination.into(), ports), 36))
        }
        UNIX_STREAM if rest.len() >= UNIX_BYTES => Ok((Said::Unknown, UNIX_BYTES)),
        UNIX_STREAM => Err(short),
        family if DATAGRAMS.contains(&family) => Err(malformed("it is about datagrams")),
        _ => Err(malformed("its family is not known")),
    }
}

fn proxied(source: IpAddr, destination: IpAddr, ports: [u8; 4]) -> Said {
    let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
    Said::Proxied(Addresses {
        source: SocketAddr::new(source, port(0)),
        destination: SocketAddr::new(destination, port(2)),
    })
}

/// Extensions must fill the header exactly. The only one that is acted upon is the sum: where there is one it must
/// be right.
fn check_extensions(header: &[u8], mut at: usize) -> Result<(), BadHeader> {
    while at < header.len() {
        let [kind, high, low] =
            *header[at..].first_chunk::<3>().ok_or(malformed("an extension is cut off"))?;
        let value = at + 3..at + 3 + usize::from(u16::from_be_bytes([high, low]));
        let bytes = header.get(value.clone()).ok_or(malformed("an extension is cut off"))?;
        if kind == SUM {
            let sum = <[u8; 4]>::try_from(bytes).map_err(|_| malformed("its sum has not four bytes"))?;
            if u32::from_be_bytes(sum) != sum_of(header, value.start) {
                return Err(malformed("its sum is wrong"));
            }
        }
        at = value.end;
    }
    Ok(())
}

/// CRC-32C (RFC 4960, appendix B) with four bytes at `zeros` taken as zero. Bit by bit: it is rare and short.
fn sum_of(header: &[u8], zeros: usize) -> u32 {
    let mut sum = !0_u32;
    for (at, byte) in header.iter().enumerate() {
        sum ^= if (zeros..zeros + 4).contains(&at) { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82F6_3B78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

const fn malformed(why: &'static str) -> BadHeader {
    BadHeader::Malformed(why)
}

pub(super) fn write(addresses: Option<Addresses>) -> Vec<u8> {
    let mut rest = Vec::with_capacity(36);
    let family = match addresses.map(|of| (of.source.ip(), of.destination.ip())) {
        Some((IpAddr::V4(source), IpAddr::V4(destination))) => {
            rest.extend_from_slice(&source.octets());
            rest.extend_from_slice(&destination.octets());
            TCP4
        }
        // One family has to do for both.
        Some((source, destination)) => {
            rest.extend_from_slice(&as_v6(source).octets());
            rest.extend_from_slice(&as_v6(destination).octets());
            TCP6
        }
        None => UNSPEC,
    };
    if let Some(of) = addresses {
        rest.extend_from_slice(&of.source.port().to_be_bytes());
        rest.extend_from_slice(&of.destination.port().to_be_bytes());
    }
    let mut header = SIGNATURE.to_vec();
    header.extend_from_slice(&[PROXY, family]);
    header.extend_from_slice(&(rest.len() as u16).to_be_bytes());
    header.extend_from_slice(&rest);
    header
}

const fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
