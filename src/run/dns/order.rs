//! Which address is tried first, where a name has some of both families: the rules of RFC 6724 (section 6) that decide between
//! families. Within a family the name server's order stays, which is how it spreads load.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};

/// Puts the family first that should be tried first.
pub(super) fn sort(addresses: &mut [IpAddr]) {
    let first = |six: bool| addresses.iter().copied().find(|address| address.is_ipv6() == six);
    let (Some(four), Some(IpAddr::V6(six))) = (first(false), first(true)) else { return };
    let six_first = prefers_six(six, source_for(six.into()), source_for(four).is_some());
    addresses.sort_by_key(|address| address.is_ipv6() != six_first);
}

/// The address this machine would send from. Connecting a datagram socket sends nothing.
fn source_for(destination: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if destination.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { [0, 0, 0, 0].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((destination, 53)).ok()?;
    socket.local_addr().ok().map(|source: SocketAddr| source.ip())
}

/// Rules 1 (what cannot be reached comes last), 5 (source and destination of one kind) and 6 (version 6 before version 4).
fn prefers_six(destination: Ipv6Addr, source: Option<IpAddr>, four_is_reachable: bool) -> bool {
    match source {
        Some(IpAddr::V6(source)) => !four_is_reachable || label(source) == label(destination),
        Some(IpAddr::V4(_)) | None => false,
    }
}

/// The labels of RFC 6724, section 2.1.
fn label(address: Ipv6Addr) -> u8 {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => 0,
        [0, 0, 0, 0, 0, 0xffff, ..] => 4,
        [0x2002, ..] => 2,
        [0x2001, 0, ..] => 5,
        [first, ..] if first & 0xfe00 == 0xfc00 => 13,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_6_comes_first_where_it_works_and_source_and_destination_are_of_one_kind() {
        let global: Ipv6Addr = "2a00::1".parse().unwrap();
        let source = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        assert!(prefers_six(global, source("2a00::2"), true));
        assert!(!prefers_six(global, source("fd00::2"), true), "a container's own network leads nowhere");
        assert!(prefers_six(global, source("fd00::2"), false));
        assert!(!prefers_six(global, None, true) && !prefers_six(global, None, false));
        assert!(prefers_six(Ipv6Addr::LOCALHOST, source("::1"), true));
    }

    #[test]
    fn addresses_of_one_family_keep_their_order() {
        let mut addresses: Vec<IpAddr> = ["10.0.0.2", "10.0.0.1"].map(|text| text.parse().unwrap()).to_vec();
        let before = addresses.clone();
        sort(&mut addresses);
        assert_eq!(addresses, before);
    }
}
