//! Where requests are answered. While the state goes to the process that takes over they wait; then they are passed
//! on to it, because clients keep connections to this one for a while.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use haechi_web::client::{self, Client};
use haechi_web::{Request, Response, answer};
use http::{HeaderName, StatusCode, header};
use tokio::sync::OwnedRwLockWriteGuard;

use crate::peers::bounded_body;
use crate::shared::Core;

/// For an exchange with the process that took over: followers wait in theirs.
const FORWARD: Duration = Duration::from_secs(60);
/// Fields that belong to one connection.
const OF_THE_CONNECTION: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE, header::TE];

/// Who answers.
#[derive(Debug, Default)]
pub(crate) enum Passage {
    /// This registry.
    #[default]
    Here,
    /// The one that listens there now.
    There { address: SocketAddr, client: Client },
}

impl Passage {
    /// Whether this registry still decides.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::Here)
    }
}

/// Passes a request on.
pub(crate) async fn forward(address: SocketAddr, client: &Client, request: Request) -> Response {
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut headers = request.headers;
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
    let sent = client
        .request(request.method, format!("http://{address}{target}"))
        .headers(headers)
        .body(request.body)
        .send()
        .await;
    let (status, mut headers, body) = match sent {
        Ok(answered) => {
            let (status, headers) = (answered.status(), answered.headers().clone());
            (status, headers, bounded_body(answered).await)
        }
        Err(error) => return unreachable(&error.without_url().to_string()),
    };
    let Ok(body) = body.inspect_err(|why| tracing::warn!(%why, "an answer could not be passed on")) else {
        return unreachable("its answer could not be read");
    };
    for name in &OF_THE_CONNECTION {
        headers.remove(name);
    }
    let mut response = http::Response::new(answer::full(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn unreachable(why: &str) -> Response {
    answer::text(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("another process took over and can't be asked: {why}\n"),
    )
}

/// The registry's state while it is on its way. Dropping it lets this registry go on.
pub struct Held {
    /// The state, for [`crate::Registry::take_over`].
    pub state: Vec<u8>,
    pub(crate) core: Arc<Core>,
    pub(crate) passage: Option<OwnedRwLockWriteGuard<Passage>>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("bytes", &self.state.len()).finish_non_exhaustive()
    }
}

impl Held {
    /// The other process decides from now on: requests that come here are passed on to where it listens.
    pub fn hand_over(mut self, listens: SocketAddr) {
        let address = reachable(listens);
        match (client::client(FORWARD, FORWARD), self.passage.take()) {
            (Ok(client), Some(mut passage)) => *passage = Passage::There { address, client },
            (Err(error), Some(_)) => tracing::error!(%error, "no client for the process that took over"),
            (_, None) => {}
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Not handed over: the file is this registry's again, and requests go on when the guard is gone.
        if self.passage.is_some()
            && let Some(file) = self.core.state_file()
        {
            file.resume();
        }
    }
}

/// An address of this machine by which a listening address is reached.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}
