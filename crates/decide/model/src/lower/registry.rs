//! `registry:`.

use std::time::Duration;

use super::{At, Lower, prefix};
use crate::diagnostic::Diagnostic;
use crate::lowered::{FollowConfig, PeersConfig, RegistryConfig, SnapshotConfig};
use crate::{format, raw};

const SECOND: Duration = Duration::from_secs(1);

impl Lower<'_> {
    pub(super) fn registry(&mut self, raw: &raw::Registry, at: At<'_>) -> Option<RegistryConfig> {
        let listen = format::listen_address(&raw.listen.as_ref()?.0).ok()?;
        let lease = raw.lease.clone().unwrap_or_default();
        let lease_at = at.key("lease");
        let lease_duration = self.positive(lease.duration.as_ref(), 90 * SECOND, lease_at.key("duration"));
        let renewal_interval =
            self.positive(lease.renewal_interval.as_ref(), 30 * SECOND, lease_at.key("renewal-interval"));
        if renewal_interval >= lease_duration {
            let at =
                lease_at.key(if lease.renewal_interval.is_some() { "renewal-interval" } else { "duration" });
            self.report(
                Diagnostic::error("contradiction", at.span(), "leases run out before they are renewed")
                    .help("make `duration` at least twice `renewal-interval`, so that one lost heartbeat is harmless"),
            );
        }
        let guard = raw.self_preservation.clone().unwrap_or_default();
        let percent = guard.threshold_percent.unwrap_or(85);
        Some(RegistryConfig {
            listen,
            prefix: raw.prefix.as_ref().map_or_else(|| "/eureka".to_owned(), |p| prefix(&p.0)),
            auth: self.auth(raw.auth.as_ref(), at.key("auth")),
            lease_duration,
            renewal_interval,
            eviction_interval: self.positive(
                lease.eviction_interval.as_ref(),
                SECOND,
                lease_at.key("eviction-interval"),
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

    pub(super) fn follow(&mut self, raw: &raw::Registry, at: At<'_>) -> Option<FollowConfig> {
        let here = at.key("follow");
        let follow = match (&raw.listen, &raw.follow) {
            (Some(_), None) => return None,
            (None, Some(follow)) => follow,
            (Some(_), Some(_)) => {
                self.report(
                    Diagnostic::error(
                        "contradiction",
                        here.key_span(),
                        "`listen` and `follow` are both there",
                    )
                    .note(at.key("listen").key_span(), "and here")
                    .help("a registry that listens here learns from others by `peers`; keep one of them"),
                );
                return None;
            }
            (None, None) => {
                let diagnostic =
                    Diagnostic::error("missing-key", at.key_span(), "`registry` has no `listen`");
                self.report(diagnostic.help(
                    "add `listen: 0.0.0.0:8761`, or `follow: { urls: [ … ] }` for a registry in another process",
                ));
                return None;
            }
        };
        // What is there beside `follow` is said to no registry that runs here.
        let others = [
            ("prefix", raw.prefix.is_some()),
            ("auth", raw.auth.is_some()),
            ("lease", raw.lease.is_some()),
            ("self-preservation", raw.self_preservation.is_some()),
            ("delta-retention", raw.delta_retention.is_some()),
            ("max-instances", raw.max_instances.is_some()),
            ("peers", raw.peers.is_some()),
            ("snapshot", raw.snapshot.is_some()),
        ];
        for (key, _) in others.iter().filter(|(_, is_there)| *is_there) {
            let message = format!("`{key}` has no effect beside `follow`");
            let diagnostic = Diagnostic::error("contradiction", at.key(key).key_span(), message);
            self.report(diagnostic.help("it belongs to the registry that is followed; remove it here"));
        }
        let urls = follow.urls.iter().map(|url| prefix(&url.0)).collect();
        Some(FollowConfig { urls, poll: self.positive(follow.poll.as_ref(), 5 * SECOND, here.key("poll")) })
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
            batch_size: raw.batch_size.unwrap_or(250) as usize,
            batch_delay: self.duration(raw.batch_delay.as_ref(), SECOND / 10, at.key("batch-delay")),
            queue: raw.queue.unwrap_or(500_000) as usize,
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
