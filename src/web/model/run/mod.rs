//! A run: why it ended so, where its time went, and what was sent and seen, made of what the store keeps of it.
//!
//! Pure functions from rows and the JSON beside them ([`Details`]) to plain data. All text in it comes from targets: it is made
//! harmless here (see `outcome::visible`), bounded here, and escaped by the template. Of another version of that JSON the page says
//! so and shows it as it is.

mod compare;
mod curl;
mod details;
mod fold;
mod message;
mod step;
mod waterfall;

use serde_json::{Map, Value};

use crate::history::{PassView, RunDetail, RunView};
use crate::outcome::visible;
use crate::web::model::words;

pub(in crate::web) use compare::Beside;
use details::{Cause, Details, Location, Step};
pub(in crate::web) use step::StepModel;
use step::{sign_of, step_title};
pub(in crate::web) use waterfall::{HEIGHT, Tick};

/// Steps that are shown: so many that did not pass, and so many others.
const STEPS: (usize, usize) = (40, 60);
/// Characters of JSON that are shown where it is not understood.
const RAW: usize = 64_000;
/// Vars, captures and leaks that are shown of a run or a step.
const VALUES: usize = 100;
/// Characters of a value.
const VALUE: usize = 2_000;

/// A run.
#[derive(Debug, Default)]
pub(in crate::web) struct RunModel {
    /// Why it did not pass.
    pub(in crate::web) cause: Option<CauseModel>,
    /// Why it is degraded.
    pub(in crate::web) degraded: Vec<CauseModel>,
    /// Its steps.
    pub(in crate::web) steps: Vec<StepModel>,
    /// Steps that passed and are not shown.
    pub(in crate::web) left_out: usize,
    /// The axis of the waterfall.
    pub(in crate::web) ticks: Vec<Tick>,
    /// Names and values.
    pub(in crate::web) vars: Vec<(String, String)>,
    /// What became of what it created.
    pub(in crate::web) cleanup: Option<CleanupModel>,
    /// The request that failed, as a command.
    pub(in crate::web) curl: Option<String>,
    /// What is not there, in words.
    pub(in crate::web) missing: Vec<String>,
    /// What is kept, where it is not understood.
    pub(in crate::web) raw: Option<String>,
}

/// Why something did not pass, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct CauseModel {
    /// The step, and the subject; empty if it is about none.
    pub(in crate::web) at: String,
    /// One sentence: `json.status was "pending", not "active"`.
    pub(in crate::web) short: String,
    /// All that was said, where that is more.
    pub(in crate::web) long: String,
    /// `probes/p.toml:66:32`; empty if it is not known.
    pub(in crate::web) location: String,
    /// The same in full.
    pub(in crate::web) full_location: String,
    /// Parts and what they were.
    pub(in crate::web) seen: Vec<(String, String)>,
}

/// What became of what a run created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct CleanupModel {
    /// `clean, 2 steps, 155 ms`, or `leaked, …`.
    pub(in crate::web) words: String,
    /// Whether something is left.
    pub(in crate::web) is_leaked: bool,
    /// Why.
    pub(in crate::web) leaks: Vec<CauseModel>,
    /// Its steps: class, glyph, name, result, time.
    pub(in crate::web) steps: Vec<(&'static str, &'static str, String, &'static str, String)>,
}

/// A run as it is shown. `pass` is the same run in full, where it passed and is still kept in full.
pub(in crate::web) fn model(run: &RunDetail, pass: Option<&PassView>) -> RunModel {
    let mut model = RunModel::default();
    let kept = run.details.as_ref().map(|json| (json, Details::read(json)));
    let mut details = match kept {
        Some((_, Some(details))) => details,
        Some((json, None)) => {
            model.missing.push(unknown(&json["version"]));
            model.raw = Some(raw(json));
            Details::default()
        }
        None => Details::default(),
    };
    let whole = pass.filter(|pass| pass.run_id == run.run.run_id).and_then(|pass| Details::read(&pass.details));
    if let Some(whole) = whole.filter(|_| details.steps.is_empty()) {
        (details.steps, details.vars, details.truncated) = (whole.steps, whole.vars, whole.truncated);
    } else if details.steps.is_empty() && !run.steps.is_empty() {
        details.steps = run.steps.iter().map(Step::passed).collect();
        if run.run.verdict == "passed" {
            model
                .missing
                .push("Of a passed run only the times of its steps are kept, and the newest of a canary in full.".to_owned());
        }
    }
    if details.truncated {
        model
            .missing
            .push("This run was too long to be kept in full: requests, answers or steps that passed are missing.".to_owned());
    }
    fill(&mut model, run, &details);
    model
}

