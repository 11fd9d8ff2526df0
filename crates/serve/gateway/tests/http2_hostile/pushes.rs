//! Peers that push, which nobody may.

use haechi_route::config::Protocol;
use haechi_testkit::{Client, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::frames::{Frames, field, frame};
use crate::common::{config, start};
use crate::{END, OPEN, request};

/// Nobody may push to us (RFC 9113 §6.6, §8.4), whatever became of the stream.
#[tokio::test]
async fn a_client_that_pushes_is_sent_away() {
    const PROTOCOL_ERROR: u32 = 1;
    let service = Service::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut").await;
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let promise = |stream| frame(5, OPEN, stream, &[&[0, 0, 0, 2][..], &field(":method", "GET")].concat());
    let mut client = Frames::connect(address).await;
    client.send(&request(1, OPEN)).await;
    client.send(&promise(1)).await;
    assert_eq!(client.goaway().await, Some(PROTOCOL_ERROR));
    let mut client = Frames::connect(address).await;
    client.send(&request(1, END)).await;
    // The gateway resets the stream, since no service ends the body.
    client.until_reset(1).await;
    client.send(&promise(1)).await;
    assert_eq!(client.goaway().await, Some(PROTOCOL_ERROR));
}

#[tokio::test]
async fn a_service_that_pushes_is_given_up() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let mut config = config(&[listener.local_addr().unwrap()]);
    config.services.values_mut().for_each(|service| service.protocol = Protocol::Http2);
    let pushes = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let promise = frame(5, OPEN, 1, &[&[0, 0, 0, 2][..], &field(":method", "GET")].concat());
            let answer = frame(1, END, 1, &[0x88]);
            // Once the request is there.
            let mut room = [0; 1024];
            let mut came = Vec::new();
            while !came.windows(5).any(|bytes| bytes == [1, END, 0, 0, 0]) {
                let count = stream.read(&mut room).await.unwrap();
                came.extend_from_slice(&room[..count]);
            }
            stream.write_all(&[frame(4, 0, 0, &[]), promise, answer].concat()).await.unwrap();
            // The gateway hangs up.
            while matches!(stream.read(&mut room).await, Ok(1..)) {}
        }
    });
    let (_gateway, address) = start(config).await;
    assert_eq!(Client::connect(address).await.get("/").await.status(), 502);
    pushes.abort();
}
