//! Secrets: values that runs send and nothing shows.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Redactor;

/// A secret's value. Prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Bytes that a secret must have at least. Shorter ones stand in ordinary texts by chance, so that they cannot be kept out
    /// of them: they are refused.
    pub const SHORTEST: usize = 4;

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

    /// Whether the values are the same, and those that cannot be read cannot for the same reasons.
    pub fn is_same(&self, other: &Self) -> bool {
        self.values == other.values
    }

    /// Removes these secrets from texts.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_until_a_value_or_why_there_is_none_changes() {
        let read = |value: Result<&str, &str>| {
            let value = value.map(Secret::new).map_err(|why| SecretError(why.to_owned()));
            Secrets::new(BTreeMap::from([("token".into(), value)]))
        };
        assert!(read(Ok("first")).is_same(&read(Ok("first"))) && read(Err("gone")).is_same(&read(Err("gone"))));
        assert!(!read(Ok("first")).is_same(&read(Ok("second"))) && !read(Ok("first")).is_same(&read(Err("gone"))));
        assert!(!read(Ok("first")).is_same(&Secrets::default()));
    }
}
