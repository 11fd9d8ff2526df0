//! `gateway.listeners`, and the ports of all parts together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use haechi_core::Address;
use haechi_route::config::{Http3, Layer4, Listener, ListenerProtocol, ProxyFrom};

use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::{format, raw};

impl Lower<'_> {
    pub(super) fn listeners(&mut self, raw: &[raw::Listener], at: At<'_>) -> BTreeMap<String, Listener> {
        let mut listeners = BTreeMap::new();
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, raw) in raw.iter().enumerate() {
            let name = raw.name.0.as_str();
            let here = at.item(i);
            if let Some(first) = first.get(name) {
                let first = at.item(*first).key("name").span();
                let message = format!("two listeners are called `{name}`");
                self.report(
                    Diagnostic::error("duplicate-name", here.key("name").span(), message)
                        .note(first, "first here")
                        .help("give each listener its own name")
                        .leaving_out(format!("the second listener `{name}`")),
                );
                continue;
            }
            first.insert(name, i);
            if self.was_left_out("listener", name) {
                continue;
            }
            if let Some(listener) = self.isolated("listener", name, |lower| lower.listener(raw, here)) {
                listeners.insert(name.to_owned(), listener);
            }
        }
        listeners
    }

    fn listener(&mut self, raw: &raw::Listener, at: At<'_>) -> Option<Listener> {
        let listen = format::listener_address(&raw.listen.0).ok()?;
        let listen = self.address(listen, at.key("listen"))?;
        let tls = raw.tls.as_ref().map(|tls| self.tls(tls, at.key("tls")));
        if raw.tls.is_some() && raw.redirect_to_https.is_some() {
            let message =
                "a listener that speaks TLS can't redirect to https: requests would go round in circles";
            let diagnostic = Diagnostic::error("contradiction", at.key("redirect-to-https").span(), message);
            self.report(diagnostic.help("put `redirect-to-https` on the listener that speaks plain HTTP"));
        }
        match &listen {
            Address::Tcp(_) => self.no_mode(raw, at),
            Address::Unix(path) => {
                self.has_folder(path, at);
                self.unix_alone(raw, at);
            }
        }
        let protocol = protocol(raw.protocol.unwrap_or_default());
        if let ListenerProtocol::Layer4(kind) = protocol {
            self.http_alone(kind, at);
        }
        Some(Listener {
            mode: raw
                .mode
                .as_ref()
                .and_then(|mode| format::file_mode(&mode.0).ok())
                .unwrap_or(Listener::MODE),
            protocol,
            http2: raw.http2.unwrap_or(true),
            http3: self.http3(raw, &listen, at),
            tls,
            redirect_to_https: raw.redirect_to_https,
            proxy_protocol: raw
                .proxy_protocol
                .as_ref()
                .map(|proxy| self.proxy_from(proxy, &listen, at.key("proxy-protocol"))),
            listen,
        })
    }

    fn no_mode(&mut self, raw: &raw::Listener, at: At<'_>) {
        if raw.mode.is_some() {
            let message = "a port has no file, and so no permissions";
            let diagnostic = Diagnostic::error("contradiction", at.key("mode").key_span(), message)
                .note(at.key("listen").span(), "because of this");
            self.report(diagnostic.help("remove it, or listen at a Unix socket: unix:/run/haechi/web.sock"));
        }
    }

    /// The file is made anew, the folder is not.
    fn has_folder(&mut self, path: &Path, at: At<'_>) {
        if let Some(folder) = path.parent().filter(|folder| !self.files.is_folder(folder)) {
            let message = format!("the folder {} doesn't exist", folder.display());
            let diagnostic = Diagnostic::error("missing-file", at.key("listen").span(), message);
            self.report(diagnostic.help("make the folder, or name another one"));
        }
    }

    /// What a Unix socket can't have: its peers are on this machine, and have no address.
    fn unix_alone(&mut self, raw: &raw::Listener, at: At<'_>) {
        let from = raw.proxy_protocol.as_ref().is_some_and(|proxy| !proxy.from.is_empty());
        let wrong = [
            (
                raw.tls.is_some(),
                at.key("tls"),
                "no TLS is spoken over a Unix socket: whoever connects is on this machine",
                "remove `tls`, or listen at an address and a port",
            ),
            (
                raw.http3 == Some(true),
                at.key("http3"),
                "HTTP/3 is spoken over UDP, which a Unix socket is not",
                "remove `http3`, or listen at an address and a port",
            ),
            (
                raw.protocol == Some(raw::ListenerProtocol::Udp),
                at.key("protocol"),
                "datagrams come in at ports, and not at a Unix socket",
                "listen at an address and a port",
            ),
            (
                from,
                at.key("proxy-protocol").key("from"),
                "whoever connects to a Unix socket has no address",
                "remove `from`; `mode` says who may connect",
            ),
        ];
        for (_, here, message, help) in wrong.into_iter().filter(|(wrong, ..)| *wrong) {
            let diagnostic = Diagnostic::error("contradiction", here.key_span(), message)
                .note(at.key("listen").span(), "because of this");
            self.report(diagnostic.help(help));
        }
    }

    fn proxy_from(&mut self, raw: &raw::ProxyProtocol, listen: &Address, at: At<'_>) -> ProxyFrom {
        if raw.from.is_empty() && listen.tcp().is_some_and(|address| !address.ip().is_loopback()) {
            let message = "whoever reaches this port can claim any address";
            let help = "name the proxies: `proxy-protocol: { from: [10.0.0.0/8] }`";
            self.report(Diagnostic::warning("unsafe", at.span(), message).help(help));
        }
        ProxyFrom { networks: raw.from.iter().filter_map(|from| format::network(&from.0).ok()).collect() }
    }

    /// What is passed on unread is no HTTP, and its TLS is the service's.
    fn http_alone(&mut self, kind: Layer4, at: At<'_>) {
        let (is_udp, kind) = (kind == Layer4::Udp, kind.as_str());
        let keys =
            ["tls", "http2", "http3", "http3-port", "http3-max-age", "redirect-to-https", "proxy-protocol"];
        // Connections can come from a proxy, and say so; datagrams can't.
        let keys = if is_udp { &keys[..] } else { &keys[..6] };
        for key in keys.iter().copied() {
            let here = at.key(key);
            if !here.is_written() {
                continue;
            }
            let why = match key {
                "proxy-protocol" => "its header stands in front of a connection",
                _ => "what it takes is passed on unread",
            };
            let message = format!("a listener with `protocol: {kind}` has no `{key}`: {why}");
            let diagnostic = Diagnostic::error("contradiction", here.key_span(), message)
                .note(at.key("protocol").span(), "because of this");
            self.report(diagnostic.help(match key {
                "tls" if is_udp => "remove it; DTLS and QUIC are passed on as they are",
                "tls" => "remove it and pass TLS on by its name (`protocol: tls`), or remove `protocol`",
                _ => "remove it, or remove `protocol`",
            }));
        }
    }

    fn http3(&mut self, raw: &raw::Listener, listen: &Address, at: At<'_>) -> Option<Http3> {
        if !raw.http3.unwrap_or(false) {
            for (key, set) in
                [("http3-port", raw.http3_port.is_some()), ("http3-max-age", raw.http3_max_age.is_some())]
            {
                if set {
                    let message = format!("`{key}` is about HTTP/3, which this listener doesn't speak");
                    let diagnostic = Diagnostic::error("contradiction", at.key(key).span(), message);
                    self.report(diagnostic.help(format!("add `http3: true`, or remove `{key}`")));
                }
            }
            return None;
        }
        // Of what has no HTTP/3 anyway this would be the wrong advice.
        let may_have_tls = raw.protocol.unwrap_or_default() == raw::ListenerProtocol::Http
            && matches!(listen, Address::Tcp(_));
        if raw.tls.is_none() && may_have_tls {
            let message = "HTTP/3 is never spoken without TLS";
            let diagnostic = Diagnostic::error("contradiction", at.key("http3").span(), message);
            self.report(diagnostic.help("add `tls` with a certificate, or remove `http3`"));
        }
        if raw.proxy_protocol.is_some() {
            let message = "HTTP/3 has no header of the PROXY protocol";
            let diagnostic = Diagnostic::error("contradiction", at.key("http3").span(), message)
                .note(at.key("proxy-protocol").span(), "this listener is reached through a proxy");
            let help = "remove `http3`, or give clients that come without the proxy a listener of their own";
            self.report(diagnostic.help(help));
        }
        let default = Http3::default();
        let at = at.key("http3-max-age");
        let max_age = self.positive(raw.http3_max_age.as_ref(), default.max_age, at);
        Some(Http3 { port: raw.http3_port, max_age })
    }

    /// Two parts can't listen on one port or socket. Comes first, so that what is left out isn't lowered.
    pub(super) fn ports(&mut self, raw: &raw::File, at: At<'_>) {
        let mut taken: Vec<Taken<'_>> = Vec::new();
        let gateway = at.key("gateway").key("listeners");
        let listeners = raw.gateway.iter().flat_map(|gateway| &gateway.listeners).enumerate();
        let parts = [
            ("admin", raw.admin.as_ref().map(|part| &part.listen)),
            ("registry", raw.registry.as_ref().and_then(|part| part.listen.as_ref())),
            ("config", raw.config.as_ref().map(|part| &part.listen)),
        ];
        let mut all: Vec<(String, &str, Ports, At<'_>, Option<&str>)> = Vec::new();
        for (name, listen) in parts {
            let at = at.key(name).key("listen");
            all.extend(listen.map(|listen| (format!("`{name}`"), listen.0.as_str(), Ports::Tcp, at, None)));
        }
        all.extend(listeners.map(|(i, listener)| {
            let name = listener.name.0.as_str();
            let at = gateway.item(i).key("listen");
            (format!("listener `{name}`"), listener.listen.0.as_str(), Ports::of(listener), at, Some(name))
        }));
        for (name, listen, ports, at, listener) in all {
            let Ok(address) = format::listener_address(listen) else { continue };
            let collides = |other: &&Taken<'_>| other.ports.meet(ports) && collide(&other.address, &address);
            let Some(Taken { name: other, at: other_at, ports: others, .. }) = taken.iter().find(collides)
            else {
                taken.push(Taken { name, address, ports, at });
                continue;
            };
            let (place, help) = match &address {
                Address::Tcp(address) => {
                    // HTTP/3 and TCP of one listener have the same port.
                    let is_udp = ports == Ports::Udp || *others == Ports::Udp;
                    let kind = if is_udp { "UDP port" } else { "port" };
                    (format!("{kind} {}", address.port()), "give one of them another port")
                }
                Address::Unix(path) => (path.display().to_string(), "give one of them another file"),
            };
            let message = format!("{name} and {other} both listen on {place}");
            let diagnostic = Diagnostic::error("port-conflict", at.span(), message)
                .note(other_at.span(), format!("{other} listens here"))
                .help(help);
            match listener {
                Some(listener) => self.leave_out("listener", listener, diagnostic),
                None => self.report(diagnostic),
            }
        }
    }
}

