//! Configurations that change while serving, endpoints that come and go, and the end.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use common::{config, name, route, service, start};
use haechi_core::{
    Directory, Generation, InstanceFact, InstanceId, InstanceState, ServiceSnapshot, SystemClock, Witness,
};
use haechi_gateway::{ApplyError, Drained, Gateway, Options};
use haechi_route::config::{AccessLog, Endpoints, Filter, Listener, LogFormat};
use haechi_testkit::{Client, Service};

#[tokio::test]
async fn a_change_under_load_loses_nothing() {
    let (a, b) = (Service::text("a").await, Service::text("b").await);
    let mut config = config(&[a.address]);
    let options = Options {
        config: config.clone(),
        generation: Generation(1),
        workers: 2,
        clock: SystemClock::start(),
        subscriber: None,
    };
    let gateway = Gateway::start(options).await.unwrap();
    let address = gateway.local_addrs()["web"];
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, answered) = (stop.clone(), answered.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/x").await.status(), 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for generation in 2..30 {
        let endpoints = if generation % 2 == 0 { vec![b.address] } else { vec![a.address, b.address] };
        config.services.insert(name("app"), service(&endpoints));
        config.routes[0].filters =
            vec![Filter::SetRequestHeader("X-Generation".into(), generation.to_string())];
        gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        // From the moment that `apply` returns, requests go by the new configuration.
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 20 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(gateway.generation(), Generation(29));
}

#[tokio::test]
async fn a_listener_comes_and_goes_and_the_others_are_not_touched() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let (gateway, address) = start(config.clone()).await;
    let mut kept = Client::connect(address).await;
    kept.get("/").await;
    config.listeners.insert("second".into(), Listener::plain(([127, 0, 0, 1], 0).into()));
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    let second = gateway.local_addrs()["second"];
    let mut on_second = Client::connect(second).await;
    assert_eq!(on_second.get("/").await.text(), "hi");
    config.listeners.remove("second");
    gateway.apply(config.clone(), Generation(3)).await.unwrap();
    assert_eq!(gateway.local_addrs().len(), 1);
    // Connections of the listener that went away are served on; new ones are refused once the socket is gone.
    assert_eq!(on_second.get("/").await.text(), "hi");
    while tokio::net::TcpStream::connect(second).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept.get("/").await.text(), "hi");
    assert_eq!(gateway.status().await.connections, 2);
}

#[tokio::test]
async fn a_listener_that_is_renamed_keeps_its_socket_and_its_connections() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let (gateway, address) = start(config.clone()).await;
    config.listeners.insert("other".into(), Listener::plain(([127, 0, 0, 1], 0).into()));
    gateway.apply(config.clone(), Generation(2)).await.unwrap();
    let other = gateway.local_addrs()["other"];
    let mut kept = Client::connect(address).await;
    kept.get("/").await;
    // `web` goes, and `new` and `other` change places from then on.
    config.listeners.clear();
    for generation in 3..40 {
        let (web, aside) = if generation % 2 == 0 { ("new", "other") } else { ("other", "new") };
        config.listeners.insert(web.into(), Listener::plain(address));
        let redirect = Listener { redirect_to_https: Some(443), ..Listener::plain(other) };
        config.listeners.insert(aside.into(), redirect);
        // It waits in the kernel, or was just accepted.
        let mut new = Client::connect(address).await;
        gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        assert_eq!(gateway.local_addrs().len(), 2);
        assert_eq!((gateway.local_addrs()[web], gateway.local_addrs()[aside]), (address, other));
        assert_eq!(new.get("/").await.text(), "hi");
        assert_eq!(kept.get("/").await.text(), "hi");
        assert_eq!(Client::connect(other).await.get("/").await.status(), 308);
    }
}

