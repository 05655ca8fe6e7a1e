//! Warns of a rule that pages by pure chance: where runs may fail now and then, some canary fails often enough in time.

use crate::plan::{AlertPolicy, PageRule, Probe, chance};

use super::keys::ProbeKeys;
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// False pages of one probe per 30 days that are tolerated without a warning.
const BEARABLE: f64 = 1.0;

/// Warns if one of the probe's rules pages more often than that while its runs fail just as often as `slo.success` allows.
pub(super) fn lint(keys: &ProbeKeys<'_>, probe: &Probe, canaries: usize, diagnostics: &mut Diagnostics) {
    let Some(success) = probe.slo.as_ref().and_then(|slo| slo.success) else { return };
    alone(keys, probe, success, canaries, diagnostics);
    across(keys, probe, success, canaries, diagnostics);
}

/// Where the share of successes is promised.
fn promise<'t>(keys: &ProbeKeys<'t>) -> Option<SourceSpan<'t>> {
    keys.slo.as_ref()?.success.span()
}

fn alone(keys: &ProbeKeys<'_>, probe: &Probe, success: f64, canaries: usize, diagnostics: &mut Diagnostics) {
    let pages = chance::own_per_month(&probe.alert, success, canaries, &probe.cadence, probe.runs);
    let Some(promise) = promise(keys).filter(|_| pages > BEARABLE) else { return };
    let rule = keys.alert.as_ref().and_then(|alert| alert.window.span().or(alert.page_after.span()));
    let said = match probe.alert.rule {
        PageRule::Consecutive(failures) => format!("{failures} failures in a row"),
        PageRule::Window { failures, of } => format!("{failures} failures among {of} runs"),
    };
    let help = match chance::rarer(&probe.alert, success, canaries, &probe.cadence, probe.runs) {
        Some((PageRule::Window { failures, of }, pages)) => {
            let pages = number(pages);
            format!("`window = {{ failures = {failures}, of = {of} }}` in `[alert]` would make it {pages}")
        }
        Some((PageRule::Consecutive(_), _)) | None => {
            "no window makes it fewer than one: promise more in `slo.success`, or run it less often".to_owned()
        }
    };
    let message =
        format!("{said} page {} times in 30 days by chance alone, if runs fail as often as `slo.success` allows", number(pages));
    let mut found = Diagnostic::at(Code::ChancePages, rule.unwrap_or(promise), message).help(help);
    if rule.is_some() {
        found = found.related(promise, "this is allowed to fail now and then");
    }
    diagnostics.push(found);
}

fn across(keys: &ProbeKeys<'_>, probe: &Probe, success: f64, canaries: usize, diagnostics: &mut Diagnostics) {
    let AlertPolicy { across: Some(rule), .. } = &probe.alert else { return };
    let pages = chance::across_per_month(&probe.alert, success, canaries, &probe.cadence, probe.runs);
    let Some(promise) = promise(keys).filter(|_| pages > BEARABLE) else { return };
    let written = keys.alert.as_ref().and_then(|alert| alert.across.span());
    let (failures, of) = (rule.failures, rule.of);
    let help = match chance::rarer_across(&probe.alert, success, canaries, &probe.cadence, probe.runs) {
        Some((rarer, pages)) => {
            format!("`across = {{ failures = {}, of = {of} }}` in `[alert]` would make it {}", rarer.failures, number(pages))
        }
        None => "look at more runs: no number of failures among so few makes it fewer than one".to_owned(),
    };
    let message = format!(
        "{failures} failures among {of} runs of all canaries page {} times in 30 days by chance alone, if runs fail as often as \
         `slo.success` allows",
        number(pages)
    );
    let mut found = Diagnostic::at(Code::ChancePages, written.unwrap_or(promise), message).help(help);
    if written.is_some() {
        found = found.related(promise, "this is allowed to fail now and then");
    }
    diagnostics.push(found);
}

/// Two digits that matter, as people say them.
fn number(pages: f64) -> String {
    match pages {
        0.01..1.0 => format!("{pages:.2}"),
        1.0..10.0 => format!("{pages:.1}"),
        10.0.. => format!("{pages:.0}"),
        _ => "less than 0.01".to_owned(),
    }
}