const fn protocol(raw: raw::ListenerProtocol) -> ListenerProtocol {
    match raw {
        raw::ListenerProtocol::Http => ListenerProtocol::Http,
        raw::ListenerProtocol::Tcp => ListenerProtocol::Layer4(Layer4::Tcp),
        raw::ListenerProtocol::Tls => ListenerProtocol::Layer4(Layer4::Tls),
        raw::ListenerProtocol::Udp => ListenerProtocol::Layer4(Layer4::Udp),
    }
}

/// What takes a port or a file already.
struct Taken<'a> {
    name: String,
    address: Address,
    ports: Ports,
    at: At<'a>,
}

/// Which of the ports of one number: those of TCP and UDP are apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ports {
    Tcp,
    Udp,
    /// HTTP/3 has that of UDP as well.
    Both,
}

impl Ports {
    fn of(listener: &raw::Listener) -> Self {
        match listener.protocol {
            Some(raw::ListenerProtocol::Udp) => Self::Udp,
            _ if listener.http3.unwrap_or(false) => Self::Both,
            _ => Self::Tcp,
        }
    }

    fn meet(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }
}

/// Whether two sockets can't both listen. `[::]` takes IPv4 as well.
fn collide(a: &Address, b: &Address) -> bool {
    let (a, b): (SocketAddr, SocketAddr) = match (a, b) {
        (Address::Tcp(a), Address::Tcp(b)) => (*a, *b),
        _ => return a == b,
    };
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip()
            || (a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4()))
            || (b.ip().is_unspecified() && (b.is_ipv6() || a.is_ipv4())))
}
