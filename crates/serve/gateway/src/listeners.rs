//! The sockets that listeners accept from. Every socket has a second handle here, so that it can be given to
//! another listener, or to another process, while its queue stays open.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use haechi_core::Address;
use haechi_net::listen::{self, ListenError, Socket, SocketFile, Transport};
use haechi_route::GatewayConfig;
use haechi_route::config::Listener;

use crate::gateway::ApplyError;
use crate::quic::Quic;
use crate::udp::Left;
use crate::worker::{Accepts, NewListener};

/// A listener's sockets, to hand to another process.
#[derive(Debug)]
pub struct Listening {
    /// The listener.
    pub name: String,
    /// Where it was configured to listen. The port may be 0; the sockets know the real one.
    pub listen: Address,
    /// Each has a queue of its own and must be accepted or received from by somebody while it is open anywhere.
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
    left: Left,
    /// Sockets that wait until [`Listeners::release`]: they neither listen nor are accepted from.
    held: Option<ForWorkers>,
}

#[derive(Debug)]
struct Open {
    listen: Address,
    transport: Transport,
    /// One for each worker. A Unix socket is one alone: who accepts from it hands connections over.
    sockets: Vec<Arc<Socket>>,
    /// Of a Unix socket, and who may connect. Nothing when somebody removed it.
    file: Option<SocketFile>,
    mode: u32,
    /// Whether the process before this one made it.
    inherited: bool,
}

/// What was just opened. When it comes to nothing, it leaves no file behind.
#[derive(Default)]
struct Opened(Vec<(String, Open)>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.iter_mut().filter(|(_, open)| !open.inherited).for_each(|(_, open)| open.remove_file());
    }
}

impl Listeners {
    /// None. With `inherited`, what is opened is held back.
    pub fn new(inherited: Option<Vec<Listening>>) -> Self {
        let held = inherited.as_ref().map(|_| ForWorkers::new());
        let quic = Quic::new(inherited.as_deref().unwrap_or_default());
        let inherited = inherited.unwrap_or_default();
        Self { open: BTreeMap::new(), quic, inherited, left: Left::default(), held }
    }

