//! What the failing runs share, and who passes: the first thing that tells where to look.
//!
//! Each dimension (region, value of a cell's key, step, host, reason, expectation, value seen) is looked at on its own: either all
//! that fail have one value, or they are split. Regions and values of cells are compared with those of all canaries of the probe.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use serde::Serialize;
use utoipa::ToSchema;

use crate::alert::status::{CanaryStatus, Health};
use crate::history::RunView;

use super::super::words;
use super::member::values;
use super::{FailedRun, Group, IncidentModel, Member};

/// Values of a dimension that are named.
const NAMED: usize = 6;
/// Characters of a value.
const LONG: usize = 300;

/// What all, or not all, that fail have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Dimension {
    /// Of what: "region", "step", the key of a cell.
    pub(in crate::web) of: String,
    /// `only in eu and us`, `account is active`.
    pub(in crate::web) says: String,
    /// Whether it points somewhere: one value for all, where there could be others.
    pub(in crate::web) is_telling: bool,
    /// Whether it is a value of the probe or its target, to be shown as code.
    pub(in crate::web) is_code: bool,
}

/// What the failing runs share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Shared {
    /// One for each dimension of which something is known.
    pub(in crate::web) dimensions: Vec<Dimension>,
    /// Whether expectation, host and values are of fewer runs than there are that fail: of the latest of each region.
    pub(in crate::web) is_sample: bool,
    /// `ap passes`; absent where nothing of the probe does, or nobody knows.
    pub(in crate::web) passes: Option<String>,
    /// When the first failing run began, and whose it was.
    pub(in crate::web) first: First,
}

/// The first failing run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct First {
    /// When it started, milliseconds since the epoch.
    pub(in crate::web) at_ms: i64,
    /// `eu · ios`; empty if nobody knows.
    pub(in crate::web) place: String,
    /// Its id, if the store has it.
    pub(in crate::web) run_id: Option<String>,
}

impl Shared {
    /// `step account is active · only in eu and us`: the dimensions that point somewhere, in one line.
    pub(in crate::web) fn sentence(&self) -> String {
        let telling = self.dimensions.iter().filter(|dimension| dimension.is_telling && dimension.of != "expectation");
        telling.map(|dimension| format!("{} {}", dimension.of, dimension.says)).collect::<Vec<_>>().join(" · ")
    }
}

/// Where a canary is: `eu · ios, large`.
pub(in crate::web) fn place(canary: &str) -> String {
    let mut parts = canary.splitn(3, '/').skip(1);
    let (region, cell) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let values: Vec<&str> = values(cell).map(|(_, value)| value).collect();
    if values.is_empty() { region.to_owned() } else { format!("{region} · {}", values.join(", ")) }
}

/// What the failing runs of an incident share. `canaries` are those of its probe, `runs` its runs that did not pass meanwhile,
/// newest first, and `complete` whether those are all.
pub(in crate::web) fn shared(incident: &IncidentModel, canaries: &[&CanaryStatus], runs: &[RunView], complete: bool) -> Shared {
    let affected = affected(incident);
    // Messages name a few of many members, and who is not named may be anywhere.
    let are_all = incident.members.len() >= incident.members_total;
    let mut dimensions = Vec::new();
    dimensions.extend(regions(&affected, canaries, are_all));
    dimensions.extend(cells(&affected, canaries, are_all));
    let failures = &incident.failures;
    let of = |name: &str, is_code, value: fn(&FailedRun) -> Option<&str>| alike(name, is_code, failures, value);
    dimensions.extend(steps(&affected, canaries).or_else(|| of("step", false, |run| run.step.as_deref())));
    if failures.iter().all(|run| run.host.is_some()) {
        dimensions.extend(of("host", true, |run| run.host.as_deref()));
    }
    let failed: Vec<&RunView> = runs.iter().filter(|run| run.counted && run.verdict == "failed").collect();
    let reasons = alike("reason", false, &failed, |run| run.reason);
    let of_failures = || of("reason", false, |run| Some(run.reason.as_str()).filter(|reason| !reason.is_empty()));
    dimensions.extend(reasons.or_else(of_failures));
    dimensions.extend(of("expectation", true, |run| run.expectation.as_deref()));
    dimensions.extend(seen(failures));
    let is_sample = !failures.is_empty() && failures.len() < affected.len().max(if are_all { 0 } else { usize::MAX });
    Shared { dimensions, is_sample, passes: passes(incident, canaries), first: first(incident, runs, complete) }
}

