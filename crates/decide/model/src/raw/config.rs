//! `config:`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Auth, ConfigUrl, Duration, FilePath, HexText, PathText, Secret, SocketAddress};

/// The config server, which speaks Spring Cloud Config's protocol. Exactly one of `git`, `native` and
/// `composite` says where its properties are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigServer {
    /// Address and port where clients ask; 8888 is usual.
    pub listen: SocketAddress,
    /// Path in front of Spring's own paths.
    pub prefix: Option<PathText>,
    /// Basic authentication of clients; without it nobody is asked.
    pub auth: Option<Auth>,
    /// Properties in a git repository.
    pub git: Option<Git>,
    /// Properties in folders of this machine.
    pub native: Option<Native>,
    /// Several sources; the first one wins where two have the same property.
    #[schemars(length(min = 1))]
    pub composite: Option<Vec<ConfigSource>>,
    /// Properties that win over every source.
    #[serde(default)]
    pub overrides: IndexMap<String, String>,
    /// `{cipher}` values, `/encrypt` and `/decrypt`.
    pub encrypt: Option<Encrypt>,
    /// Whether an application without any property is answered 200 with an empty list, as Spring does; if not, 404.
    #[schemars(extend("default" = true))]
    pub accept_empty: Option<bool>,
}

/// One source of a composite: exactly one of `git` and `native`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigSource {
    /// Properties in a git repository.
    pub git: Option<Git>,
    /// Properties in folders of this machine.
    pub native: Option<Native>,
}

/// Properties in folders.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Native {
    /// Folders; a later one wins. `{application}`, `{profile}` and `{label}` are replaced.
    #[schemars(length(min = 1))]
    pub locations: Vec<FilePath>,
    /// Also read `<location>/<label>/`.
    #[schemars(extend("default" = true))]
    pub add_label_locations: Option<bool>,
}

/// Properties in a git repository. They are answered from memory at a commit, so a slow or dead remote never
/// delays a client. A branch whose history was rewritten is taken over as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Git {
    /// Where it is: `https://…`, `ssh://…`, `git@host:path`, `file:///…` or a folder's name. `{application}`,
    /// `{profile}` and `{label}` are replaced, but not in the host.
    pub uri: ConfigUrl,
    /// Branch, tag or commit for clients that name none.
    #[schemars(extend("default" = "main"))]
    pub label: Option<String>,
    /// Takes `master` for clients that name no label, where `label` is `main` and there is none.
    #[schemars(extend("default" = true))]
    pub try_master: Option<bool>,
    /// Folders in the repository, `/` always first; a later one wins. `*` and the placeholders
    /// `{application}`, `{profile}` and `{label}` may be used.
    #[serde(default)]
    pub search_paths: Vec<String>,
    /// Fetches this often; `0s` only when told to (`/monitor`, `/refresh`).
    #[schemars(extend("default" = "5s"))]
    pub refresh: Option<Duration>,
    /// For one fetch. Requests never wait for it: they are answered from what is there.
    #[schemars(extend("default" = "1m"))]
    pub timeout: Option<Duration>,
    /// Doesn't start before the first fetch has succeeded, so that a wrong URI shows at once.
    #[schemars(extend("default" = false))]
    pub clone_on_start: Option<bool>,
    /// Where the clone is kept. This version keeps it with all others and says so.
    pub folder: Option<FilePath>,
    /// User name for http(s).
    pub username: Option<String>,
    /// Password or token for http(s).
    pub password: Option<Secret>,
    /// File with the private key for ssh.
    pub private_key: Option<FilePath>,
    /// Passphrase of the private key. This version can't use it yet.
    pub passphrase: Option<Secret>,
    /// Refuses an ssh host that `known_hosts` doesn't have.
    #[schemars(extend("default" = true))]
    pub strict_host_key_checking: Option<bool>,
    /// Other repositories for applications that match a pattern, by name.
    #[serde(default)]
    pub repos: IndexMap<String, GitRepositoryEntry>,
}

/// A repository: just its URI, or with options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum GitRepositoryEntry {
    /// Its URI; the pattern is its name.
    Uri(ConfigUrl),
    /// With options.
    Options(Box<GitRepository>),
}

/// A repository for applications that match. What isn't written here is taken from the `git` around it; user
/// name and password only if scheme, host and port are the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GitRepository {
    /// Where it is.
    pub uri: ConfigUrl,
    /// `application/profile` with `*`; a pattern without `/` matches every profile. Its name if there is none.
    #[serde(default)]
    pub pattern: Vec<String>,
    /// Branch, tag or commit for clients that name none.
    pub label: Option<String>,
    /// Folders in the repository.
    pub search_paths: Option<Vec<String>>,
    /// Fetches this often.
    pub refresh: Option<Duration>,
    /// Doesn't start before the first fetch has succeeded.
    pub clone_on_start: Option<bool>,
    /// User name for http(s).
    pub username: Option<String>,
    /// Password or token for http(s).
    pub password: Option<Secret>,
    /// File with the private key for ssh.
    pub private_key: Option<FilePath>,
    /// Passphrase of the private key.
    pub passphrase: Option<Secret>,
}

/// Encryption as Spring Cloud does it: `key`, or `key-store`, which this version can't read yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Encrypt {
    /// A password for symmetric encryption, or a private RSA key in PEM.
    pub key: Option<Secret>,
    /// Salt for the symmetric key.
    #[schemars(extend("default" = "deadbeef"))]
    pub salt: Option<HexText>,
    /// An RSA key in a key store.
    pub key_store: Option<KeyStore>,
    /// How RSA is used.
    pub rsa: Option<Rsa>,
    /// Whether `{cipher}` values are decrypted here; if not, clients get them as they are.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// A value that can't be decrypted becomes `invalid.<key>` instead of failing silently.
    #[schemars(extend("default" = true))]
    pub prefix_invalid_properties: Option<bool>,
}

/// A key store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyStore {
    /// Its file.
    pub location: FilePath,
    /// Its password.
    pub password: Option<Secret>,
    /// The key's name in it; needed if there are several.
    pub alias: Option<String>,
    /// The key's own password, if it differs.
    pub secret: Option<Secret>,
    /// Its kind.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "pem"))]
    pub kind: Option<KeyStoreType>,
}

/// A key store's kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStoreType {
    /// Private key in PEM.
    #[default]
    Pem,
    /// PKCS #12, as `keytool` writes it since Java 9.
    Pkcs12,
    /// Java's old format.
    Jks,
}

/// How RSA is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rsa {
    /// Padding.
    #[schemars(extend("default" = "default"))]
    pub algorithm: Option<RsaAlgorithm>,
    /// AES in GCM instead of CBC for the value itself.
    #[schemars(extend("default" = false))]
    pub strong: Option<bool>,
    /// Salt for the value's own key.
    #[schemars(extend("default" = "deadbeef"))]
    pub salt: Option<HexText>,
}

/// RSA's padding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RsaAlgorithm {
    /// PKCS #1 v1.5.
    #[default]
    Default,
    /// OAEP with SHA-1.
    Oaep,
}
