//! Answers to a CA's challenges, for as long as their orders are under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use haechi_tls::ChallengeCertificates;

/// Where http-01 asks (RFC 8555 §8.3); the token follows.
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// Answers to challenges. Workers look them up without a lock.
#[derive(Debug, Default)]
pub struct Answers {
    /// For http-01, by token.
    http: ArcSwap<HashMap<String, Arc<str>>>,
    answered: AtomicU64,
    /// For tls-alpn-01.
    pub certificates: ChallengeCertificates,
}

impl Answers {
    /// The answer to http-01 for a request's path, if an order waits for it.
    pub fn of_path(&self, path: &str) -> Option<Arc<str>> {
        let answer = self.http.load().get(path.strip_prefix(WELL_KNOWN)?).cloned()?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }

    /// How many questions of http-01 were answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Answers http-01 from now on, until what is returned is dropped.
    pub(crate) fn give_http(self: &Arc<Self>, token: &str, answer: &str) -> Given {
        self.http.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(token.to_owned(), answer.into());
            known
        });
        Given { answers: self.clone(), what: What::Http(token.to_owned()) }
    }

    /// Answers tls-alpn-01 from now on, until what is returned is dropped.
    pub(crate) fn give_certificate(
        self: &Arc<Self>,
        name: &str,
        certificate: Vec<u8>,
        key: Vec<u8>,
    ) -> Result<Given, haechi_tls::LoadError> {
        self.certificates.add(name, certificate, key)?;
        Ok(Given { answers: self.clone(), what: What::Certificate(name.to_owned()) })
    }
}

/// An answer that is given until this is dropped.
#[derive(Debug)]
pub struct Given {
    answers: Arc<Answers>,
    what: What,
}

#[derive(Debug)]
enum What {
    Http(String),
    Certificate(String),
}

impl Drop for Given {
    fn drop(&mut self) {
        match &self.what {
            What::Http(token) => {
                self.answers.http.rcu(|known| {
                    let mut known = HashMap::clone(known);
                    known.remove(token);
                    known
                });
            }
            What::Certificate(name) => self.answers.certificates.remove(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_for_as_long_as_its_order() {
        let answers = Arc::new(Answers::default());
        let given = answers.give_http("token", "token.thumb");
        assert_eq!(answers.of_path("/.well-known/acme-challenge/token").as_deref(), Some("token.thumb"));
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/tok", "/token", ""] {
            assert_eq!(answers.of_path(other), None, "{other}");
        }
        drop(given);
        assert_eq!(answers.of_path("/.well-known/acme-challenge/token"), None);
        assert_eq!(answers.answered(), 1);
    }
}