#[tokio::test]
async fn a_listener_takes_its_port_on_all_addresses_and_gives_it_back() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    // Below those that the kernel gives to outgoing connections, whose owner would have the port on one address.
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let free = (first..32_768).find(|port| std::net::TcpListener::bind(("0.0.0.0", *port)).is_ok()).unwrap();
    config.listeners.insert("web".into(), Listener::plain(([127, 0, 0, 1], free).into()));
    let (gateway, address) = start(config.clone()).await;
    let mut kept = Client::connect(address).await;
    for generation in 2..10 {
        let ip = if generation % 2 == 0 { [0, 0, 0, 0] } else { [127, 0, 0, 1] };
        config.listeners.insert("web".into(), Listener::plain((ip, address.port()).into()));
        // It waits in the kernel, or was just accepted.
        let mut new = Client::connect(address).await;
        gateway.apply(config.clone(), Generation(generation)).await.unwrap();
        assert_eq!(gateway.local_addrs()["web"], (ip, address.port()).into());
        for client in [&mut new, &mut kept] {
            assert_eq!(client.get("/").await.text(), "hi");
        }
        // One that comes to the old queue as that closes is reset.
        loop {
            let mut client = Client::connect(address).await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            if client.response().await.is_some() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_changes_before_a_process_that_takes_over_accepts_is_accepted_from() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let any = Listener::plain(([127, 0, 0, 1], 0).into());
    for name in ["stays", "goes"] {
        config.listeners.insert(name.into(), any.clone());
    }
    let options = Options {
        config: config.clone(),
        generation: Generation(1),
        workers: 2,
        clock: SystemClock::start(),
        subscriber: None,
    };
    let gateway = Gateway::take_over(options, Vec::new()).await.unwrap();
    let (web, goes) = (gateway.local_addrs()["web"], gateway.local_addrs()["goes"]);
    config.listeners.remove("goes");
    config.listeners.remove("web");
    config.listeners.insert("renamed".into(), Listener::plain(web));
    config.listeners.insert("new".into(), any);
    gateway.apply(config, Generation(2)).await.unwrap();
    gateway.accept().await.unwrap();
    let addresses = gateway.local_addrs();
    assert_eq!(addresses["renamed"], web);
    for name in ["stays", "renamed", "new"] {
        assert_eq!(Client::connect(addresses[name]).await.get("/").await.text(), "hi", "{name}");
    }
    assert!(tokio::net::TcpStream::connect(goes).await.is_err());
}

#[tokio::test]
async fn a_configuration_that_cannot_be_had_changes_nothing() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    let (gateway, address) = start(config.clone()).await;
    config.listeners.insert("taken".into(), Listener::plain(service.address));
    config.routes.clear();
    let refused = gateway.apply(config.clone(), Generation(2)).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Listen { ref name, .. } if name == "taken"), "{refused}");
    assert_eq!(Client::connect(address).await.get("/").await.text(), "hi");
    config.listeners.remove("taken");
    let stale = gateway.apply(config, Generation(1)).await.unwrap_err();
    assert!(matches!(stale, ApplyError::Stale { .. }));
}

