//! The schema's formats: each checks one form of text and says what it should look like.

use std::net::SocketAddr;

use haechi_core::{Address, units};
use haechi_route::config::{BadNetwork, Network};

use crate::diagnostic::did_you_mean;

/// Why a text doesn't have its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// What is wrong, in one line.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

fn misfit(message: impl Into<String>, help: &str) -> Misfit {
    Misfit { message: message.into(), help: Some(help.to_owned()) }
}

type Check = fn(&str) -> Result<(), Misfit>;

/// Every format that the schema uses, with its check.
pub(crate) const FORMATS: &[(&str, Check)] = &[
    ("duration", |text| unit(units::duration(text).map(drop))),
    ("size", |text| unit(units::size(text).map(drop))),
    ("socket-address", |text| listen_address(text).map(drop)),
    ("listen-address", |text| listener_address(text).map(drop)),
    ("file-mode", |text| file_mode(text).map(drop)),
    ("endpoint-address", |text| endpoint_address(text).map(drop)),
    ("network", |text| network(text).map(drop)),
    ("host-and-port", |text| host_and_port(text).map(drop)),
    ("host", host),
    ("host-pattern", host_pattern),
    ("path-pattern", path_pattern),
    ("path", path),
    ("method", method),
    ("name", name),
    ("file", not_empty),
    ("http-url", http_url),
    ("git-uri", git_uri),
    ("hex", hex),
    ("expectation", |text| crate::expectation::parse(text).map(drop)),
    ("secret", not_empty),
];

/// Checks a text against a format of the schema. A format that isn't ours is not checked.
pub(crate) fn check(format: &str, text: &str) -> Result<(), Misfit> {
    match FORMATS.iter().find(|(name, _)| *name == format) {
        Some((_, check)) => check(text),
        None => Ok(()),
    }
}

fn unit(read: Result<(), units::UnitError>) -> Result<(), Misfit> {
    read.map_err(|error| {
        let message = error.to_string();
        // The error's own text is "what; how to write it".
        match message.split_once("; ") {
            Some((what, how)) => misfit(what, how),
            None => Misfit { message, help: None },
        }
    })
}

pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, Misfit> {
    let example = "write an IP address and a port, for example 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080";
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return Err(misfit(
            format!("{text:?} has no address"),
            &format!("for every interface write 0.0.0.0:{port}"),
        ));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Err(misfit(format!("{text:?} is not an IP address"), &format!("write 127.0.0.1:{port}")));
    }
    if let Some(port) = text.strip_prefix("*:") {
        return Err(misfit(
            format!("{text:?} is not an IP address"),
            &format!("for every interface write 0.0.0.0:{port}"),
        ));
    }
    socket_address(text, example)
}

/// Where a listener accepts. The path of a Unix socket may still be relative.
pub(crate) fn listener_address(text: &str) -> Result<Address, Misfit> {
    match Address::unix_path(text) {
        Some(path) => unix_socket(text, path),
        None => listen_address(text).map(Address::Tcp),
    }
}

/// Where a service is. The path of a Unix socket may still be relative.
pub(crate) fn endpoint_address(text: &str) -> Result<Address, Misfit> {
    if let Some(path) = Address::unix_path(text) {
        return unix_socket(text, path);
    }
    let address = socket_address(
        text,
        "write an IP address and a port, for example 127.0.0.1:3000; for a host name \
         write `endpoints: { dns: HOST:PORT }`",
    )?;
    if address.port() == 0 {
        return Err(misfit(
            format!("{text:?} has port 0, which nobody can connect to"),
            "write the service's port",
        ));
    }
    Ok(address.into())
}

fn unix_socket(text: &str, path: &str) -> Result<Address, Misfit> {
    let example = "write the socket's file, for example unix:/run/app.sock";
    if path.starts_with("//") {
        return Err(misfit(format!("{text:?} is a URL, not a file's name"), example));
    }
    if path.starts_with('@') {
        let message = format!("{text:?} is an abstract socket, which has no file and no permissions");
        return Err(misfit(message, example));
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    if matches!(name, "" | "." | "..") || path.contains('\0') {
        return Err(misfit(format!("{text:?} names no file"), example));
    }
    Ok(Address::unix(path.into()))
}

/// Permissions in octal.
pub(crate) fn file_mode(text: &str) -> Result<u32, Misfit> {
    let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| {
        misfit(
            format!("{text:?} is no file's permissions"),
            "write three octal digits, for example \"660\" for owner and group, \"666\" for everybody",
        )
    })
}