    /// Opens what is new for each of so many workers, and says which listeners close. One that has the address of
    /// another that goes takes over its sockets as they are. Fails with nothing changed.
    pub fn change(&mut self, config: &GatewayConfig, workers: usize) -> Result<Change, ApplyError> {
        // Only another address needs another socket; the rest is read with each connection.
        let stays = |name: &String, open: &Open| {
            let new = config.listeners.get(name);
            new.is_some_and(|new| new.listen == open.listen && transport(new) == open.transport)
        };
        let going = self.open.iter().filter(|(name, open)| !stays(name, open)).map(|(name, _)| name.clone());
        let mut close: Vec<String> = going.collect();
        let mut renamed = Vec::new();
        let mut open: ForWorkers = (0..workers).map(|_| Vec::new()).collect();
        let mut opened = Opened::default();
        for (name, listener) in &config.listeners {
            if self.open.get(name).is_some_and(|open| stays(name, open)) {
                continue;
            }
            let has_it = |old: &String| {
                let open = self.open.get(old).filter(|open| open.transport == transport(listener));
                open.is_some_and(|open| {
                    is_bound(open.sockets.first().map(|socket| &**socket), &listener.listen)
                })
            };
            if let Some(index) = close.iter().position(has_it) {
                renamed.push((close.remove(index), name.clone()));
                continue;
            }
            let wrong = |source| ApplyError::Listen { name: name.clone(), source };
            let new = self.open(name, listener, workers, &close).map_err(wrong)?;
            opened.0.push((name.clone(), new));
            let Some((_, new)) = opened.0.last() else { continue };
            let failed = |source| wrong(ListenError { address: new.address().to_string(), source });
            // Unix sockets are spread over the workers that accept from them.
            let first = if new.file.is_some() { self.open.len() + opened.0.len() } else { 0 };
            for (index, socket) in (first..).zip(&new.sockets) {
                if self.held.is_none() {
                    socket.listen().map_err(failed)?;
                }
                // There may be more sockets than workers: a worker of the process before had each.
                let accepts = match new.transport {
                    Transport::Tcp => Accepts::Connections(socket.try_clone().map_err(failed)?),
                    Transport::Udp => Accepts::Datagrams(socket.clone()),
                };
                open[index % workers].push(NewListener { name: name.clone(), accepts });
            }
        }
        let at = |name: &String| {
            let new = opened.0.iter().find(|(new, _)| new == name).map(|(_, open)| open);
            let before = renamed.iter().find(|(_, new)| new == name).map_or(name, |(old, _)| old);
            new.or_else(|| self.open.get(before))?.bound()
        };
        let quic = self.quic.change(config, at)?;
        close.extend(quic.close);
        for (worker, new) in quic.open {
            open[worker % workers].push(new);
        }
        for mut gone in close.iter().filter_map(|name| self.open.remove(name)) {
            // First, so that nobody comes to a queue that closes.
            gone.remove_file();
            if gone.transport == Transport::Udp {
                self.left.add(&gone.sockets);
            }
        }
        let moved: Vec<_> = renamed.iter().filter_map(|(old, _)| self.open.remove(old)).collect();
        for ((_, new), mut open) in renamed.iter().zip(moved) {
            if let Some(listener) = config.listeners.get(new) {
                open.listen.clone_from(&listener.listen);
            }
            self.open.insert(new.clone(), open);
        }
        self.open.extend(std::mem::take(&mut opened.0));
        let is_of_udp = |open: &&Open| open.transport == Transport::Udp;
        self.left.forget(|left| self.open.values().filter(is_of_udp).any(|open| open.bound() == Some(left)));
        for (name, open) in &mut self.open {
            open.permit(config.listeners.get(name).map_or(open.mode, |listener| listener.mode));
        }
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
    pub fn addresses(&self) -> BTreeMap<String, Address> {
        self.open.iter().map(|(name, open)| (name.clone(), open.address())).collect()
    }

    /// A listener, with the sockets that were inherited, or with new ones while these are `going`.
    fn open(
        &mut self,
        name: &str,
        listener: &Listener,
        workers: usize,
        going: &[String],
    ) -> Result<Open, ListenError> {
        let (wanted, mode, transport) = (&listener.listen, listener.mode, transport(listener));
        let inherited = self.inherited.iter().position(|known| {
            let first = known.sockets.first();
            is_of(first, transport)
                && ((known.name == name && known.listen == *wanted) || is_bound(first, wanted))
        });
        let open = |sockets: Vec<Arc<Socket>>, file, inherited| Open {
            listen: wanted.clone(),
            transport,
            sockets,
            file,
            mode,
            inherited,
        };
        let Some(inherited) = inherited else {
            if let Some(address) = wanted.tcp().filter(|_| transport == Transport::Udp)
                && let Some(sockets) = self.left.again(address, workers)?
            {
                return Ok(open(sockets, None, false));
            }
            let new = |sockets| Ok(open(shared(sockets), None, false));
            return match wanted {
                Address::Tcp(address) if listener.http3.is_some() && address.port() == 0 => {
                    new(with_quic(*address, workers)?)
                }
                // Its port is ours until then.
                Address::Tcp(address) if self.is_in_the_way(*address, transport, going) => {
                    new(listen::beside(*address, transport, workers)?)
                }
                Address::Tcp(address) => new(listen::shared(*address, transport, workers)?),
                Address::Unix(path) => {
                    let (socket, file) = listen::unix(path, mode)?;
                    Ok(open(shared(vec![socket]), Some(file), false))
                }
            };
        };
        let mut sockets = self.inherited.swap_remove(inherited).sockets;
        if transport == Transport::Udp {
            // A new one would get its share of the datagrams at once, while the process before still serves; see
            // `add_missing`.
            return Ok(open(shared(sockets), None, true));
        }
        let missing = workers.saturating_sub(sockets.len());
        if let Some(Ok(bound)) = sockets.first().map(Socket::local_addr) {
            sockets.extend(listen::beside(bound, transport, missing)?);
        }
        let file = wanted.path().and_then(|path| SocketFile::at(path).ok());
        // The process before may have had it with other permissions.
        Ok(Open { mode: UNKNOWN_MODE, ..open(shared(sockets), file, true) })
    }

    /// Whether a socket that goes, or that sessions hold after its listener went, or that the process before had, is bound
    /// to this port of all addresses, or to it of one of those that are wanted: then who else may have it can't be asked.
    fn is_in_the_way(&self, wanted: SocketAddr, transport: Transport, going: &[String]) -> bool {
        let gone =
            going.iter().filter_map(|name| self.open.get(name)?.sockets.first()).map(|socket| &**socket);
        let sockets = gone.chain(self.inherited.iter().filter_map(|known| known.sockets.first()));
        let of_it = sockets.filter(|socket| is_of(Some(socket), transport));
        let bound = of_it.filter_map(|socket| socket.local_addr().ok());
        let left = self.left.bound().filter(|_| transport == Transport::Udp);
        bound.chain(left).any(|bound| {
            let overlap = bound.ip().is_unspecified() || wanted.ip().is_unspecified();
            overlap && bound.port() == wanted.port()
        })
    }

    /// What was held back, for so many workers: every socket listens from now on.
    pub fn release(&mut self, workers: usize) -> Result<ForWorkers, ApplyError> {
        let mut held = self.held.take().unwrap_or_default();
        held.resize_with(workers, Vec::new);
        for (name, open) in &mut self.open {
            let wrong = |source| ApplyError::Listen { name: name.clone(), source };
            open.add_missing(name, &mut held).map_err(wrong)?;
            for socket in &open.sockets {
                socket.listen().map_err(|source| ApplyError::Listen {
                    name: name.clone(),
                    source: ListenError { address: open.listen.to_string(), source },
                })?;
            }
        }
        // What the process before had and nobody wants any more is that process's to close. It leaves files to this one.
        for unwanted in self.inherited.drain(..) {
            let file = unwanted.listen.path().and_then(|path| SocketFile::at(path).ok());
            file.iter().for_each(remove);
        }
        Ok(held)
    }

    /// Every listener with its sockets, for another process.
    pub fn listening(&self) -> std::io::Result<Vec<Listening>> {
        let mut all = Vec::new();
        for (name, open) in &self.open {
            let sockets: std::io::Result<_> = open.sockets.iter().map(|socket| socket.try_clone()).collect();
            all.push(Listening { name: name.clone(), listen: open.listen.clone(), sockets: sockets? });
        }
        Ok(all)
    }

    /// Removes the files of Unix sockets. What waits in their queues is not touched.
    pub fn remove_files(&mut self) {
        self.open.values_mut().for_each(Open::remove_file);
    }

    /// Lets go of every socket here. A queue closes once the worker that accepts from it lets go too.
    pub fn clear(&mut self) {
        self.open.clear();
        self.quic.clear();
    }
}

/// No file has these permissions.
const UNKNOWN_MODE: u32 = u32::MAX;

impl Open {
    /// Its address and port, if it has one.
    fn bound(&self) -> Option<SocketAddr> {
        self.sockets.first()?.local_addr().ok()
    }

