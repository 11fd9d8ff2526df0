//! Clients and services that speak HTTP/2, of the `h2` crate: the other end of what the gateway uses itself, so
//! what they can't say is said by the tables of tests/http2.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use super::answer::Answer;

/// A connection with prior knowledge.
pub async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    // Its end is seen by the requests on it.
    tokio::spawn(async move { connection.await.ok() });
    send.ready().await.unwrap()
}

/// Reads an answer to its end.
pub async fn read_answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let (body, trailers) = read(&mut stream).await?;
    Ok(Answer { head: Response::from_parts(head, ()), body, trailers })
}

/// A body and its trailers.
pub async fn read(stream: &mut RecvStream) -> Result<(Vec<u8>, HeaderMap), h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok((body, stream.trailers().await?.unwrap_or_default()))
}

/// Sends all of a body, as fast as the peer takes it.
pub async fn write(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(room) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let piece = data.split_to(room?.min(data.len()));
        let last = end && data.is_empty();
        stream.send_data(piece, last)?;
        if last {
            return Ok(());
        }
    }
    stream.send_data(Bytes::new(), end)
}

/// Sends a request and reads its answer.
pub async fn ask(
    send: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Option<&'static [u8]>,
) -> Result<Answer, h2::Error> {
    let (response, mut stream) = send.clone().ready().await?.send_request(request, body.is_none())?;
    if let Some(body) = body {
        write(&mut stream, Bytes::from_static(body), true).await?;
    }
    read_answer(response).await
}

/// A GET.
pub fn get(target: &str) -> Request<()> {
    Request::get(format!("http://test.example{target}")).body(()).unwrap()
}

/// A POST.
pub fn post(target: &str) -> Request<()> {
    Request::post(format!("http://test.example{target}")).body(()).unwrap()
}

/// A service that speaks HTTP/2 and runs `script` for each stream.
pub async fn service<F, S>(builder: h2::server::Builder, script: S) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + Sync + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (builder, script) = (builder.clone(), script.clone());
            tokio::spawn(async move {
                let Ok(mut connection) = builder.handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(script(request, respond));
                }
            });
        }
    });
    address
}
