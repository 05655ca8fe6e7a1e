//! Runs that somebody asked for, as they go: the grid on the page of a verified incident, and `GET /watch` after "run now".
//!
//! The grid is a part of `by_hand.html`, with a value named `hand`. What it shows comes from the store and from the scheduler's
//! next ticks; a viewer without JavaScript reads it again every few seconds for as long as something runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use crate::base::time::{epoch_ms, signed_millis};
use crate::history::{EventView, Page, RunFilter, RunView};
use crate::plan::Canary;
use crate::web::Api;
use crate::web::api::{Failure, canaries_called, nothing, verify};
use crate::web::model::by_hand::{Asked, ByHand, by_hand};
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::frame::Frame;
use super::page::{Look, PageError, PageResult, html, snapshot};

/// How long ago something may have been asked for that is shown.
const WITHIN_MS: i64 = 3_600_000;
/// Between a run by hand and the event that says who asked for it.
const TOLD_AFTER_MS: i64 = 2_000;
/// Within this time all runs begin that are asked for at once.
const BEGUN_WITHIN_MS: i64 = 7_000;

/// Runs that were asked for, and what came of them.
pub(super) struct HandRuns {
    /// `Verified by ann, 20 s ago`.
    pub(super) title: String,
    pub(super) runs: ByHand,
    /// Canaries that are not shown.
    pub(super) left_out: usize,
    /// Whether the store cannot be read.
    pub(super) is_away: bool,
    /// What lets a viewer follow links who came by one.
    pub(super) key: String,
    pub(super) now_ms: i64,
}

impl HandRuns {
    /// What came of runs of these canaries that were asked for at `since_ms`: a question or two for each probe.
    pub(super) async fn of(api: &Api, look: &Look, canaries: &[&Arc<Canary>], since_ms: i64, now_ms: i64) -> Self {
        let shown = &canaries[..canaries.len().min(verify::MOST)];
        let ended = ended(api, shown, since_ms).await;
        let is_away = ended.is_err();
        let ended = ended.unwrap_or_default();
        let asked = shown.iter().map(|canary| Asked {
            canary: canary.id.as_str(),
            is_running: api.scheduler.is_running(&canary.id),
            deadline_ms: signed_millis(canary.probe.deadline),
            next_tick_ms: api.scheduler.next_tick(&canary.id).map(epoch_ms),
        });
        Self {
            title: format!("Run by hand {}", words::relative(since_ms, now_ms)),
            runs: by_hand(asked, &ended, since_ms, now_ms),
            left_out: canaries.len() - shown.len(),
            is_away,
            key: look.viewer.key.clone(),
            now_ms,
        }
    }

    /// A moment as `02:35:40`.
    #[expect(clippy::unused_self, clippy::trivially_copy_pass_by_ref, reason = "templates call what belongs to a value")]
    pub(super) fn clock(&self, ms: &i64) -> String {
        words::clock(*ms)
    }

    /// `in 40 s`.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand in references")]
    pub(super) fn relative(&self, ms: &i64) -> String {
        words::relative(*ms, self.now_ms)
    }

    /// Where a run is shown.
    pub(super) fn href(&self, run_id: &str) -> String {
        format!("runs/{}{}", encoded(run_id), self.key)
    }
}

/// The runs that were asked for, by their canaries. Of a canary whose run was refused, or is not kept, it is the newest since then,
/// unless one goes on, whose ticks are missed meanwhile.
async fn ended(api: &Api, canaries: &[&Arc<Canary>], since_ms: i64) -> Result<HashMap<String, RunView>, Failure> {
    let mut ended = verify::newest(api, canaries, since_ms).await?;
    ended.retain(|_, run| !matches!(run.verdict, "missed" | "skipped"));
    for canary in canaries.iter().filter(|canary| api.scheduler.is_running(&canary.id)) {
        ended.remove(canary.id.as_str());
    }
    let probes: BTreeSet<&str> = canaries.iter().map(|canary| &*canary.probe.name).collect();
    for probe in probes {
        let filter = RunFilter {
            probe: Some(probe.to_owned()),
            since_ms: Some(since_ms),
            until_ms: Some(since_ms + BEGUN_WITHIN_MS),
            ..RunFilter::default()
        };
        let page = api.read(api.reader.runs(filter, Page::<RunView>::LIMIT, None)).await?;
        let by_hand = page.items.into_iter().filter(is_by_hand).filter(|run| is_of(canaries, run));
        // The newest comes first, so that the first of a canary stands in the end.
        ended.extend(by_hand.map(|run| (run.canary.clone(), run)));
    }
    Ok(ended)
}