pub(crate) fn network(text: &str) -> Result<Network, Misfit> {
    text.parse().map_err(|error: BadNetwork| {
        let help = match &error {
            BadNetwork::NotFirst { given, network } => {
                let alone = given.split('/').next().unwrap_or_default();
                format!("write {network} for the network, or {alone} for this address alone")
            }
            BadNetwork::Form(_) | BadNetwork::Bits(_) => {
                "write an address or a network, for example 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32".to_owned()
            }
        };
        misfit(error.to_string(), &help)
    })
}

fn socket_address(text: &str, help: &str) -> Result<SocketAddr, Misfit> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.contains("://") {
        return Err(misfit(format!("{text:?} is a URL, not an address"), help));
    }
    if text.starts_with('/') {
        return Err(misfit(format!("{text:?} is a path"), &format!("for a Unix socket write unix:{text}")));
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err(misfit(format!("{text:?} has no port"), help));
    }
    let Some((ip, port)) = text.rsplit_once(':') else {
        return Err(misfit(format!("{text:?} is not an IP address with a port"), help));
    };
    port_number(text, port)?;
    Err(misfit(format!("{ip:?} is not an IP address"), help))
}

fn port_number(text: &str, port: &str) -> Result<u16, Misfit> {
    port.parse().map_err(|_| {
        misfit(format!("{port:?} in {text:?} is not a port"), "a port is a number from 1 to 65535")
    })
}

pub(crate) fn host_and_port(text: &str) -> Result<(String, u16), Misfit> {
    let help = "write a host name and a port, for example backend.example:80";
    if text.contains("://") {
        return Err(misfit(format!("{text:?} is a URL"), help));
    }
    let Some((name, port)) = text.rsplit_once(':') else {
        return Err(misfit(format!("{text:?} has no port"), help));
    };
    let port = port_number(text, port)?;
    if port == 0 {
        return Err(misfit(format!("{text:?} has port 0, which nobody can connect to"), help));
    }
    host(name)?;
    Ok((name.to_ascii_lowercase(), port))
}

fn host(text: &str) -> Result<(), Misfit> {
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    let help = "a host name has letters, digits, hyphens and dots, and no scheme, port or path";
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if text.is_empty() || text.len() > 253 || !text.trim_end_matches('.').split('.').all(label) {
        return Err(misfit(format!("{text:?} is not a host name"), help));
    }
    Ok(())
}

fn host_pattern(text: &str) -> Result<(), Misfit> {
    if text == "*" {
        return Err(misfit("`*` matches nothing as a host", "leave `host` out to match every host"));
    }
    let rest = text.strip_prefix("*.").unwrap_or(text);
    if rest.contains('*') {
        let help = "a wildcard is one `*.` in front: *.example.com";
        return Err(misfit(format!("{text:?} has a wildcard in the wrong place"), help));
    }
    host(rest)
}

fn path(text: &str) -> Result<(), Misfit> {
    path_characters(text)?;
    if text.contains('*') || text.contains('{') {
        return Err(misfit(format!("{text:?} has a wildcard"), "wildcards may stand only in `match.path`"));
    }
    if text.contains('?') {
        return Err(misfit(format!("{text:?} has a query"), "write the path alone"));
    }
    Ok(())
}

fn path_pattern(text: &str) -> Result<(), Misfit> {
    path_characters(text)?;
    if text.contains(['{', '}']) {
        return Err(misfit(
            format!("{text:?} has a variable in braces"),
            "write `*` for one segment, `**` for any number",
        ));
    }
    if text.split('/').any(|segment| segment.contains("**") && segment != "**") {
        let help = "`**` is a whole segment: /a/**, /**/b; within a segment write a single `*`";
        return Err(misfit(format!("{text:?} has `**` within a segment"), help));
    }
    Ok(())
}

