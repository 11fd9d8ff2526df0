//! Which repository serves which application.

use std::path::Path;
use std::sync::Arc;

use super::pool::Pool;
use super::repository::GitRepository;
use crate::checkout::{Checkout, Place, Question};
use crate::error::Error;
use crate::options::GitOptions;
use crate::shared::Shared;

/// A default repository, and others by pattern.
pub(crate) struct GitSource {
    default: Pool,
    patterned: Vec<(Vec<String>, Pool)>,
}

impl GitSource {
    pub fn new(options: &GitOptions, mirrors: &Path, shared: &Arc<Shared>) -> Result<Self, Error> {
        let pool = |repository| Pool::new(repository, mirrors.to_owned(), Arc::clone(shared));
        let mut patterned = Vec::new();
        for other in &options.repositories {
            patterned.push((patterns(&other.name, &other.patterns), pool(other.repository.clone())?));
        }
        Ok(Self { default: pool(options.default.clone())?, patterned })
    }

    /// Opens the repositories whose addresses are known, loads their default labels from the disk, and waits
    /// for a first fetch where that was asked for.
    pub async fn start(&self) -> Result<(), Error> {
        for pool in self.pools().filter(|pool| pool.is_single()) {
            let opened = pool.get("", "", None).await;
            let must_work = pool.options.clone_on_start;
            match opened {
                Ok(repository) => repository.warm(must_work).await?,
                Err(error) if must_work => return Err(error),
                // Said again, with a 503, by every request until it is there.
                Err(error) => tracing::warn!(%error, "a repository can't be opened yet"),
            }
        }
        Ok(())
    }

    /// One checkout per label asked for, in the order of lookup.
    ///
    /// The first repository whose pattern matches and which has the label serves, else the default one. Where a
    /// matching repository is out of reach, or its files are broken, that is an error: another repository's
    /// settings are not this application's.
    pub async fn checkouts(&self, question: &Question) -> Result<Vec<Checkout>, Error> {
        for (patterns, pool) in &self.patterned {
            if question.profiles.iter().rev().any(|p| matches(patterns, &question.name, p)) {
                match checkouts(pool, question).await {
                    Err(Error::UnknownLabel(_)) => {}
                    other => return other,
                }
            }
        }
        checkouts(&self.default, question).await
    }

    pub fn open(&self) -> Vec<Arc<GitRepository>> {
        self.pools().flat_map(Pool::open).collect()
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        std::iter::once(&self.default).chain(self.patterned.iter().map(|(_, pool)| pool))
    }
}

async fn checkouts(pool: &Pool, question: &Question) -> Result<Vec<Checkout>, Error> {
    let mut found = Vec::new();
    for label in question.labels_or_default() {
        let profile = question.profiles.last().map_or("default", String::as_str);
        let repository = pool.get(&question.name, profile, label).await?;
        let version = repository.version(label).await?;
        let default = || repository.candidates(None).swap_remove(0);
        found.push(Checkout {
            version,
            place: Place::Git { uri: Arc::clone(&repository.name), workdir: repository.workdir() },
            label: label.map_or_else(default, str::to_owned),
            search_paths: pool.options.search_paths.clone(),
        });
    }
    Ok(found)
}

/// Patterns as `PatternMatchingJGitEnvironmentRepository` completes them.
fn patterns(name: &str, given: &[String]) -> Vec<String> {
    let given = if given.is_empty() { vec![name.to_owned()] } else { given.to_vec() };
    let mut complete = Vec::new();
    for pattern in given {
        let pattern = if pattern.contains('/') { pattern } else { format!("{pattern}/*") };
        if !pattern.ends_with('*') {
            complete.push(format!("{pattern},*"));
        }
        complete.push(pattern);
    }
    complete
}

fn matches(patterns: &[String], application: &str, profile: &str) -> bool {
    let subject = format!("{application}/{profile}");
    patterns.iter().any(|pattern| wildcard(pattern, &subject))
}

/// `*` stands for any text, also with slashes.
fn wildcard(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_completed_as_spring_does() {
        assert_eq!(patterns("simple", &[]), ["simple/*"]);
        assert_eq!(patterns("x", &["a*/dev".into(), "local*".into()]), ["a*/dev,*", "a*/dev", "local*/*"]);
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("a/*", "a/dev", true),
            ("a/*", "ab/dev", false),
            ("*/dev", "x/dev", true),
            ("*/dev*", "x/development", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("exact/x", "exact/x", true),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }
}
