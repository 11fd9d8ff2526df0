//! `haechi up`: starts what a file names, keeps it as the file says, lets another process take over, and stops it
//! in order.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use haechi_net::notify::{self, State};
use haechi_stream::Event;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use crate::cli::UpArgs;
use crate::process::{FileWatch, Process, state_folder};
use crate::reading::ConfigFile;
use crate::upgrade::control::{self, Control, Line, Request};
use crate::upgrade::{CONTROL, Predecessor, Program};
use crate::words;

/// Signals, and who asks at the control socket.
struct Wishes {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    upgrade: Signal,
    reopen: Signal,
    requests: mpsc::Receiver<Request>,
}

/// What somebody wants.
enum Wish {
    Stop,
    Reload,
    /// The access log was moved away.
    Reopen,
    /// With who asks, if it isn't a signal.
    Upgrade(Option<Request>),
}

impl Wishes {
    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Reload,
            _ = self.reopen.recv() => Wish::Reopen,
            _ = self.upgrade.recv() => Wish::Upgrade(None),
            Some(request) = self.requests.recv() => Wish::Upgrade(Some(request)),
        }
    }
}

/// What comes after serving.
enum Next {
    Stop,
    /// Another process has taken over.
    Retire,
}

/// Runs until SIGTERM or Ctrl-C, or until another process has taken over.
pub async fn run(args: &UpArgs) -> anyhow::Result<ExitCode> {
    let (request, requests) = mpsc::channel(1);
    let mut wishes = Wishes {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
        hang_up: signal(SignalKind::hangup())?,
        upgrade: signal(SignalKind::user_defined2())?,
        reopen: signal(SignalKind::user_defined1())?,
        requests,
    };
    let program = Program::of_this_process();
    let before = Predecessor::meet().await?;
    let started = start_after(&args.file, before.as_ref()).await;
    if let (Err(error), Some(before)) = (&started, &before) {
        before.failed(&words::error(error)).await;
    }
    let process = started?;
    let mut live = process.events.subscribe();
    process.events.recent().iter().for_each(say);
    let teller = tokio::spawn(async move {
        loop {
            match live.recv().await {
                Ok(event) => say(&event),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    let path = control::path_of(&state_folder(&args.file), &args.file);
    let inherited = before.as_ref().and_then(|before| before.take(CONTROL, &path.display().to_string()));
    match Control::listen(path, inherited) {
        Ok((control, requests)) => {
            process.keep_control(control);
            wishes.requests = requests;
        }
        Err(error) => {
            process
                .events
                .say("haechi", format!("`haechi upgrade` can't ask here: {}", words::error(&error)));
        }
    }
    println!("haechi is ready: {}", process.addresses());
    match &before {
        // The process before this one tells the service manager, which listens to no other yet.
        Some(before) => before.accepting(process.registry_address()).await?,
        None => tell(State::Ready),
    }
    drop(before);
    match serve(&process, &program, &mut wishes).await {
        Next::Stop => {
            tell(State::Stopping);
            println!("haechi drains");
            process.stop().await;
        }
        Next::Retire => {
            drop(request);
            retire(&process, &mut wishes).await;
        }
    }
    teller.abort();
    Ok(ExitCode::SUCCESS)
}

async fn serve(process: &Arc<Process>, program: &Program, wishes: &mut Wishes) -> Next {
    loop {
        let wish = tokio::select! {
            wish = wishes.next() => wish,
            () = process.file_changed() => {
                process.reload("file changed").await;
                continue;
            }
        };
        match wish {
            Wish::Stop => return Next::Stop,
            Wish::Reload => process.reload("SIGHUP").await,
            Wish::Reopen => process.reopen_access_log(),
            Wish::Upgrade(asker) => {
                if let Some(next) = upgrade(process, program, wishes, asker).await {
                    return next;
                }
            }
        }
    }
}

/// Lets another process take over. Nothing if that failed.
async fn upgrade(
    process: &Arc<Process>,
    program: &Program,
    wishes: &mut Wishes,
    mut asker: Option<Request>,
) -> Option<Next> {
    let (say, mut said) = mpsc::unbounded_channel();
    let outcome = {
        let handing_over = process.hand_over(program, say);
        tokio::pin!(handing_over);
        loop {
            tokio::select! {
                outcome = &mut handing_over => break outcome,
                Some(text) = said.recv() => answer(&mut asker, &Line::Said(text)).await,
                wish = wishes.next() => match wish {
                    Wish::Stop => return Some(Next::Stop),
                    // The new process reads the file as it is now; if it can't take over, the file's change is seen.
                    Wish::Reload => {}
                    Wish::Reopen => process.reopen_access_log(),
                    Wish::Upgrade(mut other) => {
                        let why = "an upgrade is going on already; wait for it";
                        if other.is_none() {
                            process.events.say("haechi", why);
                        }
                        answer(&mut other, &Line::Failed(why.to_owned())).await;
                    }
                }
            }
        }
    };
    while let Ok(text) = said.try_recv() {
        answer(&mut asker, &Line::Said(text)).await;
    }
    let own = std::process::id();
    match outcome {
        Ok(pid) => {
            let text = format!("pid {pid} has taken over from pid {own}, which drains");
            answer(&mut asker, &Line::Done(text)).await;
            Some(Next::Retire)
        }
        Err(error) => {
            let why = format!("the upgrade failed, pid {own} serves on: {}", words::error(&error));
            process.events.say("haechi", why.clone());
            answer(&mut asker, &Line::Failed(why)).await;
            None
        }
    }
}

/// Drains while another process serves. Told to stop, it takes no longer than any stop.
async fn retire(process: &Arc<Process>, wishes: &mut Wishes) {
    println!("haechi drains: another process has taken over");
    {
        let retiring = process.retire();
        tokio::pin!(retiring);
        loop {
            tokio::select! {
                () = &mut retiring => return,
                wish = wishes.next() => match wish {
                    Wish::Stop => break,
                    Wish::Reload => {}
                    Wish::Reopen => process.reopen_access_log(),
                    Wish::Upgrade(mut asker) => {
                        let why = "another process has taken over from this one already; ask that one";
                        process.events.say("haechi", why);
                        answer(&mut asker, &Line::Failed(why.to_owned())).await;
                    }
                }
            }
        }
    }
    process.stop().await;
}

async fn answer(asker: &mut Option<Request>, line: &Line) {
    if let Some(asker) = asker {
        asker.say(line).await;
    }
}

/// Tells on standard error what became of the configuration. Comings and goings of instances are for the console.
fn say(event: &Event) {
    if event.part != "registry" {
        eprintln!("{} {}: {}", event.at, event.part, event.what);
    }
}

/// Reads the file and starts what it names; returns when everything accepts.
pub async fn start(path: &Path) -> anyhow::Result<Arc<Process>> {
    start_after(path, None).await
}

async fn start_after(path: &Path, before: Option<&Predecessor>) -> anyhow::Result<Arc<Process>> {
    // Before it is read, so that no later change is missed.
    let watched = FileWatch::new(path);
    let file = ConfigFile::read(path)?;
    if !file.diagnostics().is_empty() {
        eprintln!("{}", file.rendered());
    }
    if file.lowered().is_none() {
        bail!("{} can't be served as it is", path.display());
    }
    Process::start(file, watched, before).await
}

/// Tells systemd, if it started us.
pub fn tell(state: State) {
    if let Err(error) = notify::tell(state) {
        eprintln!("haechi: can't tell the service manager: {error}");
    }
}
