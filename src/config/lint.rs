//! Warnings: what a probe may say and most likely does not mean.
//!
//! Each lint looks at the tables of one file, so that lints are shown also where the file has errors. A new lint is a function
//! called from [`probe`], a [`Code`] and a case in `tests/config_errors/`.

use std::collections::HashSet;
use std::time::Duration;

use crate::plan::{StepKind, Template};

use super::check::{header, misspelt};
use super::keys::{PROBE, STEP};
use super::probe::{CONSISTENT_POLL, POLL, lint_exec};
use super::steps::{cleanups, doing};
use super::tree::{Data, Entry, Node, Spot, Table};
use super::value::duration;
use super::{Code, Diagnostic, Diagnostics};

/// A shorter pause between two looks is most likely a unit mistaken.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// Words in a URL that say that a POST creates nothing that has to be removed.
const HARMLESS: [&str; 12] =
    ["session", "login", "signin", "sign-in", "token", "auth", "search", "query", "graphql", "validate", "refresh", "logout"];

/// Warns about a probe; an error only if it could never pass. `pages`: whether it wakes anybody.
pub(super) fn probe(table: &Table<'_>, top: Spot<'_>, pages: bool, diagnostics: &mut Diagnostics) {
    let steps: Vec<&Node<'_>> = table.list("step").iter().flat_map(doing).collect();
    let cleanups: Vec<&Node<'_>> = steps.iter().filter_map(|step| step.as_table()).flat_map(cleanups).collect();
    if pages {
        unowned(table, top, diagnostics);
    }
    deadline_over_slot(table, diagnostics);
    no_cleanup(&steps, &cleanups, diagnostics);
    expects_nothing(table.list("step"), top, diagnostics);
    for step in steps.iter().chain(&cleanups) {
        let Some(inner) = step.as_table() else { continue };
        within_over_deadline(inner, table, diagnostics);
        polls(inner, diagnostics);
        repeated_creation(inner, diagnostics);
        if !expects_in_cleanup(inner, diagnostics) {
            unchecked(step, inner, diagnostics);
        }
        secret_in_url(inner, diagnostics);
        lint_exec(inner, diagnostics);
    }
    for device in table.entries_of("devices").iter().filter_map(|entry| entry.value.as_table()) {
        insecure(device, diagnostics);
    }
}

/// Warns about device settings, which the service may have as well.
pub(super) fn insecure(device: &Table<'_>, diagnostics: &mut Diagnostics) {
    let verify = device.table("tls").and_then(|tls| tls.get("verify"));
    if let Some(node) = verify.filter(|node| matches!(node.data, Data::Bool(false))) {
        diagnostics.push(
            Diagnostic::at(Code::InsecureTls, node.spot, "any certificate is accepted, also an expired or a foreign one")
                .help("to trust a private authority, name its certificate in `tls.ca`"),
        );
    }
}

fn unowned(table: &Table<'_>, top: Spot<'_>, diagnostics: &mut Diagnostics) {
    let missing: Vec<&str> =
        ["owner", "runbook"].into_iter().filter(|key| table.get(key).is_none() && !misspelt(table, &PROBE, key)).collect();
    if !missing.is_empty() {
        let message = format!("the probe has no {}", missing.join(" and no "));
        diagnostics.push(
            Diagnostic::at(Code::Unowned, top, message)
                .help("whoever is woken needs to know whose problem it is and what to do: give `owner` and `runbook`"),
        );
    }
}

fn deadline_over_slot(table: &Table<'_>, diagnostics: &mut Diagnostics) {
    let (Some(deadline), Some(every), Some(node)) = (table.duration("deadline"), table.duration("every"), table.get("deadline"))
    else {
        return;
    };
    // Each of `runs` is a slot of its own, which comes round once in `every`; overlap is judged by slot.
    // A run that takes as long as its deadline is still going when the tick comes.
    if deadline >= every && table.text("overlap") != Some("allow") {
        let message = format!("a run may take all of the {} to its slot's next tick, or more", humantime::format_duration(every));
        diagnostics.push(
            Diagnostic::at(Code::DeadlineOverSlot, node.spot, message)
                .help("the next tick would be missed; shorten `deadline`, lengthen `every`, or say `overlap = \"allow\"`"),
        );
    }
}

