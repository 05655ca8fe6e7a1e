//! When a probe pages: its `[alert]`, laid over `[alerting.defaults]`, over what holds without either.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{AlertPolicy, CriticalRule, PageRule, SubjectGone};

use super::tree::{Data, Spot, Table};
use super::value::duration;
use super::{Code, Diagnostic, Diagnostics};

/// A policy, and whether somebody wrote down how long critical looks back.
#[derive(Debug, Clone, Default)]
pub(super) struct Alert {
    pub(super) policy: AlertPolicy,
    within: Option<Duration>,
}

/// What a table of alert keys says, over `base`.
pub(super) fn read(base: &Alert, table: &Table<'_>, diagnostics: &mut Diagnostics) -> Alert {
    let Alert { mut policy, mut within } = base.clone();
    let count = |key: &str| table.count(key).and_then(NonZeroU32::new);
    if let Some(page) = table.bool("page") {
        policy.page = page;
    }
    if let Some(rule) = rule(table, diagnostics) {
        policy.rule = rule;
    }
    if let Some(passes) = count("resolve_after") {
        policy.resolve_after = passes;
    }
    within = table.table("critical").and_then(|critical| critical.duration("within")).or(within);
    match table.get("critical").map(|node| &node.data) {
        Some(Data::Table(critical)) => {
            let mut rule = policy.critical.or(AlertPolicy::default().critical);
            if let (Some(rule), Some(regions)) = (&mut rule, critical.count("regions").and_then(NonZeroU32::new)) {
                rule.regions = regions;
            }
            policy.critical = rule;
        }
        Some(_) => policy.critical = None,
        None => {}
    }
    if let (Some(rule), Some(within)) = (&mut policy.critical, within) {
        rule.within = within;
    }
    if let Some(node) = table.get("remind") {
        policy.remind = node.as_text().and_then(|text| duration(text).ok());
    }
    if let Some(failures) = count("subject_after") {
        policy.subject_after = failures;
    }
    if let Some(subjects) = count("max_subjects") {
        policy.max_subjects = subjects;
    }
    if let Some(gone) = table.text("subject_gone") {
        policy.subject_gone = if gone == "retire" { SubjectGone::Retire } else { SubjectGone::Fail };
    }
    if let Some(burn_rate) = table.bool("burn_rate") {
        policy.burn_rate = burn_rate;
    }
    Alert { policy, within }
}

fn rule(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Option<PageRule> {
    if let Some(failures) = table.count("page_after").and_then(NonZeroU32::new) {
        return Some(PageRule::Consecutive(failures));
    }
    let window = table.table("window")?;
    let [failures, of] = ["failures", "of"].map(|key| window.count(key).and_then(NonZeroU32::new));
    let (failures, of) = (failures?, of?);
    if let Some(node) = window.get("failures").filter(|_| failures > of) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, format!("of {of} runs {failures} cannot fail, so this never pages"))
                .help("make `failures` at most `of`"),
        );
    }
    Some(PageRule::Window { failures, of })
}

/// The policy of a probe. `seen` is the number of its regions that this process runs, if the service has several.
pub(super) fn of_probe(base: &Alert, probe: &Table<'_>, seen: Option<usize>, diagnostics: &mut Diagnostics) -> AlertPolicy {
    let own = probe.table("alert");
    let Alert { mut policy, within } = own.map_or_else(|| base.clone(), |table| read(base, table, diagnostics));
    let every = probe.duration("every");
    // Runs of two regions may lie an interval apart, and a second failure of either another one.
    if let (Some(rule), None, Some(every)) = (&mut policy.critical, within, every) {
        rule.within = rule.within.max(every.saturating_mul(2));
    }
    if let Some(rule) = policy.critical {
        unseen(rule, own, seen, diagnostics);
    }
    if let Some(every) = every {
        short_critical(&policy, probe, every, diagnostics);
        short_reminder(&policy, probe, every, diagnostics);
    }
    if let Some(entry) = own.and_then(|table| table.entry("burn_rate")).filter(|_| policy.burn_rate)
        && probe.table("slo").is_none_or(|slo| slo.get("success").is_none())
    {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, entry.key_spot, "`burn_rate` has no effect without `slo.success`")
                .help("promise a share of successes in `[slo]`, or take `burn_rate` out"),
        );
    }
    policy
}

/// Where a key of the alert rules is written in this file, or else the probe's interval, which decides whether it makes sense.
fn written<'f>(probe: &Table<'f>, path: &[&str]) -> Option<Spot<'f>> {
    let (last, above) = path.split_last()?;
    let table = above.iter().try_fold(probe, |table, key| table.table(key));
    table.and_then(|table| table.get(last)).or_else(|| probe.get("every")).map(|node| node.spot)
}

fn unseen(rule: CriticalRule, own: Option<&Table<'_>>, seen: Option<usize>, diagnostics: &mut Diagnostics) {
    // A probe may be written for more regions than a service of one has, and without the key nobody asked for it.
    let (Some(node), Some(seen)) = (own.and_then(|table| table.get("critical")), seen) else { return };
    if seen < rule.regions.get() as usize {
        let message = format!("critical needs {} regions, and this process runs the probe in {seen}", rule.regions);
        diagnostics.push(
            Diagnostic::at(Code::CriticalUnseen, node.spot, message)
                .help("run it in more regions, lower `regions`, or say `critical = false`; as it is, a page stays a page"),
        );
    }
}

fn short_critical(policy: &AlertPolicy, probe: &Table<'_>, every: Duration, diagnostics: &mut Diagnostics) {
    let Some(rule) = policy.critical.filter(|rule| rule.within < every.saturating_mul(2)) else { return };
    let Some(spot) = written(probe, &["alert", "critical", "within"]) else { return };
    let within = humantime::format_duration(rule.within);
    let message = format!("critical looks back {within}, less than two intervals of the probe");
    diagnostics.push(
        Diagnostic::at(Code::CriticalWindow, spot, message)
            .help("failures of two regions may lie an interval apart: make `critical.within` at least two intervals"),
    );
}

fn short_reminder(policy: &AlertPolicy, probe: &Table<'_>, every: Duration, diagnostics: &mut Diagnostics) {
    let Some(spot) = policy.remind.filter(|remind| *remind < every).and_then(|_| written(probe, &["alert", "remind"])) else {
        return;
    };
    diagnostics.push(
        Diagnostic::at(Code::RemindTooSoon, spot, "the reminder comes before the probe has run again")
            .help("it could say nothing new: make `remind` at least one interval"),
    );
}
