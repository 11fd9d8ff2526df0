//! `gateway.routes`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, FilePath, Host, HostPattern, Method, Name, PathPattern, PathText, Size};

/// A route: what it matches, what is changed, where it goes. Exactly one of `service`, `respond`,
/// `redirect` and `files`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("x-isolated" = "route"))]
pub struct Route {
    /// Unique name.
    pub name: Name,
    /// What a request must be for this route; all of it must hold.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Beats specificity: the higher one wins.
    #[schemars(range(min = -1_000_000, max = 1_000_000), extend("default" = 0))]
    pub priority: Option<i32>,
    /// Takes this off the front of the path before any filter. The route's path must begin with it.
    pub strip_prefix: Option<PathText>,
    /// Changes on the way, in order.
    #[serde(default)]
    pub filters: Vec<Filter>,
    /// Bounds in time.
    pub timeouts: Option<Timeouts>,
    /// What may be tried again on another endpoint.
    pub retry: Option<Retry>,
    /// The service that gets the request.
    pub service: Option<String>,
    /// Answers here instead of asking a service.
    pub respond: Option<Respond>,
    /// Sends the client elsewhere.
    pub redirect: Option<Redirect>,
    /// Answers with a file of a folder. The path below the folder is the request's, as filters have changed it.
    pub files: Option<Files>,
}

/// What a request must be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Match {
    /// Host without port; `*.example.com` matches one or more labels in front.
    pub host: Option<HostPattern>,
    /// `/a` is that path alone; `/a/**` is `/a` and everything below; `?`, `*` (within a segment) and `**` (any
    /// segments) may stand anywhere else.
    pub path: Option<PathPattern>,
    /// One of these methods.
    #[serde(default)]
    pub methods: Vec<Method>,
    /// Request headers: a value, or what the value must be.
    #[serde(default)]
    pub headers: IndexMap<String, ValueMatch>,
    /// Query parameters: a value, or what the value must be.
    #[serde(default)]
    pub query: IndexMap<String, ValueMatch>,
}

/// What a header or query parameter must be: a text, exactly, or a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValueMatch {
    /// Exactly this.
    Exact(String),
    /// A condition.
    Condition(ValueCondition),
}

/// Exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ValueCondition {
    /// Exactly this.
    pub exact: Option<String>,
    /// Starts with this.
    pub prefix: Option<String>,
    /// `true`: there, whatever it is. `false`: not there.
    pub present: Option<bool>,
}

/// One change; exactly one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Filter {
    /// Takes this off the front of the path.
    pub strip_prefix: Option<PathText>,
    /// Puts another prefix in place of one.
    pub rewrite_prefix: Option<RewritePrefix>,
    /// Puts this in place of the whole path; the query stays.
    pub rewrite_path: Option<PathText>,
    /// Puts this in place of the Host that the service sees.
    pub rewrite_host: Option<Host>,
    /// Keeps the client's Host. Without it the service sees its endpoint's address.
    pub keep_host: Option<bool>,
    /// Sets a request header; at most 32 filters of a route do.
    pub set_request_header: Option<HeaderValue>,
    /// Removes a request header.
    pub remove_request_header: Option<String>,
    /// Sets a response header; at most 32 filters of a route do.
    pub set_response_header: Option<HeaderValue>,
    /// Removes a response header.
    pub remove_response_header: Option<String>,
    /// `false`: `X-Forwarded-*`, `Forwarded` and `Via` are not sent to the service.
    pub forwarded_headers: Option<bool>,
    /// Tells the service which prefix was stripped, as Zuul does (`X-Forwarded-Prefix`).
    pub forwarded_prefix: Option<bool>,
    /// Compresses what the service answers, for clients that take it. `{}` takes every default.
    pub compress: Option<Compress>,
}

/// What is compressed. Never: what is compressed already, `Cache-Control: no-transform`, parts (206), and answers with
/// a sum of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Compress {
    /// Codings, the preferred one first; a client's own preference wins.
    #[schemars(extend("default" = ["zstd", "br", "gzip"]))]
    pub encodings: Option<Vec<Encoding>>,
    /// The smallest answer that is compressed, where its length is known.
    #[schemars(extend("default" = "1KiB"))]
    pub min_size: Option<Size>,
    /// Media types, for example `text/html` or `text/*`. Without them every type that gets smaller: text, JSON, XML,
    /// scripts, SVG.
    #[serde(default)]
    pub types: Vec<String>,
    /// Also what may carry secrets: answers with `Set-Cookie`, and to requests with `Cookie` or `Authorization`. Their
    /// length can tell an attacker what stands in them (BREACH).
    #[schemars(extend("default" = false))]
    pub secrets: Option<bool>,
}

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// RFC 8878.
    Zstd,
    /// Brotli, RFC 7932.
    Br,
    /// RFC 1952.
    Gzip,
}

