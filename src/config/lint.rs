//! Warnings about probes that are valid and most likely not what was meant.
//!
//! Each lint looks at the keys of one file, so that lints are shown also where the file has errors. A new lint is a function
//! called from [`probe`], a [`Code`] and a case in `tests/config_errors/`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use http::Method;

use crate::plan::{Overlap, StepKind, Template};

use super::check::{header, misspelt};
use super::keys::{DeviceKeys, ExpectationKeys, Expectations, HttpKeys, Probe, ProbeKeys, StepItem, StepKeys};
use super::section::{DeclaredSection, Either, Field};
use super::shared::Uses;
use super::tree::{Data, Node, SourceSpan, Table, TableEntry};
use super::{Code, Diagnostic, Diagnostics};

/// A shorter pause between two looks is most likely a unit mistaken.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

/// Words in a URL that say that a POST creates nothing that has to be removed.
const HARMLESS: [&str; 12] =
    ["session", "login", "signin", "sign-in", "token", "auth", "search", "query", "graphql", "validate", "refresh", "logout"];

/// Programs that read an argument as a script.
const SHELLS: [&str; 7] = ["sh", "ash", "bash", "dash", "fish", "ksh", "zsh"];

/// Methods that create, beside those that steps have keys for.
const CREATING: [&str; 5] = ["POST", "PUT", "MKCOL", "MKCALENDAR", "COPY"];

/// Names of the run whose values hold nothing that a shell would act on.
const NAMES_OF_OURS: [&str; 3] = ["run", "cell", "region"];

/// Warns about a probe; an error only if it could never pass. `pages`: whether it wakes anybody.
pub(super) fn probe(
    table: &Table<'_>,
    (keys, uses): (&ProbeKeys<'_>, &Uses<'_>),
    top: SourceSpan<'_>,
    pages: bool,
    diagnostics: &mut Diagnostics,
) {
    let steps: Vec<&StepItem<'_>> = keys.step.items().iter().flat_map(StepItem::doing).collect();
    let cleanups: Vec<&StepItem<'_>> = steps.iter().flat_map(|step| step.value.cleanup.items()).collect();
    if pages {
        unowned(table, keys, top, diagnostics);
    }
    deadline_over_slot(keys, diagnostics);
    no_cleanup(&steps, &cleanups, uses, diagnostics);
    expects_nothing(keys.step.items(), top, diagnostics);
    for step in steps.into_iter().chain(cleanups) {
        within_over_deadline(&step.value, keys, diagnostics);
        polls(&step.value, diagnostics);
        warns_of_expected(&step.value, diagnostics);
        if !repeated_creation(&step.value, diagnostics) {
            changing_creation(&step.value, diagnostics);
        }
        if !expects_in_cleanup(step, diagnostics) {
            unchecked(step, diagnostics);
        }
        secret_in_url(&step.value, uses, diagnostics);
        if let Some(Either::Table(tls)) = step.value.tcp.as_ref().and_then(|tcp| tcp.tls.as_ref()) {
            accepts_any(&tls.verify, diagnostics);
        }
        in_arguments(&step.value, uses, diagnostics);
    }
    for written in keys.devices.items() {
        device(&written.value, diagnostics);
    }
}

/// Warns about device settings, which the service may have as well.
pub(super) fn device(device: &DeviceKeys<'_>, diagnostics: &mut Diagnostics) {
    let query = device.query.items().iter().flat_map(|key| &key.value).map(|item| item.node);
    secrets_in_url(device.base.node().into_iter().chain(query), &Uses::default(), diagnostics);
    if let Some(tls) = device.tls.as_ref() {
        accepts_any(&tls.verify, diagnostics);
    }
}

fn accepts_any(verify: &Field<'_, Option<bool>>, diagnostics: &mut Diagnostics) {
    if let Some(span) = verify.span().filter(|_| verify.value == Some(false)) {
        diagnostics.push(
            Diagnostic::at(Code::InsecureTls, span, "any certificate is accepted, also an expired or a foreign one")
                .help("to trust a private authority, name its certificate in `tls.ca`"),
        );
    }
}