/// Whether it ended by itself and counts for nothing, as no tick does that passes or fails.
fn is_by_hand(run: &RunView) -> bool {
    !run.counted && matches!(run.verdict, "passed" | "failed" | "errored")
}

fn is_of(canaries: &[&Arc<Canary>], run: &RunView) -> bool {
    canaries.iter().any(|canary| canary.id.as_str() == run.canary)
}

/// Since when runs of a verification are shown: as the address says, or since the last one that is written down. Returns the moment
/// and who asked.
pub(super) fn verified(events: &[EventView], asked_ms: Option<i64>, now_ms: i64) -> Option<(i64, Option<String>)> {
    let is_recent = |at_ms: &i64| (now_ms - WITHIN_MS..=now_ms).contains(at_ms);
    let told = events.iter().filter(|event| event.what == "verify" && is_recent(&event.at_ms)).max_by_key(|event| event.at_ms);
    match asked_ms.filter(is_recent) {
        // The address knows when it began, before that was written down.
        Some(asked_ms) if told.is_none_or(|told| told.at_ms <= asked_ms + TOLD_AFTER_MS) => {
            let told = told.filter(|told| told.at_ms >= asked_ms);
            Some((asked_ms, told.and_then(|told| told.by.clone())))
        }
        _ => told.map(|told| (told.at_ms - TOLD_AFTER_MS, told.by.clone())),
    }
}

/// What is watched.
#[derive(Debug, Deserialize)]
pub(super) struct WatchQuery {
    target: String,
    since: i64,
}

#[derive(Template)]
#[template(path = "watch.html", config = "src/web/pages/askama.toml")]
struct WatchPage {
    frame: Frame,
    /// The probe's name or the canary's id.
    target: String,
    probe: String,
    hand: HandRuns,
}

/// `GET /watch`: runs of a probe or a canary that were asked for at a moment.
pub(super) async fn watch(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    query: Result<Query<WatchQuery>, QueryRejection>,
) -> PageResult {
    let Ok(Query(WatchQuery { target, since })) = query else {
        let failure = Failure::bad("this address needs a `target` and `since`, in milliseconds since the epoch");
        return Err(PageError::of(&look, &failure));
    };
    let snapshot = snapshot(&api, &look).await?;
    let plan = api.plan();
    let canaries = canaries_called(&plan, &target);
    let Some(first) = canaries.first() else { return Err(PageError::of(&look, &nothing(&plan, &target))) };
    let since = since.clamp(snapshot.at_ms - WITHIN_MS, snapshot.at_ms);
    let page = WatchPage {
        hand: HandRuns::of(&api, &look, &canaries, since, snapshot.at_ms).await,
        probe: first.probe.name.to_string(),
        frame: look.live(&api, &snapshot, format!("Run now: {target}")),
        target,
    };
    Ok(html(&page))
}

impl WatchPage {
    /// Whether something may still change, so that the page is read again soon.
    fn is_going(&self) -> bool {
        self.hand.runs.going > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::model::incident::testing::event;

    #[test]
    fn a_verification_is_shown_for_an_hour_by_who_asked_or_by_its_address() {
        let now = 10 * WITHIN_MS;
        let told = event("action", now - 60_000, "verify", "verified by ann");
        let old = event("action", now - WITHIN_MS - 1, "verify", "verified by ann");
        let note = event("note", now - 1_000, "note", "no verification");
        let ann = Some("ann".to_owned());
        let all = [note, told, old.clone()];
        assert_eq!(verified(&all, None, now), Some((now - 60_000 - TOLD_AFTER_MS, ann.clone())));
        assert_eq!(verified(&all, Some(now - 60_100), now), Some((now - 60_100, ann)));
        assert_eq!(verified(&[], Some(now - 500), now), Some((now - 500, None)));
        assert_eq!(verified(&[old], None, now), None);
        assert_eq!(verified(&[], Some(now + 1), now), None);
        assert_eq!(verified(&[], Some(i64::MIN), now), None);
    }
}
