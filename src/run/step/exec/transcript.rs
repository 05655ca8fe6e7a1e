//! A program as text for a report: redacted first, then cut.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::outcome::{Redactor, TextKind, Transcript, is_credential, mask_credentials, visible_block};

use super::command::ExecCommand;

/// Bytes of each text that a report keeps.
const TEXT: usize = 4 << 10;

/// Bytes that are searched for secrets: more than are kept, so that a secret at the cut is found whole.
const LOOKED_AT: usize = 64 << 10;

/// Bytes of a variable's value that a report keeps.
const VALUE: usize = 512;

/// Bytes of the command in one line.
const LINE: usize = 512;

/// The command in one line, such as `/usr/bin/backup-check --id 7`, for people to read and for nobody to run.
pub(super) fn asked(command: &ExecCommand, redactor: &Redactor) -> String {
    let mut line = String::new();
    let mut names_credential = false;
    for word in &command.words {
        let shown = if names_credential { Redactor::MASK.into() } else { shown_word(word, redactor) };
        // `--password x`
        names_credential = word.starts_with('-') && is_credential(word);
        let space = if line.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{space}{}", quoted(&shown));
        if line.len() > LINE {
            line.truncate(line.floor_char_boundary(LINE));
            line.push('…');
            break;
        }
    }
    line
}

/// The start of the word, at most a line long, without secrets.
fn shown_word<'w>(word: &'w str, redactor: &Redactor) -> Cow<'w, str> {
    let (shown, _) = redactor.redact_start(word, LINE, TextKind::Text);
    mask_credentials(&shown).into_owned().into()
}

fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:=,+@%•".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.into() } else { format!("'{word}'").into() }
}

/// What a program was given, and what it said.
pub(super) fn render(command: &ExecCommand, (stdout, stderr): (&[u8], &[u8]), redactor: &Redactor) -> Transcript {
    let mut text_of = TranscriptText { redactor, truncated: false };
    let mut sent = String::new();
    for name in &command.inherit {
        let _ = writeln!(sent, "{name} (inherited)");
    }
    for (name, value) in &command.env {
        let value =
            if is_credential(name) { Redactor::MASK.to_owned() } else { text_of.text(value.as_bytes(), VALUE, TextKind::Text) };
        let _ = writeln!(sent, "{name}={value}");
    }
    if let Some(stdin) = &command.stdin {
        let space = if sent.is_empty() { "" } else { "\n" };
        let _ = write!(sent, "{space}{}", text_of.text(stdin.as_bytes(), TEXT, TextKind::Body));
    }
    let mut received = String::new();
    for (name, bytes) in [("stdout", stdout), ("stderr", stderr)].into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        if !received.is_empty() && !received.ends_with('\n') {
            received.push('\n');
        }
        let _ = write!(received, "[{name}]\n{}", text_of.text(bytes, TEXT, TextKind::Body));
    }
    Transcript { sent, received, truncated: text_of.truncated }
}

struct TranscriptText<'r> {
    redactor: &'r Redactor,
    truncated: bool,
}

impl TranscriptText<'_> {
    fn text(&mut self, bytes: &[u8], most: usize, kind: TextKind) -> String {
        let looked_at = &bytes[..bytes.len().min(LOOKED_AT)];
        let is_whole = looked_at.len() == bytes.len();
        let (text, was_cut) = self.redactor.redact_start(&String::from_utf8_lossy(looked_at), most, kind);
        self.truncated |= was_cut || !is_whole;
        if !is_whole && !was_cut {
            // So much was masked that the end of the text would be shown, where a secret may begin that was cut.
            return Redactor::MASK.to_owned();
        }
        // What is spelled out takes more room.
        let text = visible_block(&text);
        let start = &text[..text.floor_char_boundary(most)];
        self.truncated |= start.len() < text.len();
        mask_credentials(start).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Secret;

    fn command(words: &[&str]) -> ExecCommand {
        ExecCommand {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            stdin: Some("{\"a\": \"hunter2-hunter2\"}".to_owned()),
            env: [("API_TOKEN", "of-no-list"), ("MODE", "hunter2-hunter2 x")]
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            inherit: vec!["LANG".to_owned()],
            directory: "/".to_owned(),
        }
    }

    fn redactor() -> Redactor {
        Redactor::new([&Secret::new("hunter2-hunter2")])
    }

    #[test]
    fn the_line_has_no_secret_nor_what_an_option_calls_a_credential() {
        let line = |words: &[&str]| asked(&command(words), &redactor());
        assert_eq!(line(&["/bin/x", "--id", "7", "a b", ""]), "/bin/x --id 7 'a b' ''");
        assert_eq!(
            line(&["x", "-p", "hunter2-hunter2", "--token", "abc", "--password=abc"]),
            "x -p ••• --token ••• --password=•••"
        );
        assert_eq!(line(&["x", "aHVudGVyMi1odW50ZXIy"]), "x •••", "in base64");
        let long = line(&["x", &"y".repeat(10_000)]);
        assert!(long.len() <= LINE + "…".len() && long.ends_with('…'), "{long}");
    }

    #[test]
    fn what_it_was_given_and_said_is_redacted_and_cut() {
        let drawn = render(&command(&["x"]), (b"hunter2-hunter2 \x1b[2J\xff", b"no"), &redactor());
        assert_eq!(drawn.sent, "LANG (inherited)\nAPI_TOKEN=•••\nMODE=••• x\n\n{\"a\": \"•••\"}");
        assert_eq!(drawn.received, "[stdout]\n••• \\u001b[2J\u{fffd}\n[stderr]\nno");
        assert!(!drawn.truncated);
        let large = vec![b'x'; 1 << 20];
        let drawn = render(&command(&["x"]), (&large, b""), &redactor());
        assert!(drawn.truncated && drawn.received.len() <= TEXT + 20);
    }
}
