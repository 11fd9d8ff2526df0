//! The sockets that listeners accept from. Every socket has a second handle here, so that it can be given to
//! another listener, or to another process, while its queue stays open.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use haechi_net::listen::{self, ListenError, Socket};
use haechi_route::GatewayConfig;
use haechi_route::config::Listener;

use crate::gateway::ApplyError;
use crate::quic::Quic;
use crate::worker::{Accepts, NewListener};

/// A listener's sockets, to hand to another process.
#[derive(Debug)]
pub struct Listening {
    /// The listener.
    pub name: String,
    /// Where it was configured to listen. The port may be 0; the sockets know the real one.
    pub listen: SocketAddr,
    /// Each has a queue of its own and must be accepted from by somebody while it is open anywhere.
    pub sockets: Vec<Socket>,
}

/// New sockets for each worker, by its index.
pub(crate) type ForWorkers = Vec<Vec<NewListener>>;

/// What a configuration changes.
#[derive(Debug)]
pub(crate) struct Change {
    pub close: Vec<String>,
    /// Listeners whose sockets go on under another name: both names.
    pub renamed: Vec<(String, String)>,
    pub open: ForWorkers,
}

/// The listeners that are open.
#[derive(Debug)]
pub(crate) struct Listeners {
    open: BTreeMap<String, Open>,
    quic: Quic,
    /// From the process before this one, not used yet.
    inherited: Vec<Listening>,
    /// Sockets that wait until [`Listeners::release`]: they neither listen nor are accepted from.
    held: Option<ForWorkers>,
}

#[derive(Debug)]
struct Open {
    listen: SocketAddr,
    sockets: Vec<Socket>,
}

impl Open {
    fn bound(&self) -> Option<SocketAddr> {
        self.sockets.first()?.local_addr().ok()
    }
}

impl Listeners {
    /// None. With `inherited`, what is opened is held back.
    pub fn new(inherited: Option<Vec<Listening>>) -> Self {
        let held = inherited.as_ref().map(|_| ForWorkers::new());
        let quic = Quic::new(inherited.as_deref().unwrap_or_default());
        Self { open: BTreeMap::new(), quic, inherited: inherited.unwrap_or_default(), held }
    }

    /// Opens what is new for each of so many workers, and says which listeners close. One that has the address of
    /// another that goes takes over its sockets as they are. Fails with nothing changed.
    pub fn change(&mut self, config: &GatewayConfig, workers: usize) -> Result<Change, ApplyError> {
        // Only another address needs another socket; the rest is read with each connection.
        let stays = |name: &String, open: &Open| {
            config.listeners.get(name).is_some_and(|new| new.listen == open.listen)
        };
        let going = self.open.iter().filter(|(name, open)| !stays(name, open)).map(|(name, _)| name.clone());
        let mut close: Vec<String> = going.collect();
        let mut renamed = Vec::new();
        let mut open: ForWorkers = (0..workers).map(|_| Vec::new()).collect();
        let mut opened = Vec::new();
        for (name, listener) in &config.listeners {
            if self.open.get(name).is_some_and(|open| stays(name, open)) {
                continue;
            }
            let has_it = |old: &String| {
                self.open.get(old).is_some_and(|open| is_bound(&open.sockets, listener.listen))
            };
            if let Some(index) = close.iter().position(has_it) {
                renamed.push((close.remove(index), name.clone()));
                continue;
            }
            let wrong = |source| ApplyError::Listen { name: name.clone(), source };
            let sockets = self.sockets(name, listener, workers).map_err(wrong)?;
            let failed = |source| wrong(ListenError { address: bound(&sockets, listener.listen), source });
            for (index, socket) in sockets.iter().enumerate() {
                if self.held.is_none() {
                    socket.listen().map_err(failed)?;
                }
                let socket = socket.try_clone().map_err(failed)?;
                // There may be more sockets than workers: a worker of the process before had each.
                let accepts = Accepts::Tcp(socket);
                open[index % workers].push(NewListener { name: name.clone(), accepts });
            }
            opened.push((name.clone(), Open { listen: listener.listen, sockets }));
        }
        let at = |name: &String| {
            let new = opened.iter().find(|(new, _)| new == name).map(|(_, open)| open);
            let before = renamed.iter().find(|(_, new)| new == name).map_or(name, |(old, _)| old);
            new.or_else(|| self.open.get(before))?.bound()
        };
        let quic = self.quic.change(config, at)?;
        close.extend(quic.close);
        for (worker, new) in quic.open {
            open[worker % workers].push(new);
        }
        self.open.retain(|name, _| !close.contains(name));
        let moved: Vec<_> = renamed.iter().filter_map(|(old, _)| self.open.remove(old)).collect();
        for ((_, new), mut open) in renamed.iter().zip(moved) {
            open.listen = config.listeners.get(new).map_or(open.listen, |listener| listener.listen);
            self.open.insert(new.clone(), open);
        }
        self.open.extend(opened);
        if let Some(held) = &mut self.held {
            held.resize_with(workers, Vec::new);
            for (held, new) in held.iter_mut().zip(&mut open) {
                held.retain(|listener| !close.contains(&listener.name));
                for listener in held.iter_mut() {
                    if let Some((_, name)) = renamed.iter().find(|(old, _)| *old == listener.name) {
                        listener.name.clone_from(name);
                    }
                }
                held.append(new);
            }
        }
        Ok(Change { close, renamed, open })
    }