/// Another prefix in place of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RewritePrefix {
    /// What the path begins with.
    pub from: PathText,
    /// What it begins with afterwards.
    pub to: PathText,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HeaderValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Bounds in time for one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Timeouts {
    /// For a connection to be made.
    #[schemars(extend("default" = "1s"))]
    pub connect: Option<Duration>,
    /// From the request being sent to the first byte of the answer.
    #[schemars(extend("default" = "15s"))]
    pub first_byte: Option<Duration>,
    /// Without a byte moving in either direction while a body is under way.
    #[schemars(extend("default" = "1m"))]
    pub idle: Option<Duration>,
    /// From the request's head to the answer's end, retries included; `0s` is no bound.
    #[schemars(extend("default" = "0s"))]
    pub request: Option<Duration>,
}

/// What may be tried again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included; 1 is no retry.
    #[schemars(range(min = 1, max = 10), extend("default" = 2))]
    pub attempts: Option<u8>,
    /// Also retries idempotent methods after bytes were sent. Without it only what no service can have accepted
    /// is tried again.
    #[schemars(extend("default" = true))]
    pub idempotent: Option<bool>,
    /// Answers to an idempotent method that are tried again, for example 502 and 503.
    #[serde(default)]
    #[schemars(inner(range(min = 400, max = 599)))]
    pub statuses: Vec<u16>,
}

/// An answer that the gateway gives itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Respond {
    /// HTTP status.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// What the body is.
    #[schemars(extend("default" = "text/plain; charset=utf-8"))]
    pub content_type: Option<String>,
    /// Header fields of the answer, at most 100.
    #[serde(default)]
    pub headers: IndexMap<String, String>,
    /// Body.
    #[schemars(extend("default" = ""))]
    pub body: Option<String>,
    /// A text file of at most 1 MiB that holds the body. It is read together with this file.
    pub body_file: Option<FilePath>,
}

/// Another place, as in the Gateway API's RequestRedirect. What isn't written stays as the client had it, the query
/// always. While scheme, host and port stay, `Location` is a path alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308. Clients may turn a POST into a GET at 301 and 302, never at 307 and 308.
    #[schemars(range(min = 301, max = 308), extend("default" = 302))]
    pub status: Option<u16>,
    /// Scheme.
    pub scheme: Option<Scheme>,
    /// Host without port.
    pub host: Option<Host>,
    /// Port. Without it the scheme's own one if `scheme` is there, else the one that the client wrote.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<u16>,
    /// Puts this in place of the whole path.
    pub path: Option<PathText>,
    /// Puts this in place of the prefix that the route matches: `match.path` must be of the form `/a/**`.
    pub prefix: Option<PathText>,
}

/// A folder whose files are served to GET and HEAD, with validators and ranges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Files {
    /// The folder.
    pub root: FilePath,
    /// Names of the file that stands for a folder; the first one that is there.
    #[schemars(extend("default" = ["index.html"]))]
    pub index: Option<Vec<String>>,
    /// The file below `root` that is sent for a path that isn't there, for pages that route by themselves. A path
    /// whose last segment has a dot stays 404: a page in place of a missing script only hides that.
    pub fallback: Option<PathText>,
    /// Whether a folder without an index is answered with a page of its names, at most 1000.
    #[schemars(extend("default" = false))]
    pub listing: Option<bool>,
    /// Whether `FILE.br`, `FILE.zst` and `FILE.gz` are sent in place of a text `FILE` to clients that take them. One
    /// that is older than `FILE` is not.
    #[schemars(extend("default" = true))]
    pub precompressed: Option<bool>,
    /// Sent as `Cache-Control`, for example `public, max-age=3600`.
    pub cache_control: Option<String>,
    /// Whether names that begin with a dot are served. `/.well-known` always is.
    #[schemars(extend("default" = false))]
    pub hidden: Option<bool>,
    /// Which symbolic links are followed. None ever leads out of `root`.
    #[schemars(extend("default" = "within"))]
    pub symlinks: Option<Symlinks>,
    /// Types by extension without dot, before the gateway's own: `{ log: text/plain }`.
    #[serde(default)]
    pub types: IndexMap<String, String>,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Symlinks {
    /// Relative ones that stay within the folder.
    Within,
    /// None.
    Never,
}

/// How a URL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}
