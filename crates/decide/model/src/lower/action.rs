//! What becomes of a matched request: `service`, `respond`, `redirect`, `files`.

use std::io;

use haechi_route::config::{
    Action, Coding, Compress, Files, PathPattern, Redirect, RedirectPath, Respond, Scheme, Symlinks,
};

use super::path::pattern;
use super::route::Services;
use super::{At, Lower};
use crate::diagnostic::Diagnostic;
use crate::raw;

/// Bytes of a body that is read from a file. What is larger belongs into a folder that is served.
const BODY_FILE: usize = 1 << 20;

impl Lower<'_> {
    pub(super) fn action(&mut self, raw: &raw::Route, services: &Services, at: At<'_>) -> Option<Action> {
        let written = [
            ("service", raw.service.is_some()),
            ("respond", raw.respond.is_some()),
            ("redirect", raw.redirect.is_some()),
            ("files", raw.files.is_some()),
        ];
        let mut written = written.iter().filter(|(_, is_there)| *is_there).map(|(key, _)| *key);
        let Some(first) = written.next() else {
            let message = format!("route `{}` doesn't say where requests go", raw.name.0);
            let diagnostic = Diagnostic::error("missing-key", at.span(), message);
            self.report(diagnostic.help(
                "add `service: NAME`, `respond: { status: 404 }`, `redirect: { … }` or `files: { … }`",
            ));
            return None;
        };
        if let Some(second) = written.next() {
            let message = format!("`{first}` and `{second}` are both there");
            self.report(
                Diagnostic::error("contradiction", at.key(second).span(), message)
                    .note(at.key(first).span(), "and here")
                    .help("keep one of them"),
            );
            return None;
        }
        let here = at.key(first);
        if let Some(service) = &raw.service {
            return self.service_named(service, services, here).map(Action::Service);
        }
        if let Some(respond) = &raw.respond {
            return Some(Action::Respond(self.respond(respond, here)));
        }
        if let Some(redirect) = &raw.redirect {
            return self.redirect(redirect, &raw.matches, here).map(Action::Redirect);
        }
        raw.files.as_ref().map(|files| Action::Files(self.served_files(files, here)))
    }

    fn served_files(&mut self, raw: &raw::Files, at: At<'_>) -> Files {
        let root = self.path(&raw.root);
        if !self.files.is_folder(&root) {
            let message = format!("there is no folder {}", root.display());
            let diagnostic = Diagnostic::error("missing-file", at.key("root").span(), message);
            self.report(diagnostic.help("relative names begin at this file's folder"));
        }
        let index = raw.index.clone().unwrap_or_else(|| vec!["index.html".to_owned()]);
        for (i, name) in index.iter().enumerate() {
            if name.is_empty() || name.contains('/') || name == "." || name == ".." {
                let message = format!("{name:?} is not the name of a file");
                let diagnostic = Diagnostic::error("bad-value", at.key("index").item(i).span(), message);
                self.report(diagnostic.help("write a name without folders, for example index.html"));
            }
        }
        if let Some(value) = &raw.cache_control {
            self.header_value(value, at.key("cache-control"));
        }
        let mut types = Vec::with_capacity(raw.types.len());
        for (extension, media) in &raw.types {
            let here = at.key("types").key(extension);
            self.header_value(media, here);
            let name = extension.to_ascii_lowercase();
            if name.is_empty() || name.contains(['.', '/']) {
                let message = format!("{extension:?} is not an extension");
                let diagnostic = Diagnostic::error("bad-value", here.key_span(), message);
                self.report(
                    diagnostic.help("write what follows the last dot, for example `log: text/plain`"),
                );
            }
            types.push((name, media.clone()));
        }
        Files {
            root,
            index,
            fallback: raw.fallback.as_ref().map(|path| self.literal(path, at.key("fallback"))),
            listing: raw.listing.unwrap_or(false),
            precompressed: raw.precompressed.unwrap_or(true),
            cache_control: raw.cache_control.clone(),
            hidden: raw.hidden.unwrap_or(false),
            symlinks: match raw.symlinks {
                Some(raw::Symlinks::Never) => Symlinks::Never,
                Some(raw::Symlinks::Within) | None => Symlinks::Within,
            },
            types,
        }
    }

    fn respond(&mut self, raw: &raw::Respond, at: At<'_>) -> Respond {
        let mut headers: Vec<(String, String)> = Vec::with_capacity(raw.headers.len());
        for (name, value) in &raw.headers {
            let here = at.key("headers").key(name);
            self.own_header(name, here);
            self.header_value(value, here);
            let name = name.to_ascii_lowercase();
            let help = match name.as_str() {
                "content-type" => "use `content-type` beside `headers`",
                _ if headers.iter().any(|(other, _)| *other == name) => "keep one of them",
                _ => {
                    headers.push((name, value.clone()));
                    continue;
                }
            };
            let message = format!("header {name} is written in two places");
            self.report(Diagnostic::error("duplicate-key", here.key_span(), message).help(help));
        }
        if headers.len() > Respond::FIELDS {
            let message = format!("an answer of a route has {} headers at most", Respond::FIELDS);
            let diagnostic = Diagnostic::error("out-of-range", at.key("headers").span(), message);
            self.report(diagnostic.help("remove some"));
        }
        if let Some(content_type) = &raw.content_type {
            self.header_value(content_type, at.key("content-type"));
        }
        Respond {
            status: raw.status,
            content_type: raw.content_type.clone().unwrap_or_else(|| Respond::TEXT.to_owned()),
            headers,
            body: self.body(raw, at),
        }
    }

    fn body(&mut self, raw: &raw::Respond, at: At<'_>) -> String {
        let (key, body) = match (&raw.body, &raw.body_file) {
            (Some(_), Some(_)) => {
                let message = "`body` and `body-file` are both there";
                self.report(
                    Diagnostic::error("contradiction", at.key("body-file").span(), message)
                        .note(at.key("body").span(), "and here")
                        .help("keep one of them"),
                );
                return String::new();
            }
            (Some(body), None) => ("body", body.clone()),
            (None, Some(file)) => {
                let (path, here) = (self.path(file), at.key("body-file"));
                if self.files.read(&path).is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
                    let message = format!("the file of the body {} is not text", path.display());
                    let diagnostic = Diagnostic::error("bad-value", here.span(), message);
                    self.report(diagnostic.help("a body is UTF-8; serve anything else from a folder"));
                    return String::new();
                }
                let Some(text) = self.readable(&path, "the file of the body", here) else {
                    return String::new();
                };
                if text.len() > BODY_FILE {
                    let message = format!("{} is larger than 1 MiB", path.display());
                    let diagnostic = Diagnostic::error("out-of-range", here.span(), message);
                    self.report(diagnostic.help("a body from a file has at most 1 MiB"));
                }
                ("body-file", text)
            }
            (None, None) => return String::new(),
        };
        if matches!(raw.status, 204 | 205 | 304) && !body.is_empty() {
            let message = format!("an answer {} has no body", raw.status);
            let diagnostic = Diagnostic::error("contradiction", at.key(key).span(), message);
            self.report(diagnostic.help("remove it, or choose another status (RFC 9110 §15)"));
        }
        body
    }

    fn redirect(&mut self, raw: &raw::Redirect, matches: &raw::Match, at: At<'_>) -> Option<Redirect> {
        let status = raw.status.unwrap_or(302);
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            let message = format!("{status} doesn't send a client elsewhere");
            let diagnostic = Diagnostic::error("out-of-range", at.key("status").span(), message);
            self.report(diagnostic.help("write 301, 302, 303, 307 or 308"));
            return None;
        }
        let path = match (&raw.path, &raw.prefix) {
            (None, None) => RedirectPath::Keep,
            (Some(path), None) => RedirectPath::Full(self.literal(path, at.key("path"))),
            (None, Some(prefix)) => {
                let to = self.literal(prefix, at.key("prefix"));
                let Some(PathPattern::Prefix(from)) = matches.path.as_ref().map(|path| pattern(&path.0))
                else {
                    let message = "the route matches no prefix that could be replaced";
                    let diagnostic = Diagnostic::error("prefix-mismatch", at.key("prefix").span(), message);
                    self.report(diagnostic.help("match `path: /a/**`, or write `path` for the whole path"));
                    return None;
                };
                let from = haechi_route::normal_literal(&from).unwrap_or(from);
                RedirectPath::Prefix { from, to }
            }
            (Some(_), Some(_)) => {
                let message = "`path` and `prefix` are both there";
                self.report(
                    Diagnostic::error("contradiction", at.key("prefix").span(), message)
                        .note(at.key("path").span(), "and here")
                        .help("keep one of them"),
                );
                return None;
            }
        };
        let redirect = Redirect {
            status,
            scheme: raw.scheme.map(|scheme| match scheme {
                raw::Scheme::Http => Scheme::Http,
                raw::Scheme::Https => Scheme::Https,
            }),
            host: raw.host.as_ref().map(|host| authority_host(&host.0)),
            port: raw.port,
            path,
        };
        Some(redirect)
    }

    /// `compress`, which acts on a service's answers.
    pub(super) fn compress(&mut self, raw: &raw::Compress, at: At<'_>) -> Option<Compress> {
        let mut encodings = Vec::new();
        for (i, encoding) in raw.encodings.iter().flatten().enumerate() {
            let coding = match encoding {
                raw::Encoding::Zstd => Coding::Zstd,
                raw::Encoding::Br => Coding::Brotli,
                raw::Encoding::Gzip => Coding::Gzip,
            };
            if encodings.contains(&coding) {
                let message = format!("{} is there twice", coding.token());
                let diagnostic =
                    Diagnostic::error("duplicate-key", at.key("encodings").item(i).span(), message);
                self.report(diagnostic.help("keep one of them"));
            }
            encodings.push(coding);
        }
        if raw.encodings.is_none() {
            encodings = vec![Coding::Zstd, Coding::Brotli, Coding::Gzip];
        }
        if encodings.is_empty() {
            let diagnostic =
                Diagnostic::error("empty-list", at.key("encodings").span(), "`encodings` is empty");
            self.report(diagnostic.help("write [zstd, br, gzip] or some of them, or remove the filter"));
            return None;
        }
        for (i, media) in raw.types.iter().enumerate() {
            let is_type = |text: &str| {
                let (kind, sub) = text.split_once('/')?;
                let token = |part: &str| !part.is_empty() && part.bytes().all(crate::format::is_token);
                (token(kind) && kind != "*" && token(sub)).then_some(())
            };
            if is_type(media).is_none() {
                let message = format!("{media:?} is not a media type");
                let diagnostic = Diagnostic::error("bad-value", at.key("types").item(i).span(), message);
                self.report(diagnostic.help("write for example text/html, application/json or text/*"));
            }
        }
        Some(Compress {
            encodings,
            min_size: self.size(raw.min_size.as_ref(), 1 << 10, at.key("min-size")).max(1),
            types: raw.types.clone(),
            secrets: raw.secrets.unwrap_or(false),
        })
    }
}

/// A host as it stands in a URL: an IPv6 address in brackets.
fn authority_host(text: &str) -> String {
    let lower = text.trim_end_matches('.').to_ascii_lowercase();
    match lower.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]"),
        Err(_) => lower,
    }
}
