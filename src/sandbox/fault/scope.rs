//! Whom a fault hits.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::origin::Origin;

/// Which requests and entities a fault hits: all of them unless narrowed.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultScope {
    share: f64,
    region: Option<String>,
    platform: Option<String>,
    delay: Option<Duration>,
}

/// A scope that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultScopeError {
    /// Not a share.
    #[error("a fault's share is {0}; write a number from 0 to 1")]
    Share(f64),
    /// Not a duration.
    #[error("a fault's delay is `{0}`; write a duration such as \"30s\" or \"10m\"")]
    Delay(String),
    /// No region or platform.
    #[error("a fault's region or platform is empty; leave it out to mean all of them")]
    Empty,
}

impl FaultScope {
    /// Everything: share 1, every region and platform, the fault's own delay.
    pub fn all() -> Self {
        Self { share: 1.0, region: None, platform: None, delay: None }
    }

    /// Only this share of the entities (registrations, users of playlists, playlists, segments), chosen by the seed.
    ///
    /// # Errors
    /// Unless 0 ≤ `share` ≤ 1.
    pub fn with_share(self, share: f64) -> Result<Self, FaultScopeError> {
        if (0.0..=1.0).contains(&share) { Ok(Self { share, ..self }) } else { Err(FaultScopeError::Share(share)) }
    }

    /// Only what comes from this region.
    #[must_use]
    pub fn in_region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Only what comes from this platform.
    #[must_use]
    pub fn on_platform(self, platform: impl Into<String>) -> Self {
        Self { platform: Some(platform.into()), ..self }
    }

    /// How long the fault delays, in product time. Faults without a delay take no notice of it.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        Self { delay: Some(delay), ..self }
    }

    /// The share of entities it hits, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// The only region it hits, if it is limited to one.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The only platform it hits, if it is limited to one.
    pub fn platform(&self) -> Option<&str> {
        self.platform.as_deref()
    }

    /// Its delay, if it has one of its own.
    pub fn delay(&self) -> Option<Duration> {
        self.delay
    }

    /// Whether an origin lies inside; one that does not say its region is in no region.
    pub(super) fn covers(&self, origin: &Origin) -> bool {
        let inside = |limit: &Option<String>, value: &Option<String>| limit.is_none() || limit == value;
        inside(&self.region, &origin.region) && inside(&self.platform, &origin.platform)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "share": self.share,
            "region": self.region,
            "platform": self.platform,
            "delay": self.delay.map(|delay| humantime::format_duration(delay).to_string()),
        })
    }
}

impl Default for FaultScope {
    fn default() -> Self {
        Self::all()
    }
}

/// A scope as it is sent to `/faults/NAME`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultScopeBody {
    share: Option<f64>,
    region: Option<String>,
    platform: Option<String>,
    delay: Option<String>,
}

impl TryFrom<FaultScopeBody> for FaultScope {
    type Error = FaultScopeError;

    fn try_from(body: FaultScopeBody) -> Result<Self, FaultScopeError> {
        if [&body.region, &body.platform].into_iter().flatten().any(String::is_empty) {
            return Err(FaultScopeError::Empty);
        }
        let delay =
            body.delay.map(|text| humantime::parse_duration(&text).map_err(|_| FaultScopeError::Delay(text))).transpose()?;
        Self { share: 1.0, region: body.region, platform: body.platform, delay }.with_share(body.share.unwrap_or(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_limited_to_a_region_leaves_out_other_and_unknown_ones() {
        let scope = FaultScope::all().in_region("eu");
        let from = |region: Option<&str>| Origin { region: region.map(str::to_owned), platform: Some("ios".into()) };
        assert!(scope.covers(&from(Some("eu"))));
        assert!(!scope.covers(&from(Some("us"))));
        assert!(!scope.covers(&from(None)));
        assert!(!scope.on_platform("web").covers(&from(Some("eu"))));
    }

    #[test]
    fn a_share_outside_of_0_to_1_is_refused() {
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(FaultScope::all().with_share(share).is_err(), "{share}");
        }
    }
}
