//! A reverse proxy on pingora with one worker.
//!
//! What the other peers have it has as well: connections to the service are kept, HTTP/2 in the clear on the same port, and an
//! access log that is written in large pieces.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use async_trait::async_trait;
use pingora_core::apps::HttpServerOptions;
use pingora_core::listeners::tls::TlsSettings;
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

/// Bytes of the access log that are written at once.
const LOG_BUFFER: usize = 64 << 10;

/// Connections to the service that are kept.
const KEPT: usize = 512;

struct Proxy {
    service: String,
    log: Option<Mutex<BufWriter<File>>>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Instant;

    fn new_ctx(&self) -> Instant {
        Instant::now()
    }

    async fn upstream_peer(&self, _: &mut Session, _: &mut Instant) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(&self.service, false, String::new())))
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, started: &mut Instant) {
        let Some(log) = &self.log else { return };
        let Ok(mut log) = log.lock() else { return };
        let head = session.req_header();
        let status = session.response_written().map_or(0, |answer| answer.status.as_u16());
        // A log that can't be written is found empty by whoever measures.
        let _ = writeln!(
            log,
            "{} \"{} {} {:?}\" {status} {} {}us",
            session.client_addr().map(ToString::to_string).unwrap_or_default(),
            head.method,
            head.uri,
            head.version,
            session.body_bytes_sent(),
            started.elapsed().as_micros(),
        );
    }
}

/// What it is told.
#[derive(Default)]
struct Settings {
    listen: String,
    service: String,
    log: Option<String>,
    /// Where it listens with TLS, and the file with its certificate and key.
    tls: Option<(String, String)>,
}

const USAGE: &str =
    "usage: pingora-peer --listen ADDRESS --service ADDRESS [--log FILE] [--tls ADDRESS --certificate FILE]";

impl Settings {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut settings = Self::default();
        let (mut tls, mut certificate) = (None, None);
        while let (Some(option), Some(value)) = (arguments.next(), arguments.next()) {
            match option.as_str() {
                "--listen" => settings.listen = value,
                "--service" => settings.service = value,
                "--log" => settings.log = Some(value),
                "--tls" => tls = Some(value),
                "--certificate" => certificate = Some(value),
                _ => return None,
            }
        }
        settings.tls = tls.zip(certificate);
        let whole = !settings.listen.is_empty() && !settings.service.is_empty();
        whole.then_some(settings)
    }
}

fn main() -> ExitCode {
    let Some(settings) = Settings::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if let Err(error) = serve(settings) {
        eprintln!("pingora-peer: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn serve(settings: Settings) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let log = settings.log.map(File::create).transpose()?;
    let log = log.map(|file| Mutex::new(BufWriter::with_capacity(LOG_BUFFER, file)));
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: KEPT, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let proxy = Proxy { service: settings.service, log };
    let mut service = http_proxy_service(&server.configuration, proxy);
    if let Some(logic) = service.app_logic_mut() {
        let mut options = HttpServerOptions::default();
        options.h2c = true;
        logic.server_options = Some(options);
    }
    service.add_tcp(&settings.listen);
    if let Some((address, certificate)) = settings.tls {
        let mut tls = TlsSettings::intermediate(&certificate, &certificate)?;
        tls.enable_h2();
        service.add_tls_with_settings(&address, None, tls);
    }
    server.add_service(service);
    server.run_forever()
}