/// The step at which each of those that fail does, as alerting knows it now.
fn steps(affected: &[&Member], canaries: &[&CanaryStatus]) -> Option<Dimension> {
    let affected: BTreeSet<&str> = affected.iter().filter_map(|member| member.canary.as_deref()).collect();
    let of_them: Vec<&&CanaryStatus> = canaries.iter().filter(|canary| affected.contains(canary.canary.as_str())).collect();
    alike("step", false, &of_them, |canary| canary.step.as_deref())
}

/// Those that fail, in whatever way; of what is over, those that failed.
fn affected(incident: &IncidentModel) -> Vec<&Member> {
    let fails = |member: &&Member| matches!(member.standing.group(), Group::Failing | Group::Muted | Group::Explained);
    let failing: Vec<&Member> = incident.members.iter().filter(fails).collect();
    if failing.is_empty() { incident.members.iter().collect() } else { failing }
}

fn regions(affected: &[&Member], canaries: &[&CanaryStatus], are_all: bool) -> Option<Dimension> {
    let found = ordered(affected.iter().map(|member| member.region.as_str()).filter(|region| !region.is_empty()));
    let all: BTreeSet<&str> = canaries.iter().map(|canary| canary.region.as_str()).collect();
    let says = match (found.len(), all.len()) {
        (0, _) => return None,
        (1, 0 | 1) => found[0].to_owned(),
        (failing, all) if failing >= all => format!("all: {}", named(&found)),
        _ if !are_all => format!("{}, and maybe others", named(&found)),
        _ => format!("only in {}", named(&found)),
    };
    Some(Dimension { of: "region".to_owned(), is_telling: are_all && found.len() < all.len(), says, is_code: false })
}

/// Each key of the matrix: `platform`: `only ios`, `all: android, ios and web`.
fn cells(affected: &[&Member], canaries: &[&CanaryStatus], are_all: bool) -> Vec<Dimension> {
    let mut failing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, value) in affected.iter().flat_map(|member| member.values()) {
        let known = failing.entry(key).or_default();
        if !known.contains(&value) {
            known.push(value);
        }
    }
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (key, value) in canaries.iter().flat_map(|canary| values(&canary.cell)) {
        all.entry(key).or_default().insert(value);
    }
    let one = |(key, mut found): (&str, Vec<&str>)| {
        found.sort_unstable();
        let all = all.get(key).map_or(0, BTreeSet::len);
        let says = match found.len() {
            1 if all <= 1 => found[0].to_owned(),
            failing if failing >= all => format!("all: {}", named(&found)),
            _ if !are_all => format!("{}, and maybe others", named(&found)),
            _ => format!("only {}", named(&found)),
        };
        Dimension { of: words::clip(key, 60), is_telling: are_all && found.len() < all, says, is_code: false }
    };
    failing.into_iter().take(NAMED).map(one).collect()
}

/// What all of them have, or how they are split.
fn alike<T>(of: &str, is_code: bool, items: &[T], value: impl Fn(&T) -> Option<&str>) -> Option<Dimension> {
    let counts = counted(items.iter().filter_map(value));
    let says = match counts.as_slice() {
        [] => return None,
        [(only, _)] => words::clip(only, LONG),
        several => {
            let most: Vec<String> =
                several.iter().take(NAMED).map(|(value, times)| format!("{} ({times})", words::clip(value, 80))).collect();
            let more = several.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("split: {}{more}", most.join(", "))
        }
    };
    Some(Dimension { of: of.to_owned(), is_telling: counts.len() == 1, says, is_code: is_code && counts.len() == 1 })
}

/// The values that were seen, where all saw the same.
fn seen(failures: &[FailedRun]) -> Option<Dimension> {
    let first = &failures.first()?.seen;
    if first.is_empty() || failures.iter().any(|run| run.seen != *first) {
        return None;
    }
    let says: Vec<String> = first
        .iter()
        .take(NAMED)
        .map(|(what, value)| format!("{} = {}", words::clip(what, 120), words::clip(value, 120)))
        .collect();
    Some(Dimension { of: "seen".to_owned(), says: says.join(", "), is_telling: false, is_code: true })
}

