//! Probe files, read by several threads: each takes the next unread file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::Diagnostics;
use super::super::context::ServiceContext;
use super::super::cross::ProbeMetadata;
use super::super::file;
use super::super::find::neighbour;
use super::ParsedProbe;

/// What came of one file.
type FileResult = (Option<ProbeMetadata>, Option<ParsedProbe>, Diagnostics);

/// The probe files to read.
pub(in crate::config) struct ProbeFiles<'w> {
    pub(in crate::config) paths: &'w [PathBuf],
    pub(in crate::config) given: bool,
    pub(in crate::config) context: &'w ServiceContext,
    pub(in crate::config) is_cancelled: &'w (dyn Fn() -> bool + Sync),
}

/// Reads them all, on several threads where there are many.
pub(in crate::config) fn read_all(
    files: &ProbeFiles<'_>,
    diagnostics: &mut Diagnostics,
) -> (Vec<ProbeMetadata>, Vec<ParsedProbe>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.paths.len() / 16 + 1);
    let next = AtomicUsize::new(0);
    let read = || {
        let mut done: Vec<(usize, FileResult)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.paths.get(at).filter(|_| !(files.is_cancelled)()) else { return done };
            done.push((at, read_one(path, files.given, files.context)));
        }
    };
    let mut done: Vec<(usize, FileResult)> = std::thread::scope(|scope| {
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
    let mut metadata = Vec::new();
    let mut parsed = Vec::new();
    for (_, (own_metadata, probe, found)) in done {
        diagnostics.append(found);
        metadata.extend(own_metadata);
        parsed.extend(probe);
    }
    (metadata, parsed)
}

fn read_one(path: &Path, given: bool, context: &ServiceContext) -> FileResult {
    let mut diagnostics = Diagnostics::default();
    match file::source(path, given) {
        Ok(file) => {
            let (metadata, parsed) = super::read(&Arc::new(file), context, &mut diagnostics);
            diagnostics.truncate();
            (metadata, parsed, diagnostics)
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
