//! `haechi demo`: the microproxy demo (story S1) in one process tree.

mod attempts;
mod load;
pub mod service;
mod setup;
mod story;

use std::process::ExitCode;
use std::sync::Arc;

use haechi_core::SystemClock;
use haechi_stream::Event;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::DemoArgs;
use crate::up;
use setup::{Folder, Instance, Ports};

/// Runs the demo until Ctrl-C, or plays its story.
pub async fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let ports = Ports::new(args.port_base)?;
    ports.check_free()?;
    let folder = Arc::new(Folder::make(args.dir.as_deref(), &ports)?);
    println!("haechi demo: files in {}", folder.path.display());
    let running = up::start(&folder.file()).await?;
    let mut events = running.events.subscribe();
    for event in running.events.recent() {
        narrate(&event);
    }
    let narrator = tokio::spawn(async move {
        while let Ok(event) = events.recv().await {
            narrate(&event);
        }
    });
    let instances =
        [Instance::start(ports.instances[0], &ports)?, Instance::start(ports.instances[1], &ports)?];

    let outcome = if args.story {
        story::Story::new(ports, folder, instances, SystemClock::start())?
            .play()
            .await
            .map(|()| ExitCode::SUCCESS)
    } else {
        println!("{}", what_to_try(&ports, &folder));
        until_interrupted(instances).await.map(|()| ExitCode::SUCCESS)
    };
    running.stop().await;
    narrator.abort();
    outcome
}

/// Waits for Ctrl-C or SIGTERM; an instance that ends meanwhile is reported by the registry's own events.
async fn until_interrupted(mut instances: [Instance; 2]) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended?,
        _ = terminate.recv() => {}
    }
    println!("\nstopping");
    for instance in &mut instances {
        if let Err(error) = instance.stop().await {
            eprintln!("{error:#}");
        }
    }
    Ok(())
}

fn narrate(event: &Event) {
    let time = event.at.to_string();
    // The date is the reader's own; the time of day is what matters in a narration.
    println!("  {} {:<9} {}", &time[11..23], event.part, event.what);
}

fn what_to_try(ports: &Ports, folder: &Folder) -> String {
    let [first, second] = ports.instances;
    let (gateway, admin, config) = (ports.gateway, ports.admin, ports.config);
    let repository = folder.repository();
    let repository = repository.display();
    let path = folder.path.display();
    format!(
        "\nTry, in another terminal:\n\
         \x20 curl localhost:{gateway}/hello                      the message, through the gateway\n\
         \x20 curl localhost:{gateway}/hello/id                   again and again: {first} and {second} in turns\n\
         \x20 curl localhost:{config}/helloworld-service/default  what the config server serves\n\
         \x20 xdg-open http://localhost:{admin}/                   the console: services, routes, traffic, events\n\n\
         Change the message, with no restart:\n\
         \x20 echo 'message=Hello from git' > {repository}/helloworld-service.properties\n\
         \x20 git -C {repository} commit -qam 'new message'\n\
         \x20 curl -X POST localhost:{first}/refresh              answers [\"message\"]\n\
         \x20 curl -X POST localhost:{second}/refresh              each instance reads it anew; then ask /hello again\n\n\
         Change the routes, live: edit {repository}/helloworld-client.properties, commit, and\n\
         \x20 curl -X POST localhost:{admin}/refresh\n\n\
         Kill an instance (its pid: `pgrep -f 'demo-service --port {second}'`) and watch no request fail.\n\
         Access log: {path}/access.log.  Configuration: {path}/haechi.yaml.  Ctrl-C ends it all.\n"
    )
}
