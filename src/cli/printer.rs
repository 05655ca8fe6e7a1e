//! The one place that writes to standard output and standard error.
//!
//! Owns the rule "data on stdout, notes on stderr", whether there is colour, progress lines, and what happens when the reader
//! goes away (`serinus test … | head`): later output is dropped without an error, and [`Printer::closed`] lets a command end early.
//! After any other write error the command ends with [`Exit::Prober`](super::exit::Exit::Prober).

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::outcome::visible_block;

use super::args::ColorChoice;
use super::progress::Progress;
use super::style::{Style, colour};

/// Width assumed where there is no terminal.
const DEFAULT_WIDTH: usize = 120;

/// Writes what a command has to say.
pub(crate) struct Printer {
    stdout: Stream,
    stderr: Stream,
}

struct Stream {
    out: Mutex<Out>,
    style: Style,
    terminal: bool,
}

struct Out {
    writer: Box<dyn Write + Send>,
    state: State,
}

enum State {
    Open,
    /// The reader went away.
    Closed,
    Broken(io::Error),
}

impl Printer {
    /// A printer on the process's own streams.
    pub(crate) fn new(choice: ColorChoice) -> Self {
        let (no_color, term) = (std::env::var_os("NO_COLOR"), std::env::var_os("TERM"));
        let style = |terminal| Style { colour: colour(choice, terminal, no_color.as_deref(), term.as_deref()) };
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            stdout: Stream::new(Box::new(io::stdout()), style(stdout), stdout),
            stderr: Stream::new(Box::new(io::stderr()), style(stderr), stderr),
        }
    }

    /// Writes data: the line or lines the command was asked for.
    pub(crate) fn data(&self, text: &str) {
        self.stdout.write(text, true);
    }

    /// Writes a part of a full-screen view, exactly as given.
    pub(crate) fn frame(&self, text: &str) {
        self.stdout.write(text, false);
    }

    /// Says something beside the data.
    pub(crate) fn note(&self, text: &str) {
        self.stderr.write(text, true);
    }

    /// Says what went wrong.
    pub(crate) fn error(&self, text: &str) {
        let style = self.stderr.style;
        // It may quote an argument, a path or what a service said.
        self.note(&format!("{} {}", style.bad("error:"), visible_block(text)));
    }

    /// Shows on a terminal that work is going on, from one second on, until the answer is dropped.
    pub(crate) fn progress(&self, what: impl Into<String>) -> Option<Progress> {
        self.stderr.terminal.then(|| Progress::start(what.into()))
    }

    /// How data is painted.
    pub(crate) fn style(&self) -> Style {
        self.stdout.style
    }

    /// How notes are painted.
    pub(crate) fn note_style(&self) -> Style {
        self.stderr.style
    }

    /// Whether data goes to a terminal, where it may be redrawn.
    pub(crate) fn on_terminal(&self) -> bool {
        self.stdout.terminal
    }

    /// Columns and, on a terminal, rows to draw in.
    pub(crate) fn size(&self) -> (usize, Option<usize>) {
        let measured = self.stdout.terminal.then(terminal_size::terminal_size).flatten();
        measured.map_or((DEFAULT_WIDTH, None), |(width, height)| (usize::from(width.0), Some(usize::from(height.0))))
    }

    /// Whether whoever read the data has gone, so that making more of it is useless.
    pub(crate) fn closed(&self) -> bool {
        !matches!(self.stdout.lock().state, State::Open)
    }

    /// The error that kept data from being written, other than the reader having gone.
    pub(crate) fn failure(&self) -> Option<String> {
        match &self.stdout.lock().state {
            State::Open | State::Closed => None,
            State::Broken(error) => Some(error.to_string()),
        }
    }
}

impl Stream {
    fn new(writer: Box<dyn Write + Send>, style: Style, terminal: bool) -> Self {
        Self { out: Mutex::new(Out { writer, state: State::Open }), style, terminal }
    }

    fn lock(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, text: &str, line: bool) {
        let mut out = self.lock();
        if !matches!(out.state, State::Open) {
            return;
        }
        let missing = if line && !text.ends_with('\n') { "\n" } else { "" };
        let written = out
            .writer
            .write_all(text.as_bytes())
            .and_then(|()| out.writer.write_all(missing.as_bytes()))
            .and_then(|()| out.writer.flush());
        out.state = match written {
            Ok(()) => State::Open,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => State::Closed,
            Err(error) => State::Broken(error),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink {
        written: Arc<Mutex<Vec<u8>>>,
        fails: Option<io::ErrorKind>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(kind) = self.fails {
                return Err(kind.into());
            }
            self.written.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printer(stdout: &Sink, stderr: &Sink) -> Printer {
        let stream = |sink: &Sink| Stream::new(Box::new(sink.clone()), Style::PLAIN, false);
        Printer { stdout: stream(stdout), stderr: stream(stderr) }
    }

    fn text(sink: &Sink) -> String {
        String::from_utf8(sink.written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn data_goes_to_stdout_and_talk_to_stderr_each_ending_its_line() {
        let (stdout, stderr) = (Sink::default(), Sink::default());
        let printer = printer(&stdout, &stderr);
        printer.data("a");
        printer.data("b\n");
        printer.note("t");
        printer.error("e");
        assert_eq!((text(&stdout), text(&stderr)), ("a\nb\n".to_owned(), "t\nerror: e\n".to_owned()));
        assert!(!printer.closed());
    }

    #[test]
    fn a_reader_that_went_away_closes_quietly_and_any_other_error_is_kept() {
        let gone = printer(&Sink { fails: Some(io::ErrorKind::BrokenPipe), ..Sink::default() }, &Sink::default());
        gone.data("x");
        assert!(gone.closed());
        assert_eq!(gone.failure(), None);

        let full = printer(&Sink { fails: Some(io::ErrorKind::StorageFull), ..Sink::default() }, &Sink::default());
        full.data("x");
        assert!(full.closed());
        assert!(full.failure().is_some());
    }

    #[test]
    fn there_is_no_progress_where_there_is_no_terminal() {
        assert!(printer(&Sink::default(), &Sink::default()).progress("waiting").is_none());
    }
}
