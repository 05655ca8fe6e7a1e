//! Finding and loading the configuration, and showing what is wrong with it.

use std::path::{Path, PathBuf};

use crate::config::{Diagnostics, Loaded, Severity};
use crate::plan::Service;

use super::Printer;
use super::exit::Failure;
use super::style::printable;

/// Where the service's file is looked for if nobody says where it is. The last is where the image has it, so that a command in its
/// container (`docker exec … serinus status`) finds what the service there was started with.
const PLACES: [&str; 3] = ["serinus.toml", "config/serinus.toml", "/etc/serinus/serinus.toml"];

/// Why `run` and `check` refuse a configuration whose pages reach nobody.
pub(crate) const TELLS_NOBODY: &str = "probes page, and nobody would be told: add a channel, such as `[notify.slack]`, or say that \
                                       this is meant: `[notify]` `none = true` (or SERINUS_NOTIFY__NONE=true)";

/// The service's file: the one given, or the first that is there.
pub(crate) fn config_path(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| first_that_is(Path::is_file))
}

fn first_that_is(there: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|place| there(place))
}

/// The service's file, for a command that cannot do without it.
pub(crate) fn required(config: Option<&Path>) -> Result<&Path, Failure> {
    config.ok_or_else(|| Failure::usage(format!("there is no {}; name the service's file with -c FILE", PLACES.join(" and no "))))
}

/// The service; its errors, if it has any, are shown and end the command. Of warnings it is said how many there are and which command
/// shows them: `check` of this configuration, and of these probe files if they were named.
pub(crate) fn accept(printer: &Printer, loaded: Loaded, config: Option<&Path>, paths: &[PathBuf]) -> Result<Service, Failure> {
    if !loaded.diagnostics.is_empty() {
        printer.note(loaded.diagnostics.brief(printer.note_style().colour, &check_command(config, paths)).trim_end());
    }
    loaded.service.ok_or_else(|| Failure::usage(format!("the configuration has {}", counts(&loaded.diagnostics))))
}

/// `serinus check -c FILE PATH…`, as a shell takes it.
pub(crate) fn check_command(config: Option<&Path>, paths: &[PathBuf]) -> String {
    let quoted = |path: &Path| {
        let text = printable(&path.to_string_lossy()).into_owned();
        let plain = |character: char| character.is_alphanumeric() || "/._-+,@%:=".contains(character);
        if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
    };
    let config = config.map(|config| format!(" -c {}", quoted(config))).unwrap_or_default();
    let paths: String = paths.iter().flat_map(|path| [" ".to_owned(), quoted(path)]).collect();
    format!("serinus check{config}{paths}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_user_wins_over_the_one_that_the_image_has() {
        let first = |there: &[&str]| first_that_is(|place| there.iter().any(|each| place == Path::new(each)));
        let all = ["/etc/serinus/serinus.toml", "config/serinus.toml", "serinus.toml"];
        for (there, expected) in [(&all[..], all[2]), (&all[..2], all[1]), (&all[..1], all[0])] {
            assert_eq!(first(there), Some(PathBuf::from(expected)));
        }
        assert_eq!(first(&[]), None);
        assert_eq!(config_path(Some("other.toml".into())), Some("other.toml".into()));
    }

    #[test]
    fn the_command_that_checks_is_one_that_a_shell_takes() {
        let paths = ["a.toml".into(), "it's b.toml".into()];
        assert_eq!(check_command(Some(Path::new("s.toml")), &paths), r"serinus check -c s.toml a.toml 'it'\''s b.toml'");
        assert_eq!(check_command(None, &[]), "serinus check");
    }

    #[test]
    fn the_image_starts_the_service_with_a_file_that_a_command_in_it_finds_by_itself() {
        let image = std::fs::read_to_string("docker/Dockerfile").unwrap();
        let place = PLACES[2];
        assert!(image.contains(&format!("COPY docker/serinus.toml {place}\n")), "{image}");
        assert!(image.contains(&format!("CMD [\"run\", \"-c\", \"{place}\"]")), "{image}");
    }
}
