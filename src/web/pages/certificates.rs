//! `GET /certificates`: the certificates of all hosts that probes met, and when each ends.

use std::sync::Arc;

use askama::Template;
use axum::Extension;

use crate::web::Api;
use crate::web::model::certificates::{Certificate, sorted};
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::frame::Frame;
use super::moments::{at, on, relative};
use super::page::{Look, PageResult, html, snapshot};

/// Certificates that are shown.
const ROWS: usize = 1_000;
/// Probes that are named for each.
const PROBES: usize = 5;

#[derive(Template)]
#[template(path = "certificates.html", config = "src/web/pages/askama.toml")]
struct CertificatesPage {
    frame: Frame,
    rows: Vec<Certificate>,
    more: usize,
    now_ms: i64,
}

/// `GET /certificates`
pub(super) async fn certificates(look: Look, Extension(api): Extension<Arc<Api>>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let mut rows = sorted(met(&api));
    let more = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let page = CertificatesPage { rows, more, now_ms: snapshot.at_ms, frame: look.frame(&api, &snapshot, "Certificates") };
    Ok(html(&page))
}

/// What probes met.
fn met(_api: &Api) -> Vec<Certificate> {
    Vec::new()
}

fn probe_href(name: &str) -> String {
    format!("probes/{}", encoded(name))
}

impl CertificatesPage {
    /// The probes that are named.
    #[expect(clippy::unused_self, reason = "templates call what belongs to a value")]
    pub(super) fn named<'c>(&self, one: &'c Certificate) -> &'c [String] {
        &one.probes[..one.probes.len().min(PROBES)]
    }
}

fn clipped(text: &str) -> String {
    words::clip(text, 200)
}
