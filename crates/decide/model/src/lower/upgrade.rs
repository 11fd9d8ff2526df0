//! `upgrade:`.

use super::{At, Lower};
use crate::lowered::UpgradeConfig;
use crate::raw;

impl Lower<'_> {
    pub(super) fn upgrade(&mut self, raw: &raw::Upgrade, at: At<'_>) -> UpgradeConfig {
        let default = UpgradeConfig::default();
        UpgradeConfig {
            start_timeout: self.positive(
                raw.start_timeout.as_ref(),
                default.start_timeout,
                at.key("start-timeout"),
            ),
            drain_timeout: self.positive(
                raw.drain_timeout.as_ref(),
                default.drain_timeout,
                at.key("drain-timeout"),
            ),
            idle_timeout: self.positive(
                raw.idle_timeout.as_ref(),
                default.idle_timeout,
                at.key("idle-timeout"),
            ),
        }
    }
}
