//! Secrets that cannot be read, and the probes that cannot run without them.
//!
//! They are reported when a service starts or reloads, and not only when a probe has been without data for minutes.

use serde::Serialize;
use utoipa::ToSchema;

use crate::outcome::{SecretError, Secrets};
use crate::plan::Plan;

/// A secret that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MissingSecret {
    /// Its name in `[secrets]`.
    pub name: String,
    /// Why it cannot be read.
    pub error: String,
    /// The probes that name it, whose runs are `errored`/`secret`; none if only channels or the service itself do.
    pub probes: Vec<String>,
}

/// The secrets of a plan that cannot be read, by name. Cheap while there is none.
pub fn missing_secrets(plan: &Plan, secrets: &Secrets) -> Vec<MissingSecret> {
    let told = |(name, error): (&str, &SecretError)| {
        let (name, error) = (name.to_owned(), error.to_string());
        MissingSecret { name, error, probes: Vec::new() }
    };
    let mut missing: Vec<MissingSecret> = secrets.missing().map(told).collect();
    if missing.is_empty() {
        return missing;
    }
    for probe in &plan.probes {
        // The debug text contains every expression as it was written, so no kind of step can be forgotten here.
        let text = format!("{probe:?}");
        for secret in missing.iter_mut().filter(|secret| names(&text, &secret.name)) {
            secret.probes.push(probe.name.to_string());
        }
    }
    missing
}

/// Whether a probe with this debug text names a secret anywhere.
fn names(text: &str, secret: &str) -> bool {
    let path = format!("secret.{secret}");
    let ends = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let by_path = text.match_indices(&path).any(|(at, _)| ends(&text[at + path.len()..]));
    by_path || [format!("secret['{secret}']"), format!("secret[\\\"{secret}\\\"]")].iter().any(|index| text.contains(index))
}
