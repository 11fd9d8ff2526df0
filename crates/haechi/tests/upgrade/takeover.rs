//! Requests while one process takes over from another, and what happens when it can't.

use std::os::linux::net::SocketAddrExt as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::world::{Haechi, Load, ended, gateway, http, install, open_files, service, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_no_request_fails_and_a_download_outlives_three_upgrades() {
    let (address, parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "")).await;
    let web = haechi.address("gateway web");
    let mut download = http().get(format!("http://{web}/slow")).send().await.unwrap();
    let load = Load::start(&web, 4);
    let first = haechi.child.id().unwrap().cast_signed();
    let mut pids = vec![first];
    for part in ["one", "two", "three"] {
        load.until_more(50).await;
        pids.push(haechi.upgraded().await);
        load.until_more(50).await;
        parts.send(part).await.unwrap();
        assert_eq!(download.chunk().await.unwrap().unwrap(), part);
    }
    assert!(load.finish().await >= 300);
    drop(parts);
    assert_eq!(download.chunk().await.unwrap(), None, "the download ended as a whole");
    pids.dedup();
    assert_eq!(pids.len(), 4, "each is another process");
    haechi.until_only(pids[3]).await;
    let status = http().get(format!("http://{}/api/overview", haechi.address("admin"))).send().await.unwrap();
    let status = status.text().await.unwrap();
    assert!(status.contains("\"generation\":4"), "generations go on: {status}");
}

#[tokio::test]
async fn a_binary_or_file_that_can_not_start_changes_nothing_and_is_named() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "")).await;
    let web = haechi.address("gateway web");
    let pid = haechi.child.id().unwrap().cast_signed();
    let load = Load::start(&web, 2);
    for (script, mode, why) in [
        ("#!/bin/sh\nexit 3\n", 0o755, "exit status: 3"),
        ("no program\n", 0o755, "can't start"),
        ("#!/bin/sh\nexec sleep 1000\n", 0o644, "can't start"),
        ("#!/bin/sh\nkill -9 $$\n", 0o755, "signal: 9"),
    ] {
        haechi.replace(script, mode);
        let output = haechi.upgrade().await;
        assert_eq!(output.status.code(), Some(1), "{script}");
        let said = text(&output.stderr);
        assert!(said.contains(why) && said.contains(&format!("pid {pid} serves on")), "{script}: {said}");
        assert_eq!(haechi.running(), [pid]);
        load.until_more(10).await;
    }
    // The file is right for what runs, and then wrong for a new process.
    install(haechi.folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = format!("registry: {{ listen: \"{}\" }}\n", taken.local_addr().unwrap());
    std::fs::write(haechi.file(), gateway(&address, &registry)).unwrap();
    let output = haechi.upgrade().await;
    assert!(text(&output.stderr).contains("the registry can't listen on"), "{}", text(&output.stderr));
    load.until_more(10).await;
    // The same of a listener of the gateway: said once, with what to do.
    let second = format!(":0 }}, {{ name: second, listen: \"{}\" }}]", taken.local_addr().unwrap());
    std::fs::write(haechi.file(), gateway(&address, "").replace(":0 }]", &second)).unwrap();
    let output = haechi.upgrade().await;
    let said = text(&output.stderr);
    assert_eq!(said.matches("Address already in use").count(), 1, "{said}");
    assert!(said.contains("listener second:") && said.contains("`ss -lntup"), "{said}");
    load.until_more(10).await;
    std::fs::write(haechi.file(), gateway(&address, &registry)).unwrap();
    drop(taken);
    let new = haechi.upgraded().await;
    load.until_more(10).await;
    load.finish().await;
    haechi.until_only(new).await;
}

#[tokio::test]
async fn a_new_process_that_says_nothing_is_ended() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "upgrade: { start-timeout: 1ms }\n")).await;
    let pid = haechi.child.id().unwrap().cast_signed();
    haechi.replace("#!/bin/sh\nexec sleep 1000\n", 0o755);
    let output = haechi.upgrade().await;
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let why = said.contains("it said nothing for 1ms") && said.contains(&format!("pid {pid} serves on"));
    assert!(why, "{said}");
    assert_eq!(haechi.running(), [pid]);
}

