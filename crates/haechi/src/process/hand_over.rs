//! Handing everything to a new process, and ending once that accepts.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use haechi_net::notify::State;
use haechi_registry::Held;
use tokio::sync::mpsc::UnboundedSender;

use super::Process;
use crate::up::tell;
use crate::upgrade::wire::{FORM, Offer};
use crate::upgrade::{ADMIN, CONFIG, CONTROL, GATEWAY, Program, REGISTRY, Socket, Successor};

/// For the new process to accept once the registry stands still. Registrations and heartbeats wait meanwhile.
const HOLD: Duration = Duration::from_secs(5);
/// Clients of the registry and the config server that keep connections send heartbeats (every 30 s) and long polls
/// (up to 30 s) over them: they are told to close with the next answer.
const LINGER: Duration = Duration::from_secs(35);

impl Process {
    /// Starts the program anew and hands everything over. An error says why that failed: the new process is gone then,
    /// and this one serves on. Dropping the future does the same.
    pub async fn hand_over(
        self: &Arc<Self>,
        program: &Program,
        say: UnboundedSender<String>,
    ) -> anyhow::Result<u32> {
        // The end of process 1 is the end of a container.
        ensure!(std::process::id() != 1, "process 1 can't be replaced; replace the container");
        tell(State::Reloading);
        let mut undone = TellReady(true);
        let settings = self.sources.lock().await.lowered.upgrade.clone();
        // Who asked may have left.
        let say = |text: String| drop(say.send(text));
        let sockets = self.sockets().await?;
        let new = Successor::start(program, self.offer(), sockets).await?;
        let (path, pid) = (program.path.display(), new.pid());
        say(format!("pid {pid} starts from {path}"));
        let mut passing = Passing { new, held: None };
        passing.new.prepared(settings.start_timeout).await?;
        say(format!("pid {pid} is prepared"));
        let mut state = None;
        if let Some(registry) = self.registry() {
            let held = tokio::time::timeout(HOLD, registry.hold()).await;
            let mut held = held.context("the registry is busy for too long")??;
            state = Some(std::mem::take(&mut held.state));
            passing.held = Some(held);
        }
        let listens = passing.new.accept(state, HOLD).await?;
        passing.new.let_go();
        if let (Some(held), Some(listens)) = (passing.held, listens) {
            held.hand_over(listens);
        }
        undone.0 = false;
        tell(State::TakenOver { pid });
        self.events.say("haechi", format!("pid {pid} has taken over; this process drains"));
        Ok(pid)
    }

    fn offer(&self) -> Offer {
        Offer {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: self.clock.now().as_nanos(),
            generation: self.shown().generations.newest().0,
            services: self.discovered().iter().map(ToString::to_string).collect(),
            sockets: Vec::new(),
        }
    }

    /// Another handle of every socket that is listened on.
    async fn sockets(&self) -> std::io::Result<Vec<Socket>> {
        let mut sockets = Vec::new();
        if let Some(gateway) = &self.gateway {
            for listener in gateway.listening().await? {
                for socket in &listener.sockets {
                    sockets.push(Socket::of(GATEWAY, &listener.name, &listener.listen, socket)?);
                }
            }
        }
        let registry = self.registry_port.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.extend(registry.as_ref().map(|port| port.to_hand_over(REGISTRY)).transpose()?);
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner);
        sockets.extend(config.as_ref().map(|served| served.port.to_hand_over(CONFIG)).transpose()?);
        let admin = self.admin.read().unwrap_or_else(PoisonError::into_inner);
        sockets.extend(admin.as_ref().map(|served| served.port.to_hand_over(ADMIN)).transpose()?);
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = &*control {
            sockets.push(Socket::of(CONTROL, "", &control.path.display(), control)?);
        }
        Ok(sockets)
    }

    /// Ends once another process accepts: what is in flight goes on until it is done or its time is over.
    pub async fn retire(&self) {
        let settings = self.sources.lock().await.lowered.upgrade.clone();
        self.stop.send_replace(true);
        if let Some(control) = self.control.lock().unwrap_or_else(PoisonError::into_inner).take() {
            control.leave();
        }
        drop(self.registry_port.lock().unwrap_or_else(PoisonError::into_inner).take());
        let follower = self.follower.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(follower) = follower {
            // The directory it knew last stays.
            drop(follower.stop().await);
        }
        let config = self.config.write().unwrap_or_else(PoisonError::into_inner).take();
        let admin = self.admin.write().unwrap_or_else(PoisonError::into_inner).take();
        let gateway = async {
            if let Some(gateway) = &self.gateway {
                let drained = gateway.retire(settings.drain_timeout, settings.idle_timeout).await;
                self.say_cut(drained, settings.drain_timeout);
            }
        };
        let registry = async {
            if let Some(registry) = self.registry() {
                registry.retire(LINGER).await;
            }
        };
        let config = async {
            if let Some(served) = config {
                served.part.stop();
                served.retire(LINGER).await;
            }
        };
        let admin = async {
            if let Some(served) = admin {
                // A console that watches asks again by itself, and then sees the new process.
                served.stop().await;
            }
        };
        tokio::join!(gateway, registry, config, admin);
        self.join_tasks().await;
    }
}

/// What is under way. Dropped in this order: the new process is gone before the registry here goes on.
struct Passing {
    new: Successor,
    held: Option<Held>,
}

/// Tells the service manager that nothing changed after all, when dropped.
struct TellReady(bool);

impl Drop for TellReady {
    fn drop(&mut self) {
        if self.0 {
            tell(State::Ready);
        }
    }
}
