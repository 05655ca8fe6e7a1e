//! `GET /runs/{id}`: one run, why it ended so, and what was sent and seen; and what leads there: `GET /run` by canary and tick.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::history::{ArtifactView, Comparison, IncidentView, PassView, RunDetail, RunFilter, RunView};
use crate::plan::Cadence;
use crate::plan::expr::Destination;
use crate::web::Api;
use crate::web::access::Caller;
use crate::web::api::Failure;
use crate::web::model::overview::encoded;
use crate::web::model::run::{self, Beside, HEIGHT, RunModel, StepModel};
use crate::web::model::words;

use super::frame::Frame;
use super::page::{Look, PageError, PageResult, html, snapshot};

/// How far after a run the next one is looked for where the plan does not know its canary, milliseconds.
const NEXT_WITHIN: i64 = 3_600_000;
/// Runs that are read to find the next one.
const NEXT_OF: usize = 60;

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RunQuery {
    #[serde(default)]
    with: String,
}

/// Which run is asked for by its tick.
#[derive(Debug, Deserialize)]
pub(super) struct TickQuery {
    canary: String,
    due: i64,
}

/// A run that this one can be compared with.
struct Choice {
    word: &'static str,
    label: String,
    is_chosen: bool,
}

/// The other run of the comparison.
struct OtherRun {
    href: String,
    title: String,
    beside: Beside,
}

