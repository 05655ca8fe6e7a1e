//! Secrets, and keeping them out of everything that leaves the process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A secret's value. Prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value itself, for whoever has to send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);

/// The secrets of the day, by name, and the redactor that knows them. Replaced as a whole when a file changes.
#[derive(Debug, Default)]
pub struct Secrets {
    values: BTreeMap<Arc<str>, Result<Secret, SecretError>>,
    redactor: Redactor,
}

impl Secrets {
    /// Takes what was read.
    pub fn new(values: BTreeMap<Arc<str>, Result<Secret, SecretError>>) -> Self {
        let redactor = Redactor::new(values.values().filter_map(|value| value.as_ref().ok()));
        Self { values, redactor }
    }

    /// A secret by name; `None` if no such secret is configured.
    pub fn get(&self, name: &str) -> Option<&Result<Secret, SecretError>> {
        self.values.get(name)
    }

    /// Those that cannot be read, by name, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &SecretError)> {
        self.values.iter().filter_map(|(name, value)| Some((&**name, value.as_ref().err()?)))
    }

    /// Removes these secrets from texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

/// Replaces secrets, in any of the spellings they travel in, by `•••`.
#[derive(Debug, Default)]
pub struct Redactor {
    needles: Needles,
}

#[derive(Debug, Default)]
enum Needles {
    #[default]
    None,
    Known(aho_corasick::AhoCorasick),
    /// The automaton could not be built. Rather than leak, nothing is shown.
    Unsearchable,
}

impl Redactor {
    /// Shortest secret that is looked for: shorter ones would turn ordinary texts into dots.
    const SHORTEST: usize = 4;

    /// What stands in a secret's place.
    pub const MASK: &'static str = "•••";

    /// A redactor for these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let forms: Vec<String> = secrets.into_iter().flat_map(|secret| spellings(secret.expose())).collect();
        if forms.is_empty() {
            return Self::default();
        }
        let automaton = aho_corasick::AhoCorasick::builder().match_kind(aho_corasick::MatchKind::LeftmostLongest).build(forms);
        Self { needles: automaton.map_or(Needles::Unsearchable, Needles::Known) }
    }

    /// The text without secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match &self.needles {
            Needles::Known(automaton) if automaton.is_match(text) => {
                let mut shown = String::with_capacity(text.len());
                automaton.replace_all_with(text, &mut shown, |_, _, shown| {
                    shown.push_str(Self::MASK);
                    true
                });
                Cow::Owned(shown)
            }
            Needles::None | Needles::Known(_) => Cow::Borrowed(text),
            Needles::Unsearchable => Cow::Borrowed(Self::MASK),
        }
    }
}

/// The forms a secret takes on the wire and in texts: as it is, URL-encoded, JSON-escaped and base64.
fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

    if secret.len() < Redactor::SHORTEST {
        return Vec::new();
    }
    let url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let json = serde_json::Value::from(secret).to_string();
    let mut forms = vec![secret.to_owned(), url.replace('+', "%20"), url, json.trim_matches('"').to_owned()];
    forms.push(STANDARD_NO_PAD.encode(secret));
    forms.push(URL_SAFE_NO_PAD.encode(secret));
    forms.sort_unstable();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(secret: &str) -> Redactor {
        Redactor::new([&Secret::new(secret)])
    }

    #[test]
    fn a_secret_is_masked_in_each_of_its_spellings() {
        let redactor = redactor("p&ss word\"x");
        for spelling in ["p&ss word\"x", "p%26ss+word%22x", "p%26ss%20word%22x", "p&ss word\\\"x", "cCZzcyB3b3JkIng"] {
            assert_eq!(redactor.redact(&format!("<{spelling}>")), "<•••>", "{spelling}");
        }
    }

    #[test]
    fn a_text_without_secrets_is_left_alone() {
        assert_eq!(redactor("hunter22").redact("nothing here"), "nothing here");
    }
}
