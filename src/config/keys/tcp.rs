//! Keys of what a step sends and reads over a TCP connection.

use crate::plan::{MinTls, StartTls};

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{DeclaredSection, Field, List, Table, TableOr, section, sentence, words};
use super::super::value_kind::{Bool, Choice, Default, File, Size, Template, Text, Value, Words};

section! {
    /// An exchange.
    Tcp as TcpKeys: "tcp", "`tcp`" {
        /// Where a new connection leads: "HOST:PORT", an address of IPv6 in brackets.
        connect: Template,
        /// Its name for later steps of the device, or that of one they opened.
        connection: Template [over "default"],
        /// Begins TLS as this protocol does, after what it says in plain text.
        starttls: Choice<StartTls>,
        /// TLS from the first byte, or from here on; settings over those of the device.
        tls: TableOr<TcpTls, Bool> [over false],
        /// What is read before anything is sent.
        greeting: Table<TcpRead>,
        /// Text that is sent, or bytes.
        send: TableOr<TcpSend, Template>,
        /// How far the answer is read; without it nothing is.
        read: Table<TcpRead>,
        /// Closes the connection afterwards; otherwise later steps can go on with it.
        close: Bool = false,
        /// Bytes read at once before the attempt fails.
        max_response: Size [default "`limits.response_bytes`"],
    }
    rules: &[
        Rule::Needs("starttls", "connect"),
        Rule::Needs("greeting", "connect"),
        Rule::AtMostOne(&["starttls", "greeting"]),
    ];
}

section! {
    /// How far is read.
    TcpRead as TcpReadKeys: "tcp_read", "what is read" {
        /// Up to the end of this text.
        until: Template,
        /// Line by line, up to one that this regular expression matches.
        until_line: Text,
        /// So many bytes.
        bytes: Size,
        /// Until the target closes the connection.
        until_close: Bool,
    }
    rules: &[Rule::ExactlyOne(&["until", "until_line", "bytes", "until_close"])];
}

section! {
    /// Bytes that are sent.
    TcpSend as TcpSendKeys: "tcp_send", "`send`" {
        /// Bytes in hexadecimal digits, with white space between them or without.
        hex: Template,
        /// Bytes in base64.
        base64: Template,
    }
    rules: &[Rule::ExactlyOne(&["hex", "base64"])];
}

section! {
    /// TLS settings of a step.
    TcpTls as TcpTlsKeys: "tcp_tls", "`tls`" {
        /// PEM file of the roots to trust instead of the machine's.
        ca: File,
        /// PEM file of the client's certificate chain.
        client_cert: File,
        /// PEM file of the client's key.
        client_key: File,
        /// Oldest version spoken.
        min_version: Choice<MinTls>,
        /// Name sent as SNI and checked in the certificate.
        server_name: Text [default "the host of `connect`"],
        /// Whether the certificate is checked; `false` draws a warning.
        verify: Bool,
        /// Protocols that are offered, the best first.
        alpn: List<Text>,
    }
    rules: &[Rule::Needs("client_cert", "client_key"), Rule::Needs("client_key", "client_cert")];
}

words! {
    StartTls { "smtp" => Smtp, "imap" => Imap, "pop3" => Pop3, "ftp" => Ftp, "postgres" => Postgres }
}
