//! `config:`.

use std::path::PathBuf;
use std::time::Duration;

use super::{At, Lower, prefix};
use crate::diagnostic::Diagnostic;
use crate::lowered::{
    BasicAuth, ConfigServerConfig, ConfigSource, EncryptConfig, EncryptKey, GitConfig, GitRepository,
    MatchedRepository, NativeConfig, RsaConfig, Secret, SshConfig,
};
use crate::{format, raw};

const DEFAULT_SALT: &str = "deadbeef";

impl Lower<'_> {
    pub(super) fn config(&mut self, raw: &raw::ConfigServer, at: At<'_>) -> Option<ConfigServerConfig> {
        let listen = format::listen_address(&raw.listen.0).ok()?;
        Some(ConfigServerConfig {
            listen,
            prefix: raw.prefix.as_ref().map(|p| prefix(&p.0)).unwrap_or_default(),
            auth: self.auth(raw.auth.as_ref(), at.key("auth")),
            sources: self.sources(raw, at),
            overrides: raw.overrides.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            encrypt: raw.encrypt.as_ref().map(|encrypt| self.encrypt(encrypt, at.key("encrypt"))),
            accept_empty: raw.accept_empty.unwrap_or(true),
        })
    }

    fn sources(&mut self, raw: &raw::ConfigServer, at: At<'_>) -> Vec<ConfigSource> {
        let written: Vec<&str> =
            ["git", "native", "composite"].into_iter().filter(|key| at.key(key).is_written()).collect();
        match written.as_slice() {
            [] => self.report(
                Diagnostic::error("missing-key", at.span(), "`config` doesn't say where properties are")
                    .help("add `git: { uri: … }` or `native: { locations: [ … ] }`"),
            ),
            [_] => {}
            [first, second, ..] => {
                let message =
                    format!("`{first}` and `{second}` are both there, and neither says which one wins");
                self.report(
                    Diagnostic::error("contradiction", at.key(second).span(), message)
                        .note(at.key(first).span(), "and here")
                        .help("list them in `composite`: the first one wins"),
                );
            }
        }
        let mut sources = Vec::new();
        if let Some(git) = &raw.git {
            sources.push(ConfigSource::Git(Box::new(self.git(git, at.key("git")))));
        }
        if let Some(native) = &raw.native {
            sources.push(ConfigSource::Native(self.native(native, at.key("native"))));
        }
        for (i, source) in raw.composite.iter().flatten().enumerate() {
            let at = at.key("composite").item(i);
            match (&source.git, &source.native) {
                (Some(git), None) => sources.push(ConfigSource::Git(Box::new(self.git(git, at.key("git"))))),
                (None, Some(native)) => {
                    sources.push(ConfigSource::Native(self.native(native, at.key("native"))));
                }
                _ => self.report(
                    Diagnostic::error("contradiction", at.span(), "a source is either `git` or `native`")
                        .help("write one item for each"),
                ),
            }
        }
        sources
    }

    fn native(&mut self, raw: &raw::Native, at: At<'_>) -> NativeConfig {
        let mut locations = Vec::with_capacity(raw.locations.len());
        for (i, location) in raw.locations.iter().enumerate() {
            let text = location.0.strip_prefix("file:").unwrap_or(&location.0);
            let folder = self.folder.join(text);
            if !text.contains('{') && !self.files.is_folder(&folder) {
                let place = at.key("locations").item(i).span();
                let message = format!("the folder {} doesn't exist", folder.display());
                self.report(
                    Diagnostic::error("missing-file", place, message).help("make it, or name another one"),
                );
            }
            locations.push(folder.to_string_lossy().into_owned());
        }
        NativeConfig { locations, add_label_locations: raw.add_label_locations.unwrap_or(true) }
    }

    fn git(&mut self, raw: &raw::Git, at: At<'_>) -> GitConfig {
        let http_auth = self.http_auth(&raw.uri, raw.username.as_deref(), raw.password.as_ref(), at);
        self.git_not_yet(raw, at);
        let default = GitRepository {
            uri: self.uri(&raw.uri, at.key("uri")),
            label: raw.label.clone().unwrap_or_else(|| "main".to_owned()),
            try_master: raw.try_master.unwrap_or(true),
            search_paths: self.search_paths(&raw.search_paths, at.key("search-paths")),
            refresh: self.duration(raw.refresh.as_ref(), Duration::from_secs(5), at.key("refresh")),
            timeout: self.positive(raw.timeout.as_ref(), Duration::from_secs(60), at.key("timeout")),
            clone_on_start: raw.clone_on_start.unwrap_or(false),
            folder: raw.folder.as_ref().map(|folder| self.path(folder)),
            http_auth,
            ssh: SshConfig {
                private_key: self.private_key(raw.private_key.as_ref(), at.key("private-key")),
                passphrase: raw.passphrase.as_ref().map(|p| Secret::new(&p.0)),
                strict_host_key_checking: raw.strict_host_key_checking.unwrap_or(true),
            },
        };
        let repos = raw
            .repos
            .iter()
            .map(|(name, entry)| self.repository(name, entry, &default, at.key("repos").key(name)))
            .collect();
        GitConfig { default, repos }
    }

    fn repository(
        &mut self,
        name: &str,
        entry: &raw::GitRepositoryEntry,
        default: &GitRepository,
        at: At<'_>,
    ) -> MatchedRepository {
        let raw = match entry {
            raw::GitRepositoryEntry::Uri(uri) => {
                let http_auth =
                    default.http_auth.clone().filter(|_| authority(&uri.0) == authority(&default.uri));
                let repository =
                    GitRepository { uri: self.uri(uri, at), folder: None, http_auth, ..default.clone() };
                return MatchedRepository {
                    name: name.to_owned(),
                    patterns: vec![name.to_owned()],
                    repository,
                };
            }
            raw::GitRepositoryEntry::Options(raw) => raw,
        };
        if raw.passphrase.is_some() {
            self.passphrase_not_yet(at);
        }
        let own_auth = self.http_auth(&raw.uri, raw.username.as_deref(), raw.password.as_ref(), at);
        let own_key = self.private_key(raw.private_key.as_ref(), at.key("private-key"));
        let repository = GitRepository {
            uri: self.uri(&raw.uri, at.key("uri")),
            label: raw.label.clone().unwrap_or_else(|| default.label.clone()),
            search_paths: match &raw.search_paths {
                Some(paths) => self.search_paths(paths, at.key("search-paths")),
                None => default.search_paths.clone(),
            },
            refresh: self.duration(raw.refresh.as_ref(), default.refresh, at.key("refresh")),
            clone_on_start: raw.clone_on_start.unwrap_or(default.clone_on_start),
            folder: None,
            // A password is never sent to a host it wasn't written for.
            http_auth: own_auth.or_else(|| {
                default.http_auth.clone().filter(|_| authority(&raw.uri.0) == authority(&default.uri))
            }),
            ssh: SshConfig {
                private_key: own_key.or_else(|| default.ssh.private_key.clone()),
                passphrase: raw
                    .passphrase
                    .as_ref()
                    .map(|p| Secret::new(&p.0))
                    .or_else(|| default.ssh.passphrase.clone()),
                ..default.ssh.clone()
            },
            ..default.clone()
        };
        let patterns = if raw.pattern.is_empty() { vec![name.to_owned()] } else { raw.pattern.clone() };
        MatchedRepository { name: name.to_owned(), patterns, repository }
    }

    /// A folder's name becomes a `file://` URI, from the folder of the configuration file.
    fn uri(&mut self, raw: &raw::ConfigUrl, at: At<'_>) -> String {
        let text = &raw.0;
        let is_scp = text.split_once(':').is_some_and(|(host, _)| !host.contains('/') && host.len() > 1);
        let is_file = text.starts_with("file:");
        if (text.contains("://") || is_scp) && !is_file {
            return text.clone();
        }
        let folder = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")).unwrap_or(text);
        let folder = self.folder.join(folder);
        if !text.contains('{') && !self.files.is_folder(&folder) {
            let message = format!("the folder {} doesn't exist", folder.display());
            let diagnostic = Diagnostic::error("missing-file", at.span(), message);
            self.report(diagnostic.help("make the repository, or name another one"));
        }
        format!("file://{}", folder.display())
    }

    fn http_auth(
        &mut self,
        uri: &raw::ConfigUrl,
        username: Option<&str>,
        password: Option<&raw::Secret>,
        at: At<'_>,
    ) -> Option<BasicAuth> {
        if password.is_some() && uri.0.starts_with("http://") {
            let message = "the password is sent in clear text over http";
            let diagnostic = Diagnostic::warning("clear-text-password", at.key("uri").span(), message);
            self.report(diagnostic.help("use https"));
        }
        match (username, password) {
            (Some(username), password) => Some(BasicAuth {
                username: username.to_owned(),
                password: Secret::new(password.map(|p| p.0.as_str()).unwrap_or_default()),
            }),
            (None, Some(_)) => {
                let diagnostic = Diagnostic::error(
                    "missing-key",
                    at.key("password").span(),
                    "a password without a user name",
                );
                self.report(
                    diagnostic
                        .help("add `username`; for a token most servers take any name, for example git"),
                );
                None
            }
            (None, None) => None,
        }
    }

    fn search_paths(&mut self, raw: &[String], at: At<'_>) -> Vec<String> {
        for (i, path) in raw.iter().enumerate() {
            if path.split(['/', '\\']).any(|segment| segment == "..") {
                let message = format!("{path:?} leaves the repository");
                let diagnostic = Diagnostic::error("bad-value", at.item(i).span(), message);
                self.report(diagnostic.help("a search path is a folder in the repository, without `..`"));
            }
        }
        raw.iter().map(|path| path.trim_matches('/').to_owned()).filter(|path| !path.is_empty()).collect()
    }

    /// What the config server can't do with a git repository yet.
    fn git_not_yet(&mut self, raw: &raw::Git, at: At<'_>) {
        if raw.folder.is_some() {
            let message = "this version keeps the clone with all others, not here";
            self.report(
                Diagnostic::warning("not-yet", at.key("folder").span(), message).help("remove `folder`"),
            );
        }
        if raw.passphrase.is_some() {
            self.passphrase_not_yet(at);
        }
    }

    fn passphrase_not_yet(&mut self, at: At<'_>) {
        let message = "this version can't use a key with a passphrase";
        let diagnostic = Diagnostic::error("not-yet", at.key("passphrase").span(), message);
        self.report(diagnostic.help("use ssh-agent, or a key without one: ssh-keygen -p -N '' -f FILE"));
    }

    fn private_key(&mut self, raw: Option<&raw::FilePath>, at: At<'_>) -> Option<PathBuf> {
        let path = self.path(raw?);
        if let Some(text) = self.readable(&path, "the private key", at)
            && !text.contains("PRIVATE KEY-----")
        {
            let message = format!("{} holds no private key", path.display());
            let diagnostic = Diagnostic::error("bad-key", at.span(), message);
            self.report(diagnostic.help("name the key that ssh-keygen wrote, not its .pub file"));
        }
        Some(path)
    }

    fn encrypt(&mut self, raw: &raw::Encrypt, at: At<'_>) -> EncryptConfig {
        if raw.key.is_some() && raw.key_store.is_some() {
            self.report(
                Diagnostic::error(
                    "contradiction",
                    at.key("key-store").span(),
                    "`key` and `key-store` are both there",
                )
                .note(at.key("key").span(), "and here")
                .help("keep one of them"),
            );
        }
        let salt =
            |raw: Option<&raw::HexText>| raw.map_or_else(|| DEFAULT_SALT.to_owned(), |hex| hex.0.clone());
        let key = match (&raw.key, &raw.key_store) {
            (Some(key), _) if key.0.contains("PRIVATE KEY-----") => {
                Some(EncryptKey::Pem(Secret::new(&key.0)))
            }
            (Some(key), _) => {
                Some(EncryptKey::Symmetric { key: Secret::new(&key.0), salt: salt(raw.salt.as_ref()) })
            }
            (None, Some(store)) => {
                let location = self.path(&store.location);
                let before = self.diagnostics.len();
                self.exists(&location, "the key store", at.key("key-store").key("location"));
                if self.diagnostics.len() == before {
                    let message = "this version can't read key stores yet";
                    let diagnostic = Diagnostic::error("not-yet", at.key("key-store").span(), message);
                    self.report(diagnostic.help("put the private key into `key` as PEM"));
                }
                Some(EncryptKey::KeyStore {
                    location,
                    password: store.password.as_ref().map(|p| Secret::new(&p.0)),
                    alias: store.alias.clone(),
                    secret: store.secret.as_ref().map(|s| Secret::new(&s.0)),
                    kind: store.kind.unwrap_or_default(),
                })
            }
            (None, None) => None,
        };
        let rsa = raw.rsa.clone().unwrap_or_default();
        EncryptConfig {
            key,
            rsa: RsaConfig {
                algorithm: rsa.algorithm.unwrap_or_default(),
                strong: rsa.strong.unwrap_or(false),
                salt: salt(rsa.salt.as_ref()),
            },
            enabled: raw.enabled.unwrap_or(true),
            prefix_invalid_properties: raw.prefix_invalid_properties.unwrap_or(true),
        }
    }
}

/// Scheme, host and port of a URL.
fn authority(uri: &str) -> Option<&str> {
    let start = uri.find("://")? + 3;
    let end = uri[start..].find('/').map_or(uri.len(), |i| start + i);
    Some(&uri[..end])
}
