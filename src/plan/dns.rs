//! The DNS step kind: one question to a name server.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::rr::{Name, RecordType};

use super::Template;

/// What expressions can know of an answer.
pub(super) const RESULT_NAMES: &[&str] = &[
    "rcode",
    "answers",
    "values",
    "ttl",
    "flags",
    "authority",
    "additional",
    "server",
    "transport",
    "truncated",
    "latency",
    "phases",
];

/// The port of name servers.
const PORT: u16 = 53;

/// Letters of a name with its closing dot (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 254;

/// Letters between two dots.
const LONGEST_PART: usize = 63;

/// One question.
#[derive(Debug)]
pub struct DnsAction {
    /// The name that is asked for, or the address where the type is `PTR`; see [`dns_name`].
    pub name: Template,
    /// Which records.
    pub record: RecordType,
    /// Who is asked, see [`dns_server`]; the machine's name servers in their order if absent.
    pub server: Option<Template>,
    /// Over what.
    pub transport: DnsTransport,
    /// Whether the server is to ask others.
    pub recursion: bool,
}

/// Over what a name server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsTransport {
    /// Datagrams, and TCP where an answer does not fit.
    Udp,
    /// TCP from the start.
    Tcp,
}

/// The name that a text means, complete with or without its closing dot. An address where the type is `PTR` means the name under
/// which its host is found; letters beyond ASCII are encoded as browsers do (IDNA).
///
/// # Errors
/// Why it is none.
pub fn dns_name(text: &str, record: RecordType) -> Result<Name, String> {
    match (text.parse::<IpAddr>(), record) {
        (Ok(address), RecordType::PTR) => return Ok(Name::from(address)),
        (Ok(_), _) => return Err("it is an address: only \"PTR\" asks for what an address is called".to_owned()),
        (Err(_), _) if text.is_empty() => return Err("it is empty; the root is \".\"".to_owned()),
        (Err(_), _) => {}
    }
    let ascii = if text.is_ascii() {
        text.to_owned()
    } else {
        url::Host::parse(text).map_err(|error| format!("its letters cannot be encoded: {error}"))?.to_string()
    };
    let parts = || ascii.strip_suffix('.').unwrap_or(&ascii).split('.');
    if ascii.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err("it has a space or a line break in it".to_owned());
    }
    if ascii != "." && parts().any(str::is_empty) {
        return Err("between two of its dots there is nothing".to_owned());
    }
    if ascii.len() > LONGEST_NAME || parts().any(|part| part.len() > LONGEST_PART) {
        return Err(format!("a name has at most {LONGEST_NAME} letters, and each of its parts {LONGEST_PART}"));
    }
    let mut name = Name::from_ascii(&ascii).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

/// The name server that a text means: an IP address with or without a port.
///
/// # Errors
/// Why it is none.
pub fn dns_server(text: &str) -> Result<SocketAddr, String> {
    let bare = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
    match text.parse::<SocketAddr>().or_else(|_| bare()) {
        Ok(server) if server.port() == 0 => Err("nobody listens on port 0".to_owned()),
        Ok(server) => Ok(server),
        Err(_) => Err("write an IP address such as \"192.0.2.53\", \"192.0.2.53:5353\" or \"[2001:db8::53]:5353\"; \
             a name is looked up by a step before it"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_complete_however_it_is_written_and_an_address_has_its_reverse_name() {
        let name = |text: &str, record| dns_name(text, record).map(|name| name.to_ascii());
        for (text, expected) in [
            ("host.test", "host.test."),
            ("host.test.", "host.test."),
            (".", "."),
            ("_sip._tcp.host.test", "_sip._tcp.host.test."),
            ("*.host.test", "*.host.test."),
            ("bücher.test", "xn--bcher-kva.test."),
        ] {
            assert_eq!(name(text, RecordType::SRV).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(name("192.0.2.7", RecordType::PTR).as_deref(), Ok("7.2.0.192.in-addr.arpa."));
        let six = name("2001:db8::7", RecordType::PTR).unwrap();
        assert!(six.starts_with("7.0.0.0.") && six.ends_with("8.b.d.0.1.0.0.2.ip6.arpa."), "{six}");
        assert_eq!(name("7.2.0.192.in-addr.arpa", RecordType::PTR).as_deref(), Ok("7.2.0.192.in-addr.arpa."));
    }

    #[test]
    fn what_cannot_be_asked_for_is_told() {
        let long = "a".repeat(64);
        for text in ["", "192.0.2.7", "a b.test", "a..test", "a\n.test", &long, &"abc.".repeat(70), "bü cher.test"] {
            assert!(dns_name(text, RecordType::A).is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        let server = |text: &str| dns_server(text).map(|server| server.to_string());
        assert_eq!(server("192.0.2.53").as_deref(), Ok("192.0.2.53:53"));
        assert_eq!(server("2001:db8::53").as_deref(), Ok("[2001:db8::53]:53"));
        assert_eq!(server("[2001:db8::53]:5353").as_deref(), Ok("[2001:db8::53]:5353"));
        for text in ["", "ns1.host.test", "192.0.2.53:0", "192.0.2.53:99999", "192.0.2.53 "] {
            assert!(server(text).is_err(), "{text}");
        }
    }
}