fn path_characters(text: &str) -> Result<(), Misfit> {
    if text.contains("://") {
        return Err(misfit(format!("{text:?} is a URL"), "write the path alone, and the host in `host`"));
    }
    if !text.starts_with('/') {
        return Err(misfit(
            format!("{text:?} doesn't begin with a slash"),
            &format!("write /{}", text.trim_start()),
        ));
    }
    if text.contains('#') {
        return Err(misfit(
            format!("{text:?} has a fragment"),
            "clients never send what follows `#`; leave it out",
        ));
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(misfit(format!("{text:?} holds {c:?}"), "a path has no spaces; write %20"));
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return Err(misfit(format!("{text:?} has a `.` or `..` segment"), "write the path that is meant"));
    }
    Ok(())
}

/// Methods that exist: RFC 9110 §9, RFC 5789 and WebDAV's (RFC 4918).
pub(crate) const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "QUERY",
];

fn method(text: &str) -> Result<(), Misfit> {
    if METHODS.contains(&text) {
        return Ok(());
    }
    if METHODS.contains(&text.to_ascii_uppercase().as_str()) {
        let help = format!("write {}", text.to_ascii_uppercase());
        return Err(misfit(format!("{text:?} is not in upper case, as methods are"), &help));
    }
    if let Some(meant) = did_you_mean(text, METHODS.iter().copied()) {
        return Err(misfit(format!("{text:?} is not a method"), &format!("did you mean {meant}?")));
    }
    if text.is_empty() || text.len() > 32 || !text.bytes().all(is_token) {
        return Err(misfit(
            format!("{text:?} is not a method"),
            "write one method an item, for example [GET, POST]",
        ));
    }
    Ok(())
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn name(text: &str) -> Result<(), Misfit> {
    match haechi_core::ServiceName::new(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(misfit(
            format!("{:?} {}", error.name, error.why),
            "a name has 1 to 255 bytes and no spaces, for example `shop-api`",
        )),
    }
}

fn not_empty(text: &str) -> Result<(), Misfit> {
    if text.is_empty() {
        Err(misfit("the text is empty", "write a value or leave the key out"))
    } else {
        Ok(())
    }
}

fn http_url(text: &str) -> Result<(), Misfit> {
    let help = "write a URL, for example http://config.example:8888";
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        return Err(misfit(format!("{text:?} doesn't begin with http:// or https://"), help));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host_port.starts_with('[') {
        let ip = host_port.trim_start_matches('[').split(']').next().unwrap_or_default();
        return match ip.parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(misfit(format!("{ip:?} is not an IPv6 address"), help)),
        };
    }
    match host_port.rsplit_once(':') {
        Some((name, port)) => port_number(text, port).and_then(|_| host(name)),
        None => host(host_port),
    }
}

fn git_uri(text: &str) -> Result<(), Misfit> {
    let help = "write https://…, ssh://…, git@host:path, file:///… or a folder's name";
    not_empty(text)?;
    if let Some((scheme, rest)) = text.split_once("://") {
        const SCHEMES: &[&str] = &["https", "http", "ssh", "file", "git"];
        if !SCHEMES.contains(&scheme) {
            let help = did_you_mean(scheme, SCHEMES.iter().copied())
                .map_or_else(|| help.to_owned(), |meant| format!("did you mean {meant}://?"));
            return Err(misfit(format!("{scheme:?} is not a scheme that git repositories have here"), &help));
        }
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('{') {
            return Err(misfit(
                format!("{text:?} has a placeholder in the host"),
                "placeholders may stand only in the path: whoever asks chooses what they become",
            ));
        }
        if host.is_empty() && scheme != "file" {
            return Err(misfit(format!("{text:?} has no host"), help));
        }
    }
    Ok(())
}

fn hex(text: &str) -> Result<(), Misfit> {
    if !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(misfit(format!("{text:?} is not an even number of hexadecimal digits"), "write for example deadbeef"))
}
