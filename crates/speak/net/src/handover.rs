//! Between a process and the one that takes over from it: messages that carry open sockets (`SCM_RIGHTS`,
//! unix(7)). The receiver gets the same open files, queue of waiting connections and all.
//!
//! Everything blocks, with a timeout; use a thread of its own.

use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// A longer message is taken for damage. A registry of 200,000 instances stays below.
const BODY_BYTES: usize = 1 << 30;
/// More sockets than this in one message are taken for damage.
const SOCKETS: usize = 65_536;
/// The kernel takes 253 at once.
const AT_ONCE: usize = 128;

/// One end.
#[derive(Debug)]
pub struct Channel(UnixStream);

/// What arrived.
#[derive(Debug)]
pub struct Message {
    /// The text.
    pub body: Vec<u8>,
    /// The sockets, in the order in which they were sent.
    pub sockets: Vec<OwnedFd>,
}

impl Channel {
    /// Over a connected stream socket. No single read or write waits longer than `patience`.
    pub fn new(stream: UnixStream, patience: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(patience))?;
        let channel = Self(stream);
        channel.wait_at_most(patience)?;
        Ok(channel)
    }

    /// From now on a read waits so long.
    pub fn wait_at_most(&self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(patience))
    }

    /// Sends a message.
    pub fn send(&self, body: &[u8], sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut stream = &self.0;
        // Length of the body and number of sockets, both little-endian.
        stream.write_all(&(body.len() as u64).to_le_bytes())?;
        stream.write_all(&(sockets.len() as u32).to_le_bytes())?;
        for some in sockets.chunks(AT_ONCE) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(some)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // Sockets travel with a byte of their own, so that no read of other bytes can lose them.
            sendmsg(stream.as_fd(), &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        }
        stream.write_all(body)
    }

    /// Receives a message. `UnexpectedEof` when the other process is gone, `WouldBlock` or `TimedOut` when it
    /// was silent for too long.
    pub fn receive(&self) -> io::Result<Message> {
        let mut stream = &self.0;
        let (mut length, mut count) = ([0; 8], [0; 4]);
        stream.read_exact(&mut length)?;
        stream.read_exact(&mut count)?;
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let count = u32::from_le_bytes(count) as usize;
        if length > BODY_BYTES || count > SOCKETS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no message of a handover"));
        }
        let mut sockets = Vec::with_capacity(count);
        while sockets.len() < count {
            let before = sockets.len();
            self.receive_sockets(&mut sockets)?;
            if sockets.len() == before || sockets.len() > count {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "sockets were lost on the way; are there descriptors left?",
                ));
            }
        }
        // Grows with what arrives, whatever the head says.
        let mut body = Vec::new();
        stream.take(length as u64).read_to_end(&mut body)?;
        if body.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Message { body, sockets })
    }

    fn receive_sockets(&self, sockets: &mut Vec<OwnedFd>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let received =
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                sockets.extend(some);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (Channel, Channel) {
        let (a, b) = UnixStream::pair().unwrap();
        let patience = Duration::from_secs(20);
        (Channel::new(a, patience).unwrap(), Channel::new(b, patience).unwrap())
    }

    #[test]
    fn a_socket_arrives_with_the_connections_that_wait_in_it() {
        let (old, new) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        old.send(b"one", &[listener.as_fd()]).unwrap();
        drop(listener);
        let message = new.receive().unwrap();
        assert_eq!(message.body, b"one");
        let same: TcpListener = message.sockets.into_iter().next().unwrap().into();
        same.accept().unwrap();
    }

    #[test]
    fn more_sockets_than_the_kernel_takes_at_once_and_a_long_body_arrive_in_order() {
        let (old, new) = pair();
        let listeners: Vec<_> = (0..300).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        let sender = std::thread::spawn(move || {
            let sockets: Vec<_> = listeners.iter().map(TcpListener::as_fd).collect();
            old.send(&vec![7; 3 << 20], &sockets).unwrap();
            old.send(b"", &[]).unwrap();
        });
        let message = new.receive().unwrap();
        assert_eq!(message.body.len(), 3 << 20);
        let arrived =
            message.sockets.into_iter().map(|socket| TcpListener::from(socket).local_addr().unwrap());
        assert_eq!(arrived.collect::<Vec<_>>(), addresses);
        assert_eq!(new.receive().unwrap().body, b"");
        sender.join().unwrap();
        assert_eq!(new.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn nonsense_is_refused_and_silence_ends() {
        let (a, b) = UnixStream::pair().unwrap();
        let new = Channel::new(b, Duration::from_millis(20)).unwrap();
        assert!(matches!(
            new.receive().unwrap_err().kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        ));
        (&a).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(new.receive().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
