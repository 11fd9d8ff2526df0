//! Bringing a mirror up to date.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use gix::bstr::{BString, ByteSlice as _};
use gix::refs::transaction::{Change, PreviousValue, RefEdit, RefLog};
use gix::remote::fetch::{Status, Tags};

use crate::error::{Error, chain};
use crate::interrupt::Interrupt;
use crate::transport;

/// How to reach a remote.
#[derive(Clone, Debug)]
pub struct RemoteOptions {
    /// The whole fetch, from connecting to the last byte.
    pub timeout: Duration,
    /// For http(s).
    pub credentials: Option<Credentials>,
    /// For ssh.
    pub ssh: Ssh,
    /// Forget branches and tags that the remote no longer has.
    pub prune: bool,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), credentials: None, ssh: Ssh::default(), prune: false }
    }
}

/// A user name and password, or a token as the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.username)
    }
}

/// The ssh program and what it is told.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// The program and arguments before ours.
    pub command: Vec<String>,
    /// `-i`: the private key.
    pub identity_file: Option<PathBuf>,
    /// The known hosts to go by instead of the user's.
    pub known_hosts_file: Option<PathBuf>,
    /// Refuse hosts that aren't known.
    pub strict_host_keys: bool,
}

impl Default for Ssh {
    fn default() -> Self {
        Self {
            command: vec!["ssh".into()],
            identity_file: None,
            known_hosts_file: None,
            strict_host_keys: true,
        }
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Whether objects came.
    pub new_objects: bool,
    /// References that the remote no longer has and that were deleted here.
    pub pruned: Vec<String>,
}

/// Heads to heads and tags to tags: the mirror's references mean what the remote's do. Forced, because a
/// rewritten branch is the remote's to decide.
const REFSPECS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

#[expect(clippy::result_large_err, reason = "gix's credentials callback is typed so")]
pub(crate) fn fetch(
    mut repo: gix::Repository,
    url: &gix::Url,
    userinfo: Option<&(String, String)>,
    options: &RemoteOptions,
    interrupt: &Interrupt,
) -> Result<Fetched, Error> {
    let failed = |why: String| {
        let uri = url.to_string();
        if interrupt.timed_out() {
            Error::TimedOut { uri, after: options.timeout }
        } else if interrupt.fired() {
            Error::Interrupted(uri)
        } else {
            Error::Fetch { uri, why }
        }
    };
    let deadline = interrupt.deadline(options.timeout).map_err(|e| failed(chain(&e)))?;
    let credentials = options.credentials.clone().or_else(|| {
        let (username, password) = userinfo?.clone();
        Some(Credentials { username, password })
    });
    // References are written with a name in the log, which needs one even where no log is kept.
    repo.committer_or_set_generic_fallback().map_err(|e| failed(chain(&e)))?;
    let remote = repo
        .remote_at(url.clone())
        .map_err(|e| failed(chain(&e)))?
        .with_fetch_tags(Tags::None)
        .with_refspecs(REFSPECS, gix::remote::Direction::Fetch)
        .map_err(|e| failed(chain(&e)))?;
    let link =
        transport::connect(url, options, credentials.as_ref(), interrupt).map_err(|e| failed(chain(&*e)))?;
    let complaint = link.complaint.clone();
    let failed = |why: String| failed(complaint.append_to(why));
    let mut connection = remote.to_connection_with_transport(link.transport).with_credentials(|_| {
        // Asked only after a refusal, and there is nothing else to offer: no helper, no prompt.
        complaint.add("a user name and password are needed, or those given are refused");
        Ok(None)
    });
    if let Some(options) = link.options {
        connection.set_transport_options(options);
    }
    let outcome = connection
        .prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default())
        .map_err(|e| failed(chain(&e)))?
        .receive(gix::progress::Discard, interrupt.flag())
        .map_err(|e| failed(chain(&e)))?;
    drop(deadline);
    let new_objects = matches!(outcome.status, Status::Change { .. });
    let pruned = if options.prune {
        let kept = outcome.ref_map.remote_refs.iter().map(|r| r.unpack().0.to_owned()).collect();
        prune(&repo, &kept).map_err(failed)?
    } else {
        Vec::new()
    };
    Ok(Fetched { new_objects, pruned })
}

fn prune(repo: &gix::Repository, kept: &BTreeSet<BString>) -> Result<Vec<String>, String> {
    let references = repo.references().map_err(|e| chain(&e))?;
    let mut edits = Vec::new();
    for reference in references.all().map_err(|e| chain(&e))? {
        let name = reference.map_err(|e| e.to_string())?.name().to_owned();
        let ours = name.as_bstr().starts_with(b"refs/heads/") || name.as_bstr().starts_with(b"refs/tags/");
        if ours && !kept.contains(name.as_bstr()) {
            let change = Change::Delete { expected: PreviousValue::Any, log: RefLog::AndReference };
            edits.push(RefEdit { change, name, deref: false });
        }
    }
    let pruned = edits.iter().map(|edit| edit.name.as_bstr().to_str_lossy().into_owned()).collect();
    repo.edit_references(edits).map_err(|e| chain(&e))?;
    Ok(pruned)
}
