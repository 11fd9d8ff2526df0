//! From what the file means to each part's own options. What a part can't do yet is a diagnostic of the model's.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use haechi_config::{
    EncryptOptions, GitOptions, NativeOptions, PatternRepository, RepositoryOptions, SourceOptions,
};
use haechi_git::{Credentials, Ssh};
use haechi_model::lowered::{
    BasicAuth, ConfigServerConfig, ConfigSource, EncryptConfig, EncryptKey, FollowConfig, GitConfig,
    GitRepository, RegistryConfig, RsaAlgorithm,
};
use haechi_web::client::Url;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel completes before they are accepted, at most (the kernel has a limit of its own,
/// `net.core.somaxconn`). A whole fleet may boot at once; a client whose SYN finds the queue full waits a second.
const BACKLOG: u32 = 4096;

/// Binds a part's port, with an error that names the part.
pub fn bind(part: &str, listen: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = || {
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(listen)?;
        socket.listen(BACKLOG)
    };
    socket().with_context(|| {
        let part = match part {
            "config" => "config server",
            "admin" => "admin port",
            part => part,
        };
        format!("the {part} can't listen on {listen}; stop what is there, or name another port in the file")
    })
}

/// The registry's options.
pub fn registry(config: &RegistryConfig) -> anyhow::Result<haechi_registry::Options> {
    let mut options = haechi_registry::Options {
        prefix: config.prefix.clone(),
        auth: config.auth.as_ref().map(|auth| haechi_registry::Credentials {
            user: auth.username.clone(),
            password: auth.password.reveal().to_owned(),
        }),
        lease_duration: config.lease_duration,
        renewal_interval: config.renewal_interval,
        state_file: config.snapshot.as_ref().map(|snapshot| snapshot.path.clone()),
        ..haechi_registry::Options::default()
    };
    options.limits.instances = config.max_instances;
    options.policy.tick = config.eviction_interval;
    options.policy.delta_retention = config.delta_retention;
    match config.self_preservation_percent {
        Some(percent) => options.policy.tolerated_silence_percent = usize::from(100 - percent.min(100)),
        None => options.policy.self_preservation = false,
    }
    if let Some(peers) = &config.peers {
        for url in &peers.urls {
            // A URL's path is a folder only with a slash at its end.
            options
                .peers
                .push(Url::parse(&format!("{url}/")).with_context(|| format!("registry.peers: {url}"))?);
        }
        options.peer_connect_timeout = peers.connect_timeout;
        options.peer_timeout = peers.timeout;
        options.peer_batch = peers.batch_size;
        options.peer_batch_delay = peers.batch_delay;
        options.peer_queue = peers.queue;
    }
    Ok(options)
}

/// What is followed. Facts are kept in the folder `state`.
pub fn follow(config: &FollowConfig, state: &Path) -> anyhow::Result<haechi_registry::FollowOptions> {
    let url = |url: &String| Url::parse(url).with_context(|| format!("registry.follow: {url}"));
    let urls: anyhow::Result<Vec<Url>> = config.urls.iter().map(url).collect();
    Ok(haechi_registry::FollowOptions {
        urls: urls?,
        poll: config.poll,
        keep: Some(state.join("registry-facts.json")),
    })
}

/// The config server's options. Mirrors of remote repositories go below `mirrors`.
pub fn config(config: &ConfigServerConfig, mirrors: &Path) -> anyhow::Result<haechi_config::Options> {
    let sources = config.sources.iter().map(|source| match source {
        ConfigSource::Git(git) => SourceOptions::Git(git_source(git)),
        ConfigSource::Native(native) => SourceOptions::Native(NativeOptions {
            search_locations: native.locations.clone(),
            add_label_locations: native.add_label_locations,
            version: None,
        }),
    });
    let mut options = haechi_config::Options::new(sources.collect(), mirrors.to_owned());
    options.prefix.clone_from(&config.prefix);
    options.accept_empty = config.accept_empty;
    options.auth = config.auth.as_ref().map(credentials);
    options.overrides = config
        .overrides
        .iter()
        .map(|(key, value)| (key.clone(), haechi_props::Value::Text(value.clone())))
        .collect();
    if let Some(encrypt) = &config.encrypt {
        options.encrypt = encryption(encrypt)?;
    }
    Ok(options)
}

fn credentials(auth: &BasicAuth) -> Credentials {
    Credentials { username: auth.username.clone(), password: auth.password.reveal().to_owned() }
}

fn git_source(git: &GitConfig) -> GitOptions {
    let mut repositories = Vec::new();
    for matched in &git.repos {
        repositories.push(PatternRepository {
            name: matched.name.clone(),
            patterns: matched.patterns.clone(),
            repository: repository(&matched.repository),
        });
    }
    GitOptions { default: repository(&git.default), repositories }
}

fn repository(git: &GitRepository) -> RepositoryOptions {
    let mut options = RepositoryOptions::new(&git.uri);
    // `main` that may fall back to `master` is the config server's own default.
    let may_fall_back = git.label == "main" && git.try_master;
    options.default_label = (!may_fall_back).then(|| git.label.clone());
    options.search_paths.clone_from(&git.search_paths);
    options.refresh = (!git.refresh.is_zero()).then_some(git.refresh);
    options.timeout = git.timeout;
    options.clone_on_start = git.clone_on_start;
    options.credentials = git.http_auth.as_ref().map(credentials);
    options.ssh = Ssh {
        identity_file: git.ssh.private_key.clone(),
        strict_host_keys: git.ssh.strict_host_key_checking,
        ..Ssh::default()
    };
    options
}

fn encryption(config: &EncryptConfig) -> anyhow::Result<EncryptOptions> {
    let mut options = EncryptOptions {
        enabled: config.enabled,
        rsa_oaep: config.rsa.algorithm == RsaAlgorithm::Oaep,
        rsa_strong: config.rsa.strong,
        prefix_invalid_properties: config.prefix_invalid_properties,
        ..EncryptOptions::default()
    };
    match &config.key {
        None => {}
        Some(EncryptKey::Symmetric { key, salt }) => {
            options.key = Some(key.reveal().to_owned());
            options.salt.clone_from(salt);
        }
        Some(EncryptKey::Pem(key)) => {
            options.key = Some(key.reveal().to_owned());
            options.salt.clone_from(&config.rsa.salt);
        }
        Some(EncryptKey::KeyStore { location, .. }) => anyhow::bail!(
            "config.encrypt.key-store ({}) is not supported yet; put the private key into config.encrypt.key as PEM",
            location.display()
        ),
    }
    Ok(options)
}
