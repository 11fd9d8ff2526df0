//! What a client of HTTP/3 can say wrongly or too often, written byte by byte, and judged by what the service received
//! and by how others are served meanwhile.
#![allow(clippy::unwrap_used)]

mod certificates;
#[path = "../common/mod.rs"]
mod common;
mod connections;
mod frames;
mod heads;

use common::h3::{ask, connect, quic, request, speaks_h3};
use common::tls::Ca;
use common::{config, start};
use haechi_testkit::Service;
use haechi_testkit::h3::{frame, section};
use quinn::Connection;

const DATA: u64 = 0;
const HEADERS: u64 = 1;

const EXCESSIVE_LOAD: u64 = 0x107;
const MESSAGE_ERROR: u64 = 0x10e;

type Fields = &'static [(&'static str, &'static str)];

const GET: Fields = &[(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")];
const POST: Fields = &[(":method", "POST"), (":scheme", "https"), (":path", "/x"), (":authority", "a")];

struct Setting {
    ca: Ca,
    service: Service,
    gateway: haechi_gateway::Gateway,
    address: std::net::SocketAddr,
}

impl Setting {
    async fn new() -> Self {
        let (ca, service) = (Ca::new("ca"), Service::text("ok").await);
        let mut config = speaks_h3(config(&[service.address]), &ca);
        config.limits.http3_control_frames = 500;
        config.limits.http3_resets = 100;
        let (gateway, address) = start(config).await;
        Self { ca, service, gateway, address }
    }

    async fn connect(&self) -> Connection {
        quic(&self.ca, None, self.address).await.unwrap()
    }

    /// Somebody else is served.
    async fn serves(&self) {
        let (_connection, mut send) = connect(&self.ca, self.address).await;
        assert_eq!(ask(&mut send, request("GET", "/good"), None).await.unwrap().text(), "ok");
    }
}

fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, &section(fields))
}

/// The code with which the gateway closes a connection.
async fn closed(connection: &Connection) -> u64 {
    match connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}
