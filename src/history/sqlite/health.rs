//! How the file fares, as the writer, readers, the inspection and metrics tell each other.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// What is known of the file.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Ascends whenever readers must connect anew.
    pub(super) epoch: AtomicU64,
    /// Changes with each transaction.
    pub(super) written: watch::Sender<u64>,
    /// Whether writing fails since the last try.
    pub(super) stuck: AtomicBool,
    /// Whether somebody has met damage that the writer has not looked at yet.
    pub(super) suspect: AtomicBool,
    /// What a damaged file was renamed to, the last one if there were several.
    pub(super) damaged: Mutex<Option<PathBuf>>,
}

impl Health {
    /// Notes that a damaged file was set aside, if one was.
    pub(super) fn set_aside(&self, damaged: Option<PathBuf>) {
        if damaged.is_some() {
            *self.damaged.lock().unwrap_or_else(PoisonError::into_inner) = damaged;
        }
    }
}