fn unowned(table: &Table<'_>, keys: &ProbeKeys<'_>, top: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    let wanted = [("owner", keys.owner.entry), ("runbook", keys.runbook.entry)].into_iter();
    let missing = wanted.filter(|(key, entry)| entry.is_none() && !misspelt(table, Probe::SECTION, key));
    let missing: Vec<&str> = missing.map(|(key, _)| key).collect();
    if !missing.is_empty() {
        let message = format!("the probe has no {}", missing.join(" and no "));
        diagnostics.push(
            Diagnostic::at(Code::Unowned, top, message)
                .help("whoever is woken needs to know whose problem it is and what to do: give `owner` and `runbook`"),
        );
    }
}

fn deadline_over_slot(keys: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) {
    let (Some(deadline), Some(every), Some(span)) = (*keys.deadline, *keys.every, keys.deadline.span()) else { return };
    // Each of `runs` is a slot of its own, which comes round once in `every`; overlap is judged by slot.
    // A run that takes as long as its deadline is still going when the tick comes.
    if deadline >= every && *keys.overlap != Overlap::Allow {
        let message = format!("a run may take all of the {} to its slot's next tick, or more", humantime::format_duration(every));
        diagnostics.push(
            Diagnostic::at(Code::DeadlineOverSlot, span, message)
                .help("the next tick would be missed; shorten `deadline`, lengthen `every`, or say `overlap = \"allow\"`"),
        );
    }
}

fn no_cleanup(steps: &[&StepItem<'_>], cleanups: &[&StepItem<'_>], uses: &Uses<'_>, diagnostics: &mut Diagnostics) {
    if !cleanups.is_empty() || steps.iter().any(|step| step.misspells("cleanup")) {
        return;
    }
    let captured: HashSet<&str> = steps.iter().flat_map(|step| captured(&step.value)).map(|entry| entry.key.as_ref()).collect();
    let creating = steps.iter().filter_map(|step| step.value.http.as_ref()).find_map(|http| creates(http, &captured, uses));
    if let Some(entry) = creating {
        diagnostics.push(
            Diagnostic::at(Code::NoCleanup, entry.value.span, "this creates something, and no step of the probe has a cleanup")
                .help("undo it in `[step.cleanup]`, or test data piles up with every run"),
        );
    }
}

/// What a step takes from answers.
fn captured<'t>(step: &StepKeys<'t>) -> impl Iterator<Item = &'t TableEntry<'t>> {
    step.capture.entries().chain(step.carry.entries()).chain(step.collect.entries())
}

/// The entry of a request that looks as if it created something new: a POST, a PUT or the like to a place that no earlier answer named.
fn creates<'t>(http: &HttpKeys<'t>, captured: &HashSet<&str>, uses: &Uses<'_>) -> Option<&'t TableEntry<'t>> {
    let mut written = http.written_methods().into_iter();
    let of_other_method = || http.url.entry.filter(|_| http.method.is_some_and(|method| CREATING.contains(&method)));
    let created = written.find(|(method, _)| matches!(*method, Method::POST | Method::PUT)).map(|(_, entry)| entry);
    let entry = created.or_else(of_other_method)?;
    let path = entry.value.as_text()?.to_lowercase();
    let uses_capture = template(&entry.value)
        .is_some_and(|template| uses.read(&template, &entry.value).any(|(_, name)| captured.contains(&*name)));
    (!uses_capture && !HARMLESS.iter().any(|word| path.contains(word))).then_some(entry)
}