/// Regions and values of cells in which every canary is well, though others of the probe fail.
fn passes(incident: &IncidentModel, canaries: &[&CanaryStatus]) -> Option<String> {
    // Now that it is over, all of them pass.
    if incident.ended_ms.is_some() {
        return None;
    }
    let mut well: Vec<String> = Vec::new();
    let regions = canaries.iter().map(|canary| (canary.region.as_str(), canary.standing));
    well.extend(all_well(regions));
    let mut keys: BTreeMap<&str, Vec<(&str, Health)>> = BTreeMap::new();
    for canary in canaries {
        for (key, value) in values(&canary.cell) {
            keys.entry(key).or_default().push((value, canary.standing));
        }
    }
    for (key, of_key) in keys {
        well.extend(all_well(of_key.into_iter()).into_iter().map(|value| format!("{key} {value}")));
    }
    let verb = if well.len() == 1 { "passes" } else { "pass" };
    (!well.is_empty()).then(|| format!("{} {verb}", named(&well)))
}

/// The values of which every canary passes.
fn all_well<'a>(standings: impl Iterator<Item = (&'a str, Health)>) -> Vec<String> {
    let mut by_value: BTreeMap<&str, bool> = BTreeMap::new();
    for (value, standing) in standings {
        *by_value.entry(value).or_insert(true) &= standing == Health::Passing;
    }
    by_value.into_iter().filter(|(value, is_well)| *is_well && !value.is_empty()).map(|(value, _)| value.to_owned()).collect()
}

fn first(incident: &IncidentModel, runs: &[RunView], complete: bool) -> First {
    let counted = runs.iter().filter(|run| complete && run.counted && run.started_ms >= incident.since_ms - 1_000);
    if let Some(run) = counted.min_by_key(|run| run.started_ms) {
        return First { at_ms: run.started_ms, place: place(&run.canary), run_id: Some(run.run_id.clone()) };
    }
    // Of what is over messages tell when it began; alerting tells since when it is well.
    let is_known = |member: &&Member| incident.ended_ms.is_some() || member.standing.group() != Group::Settled;
    let of_members = incident.members.iter().filter(is_known);
    let earliest = of_members.min_by_key(|member| member.since_ms);
    let place = earliest.and_then(|member| member.canary.as_deref()).map(place).unwrap_or_default();
    First { at_ms: incident.since_ms, place, run_id: None }
}

/// Each once, in the order in which they come.
fn ordered<T: Eq + Hash + Copy + Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = BTreeSet::new();
    items.filter(|item| known.insert(*item)).collect()
}

/// How often each comes, the most frequent first.
fn counted<'a>(items: impl Iterator<Item = &'a str>) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    counts
}

