//! The TCP step kind: how a connection is opened, what is sent over it and what is read from it.

use regex::bytes::Regex;
use url::Host;

use super::{MinTls, Pem, Template, TlsSettings};

/// What expressions can know of an exchange.
pub(super) const RESULT_NAMES: &[&str] =
    &["received", "received_hex", "bytes", "json", "greeting", "remote", "tls", "latency", "phases"];

/// One exchange over a connection, made in the order of these fields: it is opened or taken up, TLS begins, a greeting is read,
/// something is sent, an answer is read, the connection is closed.
#[derive(Debug)]
pub struct TcpAction {
    /// The name under which the device keeps the connection.
    pub connection: Option<Template>,
    /// Where a new one leads, `HOST:PORT`; without it that of an earlier step is taken up.
    pub connect: Option<Template>,
    /// TLS begins by what this protocol says in plain text.
    pub starttls: Option<StartTls>,
    /// TLS begins at once, or with these settings after `starttls`.
    pub tls: Option<TlsChanges>,
    /// What is read before anything is sent.
    pub greeting: Option<Until>,
    /// What is sent.
    pub send: Option<Payload>,
    /// What is read as the answer.
    pub read: Option<Until>,
    /// Whether no later step takes the connection up.
    pub close: bool,
    /// Overrides `limits.response_bytes`.
    pub response_bytes: Option<usize>,
}

/// Bytes that are sent.
#[derive(Debug)]
pub enum Payload {
    /// The text's own.
    Text(Template),
    /// Those that hexadecimal digits spell; white space between them means nothing.
    Hex(Template),
    /// Those that base64 spells (RFC 4648, section 4).
    Base64(Template),
}

impl Payload {
    /// What is filled in.
    pub fn template(&self) -> &Template {
        let (Self::Text(template) | Self::Hex(template) | Self::Base64(template)) = self;
        template
    }

    /// The bytes that `text`, which was filled in, stands for.
    ///
    /// # Errors
    /// Says why it stands for none.
    pub fn bytes(&self, text: String) -> Result<Vec<u8>, String> {
        use base64::Engine as _;
        match self {
            Self::Text(_) => Ok(text.into_bytes()),
            Self::Hex(_) => from_hex(&text),
            Self::Base64(_) => base64::engine::general_purpose::STANDARD
                .decode(text.trim())
                .map_err(|error| format!("it is not base64, padded with `=`: {error}")),
        }
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.chars().filter(|character| !character.is_whitespace()).map(|character| {
        let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        digit.ok_or_else(|| format!("{character:?} is no hexadecimal digit"))
    });
    let digits: Vec<u8> = digits.collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err("a byte has two hexadecimal digits, and the last one has one".to_owned());
    }
    Ok(digits.chunks_exact(2).map(|byte| byte[0] << 4 | byte[1]).collect())
}

/// How far is read.
#[derive(Debug)]
pub enum Until {
    /// Up to the end of this text.
    Text(Template),
    /// Line by line, up to one that matches. Its line break is not looked at.
    Line(Regex),
    /// So many bytes.
    Bytes(usize),
    /// To the end, which is when the target closes the connection.
    Close,
}

/// A protocol that begins TLS within a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StartTls {
    /// RFC 3207.
    Smtp,
    /// RFC 9051, section 6.2.1.
    Imap,
    /// RFC 2595, section 4.
    Pop3,
    /// RFC 4217.
    Ftp,
    /// `SSLRequest` of PostgreSQL's protocol.
    Postgres,
}

/// What a step says of TLS, over its device's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsChanges {
    /// Trust these roots.
    pub ca: Option<Pem>,
    /// Client certificate chain and key.
    pub client: Option<(Pem, Pem)>,
    /// Oldest version spoken.
    pub min_version: Option<MinTls>,
    /// Name sent as SNI and checked in the certificate.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure: Option<bool>,
    /// Protocols that are offered (ALPN), the best first.
    pub alpn: Vec<String>,
}

impl TlsChanges {
    /// The device's settings with what the step says.
    pub fn over(&self, device: &TlsSettings) -> TlsSettings {
        TlsSettings {
            ca: self.ca.clone().or_else(|| device.ca.clone()),
            client: self.client.clone().or_else(|| device.client.clone()),
            min_version: self.min_version.unwrap_or(device.min_version),
            server_name: self.server_name.clone().or_else(|| device.server_name.clone()),
            insecure: self.insecure.unwrap_or(device.insecure),
        }
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpTarget {
    /// A name in lower case, or an address.
    pub host: Host<String>,
    /// The port, never 0.
    pub port: u16,
}

impl TcpTarget {
    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("a port is missing: write it as \"mail.example.com:587\"")?;
        let digits = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port > 0);
        let port = port.ok_or("its port is no number from 1 to 65535: write it as \"mail.example.com:587\"")?;
        let host = Host::parse(host).map_err(|error| {
            format!(
                "its host cannot be read ({error}): it is a name or an address, those of IPv6 in brackets: \"[2001:db8::1]:587\""
            )
        })?;
        Ok(Self { host, port })
    }
}

impl std::fmt::Display for TcpTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::super::expr::testing::here;
    use super::*;

    fn hex(text: &str) -> Result<Vec<u8>, String> {
        Payload::Hex(Template::parse("", here()).unwrap()).bytes(text.to_owned())
    }

    #[test]
    fn a_target_is_a_host_and_a_port_and_nothing_that_captured_text_could_add() {
        let shown = |text: &str| TcpTarget::parse(text).map(|target| target.to_string());
        assert_eq!(shown("Mail.Example:587").unwrap(), "mail.example:587");
        assert_eq!(shown("[::1]:25").unwrap(), "[::1]:25");
        assert_eq!(shown("127.0.0.1:1").unwrap(), "127.0.0.1:1");
        for wrong in [
            "mail",
            ":25",
            "mail:",
            "mail:0",
            "mail:+25",
            "mail:65536",
            "::1:25",
            "a b:25",
            "a/b:25",
            "u@a:25",
            "a:1:25",
            "a\r\n:25",
        ] {
            assert!(TcpTarget::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_are_spelled_in_hexadecimal_digits_with_white_space_between_them() {
        assert_eq!(hex("00 0a\nFF").unwrap(), [0, 10, 255]);
        assert!(hex("").unwrap().is_empty());
        assert!(hex("0").is_err() && hex("0g").is_err() && hex("+1").is_err());
    }
}
