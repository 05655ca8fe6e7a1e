//! Keys of what a step sends and reads over a TCP connection.

use super::super::shape::{Key, Kind, Rule, Section};

/// Keys by which something is read.
pub(crate) const TCP_READS: &[&str] = &["read", "greeting"];

/// An exchange.
pub(super) static TCP: Section = Section {
    id: "tcp",
    title: "`tcp`",
    keys: &[
        Key::new("connect", Kind::Template, "Where a new connection leads: \"HOST:PORT\", an address of IPv6 in brackets."),
        Key::new("connection", Kind::Template, "Its name for later steps of the device, or that of one they opened.")
            .default("\"default\""),
        Key::new(
            "starttls",
            Kind::Choice(&["smtp", "imap", "pop3", "ftp", "postgres"]),
            "Begins TLS as this protocol does, after what it says in plain text.",
        ),
        Key::new(
            "tls",
            Kind::TableOr(&TLS, &Kind::Bool),
            "TLS from the first byte, or from here on; settings over those of the device.",
        )
        .default("false"),
        Key::new("greeting", Kind::Table(&READ), "What is read before anything is sent."),
        Key::new("send", Kind::TableOr(&SEND, &Kind::Template), "Text that is sent, or bytes."),
        Key::new("read", Kind::Table(&READ), "How far the answer is read; without it nothing is."),
        Key::new("close", Kind::Bool, "Closes the connection afterwards; otherwise later steps can go on with it.")
            .default("false"),
        Key::new("max_response", Kind::Size, "Bytes read at once before the attempt fails.").default("`limits.response_bytes`"),
    ],
    rules: &[Rule::Needs("starttls", "connect"), Rule::Needs("greeting", "connect"), Rule::AtMostOne(&["starttls", "greeting"])],
    later: &[],
};

static READ: Section = Section {
    id: "tcp_read",
    title: "what is read",
    keys: &[
        Key::new("until", Kind::Template, "Up to the end of this text."),
        Key::new("until_line", Kind::Text, "Line by line, up to one that this regular expression matches."),
        Key::new("bytes", Kind::Size, "So many bytes."),
        Key::new("until_close", Kind::Bool, "Until the target closes the connection."),
    ],
    rules: &[Rule::ExactlyOne(&["until", "until_line", "bytes", "until_close"])],
    later: &[],
};

static SEND: Section = Section {
    id: "tcp_send",
    title: "`send`",
    keys: &[
        Key::new("hex", Kind::Template, "Bytes in hexadecimal digits, with white space between them or without."),
        Key::new("base64", Kind::Template, "Bytes in base64."),
    ],
    rules: &[Rule::ExactlyOne(&["hex", "base64"])],
    later: &[],
};

static TLS: Section = Section {
    id: "tcp_tls",
    title: "`tls`",
    keys: &[
        Key::new("ca", Kind::File, "PEM file of the roots to trust instead of the machine's."),
        Key::new("client_cert", Kind::File, "PEM file of the client's certificate chain."),
        Key::new("client_key", Kind::File, "PEM file of the client's key."),
        Key::new("min_version", Kind::Choice(&["1.2", "1.3"]), "Oldest version spoken."),
        Key::new("server_name", Kind::Text, "Name sent as SNI and checked in the certificate.").default("the host of `connect`"),
        Key::new("verify", Kind::Bool, "Whether the certificate is checked; `false` draws a warning."),
        Key::new("alpn", Kind::List(&Kind::Text), "Protocols that are offered, the best first."),
    ],
    rules: &[Rule::Needs("client_cert", "client_key"), Rule::Needs("client_key", "client_cert")],
    later: &[],
};