/// `eu, us and ap`, `a, b, c and 12 more`.
fn named<T: AsRef<str>>(names: &[T]) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMED).map(|name| words::clip(name.as_ref(), 80)).collect();
    if names.len() > NAMED {
        shown.push(format!("{} more", names.len() - NAMED));
    }
    words::list(&shown)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{failed, incident, member};
    use super::*;

    fn canary(region: &str, cell: &str, standing: Health) -> CanaryStatus {
        CanaryStatus {
            canary: format!("p/{region}/{cell}"),
            probe: "p".to_owned(),
            region: region.to_owned(),
            cell: cell.to_owned(),
            standing,
            since_ms: None,
            without_data_since_ms: None,
            of: 0,
            failures: 0,
            paging: false,
            last_verdict: None,
            last_ms: None,
            step: None,
            incident: None,
        }
    }

    fn matrix(fails: impl Fn(&str, &str) -> bool) -> Vec<CanaryStatus> {
        let mut all = Vec::new();
        for region in ["eu", "us", "ap"] {
            for cell in ["platform=ios", "platform=web"] {
                let standing = if fails(region, cell) { Health::Failing } else { Health::Passing };
                all.push(canary(region, cell, standing));
            }
        }
        all
    }

    fn says(shared: &Shared, of: &str) -> Option<(String, bool)> {
        shared.dimensions.iter().find(|dimension| dimension.of == of).map(|one| (one.says.clone(), one.is_telling))
    }

    fn run(canary: &str, started_ms: i64) -> RunView {
        RunView {
            run_id: format!("R{started_ms}"),
            canary: canary.to_owned(),
            probe: "p".to_owned(),
            region: "eu".to_owned(),
            due_ms: started_ms,
            slot: 0,
            started_ms,
            duration_us: 1,
            verdict: "failed",
            reason: Some("expectation"),
            degraded: false,
            trace_id: String::new(),
            counted: true,
        }
    }

    #[test]
    fn what_all_failing_runs_share_is_told_and_who_passes() {
        let all = matrix(|region, _| region != "ap");
        let canaries: Vec<&CanaryStatus> = all.iter().collect();
        let members =
            ["eu", "us"].iter().flat_map(|region| ["platform=ios", "platform=web"].map(|cell| member(region, cell, "failing")));
        let failures = vec![failed("p/eu/platform=ios", "pay", "expectation"), failed("p/us/platform=web", "pay", "expectation")];
        let incident = incident(members.collect(), failures);
        let runs = [run("p/us/platform=web", 9_000), run("p/eu/platform=ios", 1_000)];
        let shared = shared(&incident, &canaries, &runs, true);
        assert_eq!(says(&shared, "region"), Some(("only in eu and us".into(), true)));
        assert_eq!(says(&shared, "platform"), Some(("all: ios and web".into(), false)));
        assert_eq!(says(&shared, "step"), Some(("pay".into(), true)));
        assert_eq!(shared.passes.as_deref(), Some("ap passes"));
        assert_eq!((shared.first.at_ms, shared.first.place.as_str()), (1_000, "eu · ios"));
        assert_eq!(shared.sentence(), "region only in eu and us · step pay · reason expectation");
    }

    #[test]
    fn one_value_of_a_matrix_is_told_apart_from_the_regions() {
        let all = matrix(|_, cell| cell == "platform=ios");
        let canaries: Vec<&CanaryStatus> = all.iter().collect();
        let members = ["eu", "us", "ap"].map(|region| member(region, "platform=ios", "failing"));
        let shared = shared(&incident(members.to_vec(), Vec::new()), &canaries, &[], true);
        assert_eq!(says(&shared, "region"), Some(("all: eu, us and ap".into(), false)));
        assert_eq!(says(&shared, "platform"), Some(("only ios".into(), true)));
        assert_eq!(shared.passes.as_deref(), Some("platform web passes"));
    }

    #[test]
    fn where_messages_named_a_few_of_many_nothing_is_said_to_be_only_there() {
        let all = matrix(|_, _| true);
        let canaries: Vec<&CanaryStatus> = all.iter().collect();
        let mut incident = incident(vec![member("eu", "platform=ios", "recovered")], Vec::new());
        incident.members_total = 6;
        let shared = shared(&incident, &canaries, &[], true);
        assert_eq!(says(&shared, "region"), Some(("eu, and maybe others".into(), false)));
        assert_eq!(says(&shared, "platform"), Some(("ios, and maybe others".into(), false)));
    }

    #[test]
    fn the_step_is_that_of_all_who_fail_and_not_of_the_one_run_that_was_looked_at() {
        let mut all = matrix(|region, _| region == "eu");
        (all[0].step, all[1].step) = (Some("sign in".to_owned()), Some("pay".to_owned()));
        let canaries: Vec<&CanaryStatus> = all.iter().collect();
        let members = ["platform=ios", "platform=web"].map(|cell| member("eu", cell, "failing")).to_vec();
        let shared = shared(&incident(members, vec![failed("p/eu/platform=web", "pay", "expectation")]), &canaries, &[], true);
        assert_eq!(says(&shared, "step"), Some(("split: pay (1), sign in (1)".into(), false)));
        assert!(shared.is_sample);
    }

    #[test]
    fn what_differs_is_split_and_points_nowhere() {
        let failures = vec![failed("p/eu", "pay", "timeout"), failed("p/us", "pay", "dns"), failed("p/ap", "sign up", "dns")];
        let shared = shared(&incident(vec![member("eu", "", "failing")], failures), &[], &[], true);
        assert_eq!(says(&shared, "step"), Some(("split: pay (2), sign up (1)".into(), false)));
        assert_eq!(says(&shared, "reason"), Some(("split: dns (2), timeout (1)".into(), false)));
    }

    #[test]
    fn where_not_all_runs_are_known_the_first_is_the_member_that_began_first() {
        let late = Member { since_ms: 5_000, ..member("us", "", "failing") };
        let incident = incident(vec![late, member("eu", "", "failing")], Vec::new());
        let shared = shared(&incident, &[], &[run("p/us", 9_000)], false);
        assert_eq!((shared.first.at_ms, shared.first.place.as_str(), shared.first.run_id), (1_000, "eu", None));
    }

    #[test]
    fn a_thousand_members_with_a_thousand_values_are_told_in_a_few_words() {
        let members = (0..1_000).map(|at| member(&format!("r{at}"), &format!("key=v{at},k{at}=1"), "failing")).collect();
        let failures = (0..1_000).map(|at| failed(&format!("p/r{at}"), &format!("s{at}"), "dns")).collect();
        let shared = shared(&incident(members, failures), &[], &[], true);
        assert!(shared.dimensions.len() < 20);
        assert!(shared.dimensions.iter().all(|dimension| dimension.says.len() < 1_000));
    }
}
