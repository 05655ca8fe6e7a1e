//! Finding and loading the configuration, and showing what is wrong with it.

use std::path::{Path, PathBuf};

use crate::config::{Diagnostics, Loaded, Severity};
use crate::plan::Service;

use super::Printer;
use super::exit::Failure;

/// Where the service's file is looked for if nobody says where it is.
const PLACES: [&str; 2] = ["serinus.toml", "config/serinus.toml"];

/// Why `run` refuses a configuration, and `check` with it, that would page into the void.
pub(crate) const TELLS_NOBODY: &str = "probes page, and nobody would be told: add a channel, such as `[notify.slack]`, or say that \
                                       this is meant: `[notify]` `none = true` (or SERINUS_NOTIFY__NONE=true)";

/// The service's file: the one given, or the first that is there.
pub(crate) fn config_path(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.is_file()))
}

/// The service's file, for a command that cannot do without it.
pub(crate) fn required(config: Option<&Path>) -> Result<&Path, Failure> {
    config.ok_or_else(|| {
        Failure::usage(format!("there is no {} here; name the service's file with -c FILE", PLACES.join(" and no ")))
    })
}

/// The service, after its warnings have been shown; its errors, if it has any, are shown and end the command.
pub(crate) fn accept(printer: &Printer, loaded: Loaded) -> Result<Service, Failure> {
    if !loaded.diagnostics.is_empty() {
        printer.talk(loaded.diagnostics.render(printer.talk_style().colour).trim_end());
    }
    loaded.service.ok_or_else(|| Failure::usage(format!("the configuration has {}", counts(&loaded.diagnostics))))
}

/// `2 errors and 1 warning`.
pub(crate) fn counts(diagnostics: &Diagnostics) -> String {
    let (errors, warnings) = (diagnostics.count(Severity::Error), diagnostics.count(Severity::Warning));
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (errors, 0) => plural(errors, "error"),
        (0, warnings) => plural(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

/// The value of an environment variable, for secrets that stand in one.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
