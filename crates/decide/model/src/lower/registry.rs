//! `registry:`.

use std::time::Duration;

use super::{At, Lower, prefix};
use crate::diagnostic::Diagnostic;
use crate::lowered::{PeersConfig, RegistryConfig, SnapshotConfig};
use crate::{format, raw};

const SECOND: Duration = Duration::from_secs(1);

impl Lower<'_> {
    pub(super) fn registry(&mut self, raw: &raw::Registry, at: At<'_>) -> Option<RegistryConfig> {
        let listen = format::listen_address(&raw.listen.0).ok()?;
        if raw.auth.is_some() {
            // Open is not what was asked for.
            let message = "this version's registry can't ask for a password yet";
            let diagnostic = Diagnostic::error("not-yet", at.key("auth").span(), message);
            self.report(diagnostic.help("remove `auth`, and let only trusted machines reach the port"));
        }
        if raw.prefix.as_ref().is_some_and(|p| prefix(&p.0) != "/eureka") {
            let message = "this version serves /eureka and /eureka/v2 only";
            self.report(
                Diagnostic::error("not-yet", at.key("prefix").span(), message).help("remove `prefix`"),
            );
        }
        let guard = raw.self_preservation.clone().unwrap_or_default();
        let percent = guard.threshold_percent.unwrap_or(85);
        Some(RegistryConfig {
            listen,
            prefix: raw.prefix.as_ref().map_or_else(|| "/eureka".to_owned(), |p| prefix(&p.0)),
            auth: self.auth(raw.auth.as_ref(), at.key("auth")),
            eviction_interval: self.positive(
                raw.eviction_interval.as_ref(),
                SECOND,
                at.key("eviction-interval"),
            ),
            self_preservation_percent: guard.enabled.unwrap_or(true).then_some(percent),
            delta_retention: self.positive(
                raw.delta_retention.as_ref(),
                180 * SECOND,
                at.key("delta-retention"),
            ),
            max_instances: raw.max_instances.unwrap_or(200_000) as usize,
            peers: raw.peers.as_ref().map(|peers| self.peers(peers, at.key("peers"))),
            snapshot: raw.snapshot.as_ref().map(|snapshot| self.snapshot(snapshot, at.key("snapshot"))),
        })
    }

    fn peers(&mut self, raw: &raw::Peers, at: At<'_>) -> PeersConfig {
        let mut urls: Vec<String> = Vec::with_capacity(raw.urls.len());
        for (i, url) in raw.urls.iter().enumerate() {
            let url = prefix(&url.0);
            if let Some(first) = urls.iter().position(|known| *known == url) {
                self.report(
                    Diagnostic::error(
                        "duplicate-name",
                        at.key("urls").item(i).span(),
                        "this peer is listed twice",
                    )
                    .note(at.key("urls").item(first).span(), "first here")
                    .help("keep one of them"),
                );
                continue;
            }
            urls.push(url);
        }
        PeersConfig {
            urls,
            connect_timeout: self.positive(raw.connect_timeout.as_ref(), SECOND, at.key("connect-timeout")),
            timeout: self.positive(raw.timeout.as_ref(), 5 * SECOND, at.key("timeout")),
        }
    }

    fn snapshot(&mut self, raw: &raw::Snapshot, at: At<'_>) -> SnapshotConfig {
        let path = self.path(&raw.path);
        if let Some(folder) = path.parent().filter(|folder| !self.files.is_folder(folder)) {
            let message = format!("the folder {} doesn't exist", folder.display());
            let diagnostic = Diagnostic::error("missing-file", at.key("path").span(), message);
            self.report(diagnostic.help("make the folder, or name another one"));
        }
        SnapshotConfig { path }
    }
}
