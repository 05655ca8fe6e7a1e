//! Keys of questions to name servers.

use crate::plan::DNS_TYPES;

use super::super::shape::{Key, Kind, Section};

/// A question.
pub(super) static DNS: Section = Section {
    id: "dns",
    title: "`dns`",
    keys: &[
        Key::new("name", Kind::Template, "The name that is asked for; with the type PTR also an address.").required(),
        Key::new("type", Kind::Choice(DNS_TYPES), "Which records are asked for.").required(),
        Key::new("server", Kind::Template, "The name server: an IP address, with a port if it is not 53.")
            .default("the machine's name servers, in their order"),
        Key::new(
            "transport",
            Kind::Choice(&["udp", "tcp"]),
            "Over what it is asked; over UDP once more over TCP where the answer does not fit.",
        )
        .default("\"udp\""),
        Key::new("recursion", Kind::Bool, "Whether the server is to ask others for what it does not know.").default("true"),
    ],
    rules: &[],
    later: &[],
};
