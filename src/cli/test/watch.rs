//! `serinus test --watch`: runs again whenever a file changes that the last round read.

use std::path::PathBuf;

use crate::app::FileWatch;
use crate::cli::Exit;
use crate::cli::exit::Failure;
use crate::cli::style::printable;

use super::{Ended, Test};

/// Runs, waits for a change, and runs again, until somebody asks to stop. Ends as the last round did. What is not valid is said, and a
/// later change may mend it.
pub(super) async fn watch(test: &mut Test<'_>) -> Result<Exit, Failure> {
    let mut files = FileWatch::default();
    loop {
        files.about_to_read();
        let mut read = Vec::new();
        let round = test.round(&mut read).await;
        files.have_read(read);
        let exit = match round {
            Ok(Ended { exit, stopped: true }) => return Ok(exit),
            Ok(Ended { exit, stopped: false }) => exit,
            Err(failure) if failure.exit == Exit::Usage && !files.is_empty() => {
                test.printer.error(&failure.message);
                failure.exit
            }
            Err(failure) => return Err(failure),
        };
        if test.printer.closed() {
            return Ok(exit);
        }
        test.printer.note(&format!("watching {}; Ctrl-C ends it", counted(files.len())));
        tokio::select! {
            changed = files.changed() => test.printer.note(&format!("\n{} changed", named(&changed))),
            () = test.signals.next() => return Ok(exit),
        }
    }
}

fn counted(files: usize) -> String {
    format!("{files} file{}", if files == 1 { "" } else { "s" })
}

/// `probes/order.toml and 2 more`.
fn named(files: &[PathBuf]) -> String {
    let Some((first, others)) = files.split_first() else { return "a file".to_owned() };
    let first = first.display().to_string();
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    format!("{}{more}", printable(&first))
}
