//! `upgrade:`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// How a new binary takes over from the one that runs (`haechi upgrade`, SIGUSR2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Upgrade {
    /// For the new process to start and say so. One that is silent for longer is ended, and the old one serves on.
    #[schemars(extend("default" = "1m"))]
    pub start_timeout: Option<Duration>,
    /// For what is in flight in the old process, WebSockets and downloads among it. What is left then is cut.
    #[schemars(extend("default" = "1h"))]
    pub drain_timeout: Option<Duration>,
    /// A client's connection that waits for a request stays open in the old process for so long. A request that
    /// comes in time is answered, and the answer says that the connection closes.
    #[schemars(extend("default" = "10s"))]
    pub idle_timeout: Option<Duration>,
}
