//! `GET /probes/{name}`: what a probe checks, how it goes, and what it promises, over a range of time.
//!
//! The handler asks the store ([`answers`], six questions) and hands everything to [`content`], which is made on a thread that may
//! take its time, since it walks over thousands of hours. What is known of the probe is made in `web::model::probe`, and drawn by
//! [`chart`](super::chart). A probe that was removed shows the history that is left of it.

mod content;
mod source;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query};
use serde::Deserialize;

use crate::web::Api;
use crate::web::api::{Failure, nothing};
use crate::web::model::overview::{encoded, in_path};
use crate::web::model::probe::answers::{Question, ask, marks};
use crate::web::model::probe::{Narrowed, Quantile, Range};
use crate::web::model::strip::{HEIGHT, WIDTH};
use crate::web::model::words;

use super::card::{Card, cards_of};
use super::chart;
use super::frame::Frame;
use super::page::{Look, PageError, PageResult, html, snapshot};
use crate::web::pages::runbook::ShownRunbook;
use content::{Content, Given};
use source::{Source, source};

/// What the address bar keeps.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ProbeQuery {
    #[serde(default)]
    range: String,
    #[serde(default)]
    canary: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    runs: String,
}

/// A choice that the page offers.
struct Chip {
    label: String,
    href: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "probe.html", config = "src/web/pages/askama.toml")]
struct ProbePage {
    frame: Frame,
    name: String,
    target: String,
    is_paused: bool,
    cards: Vec<Card>,
    ranges: Vec<Chip>,
    narrow: Vec<Chip>,
    run_chips: Vec<Chip>,
    all_runs: String,
    query: ProbeQuery,
    content: Content,
    source: Option<Source>,
}

/// `GET /probes/{name}`
pub(super) async fn probe(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    Path(name): Path<String>,
    Query(query): Query<ProbeQuery>,
) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    api.recent.begun(&api.reader, &api.follower).await;
    let plan = api.plan();
    let known = plan.probes.iter().find(|probe| *probe.name == *name).cloned();
    let question = query.question(&name, known.as_deref(), snapshot.at_ms);
    let answers = ask(&api, &question).await;
    if known.is_none() && answers.is_empty() {
        let failure = if answers.is_away { Failure::busy() } else { nothing(&plan, &name) };
        return Err(PageError::of(&look, &failure));
    }
    let marks = marks(&api, &snapshot.status, &name);
    let given =
        Given { plan: Arc::clone(&plan), snapshot: Arc::clone(&snapshot), probe: known.clone(), question, answers, marks };
    let secrets = api.alerts.secrets();
    let made = tokio::task::spawn_blocking(move || {
        let source = given.probe.as_ref().map(|probe| source(&probe.location.path, secrets.redactor()));
        (Content::of(given), source)
    });
    let (content, source) = made.await.map_err(|_panicked| PageError::of(&look, &Failure::internal()))?;
    let changes = api.recent.changes.get(&api.reader, snapshot.at_ms).await;
    let target = if query.canary.is_empty() { name.clone() } else { query.canary.clone() };
    let page = ProbePage {
        is_paused: is_paused(&api, &name, &target),
        cards: cards_of(&plan, &snapshot, &changes, &name),
        ranges: Range::ALL.iter().map(|range| query.chip(&name, "range", range.word(), range.word().to_owned())).collect(),
        narrow: query.narrow(&name, &content),
        run_chips: vec![
            query.chip(&name, "runs", "", "not passed".to_owned()),
            query.chip(&name, "runs", "all", "all".to_owned()),
        ],
        all_runs: query.all_runs(&name),
        frame: look.live(&api, &snapshot, name.clone()),
        target,
        name,
        query,
        content,
        source,
    };
    Ok(html(&page))
}

fn is_paused(api: &Api, probe: &str, target: &str) -> bool {
    let pauses = api.scheduler.pauses().list();
    pauses.iter().any(|pause| [probe, target].contains(&crate::web::api::target_name(&pause.target)))
}

impl ProbeQuery {
    fn question(&self, probe: &str, known: Option<&crate::plan::Probe>, now_ms: i64) -> Question {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let narrowed = Narrowed { canary: some(&self.canary), region: some(&self.region) };
        let question = Question::of(probe, known, narrowed, Range::of(&self.range), now_ms);
        Question { all_runs: self.runs == "all", ..question }
    }

    /// The address with one key set to another value.
    fn with(&self, name: &str, key: &str, value: &str) -> String {
        let all = [("range", &self.range), ("canary", &self.canary), ("region", &self.region), ("runs", &self.runs)];
        // A canary is of one region.
        let is_of_place = |name: &str| matches!(name, "canary" | "region");
        let kept = |own: &str, kept: &str| {
            if own == key {
                value.to_owned()
            } else if is_of_place(own) && is_of_place(key) {
                String::new()
            } else {
                kept.to_owned()
            }
        };
        let pairs = all.into_iter().map(|(own, was)| (own, kept(own, was))).filter(|(_, value)| !value.is_empty());
        let said: Vec<String> = pairs.map(|(own, value)| format!("{own}={}", encoded(&value))).collect();
        let query = if said.is_empty() { String::new() } else { format!("?{}", said.join("&")) };
        format!("probes/{}{query}", in_path(name))
    }

    fn chip(&self, name: &str, key: &str, value: &str, label: String) -> Chip {
        let is_chosen = match key {
            "range" => Range::of(&self.range).word() == value,
            "runs" => (self.runs == "all") == (value == "all"),
            "region" => self.region == value && self.canary.is_empty(),
            _ => self.canary == value,
        };
        Chip { label, href: self.with(name, key, value), is_chosen }
    }

    /// What narrows the page, and what lets it be as it was.
    fn narrow(&self, name: &str, content: &Content) -> Vec<Chip> {
        let is_narrow = !self.region.is_empty() || !self.canary.is_empty();
        if content.all_regions.len() < 2 && !is_narrow {
            return Vec::new();
        }
        let mut chips = vec![self.chip(name, "region", "", "all regions".to_owned())];
        chips.extend(content.all_regions.iter().map(|region| self.chip(name, "region", region, region.clone())));
        if !self.canary.is_empty() {
            chips.push(self.chip(name, "canary", &self.canary, self.canary.clone()));
        }
        chips
    }

    fn all_runs(&self, name: &str) -> String {
        let mut href = format!("runs?probe={}", encoded(name));
        for (key, value) in [("canary", &self.canary), ("region", &self.region)] {
            if !value.is_empty() {
                let _ = write!(href, "&{key}={}", encoded(value));
            }
        }
        if self.runs == "all" { href } else { format!("{href}&not_passed=true") }
    }
}

impl ProbePage {
    /// The page narrowed to what a row stands for.
    fn narrowed(&self, query: &str) -> String {
        let range = if self.query.range.is_empty() { String::new() } else { format!("&range={}", encoded(&self.query.range)) };
        format!("probes/{}?{query}{range}", in_path(&self.name))
    }

    fn path_of(name: &str) -> String {
        in_path(name)
    }

    #[expect(clippy::ref_option, reason = "templates pass references")]
    fn share(share: &Option<f64>) -> String {
        share.map_or_else(|| "–".to_owned(), words::percent)
    }

    #[expect(clippy::ref_option, reason = "templates pass references")]
    fn said(quantile: &Option<Quantile>) -> String {
        chart::said(*quantile)
    }

    #[expect(clippy::ref_option, reason = "templates pass references")]
    fn is_lost(quantile: &Option<Quantile>) -> bool {
        *quantile == Some(Quantile::Lost)
    }
}
