//! Keys of programs that steps run.

use super::super::shape::{Key, Kind, Section};

/// A program and what it is given.
pub(super) static EXEC: Section = Section {
    id: "exec",
    title: "`exec`",
    keys: &[
        Key::new(
            "command",
            Kind::List(&Kind::Template),
            "The program and its arguments, each an item of its own; the program is an absolute path, or a name that is looked for in \
             the `PATH` it is given.",
        )
        .required(),
        Key::new("stdin", Kind::Template, "What it can read from its standard input."),
        Key::new("env", Kind::Map(&Kind::Template), "Variables of its environment, which has no others but those of `inherit`."),
        Key::new("inherit", Kind::List(&Kind::Text), "Names of variables that it gets from the prober's own environment.")
            .default("[]"),
        Key::new("directory", Kind::Template, "Where it is run, an absolute path.").default("\"/\""),
    ],
    rules: &[],
    later: &[],
};
