//! What a config server is told: lowered values, already valid where types can say so.

use std::path::PathBuf;
use std::time::Duration;

use haechi_git::{Credentials, Ssh};
use haechi_props::{IndexMap, Value};

/// A config server's settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where configuration comes from, highest precedence first.
    pub sources: Vec<SourceOptions>,
    /// Properties that no source can override.
    pub overrides: IndexMap<String, Value>,
    /// Path in front of every endpoint, `/config` say; empty for none.
    pub prefix: String,
    /// Whether an application of which nothing is known gets an empty answer rather than 404.
    pub accept_empty: bool,
    /// The user and password that every request must bring.
    pub auth: Option<Credentials>,
    /// Keys for `{cipher}` values.
    pub encrypt: EncryptOptions,
    /// The folder for mirrors of remote repositories. They outlive the process.
    pub mirrors: PathBuf,
    /// Bounds.
    pub limits: Limits,
}

impl Options {
    /// The settings that a minimal file means: these sources, and everything else by default.
    pub fn new(sources: Vec<SourceOptions>, mirrors: PathBuf) -> Self {
        Self {
            sources,
            overrides: IndexMap::new(),
            prefix: String::new(),
            accept_empty: true,
            auth: None,
            encrypt: EncryptOptions::default(),
            mirrors,
            limits: Limits::default(),
        }
    }
}

/// One source of configuration.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a server has a handful")]
pub enum SourceOptions {
    /// Git repositories.
    Git(GitOptions),
    /// A folder of this machine.
    Native(NativeOptions),
}

/// A default repository, and others for some applications.
#[derive(Clone, Debug)]
pub struct GitOptions {
    /// What serves where no other repository matches.
    pub default: RepositoryOptions,
    /// In the order in which they are tried.
    pub repositories: Vec<PatternRepository>,
}

/// A repository for some applications and profiles.
#[derive(Clone, Debug)]
pub struct PatternRepository {
    /// For people, and the pattern where none is given.
    pub name: String,
    /// `application/profile` with `*`; without a slash, any profile.
    pub patterns: Vec<String>,
    /// The repository.
    pub repository: RepositoryOptions,
}

/// One repository.
#[derive(Clone, Debug)]
pub struct RepositoryOptions {
    /// `file:`, a path, `http(s)://`, `ssh://` or `git://`; may hold `{application}`, `{profile}`, `{label}`.
    pub uri: String,
    /// The label served where a request names none. None stands for `main`, or `master` where there is no `main`.
    pub default_label: Option<String>,
    /// Folders searched besides the root, with placeholders and patterns.
    pub search_paths: Vec<String>,
    /// How often a remote is fetched; none means only when told to (`/monitor`, refresh) or for an unknown label.
    pub refresh: Option<Duration>,
    /// A whole fetch.
    pub timeout: Duration,
    /// Don't start before the first fetch has succeeded.
    pub clone_on_start: bool,
    /// Forget branches and tags that the remote no longer has.
    pub delete_untracked_branches: bool,
    /// For http(s).
    pub credentials: Option<Credentials>,
    /// For ssh.
    pub ssh: Ssh,
}

impl RepositoryOptions {
    /// A repository with everything else by default.
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            default_label: None,
            search_paths: Vec::new(),
            refresh: Some(Duration::from_secs(5)),
            timeout: Duration::from_secs(60),
            clone_on_start: false,
            delete_untracked_branches: false,
            credentials: None,
            ssh: Ssh::default(),
        }
    }
}

/// Folders of this machine.
#[derive(Clone, Debug)]
pub struct NativeOptions {
    /// Absolute paths, with placeholders; a later one has higher precedence.
    pub search_locations: Vec<String>,
    /// Also search the folder named like the label, inside each.
    pub add_label_locations: bool,
    /// What the version of an answer says.
    pub version: Option<String>,
}

/// Keys for `{cipher}` values.
#[derive(Clone, Debug)]
pub struct EncryptOptions {
    /// Off: `{cipher}` values are served as they are, for the client to decrypt.
    pub enabled: bool,
    /// A secret for symmetric encryption, or an RSA private key in PEM.
    pub key: Option<String>,
    /// Hexadecimal.
    pub salt: String,
    /// RSA-OAEP instead of PKCS#1 v1.5.
    pub rsa_oaep: bool,
    /// AES-GCM instead of AES-CBC inside RSA ciphertexts.
    pub rsa_strong: bool,
    /// Serve `invalid.<key>` for what can't be decrypted.
    pub prefix_invalid_properties: bool,
    /// Decrypt inside plain-text files too.
    pub plain_text: bool,
}

impl Default for EncryptOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            key: None,
            salt: "deadbeef".into(),
            rsa_oaep: false,
            rsa_strong: false,
            prefix_invalid_properties: true,
            plain_text: false,
        }
    }
}

/// Bounds of a config server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of one commit's files.
    pub snapshot: haechi_git::Limits,
    /// Of one file's content.
    pub file: haechi_props::Limits,
    /// Labels of one repository kept in memory; the one longest unused goes first.
    pub labels: usize,
    /// Repositories that one address with placeholders may stand for.
    pub repositories: usize,
    /// Answers kept in memory, and their bytes.
    pub answers: usize,
    /// Bytes of the answers kept in memory.
    pub answer_bytes: usize,
    /// How long a request for a label that isn't known yet waits for a fetch.
    pub label_wait: Duration,
    /// Between two fetches for labels that aren't known.
    pub label_fetch_every: Duration,
    /// How often a local repository or folder is looked at for those who watch.
    pub local_poll: Duration,
    /// Requests that wait for a change at once.
    pub watchers: usize,
    /// How long one waits.
    pub watch_wait: Duration,
    /// Names, profiles or labels in one request.
    pub list: usize,
    /// The HTTP server's own.
    pub web: haechi_web::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            snapshot: haechi_git::Limits::default(),
            file: haechi_props::Limits::default(),
            labels: 256,
            repositories: 200,
            answers: 4096,
            answer_bytes: 64 << 20,
            label_wait: Duration::from_secs(5),
            label_fetch_every: Duration::from_secs(5),
            local_poll: Duration::from_secs(1),
            watchers: 10_000,
            watch_wait: Duration::from_secs(30),
            list: 64,
            web: haechi_web::Limits { body_bytes: 1 << 20, ..haechi_web::Limits::default() },
        }
    }
}
