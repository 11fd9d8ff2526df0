//! A name server that says what the test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// What the server says to a question for A records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// These addresses, good for so many seconds.
    Addresses(Vec<Ipv4Addr>, u32),
    /// An error: 2 is SERVFAIL, 3 NXDOMAIN.
    Error(u8),
    /// Nothing at all.
    Silence,
}

/// A name server on a port that the system chose. It says the same of every name.
#[derive(Debug)]
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    says: Arc<Mutex<Says>>,
    task: AbortHandle,
}

impl NameServer {
    /// Starts it.
    pub async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let task = tokio::spawn({
            let says = says.clone();
            async move {
                let mut buffer = vec![0; 1500];
                while let Ok((count, from)) = socket.recv_from(&mut buffer).await {
                    let said = says.lock().unwrap().clone();
                    if let Some(answer) = answer(&buffer[..count], &said) {
                        // Whoever asked may be gone.
                        let _ = socket.send_to(&answer, from).await;
                    }
                }
            }
        });
        Self { address, says, task: task.abort_handle() }
    }

    /// Says something else from now on.
    pub fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// RFC 1035 §4: the header, the question as it came, and an answer record for each address.
fn answer(query: &[u8], says: &Says) -> Option<Vec<u8>> {
    let name_end = query[12..].iter().position(|byte| *byte == 0)? + 13;
    let question = query.get(12..name_end + 4)?;
    let wants_a = question[question.len() - 4..] == [0, 1, 0, 1];
    let (code, addresses, ttl) = match says {
        Says::Addresses(addresses, ttl) if wants_a => (0, addresses.clone(), *ttl),
        Says::Addresses(_, ttl) => (0, Vec::new(), *ttl),
        Says::Error(code) => (*code, Vec::new(), 0),
        Says::Silence => return None,
    };
    let mut out = query[..2].to_vec();
    out.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    out.extend_from_slice(question);
    for address in addresses {
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
        out.extend_from_slice(&ttl.to_be_bytes());
        out.extend_from_slice(&[0, 4]);
        out.extend_from_slice(&address.octets());
    }
    Some(out)
}
