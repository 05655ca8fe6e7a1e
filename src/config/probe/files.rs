//! Probe files, read side by side: each thread takes the next that nobody has read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::Diagnostics;
use super::super::cross::Claim;
use super::super::file;
use super::super::find::neighbour;
use super::super::world::World;
use super::Draft;

/// What came of one file.
type Read = (Option<Claim>, Option<Draft>, Diagnostics);

/// The probe files to read.
pub(in crate::config) struct Work<'w> {
    pub(in crate::config) paths: &'w [PathBuf],
    pub(in crate::config) given: bool,
    pub(in crate::config) world: &'w World,
    pub(in crate::config) given_up: &'w (dyn Fn() -> bool + Sync),
}

/// Reads them all, on several threads where there are many.
pub(in crate::config) fn read_all(work: &Work<'_>, diagnostics: &mut Diagnostics) -> (Vec<Claim>, Vec<Draft>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(work.paths.len() / 16 + 1);
    let next = AtomicUsize::new(0);
    let read = || {
        let mut done: Vec<(usize, Read)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = work.paths.get(at).filter(|_| !(work.given_up)()) else { return done };
            done.push((at, read_one(path, work.given, work.world)));
        }
    };
    let mut done: Vec<(usize, Read)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(read)).collect();
        let mut done = read();
        for worker in workers {
            match worker.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    let mut claims = Vec::new();
    let mut drafts = Vec::new();
    for (_, (claim, draft, found)) in done {
        diagnostics.append(found);
        claims.extend(claim);
        drafts.extend(draft);
    }
    (claims, drafts)
}

fn read_one(path: &Path, given: bool, world: &World) -> Read {
    let mut diagnostics = Diagnostics::default();
    match file::source(path, given) {
        Ok(file) => {
            let (claim, draft) = super::read(&Arc::new(file), world, &mut diagnostics);
            diagnostics.cut();
            (claim, draft, diagnostics)
        }
        Err(diagnostic) => {
            let mut diagnostic = *diagnostic;
            if let Some(near) = neighbour(path) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
            (None, None, diagnostics)
        }
    }
}
