//! The terminal: taken over, and given back however the command ends.
//!
//! This and the printer are all that writes to standard output. The terminal is given back when [`TerminalGuard`] is dropped, and by
//! the hook of a panic, whose message would otherwise be lost with the screen.

use std::io::{self, IsTerminal as _, Stdout};

use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use crossterm::execute;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::exit::Failure;

/// Events of the terminal that wait to be looked at.
const WAITING: usize = 64;

/// A terminal that was taken over.
pub(super) struct TerminalGuard {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl TerminalGuard {
    /// Takes it over.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn take() -> Result<Self, Failure> {
        let terminal = ratatui::try_init().map_err(|error| {
            ratatui::restore();
            Failure::prober(format!("the terminal cannot be taken over: {error}"))
        })?;
        // What is pasted is one text then, and not keys that acknowledge something. Not every terminal can do that.
        let _ = execute!(io::stdout(), EnableBracketedPaste);
        Ok(Self { terminal })
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        ratatui::restore();
    }
}

/// Says so where there is no terminal to take over.
pub(super) fn require_terminal() -> Result<(), Failure> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("`top` needs a terminal to draw on; `serinus status` prints how things stand once"))
}

/// What is typed, and changes of the terminal's size. The thread that reads them ends with the process.
pub(super) fn events() -> mpsc::Receiver<Event> {
    let (tell, told) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
    told
}

/// The signals that end a command.
pub(super) struct EndSignals([Signal; 3]);

impl EndSignals {
    /// From now on they end the command, instead of the process.
    pub(super) fn listen() -> Result<Self, Failure> {
        let all = || {
            let of = |kind| signal(kind);
            Ok([of(SignalKind::terminate())?, of(SignalKind::hangup())?, of(SignalKind::interrupt())?])
        };
        all().map(Self).map_err(|error: io::Error| Failure::prober(format!("signals cannot be handled: {error}")))
    }

    /// Resolves with the first of them.
    pub(super) async fn any(&mut self) {
        let [terminate, hangup, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
