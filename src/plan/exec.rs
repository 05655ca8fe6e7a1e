//! The exec step kind: a program of the prober's machine that is run, and what it is given.

use super::Template;

/// What expressions can know of a program that ended.
pub(super) const RESULT_NAMES: &[&str] = &["exit_code", "signal", "stdout", "stderr", "json", "lines", "latency", "phases"];

/// One run of a program. There is no shell: each argument is one word, whatever is in it.
#[derive(Debug)]
pub struct ExecAction {
    /// An absolute path, or a name that is looked for in the `PATH` that the program is given.
    pub program: Template,
    /// What comes after it.
    pub arguments: Vec<Template>,
    /// What it can read; nothing if absent.
    pub stdin: Option<Template>,
    /// Variables of its environment.
    pub env: Vec<(String, Template)>,
    /// Variables of the prober's own environment that it gets as well. It gets no others.
    pub inherit: Vec<String>,
    /// Where it is run; `/` if absent.
    pub directory: Option<Template>,
}