fn expects_nothing(steps: &[StepItem<'_>], top: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    // A step with `allow_failure` cannot make a run pass, so its expectations do not count.
    let counts = |step: &&StepItem<'_>| !*step.value.allow_failure;
    let mut counting = steps.iter().filter(counts).flat_map(StepItem::doing).filter(counts);
    if steps.is_empty() || counting.clone().any(expects) {
        return;
    }
    let counting_warns = counting.clone().any(|step| says(step, "warn", step.value.warn.node()));
    let nothing = Diagnostic::at(Code::ExpectsNothing, top, "no step of this probe expects anything");
    diagnostics.push(match counting.find_map(expect_below_header) {
        Some((begins, expect)) => {
            nothing.related(expect.key_span, "this one is the cleanup's, which no run is judged by").help(move_above(begins))
        }
        None if counting_warns => {
            nothing.help("a `warn` fails nothing; what must be true for a run to pass is an `expect` or a `contract`")
        }
        None => nothing.help("a run passes if what it expected held; add `expect` or `contract` to a step that must not fail"),
    });
}

fn expects(step: &StepItem<'_>) -> bool {
    says(step, "expect", step.value.expect.node()) || says(step, "contract", step.value.contract.node())
}

/// Warns about a step that expects nothing while its cleanup does; tells whether it did.
fn expects_in_cleanup(step: &StepItem<'_>, diagnostics: &mut Diagnostics) -> bool {
    let Some((begins, expect)) = expect_below_header(step).filter(|_| !expects(step)) else { return false };
    diagnostics.push(
        Diagnostic::at(Code::ExpectInCleanup, expect.key_span, "the cleanup expects something, and its step expects nothing")
            .related(begins, "what follows this line belongs to the cleanup")
            .help(move_above(begins)),
    );
    true
}

/// The `expect` of a step's first cleanup that has one, and the `[step.cleanup]` above it. Written in one line, as in
/// `cleanup = { … }`, nothing can have slipped into it.
fn expect_below_header<'t>(step: &StepItem<'t>) -> Option<(SourceSpan<'t>, &'t TableEntry<'t>)> {
    let expects = |item: &&StepItem<'t>| says(item, "expect", item.value.expect.node());
    let cleanup = step.value.cleanup.items().iter().filter(|item| header(item.node.span).is_some()).find(expects)?;
    Some((cleanup.node.span, cleanup.value.expect.entry?))
}

fn move_above(begins: SourceSpan<'_>) -> String {
    let (line, header) = (begins.location().line, header(begins).unwrap_or_default());
    format!("if it was meant for the step, move it above line {line}, where `{header}` begins; if not, give the step its own")
}

/// Whether a step's key is there and says something; an empty list does not, and a misspelt key is another error.
fn says(step: &StepItem<'_>, key: &str, written: Option<&Node<'_>>) -> bool {
    match written.map(|node| &node.data) {
        Some(Data::List(items)) => !items.is_empty(),
        Some(_) => true,
        None => step.misspells(key),
    }
}

fn within_over_deadline(step: &StepKeys<'_>, probe: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) {
    let Some(eventually) = &step.eventually.value else { return };
    if let (Some(span), Some(within), Some(deadline)) = (eventually.within.span(), *eventually.within, *probe.deadline)
        && within > deadline
    {
        diagnostics.push(
            Diagnostic::at(Code::WithinOverDeadline, span, "the window ends after the run's deadline")
                .help("the deadline cuts it: shorten `within`, or lengthen `deadline`"),
        );
    }
}

fn unchecked(step: &StepItem<'_>, diagnostics: &mut Diagnostics) {
    let asks = |table: &Table<'_>| StepKind::ALL.iter().any(|kind| table.get(kind.key()).is_some());
    // A guard alone lets every answer pass that is not exactly false, so that it counts as nothing here.
    let checks = expects(step) || says(step, "capture", step.value.capture.node());
    // A step that only sends or closes has no answer.
    let answers = step.value.tcp.as_ref().is_none_or(|tcp| tcp.read.entry.or(tcp.greeting.entry).is_some());
    if step.node.as_table().is_some_and(asks) && answers && !checks {
        let span = step.value.name.span().unwrap_or(step.node.span);
        let only_warns = says(step, "warn", step.value.warn.node());
        let message = if only_warns { "this step only warns" } else { "nobody looks at the answer of this step" };
        diagnostics.push(Diagnostic::at(Code::UncheckedStep, span, message).help(match step.value.exec.entry {
            Some(_) => "any exit code will do: add `expect`",
            None => "any answer will do, also an error page: add `expect`",
        }));
    }
}

