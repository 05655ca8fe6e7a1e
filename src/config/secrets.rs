//! Secrets: where the configuration says they are, and reading them from there.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use crate::outcome::{Secret, SecretError, Secrets};
use crate::plan::SecretSource;

use super::keys::SecretKeys;
use super::section::Named;
use super::tree::TableEntry;
use super::{Code, Diagnostic, Diagnostics};

/// The secrets that a service declares, and where they come from. `variable` tells how many bytes an environment variable has.
pub(super) fn declared(
    written: &[Named<'_, Option<SecretKeys<'_>>>],
    variable: &dyn Fn(&str) -> Option<usize>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<Arc<str>, SecretSource> {
    let mut secrets = BTreeMap::new();
    for Named { entry, value } in written {
        let Some(keys) = value else { continue };
        let source = match (*keys.env, *keys.file) {
            (Some(name), _) => {
                match variable(name) {
                    None => {
                        missing(entry, &format!("set the environment variable {name} before the service starts"), diagnostics);
                    }
                    Some(length) => refuse_short(entry, length, diagnostics),
                }
                SecretSource::Env(name.to_owned())
            }
            (None, Some(file)) => {
                let path = file.resolved();
                if !path.is_file() {
                    missing(entry, &format!("create the file {} before the service starts", path.display()), diagnostics);
                } else if let Some(length) = length_in_file(&path) {
                    refuse_short(entry, length, diagnostics);
                }
                SecretSource::File(path)
            }
            // Reported already; the name is kept so that its uses are not reported as well.
            (None, None) => SecretSource::Env(String::new()),
        };
        secrets.insert(entry.key.as_ref().into(), source);
    }
    secrets
}

fn missing(entry: &TableEntry<'_>, help: &str, diagnostics: &mut Diagnostics) {
    let message = format!("the secret `{}` is not there", entry.key);
    diagnostics.push(Diagnostic::at(Code::MissingSecret, entry.key_span, message).help(help));
}

/// Refuses a secret so short that ordinary texts contain it by chance. An empty one is reported as missing.
fn refuse_short(entry: &TableEntry<'_>, length: usize, diagnostics: &mut Diagnostics) {
    if (1..Secret::SHORTEST).contains(&length) {
        let message = too_short(&entry.key, length);
        diagnostics.push(Diagnostic::at(Code::ShortSecret, entry.key_span, message).help(
            "a secret is masked wherever its value stands, which of a value this short would be almost everywhere; where it is \
             none, make it a var",
        ));
    }
}

/// Reads every secret. One that cannot be read is an error inside, with what to do: runs that use it end `errored`/`secret`,
/// and others are not hindered. `lookup` gives an environment variable's value.
pub fn read_secrets(sources: &BTreeMap<Arc<str>, SecretSource>, lookup: impl Fn(&str) -> Option<String>) -> Secrets {
    let values = sources.iter().map(|(name, source)| (Arc::clone(name), read(name, source, &lookup))).collect();
    Secrets::new(values)
}

fn read(name: &str, source: &SecretSource, lookup: &impl Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
    let value = match source {
        SecretSource::Env(variable) => lookup(variable)
            .ok_or_else(|| SecretError(format!("the secret `{name}` is not there: set the environment variable {variable}")))?,
        SecretSource::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                SecretError(format!("the secret `{name}` cannot be read from {}: {error}; create the file", path.display()))
            })?;
            text.strip_suffix('\n').map_or(text.as_str(), |value| value.strip_suffix('\r').unwrap_or(value)).to_owned()
        }
    };
    // An unset variable that was passed on is empty. An empty token would let everybody in.
    if value.is_empty() {
        return Err(SecretError(format!("the secret `{name}` is empty: give it a value")));
    }
    if value.len() < Secret::SHORTEST {
        return Err(SecretError(too_short(name, value.len())));
    }
    Ok(Secret::new(value))
}

/// Why a secret of so few bytes is refused.
fn too_short(name: &str, length: usize) -> String {
    let (least, plural) = (Secret::SHORTEST, if length == 1 { "" } else { "s" });
    format!(
        "the secret `{name}` has {length} byte{plural}: one of fewer than {least} cannot be kept out of logs and pages; make it longer"
    )
}

/// How many bytes the secret in a file has, as far as it matters whether it is too short; `None` if the file cannot be read.
fn length_in_file(path: &Path) -> Option<usize> {
    // A line break at the end, of two bytes at most, does not count.
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(Secret::SHORTEST as u64 + 2).read_to_end(&mut start).ok()?;
    let text = start.strip_suffix(b"\n").map_or(&start[..], |value| value.strip_suffix(b"\r").unwrap_or(value));
    Some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(source: SecretSource) -> Result<String, String> {
        let secrets = read_secrets(&BTreeMap::from([("token".into(), source)]), |name| {
            [("TOKEN", "from the environment\n"), ("EMPTY", ""), ("PIN", "123"), ("SHORTEST", "1234")]
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        secrets
            .get("token")
            .cloned()
            .map_or(Err(String::new()), |value| value.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string()))
    }

    #[test]
    fn a_file_loses_one_line_break_and_a_variable_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "two\n\r\n").unwrap();
        assert_eq!(read_one(SecretSource::File(path)), Ok("two\n".to_owned()));
        assert_eq!(read_one(SecretSource::Env("TOKEN".into())), Ok("from the environment\n".to_owned()));
    }

    #[test]
    fn an_empty_secret_is_none_for_as_a_token_it_would_let_everybody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "\n").unwrap();
        for source in [SecretSource::File(path), SecretSource::Env("EMPTY".into())] {
            assert!(read_one(source).unwrap_err().contains("is empty"));
        }
    }

    #[test]
    fn a_secret_that_is_too_short_to_be_kept_out_of_texts_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        for (text, length) in [("123\r\n", 3), ("1234\r\n", 4), ("1", 1), ("12345678", 6)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(length_in_file(&path), Some(length), "{text:?}");
            assert_eq!(read_one(SecretSource::File(path.clone())).is_ok(), length >= 4, "{text:?}");
        }
        assert_eq!(
            read_one(SecretSource::Env("PIN".into())).unwrap_err(),
            "the secret `token` has 3 bytes: one of fewer than 4 cannot be kept out of logs and pages; make it longer"
        );
        assert!(read_one(SecretSource::Env("SHORTEST".into())).is_ok());
    }

    #[test]
    fn a_secret_that_is_not_there_says_what_to_do() {
        assert!(read_one(SecretSource::Env("OTHER".into())).unwrap_err().contains("set the environment variable OTHER"));
        assert!(read_one(SecretSource::File("nowhere".into())).unwrap_err().contains("create the file"));
    }
}
