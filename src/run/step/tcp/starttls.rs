//! What is said in plain text before TLS begins. A new protocol is an arm of [`asked`].
//!
//! A target that says no has failed with `tls`, one that says anything else with `protocol`.

use bytes::Bytes;
use regex::bytes::Regex;

use crate::outcome::Reason;
use crate::plan::StartTls;
use crate::run::step::TransportError;

use super::connection::{Connection, quoted};
use super::progress::Progress;
use super::request::ReadEnd;

/// `SSLRequest`: its length, and a number that is no version.
const POSTGRES: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A reply of SMTP and FTP ends with a line whose number has no `-` behind it.
const NUMBERED: &str = "^[0-9]{3}( |$)";

/// Asks for TLS, which may begin when this has ended well. Returns what the target said first, if it speaks first.
pub(super) async fn asked(
    protocol: StartTls,
    connection: &mut Connection,
    most: usize,
    progress: &Progress,
) -> Result<Option<Bytes>, TransportError> {
    let mut negotiation = Negotiation { protocol: protocol.into(), connection, most, progress };
    let greeting = match protocol {
        StartTls::Smtp => {
            let greeting = negotiation.receive(NUMBERED, &["220"]).await?;
            negotiation.send("EHLO serinus\r\n").await?;
            let offers = negotiation.receive(NUMBERED, &["250"]).await?;
            if !lists_starttls(&offers) {
                return Err(negotiation.refused("it does not offer STARTTLS", &offers));
            }
            negotiation.send("STARTTLS\r\n").await?;
            negotiation.receive(NUMBERED, &["220"]).await?;
            greeting
        }
        StartTls::Ftp => {
            let greeting = negotiation.receive(NUMBERED, &["220"]).await?;
            negotiation.send("AUTH TLS\r\n").await?;
            negotiation.receive(NUMBERED, &["234"]).await?;
            greeting
        }
        StartTls::Imap => {
            let greeting = negotiation.receive("", &["* OK", "* PREAUTH"]).await?;
            negotiation.send("s1 STARTTLS\r\n").await?;
            negotiation.receive("^s1 ", &["s1 OK"]).await?;
            greeting
        }
        StartTls::Pop3 => {
            let greeting = negotiation.receive("", &["+OK"]).await?;
            negotiation.send("STLS\r\n").await?;
            negotiation.receive("", &["+OK"]).await?;
            greeting
        }
        StartTls::Postgres => {
            negotiation.connection.write(&POSTGRES, progress, Progress::wrote_negotiation).await?;
            let answer = negotiation.connection.read(&ReadEnd::Bytes(1), most, progress).await?;
            return match &answer[..] {
                b"S" => Ok(None),
                b"N" | b"E" => Err(negotiation.refused("it does not take TLS", &answer)),
                _ => Err(negotiation.strange(&answer)),
            };
        }
    };
    Ok(Some(greeting))
}

/// Whether a reply to EHLO names the extension, in whatever capitals.
fn lists_starttls(reply: &[u8]) -> bool {
    reply
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.get(4..))
        .any(|word| word.trim_ascii().eq_ignore_ascii_case(b"STARTTLS"))
}

struct Negotiation<'a> {
    protocol: &'static str,
    connection: &'a mut Connection,
    most: usize,
    progress: &'a Progress,
}

impl Negotiation<'_> {
    async fn send(&mut self, text: &str) -> Result<(), TransportError> {
        self.connection.write(text.as_bytes(), self.progress, Progress::wrote_negotiation).await
    }

    /// Reads a reply, whose last line matches `last`; that line must begin with one of `wanted`.
    async fn receive(&mut self, last: &str, wanted: &[&str]) -> Result<Bytes, TransportError> {
        let last = Regex::new(last).map_err(|error| self.progress.failure(Reason::Internal, error.to_string()))?;
        let reply = self.connection.read(&ReadEnd::Line(last), self.most, self.progress).await?;
        let line = reply.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let begins = |words: &str| line.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words.as_bytes()));
        if wanted.iter().any(|words| begins(words)) {
            return Ok(reply);
        }
        let is_reply = line.first().is_some_and(u8::is_ascii_digit) || ["-ERR", "s1 ", "* BYE"].iter().any(|words| begins(words));
        Err(if is_reply { self.refused("it does not begin TLS", &reply) } else { self.strange(&reply) })
    }

    fn refused(&self, what: &str, reply: &[u8]) -> TransportError {
        self.progress.failure(Reason::Tls, format!("{what}: it answered {}", quoted(reply)))
    }

    fn strange(&self, reply: &[u8]) -> TransportError {
        self.progress.failure(Reason::Protocol, format!("it does not speak {}: it answered {}", self.protocol, quoted(reply)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_a_line_of_its_own() {
        assert!(lists_starttls(b"250-mail\r\n250-SIZE 1\r\n250 starttls\r\n"));
        assert!(!lists_starttls(b"250-mail\r\n250 XSTARTTLS\r\n") && !lists_starttls(b"250 no STARTTLS here\r\n"));
    }
}
