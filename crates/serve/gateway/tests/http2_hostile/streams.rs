//! Streams in awkward company, and streams that are not taken.

use haechi_testkit::{Client, Service};
use tokio::io::AsyncWriteExt;

use crate::common::frames::{Frames, field, frame};
use crate::common::{config, start};
use crate::{END, OPEN, request};

#[tokio::test]
async fn every_stream_that_was_opened_is_served_whatever_came_between_and_with_it() {
    let service = Service::text("ok").await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Frames::connect(address).await;
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")];
    let post: Vec<u8> = post.iter().flat_map(|(name, value)| field(name, value)).collect();
    let (mut piece, mut good) = (Vec::new(), Vec::new());
    for first in (1..100).step_by(10) {
        piece.extend(request(first, END));
        // HEADERS that begin no stream: trailers, and a head that is refused by the frame layer.
        piece.extend(frame(1, OPEN, first + 2, &post));
        piece.extend(frame(0, 0, first + 2, b"body"));
        piece.extend(frame(1, END, first + 2, &field("x-end", "yes")));
        piece.extend(frame(1, END, first + 4, &field(":method", "GET")));
        // A head in two frames, and a stream that is given up at once.
        let (front, rest) = post.split_at(9);
        piece.extend(frame(1, 1, first + 6, front));
        piece.extend(frame(9, OPEN, first + 6, rest));
        piece.extend(request(first + 8, END));
        piece.extend(frame(3, 0, first + 8, &[0, 0, 0, 8]));
        good.extend([first, first + 2, first + 6]);
    }
    client.send(&piece).await;
    assert_eq!(client.unanswered(good).await, Vec::<u32>::new());
    // The same, cut where it hurts.
    let request = [request(101, END), request(103, END)].concat();
    for cut in [3, request.len() / 2, request.len() / 2 + 9] {
        let mut client = Frames::connect(address).await;
        client.send(&request[..cut]).await;
        assert_eq!(Client::connect(address).await.get("/").await.text(), "ok");
        client.send(&request[cut..]).await;
        assert!(client.unanswered(vec![101, 103]).await.is_empty(), "{cut}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_holds_no_more_than_a_window() {
    let service = Service::start(|mut connection| async move {
        while connection.request().await.is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 << 20)).await;
            let mut sent: u64 = 0;
            let piece = vec![b'x'; 64 << 10];
            // Until the gateway takes no more for a while that is long enough for it to have taken all.
            while let Ok(Ok(count)) =
                tokio::time::timeout(std::time::Duration::from_millis(500), connection.stream.write(&piece))
                    .await
            {
                sent += count as u64;
            }
            SENT.store(sent, std::sync::atomic::Ordering::Relaxed);
            STUCK.notify_one();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let (_gateway, address) = start(config(&[service.address])).await;
    let mut client = Frames::connect(address).await;
    client.send(&request(1, END)).await;
    // Nothing is read, and the window is never widened.
    STUCK.notified().await;
    let sent = SENT.load(std::sync::atomic::Ordering::Relaxed);
    // Most of it is in the kernel's buffers between the gateway and the service.
    assert!(sent < 24 << 20, "{sent} bytes left the service");
}

static SENT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
static STUCK: tokio::sync::Notify = tokio::sync::Notify::const_new();
