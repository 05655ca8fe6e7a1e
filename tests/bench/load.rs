//! How long a configuration takes to load, and what it weighs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serinus::config;

use crate::files::{self, Shape};
use crate::process::{Role, resident, say};

/// What loading a configuration took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Load {
    /// From the paths to the plan, in milliseconds, the files in the page cache.
    pub millis: f64,
    /// Memory in RAM that came with it, in bytes.
    pub bytes: u64,
}

/// The role: loads the service's file once.
pub(crate) fn role(file: &Path) {
    let before = resident(std::process::id());
    let began = Instant::now();
    let loaded = config::load(file, []);
    let millis = began.elapsed().as_secs_f64() * 1e3;
    assert!(loaded.service.is_some(), "the configuration is valid: {}", loaded.diagnostics.render(false));
    say(&Load { millis, bytes: resident(std::process::id()).saturating_sub(before) });
}

/// Loads a configuration of this shape, each time in a new process.
pub(crate) fn measure(directory: &Path, shape: Shape, rounds: usize) -> Vec<Load> {
    let file: PathBuf = files::write(directory, shape, "http://127.0.0.1:9", "http://127.0.0.1:9");
    (0..rounds).map(|_| Role::start("load", &file).hear()).collect()
}
