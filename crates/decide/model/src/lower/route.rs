//! `gateway.routes`.

use std::collections::BTreeMap;

use haechi_core::{RouteName, ServiceName};
use haechi_route::config::{
    Filter, HostPattern, Match, Retry, Route, Service, Timeouts, ValueMatch, ValuePattern,
};

use haechi_yaml::Span;

use super::path::{Head, pattern};
use super::{At, Lower};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::format::is_token;
use crate::raw;

pub(super) type Services = BTreeMap<ServiceName, Service>;

impl Lower<'_> {
    pub(super) fn route(&mut self, raw: &raw::Route, services: &Services, at: At<'_>) -> Option<Route> {
        let name = RouteName::new(&raw.name.0).ok()?;
        let matches = self.matches(&raw.matches, at.key("match"));
        let filters = self.filters(raw, at);
        let action = self.action(raw, services, at);
        let timeouts = self.timeouts(raw.timeouts.as_ref(), at.key("timeouts"));
        let retry = Self::retry(raw.retry.as_ref());
        Some(Route {
            name,
            matches,
            priority: raw.priority.unwrap_or(0),
            filters,
            action: action?,
            timeouts,
            retry,
        })
    }

    fn matches(&mut self, raw: &raw::Match, at: At<'_>) -> Match {
        let mut methods: Vec<String> = raw.methods.iter().map(|method| method.0.clone()).collect();
        methods.sort();
        methods.dedup();
        Match {
            host: raw.host.as_ref().map(|host| host_pattern(&host.0)),
            path: raw.path.as_ref().map(|path| pattern(&path.0)),
            methods,
            headers: self.conditions(&raw.headers, true, at.key("headers")),
            query: self.conditions(&raw.query, false, at.key("query")),
        }
    }

    fn conditions(
        &mut self,
        raw: &indexmap::IndexMap<String, raw::ValueMatch>,
        are_headers: bool,
        at: At<'_>,
    ) -> Vec<ValueMatch> {
        let mut conditions: Vec<ValueMatch> = Vec::with_capacity(raw.len());
        for (name, value) in raw {
            let here = at.key(name);
            if are_headers {
                self.header_name(name, here.key_span());
            }
            let name = if are_headers { name.to_ascii_lowercase() } else { name.clone() };
            if let Some(first) = conditions.iter().position(|known| known.name == name) {
                let first = raw.get_index(first).map_or(here, |(first, _)| at.key(first));
                let message = format!("header {name} is written twice; upper and lower case are the same");
                self.report(
                    Diagnostic::error("duplicate-key", here.key_span(), message)
                        .note(first.key_span(), "first here")
                        .help("keep one of them"),
                );
            }
            let value = match value {
                raw::ValueMatch::Exact(text) => ValuePattern::Exact(text.clone()),
                raw::ValueMatch::Condition(raw) => match (&raw.exact, &raw.prefix, raw.present) {
                    (Some(text), None, None) => ValuePattern::Exact(text.clone()),
                    (None, Some(text), None) => ValuePattern::Prefix(text.clone()),
                    (None, None, Some(true)) => ValuePattern::Present,
                    (None, None, Some(false)) => ValuePattern::Absent,
                    _ => {
                        let diagnostic = Diagnostic::error(
                            "contradiction",
                            here.span(),
                            "a condition needs exactly one key",
                        );
                        self.report(diagnostic.help("write one of `exact`, `prefix` and `present`"));
                        continue;
                    }
                },
            };
            conditions.push(ValueMatch { name, value });
        }
        conditions
    }

    pub(super) fn header_name(&mut self, name: &str, span: Span) {
        if name.is_empty() || !name.bytes().all(is_token) {
            let diagnostic =
                Diagnostic::error("bad-value", span, format!("{name:?} can't be the name of a header"));
            self.report(diagnostic.help("a header's name has letters, digits and hyphens (RFC 9110 §5.1)"));
        }
    }

    pub(super) fn service_named(
        &mut self,
        name: &str,
        services: &Services,
        at: At<'_>,
    ) -> Option<ServiceName> {
        if let Some((name, _)) = services.get_key_value(name) {
            return Some(name.clone());
        }
        let diagnostic = if self.was_left_out("service", name) {
            let diagnostic =
                Diagnostic::error("service-left-out", at.span(), format!("service `{name}` is left out"))
                    .help("mend the service; this route comes back with it");
            match self.why_left_out("service", name) {
                Some(span) => diagnostic.note(span, "because of this"),
                None => diagnostic,
            }
        } else {
            let known: Vec<&str> = services.keys().map(ServiceName::as_str).collect();
            let help = match did_you_mean(name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => format!("add it: services: {{ {name}: {{ endpoints: [ … ] }} }}"),
                None => format!("add it to `services`; there are {}", known.join(", ")),
            };
            Diagnostic::error("unknown-service", at.span(), format!("there is no service `{name}`"))
                .help(help)
        };
        self.report(diagnostic);
        None
    }

    fn filters(&mut self, raw: &raw::Route, at: At<'_>) -> Vec<Filter> {
        let has_service = raw.service.is_some();
        let mut filters = Vec::with_capacity(raw.filters.len() + 1);
        let mut head = Head::of(raw.matches.path.as_ref().map(|path| path.0.as_str()));
        if let Some(prefix) = &raw.strip_prefix {
            let prefix = self.literal(prefix, at.key("strip-prefix"));
            self.strips(&mut head, &prefix, "", at.key("strip-prefix"), at.key("match"));
            filters.push(Filter::StripPrefix(prefix));
        }
        for (i, raw) in raw.filters.iter().enumerate() {
            let here = at.key("filters").item(i);
            if let Some(filter) = self.filter(raw, here) {
                match &filter {
                    Filter::StripPrefix(prefix) => self.strips(&mut head, prefix, "", here, at.key("match")),
                    Filter::RewritePrefix { from, to } => {
                        self.strips(&mut head, from, to, here, at.key("match"));
                    }
                    Filter::RewritePath(to) => head.set(to),
                    Filter::Compress(_) => self.one_compress(&filters, has_service, here),
                    Filter::SetRequestHeader(..) | Filter::SetResponseHeader(..) => {
                        self.not_too_many(&filters, &filter, here);
                    }
                    _ => {}
                }
                filters.push(filter);
            }
        }
        filters
    }

    /// Answers are compressed once, and those of services alone.
    fn one_compress(&mut self, before: &[Filter], has_service: bool, at: At<'_>) {
        if before.iter().any(|filter| matches!(filter, Filter::Compress(_))) {
            let diagnostic = Diagnostic::error("contradiction", at.span(), "answers are compressed twice");
            self.report(diagnostic.help("keep one `compress`"));
        }
        if !has_service {
            let message = "only what a service answers is compressed";
            let diagnostic = Diagnostic::warning("no-effect", at.span(), message);
            self.report(diagnostic.help("remove it; beside files put `FILE.br`, `FILE.zst` or `FILE.gz`"));
        }
    }

    /// HTTP/2 and HTTP/3 have no room for headers without end.
    fn not_too_many(&mut self, before: &[Filter], filter: &Filter, at: At<'_>) {
        let is_alike = |other: &&Filter| std::mem::discriminant(*other) == std::mem::discriminant(filter);
        if before.iter().filter(is_alike).count() == Filter::SET_FIELDS {
            let message = format!("a route sets {} headers of a message at most", Filter::SET_FIELDS);
            let diagnostic = Diagnostic::error("out-of-range", at.span(), message);
            self.report(diagnostic.help("remove some; or let the service set them"));
        }
    }

    /// An error if a prefix that is to be taken off isn't always there.
    fn strips(&mut self, head: &mut Head, from: &str, to: &str, at: At<'_>, matches: At<'_>) {
        if head.replace(from, to) {
            return;
        }
        let path = matches.key("path");
        let message = format!("not every path of this route begins with {from} here");
        let mut diagnostic = Diagnostic::error("prefix-mismatch", at.span(), message);
        diagnostic = if path.is_written() {
            diagnostic.note(path.span(), "what the route matches")
        } else {
            diagnostic.note(matches.span(), "the route matches every path")
        };
        self.report(
            diagnostic
                .help(format!("match `path: {}/**`, or take off another prefix", from.trim_end_matches('/'))),
        );
    }

    fn filter(&mut self, raw: &raw::Filter, at: At<'_>) -> Option<Filter> {
        let mut all = Vec::new();
        all.extend(
            raw.strip_prefix.as_ref().map(|p| Filter::StripPrefix(self.literal(p, at.key("strip-prefix")))),
        );
        all.extend(raw.rewrite_prefix.as_ref().map(|r| {
            let at = at.key("rewrite-prefix");
            Filter::RewritePrefix {
                from: self.literal(&r.from, at.key("from")),
                to: self.literal(&r.to, at.key("to")),
            }
        }));
        all.extend(
            raw.rewrite_path.as_ref().map(|p| Filter::RewritePath(self.literal(p, at.key("rewrite-path")))),
        );
        all.extend(raw.rewrite_host.as_ref().map(|host| Filter::RewriteHost(host.0.to_ascii_lowercase())));
        all.extend(self.switch(raw.keep_host, true, Filter::KeepHost, at.key("keep-host")));
        all.extend(self.set_header(
            raw.set_request_header.as_ref(),
            at.key("set-request-header"),
            Filter::SetRequestHeader,
        ));
        all.extend(self.remove_header(
            raw.remove_request_header.as_ref(),
            at.key("remove-request-header"),
            Filter::RemoveRequestHeader,
        ));
        all.extend(self.set_header(
            raw.set_response_header.as_ref(),
            at.key("set-response-header"),
            Filter::SetResponseHeader,
        ));
        all.extend(self.remove_header(
            raw.remove_response_header.as_ref(),
            at.key("remove-response-header"),
            Filter::RemoveResponseHeader,
        ));
        all.extend(self.switch(
            raw.forwarded_headers,
            false,
            Filter::NoForwardedHeaders,
            at.key("forwarded-headers"),
        ));
        all.extend(self.switch(
            raw.forwarded_prefix,
            true,
            Filter::ForwardedPrefix,
            at.key("forwarded-prefix"),
        ));
        all.extend(
            raw.compress.as_ref().and_then(|c| self.compress(c, at.key("compress"))).map(Filter::Compress),
        );
        if all.len() > 1 {
            let diagnostic = Diagnostic::error("contradiction", at.span(), "one filter with several changes");
            self.report(diagnostic.help("write one item for each, in the order in which they are to happen"));
            return None;
        }
        let filter = all.pop();
        // What went wrong with its one key has been said already.
        if filter.is_none() && *raw == raw::Filter::default() {
            let diagnostic = Diagnostic::error("missing-key", at.span(), "this filter changes nothing");
            self.report(
                diagnostic.help("write for example { set-request-header: { name: x-from, value: gateway } }"),
            );
        }
        filter
    }

    /// A path in the form in which the gateway sees requests' paths.
    pub(super) fn literal(&mut self, raw: &raw::PathText, at: At<'_>) -> String {
        haechi_route::normal_literal(&raw.0).unwrap_or_else(|why| {
            let message = format!("{:?}: {why}", raw.0);
            let diagnostic = Diagnostic::error("bad-value", at.span(), message);
            self.report(diagnostic.help("write a path that the service may be asked for"));
            raw.0.clone()
        })
    }

    /// A filter that is on with one value of a switch. The other value is what happens anyway, so it is a mistake.
    fn switch(&mut self, raw: Option<bool>, on: bool, filter: Filter, at: At<'_>) -> Option<Filter> {
        match raw {
            Some(value) if value == on => Some(filter),
            Some(value) => {
                let diagnostic = Diagnostic::error(
                    "no-effect",
                    at.span(),
                    format!("{value} is what happens without this filter"),
                );
                self.report(diagnostic.help(format!("write {on}, or remove the filter")));
                None
            }
            None => None,
        }
    }

    fn set_header(
        &mut self,
        raw: Option<&raw::HeaderValue>,
        at: At<'_>,
        filter: fn(String, String) -> Filter,
    ) -> Option<Filter> {
        let raw = raw?;
        self.own_header(&raw.name, at.key("name"));
        self.header_value(&raw.value, at.key("value"));
        Some(filter(raw.name.to_ascii_lowercase(), raw.value.clone()))
    }

    pub(super) fn header_value(&mut self, value: &str, at: At<'_>) {
        if value.chars().any(|c| c.is_control() && c != '\t') {
            let message = "a header's value can't hold control characters";
            let diagnostic = Diagnostic::error("bad-value", at.span(), message);
            self.report(diagnostic.help("write it on one line"));
        }
    }

    fn remove_header(
        &mut self,
        raw: Option<&String>,
        at: At<'_>,
        filter: fn(String) -> Filter,
    ) -> Option<Filter> {
        let name = raw?;
        self.own_header(name, at);
        Some(filter(name.to_ascii_lowercase()))
    }

    /// Headers that the gateway writes itself, because they frame the message or belong to one connection.
    pub(super) fn own_header(&mut self, name: &str, at: At<'_>) {
        const OURS: &[&str] = &[
            "connection",
            "content-length",
            "host",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        self.header_name(name, at.span());
        if OURS.contains(&name.to_ascii_lowercase().as_str()) {
            let help = match name.to_ascii_lowercase().as_str() {
                "host" => "use `rewrite-host` or `keep-host`",
                _ => "remove this filter; the gateway frames every message anew",
            };
            let message = format!("the gateway writes {name} itself");
            self.report(Diagnostic::error("bad-value", at.span(), message).help(help));
        }
    }

    fn timeouts(&mut self, raw: Option<&raw::Timeouts>, at: At<'_>) -> Timeouts {
        let default = Timeouts::default();
        let Some(raw) = raw else { return default };
        let timeouts = Timeouts {
            connect: self.positive(raw.connect.as_ref(), default.connect, at.key("connect")),
            first_byte: self.positive(raw.first_byte.as_ref(), default.first_byte, at.key("first-byte")),
            idle: self.positive(raw.idle.as_ref(), default.idle, at.key("idle")),
            request: self.duration(raw.request.as_ref(), default.request, at.key("request")),
        };
        if !timeouts.request.is_zero() && raw.first_byte.is_some() && timeouts.first_byte > timeouts.request {
            self.report(
                Diagnostic::warning(
                    "no-effect",
                    at.key("first-byte").span(),
                    "`first-byte` can never strike",
                )
                .note(at.key("request").span(), "`request` is shorter and strikes first")
                .help("make `first-byte` shorter than `request`"),
            );
        }
        timeouts
    }

    fn retry(raw: Option<&raw::Retry>) -> Retry {
        let default = Retry::default();
        let Some(raw) = raw else { return default };
        let mut statuses = raw.statuses.clone();
        statuses.sort_unstable();
        statuses.dedup();
        Retry {
            attempts: raw.attempts.unwrap_or(default.attempts),
            idempotent: raw.idempotent.unwrap_or(default.idempotent),
            statuses,
        }
    }
}

pub(super) fn host_pattern(text: &str) -> HostPattern {
    let lower = text.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(ip) = lower.parse::<std::net::Ipv6Addr>() {
        return HostPattern::Exact(format!("[{ip}]"));
    }
    match lower.strip_prefix('*') {
        Some(suffix) => HostPattern::Suffix(suffix.to_owned()),
        None => HostPattern::Exact(lower),
    }
}
