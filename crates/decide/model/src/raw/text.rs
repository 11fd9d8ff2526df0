//! Text with a form of its own. The form's name is the schema's `format`; [`crate::format`] checks it.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

macro_rules! text_type {
    ($(#[$doc:meta])* $type:ident, $format:literal $(, $isolated:literal)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub String);

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format $(, "x-isolated": $isolated)? })
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_type!(
    /// A number and a unit: `250ms`, `1.5s`, `2m`.
    Duration, "duration"
);
text_type!(
    /// A number and a unit: `512B`, `16KiB`, `8MiB`.
    Size, "size"
);
text_type!(
    /// An IP address to listen on and a port: `0.0.0.0:8080`, `[::1]:8080`.
    SocketAddress, "socket-address"
);
text_type!(
    /// Where a listener accepts: `0.0.0.0:8080`, `unix:/run/haechi/web.sock`.
    ListenAddress, "listen-address"
);
text_type!(
    /// Permissions of a file, as chmod(1) writes them: `"660"`.
    FileMode, "file-mode"
);
text_type!(
    /// Where to connect to: `127.0.0.1:3000`, `unix:/run/app.sock`.
    EndpointAddress, "endpoint-address"
);
text_type!(
    /// An IP address, or a network: `192.0.2.7`, `10.0.0.0/8`.
    Network, "network"
);
text_type!(
    /// A host name and a port: `backend.example:80`.
    HostAndPort, "host-and-port"
);
text_type!(
    /// A host name without port.
    Host, "host"
);
text_type!(
    /// A host name, or `*.` and a host name.
    HostPattern, "host-pattern"
);
text_type!(
    /// A path with wildcards.
    PathPattern, "path-pattern"
);
text_type!(
    /// A path as it is: begins with `/`, no wildcards, no query.
    PathText, "path"
);
text_type!(
    /// An HTTP method in upper case.
    Method, "method"
);
text_type!(
    /// A name: at most 255 bytes, no spaces.
    Name, "name"
);
text_type!(
    /// A file's name.
    FilePath, "file"
);
text_type!(
    /// An `http://` or `https://` URL.
    HttpUrl, "http-url"
);
text_type!(
    /// Where a git repository is: `https://…`, `ssh://…`, `git@host:path`, `file:///…` or a folder's name.
    ConfigUrl, "git-uri"
);
text_type!(
    /// An even number of hexadecimal digits.
    HexText, "hex"
);
text_type!(
    /// `METHOD URL -> ROUTE` or `METHOD URL -> STATUS`.
    ExpectationLine, "expectation", "expectation"
);

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "secret", "writeOnly": true })
    }
}
