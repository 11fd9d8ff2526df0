//! All sources of one server, in their order.

use std::sync::Arc;

use crate::checkout::Question;
use crate::environment::Found;
use crate::error::Error;
use crate::git::{GitRepository, GitSource};
use crate::native::NativeSource;
use crate::options::{Options, SourceOptions};
use crate::shared::Shared;

#[expect(clippy::large_enum_variant, reason = "a server has a handful")]
pub(crate) enum Source {
    Git(GitSource),
    Native(Arc<NativeSource>),
}

pub(crate) struct Sources(Vec<Source>);

impl Sources {
    pub async fn start(options: &Options, shared: &Arc<Shared>) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for source in &options.sources {
            sources.push(match source {
                SourceOptions::Git(git) => {
                    let git = GitSource::new(git, &options.mirrors, shared)?;
                    git.start().await?;
                    Source::Git(git)
                }
                SourceOptions::Native(native) => {
                    let native = Arc::new(NativeSource::new(native, Arc::clone(shared))?);
                    tokio::spawn(poll(Arc::clone(&native), Arc::clone(shared)));
                    Source::Native(native)
                }
            });
        }
        Ok(Self(sources))
    }

    /// What each source has, in their order.
    pub async fn find(&self, question: &Question) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        for source in &self.0 {
            found.push(match source {
                Source::Git(git) => Found { checkouts: git.checkouts(question).await?, version: None },
                Source::Native(native) => Found {
                    checkouts: native.checkouts(question).await?,
                    version: native.version_name().map(str::to_owned),
                },
            });
        }
        Ok(found)
    }

    /// The git repositories that are open.
    pub fn repositories(&self) -> Vec<Arc<GitRepository>> {
        let git = self.0.iter().filter_map(|source| match source {
            Source::Git(git) => Some(git.open()),
            Source::Native(_) => None,
        });
        git.flatten().collect()
    }

    pub fn folders(&self) -> impl Iterator<Item = &Arc<NativeSource>> {
        self.0.iter().filter_map(|source| match source {
            Source::Native(native) => Some(native),
            Source::Git(_) => None,
        })
    }
}

/// Looks at the folders for those who watch.
async fn poll(native: Arc<NativeSource>, shared: Arc<Shared>) {
    loop {
        if let Err(error) = native.look().await {
            tracing::debug!(%error, "the folders can't be read");
        }
        tokio::select! {
            () = tokio::time::sleep(shared.limits.local_poll) => {}
            () = shared.stopped() => return,
        }
    }
}
