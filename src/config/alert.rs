//! When a probe pages: its `[alert]`, laid over `[alerting.defaults]`, over what holds without either.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{AcrossPolicy, AlertPolicy, CriticalRule, PageRule};

use super::keys::{AlertKeys, ProbeKeys, WindowKeys};
use super::section::Field;
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// The longest pause of an incident on a channel after a ring.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// Where ticks are further apart, one pass settles.
const SLOW: Duration = Duration::from_hours(1);

/// A policy, and whether somebody wrote down how long critical looks back.
#[derive(Debug, Clone, Default)]
pub(super) struct Alert {
    pub(super) policy: AlertPolicy,
    within: Option<Duration>,
}

/// What the keys of an alert say, over `base`.
pub(super) fn read(base: &Alert, keys: &AlertKeys<'_>, diagnostics: &mut Diagnostics) -> Alert {
    let Alert { mut policy, mut within } = base.clone();
    keys.page.apply_to(&mut policy.page);
    if let Some(rule) = rule(keys, diagnostics) {
        policy.rule = rule;
    }
    match &keys.across.value {
        Some(Some(across)) => {
            let counts = window(&across.failures, &across.of, diagnostics);
            policy.across = counts.map(|(failures, of)| AcrossPolicy { failures, of });
        }
        Some(None) => policy.across = None,
        None => {}
    }
    keys.resolve_after.apply_to(&mut policy.resolve_after);
    match &keys.critical.value {
        Some(Some(critical)) => {
            within = critical.within.value.or(within);
            policy.critical = policy.critical.or(AlertPolicy::default().critical);
            if let Some(rule) = &mut policy.critical {
                critical.regions.apply_to(&mut rule.regions);
            }
        }
        Some(None) => policy.critical = None,
        None => {}
    }
    if let (Some(rule), Some(within)) = (&mut policy.critical, within) {
        rule.within = within;
    }
    keys.remind.apply_to(&mut policy.remind);
    keys.subject_after.apply_to(&mut policy.subject_after);
    keys.max_subjects.apply_to(&mut policy.max_subjects);
    keys.subject_critical.apply_to(&mut policy.subject_critical);
    keys.subject_gone.apply_to(&mut policy.subject_gone);
    keys.burn_rate.apply_to(&mut policy.burn_rate);
    Alert { policy, within }
}

fn rule(keys: &AlertKeys<'_>, diagnostics: &mut Diagnostics) -> Option<PageRule> {
    if let Some(failures) = *keys.page_after {
        return Some(PageRule::Consecutive(failures));
    }
    let WindowKeys { failures, of } = keys.window.as_ref()?;
    window(failures, of, diagnostics).map(|(failures, of)| PageRule::Window { failures, of })
}

/// So many failures of so many runs, if there can be so many.
fn window(failures: &Count<'_>, of: &Count<'_>, diagnostics: &mut Diagnostics) -> Option<(NonZeroU32, NonZeroU32)> {
    let span = failures.span()?;
    let (failures, of) = (failures.value?, of.value?);
    if failures > of {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, format!("of {of} runs {failures} cannot fail, so this never pages"))
                .help("make `failures` at most `of`"),
        );
    }
    (failures <= of).then_some((failures, of))
}

type Count<'t> = Field<'t, Option<NonZeroU32>>;

/// The policy of a probe. `seen` is the number of its regions in which it is judged as one, and by whom, if the service has
/// several.
pub(super) fn of_probe(
    base: &Alert,
    probe: &ProbeKeys<'_>,
    seen: Option<(usize, &str)>,
    diagnostics: &mut Diagnostics,
) -> AlertPolicy {
    let own = probe.alert.as_ref();
    let Alert { mut policy, within } = own.map_or_else(|| base.clone(), |keys| read(base, keys, diagnostics));
    // Runs of two regions may lie an interval apart, and a second failure of either another one.
    if let (Some(rule), None, Some(every)) = (&mut policy.critical, within, *probe.every) {
        rule.within = rule.within.max(every.saturating_mul(2));
    }
    if let Some(rule) = policy.critical {
        unseen(rule, own, seen, diagnostics);
    }
    if let (Some(every), Some(interval)) = (*probe.every, probe.every.span()) {
        short_critical(&policy, own, (every, interval), diagnostics);
        short_reminder(&policy, own, (every, interval), diagnostics);
    }
    if let Some(own) = own {
        no_effect(&policy, own, probe, diagnostics);
    }
    if let Some(entry) = own.and_then(|own| own.burn_rate.entry).filter(|_| policy.burn_rate)
        && probe.slo.as_ref().is_none_or(|slo| slo.success.entry.or(slo.degraded.entry).is_none())
    {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, entry.key_span, "`burn_rate` has no effect without `slo.success` or `slo.degraded`")
                .help("promise a share of runs in `[slo]`, or take `burn_rate` out"),
        );
    }
    policy
}

