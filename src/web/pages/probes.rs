//! `GET /probes`: all probes, whose they are, what they promise and how they are.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use serde::Deserialize;

use crate::web::Api;
use crate::web::model::overview::in_path;
use crate::web::model::probe::{Listed, listed};

use super::frame::Frame;
use super::overview::glyph;
use super::page::{Look, PageResult, html, snapshot};

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ProbesQuery {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "probes.html", config = "src/web/pages/askama.toml")]
struct ProbesPage {
    frame: Frame,
    query: ProbesQuery,
    all: usize,
    probes: Vec<Listed>,
    left_out: usize,
}

/// Probes that are shown at once.
const PROBES: usize = 1_000;

/// `GET /probes`
pub(super) async fn probes(look: Look, Extension(api): Extension<Arc<Api>>, Query(query): Query<ProbesQuery>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let words: Vec<String> = query.q.split_whitespace().take(8).map(str::to_lowercase).collect();
    let mut probes = listed(&api.plan(), &snapshot.status, &words);
    let left_out = probes.len().saturating_sub(PROBES);
    probes.truncate(PROBES);
    let all = snapshot.status.probes.len();
    Ok(html(&ProbesPage { frame: look.live(&api, &snapshot, "Probes"), query, all, probes, left_out }))
}

impl ProbesPage {
    fn path_of(name: &str) -> String {
        in_path(name)
    }
}
