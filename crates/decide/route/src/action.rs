//! What becomes of a matched request, and where a redirect leads.

use std::fmt::Write as _;
use std::path::PathBuf;

use haechi_core::ServiceName;

/// Where a matched request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// To an endpoint of this service.
    Service(ServiceName),
    /// Answered here, always the same.
    Respond(Respond),
    /// Answered here with another place to go to.
    Redirect(Redirect),
    /// Answered here with a file of a folder.
    Files(Files),
}

/// A folder whose files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The folder.
    pub root: PathBuf,
    /// Names of the file that stands for a folder; the first one that is there.
    pub index: Vec<String>,
    /// The file, relative to the root, that stands for what isn't there and has no extension.
    pub fallback: Option<String>,
    /// Whether a folder without an index is answered with a page of its names.
    pub listing: bool,
    /// Whether `.br`, `.zst` and `.gz` beside a file are sent to clients that take them.
    pub precompressed: bool,
    /// The value of `Cache-Control`.
    pub cache_control: Option<String>,
    /// Whether names that begin with a dot are served.
    pub hidden: bool,
    /// Which symbolic links are followed.
    pub symlinks: Symlinks,
    /// Types by extension, before the gateway's own.
    pub types: Vec<(String, String)>,
}

/// Which symbolic links below a folder are followed. Never one that leads out of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Those that stay within the folder.
    #[default]
    Within,
    /// None.
    Never,
}

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Respond {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// The body's `Content-Type`.
    pub content_type: String,
    /// Further header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Respond {
    /// Header fields of an answer, at most.
    pub const FIELDS: usize = 100;

    /// What a body is when nothing else is said.
    pub const TEXT: &'static str = "text/plain; charset=utf-8";

    /// An answer with a short text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, content_type: Self::TEXT.to_owned(), headers: Vec::new(), body: body.into() }
    }
}

/// Sends the client elsewhere, as the Gateway API's RequestRedirect does. What is not said stays as the client
/// had it, the query always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `http` or `https`.
    pub scheme: Option<Scheme>,
    /// Host without port.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// The path. The route's filters have changed it already.
    pub path: RedirectPath,
}

/// The path that a redirect leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedirectPath {
    /// The request's.
    #[default]
    Keep,
    /// This one.
    Full(String),
    /// `to` in place of the prefix `from`.
    Prefix {
        /// What the path starts with.
        from: String,
        /// What it starts with afterwards.
        to: String,
    },
}

/// How a URL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL needn't name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What a client asked for, as far as a redirect keeps it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// How the client speaks to the gateway.
    pub scheme: Scheme,
    /// The request's host and port; HTTP/1.0 may have none.
    pub host: Option<(&'a str, Option<u16>)>,
    /// The path, in normal form and changed by the route's filters.
    pub path: &'a str,
    /// What stands behind `?`.
    pub query: Option<&'a str>,
}

impl Redirect {
    /// The value of `Location`. Nothing if it must name a host and the request named none.
    ///
    /// It is a path alone while scheme, host and port stay, so that it holds behind any other proxy. A port that
    /// the client wrote stays with its scheme; another scheme brings its own, as in the Gateway API.
    pub fn location(&self, asked: &Asked<'_>) -> Option<String> {
        let mut location = String::with_capacity(asked.path.len() + 64);
        if self.scheme.is_some() || self.host.is_some() || self.port.is_some() {
            let scheme = self.scheme.unwrap_or(asked.scheme);
            let written = asked.host.and_then(|(_, port)| port).filter(|_| self.scheme.is_none());
            let port = self.port.or(written).filter(|port| *port != scheme.default_port());
            let host = self.host.as_deref().or(asked.host.map(|(host, _)| host))?;
            location.push_str(scheme.as_str());
            location.push_str("://");
            location.push_str(host);
            if let Some(port) = port {
                // Writing to a String can't fail.
                let _ = write!(location, ":{port}");
            }
        }
        let path = match &self.path {
            RedirectPath::Keep => None,
            RedirectPath::Full(path) => Some(path.clone()),
            RedirectPath::Prefix { from, to } => crate::rewrite::replace_prefix(asked.path, from, to),
        };
        location.push_str(path.as_deref().unwrap_or(asked.path));
        if let Some(query) = asked.query {
            location.push('?');
            location.push_str(query);
        }
        Some(location)
    }
}