#[derive(Template)]
#[template(path = "run.html", config = "src/web/pages/askama.toml")]
struct RunPage {
    frame: Frame,
    run: RunView,
    path: String,
    headline: String,
    sign: (&'static str, &'static str, &'static str),
    incident: Option<String>,
    has_probe: bool,
    model: RunModel,
    choices: Vec<Choice>,
    other: Option<OtherRun>,
    artifacts: Vec<ArtifactView>,
    previous: Option<RunView>,
    next: Option<RunView>,
    /// Where its trace is looked at.
    trace: Option<String>,
}

#[derive(Template)]
#[template(path = "run_missing.html", config = "src/web/pages/askama.toml")]
struct MissingPage {
    frame: Frame,
    sentence: String,
    probe: Option<String>,
    canary: Option<String>,
}

/// `GET /runs/{id}`
pub(super) async fn run(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    Path(id): Path<String>,
    query: Result<Query<RunQuery>, QueryRejection>,
) -> PageResult {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let snapshot = snapshot(&api, &look).await?;
    let found = api.read(api.reader.run(id.clone())).await.map_err(|failure| PageError::of(&look, &failure))?;
    let Some(detail) = seen_by(&api, &look, found).await else {
        let frame = look.frame(&api, &snapshot, "No such run");
        let sentence = format!("No run {} is kept.", crate::outcome::visible(&words::clip(&id, 60)));
        return Ok(missing(&MissingPage { frame, sentence, probe: None, canary: None }));
    };
    let (pass, comparison, artifacts, previous, next) = beside(&api, &detail.run).await;
    let mut model = run::model(&detail, pass.as_ref());
    if artifacts.is_none() {
        model.missing.push("What the store keeps beside this run could not be read: the page shows the rest.".to_owned());
    }
    let (choices, other) = compared(&detail, &comparison, &query.with, snapshot.at_ms);
    let canary = snapshot.status.canaries.iter().find(|canary| canary.canary == detail.run.canary);
    let run = detail.run;
    let title = format!("{} · {} · {}", run.probe, run::place(&run), run.verdict);
    let page = RunPage {
        frame: look.frame(&api, &snapshot, title),
        path: format!("runs/{}", run.run_id),
        headline: headline(&run),
        sign: run::sign(&run),
        incident: canary.and_then(|canary| canary.incident.clone()),
        has_probe: api.plan().probes.iter().any(|probe| *probe.name == *run.probe),
        model,
        choices,
        other,
        artifacts: artifacts.unwrap_or_default(),
        previous,
        next,
        trace: trace_href(&api, &run.trace_id),
        run,
    };
    Ok(html(&page))
}

/// Where a trace is looked at, by the template of the configuration; nothing without one, or where it makes no link.
fn trace_href(api: &Api, trace_id: &str) -> Option<String> {
    let alerting = api.alerting();
    let template = alerting.trace_url.as_ref().filter(|_| !trace_id.is_empty())?;
    let href = template.render(&minijinja::context! { trace_id => trace_id }, Destination::Url).ok()?;
    url::Url::parse(&href).is_ok_and(|url| matches!(url.scheme(), "http" | "https")).then_some(href)
}

/// A run, for who may see it: who came by the link of an incident sees the runs of its probe while it lasted.
async fn seen_by(api: &Api, look: &Look, run: Option<RunDetail>) -> Option<RunDetail> {
    let run = run?;
    let Some(scope) = look.caller.as_ref().and_then(Caller::link) else { return Some(run) };
    let incident = api.read(api.reader.incident(scope.incident.to_string())).await.ok()??.incident;
    is_of(&run.run, &incident).then_some(run)
}

/// Whether a run is one of an incident's, with those shortly before and after it.
fn is_of(run: &RunView, incident: &IncidentView) -> bool {
    const AROUND_MS: i64 = 3_600_000;
    let until = incident.resolved_ms.map_or(i64::MAX, |resolved| resolved.saturating_add(AROUND_MS));
    incident.probe.as_deref() == Some(&*run.probe) && (incident.opened_ms - AROUND_MS..=until).contains(&run.due_ms)
}

type Around = (Option<PassView>, Comparison, Option<Vec<ArtifactView>>, Option<RunView>, Option<RunView>);

/// What the store keeps around a run: at most four questions. What it does not answer is not shown.
async fn beside(api: &Api, run: &RunView) -> Around {
    let has_passed = run.verdict == "passed";
    let pass =
        async { if has_passed { api.read(api.reader.newest_pass(run.canary.clone())).await.ok().flatten() } else { None } };
    let comparison = async {
        if has_passed { None } else { api.read(api.reader.comparison(run.run_id.clone())).await.ok() }.unwrap_or_default()
    };
    let artifacts = async { api.read(api.reader.artifacts(run.run_id.clone())).await.ok() };
    let of_canary = RunFilter { canary: Some(run.canary.clone()), ..RunFilter::default() };
    let before = RunFilter { until_ms: Some(run.due_ms), ..of_canary.clone() };
    let previous = async {
        let page = api.read(api.reader.runs(before, 1, None)).await.ok()?;
        page.items.into_iter().next()
    };
    let after = RunFilter {
        since_ms: Some(run.due_ms.saturating_add(1)),
        until_ms: Some(run.due_ms.saturating_add(reach(api, run))),
        ..of_canary
    };
    let next = async {
        let mut page = api.read(api.reader.runs(after, NEXT_OF, None)).await.ok()?;
        // Of more runs than were read it is not known which one comes next.
        page.items.pop().filter(|_| page.next.is_none())
    };
    tokio::join!(pass, comparison, artifacts, previous, next)
}

/// How long after a run its next one is due at the latest, some intervals, in milliseconds.
fn reach(api: &Api, run: &RunView) -> i64 {
    let plan = api.plan();
    let probe = plan.probes.iter().find(|probe| *probe.name == *run.probe);
    match probe.map(|probe| &probe.cadence) {
        Some(Cadence::Every(interval)) => i64::try_from(interval.as_millis()).unwrap_or(NEXT_WITHIN).saturating_mul(5),
        Some(Cadence::Cron { .. }) => 40 * 86_400_000,
        None => NEXT_WITHIN,
    }
}

/// `failed after 110.0 s`, `missed: overlap`.
fn headline(run: &RunView) -> String {
    let took = words::took_us(run.duration_us);
    match (run.verdict, run.reason) {
        ("passed", _) if run.degraded => format!("passed in {took}, degraded"),
        ("passed", _) => format!("passed in {took}"),
        (verdict, Some(reason)) if run.duration_us == 0 => format!("{verdict}: {}", reason.replace('_', " ")),
        (verdict, _) => format!("{verdict} after {took}"),
    }
}

/// What a run can be compared with, and the comparison that was chosen.
fn compared(detail: &RunDetail, comparison: &Comparison, with: &str, now_ms: i64) -> (Vec<Choice>, Option<OtherRun>) {
    let before = comparison.before.as_ref().map(|pass| {
        let label = format!("the last that passed ({} before)", words::between(pass.due_ms, detail.run.due_ms));
        ("before", label, pass)
    });
    let beside = comparison.beside.as_ref().map(|pass| {
        let place = pass.canary.split_once('/').map_or(pass.canary.as_str(), |(_, place)| place);
        ("beside", format!("passed beside it: {}", crate::outcome::visible(&words::clip(place, 120))), pass)
    });
    let all: Vec<(&'static str, String, &PassView)> = before.into_iter().chain(beside).collect();
    let chosen = all.iter().position(|(word, ..)| *word == with).or(if all.is_empty() { None } else { Some(0) });
    let other = chosen.and_then(|at| {
        let (_, label, pass) = &all[at];
        let beside = run::beside(detail, pass)?;
        let title = format!("{label}, {} UTC", words::when(pass.due_ms, now_ms));
        Some(OtherRun { href: format!("runs/{}", pass.run_id), title, beside })
    });
    let choice = |(at, (word, label, _)): (usize, (&'static str, String, &PassView))| Choice {
        word,
        label,
        is_chosen: chosen == Some(at),
    };
    (all.into_iter().enumerate().map(choice).collect(), other)
}

/// `GET /run`: to the run of a canary that was due then.
pub(super) async fn by_tick(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    tick: Result<Query<TickQuery>, QueryRejection>,
) -> PageResult {
    let Ok(Query(tick)) = tick else {
        let failure = Failure::bad("this address needs a `canary` and `due`, in milliseconds since the epoch");
        return Err(PageError::of(&look, &failure));
    };
    let wanted = RunFilter {
        canary: Some(tick.canary.clone()),
        since_ms: Some(tick.due),
        until_ms: Some(tick.due.saturating_add(1)),
        ..RunFilter::default()
    };
    let page = api.read(api.reader.runs(wanted, 20, None)).await.map_err(|failure| PageError::of(&look, &failure))?;
    // Several may be due at once: the one that did not pass is looked for.
    let worst = page.items.iter().find(|run| run.verdict != "passed").or(page.items.first());
    if let Some(run) = worst {
        let to = format!("runs/{}{}", run.run_id, look.viewer.key);
        return Ok((StatusCode::FOUND, [(header::LOCATION, to), (header::CACHE_CONTROL, "no-store".to_owned())]).into_response());
    }
    let snapshot = snapshot(&api, &look).await?;
    let canary = crate::outcome::visible(&words::clip(&tick.canary, 200)).into_owned();
    let probe = tick.canary.split('/').next().unwrap_or_default();
    let is_known = api.plan().probes.iter().any(|known| *known.name == *probe);
    let page = MissingPage {
        frame: look.frame(&api, &snapshot, "No such run"),
        sentence: format!("The run of {canary} that was due at {} UTC is no longer kept.", words::moment(tick.due)),
        probe: is_known.then(|| probe.to_owned()),
        canary: Some(canary),
    };
    Ok(missing(&page))
}

fn missing(page: &MissingPage) -> Response {
    (StatusCode::NOT_FOUND, html(page)).into_response()
}

/// `GET /runs/{id}/artifacts/{name}`: a file to be kept, never one that the browser shows.
pub(super) async fn artifact(
    look: Look,
    Extension(api): Extension<Arc<Api>>,
    Path((id, name)): Path<(String, String)>,
) -> PageResult {
    let failed = |failure: Failure| PageError::of(&look, &failure);
    let run = api.read(api.reader.run(id.clone())).await.map_err(failed)?;
    let artifact = match seen_by(&api, &look, run).await {
        Some(_) => api.read(api.reader.artifact(id, name.clone())).await.map_err(failed)?,
        None => None,
    };
    let artifact = artifact.ok_or_else(|| failed(Failure::unknown("no such file of a run is kept")))?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&name)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, artifact.bytes).into_response())
}