fn no_cleanup(steps: &[&Node<'_>], cleanups: &[&Node<'_>], diagnostics: &mut Diagnostics) {
    let misspelt = |step: &&Node<'_>| step.as_table().is_some_and(|table| misspelt(table, &STEP, "cleanup"));
    if !cleanups.is_empty() || steps.iter().any(misspelt) {
        return;
    }
    let captured: HashSet<&str> = steps
        .iter()
        .filter_map(|step| step.as_table())
        .flat_map(|step| step.entries_of("capture"))
        .map(|entry| entry.key.as_ref())
        .collect();
    let creating = steps.iter().filter_map(|step| step.as_table()?.table("http")).find_map(|http| creates(http, &captured));
    if let Some(entry) = creating {
        diagnostics.push(
            Diagnostic::at(Code::NoCleanup, entry.value.spot, "this creates something, and no step of the probe has a cleanup")
                .help("undo it in `[step.cleanup]`, or test data piles up with every run"),
        );
    }
}

/// The entry of a request that looks as if it created something new: a POST or PUT to a place that no earlier answer named.
fn creates<'t, 'f>(http: &'t Table<'f>, captured: &HashSet<&str>) -> Option<&'t Entry<'f>> {
    let entry = http.entries.iter().find(|entry| matches!(entry.key.as_ref(), "post" | "put"))?;
    let url = entry.value.as_text()?;
    let path = url.to_lowercase();
    let uses_capture =
        template(&entry.value).is_some_and(|template| template.uses().any(|(_, each)| captured.contains(&*each.root)));
    (!uses_capture && !HARMLESS.iter().any(|word| path.contains(word))).then_some(entry)
}