fn fill(model: &mut RunModel, run: &RunDetail, details: &Details) {
    let scale = waterfall::Scale::of(std::time::Duration::from_micros(run.run.duration_us), &details.steps);
    model.ticks = scale.ticks();
    let (shown, left_out) = shown(&details.steps);
    let decisive = decisive(details);
    model.left_out = left_out;
    model.steps = shown.into_iter().map(|(at, step)| step::model(at, step, scale, decisive == Some(at))).collect();
    model.cause = details.cause.as_ref().map(|cause| {
        let failed = decisive.map(|at| &details.steps[at]);
        let say = failed.and_then(|step| step.expectations.iter().find(|it| it.held != "yes")).and_then(|it| it.say.as_deref());
        cause_model(cause, say)
    });
    model.degraded = details.degraded_by.iter().take(20).map(step::degraded).collect();
    model.vars = values(&details.vars);
    model.cleanup = details.cleanup.as_ref().map(cleanup);
    let failing = decisive.and_then(|at| step::deciding(&details.steps[at]));
    model.curl = failing.and_then(|attempt| curl::command(attempt.http.as_ref()?, attempt.exchange.as_ref()));
}

/// A run beside one that passed; none where one of them is not understood.
pub(in crate::web) fn beside(run: &RunDetail, pass: &PassView) -> Option<Beside> {
    Some(compare::beside(&Details::read(run.details.as_ref()?)?, &Details::read(&pass.details)?))
}

/// The step that decided how the run ended.
fn decisive(details: &Details) -> Option<usize> {
    let cause = details.cause.as_ref()?;
    let name = cause.step.as_deref()?;
    let is_it = |step: &Step| step.name == name && matches!(step.result.as_str(), "failed" | "blocked");
    let of_subject = |step: &Step| is_it(step) && (cause.subject.is_none() || step.subject == cause.subject);
    details.steps.iter().rposition(of_subject).or_else(|| details.steps.iter().rposition(is_it))
}

/// Steps that are shown with their places, and how many are not.
fn shown(steps: &[Step]) -> (Vec<(usize, &Step)>, usize) {
    let (mut bad, mut good) = STEPS;
    let wanted = |(_, step): &(usize, &Step)| {
        let left = if matches!(step.result.as_str(), "failed" | "blocked") { &mut bad } else { &mut good };
        let is_wanted = *left > 0;
        *left = left.saturating_sub(1);
        is_wanted
    };
    let shown: Vec<(usize, &Step)> = steps.iter().enumerate().filter(wanted).collect();
    let left_out = steps.len() - shown.len();
    (shown, left_out)
}

/// A cause in words; `say` is what its author says where it does not hold.
fn cause_model(cause: &Cause, say: Option<&str>) -> CauseModel {
    let seen: Vec<(String, String)> = cause.seen.iter().take(20).map(|seen| (line(&seen.source), line(&seen.value))).collect();
    let message = line(&cause.message);
    let plain = cause.expectation.as_deref().and_then(|source| contrast(source, &seen));
    let short = match (say, plain) {
        (Some(say), Some(plain)) => format!("{}: {plain}", line(say)),
        (Some(say), None) => line(say),
        (None, Some(plain)) => plain,
        (None, None) if message.is_empty() => line(&cause.reason),
        (None, None) => message.clone(),
    };
    let at = match (&cause.step, &cause.subject) {
        (Some(step), Some(subject)) => format!("{} [{}]", line(step), line(subject)),
        (Some(step), None) => line(step),
        (None, Some(subject)) => format!("[{}]", line(subject)),
        (None, None) => String::new(),
    };
    let (location, full_location) = cause.location.as_ref().map(places).unwrap_or_default();
    CauseModel { at, long: if message == short { String::new() } else { message }, short, location, full_location, seen }
}