#[tokio::test]
async fn a_bad_route_is_refused_alone() {
    let service = Service::text("hi").await;
    let mut config = config(&[service.address]);
    config.routes.push(route("tie", None, &[]));
    let (gateway, address) = start(config).await;
    assert_eq!(Client::connect(address).await.get("/").await.text(), "hi");
    assert_eq!(gateway.status().await.refused.len(), 1);
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let service = Service::start(|mut connection| async move {
        let request = connection.head().await.unwrap();
        connection.count(request);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nfir").await;
        // The rest comes only when the test saw the gateway refuse.
        let head = connection.head().await;
        assert!(head.is_none());
    })
    .await;
    let slow = Arc::new(tokio::sync::Notify::new());
    let script = slow.clone();
    let held = Service::start(move |mut connection| {
        let slow = script.clone();
        async move {
            let request = connection.head().await.unwrap();
            connection.count(request);
            slow.notified().await;
            connection.reply("slow").await;
        }
    })
    .await;
    drop(service);
    let (gateway, address) = start(config(&[held.address])).await;
    let mut busy = Client::connect(address).await;
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    held.wait_for(1).await;
    let mut idle = Client::connect(address).await;
    let draining = tokio::spawn(async move { gateway.drain(Duration::from_secs(20)).await });
    // The listener is gone before the request is done.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    slow.notify_one();
    let response = busy.response().await.unwrap();
    assert_eq!((response.text().as_str(), response.field("connection")), ("slow", Some("close")));
    assert!(idle.rest().await.is_empty());
    assert_eq!(draining.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_connection_that_the_kernel_took_before_the_end_is_served() {
    // Answered by the gateway itself: so many at once would be too many for the queue of a service.
    let mut config = config(&[]);
    config.routes.clear();
    for _ in 0..3 {
        let (gateway, address) = start(config.clone()).await;
        // More than the runtime lets through in one turn.
        let connect = move || {
            let connections = (0..300).map(|_| std::net::TcpStream::connect(address).unwrap());
            connections.collect::<Vec<_>>()
        };
        let mut connections = tokio::task::spawn_blocking(connect).await.unwrap();
        for connection in &mut connections {
            std::io::Write::write_all(connection, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        assert_eq!(gateway.drain(Duration::from_secs(30)).await, Drained { cut: 0 });
        for mut connection in connections {
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut connection, &mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 404"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn what_is_left_at_the_deadline_is_cut() {
    let frozen = Service::frozen().await;
    let (gateway, address) = start(config(&[frozen.address])).await;
    let mut client = Client::connect(address).await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    frozen.wait_for(1).await;
    assert_eq!(gateway.drain(Duration::from_millis(50)).await, Drained { cut: 1 });
    assert!(client.response().await.is_none());
}

fn directory(generation: u64, instances: &[(&Service, InstanceState)]) -> Arc<Directory> {
    let generation = Generation(generation);
    let instances = instances
        .iter()
        .map(|(service, state)| InstanceFact {
            service: name("APP"),
            instance: InstanceId::new(&service.address.to_string()).unwrap(),
            address: service.address,
            secure: false,
            version: None,
            zone: None,
            state: *state,
            why: "registered".into(),
            weight: 100,
            metadata: Arc::default(),
            generation,
        })
        .collect();
    let snapshot = ServiceSnapshot { service: name("APP"), generation, instances };
    Arc::new(Directory { generation, services: BTreeMap::from([(name("APP"), Arc::new(snapshot))]) })
}

#[tokio::test]
async fn endpoints_follow_the_registrys_stream_and_evidence_goes_back() {
    let (a, b) = (Service::text("a").await, Service::text("b").await);
    let (mut registry, subscriber) = haechi_stream::channel();
    let mut config = config(&[]);
    config.services.get_mut(&name("app")).unwrap().endpoints = Endpoints::Registry(name("APP"));
    registry.publish(directory(1, &[(&a, InstanceState::Up), (&b, InstanceState::Draining)]));
    let options = Options {
        config,
        generation: Generation(1),
        workers: 1,
        clock: SystemClock::start(),
        subscriber: Some(subscriber),
    };
    let gateway = Gateway::start(options).await.unwrap();
    let mut client = Client::connect(gateway.local_addrs()["web"]).await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "a", "a draining instance takes nothing new");
    }
    registry.publish(directory(2, &[(&b, InstanceState::Up)]));
    while client.get("/").await.text() != "b" {}
    for _ in 0..4 {
        assert_eq!(client.get("/").await.text(), "b");
    }
    let gone = b.address;
    drop(b);
    while tokio::net::TcpStream::connect(gone).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(client.get("/").await.status(), 502);
    let evidence = registry.evidence().await.unwrap();
    assert_eq!((evidence.address, evidence.witness), (gone, Witness::Refused));
    assert_eq!(evidence.service, name("APP"));
}

#[tokio::test]
async fn every_request_leaves_a_line_in_the_access_log() {
    let service = Service::text("hi").await;
    let folder = tempfile::tempdir().unwrap();
    for format in [LogFormat::Json, LogFormat::Text] {
        let path = folder.path().join(format!("{format:?}.log"));
        let mut config = config(&[service.address]);
        config.access_log = Some(AccessLog { path: Some(path.clone()), format });
        let (gateway, address) = start(config).await;
        let mut client = Client::connect(address).await;
        client.get("/a\"b?c=d").await;
        client.get("/%zz").await;
        drop(client);
        gateway.drain(Duration::from_secs(10)).await;
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        if format == LogFormat::Json {
            let lines: Vec<serde_json::Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines[0]["target"], "/a\"b?c=d");
            assert_eq!((&lines[0]["status"], &lines[0]["attempts"]), (&200.into(), &1.into()));
            assert_eq!(lines[0]["endpoint"], service.address.to_string());
            assert_eq!(
                (&lines[1]["status"], &lines[1]["error"]),
                (&400.into(), &"http_request_error".into())
            );
        } else {
            assert!(
                text.contains("\"GET /a\"b?c=d HTTP/1.1\" test.example 200 2 all app 127.0.0.1:"),
                "{text}"
            );
        }
    }
}