/// What a file is to be called, as RFC 6266 has it: signs that every system takes, and those of the name itself after them.
fn disposition(name: &str) -> String {
    let plain = |sign: char| if sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-' | '_') { sign } else { '_' };
    let ascii: String = name.chars().take(100).map(plain).collect();
    let whole: String = encoded(&words::clip(name, 100)).replace('+', "%20").replace('*', "%2A");
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
}

impl RunPage {
    /// The address of a comparison.
    fn with(&self, word: &str) -> String {
        format!("{}?with={word}#beside", self.path)
    }

    /// Where a file of the run is.
    fn artifact(&self, name: &str) -> String {
        format!("{}/artifacts/{}", self.path, encoded(name).replace('+', "%20"))
    }

    /// All runs of the canary.
    fn all_runs(&self) -> String {
        format!("runs?canary={}", encoded(&self.run.canary))
    }

    /// The number of the step that decided how the run ended, where that is not the only one.
    fn decisive(&self) -> Option<usize> {
        let step = self.model.steps.iter().find(|step| step.is_decisive)?;
        (self.model.steps.len() > 1).then_some(step.number)
    }

    /// Whether a step is shown without a tap.
    fn is_open(&self, step: &StepModel) -> bool {
        step.is_decisive || self.model.steps.len() == 1
    }
}

