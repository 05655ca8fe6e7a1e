//! Secrets that cannot be read, and the probes that cannot run for want of them.
//!
//! Whoever starts or reloads a service is to hear of them at once, and not when the first probe has gone without data for minutes.

use serde::Serialize;

use crate::outcome::Secrets;
use crate::plan::{Plan, Probe};

/// A secret that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    let missing = secrets.missing().map(|(name, error)| MissingSecret {
        name: name.to_owned(),
        error: error.to_string(),
        probes: plan.probes.iter().filter(|probe| names(probe, name)).map(|probe| probe.name.to_string()).collect(),
    });
    missing.collect()
}

/// Whether a probe names a secret anywhere. Its debug text has every expression as it was written, so that no kind of step can be
/// forgotten here.
fn names(probe: &Probe, secret: &str) -> bool {
    let text = format!("{probe:?}");
    let path = format!("secret.{secret}");
    let ends = |after: &str| !after.starts_with(|next: char| next.is_alphanumeric() || next == '_');
    let by_path = text.match_indices(&path).any(|(at, _)| ends(&text[at + path.len()..]));
    by_path || [format!("secret['{secret}']"), format!("secret[\\\"{secret}\\\"]")].iter().any(|index| text.contains(index))
}
