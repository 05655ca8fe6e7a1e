//! Keys of programs that steps run.

use super::super::declaration::{Key, Section};
use super::super::section::{DeclaredSection, Field, List, Map, section, sentence};
use super::super::value_kind::{Default, Template, Text, Value};

section! {
    /// A program and what it is given.
    Exec as ExecKeys: "exec", "`exec`" {
        /// The program and its arguments, each an item of its own; the program is an absolute path, or a
        /// name that is looked for in the `PATH` it is given.
        command: List<Template> [required],
        /// What it can read from its standard input.
        stdin: Template,
        /// Variables of its environment, which has no others but those of `inherit`.
        env: Map<Template>,
        /// Names of variables that it gets from the prober's own environment.
        inherit: List<Text> = [],
        /// Where it is run, an absolute path.
        directory: Template [default "\"/\""],
    }
}
