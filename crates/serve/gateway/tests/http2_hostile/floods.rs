//! Too much of what only makes work.

use haechi_testkit::{Client, Service};

use crate::common::frames::{Frames, field, frame};
use crate::common::{config, start};
use crate::{END, OPEN, request};

/// Sends `flood` until the gateway sends the client away, and checks that others are served.
async fn flood(prelude: &[u8], flood: impl Fn(u32) -> Vec<u8>, limits: &[&str]) {
    let service = Service::text("ok").await;
    let mut config = config(&[service.address]);
    config.limits.http2_control_frames = 500;
    config.limits.http2_resets = 100;
    let (gateway, address) = start(config).await;
    let mut client = Frames::connect(address).await;
    client.send(prelude).await;
    let mut sent = 0;
    while sent < 200_000 && client.try_send(&flood(sent)).await {
        sent += 1;
    }
    assert!(sent < 200_000, "{limits:?} did not strike");
    assert_eq!(Client::connect(address).await.get("/").await.text(), "ok");
    let metrics = gateway.metrics();
    let counted =
        |limit: &&str| metrics.contains(&format!("haechi_limit_strikes_total{{limit=\"{limit}\"}} 1"));
    assert!(limits.iter().any(counted), "{limits:?}: {metrics}");
}

#[tokio::test]
async fn floods_of_frames_that_only_make_work_are_sent_away() {
    flood(&[], |_| frame(6, 0, 0, b"12345678"), &["http2_control_frames"]).await;
    flood(&[], |_| frame(4, 0, 0, b""), &["http2_control_frames"]).await;
    flood(&[], |_| frame(2, 0, 3, &[0, 0, 0, 0, 1]), &["http2_control_frames"]).await;
    flood(&[], |_| frame(0xee, 0, 0, b"x"), &["http2_control_frames"]).await;
    flood(&[], |_| frame(8, 0, 0, &[0, 0, 0, 1]), &["http2_control_frames"]).await;
}

#[tokio::test]
async fn floods_of_resets_are_sent_away() {
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        [request(stream, END), frame(3, 0, stream, &[0, 0, 0, 8])].concat()
    };
    flood(&[], reset, &["http2_resets"]).await;
}

#[tokio::test]
async fn a_head_without_end_and_empty_frames_are_sent_away() {
    // Whichever notices first: the frame layer, by memory, or the stock of frames that carry nothing.
    let either = &["http2_frames", "http2_control_frames"];
    let open = request(1, 0);
    flood(&open, |_| frame(9, 0, 1, &field("x", "y").repeat(20)), either).await;
    flood(&request(1, OPEN), |_| frame(0, 0, 1, b""), either).await;
}
