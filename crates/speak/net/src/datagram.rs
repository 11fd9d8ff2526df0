//! A UDP socket that many clients send to, where an answer leaves from the address that its client asked.
//!
//! A socket bound to `0.0.0.0` or `[::]` receives what is sent to any address of the machine, and the kernel would answer
//! from the one that its routes prefer: a client that asked another one takes no such answer. So the kernel is asked to
//! tell each datagram's destination (`IP_PKTINFO` of ip(7), `IPV6_RECVPKTINFO` of ipv6(7)), and told it as the source.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd as _;

use nix::cmsg_space;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use rustix::net::{SendFlags, sendto};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::listen::Socket;

/// The largest datagram's payload: 65,535 less the header of UDP (RFC 768). No path carries jumbograms (RFC 2675).
pub const MAX_BYTES: usize = 65_527;

/// A socket that receives datagrams of many clients.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    /// Where the kernel writes destinations to. Nothing when there is only one.
    control: Option<RefCell<Vec<u8>>>,
}

/// A datagram that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its length.
    pub bytes: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// The address that it was sent to, where the socket has several.
    pub to: Option<IpAddr>,
}

impl Datagrams {
    /// Receives from a socket of [`shared`](crate::listen::shared). Within a runtime.
    pub fn new(socket: Socket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let socket = socket.into_udp();
        let is_wildcard = address.ip().is_unspecified();
        if is_wildcard && address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        } else if is_wildcard {
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        let control = is_wildcard.then(|| RefCell::new(cmsg_space!(in6_pktinfo)));
        Ok(Self { socket: UdpSocket::from_std(socket)?, control })
    }

    /// Where it is bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until there may be a datagram.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes a datagram. One longer than `buffer` is cut, so it should hold [`MAX_BYTES`]. `WouldBlock`: there is none.
    pub fn try_receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(control) = &self.control else {
            let (bytes, from) = self.socket.try_recv_from(buffer)?;
            return Ok(Received { bytes, from, to: None });
        };
        self.socket.try_io(Interest::READABLE, || {
            let mut control = control.borrow_mut();
            let mut buffers = [IoSliceMut::new(buffer)];
            let fd = self.socket.as_raw_fd();
            let message =
                recvmsg::<SockaddrStorage>(fd, &mut buffers, Some(&mut control), MsgFlags::empty())?;
            let from = message.address.as_ref().and_then(client).ok_or(io::ErrorKind::InvalidData)?;
            let to = message.cmsgs()?.find_map(|message| match message {
                // The address of ours that an answer is to come from; another one than it was sent to if that is
                // everybody's.
                ControlMessageOwned::Ipv4PacketInfo(info) => Some(v4(info.ipi_spec_dst).into()),
                ControlMessageOwned::Ipv6PacketInfo(info) => Some(Ipv6Addr::from(info.ipi6_addr.s6_addr))
                    .filter(|to| !to.is_multicast())
                    .map(IpAddr::V6),
                _ => None,
            });
            Ok(Received { bytes: message.bytes, from, to })
        })
    }

    /// Sends a datagram to a client, from the address of ours that it sent to. `WouldBlock`: the kernel has no room now.
    /// The runtime isn't asked: nobody waits for room.
    pub fn try_send(&self, bytes: &[u8], to: SocketAddr, from: Option<IpAddr>) -> io::Result<()> {
        let sent = match from {
            None => sendto(&self.socket, bytes, SendFlags::DONTWAIT, &to)?,
            Some(from) => {
                let to = SockaddrStorage::from(to);
                let send = |message: ControlMessage<'_>| {
                    let (fd, buffers) = (self.socket.as_raw_fd(), [IoSlice::new(bytes)]);
                    sendmsg(fd, &buffers, &[message], MsgFlags::MSG_DONTWAIT, Some(&to))
                };
                match from {
                    IpAddr::V4(from) => send(ControlMessage::Ipv4PacketInfo(&in_pktinfo {
                        ipi_ifindex: 0,
                        ipi_spec_dst: in_addr { s_addr: u32::from_ne_bytes(from.octets()) },
                        ipi_addr: in_addr { s_addr: 0 },
                    })),
                    IpAddr::V6(from) => send(ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
                        ipi6_ifindex: 0,
                        ipi6_addr: in6_addr { s6_addr: from.octets() },
                    })),
                }?
            }
        };
        debug_assert_eq!(sent, bytes.len(), "a datagram is sent whole or not at all");
        Ok(())
    }
}

fn client(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|address| SocketAddr::from(*address));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::from(*address)))
}

/// Both are in network order.
fn v4(address: in_addr) -> Ipv4Addr {
    Ipv4Addr::from(address.s_addr.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{Transport, shared};

    async fn echo(datagrams: &Datagrams) -> Received {
        let mut buffer = vec![0; MAX_BYTES];
        loop {
            datagrams.readable().await.unwrap();
            let Ok(received) = datagrams.try_receive(&mut buffer) else { continue };
            datagrams.try_send(&buffer[..received.bytes], received.from, received.to).unwrap();
            return received;
        }
    }

    /// Asks `to` from a socket that takes answers from there alone.
    async fn ask(datagrams: &Datagrams, to: IpAddr) -> Received {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let client = UdpSocket::bind(any).await.unwrap();
        client.connect((to, datagrams.local_addr().unwrap().port())).await.unwrap();
        client.send(b"question").await.unwrap();
        let received = echo(datagrams).await;
        let mut answer = [0; 16];
        assert_eq!(client.recv(&mut answer).await.unwrap(), 8);
        assert_eq!(received.from, client.local_addr().unwrap().to_string().parse().unwrap());
        received
    }

    fn datagrams(listen: &str) -> Datagrams {
        let socket = shared(listen.parse().unwrap(), Transport::Udp, 1).unwrap().remove(0);
        Datagrams::new(socket).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_from_the_address_that_was_asked() {
        let wildcard = datagrams("0.0.0.0:0");
        for to in ["127.0.0.1", "127.0.0.2", "127.3.2.1"] {
            let to: IpAddr = to.parse().unwrap();
            assert_eq!(ask(&wildcard, to).await.to, Some(to));
        }
        let one = datagrams("127.0.0.2:0");
        assert_eq!(ask(&one, "127.0.0.2".parse().unwrap()).await.to, None);
    }

    #[tokio::test]
    async fn a_socket_of_ipv6_takes_ipv4_too_where_the_machine_has_both() {
        if UdpSocket::bind("[::1]:0").await.is_err() {
            return;
        }
        let wildcard = datagrams("[::]:0");
        let loopback = IpAddr::from(Ipv6Addr::LOCALHOST);
        assert_eq!(ask(&wildcard, loopback).await.to, Some(loopback));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(("127.0.0.2", wildcard.local_addr().unwrap().port())).await.unwrap();
        client.send(b"question").await.unwrap();
        assert_eq!(echo(&wildcard).await.to, Some(Ipv4Addr::new(127, 0, 0, 2).to_ipv6_mapped().into()));
        assert_eq!(client.recv(&mut [0; 16]).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn the_largest_datagram_passes_and_so_does_an_empty_one() {
        let wildcard = datagrams("0.0.0.0:0");
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(("127.0.0.2", wildcard.local_addr().unwrap().port())).await.unwrap();
        // IPv4 has room for 20 bytes less.
        for length in [0, 1, MAX_BYTES - 20] {
            client.send(&vec![7; length]).await.unwrap();
            assert_eq!(echo(&wildcard).await.bytes, length);
            assert_eq!(client.recv(&mut vec![0; MAX_BYTES]).await.unwrap(), length);
        }
    }
}
