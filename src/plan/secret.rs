//! Where secrets come from. The values live elsewhere, so that a plan can be printed.

use std::path::PathBuf;

/// A source of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable's name.
    Env(String),
    /// A file; one trailing line break is not part of the secret.
    File(PathBuf),
}