fn unseen(rule: CriticalRule, own: Option<&AlertKeys<'_>>, seen: Option<(usize, &str)>, diagnostics: &mut Diagnostics) {
    // A probe may be written for more regions than a service of one has, and without the key nobody asked for it.
    let (Some(span), Some((seen, who))) = (own.and_then(|own| own.critical.span()), seen) else { return };
    if seen < rule.regions.get() as usize {
        let message = format!("critical needs {} regions, and {who} runs the probe in {seen}", rule.regions);
        diagnostics.push(
            Diagnostic::at(Code::CriticalUnseen, span, message)
                .help("run it in more regions, lower `regions`, or say `critical = false`; as it is, a page stays a page"),
        );
    }
}

/// The probe's interval and where it is written, which is what decides where no key of its own does.
type Every<'t> = (Duration, SourceSpan<'t>);

fn short_critical(
    policy: &AlertPolicy,
    own: Option<&AlertKeys<'_>>,
    (every, interval): Every<'_>,
    diagnostics: &mut Diagnostics,
) {
    let Some(rule) = policy.critical.filter(|rule| rule.within < every.saturating_mul(2)) else { return };
    let critical = own.and_then(|own| own.critical.as_ref()?.as_ref());
    let span = critical.and_then(|critical| critical.within.span()).unwrap_or(interval);
    let within = humantime::format_duration(rule.within);
    let message = format!("critical looks back {within}, less than two intervals of the probe");
    diagnostics.push(
        Diagnostic::at(Code::CriticalWindow, span, message)
            .help("failures of two regions may lie an interval apart: make `critical.within` at least two intervals"),
    );
}

fn short_reminder(
    policy: &AlertPolicy,
    own: Option<&AlertKeys<'_>>,
    (every, interval): Every<'_>,
    diagnostics: &mut Diagnostics,
) {
    let Some(remind) = policy.remind.filter(|remind| *remind < every.max(LONGEST_PAUSE)) else { return };
    let span = own.and_then(|own| own.remind.span()).unwrap_or(interval);
    let (message, help) = if remind < every {
        ("the reminder comes before the probe has run again", "it could say nothing new: make `remind` at least one interval")
    } else {
        ("reminders come no more often than each 15 minutes", "so long an incident pauses after its rings: make `remind` longer")
    };
    diagnostics.push(Diagnostic::at(Code::RemindTooSoon, span, message).help(help));
}

/// Warns of what a probe says of itself and nobody heeds.
fn no_effect(policy: &AlertPolicy, own: &AlertKeys<'_>, probe: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) {
    let slow = probe.every.is_some_and(|every| every / probe.runs.get() > SLOW);
    // Subjects are settled by `resolve_after` whatever rule the canaries have, unless ticks are rare.
    let settled = match policy.rule {
        PageRule::Window { failures, of } if slow || !has_subjects(probe) => Some(of.get() - failures.get() + 1),
        PageRule::Consecutive(_) if slow => Some(1),
        PageRule::Consecutive(_) | PageRule::Window { .. } => None,
    };
    if let (Some(entry), Some(passes)) = (own.resolve_after.entry, settled.filter(|passes| *passes != policy.resolve_after.get()))
    {
        let (settles, help) = if passes == 1 {
            ("one pass settles".to_owned(), "where ticks are more than an hour apart, nobody waits for a second one; take it out")
        } else {
            (format!("{passes} passes in a row settle"), "with so many the rest of the window cannot cross it; take it out")
        };
        let message = format!("`resolve_after` does nothing here: {settles} a canary");
        diagnostics.push(Diagnostic::at(Code::NoEffect, entry.key_span, message).help(help));
    }
    if let Some(entry) = own.critical.entry.filter(|_| !policy.page && policy.critical.is_some()) {
        let message = "`critical` does nothing beside `page = false`: only what fails at page level becomes critical";
        diagnostics.push(Diagnostic::at(Code::NoEffect, entry.key_span, message).help("take one of them out"));
    }
    if let Some(entry) = own.subject_critical.entry.filter(|_| policy.subject_critical) {
        let (missing, help) = if !has_subjects(probe) {
            ("no step has a `subject`", "take it out, or name a `subject` in a step with `for_each`")
        } else if policy.critical.is_none() {
            ("`critical` is `false`", "take one of them out: `critical` says of how many regions")
        } else if !policy.page {
            ("`page` is `false`", "take one of them out: only what fails at page level becomes critical")
        } else {
            return;
        };
        let message = format!("`subject_critical` does nothing: {missing}");
        diagnostics.push(Diagnostic::at(Code::NoEffect, entry.key_span, message).help(help));
    }
}

