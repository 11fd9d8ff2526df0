//! hyper as a judge: a widely used server and client, without the gateway's rules.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Method and target, and the body, of each request that hyper takes; and its complaint, if it has one.
pub async fn requests(bytes: &[u8]) -> (Vec<(String, Vec<u8>)>, Option<hyper::Error>) {
    let (mut near, far) = tokio::io::duplex(bytes.len() + (1 << 20));
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let log = log.clone();
        async move {
            let start = format!("{} {}", request.method(), request.uri());
            if let Ok(body) = request.into_body().collect().await {
                log.lock().unwrap().push((start, body.to_bytes().to_vec()));
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(far), service)
        .await;
    drop(near);
    let seen = seen.lock().unwrap().clone();
    (seen, served.err())
}

/// Status and body of the answer that hyper's client reads from these bytes, which end with the connection.
pub async fn response(bytes: &[u8], method: &str) -> Result<(u16, Vec<u8>), hyper::Error> {
    let (mut near, far) = tokio::io::duplex(bytes.len() + (1 << 20));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(far)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder().method(method).uri("/").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(sender.send_request(request));
    // An answer that is there before its request is no answer to hyper.
    near.read_buf(&mut Vec::new()).await.unwrap();
    near.write_all(bytes).await.unwrap();
    near.shutdown().await.unwrap();
    let response = answer.await.unwrap()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes().to_vec();
    driver.abort();
    Ok((status, body))
}
