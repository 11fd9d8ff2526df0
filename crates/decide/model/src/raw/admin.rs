//! `admin:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Secret, SocketAddress};

/// The admin port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Admin {
    /// Address and port. Keep it on a loopback address or set `auth`: whoever reaches it can refresh.
    pub listen: SocketAddress,
    /// Basic authentication; without it nobody is asked.
    pub auth: Option<Auth>,
}

/// Basic authentication (RFC 7617).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Auth {
    /// User name; it can't contain a colon.
    pub username: String,
    /// Password.
    pub password: Secret,
}
