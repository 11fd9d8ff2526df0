//! Receiving from clients.

use std::cell::Ref;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;

use haechi_net::datagram::{Datagrams, Received};
use haechi_net::listen::Socket;
use haechi_route::config::Layer4;

use super::BURST;
use super::begin::begin;
use super::sessions::Key;
use crate::layer4::{Refusal, RunningLayer4};
use crate::worker::{Accepting, Worker};

/// A socket of a listener.
#[derive(Debug)]
pub(super) struct Port {
    /// Tells it from others of the worker.
    pub number: u64,
    /// Answers leave from here.
    pub socket: Datagrams,
    /// The same socket, by which a listener that comes back finds it. It goes after the handle above, so that whoever
    /// doesn't find it finds its port free.
    _left: Arc<Socket>,
    own: Rc<Accepting>,
}

/// Receives until told to stop. Sessions have a moment then for answers that are on their way. What still waits in the
/// kernel is the next process's, which reads the same socket.
pub(crate) async fn receive(socket: Datagrams, left: Arc<Socket>, own: Rc<Accepting>, worker: Rc<Worker>) {
    let port = Rc::new(Port { number: worker.udp.next_port(), socket, _left: left, own });
    loop {
        let ready = tokio::select! {
            biased;
            () = port.own.stopped() => break,
            ready = port.socket.readable() => ready,
        };
        if let Err(error) = ready {
            tracing::error!(%error, "can't receive datagrams any more");
            break;
        }
        if port.take_some(&worker) {
            tokio::task::yield_now().await;
        }
    }
    worker.udp.leave(port.number, &worker);
}

impl Port {
    /// Takes what waits, within a burst. Returns whether there may be more.
    fn take_some(self: &Rc<Self>, worker: &Rc<Worker>) -> bool {
        let route = self.route(worker);
        for _ in 0..BURST {
            let received = self.socket.try_receive(worker.scratch.borrow_mut().area());
            let received = match received {
                Ok(received) => received,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => {
                    tracing::debug!(%error, "a datagram can't be received");
                    return true;
                }
            };
            match &route {
                Some(route) => {
                    let scratch = worker.scratch.borrow();
                    self.pass_on(route, &received, scratch.filled(received.bytes), worker);
                }
                None => worker.stats.layer4_refused.count(Refusal::NoRoute),
            }
        }
        true
    }

    /// The route of its listener, which may have changed with every burst.
    fn route(&self, worker: &Worker) -> Option<Rc<RunningLayer4>> {
        let listener = self.own.name();
        let plan = worker.plan.borrow();
        let entrance = plan.layer4.entrance(&listener).filter(|entrance| entrance.kind == Layer4::Udp)?;
        entrance.find(None).cloned()
    }

    fn pass_on(
        self: &Rc<Self>,
        route: &Rc<RunningLayer4>,
        received: &Received,
        bytes: &[u8],
        worker: &Rc<Worker>,
    ) {
        let key = Key { port: self.number, client: received.from, asked: received.to };
        if let Some(session) = worker.udp.find(&key) {
            match session.stale(route) {
                Some(end) => session.end(end, worker),
                None if session.send(bytes, route, worker) => return,
                // It just ended, and the datagram was not sent.
                None => {}
            }
        }
        if let Err(why) = begin(self, route, key, bytes, worker) {
            route.udp.dropped(why);
        }
    }

    /// The listener's name.
    pub fn listener(&self) -> Ref<'_, str> {
        self.own.name()
    }
}