    /// Where each is.
    pub fn addresses(&self) -> BTreeMap<String, SocketAddr> {
        self.open.iter().map(|(name, open)| (name.clone(), bound(&open.sockets, open.listen))).collect()
    }

    /// Sockets for a listener: those that were inherited, or new ones.
    fn sockets(
        &mut self,
        name: &str,
        listener: &Listener,
        workers: usize,
    ) -> Result<Vec<Socket>, ListenError> {
        let wanted = listener.listen;
        let inherited = self.inherited.iter().position(|known| {
            (known.name == name && known.listen == wanted) || is_bound(&known.sockets, wanted)
        });
        let Some(inherited) = inherited else {
            let chosen_for_both = listener.http3.is_some() && wanted.port() == 0;
            return if chosen_for_both { with_udp(wanted, workers) } else { listen::shared(wanted, workers) };
        };
        let mut sockets = self.inherited.swap_remove(inherited).sockets;
        let missing = workers.saturating_sub(sockets.len());
        if let Some(Ok(bound)) = sockets.first().map(Socket::local_addr) {
            sockets.extend(listen::beside(bound, missing)?);
        }
        Ok(sockets)
    }

    /// What was held back: every socket listens from now on.
    pub fn release(&mut self) -> Result<ForWorkers, ApplyError> {
        for (name, open) in &self.open {
            for socket in &open.sockets {
                socket.listen().map_err(|source| ApplyError::Listen {
                    name: name.clone(),
                    source: ListenError { address: open.listen, source },
                })?;
            }
        }
        // What the process before had and nobody wants any more is that process's to close.
        self.inherited.clear();
        Ok(self.held.take().unwrap_or_default())
    }

    /// Every listener with its sockets, for another process.
    pub fn listening(&self) -> std::io::Result<Vec<Listening>> {
        let mut all = Vec::new();
        for (name, open) in &self.open {
            let sockets: std::io::Result<_> = open.sockets.iter().map(Socket::try_clone).collect();
            all.push(Listening { name: name.clone(), listen: open.listen, sockets: sockets? });
        }
        Ok(all)
    }

    /// Lets go of every socket here. A queue closes once the worker that accepts from it lets go too.
    pub fn clear(&mut self) {
        self.open.clear();
        self.quic.clear();
    }
}

/// Where sockets are: with the port that the system chose for 0.
fn bound(sockets: &[Socket], wanted: SocketAddr) -> SocketAddr {
    sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(wanted)
}

/// New sockets whose port, which the system chooses, is free for UDP too.
fn with_udp(address: SocketAddr, workers: usize) -> Result<Vec<Socket>, ListenError> {
    const TRIES: usize = 16;
    let mut sockets = listen::shared(address, workers)?;
    for _ in 1..TRIES {
        if listen::udp(bound(&sockets, address)).is_ok() {
            break;
        }
        sockets = listen::shared(address, workers)?;
    }
    Ok(sockets)
}

fn is_bound(sockets: &[Socket], address: SocketAddr) -> bool {
    sockets.first().is_some_and(|socket| socket.local_addr().is_ok_and(|bound| bound == address))
}
