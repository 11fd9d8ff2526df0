//! Follows the names that services are reached by, on a thread of its own, and tells the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_net::dns::Resolver;
use haechi_route::GatewayConfig;
use haechi_route::config::Endpoints;
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use crate::discover::Resolved;

/// How long a new configuration waits for names that were never resolved. It goes live without them then, and
/// they follow when they can.
const FIRST_ANSWER: Duration = Duration::from_secs(1);

type Names = BTreeSet<(String, u16)>;

/// The thread that resolves.
#[derive(Debug)]
pub(crate) struct Resolving {
    wanted: watch::Sender<Names>,
    pub resolved: watch::Receiver<Arc<Resolved>>,
    _thread: JoinHandle<()>,
}

impl Resolving {
    /// Starts the thread. It ends when this is dropped.
    pub fn start(resolver: impl FnOnce() -> Option<Resolver> + Send + 'static) -> std::io::Result<Self> {
        let (wanted, wanted_out) = watch::channel(Names::new());
        let (resolved_in, resolved) = watch::channel(Arc::new(Resolved::default()));
        let thread = std::thread::Builder::new().name("dns".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(follow(resolver, wanted_out, resolved_in)),
                Err(error) => tracing::error!(%error, "names can't be resolved"),
            }
        })?;
        Ok(Self { wanted, resolved, _thread: thread })
    }

    /// Follows the names of a configuration from now on. Returns once each was resolved, or after a while.
    pub async fn want(&self, config: &GatewayConfig) {
        let names: Names = config
            .services
            .values()
            .filter_map(|service| match &service.endpoints {
                Endpoints::Dns { host, port } => Some((host.clone(), *port)),
                _ => None,
            })
            .collect();
        let mut resolved = self.resolved.clone();
        self.wanted.send_if_modified(|wanted| std::mem::replace(wanted, names.clone()) != names);
        let all = resolved.wait_for(|resolved| names.iter().all(|name| resolved.contains_key(name)));
        if tokio::time::timeout(FIRST_ANSWER, all).await.is_err() {
            tracing::warn!(
                "some names are not resolved yet; their services have no endpoints until they are"
            );
        }
    }
}

async fn follow(
    resolver: impl FnOnce() -> Option<Resolver>,
    mut wanted: watch::Receiver<Names>,
    resolved: watch::Sender<Arc<Resolved>>,
) {
    let resolved = Arc::new(resolved);
    let mut tasks: BTreeMap<(String, u16), Task<()>> = BTreeMap::new();
    let mut resolver = Some(resolver);
    let mut made = None;
    loop {
        let names = wanted.borrow_and_update().clone();
        if !names.is_empty()
            && let Some(make) = resolver.take()
        {
            made = make();
        }
        tasks.retain(|name, task| {
            let keep = names.contains(name);
            if !keep {
                task.abort();
            }
            keep
        });
        resolved.send_if_modified(|resolved| {
            let before = resolved.len();
            Arc::make_mut(resolved).retain(|name, _| names.contains(name));
            resolved.len() != before
        });
        if let Some(resolver) = &made {
            for name in names {
                tasks
                    .entry(name.clone())
                    .or_insert_with(|| tokio::spawn(follow_one(resolver.clone(), name, resolved.clone())));
            }
        }
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

async fn follow_one(resolver: Resolver, name: (String, u16), resolved: Arc<watch::Sender<Arc<Resolved>>>) {
    resolver
        .follow(&name.0, |addresses| {
            let addresses = addresses.iter().map(|address| SocketAddr::new(*address, name.1)).collect();
            resolved.send_modify(|resolved| {
                Arc::make_mut(resolved).insert(name.clone(), addresses);
            });
        })
        .await;
}
