//! Turns of gRPC.

use std::io;

use bytes::Bytes;
use haechi_core::rng::Rng;
use http::Request;
use tokio::task::spawn_local;

use super::bytes::{noise, one};
use super::kinds::{Stage, Turn};
use super::talk::{LONGEST, dial};

impl Stage {
    /// A call over HTTP/2; the client may leave in its middle.
    pub async fn grpc(&self, rng: &mut Rng) -> io::Result<Turn> {
        let stream = dial(rng, &self.places.web.into()).await?;
        let Ok((client, connection)) = h2::client::handshake(stream).await else {
            return Ok(Turn { closed: true, ..Turn::default() });
        };
        let driver = spawn_local(connection);
        let mut turn = Turn::default();
        let called = async {
            let mut client = client.ready().await?;
            for _ in 0..rng.usize(1..6) {
                let timeout = *one(rng, &["1S", "20m", "0n", "99999999H", "1", "xS", "200000u"]);
                let to = *one(rng, &["http://a/grpc/a.B/c", "http://a/frames/a.B/c", "http://a/bad/a.B/c"]);
                let request = Request::post(to).header("content-type", "application/grpc");
                let request = request.header("te", "trailers").header("grpc-timeout", timeout);
                client = client.ready().await?;
                let (answer, mut sender) =
                    client.send_request(request.body(()).unwrap_or_default(), false)?;
                for _ in 0..rng.usize(..4) {
                    sender.send_data(Bytes::from(noise(rng, 3000)), false)?;
                }
                if rng.u8(..6) == 0 {
                    sender.send_reset(h2::Reason::CANCEL);
                    continue;
                }
                sender.send_data(Bytes::new(), true)?;
                // A service that answers wrongly has its stream reset, and the next call is made.
                if let Ok(answer) = answer.await {
                    turn.answers[usize::from(answer.status().as_u16() / 100 - 1) % 5] += 1;
                    let mut body = answer.into_body();
                    while let Some(Ok(part)) = body.data().await {
                        body.flow_control().release_capacity(part.len())?;
                    }
                }
            }
            Ok::<_, h2::Error>(())
        };
        let whole = tokio::time::timeout(LONGEST / 2, called).await;
        turn.closed = !matches!(whole, Ok(Ok(()))) && turn.answers == [0; 5];
        driver.abort();
        Ok(turn)
    }
}
