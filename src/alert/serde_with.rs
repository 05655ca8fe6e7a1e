//! How steady times and severities are written in rows: modules for serde's `with`.

/// Steady times as whole milliseconds.
pub mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::time::millis;

    /// Writes milliseconds.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(millis(*time))
    }

    /// Reads milliseconds.
    ///
    /// # Errors
    /// If it is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Steady times that may be absent, as whole milliseconds.
pub mod millis_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::base::time::millis;

    /// Writes milliseconds.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(millis).serialize(serializer)
    }

    /// Reads milliseconds.
    ///
    /// # Errors
    /// If it is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

/// A severity by its word.
pub mod severity_word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::plan::Severity;

    /// Writes the word.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(severity.as_str())
    }

    /// Reads the word.
    ///
    /// # Errors
    /// If it names no severity.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        let word = String::deserialize(deserializer)?;
        Severity::of(&word).ok_or_else(|| D::Error::custom(format!("`{word}` is no severity")))
    }
}
