//! The PROXY protocol: whom it is taken from, and which services get it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Whose connections begin with a header that says for whom they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyFrom {
    /// Theirs; empty is everybody's. Connections from elsewhere have no header.
    pub networks: Vec<Network>,
}

impl ProxyFrom {
    /// Whether connections from this address begin with a header. A Unix socket's peers have none.
    pub fn expects(&self, address: Option<IpAddr>) -> bool {
        let is_proxy = |address| self.networks.iter().any(|network| network.contains(address));
        self.networks.is_empty() || address.is_some_and(is_proxy)
    }
}

/// How a service is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// A text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// It has another form.
    #[error("{0:?} is not an IP address, nor one with the number of its bits that count")]
    Form(String),
    /// There are fewer bits in such an address.
    #[error("{0:?} counts more bits than the address has")]
    Bits(String),
    /// Bits are set that don't count: probably one of both is a slip.
    #[error("{given:?} is an address in a network; the network is {network}")]
    NotFirst {
        /// As it was written.
        given: String,
        /// What it is in.
        network: Network,
    },
}

impl Network {
    /// Whether an address is in it. An IPv4 address in an IPv6 one is what it stands for.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && first(address, self.bits) == self.first
    }
}

/// The first address of the network of so many bits in which an address is.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let form = || BadNetwork::Form(text.to_owned());
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| form())?;
        if bits > most {
            return Err(BadNetwork::Bits(text.to_owned()));
        }
        let network = Self { first: first(address, bits), bits };
        if network.first != address {
            return Err(BadNetwork::NotFirst { given: text.to_owned(), network });
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks() {
        let is_in = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "::ffff:192.0.2.129", "192.0.2.127"),
            ("0.0.0.0/0", "203.0.113.9", "2001:db8::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::"),
            ("::1", "::1", "::2"),
        ] {
            assert!(is_in(network, inside), "{inside} in {network}");
            assert!(!is_in(network, outside), "{outside} not in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_why() {
        for text in ["", "10.0.0.0/", "10.0.0/8", "/8", "10.0.0.0/-1", "localhost", "10.0.0.0/8/8"] {
            assert!(matches!(text.parse::<Network>(), Err(BadNetwork::Form(_))), "{text:?}");
        }
        assert!(matches!("10.0.0.0/33".parse::<Network>(), Err(BadNetwork::Bits(_))));
        let slip = "10.0.0.1/8".parse::<Network>().unwrap_err().to_string();
        assert!(slip.ends_with("the network is 10.0.0.0/8"), "{slip}");
    }
}