/// Warns of a `warn` that is expected as well: where it does not hold, the run fails.
fn warns_of_expected(step: &StepKeys<'_>, diagnostics: &mut Diagnostics) {
    let expected: HashMap<&str, SourceSpan<'_>> = conditions(&step.expect).map(|node| (node.1, node.0)).collect();
    for (span, text) in conditions(&step.warn) {
        if let Some(also) = expected.get(text) {
            diagnostics.push(
                Diagnostic::at(Code::NoEffect, span, "the step expects this as well")
                    .related(*also, "where it does not hold, the run fails, and no failed run is degraded")
                    .help("take one of the two out, or let the `warn` ask for more"),
            );
        }
    }
}

/// The conditions of `expect` or `warn`, and where they are written.
fn conditions<'k, 't: 'k>(written: &'k Expectations<'t>) -> impl Iterator<Item = (SourceSpan<'t>, &'t str)> + use<'k, 't> {
    written.items().iter().filter_map(|item| {
        let node = match &item.value {
            Either::Value(node) => Some(*node),
            Either::Table(ExpectationKeys { that, .. }) => that.value,
        }?;
        Some((node.span, node.as_text()?.trim()))
    })
}

fn secret_in_url(step: &StepKeys<'_>, uses: &Uses<'_>, diagnostics: &mut Diagnostics) {
    let Some(http) = &step.http.value else { return };
    let urls = http.written_methods().into_iter().map(|(_, entry)| entry).chain(http.url.entry);
    let query = http.query.items().iter().flat_map(|key| &key.value).map(|item| item.node);
    secrets_in_url(urls.map(|entry| &entry.value).chain(query), uses, diagnostics);
}

/// Warns of secrets in what becomes a part of a URL.
fn secrets_in_url<'n, 'f: 'n>(nodes: impl Iterator<Item = &'n Node<'f>>, uses: &Uses<'_>, diagnostics: &mut Diagnostics) {
    for node in nodes {
        if let Some(span) = used(node, uses, |name| name == "secret") {
            diagnostics.push(
                Diagnostic::at(Code::SecretInUrl, span, "a secret in a URL ends up in logs of servers and proxies")
                    .help("send it in a header or in the body"),
            );
        }
    }
}

/// The template of a text. An invalid one is reported where it is read.
fn template(node: &Node<'_>) -> Option<Template> {
    Template::parse(node.as_text()?, node.span.location()).ok()
}

/// Warns of a request that may create something at each attempt, while only what the last one created is undone; tells whether it did.
fn repeated_creation(step: &StepKeys<'_>, diagnostics: &mut Diagnostics) -> bool {
    let Some(repeats) = step.eventually.entry.or(step.consistently.entry) else { return false };
    let posts = step.http.as_ref().is_some_and(|http| http.post.entry.is_some() || *http.method == Some("POST"));
    // A program may create something, too.
    let creates = (posts || step.exec.entry.is_some()) && step.cleanup.entry.is_some();
    if creates {
        diagnostics.push(
            Diagnostic::at(
                Code::RepeatedCreation,
                repeats.key_span,
                "each attempt may create something, and only the last is undone",
            )
            .help("create once, and look for it in a step of its own; or use PUT with a name chosen in `[vars]`"),
        );
    }
    creates
}

