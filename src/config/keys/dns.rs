//! Keys of questions to name servers.

use hickory_proto::rr::RecordType;

use crate::plan::DnsTransport;

use super::super::declaration::{Key, Section};
use super::super::section::{DeclaredSection, Field, section, sentence, words};
use super::super::value_kind::{Bool, Choice, Default, Template, Value, Words};

section! {
    /// A question.
    Dns as DnsKeys: "dns", "`dns`" {
        /// The name that is asked for; with the type PTR also an address.
        name: Template [required],
        /// Which records are asked for.
        record @ "type": Choice<RecordType> [required],
        /// The name server: an IP address, with a port if it is not 53.
        server: Template [default "the machine's name servers, in their order"],
        /// Over what it is asked; over UDP once more over TCP where the answer does not fit.
        transport: Choice<DnsTransport> = "udp",
        /// Whether the server is to ask others for what it does not know.
        recursion: Bool = true,
    }
}

words! {
    RecordType {
        "A" => A, "AAAA" => AAAA, "CAA" => CAA, "CNAME" => CNAME, "DNSKEY" => DNSKEY, "DS" => DS, "HTTPS" => HTTPS, "MX" => MX,
        "NAPTR" => NAPTR, "NS" => NS, "PTR" => PTR, "SOA" => SOA, "SRV" => SRV, "SSHFP" => SSHFP, "SVCB" => SVCB, "TLSA" => TLSA,
        "TXT" => TXT,
    }
    DnsTransport { "udp" => Udp, "tcp" => Tcp }
}
