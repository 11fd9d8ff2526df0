//! From what was typed to what it means, one file per section.

pub(crate) mod acme;
mod action;
mod admin;
mod config;
pub(crate) mod expect;
pub(crate) mod gateway;
mod import;
mod isolate;
mod layer4;
mod listener;
mod path;
mod registry;
mod route;
mod service;
mod tls;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use haechi_core::{Address, units};
use haechi_route::RouteTable;
use haechi_yaml::{Node, Span, Value as Yaml};

use crate::diagnostic::Diagnostic;
use crate::files::{Counted, Files};
use crate::lowered::{BasicAuth, Lowered, Secret};
use crate::raw;
use crate::validate::LeftOut;

/// A place in the tree that a value came from.
#[derive(Clone, Copy)]
pub(crate) struct At<'t> {
    node: Option<&'t Node>,
    span: Span,
    key: Option<Span>,
}

impl<'t> At<'t> {
    pub fn root(node: &'t Node) -> Self {
        Self { node: Some(node), span: node.span, key: None }
    }

    /// The value of a key; if it isn't written, the place where it would be.
    pub fn key(self, name: &str) -> At<'t> {
        let entries = self.node.and_then(Node::mapping).unwrap_or_default();
        match entries.iter().find(|entry| entry.key.text() == Some(name)) {
            Some(entry) => At { node: Some(&entry.value), span: entry.value.span, key: Some(entry.key.span) },
            None => At { node: None, ..self },
        }
    }

    pub fn item(self, index: usize) -> At<'t> {
        match self.node.and_then(Node::sequence).and_then(|items| items.get(index)) {
            Some(node) => At { node: Some(node), span: node.span, key: None },
            None => At { node: None, ..self },
        }
    }

    /// Whether it is written.
    pub fn is_written(self) -> bool {
        self.node.is_some()
    }

    /// The key, where it has one.
    pub fn key_span(self) -> Span {
        self.key.unwrap_or_else(|| self.span())
    }

    /// A place to point at: the value if it is one line, else its key, else its first line.
    pub fn span(self) -> Span {
        let one_line = self.span.start.line == self.span.end.line;
        match (one_line, self.key, self.node.map(|node| &node.value)) {
            (true, _, _) => self.span,
            (false, Some(key), _) => key,
            (false, None, Some(Yaml::Mapping(entries))) => {
                // A list item is best known by its name.
                let named = entries.iter().find(|e| e.key.text() == Some("name"));
                named.map(|e| e.value.span).or(entries.first().map(|e| e.key.span)).unwrap_or(self.span)
            }
            (false, None, _) => self.span,
        }
    }
}

/// What lowering reads beside the file, and where it reports.
pub(crate) struct Lower<'a> {
    pub files: &'a dyn Files,
    /// The same files, to tell whether they were looked at.
    pub counted: &'a Counted<'a>,
    /// Relative file names begin here.
    pub folder: &'a Path,
    /// Parts that are refused, by the schema or by lowering.
    pub left_out: Vec<LeftOut>,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    /// False while only some of the routes are read: what only all of them together can tell is asked elsewhere
    /// ([`crate::reread()`]).
    pub whole: bool,
    /// Indexes of routes for which files were looked at.
    pub from_files: Vec<usize>,
    /// Made of the routes, if all of them can be had.
    pub table: Option<Arc<RouteTable>>,
}

impl Lower<'_> {
    pub fn file(&mut self, raw: &raw::File, at: At<'_>) -> Lowered {
        self.ports(raw, at);
        let admin = raw.admin.as_ref().and_then(|admin| self.admin(admin, at.key("admin")));
        let registry = raw.registry.as_ref().and_then(|r| self.registry(r, at.key("registry")));
        let follow = raw.registry.as_ref().and_then(|r| self.follow(r, at.key("registry")));
        let config = raw.config.as_ref().and_then(|c| self.config(c, at.key("config")));
        let (gateway, zuul) = self.gateway(raw, at);
        let upgrade = raw.upgrade.as_ref().map(|upgrade| self.upgrade(upgrade, at.key("upgrade")));
        let upgrade = upgrade.unwrap_or_default();
        let expectations = self.expectations(raw, gateway.as_ref(), zuul.is_some(), at.key("expect"));
        Lowered { gateway, zuul, registry, follow, config, admin, upgrade, expectations }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// A duration that is not zero, or the default.
    fn positive(&mut self, raw: Option<&raw::Duration>, default: Duration, at: At<'_>) -> Duration {
        let duration = self.duration(raw, default, at);
        if duration.is_zero() {
            let default = units::show_duration(default);
            self.report(
                Diagnostic::error("out-of-range", at.span(), "this duration can't be zero")
                    .help(format!("write how long, for example {default}")),
            );
        }
        duration
    }

    /// A duration, or the default.
    fn duration(&mut self, raw: Option<&raw::Duration>, default: Duration, at: At<'_>) -> Duration {
        let Some(raw::Duration(text)) = raw else { return default };
        units::duration(text).unwrap_or_else(|error| {
            self.report(Diagnostic::error("bad-value", at.span(), error.to_string()));
            default
        })
    }

    /// A file's name, from the folder of the configuration file.
    fn path(&self, raw: &raw::FilePath) -> PathBuf {
        self.folder.join(&raw.0)
    }

    /// An address whose path, if it has one, is from the file's folder. Reports one that no socket can have.
    fn address(&mut self, address: Address, at: At<'_>) -> Option<Address> {
        let Some(path) = address.path() else { return Some(address) };
        let path = self.folder.join(path);
        let length = path.as_os_str().len();
        if length > Address::UNIX_BYTES {
            let most = Address::UNIX_BYTES;
            let message =
                format!("{} has {length} bytes, and a Unix socket's path has {most} at most", path.display());
            let diagnostic = Diagnostic::error("bad-value", at.span(), message);
            self.report(diagnostic.help("choose a folder with a shorter name"));
            return None;
        }
        Some(Address::unix(path))
    }

    fn auth(&mut self, raw: Option<&raw::Auth>, at: At<'_>) -> Option<BasicAuth> {
        let raw = raw?;
        if raw.username.contains(':') {
            self.report(
                Diagnostic::error(
                    "bad-value",
                    at.key("username").span(),
                    "a user name can't contain a colon",
                )
                .help("basic authentication splits user and password at the first colon (RFC 7617)"),
            );
        }
        Some(BasicAuth { username: raw.username.clone(), password: Secret::new(&raw.password.0) })
    }
}

/// A path to put in front of others: no slash at its end.
fn prefix(text: &str) -> String {
    text.trim_end_matches('/').to_owned()
}