/// Warns of a header that is another one at each attempt of a creation: one such as `idempotency-key` makes it another creation.
fn changing_creation(step: &StepKeys<'_>, diagnostics: &mut Diagnostics) {
    let repeats = step.retries().or(step.eventually.entry).or(step.consistently.entry);
    let Some(headers) = step.http.as_ref().and_then(|http| http.headers.entry).filter(|_| repeats.is_some()) else { return };
    let mut texts = Vec::new();
    headers.value.add_texts(&mut texts);
    let changes = |node: &&Node<'_>| template(node).is_some_and(|template| template.varies());
    if let Some(node) = texts.into_iter().find(changes).filter(|_| step.cleanup.entry.is_some()) {
        diagnostics.push(
            Diagnostic::at(
                Code::RepeatedCreation,
                node.span,
                "this is another value at each attempt, which may be another creation, and only the last is undone",
            )
            .help("choose it in `[vars]`: all attempts then ask for the same"),
        );
    }
}

/// Warns about a poll interval that is longer than its window, or so short that it floods the target.
fn polls(step: &StepKeys<'_>, diagnostics: &mut Diagnostics) {
    let eventually = step.eventually.as_ref().map(|keys| ("within", &keys.within, &keys.poll));
    let consistently = step.consistently.as_ref().map(|keys| ("for", &keys.lasting, &keys.poll));
    for (bound, window, poll) in eventually.into_iter().chain(consistently) {
        let (Some(length), Some(span)) = (**window, poll.span().or(window.span())) else { continue };
        let unsaid = if poll.entry.is_none() { ", which holds where none is given" } else { "" };
        let poll = **poll;
        if poll > length {
            let [poll, length] = [poll, length].map(humantime::format_duration);
            let message = format!("`poll` is {poll}{unsaid}, longer than `{bound}`, {length}: it is looked at once");
            diagnostics.push(Diagnostic::at(Code::PollOverWindow, span, message).help("make `poll` a fraction of it"));
        } else if poll < SHORTEST_POLL {
            let message =
                format!("a `poll` of {} asks the target again before it can have answered", humantime::format_duration(poll));
            diagnostics.push(
                Diagnostic::at(Code::ShortPoll, span, message).help("it is load, not news: poll every 10 ms or less often"),
            );
        }
    }
}

/// Warns of secrets in arguments, which others can read, and of values inside a shell's script.
fn in_arguments(step: &StepKeys<'_>, uses: &Uses<'_>, diagnostics: &mut Diagnostics) {
    let Some(exec) = &step.exec.value else { return };
    let words: Vec<&Node<'_>> = exec.command.items().iter().map(|item| item.node).collect();
    for node in &words {
        if let Some(span) = used(node, uses, |name| name == "secret") {
            diagnostics.push(
                Diagnostic::at(Code::SecretInArguments, span, "everybody on the machine can read the arguments of a program")
                    .help("give it the secret in `exec.env` or `exec.stdin`"),
            );
        }
    }
    let name = words.first().and_then(|node| node.as_text()).and_then(|program| Path::new(program).file_name());
    if !name.is_some_and(|name| SHELLS.iter().any(|shell| name == *shell)) {
        return;
    }
    let is_command_option = |node: &&Node<'_>| {
        let letters = node.as_text().and_then(|text| text.strip_prefix('-')).unwrap_or_default();
        letters.contains('c') && letters.bytes().all(|letter| letter.is_ascii_lowercase())
    };
    let script = words.iter().skip(1).skip_while(|node| !is_command_option(node)).nth(1);
    if let Some(span) = script.and_then(|script| used(script, uses, |name| !NAMES_OF_OURS.contains(&name))) {
        diagnostics.push(
            Diagnostic::at(Code::ValueInScript, span, "the shell would run what this value says, whoever it came from")
                .help("give it to the script as an argument: [\"/bin/sh\", \"-c\", \"check \\\"$1\\\"\", \"sh\", \"{{ … }}\"]"),
        );
    }
}

/// Where a text first uses such a name, or a parameter that is given by way of one.
fn used<'f>(node: &Node<'f>, uses: &Uses<'_>, is_it: impl Fn(&str) -> bool) -> Option<SourceSpan<'f>> {
    let template = template(node)?;
    let (range, _) = uses.read(&template, node).find(|(_, name)| is_it(name))?;
    Some(node.span.within(range))
}