#[tokio::test]
async fn a_second_upgrade_is_refused_while_one_is_going_on() {
    let (address, _parts, _stop) = service().await;
    let mut haechi = Haechi::start_with(&gateway(&address, ""), |command| {
        command.stderr(Stdio::piped());
    })
    .await;
    let mut log = BufReader::new(haechi.child.stderr.take().unwrap()).lines();
    haechi.replace("#!/bin/sh\necho the new one runs\nexec sleep 1000\n", 0o755);
    let pid = Pid::from_raw(haechi.child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::USR2).unwrap();
    assert_eq!(haechi.lines.next_line().await.unwrap().unwrap(), "the new one runs");
    let refused = haechi.upgrade().await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("going on already"), "{}", text(&refused.stderr));
    kill_process(pid, Signal::USR2).unwrap();
    while !log.next_line().await.unwrap().expect("it says so").contains("going on already") {}
    // Told to stop meanwhile, it ends the new process and stops.
    kill_process(pid, Signal::TERM).unwrap();
    assert!(haechi.child.wait().await.unwrap().success());
    assert!(haechi.running().is_empty());
}

#[tokio::test]
async fn twenty_upgrades_in_a_row_leave_one_process_with_no_more_open_files() {
    let (address, _parts, _stop) = service().await;
    let haechi = Haechi::start(&gateway(&address, "registry: { listen: 127.0.0.1:0 }\n")).await;
    let web = haechi.address("gateway web");
    let mut counts = Vec::new();
    let mut last = 0;
    for _ in 0..20 {
        last = haechi.upgraded().await;
        let ok = http().get(format!("http://{web}/x")).send().await.unwrap().status();
        assert_eq!(ok, 200);
        haechi.until_only(last).await;
        counts.push(open_files(last));
    }
    assert!(counts.iter().all(|count| *count <= counts[0] + 2), "{counts:?}");
    kill_process(Pid::from_raw(last).unwrap(), Signal::TERM).unwrap();
    ended(last).await;
    assert!(http().get(format!("http://{web}/x")).send().await.is_err(), "nobody holds the port");
}

#[tokio::test]
async fn workers_and_listeners_may_change_between_the_two() {
    let (address, _parts, _stop) = service().await;
    let text_of = gateway(&address, "");
    let haechi = Haechi::start(&text_of).await;
    let web = haechi.address("gateway web");
    let load = Load::start(&web, 4);
    for (workers, more) in [(1, ""), (3, ", { name: other, listen: 127.0.0.1:0 }"), (2, "")] {
        let listeners = format!("[{{ name: web, listen: 127.0.0.1:0 }}{more}]");
        let changed = text_of
            .replace("workers: 2", &format!("workers: {workers}"))
            .replace("[{ name: web, listen: 127.0.0.1:0 }]", &listeners);
        std::fs::write(haechi.file(), changed).unwrap();
        haechi.upgraded().await;
        load.until_more(200).await;
    }
    load.finish().await;
}

#[tokio::test]
async fn the_service_manager_is_told_of_the_new_process() {
    let (address, _parts, _stop) = service().await;
    let name = format!("haechi-upgrade-{}", std::process::id());
    let manager = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = std::os::unix::net::UnixDatagram::bind_addr(&manager).unwrap();
    let haechi = Haechi::start_with(&gateway(&address, ""), |command| {
        command.env("NOTIFY_SOCKET", format!("@{name}"));
    })
    .await;
    let pid = haechi.upgraded().await;
    haechi.replace("#!/bin/sh\nexit 3\n", 0o755);
    assert_eq!(haechi.upgrade().await.status.code(), Some(1));
    for expected in ["READY=1", "RELOADING=1", &format!("MAINPID={pid}\nREADY=1"), "RELOADING=1", "READY=1"] {
        let mut buffer = [0; 64];
        let count = manager.recv(&mut buffer).unwrap();
        assert_eq!(text(&buffer[..count]), expected);
    }
}
