//! The HTTP listener: where it answers, who may ask what, and which proxies it believes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// The HTTP listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address; loopback unless configured.
    pub address: SocketAddr,
    /// Who may ask; required when the address is not loopback. Names differ.
    pub tokens: Vec<ListenToken>,
    /// The secret that signs sessions and the links of pages; a key that the store keeps does if absent.
    pub key: Option<Arc<str>>,
    /// Names, in lower case, that requests may call it by beside addresses, `localhost` and the host of `alerting.public_url`.
    pub hosts: Vec<String>,
    /// Whose word on who asks is taken.
    pub proxies: Proxies,
    /// What it proves itself with; it answers without TLS if absent.
    pub tls: Option<ListenTls>,
}

/// A token that callers send or log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenToken {
    /// Who uses it, for the audit log.
    pub name: Arc<str>,
    /// Its value's source. Names a secret.
    pub secret: Arc<str>,
    /// What it allows.
    pub role: Role,
}

impl ListenToken {
    /// The name of one that is configured as nothing but a secret's name.
    pub const UNNAMED: &str = "token";
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See everything.
    Read,
    /// And change something.
    Act,
}

impl Role {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Act => "act",
        }
    }
}

/// The proxies in front of the listener.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    /// Whose `X-Forwarded-…` headers are believed.
    pub trusted: Vec<Network>,
    /// The header, in lower case, in which they say who asks, and what he may.
    pub user: Option<(String, Role)>,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// The certificate and those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address is one of them. An IPv4 address within an IPv6 one is that address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(own) & mask == u32::from(other) & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(own) & mask == u128::from(other) & mask
            }
            _ => false,
        }
    }
}

/// Why a text is no [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address such as \"10.0.0.1\", or a network such as \"10.0.0.0/24\"")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| NoNetwork)?;
        let address = if bits.is_none() { address.to_canonical() } else { address };
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|digit| digit.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) => Some(bits).filter(is_number).and_then(|bits| bits.parse().ok()).ok_or(NoNetwork)?,
        };
        if bits <= most { Ok(Self { address, bits }) } else { Err(NoNetwork) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_the_addresses_that_begin_as_it_does() {
        assert!(is_in("10.0.0.1", "10.0.0.1") && !is_in("10.0.0.1", "10.0.0.2"));
        assert!(is_in("10.0.0.0/24", "10.0.0.255") && !is_in("10.0.0.0/24", "10.0.1.0"));
        assert!(is_in("10.0.0.77/24", "10.0.0.1"), "the other bits do not matter");
        assert!(is_in("0.0.0.0/0", "192.0.2.1") && !is_in("0.0.0.0/0", "2001:db8::1"));
        assert!(is_in("2001:db8::/32", "2001:db8:1::1") && !is_in("2001:db8::/32", "2001:db9::1"));
        assert!(is_in("::/0", "::1") && is_in("10.0.0.0/8", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for odd in ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/+8", "::/129", "proxy", "10.0.0.1/8/8", " 10.0.0.1"] {
            assert_eq!(odd.parse::<Network>(), Err(NoNetwork), "{odd}");
        }
    }
}