/// A neighbour in a few words: `passed, 02:34:00`.
fn neighbour(run: &RunView, now_ms: i64) -> String {
    let (_, glyph, word) = run::sign(run);
    format!("{glyph} {word}, {}", words::when(run.due_ms, now_ms))
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Alarm, Viewer};
    use super::*;

    fn page(model: RunModel) -> RunPage {
        let name = "p<script>\"'".to_owned();
        let run = RunView {
            run_id: "01M82B6PCJ7B9NQZY538S6FATS".to_owned(),
            canary: format!("{name}/eu/k=<script>"),
            probe: name.clone(),
            region: "eu<script>".to_owned(),
            due_ms: 0,
            slot: 0,
            started_ms: 0,
            duration_us: 1,
            verdict: "failed",
            reason: Some("expectation"),
            degraded: false,
            trace_id: "1".repeat(32),
            counted: true,
        };
        let frame = Frame {
            base: "/".to_owned(),
            title: name.clone(),
            here: "runs/X".to_owned(),
            alarm: Alarm::Well,
            open: 0,
            as_of_ms: 0,
            stale: None,
            live: None,
            is_still: true,
            viewer: Viewer { may_act: true, ..Viewer::default() },
            said: None,
        };
        let file = ArtifactView { name: name.clone(), media_type: "text/html".to_owned(), size: 1, is_kept: true };
        RunPage {
            path: format!("runs/{}", run.run_id),
            headline: headline(&run),
            sign: run::sign(&run),
            incident: Some(name),
            has_probe: true,
            choices: Vec::new(),
            other: None,
            artifacts: vec![file],
            previous: Some(run.clone()),
            next: Some(run.clone()),
            trace: None,
            frame,
            run,
            model,
        }
    }

    #[test]
    fn the_link_of_an_incident_opens_the_runs_of_its_probe_while_it_lasted() {
        const HOUR: i64 = 3_600_000;
        let incident = |resolved_ms| IncidentView {
            id: "01X".to_owned(),
            scope: "probe/p".to_owned(),
            probe: Some("p".to_owned()),
            severity: "page".to_owned(),
            opened_ms: 10 * HOUR,
            resolved_ms,
            details: serde_json::Value::Null,
        };
        let run = |probe: &str, due_ms| RunView { probe: probe.to_owned(), due_ms, ..page(run::tests::hostile()).run };
        for (probe, due, resolved, expected) in [
            ("p", 10 * HOUR, None, true),
            ("p", 9 * HOUR, None, true),
            ("p", 8 * HOUR, None, false),
            ("p", 90 * HOUR, None, true),
            ("p", 12 * HOUR, Some(11 * HOUR), true),
            ("p", 13 * HOUR, Some(11 * HOUR), false),
            ("other", 10 * HOUR, None, false),
        ] {
            assert_eq!(is_of(&run(probe, due), &incident(resolved)), expected, "{probe} {due}");
        }
    }

    #[test]
    fn nothing_of_a_target_is_markup_and_two_hundred_polls_are_a_small_page() {
        let text = page(run::tests::hostile()).render().unwrap();
        let scripts: Vec<&str> = text.matches("<script").collect();
        assert_eq!(scripts.len(), 1, "only the frame's own");
        for markup in ["<svg/onload", "\" onload=x", "]]>-->", " style=", "onload=\""] {
            assert!(!text.contains(markup), "{markup}");
        }
        assert!(text.len() < 150_000, "{}", text.len());
    }

    #[test]
    fn a_trace_is_a_link_where_it_can_be_looked_at_and_otherwise_something_to_copy() {
        let copied = page(run::tests::hostile()).render().unwrap();
        assert!(copied.contains("data-copy=\"trace\"") && !copied.contains(">Trace</a>"));
        let href = Some("https://traces.example.com/1".to_owned());
        let linked = RunPage { trace: href, ..page(run::tests::hostile()) }.render().unwrap();
        assert!(linked.contains("href=\"https://traces.example.com/1\"") && !linked.contains("data-copy=\"trace\""));
    }

    #[test]
    fn a_file_is_called_by_signs_that_cannot_break_out_of_the_header() {
        let name = "a\"b\r\nc/../ü<script>.html";
        assert_eq!(
            disposition(name),
            "attachment; filename=\"a_b__c_..___script_.html\"; filename*=UTF-8''a%22b%0D%0Ac%2F..%2F%C3%BC%3Cscript%3E.html"
        );
    }
}