fn expects_nothing(steps: &[Node<'_>], top: Spot<'_>, diagnostics: &mut Diagnostics) {
    // What may fail lets no run pass, so its expectations do not count.
    let counts = |step: &&Node<'_>| step.as_table().is_some_and(|table| table.bool("allow_failure") != Some(true));
    let mut counting = steps.iter().filter(counts).flat_map(doing).filter(counts).filter_map(|step| step.as_table());
    if steps.is_empty() || counting.clone().any(expects) {
        return;
    }
    let nothing = Diagnostic::at(Code::ExpectsNothing, top, "no step of this probe expects anything");
    diagnostics.push(match counting.find_map(expect_below_header) {
        Some((begins, expect)) => {
            nothing.related(expect.key_spot, "this one is the cleanup's, which no run is judged by").help(move_above(begins))
        }
        None => nothing.help("a run passes if what it expected held; add `expect` or `contract` to a step that must not fail"),
    });
}

fn expects(step: &Table<'_>) -> bool {
    says(step, "expect") || says(step, "contract")
}

/// Warns about a step that expects nothing while its cleanup does; tells whether it did.
fn expects_in_cleanup(step: &Table<'_>, diagnostics: &mut Diagnostics) -> bool {
    let Some((begins, expect)) = expect_below_header(step).filter(|_| !expects(step)) else { return false };
    diagnostics.push(
        Diagnostic::at(Code::ExpectInCleanup, expect.key_spot, "the cleanup expects something, and its step expects nothing")
            .related(begins, "what follows this line belongs to the cleanup")
            .help(move_above(begins)),
    );
    true
}

/// The `expect` of a step's first cleanup that has one, and the `[step.cleanup]` above it. Written in one line, as in
/// `cleanup = { … }`, nothing can have slipped into it.
fn expect_below_header<'t, 'f>(step: &'t Table<'f>) -> Option<(Spot<'f>, &'t Entry<'f>)> {
    let of = |node: &&'t Node<'f>| header(node.spot).is_some() && node.as_table().is_some_and(|table| says(table, "expect"));
    let node = cleanups(step).into_iter().find(of)?;
    Some((node.spot, node.as_table()?.entry("expect")?))
}

fn move_above(begins: Spot<'_>) -> String {
    let (line, header) = (begins.location().line, header(begins).unwrap_or_default());
    format!("if it was meant for the step, move it above line {line}, where `{header}` begins; if not, give the step its own")
}

/// Whether a step's key is there and says something; an empty list does not, and a misspelt key is another error.
fn says(table: &Table<'_>, key: &str) -> bool {
    match table.get(key).map(|node| &node.data) {
        Some(Data::List(items)) => !items.is_empty(),
        Some(_) => true,
        None => misspelt(table, &STEP, key),
    }
}

fn within_over_deadline(step: &Table<'_>, probe: &Table<'_>, diagnostics: &mut Diagnostics) {
    let node = step.table("eventually").and_then(|eventually| eventually.get("within"));
    let within = node.and_then(|node| duration(node.as_text()?).ok());
    if let (Some(node), Some(within), Some(deadline)) = (node, within, probe.duration("deadline"))
        && within > deadline
    {
        diagnostics.push(
            Diagnostic::at(Code::WithinOverDeadline, node.spot, "the window ends after the run's deadline")
                .help("the deadline cuts it: shorten `within`, or lengthen `deadline`"),
        );
    }
}

fn unchecked(node: &Node<'_>, step: &Table<'_>, diagnostics: &mut Diagnostics) {
    // A guard alone lets every answer pass that is not exactly false, so that it counts as nothing here.
    let checks = ["expect", "contract", "capture"];
    if StepKind::ALL.iter().any(|kind| step.get(kind.key()).is_some()) && !checks.iter().any(|key| says(step, key)) {
        let spot = step.get("name").map_or(node.spot, |name| name.spot);
        diagnostics.push(Diagnostic::at(Code::UncheckedStep, spot, "nobody looks at the answer of this step").help(
            match step.get("exec") {
                Some(_) => "any exit code will do: add `expect`",
                None => "any answer will do, also an error page: add `expect`",
            },
        ));
    }
}

fn secret_in_url(step: &Table<'_>, diagnostics: &mut Diagnostics) {
    let Some(http) = step.table("http") else { return };
    let urls = http.entries.iter().filter(|entry| super::keys::METHODS.contains(&entry.key.as_ref()) || entry.key == "url");
    for node in urls.chain(http.entries_of("query")).map(|entry| &entry.value) {
        let Some(template) = template(node) else { continue };
        if let Some((offset, each)) = template.uses().find(|(_, each)| &*each.root == "secret") {
            let spot = node.spot.within(offset + each.span.start..offset + each.span.end);
            diagnostics.push(
                Diagnostic::at(Code::SecretInUrl, spot, "a secret in a URL ends up in logs of servers and proxies")
                    .help("send it in a header or in the body"),
            );
        }
    }
}

/// The template of a text; what is none is reported where it is read.
fn template(node: &Node<'_>) -> Option<Template> {
    Template::parse(node.as_text()?, node.spot.location()).ok()
}

/// Warns of a request that may create something at each attempt, while only what the last one created is undone.
fn repeated_creation(step: &Table<'_>, diagnostics: &mut Diagnostics) {
    let Some(repeats) = ["eventually", "consistently"].iter().find_map(|key| step.entry(key)) else { return };
    let posts = step.table("http").is_some_and(|http| http.get("post").is_some() || http.text("method") == Some("POST"));
    // What a program does, nobody knows.
    if (posts || step.get("exec").is_some()) && step.get("cleanup").is_some() {
        diagnostics.push(
            Diagnostic::at(
                Code::RepeatedCreation,
                repeats.key_spot,
                "each attempt may create something, and only the last is undone",
            )
            .help("create once, and look for it in a step of its own; or use PUT with a name chosen in `[vars]`"),
        );
    }
}

/// Warns about waiting that cannot be meant: one look where many are asked for, or thousands of them.
fn polls(step: &Table<'_>, diagnostics: &mut Diagnostics) {
    for (key, bound, poll) in [("eventually", "within", POLL), ("consistently", "for", CONSISTENT_POLL)] {
        let Some(table) = step.table(key) else { continue };
        let written = table.get("poll");
        let (Some(window), Some(poll)) = (table.duration(bound), table.duration("poll").or(written.is_none().then_some(poll)))
        else {
            continue;
        };
        let Some(node) = written.or_else(|| table.get(bound)) else { continue };
        if poll > window {
            let [poll, window] = [poll, window].map(humantime::format_duration);
            let unsaid = if written.is_none() { ", which holds where none is given" } else { "" };
            let message = format!("`poll` is {poll}{unsaid}, longer than `{bound}`, {window}: it is looked at once");
            diagnostics.push(Diagnostic::at(Code::PollOverWindow, node.spot, message).help("make `poll` a fraction of it"));
        } else if poll < SHORTEST_POLL {
            let message =
                format!("a `poll` of {} asks the target again before it can have answered", humantime::format_duration(poll));
            diagnostics.push(
                Diagnostic::at(Code::ShortPoll, node.spot, message).help("it is load, not news: poll every 10 ms or less often"),
            );
        }
    }
}
