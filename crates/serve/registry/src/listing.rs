//! Listings, put together at most once per generation and kept with their compressed form.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use haechi_core::Instant;
use haechi_eureka::{Encoding, Listing};
use haechi_lease::{Delta, Instance, Snapshot};
use tokio::sync::Mutex;

use crate::convert::{Wire, fragment};
use crate::shared::Shared;

/// Heartbeats make no new generation, so the times of last renewal in a listing may be this old. Eureka's
/// are up to 180 s old.
const RENEWALS_MAX_AGE: Duration = Duration::from_secs(30);

/// Listings of more instances are put together off the event loop.
const INLINE_INSTANCES: usize = 256;

/// Which listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Full,
    Delta,
}

/// A listing, ready to be sent.
#[derive(Debug)]
pub(crate) struct Cached {
    revision: u64,
    built: Instant,
    pub plain: Bytes,
    /// Absent when compressing isn't worth it.
    pub gzip: Option<Bytes>,
}

#[derive(Debug, Default)]
pub(crate) struct Listings([[Mutex<Option<Arc<Cached>>>; Encoding::ALL.len()]; 2]);

enum Content {
    Full(Arc<Snapshot<Wire>>),
    Delta(Delta<Wire>),
}

impl Listings {
    /// The listing as of now. Whoever comes while one is being put together waits for it and shares it.
    pub async fn get(&self, shared: &Shared, which: Which, encoding: Encoding) -> Arc<Cached> {
        let mut slot = self.0[which as usize][encoding as usize].lock().await;
        let now = shared.clock.now();
        let (revision, content) = {
            let mut state = shared.state();
            let revision = match which {
                Which::Full => state.generation().0,
                Which::Delta => state.delta_revision(),
            };
            let known = slot.as_ref();
            if let Some(cached) =
                known.filter(|c| c.revision == revision && now.since(c.built) <= RENEWALS_MAX_AGE)
            {
                return Arc::clone(cached);
            }
            let content = match which {
                Which::Full => Content::Full(state.snapshot()),
                Which::Delta => Content::Delta(state.delta()),
            };
            (revision, content)
        };
        let build = move || {
            let plain = content.write(encoding, revision);
            let gzip = haechi_web::answer::gzip(&plain);
            Arc::new(Cached { revision, built: now, plain: plain.into(), gzip })
        };
        let size = shared.state().vitals(now).instances;
        let cached = if size <= INLINE_INSTANCES {
            build()
        } else {
            match tokio::task::spawn_blocking(build).await {
                Ok(cached) => cached,
                // Only when the runtime shuts down or the build panicked: nobody should cache this.
                Err(error) => {
                    tracing::error!(%error, "a listing could not be put together");
                    return Arc::new(Cached { revision: 0, built: now, plain: Bytes::new(), gzip: None });
                }
            }
        };
        *slot = Some(Arc::clone(&cached));
        cached
    }
}

impl Content {
    fn write(&self, encoding: Encoding, revision: u64) -> Vec<u8> {
        match self {
            Self::Full(snapshot) => {
                let apps = snapshot.apps.values().map(|a| (a.app.as_str(), a.instances.as_slice()));
                write(encoding, "1", &snapshot.hash_code, apps)
            }
            Self::Delta(delta) => {
                let apps = delta.apps.iter().map(|(app, instances)| (app.as_str(), instances.as_slice()));
                write(encoding, &revision.to_string(), &delta.hash_code, apps)
            }
        }
    }
}

/// Puts a listing together from fragments.
pub(crate) fn write<'a>(
    encoding: Encoding,
    version: &str,
    hash_code: &str,
    apps: impl Iterator<Item = (&'a str, &'a [Arc<Instance<Wire>>])>,
) -> Vec<u8> {
    let apps: Vec<_> = apps.collect();
    let size: usize = apps
        .iter()
        .map(|(app, list)| {
            app.len() + 64 + list.iter().map(|i| fragment(i, encoding).len() + 1).sum::<usize>()
        })
        .sum();
    let mut listing = Listing::new(encoding, version, hash_code, size);
    for (app, instances) in apps {
        listing.begin_app(app);
        for instance in instances {
            listing.add(fragment(instance, encoding), instance.last_renewal().0);
        }
        listing.end_app();
    }
    listing.finish()
}
