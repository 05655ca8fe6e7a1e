//! Where a request says it comes from: a region and a platform, by which faults can be limited.
//!
//! Read from the headers `x-region` and `x-platform`, else from the query's `region` and `platform`. Must not decide
//! anything.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;

/// Region and platform of a request; either may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Origin {
    pub(super) region: Option<String>,
    pub(super) platform: Option<String>,
}

impl Origin {
    /// Longest region or platform kept, in bytes; anything longer counts as unknown.
    const LONGEST: usize = 64;

    /// What this request does not say is taken from `earlier`.
    pub(super) fn or(self, earlier: &Self) -> Self {
        Self {
            region: self.region.or_else(|| earlier.region.clone()),
            platform: self.platform.or_else(|| earlier.platform.clone()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let query = Query::<Self>::try_from_uri(&parts.uri).map(|Query(origin)| origin).unwrap_or_default();
        let known = |text: &String| !text.is_empty() && text.len() <= Self::LONGEST;
        Ok(Self {
            region: header("x-region").or(query.region).filter(known),
            platform: header("x-platform").or(query.platform).filter(known),
        })
    }
}
