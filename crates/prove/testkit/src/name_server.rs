//! A name server that says what the test wants.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::sync::watch;
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
    /// Questions for A records since the start.
    asked: watch::Receiver<u64>,
    task: AbortHandle,
}

impl NameServer {
    /// Starts it.
    pub async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says));
        let (count, asked) = watch::channel(0);
        let task = tokio::spawn({
            let says = says.clone();
            async move {
                let mut buffer = vec![0; 1500];
                while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                    let query = &buffer[..len];
                    // Under the lock, so that what is counted after a change is answered by it.
                    let said = {
                        let says = says.lock().unwrap();
                        count.send_modify(|count| *count += u64::from(asks_for_a(query)));
                        says.clone()
                    };
                    if let Some(answer) = answer(query, &said) {
                        // Whoever asked may be gone.
                        let _ = socket.send_to(&answer, from).await;
                    }
                }
            }
        });
        Self { address, says, asked, task: task.abort_handle() }
    }

    /// Says something else from now on. Answers how often it was asked for A records before.
    pub fn say(&self, new: Says) -> u64 {
        let mut says = self.says.lock().unwrap();
        *says = new;
        *self.asked.borrow()
    }

    /// Waits until it was asked for A records so often since the start.
    pub async fn asked(&self, times: u64) {
        self.asked.clone().wait_for(|asked| *asked >= times).await.unwrap();
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// RFC 1035 §4.1.2: type A, class IN, at the end of the question.
fn asks_for_a(query: &[u8]) -> bool {
    let name_end = query.get(12..).and_then(|rest| rest.iter().position(|byte| *byte == 0)).map(|at| at + 13);
    name_end.and_then(|end| query.get(end..end + 4)) == Some(&[0, 1, 0, 1])
}

/// RFC 1035 §4: the header, the question as it came, and an answer record for each address.
fn answer(query: &[u8], says: &Says) -> Option<Vec<u8>> {
    let name_end = query[12..].iter().position(|byte| *byte == 0)? + 13;
    let question = query.get(12..name_end + 4)?;
    let wants_a = asks_for_a(query);
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
