//! Watching the configuration's files, by asking the system how they stand once a second: that sees alike what editors rename,
//! orchestrators link, mounts exchange and network drives bring, and costs a few microseconds a file.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::files::Stamps;
use super::reload::Reloader;

/// How often is looked. Files that change are read once two looks found them the same: writing them takes more than one step.
const ROUND: Duration = Duration::from_secs(1);

/// A watch that ends when it is dropped.
pub(super) struct Watch {
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    /// Reloads whenever a file of the configuration has changed, went or came.
    pub(super) fn start(reloader: Arc<Reloader>) -> Self {
        Self { task: tokio::spawn(follow(reloader)) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(reloader: Arc<Reloader>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        rounds.tick().await;
        let reloader = Arc::clone(&reloader);
        // A panic has been printed, and the next round looks again.
        before = tokio::task::spawn_blocking(move || look(&reloader, before.as_ref())).await.unwrap_or_default();
    }
}

/// Reloads if files stand otherwise than when they were read, and as in the round before. Returns how they stand if they differ.
fn look(reloader: &Reloader, before: Option<&Stamps>) -> Option<Stamps> {
    let now = reloader.changed()?;
    if before != Some(&now) {
        return Some(now);
    }
    reloader.reload_if_changed();
    None
}