    /// Where it is: with the port that the system chose for 0.
    fn address(&self) -> Address {
        self.bound().map_or_else(|| self.listen.clone(), Address::Tcp)
    }

    /// Lets these connect from now on. The listener serves on in any case.
    fn permit(&mut self, mode: u32) {
        if let Some(file) = self.file.as_ref().filter(|_| self.mode != mode)
            && let Err(error) = file.permit(mode)
        {
            tracing::error!(%error, listen = %self.listen, "the permissions of a Unix socket stay as they are");
        }
        self.mode = mode;
    }

    fn remove_file(&mut self) {
        self.file.take().iter().for_each(remove);
    }

    /// Gives each worker a socket that has none yet: the process before this one had fewer workers. The kernel spreads
    /// clients anew then, and most meet another worker than before.
    fn add_missing(&mut self, name: &str, held: &mut ForWorkers) -> Result<(), ListenError> {
        let Some(address) = self.bound().filter(|_| self.transport == Transport::Udp) else { return Ok(()) };
        for worker in held.iter_mut().skip(self.sockets.len()) {
            let mut new = shared(listen::beside(address, Transport::Udp, 1)?);
            for socket in &new {
                let accepts = Accepts::Datagrams(socket.clone());
                worker.push(NewListener { name: name.to_owned(), accepts });
            }
            self.sockets.append(&mut new);
        }
        Ok(())
    }
}

fn transport(listener: &Listener) -> Transport {
    if listener.protocol.is_udp() { Transport::Udp } else { Transport::Tcp }
}

fn is_of(socket: Option<&Socket>, transport: Transport) -> bool {
    socket.is_some_and(|socket| socket.transport().is_ok_and(|of| of == transport))
}

/// New sockets whose port, which the system chooses, is free for QUIC too.
fn with_quic(address: SocketAddr, workers: usize) -> Result<Vec<Socket>, ListenError> {
    const TRIES: usize = 16;
    let new = || listen::shared(address, Transport::Tcp, workers);
    let mut sockets = new()?;
    for _ in 1..TRIES {
        let bound = sockets.first().and_then(|socket| socket.local_addr().ok());
        if bound.is_none_or(|bound| listen::quic(bound).is_ok()) {
            break;
        }
        sockets = new()?;
    }
    Ok(sockets)
}

fn remove(file: &SocketFile) {
    if let Err(error) = file.remove() {
        tracing::warn!(%error, ?file, "a Unix socket's file stays behind");
    }
}

fn shared(sockets: Vec<Socket>) -> Vec<Arc<Socket>> {
    sockets.into_iter().map(Arc::new).collect()
}

fn is_bound(first: Option<&Socket>, wanted: &Address) -> bool {
    let Some(socket) = first else { return false };
    match wanted {
        Address::Tcp(address) => socket.local_addr().is_ok_and(|bound| bound == *address),
        Address::Unix(path) => socket.path().is_some_and(|bound| *bound == **path),
    }
}
