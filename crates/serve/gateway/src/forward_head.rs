//! The head of a request as the service gets it: written anew, field by field.

use std::ops::Range;

use haechi_http::{Known, RequestFraming, RequestHead};
use haechi_route::{NormalPath, rewrite_path};
use smallvec::SmallVec;

use crate::grpc::Call;
use crate::prepare::{ClientFacts, RequestFacts};
use crate::route::{HostPolicy, RunningRoute};

/// Fields that were merged with what the gateway says.
#[derive(Default)]
struct Forwarded<'a> {
    chain: SmallVec<[&'a [u8]; 2]>,
    host: SmallVec<[&'a [u8]; 1]>,
    proto: SmallVec<[&'a [u8]; 1]>,
    port: SmallVec<[&'a [u8]; 1]>,
    prefix: SmallVec<[&'a [u8]; 1]>,
}

/// Writes the head. Returns where Host's value stands when it is to be the endpoint's.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    head: &RequestHead<'_>,
    path: &NormalPath<'_>,
    route: &RunningRoute,
    client: &ClientFacts,
    facts: &RequestFacts,
    framing: RequestFraming,
) -> Option<Range<usize>> {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(rewrite_path(&route.path_filters, path).as_bytes());
    if let Some(query) = head.target.query() {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    let client_host = head.authority.map_or("", |authority| authority.text);
    let host = match &route.host {
        HostPolicy::Endpoint => Some(out.len()..out.len()),
        // HTTP/1.0 does without.
        HostPolicy::Client if client_host.is_empty() => Some(out.len()..out.len()),
        HostPolicy::Client => {
            out.extend_from_slice(client_host.as_bytes());
            None
        }
        HostPolicy::Fixed(host) => {
            out.extend_from_slice(host.as_bytes());
            None
        }
    };
    out.extend_from_slice(b"\r\n");
    copy_fields(out, head, route, facts);
    if route.forwarded {
        write_forwarded(out, head, route, client, client_host);
    }
    out.extend_from_slice(&route.request.added);
    if facts.translated.is_some() {
        Call::write_type(out, Call::of(head).map_or(&[], |(_, rest)| rest));
    }
    match framing {
        RequestFraming::None => {}
        RequestFraming::Length(length) => write_length(out, length),
        RequestFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    if facts.takes_trailers {
        out.extend_from_slice(b"TE: trailers\r\nConnection: TE\r\n");
    }
    if let Some(protocol) = upgrade(head).filter(|_| facts.upgrade) {
        out.extend_from_slice(b"Connection: upgrade\r\nUpgrade: ");
        out.extend_from_slice(protocol);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    host
}

/// The protocols that the client asks to switch to. To HTTP itself, or to TLS that would carry it, is not passed
/// on: requests in that tunnel would bypass the routes. Ignoring an Upgrade is always allowed (RFC 9110 §7.8).
pub(crate) fn upgrade<'a>(head: &RequestHead<'a>) -> Option<&'a [u8]> {
    let carries_requests = |protocol: &[u8]| {
        let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default().trim_ascii();
        [&b"h2c"[..], b"h2", b"http", b"tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    head.upgrade.filter(|protocols| !protocols.split(|byte| *byte == b',').any(carries_requests))
}

/// Writes a Content-Length anew: with a tab in front of its number some parsers don't see one.
pub(crate) fn write_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn copy_fields(out: &mut Vec<u8>, head: &RequestHead<'_>, route: &RunningRoute, facts: &RequestFacts) {
    head.copy_fields(out, |field, known| match known {
        Known::Host
        | Known::ContentLength
        | Known::ForwardedFor
        | Known::ForwardedHost
        | Known::ForwardedProto
        | Known::ForwardedPort
        | Known::ForwardedPrefix
        | Known::ForwardedClientCert => false,
        Known::Via => route.forwarded,
        Known::Expect => head.expect_continue,
        known if known.is_hop_by_hop() => false,
        _ => {
            !head.nominated.has(field.name)
                && !route.request.drops(field.name)
                && (route.forwarded || !field.name.eq_ignore_ascii_case("forwarded"))
                && (facts.translated.is_none() || !field.name.eq_ignore_ascii_case("content-type"))
        }
    });
}

/// Adds who asked, for which host, and by which way, to what the client said of it. As Zuul did, values are
/// appended with a comma, so a service behind a chain of proxies sees the first one first.
fn write_forwarded(
    out: &mut Vec<u8>,
    head: &RequestHead<'_>,
    route: &RunningRoute,
    client: &ClientFacts,
    client_host: &str,
) {
    let mut said = Forwarded::default();
    for field in head.fields() {
        match Known::of(field.name) {
            Known::ForwardedFor => said.chain.push(field.value),
            Known::ForwardedHost => said.host.push(field.value),
            Known::ForwardedProto => said.proto.push(field.value),
            Known::ForwardedPort => said.port.push(field.value),
            Known::ForwardedPrefix => said.prefix.push(field.value),
            _ => {}
        }
    }
    let mut write = |name: &str, said: &[&[u8]], ours: &[u8]| {
        // A filter that sets or removes one of these has the last word.
        if !route.request.drops(name) {
            write_list(out, name, said, ours);
        }
    };
    write("X-Forwarded-For", &said.chain, client.ip.as_bytes());
    if !client_host.is_empty() {
        write("X-Forwarded-Host", &said.host, client_host.as_bytes());
    }
    write("X-Forwarded-Proto", &said.proto, client.scheme.as_bytes());
    if !client.port.is_empty() {
        write("X-Forwarded-Port", &said.port, client.port.as_bytes());
    } else if let Some((last, before)) = said.port.split_last() {
        // A Unix socket has none to add.
        write("X-Forwarded-Port", before, last);
    }
    if let Some(prefix) = &route.forwarded_prefix {
        write("X-Forwarded-Prefix", &said.prefix, prefix.as_bytes());
    }
    let identity = client.tls.as_ref().and_then(|session| session.client.as_deref());
    if let Some(identity) = identity
        && !route.request.drops("x-forwarded-client-cert")
    {
        write_list(out, "X-Forwarded-Client-Cert", &[], identity.as_bytes());
    }
    out.extend_from_slice(client.protocol.via());
}

fn write_list(out: &mut Vec<u8>, name: &str, said: &[&[u8]], ours: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    for value in said.iter().filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(ours);
    out.extend_from_slice(b"\r\n");
}