fn has_subjects(probe: &ProbeKeys<'_>) -> bool {
    probe.step.items().iter().any(|step| step.value.subject.entry.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::section::DeclaredSection as _;
    use crate::config::{keys, parse};
    use crate::plan::SubjectGone;
    use crate::source::SourceFile;

    fn policy(defaults: &str, probe: &str) -> AlertPolicy {
        let mut diagnostics = Diagnostics::default();
        let [defaults, probe] = [defaults, probe].map(|text| Arc::new(SourceFile::new("a.toml", text)));
        let base = parse::parse(&defaults, &mut diagnostics)
            .map(|table| read(&Alert::default(), &keys::Alert::keys(&table), &mut diagnostics));
        let table = parse::parse(&probe, &mut diagnostics).unwrap();
        let policy = of_probe(&base.unwrap(), &keys::Probe::keys(&table), None, &mut diagnostics);
        assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
        policy
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn without_a_word_a_probe_pages_after_two_failures() {
        assert_eq!(policy("", "every = \"1m\""), AlertPolicy::default());
    }

    #[test]
    fn every_key_of_a_probe_wins_over_the_service_and_the_rest_stays() {
        let defaults = "page = false\npage_after = 3\nresolve_after = 4\nremind = \"4h\"\nsubject_critical = true\nmax_subjects = 7\nburn_rate = false";
        let own = "every = \"1m\"\n[alert]\nwindow = { failures = 4, of = 10 }\nremind = false\nsubject_after = 2\nsubject_critical = false\nsubject_gone = \"retire\"";
        let expected = AlertPolicy {
            page: false,
            rule: PageRule::Window { failures: number(4), of: number(10) },
            resolve_after: number(4),
            remind: None,
            subject_after: number(2),
            max_subjects: number(7),
            subject_gone: SubjectGone::Retire,
            burn_rate: false,
            ..AlertPolicy::default()
        };
        assert_eq!(policy(defaults, own), expected);
        assert!(policy(defaults, "every = \"1m\"").subject_critical);
        assert_eq!(policy(defaults, "every = \"1m\"").remind, Some(Duration::from_hours(4)));
        let back = "window = { failures = 4, of = 10 }";
        assert_eq!(policy(back, "every = \"1m\"\n[alert]\npage_after = 5").rule, PageRule::Consecutive(number(5)));
    }

    #[test]
    fn what_canaries_are_judged_by_together_can_be_given_and_taken_away() {
        let across = |defaults: &str, own: &str| policy(defaults, &format!("every = \"1m\"\n{own}")).across;
        let rule = |failures, of| Some(AcrossPolicy { failures: number(failures), of: number(of) });
        assert_eq!(across("", "alert.across = { failures = 12, of = 36 }"), rule(12, 36));
        assert_eq!(across("across = { failures = 12, of = 36 }", "alert.page_after = 3"), rule(12, 36));
        assert_eq!(across("across = { failures = 12, of = 36 }", "alert.across = { failures = 5, of = 9 }"), rule(5, 9));
        assert_eq!(across("across = { failures = 12, of = 36 }", "alert.across = false"), None);
    }

    #[test]
    fn critical_can_be_changed_switched_off_and_switched_on_again() {
        let critical = |defaults: &str, own: &str| policy(defaults, &format!("every = \"1m\"\n{own}")).critical;
        let rule =
            |regions: u32, minutes: u64| Some(CriticalRule { regions: number(regions), within: Duration::from_mins(minutes) });
        assert_eq!(critical("", "alert.critical = false"), None);
        assert_eq!(critical("critical = false", ""), None);
        assert_eq!(critical("critical = false", "alert.critical = {}"), rule(2, 10));
        assert_eq!(critical("critical = { regions = 4, within = \"20m\" }", "alert.critical = { regions = 3 }"), rule(3, 20));
        assert_eq!(critical("critical = { regions = 4, within = \"20m\" }", "alert.critical = { within = \"5m\" }"), rule(4, 5));
    }

    #[test]
    fn critical_looks_back_two_intervals_of_a_slow_probe_unless_somebody_says_how_long() {
        let within = |probe: &str| policy("", probe).critical.unwrap().within;
        assert_eq!(within("every = \"15m\""), Duration::from_mins(30));
        assert_eq!(within("every = \"15m\"\nalert.critical = { regions = 3 }"), Duration::from_mins(30));
        assert_eq!(within("every = \"15m\"\nalert.critical = { within = \"40m\" }"), Duration::from_mins(40));
    }
}
