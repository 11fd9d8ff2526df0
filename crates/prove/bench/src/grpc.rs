//! gRPC, unary: a service that sends each message back, and calls whose answers are checked to the last trailer.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::backend::body_byte;
use crate::load::connection::Failure;
use crate::load::http2::{Answer, Connection};

/// What all paths of the service begin with.
pub const SERVICE: &str = "/bench.Echo/";

/// The path of its one method.
pub const METHOD: &str = "/bench.Echo/Unary";

/// The type of every message, whatever is in it.
pub const TYPE: &str = "application/grpc";

/// Bytes of a message.
const MESSAGE: usize = 128;

/// Bytes in front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Bytes of a body with one message.
pub const BODY: usize = PREFIX + MESSAGE;

/// A trailer of the service's own.
const OWN_TRAILER: (&str, &str) = ("bench-trailer", "echoed");

/// As much as peers may send before they hear of it: the service never makes them wait.
const WINDOW: u32 = 16 << 20;

/// The body of a call: one message, not compressed.
pub fn body() -> Vec<u8> {
    let mut body = vec![0];
    body.extend_from_slice(&(MESSAGE as u32).to_be_bytes());
    body.extend((0..MESSAGE).map(body_byte));
    body
}

/// Serves on the current `LocalSet` until dropped.
pub async fn serve(listener: TcpListener) {
    loop {
        // Accepting fails when descriptors run out; the connections then wait in the queue.
        if let Ok((stream, _)) = listener.accept().await {
            spawn_local(connection(stream));
        }
    }
}

/// Serves one connection; any error ends it, as the peer sees by itself.
async fn connection(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).max_concurrent_streams(1000);
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((call, respond))) = connection.accept().await {
        // A stream that breaks is the caller's to notice.
        spawn_local(async { drop(echo(call.into_body(), respond).await) });
    }
}

async fn echo(mut call: RecvStream, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut message = Vec::with_capacity(BODY);
    while let Some(part) = call.data().await {
        let part = part?;
        call.flow_control().release_capacity(part.len())?;
        message.extend_from_slice(&part);
    }
    let mut head = Response::new(());
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TYPE));
    let mut stream = respond.send_response(head, false)?;
    stream.send_data(message.into(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers.insert(OWN_TRAILER.0, HeaderValue::from_static(OWN_TRAILER.1));
    stream.send_trailers(trailers)
}

/// Calls through the gateway at `gateway`, twice on one connection, and checks the answers.
pub async fn check(gateway: SocketAddr) -> Result<(), Failure> {
    let mut connection = Connection::open(gateway).await?;
    for _ in 0..2 {
        call(&mut connection, gateway, &body().into()).await?;
    }
    Ok(())
}

/// Calls once. `body` is that of [`body`].
pub async fn call(connection: &mut Connection, gateway: SocketAddr, body: &Bytes) -> Result<(), Failure> {
    let request = Request::post(format!("http://{gateway}{METHOD}")).header(CONTENT_TYPE, TYPE);
    let request = request.header(TE, "trailers").body(()).map_err(|error| wrong(&error))?;
    judge(&connection.exchange(request, body).await?, body)
}

/// Whether an answer is the service's, with all of its trailers.
fn judge(answer: &Answer, sent: &[u8]) -> Result<(), Failure> {
    if answer.status != 200 {
        return Err(wrong(&format_args!("status {}", answer.status)));
    }
    if answer.body != sent {
        return Err(wrong(&"another message"));
    }
    for (name, value) in [("grpc-status", "0"), OWN_TRAILER] {
        if answer.trailers.get(name).is_none_or(|found| found != value) {
            return Err(wrong(&format_args!("no trailer `{name}: {value}`, but {:?}", answer.trailers)));
        }
    }
    Ok(())
}

fn wrong(what: &dyn std::fmt::Display) -> Failure {
    Failure::Wrong(what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::listen;
    use tokio::task::LocalSet;

    #[tokio::test]
    async fn a_call_is_answered_with_its_message_and_trailers() {
        let work = async {
            let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
            let address = listener.local_addr().unwrap();
            spawn_local(serve(listener));
            check(address).await
        };
        LocalSet::new().run_until(work).await.unwrap();
    }

    #[test]
    fn an_answer_without_its_trailers_is_wrong() {
        let mut answer = Answer { status: 200, body: body(), trailers: HeaderMap::new() };
        assert!(judge(&answer, &body()).unwrap_err().to_string().contains("grpc-status"));
        answer.trailers.insert("grpc-status", HeaderValue::from_static("0"));
        assert!(judge(&answer, &body()).unwrap_err().to_string().contains("bench-trailer"));
        answer.trailers.insert("bench-trailer", HeaderValue::from_static("echoed"));
        judge(&answer, &body()).unwrap();
        answer.body.pop();
        assert!(judge(&answer, &body()).is_err());
    }
}