/// `json.status was "pending", not "active"`, of a plain comparison with a value.
pub(in crate::web) fn contrast(source: &str, seen: &[(String, String)]) -> Option<String> {
    let (left, right) = source.split_once(" == ")?;
    let (left, right) = (left.trim(), right.trim());
    let [(name, value)] = seen else { return None };
    let is_plain = right.starts_with(['\'', '"']) || right.parse::<f64>().is_ok() || matches!(right, "true" | "false" | "none");
    let is_whole = ![" and ", " or ", " if "].iter().any(|word| right.contains(word));
    if left != name || !is_plain || !is_whole {
        return None;
    }
    let quoted = right.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).map(|text| format!("\"{text}\""));
    Some(format!("{name} was {value}, not {}", visible(&quoted.unwrap_or_else(|| right.to_owned()))))
}

/// `probes/p.toml:66:32`, and the same with all directories.
fn places(location: &Location) -> (String, String) {
    let full = line(&location.file);
    let parts: Vec<&str> = full.rsplitn(3, '/').collect();
    let short = match parts.as_slice() {
        [name, directory, _] => format!("{directory}/{name}"),
        _ => full.clone(),
    };
    let at = |file: &str| format!("{file}:{}:{}", location.line, location.column);
    (at(&short), at(&full))
}

fn cleanup(cleanup: &details::Cleanup) -> CleanupModel {
    let is_leaked = cleanup.result != "clean";
    let steps = words::count(cleanup.steps.len(), "step", "steps");
    let took = words::took(details::duration(cleanup.duration_seconds));
    let step = |step: &Step| {
        let (class, glyph, word) = sign_of(step);
        (class, glyph, step_title(step), word, words::took(step.took()))
    };
    CleanupModel {
        words: format!("{}, {steps} in {took}", line(&cleanup.result)),
        is_leaked,
        leaks: cleanup.leaks.iter().take(20).map(|leak| cause_model(leak, None)).collect(),
        steps: cleanup.steps.iter().take(40).map(step).collect(),
    }
}

fn unknown(version: &Value) -> String {
    let version = if version.is_null() { String::new() } else { format!(" (version {})", words::clip(&fold::text(version), 40)) };
    format!("What is kept of this run was written by another version of the program{version}. It is shown as it is.")
}

fn raw(json: &Value) -> String {
    let pretty = serde_json::to_string_pretty(json).unwrap_or_default();
    crate::outcome::visible_block(&words::clip(&pretty, RAW)).into_owned()
}

/// A text as a bounded line.
fn line(text: &str) -> String {
    visible(&words::clip(text, VALUE)).into_owned()
}

fn values(of: &Map<String, Value>) -> Vec<(String, String)> {
    of.iter().take(VALUES).map(|(name, value)| (line(name), words::clip(&fold::text(value), VALUE))).collect()
}

/// Class, glyph and word of how a run ended.
pub(in crate::web) fn sign(run: &RunView) -> (&'static str, &'static str, &'static str) {
    match run.verdict {
        "passed" if run.degraded => ("warned", "▲", "degraded"),
        "passed" => ("", "●", "passed"),
        "failed" => ("bad", "✕", "failed"),
        "errored" => ("odd", "!", "errored"),
        "missed" => ("gone", "○", "missed"),
        "blocked" => ("gone", "■", "blocked"),
        "skipped" => ("muted", "◌", "skipped"),
        _ => ("muted", "?", "unknown"),
    }
}

/// The region and the values of the cell: `eu · ios`.
pub(in crate::web) fn place(run: &RunView) -> String {
    let cell = run.canary.splitn(3, '/').nth(2).unwrap_or_default();
    let values: Vec<&str> = cell.split(',').filter_map(|pair| pair.split_once('=').map(|(_, value)| value)).collect();
    let region = line(&run.region);
    if values.is_empty() { region } else { format!("{region} · {}", line(&values.join(", "))) }
}

#[cfg(test)]
pub(in crate::web) mod tests;
