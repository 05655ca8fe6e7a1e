//! Watching the configuration's files: editors rename and orchestrators swap links, so it is the folders that are watched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::reload::Reloader;

/// How long nothing must happen before files that change are read: writing them takes more than one step.
const SETTLED: Duration = Duration::from_millis(300);

/// A watch that ends when it is dropped.
pub(super) struct Watch {
    _watcher: RecommendedWatcher,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Reloads whenever a file of the configuration has changed, or one was added beside them. `None` if the system cannot watch, which
    /// is logged: a hang-up still reloads.
    pub(super) fn start(reloader: Arc<Reloader>) -> Option<Self> {
        let (told, changes) = mpsc::unbounded_channel();
        let tell = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(|path| is_configuration(path))) {
                // The task is gone only when the watch is.
                let _ = told.send(());
            }
        };
        let watcher = notify::recommended_watcher(tell).and_then(|mut watcher| {
            for folder in folders(&reloader.files()) {
                watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        match watcher {
            Ok(watcher) => Some(Self { _watcher: watcher, task: tokio::spawn(follow(reloader, changes)) }),
            Err(error) => {
                tracing::warn!(%error, "the configuration's files cannot be watched; SIGHUP or `serinus reload` read them again");
                None
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(reloader: Arc<Reloader>, mut changes: mpsc::UnboundedReceiver<()>) {
    while changes.recv().await.is_some() {
        while let Ok(Some(())) = tokio::time::timeout(SETTLED, changes.recv()).await {}
        let reloader = Arc::clone(&reloader);
        // A panic has been printed, and the next change is read again.
        let _read = tokio::task::spawn_blocking(move || reloader.reload_if_changed()).await;
    }
}

/// The store writes into its folder all the time, which may be the same one.
fn is_configuration(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("..") || [".toml", ".json", ".pem", ".crt"].iter().any(|end| name.ends_with(end))
}

fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let folder = |file: &PathBuf| match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Some(parent.to_owned()),
        Some(_) | None => Some(PathBuf::from(".")),
    };
    files.iter().filter_map(folder).filter(|folder| folder.is_dir()).collect()
}
