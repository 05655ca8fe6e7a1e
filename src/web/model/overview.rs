//! The overview: which rows there are, what each says, and in which order.
//!
//! Rows are canaries where there are few. Where there are many, a probe is one row, with those of its canaries that are not well
//! below it, and is opened by region and then by cell. Nothing here asks the store.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use crate::alert::Status;
use crate::alert::status::{ByHealth, CanaryStatus, Health, ProbeStatus};
use crate::plan::{LatencyOf, Plan, Probe};

use super::recent::{Mark, MarkKind, Marks};
use super::strip::{Axis, StripMark, strip};
use super::words;

/// Rows beyond which probes are folded.
const UNFOLDED: usize = 120;
/// Rows of a probe beyond which it is folded by region when it is opened.
const OF_PROBE: usize = 60;
/// Canaries of a folded probe that are shown because they are not well.
const UNWELL: usize = 5;
/// The same, of all probes together.
const UNWELL_TOTAL: usize = 60;
/// Probes that are shown at once.
const PROBES: usize = 250;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Filter {
    /// Words that each must stand in name, owner, tag, region or cell.
    pub(in crate::web) words: Vec<String>,
    /// Only what is in this state.
    pub(in crate::web) health: Option<Health>,
    /// Only this region.
    pub(in crate::web) region: Option<String>,
    /// Probes, or `PROBE/REGION`, that are opened.
    pub(in crate::web) open: Vec<String>,
}

impl Filter {
    /// Whether everything is shown.
    pub(in crate::web) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.health.is_none() && self.region.is_none()
    }

    /// Whether a canary is shown; its probe is none that was removed.
    pub(in crate::web) fn admits(&self, probe: Option<&Probe>, canary: &CanaryStatus) -> bool {
        let text = |word: &String| {
            let within = |text: &str| text.to_lowercase().contains(word.as_str());
            within(&canary.canary)
                || probe.is_some_and(|probe| {
                    probe.owner.as_deref().is_some_and(within)
                        || probe.summary.as_deref().is_some_and(within)
                        || probe.tags.iter().any(|tag| within(tag))
                })
        };
        self.health.is_none_or(|health| canary.standing == health)
            && self.region.as_ref().is_none_or(|region| *region == canary.region)
            && self.words.iter().all(text)
    }
}

/// The rows of the overview.
#[derive(Debug, Default)]
pub(in crate::web) struct Grid {
    /// Probes, the worst first.
    pub(in crate::web) groups: Vec<Group>,
    /// Canaries that the filter admits, by health.
    pub(in crate::web) admitted: ByHealth,
    /// All canaries by health.
    pub(in crate::web) all: ByHealth,
    /// Regions, in the order of the configuration, with the canaries that are not well.
    pub(in crate::web) regions: Vec<(String, usize)>,
    /// Probes that are admitted and not shown.
    pub(in crate::web) left_out: usize,
    /// Their canaries by health.
    pub(in crate::web) left_out_canaries: ByHealth,
    /// Whether probes are folded.
    pub(in crate::web) is_folded: bool,
}

/// A probe.
#[derive(Debug)]
pub(in crate::web) struct Group {
    /// Its name.
    pub(in crate::web) probe: String,
    /// One sentence.
    pub(in crate::web) summary: String,
    /// Whose it is.
    pub(in crate::web) owner: String,
    /// Its canaries by health.
    pub(in crate::web) canaries: ByHealth,
    /// The worst of them.
    pub(in crate::web) health: Health,
    /// What fails in it, and since when; empty where all is well.
    pub(in crate::web) fails: String,
    /// What is left of its error budget, `92 %`; empty without an objective.
    pub(in crate::web) budget: String,
    /// Whether it is folded, and could be opened.
    pub(in crate::web) is_folded: bool,
    /// Its rows.
    pub(in crate::web) rows: Vec<Row>,
}

impl Group {
    /// Its canaries in words.
    pub(in crate::web) fn words(&self) -> String {
        summary(self.canaries)
    }
}

/// A row: a canary, or several of a region or a probe.
#[derive(Debug)]
pub(in crate::web) struct Row {
    /// What stands in front: `eu · ios`, `eu: 12 canaries`.
    pub(in crate::web) name: String,
    /// Where it leads.
    pub(in crate::web) href: String,
    /// In one word.
    pub(in crate::web) health: Health,
    /// The same in words: `account is active · 6 in a row`.
    pub(in crate::web) now: String,
    /// Its marks.
    pub(in crate::web) strip: Vec<StripMark>,
    /// The ids of the canaries that marks speak of by their place.
    pub(in crate::web) ids: Vec<String>,
    /// How long the last run took.
    pub(in crate::web) last: String,
    /// The 95th percentile of what was waited for, or of the whole run; "lost" where it is among lost runs.
    pub(in crate::web) p95: String,
    /// A line of what was waited for; absent where nothing was.
    pub(in crate::web) spark: Option<Spark>,
}

/// A small line with its bound.
#[derive(Debug, PartialEq)]
pub(in crate::web) struct Spark {
    /// The data of a path, in a box of 120 × 20.
    pub(in crate::web) path: String,
    /// Where the bound is; absent without an objective.
    pub(in crate::web) bound: Option<String>,
}

/// What rows are made of.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Seen<'a> {
    /// The last hour, for figures.
    pub(in crate::web) marks: &'a Marks,
    /// What strips show.
    pub(in crate::web) strips: &'a Marks,
    /// When.
    pub(in crate::web) axis: Axis,
}

/// The rows for a filter.
pub(in crate::web) fn grid(plan: &Plan, status: &Status, seen: Seen<'_>, filter: &Filter) -> Grid {
    let probes: HashMap<&str, &Probe> = plan.probes.iter().map(|probe| (&*probe.name, &**probe)).collect();
    let mut grid = Grid::default();
    let mut regions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_probe: HashMap<&str, Vec<&CanaryStatus>> = HashMap::new();
    for canary in &status.canaries {
        grid.all.add(canary.standing);
        *regions.entry(&canary.region).or_default() += usize::from(is_unwell(canary.standing));
        if filter.admits(probes.get(&*canary.probe).copied(), canary) {
            grid.admitted.add(canary.standing);
            of_probe.entry(&canary.probe).or_default().push(canary);
        }
    }
    let declared = plan.known_regions.iter().map(|region| &**region).filter(|region| regions.contains_key(region));
    grid.regions = declared.map(|region| (region.to_owned(), regions[region])).collect();
    grid.is_folded = grid.admitted.total() > UNFOLDED;
    let admitted: Vec<(&ProbeStatus, Vec<&CanaryStatus>)> =
        status.probes.iter().filter_map(|probe| of_probe.remove(&*probe.probe).map(|canaries| (probe, canaries))).collect();
    grid.left_out = admitted.len().saturating_sub(PROBES);
    for canary in admitted.iter().skip(PROBES).flat_map(|(_, canaries)| canaries) {
        grid.left_out_canaries.add(canary.standing);
    }
    let mut maker = Maker { seen, filter, unwell_left: UNWELL_TOTAL, is_folded: grid.is_folded };
    for (probe, canaries) in admitted.into_iter().take(PROBES) {
        grid.groups.push(maker.group(probe, probes.get(&*probe.probe).copied(), canaries));
    }
    grid
}

/// Whether a canary needs a look.
fn is_unwell(health: Health) -> bool {
    match health {
        Health::Failing | Health::NoData | Health::Suspect => true,
        Health::Muted | Health::Unknown | Health::Passing => false,
    }
}

struct Maker<'a> {
    seen: Seen<'a>,
    filter: &'a Filter,
    unwell_left: usize,
    is_folded: bool,
}

impl Maker<'_> {
    fn group(&mut self, status: &ProbeStatus, probe: Option<&Probe>, mut canaries: Vec<&CanaryStatus>) -> Group {
        // Not by how often they failed, which would move rows with every run.
        canaries.sort_by_key(|canary| Reverse(canary.standing));
        let mut by_health = ByHealth::default();
        for canary in &canaries {
            by_health.add(canary.standing);
        }
        let is_open = self.filter.open.iter().any(|open| open.split('/').next() == Some(&status.probe));
        let rows = if !self.is_folded || is_open && canaries.len() <= OF_PROBE {
            canaries.iter().map(|canary| self.canary(probe, canary)).collect()
        } else if is_open {
            self.regions(probe, &canaries)
        } else {
            self.folded(probe, &canaries)
        };
        Group {
            probe: status.probe.clone(),
            summary: probe.and_then(|probe| probe.summary.clone()).unwrap_or_default(),
            owner: status.owner.clone().unwrap_or_default(),
            health: canaries.first().map_or(Health::Unknown, |worst| worst.standing),
            canaries: by_health,
            fails: fails(&canaries),
            budget: status.budget_left.map(words::percent).unwrap_or_default(),
            is_folded: self.is_folded && !is_open,
            rows,
        }
    }

    /// One row for all, and those that are not well.
    fn folded(&mut self, probe: Option<&Probe>, canaries: &[&CanaryStatus]) -> Vec<Row> {
        let mut rows = vec![self.several(words::count(canaries.len(), "canary", "canaries"), String::new(), canaries)];
        let unwell = canaries.iter().filter(|canary| is_unwell(canary.standing)).take(UNWELL.min(self.unwell_left));
        let unwell: Vec<Row> = unwell.map(|canary| self.canary(probe, canary)).collect();
        self.unwell_left -= unwell.len();
        rows.extend(unwell);
        rows
    }

    /// A row a region; the canaries of regions that are opened.
    fn regions(&self, probe: Option<&Probe>, canaries: &[&CanaryStatus]) -> Vec<Row> {
        let mut of_region: BTreeMap<&str, Vec<&CanaryStatus>> = BTreeMap::new();
        for canary in canaries {
            of_region.entry(&canary.region).or_default().push(canary);
        }
        let mut rows = Vec::new();
        for (region, canaries) in of_region {
            let key = format!("{}/{region}", canaries[0].probe);
            let name = format!("{region}: {}", words::count(canaries.len(), "canary", "canaries"));
            let is_open = self.filter.open.contains(&key);
            rows.push(self.several(name, key, &canaries));
            if is_open {
                rows.extend(canaries.iter().map(|canary| self.canary(probe, canary)));
            }
        }
        rows
    }

    fn several(&self, name: String, key: String, canaries: &[&CanaryStatus]) -> Row {
        let mut health = ByHealth::default();
        for canary in canaries {
            health.add(canary.standing);
        }
        let strips = self.seen.strips;
        let marks = canaries.iter().enumerate().flat_map(|(at, canary)| strips.of(&canary.canary).map(move |mark| (at, mark)));
        let worst = canaries.iter().map(|canary| canary.standing).max().unwrap_or_default();
        Row {
            name,
            href: key,
            health: worst,
            now: summary(health),
            strip: strip(self.seen.axis, marks),
            ids: canaries.iter().map(|canary| canary.canary.clone()).collect(),
            last: String::new(),
            p95: String::new(),
            spark: None,
        }
    }

    fn canary(&self, probe: Option<&Probe>, canary: &CanaryStatus) -> Row {
        let Seen { marks, strips, axis } = self.seen;
        let seen: Vec<&Mark> = marks.of(&canary.canary).filter(|mark| mark.due_ms >= axis.from_ms).collect();
        let last = seen.iter().rev().find(|mark| matches!(mark.kind, MarkKind::Passed | MarkKind::Degraded | MarkKind::Failed));
        Row {
            name: place(&canary.region, &canary.cell),
            href: format!("probes/{}?canary={}", encoded(&canary.probe), encoded(&canary.canary)),
            health: canary.standing,
            now: now(canary),
            strip: strip(axis, strips.of(&canary.canary).map(|mark| (0, mark))),
            ids: vec![canary.canary.clone()],
            last: last.map(|mark| words::took_us(mark.duration_us.into())).unwrap_or_default(),
            p95: p95(&seen),
            spark: spark(&seen, bound_us(probe)),
        }
    }
}

/// A text as part of an address.
pub(in crate::web) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A text as a segment of a path, in which a plus is no space.
pub(in crate::web) fn in_path(text: &str) -> String {
    encoded(text).replace('+', "%20")
}

/// `eu · ios · tracks 500`: a value that is a word speaks for itself, a number needs its key.
pub(in crate::web) fn place(region: &str, cell: &str) -> String {
    let value = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if value.parse::<f64>().is_ok() || matches!(value, "true" | "false") => format!("{key} {value}"),
        Some((_, value)) => value.to_owned(),
        None => pair.to_owned(),
    };
    let values = cell.split(',').filter(|pair| !pair.is_empty()).map(value);
    std::iter::once(region.to_owned()).chain(values).collect::<Vec<_>>().join(" · ")
}

/// What is so of a canary, after its glyph.
fn now(canary: &CanaryStatus) -> String {
    // Where there is an incident, that says since when.
    let since = canary.since_ms.filter(|_| canary.incident.is_none());
    let since = || since.map(|since| format!(" · since {}", words::minute(since))).unwrap_or_default();
    let step = canary.step.as_deref().unwrap_or("failing");
    let streak = || match (canary.failures, canary.of) {
        (0 | 1, 0) => step.to_owned(),
        (failures, 0) => format!("{step} · {failures} in a row"),
        (failures, of) => format!("{step} · {failures} of its last {of}"),
    };
    match (canary.standing, canary.without_data_since_ms) {
        (Health::Passing, _) => "passed".to_owned(),
        (Health::Unknown, _) => "no run yet".to_owned(),
        (Health::Muted, _) if canary.failures > 0 => format!("muted, {}", streak()),
        (Health::Muted, _) => "muted".to_owned(),
        (Health::NoData, _) => format!("no data: {}{}", canary.last_verdict.unwrap_or("nothing ran"), since()),
        (Health::Failing, Some(without)) => format!("no data since {}; before, {}", words::minute(without), streak()),
        (Health::Suspect, _) if canary.failures <= 1 => format!("{}, once so far", canary.step.as_deref().unwrap_or("failed")),
        (Health::Suspect | Health::Failing, _) => format!("{}{}", streak(), since()),
    }
}

/// The step that fails in the worst of these, and since when something does: `account is active, since 02:34`.
fn fails(canaries: &[&CanaryStatus]) -> String {
    let unwell = || canaries.iter().filter(|canary| is_unwell(canary.standing));
    let step = unwell().find_map(|canary| canary.step.as_deref()).unwrap_or_default();
    let since = unwell().filter_map(|canary| canary.since_ms).min().map(|since| format!("since {}", words::minute(since)));
    let said = [Some(step.to_owned()).filter(|step| !step.is_empty()), since];
    said.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// `2 failing, 7 passing`.
pub(in crate::web) fn summary(health: ByHealth) -> String {
    words::listed(&[
        (health.failing, "failing"),
        (health.no_data, "without data"),
        (health.suspect, "failed lately"),
        (health.muted, "muted"),
        (health.unknown, "no run yet"),
        (health.passing, "passed"),
    ])
}

/// The 95th percentile, by the nearest rank; a failed run is lost and greater than every other.
fn p95(seen: &[&Mark]) -> String {
    let waits = seen.iter().any(|mark| mark.convergence_us.is_some());
    let mut values: Vec<Option<u32>> = seen
        .iter()
        .filter_map(|mark| match mark.kind {
            _ if !mark.counted => None,
            MarkKind::Passed | MarkKind::Degraded if waits => mark.convergence_us.map(Some),
            MarkKind::Passed | MarkKind::Degraded => Some(Some(mark.duration_us)),
            MarkKind::Failed => Some(None),
            MarkKind::Skipped | MarkKind::Blocked | MarkKind::Missed | MarkKind::Errored => None,
        })
        .collect();
    values.sort_by_key(|value| value.map_or(u64::MAX, u64::from));
    let rank = (values.len() * 95).div_ceil(100);
    match rank.checked_sub(1).and_then(|at| values.get(at)) {
        None => String::new(),
        Some(None) => "lost".to_owned(),
        Some(Some(us)) => words::took_us(u64::from(*us)),
    }
}

/// The bound of a probe's objective on what is waited for, microseconds.
fn bound_us(probe: Option<&Probe>) -> Option<u32> {
    let latency = probe?.slo.as_ref()?.latency.as_ref()?;
    if latency.of != LatencyOf::Convergence {
        return None;
    }
    let bound = latency.p95.or(latency.mean).or(latency.p99)?;
    u32::try_from(bound.as_micros()).ok()
}

/// The line of what was waited for; a lost run is a gap in it.
fn spark(seen: &[&Mark], bound: Option<u32>) -> Option<Spark> {
    let most = seen.iter().filter_map(|mark| mark.convergence_us).max()?.max(bound.unwrap_or(0)).max(1);
    let (first, last) = (seen.first()?.due_ms, seen.last()?.due_ms);
    let axis = Axis { from_ms: first, to_ms: last.max(first + 1) };
    let y = |us: u32| 18.0 - f64::from(us) / f64::from(most) * 16.0;
    let (mut path, mut pen_down) = (String::new(), false);
    for mark in seen {
        match mark.convergence_us {
            Some(us) if mark.kind != MarkKind::Failed => {
                let x = axis.x(mark.due_ms) / 5.0;
                let _ = write!(path, "{}{x:.0} {:.0}", if pen_down { "L" } else { "M" }, y(us));
                pen_down = true;
            }
            Some(_) | None => pen_down = pen_down && mark.kind != MarkKind::Failed,
        }
    }
    Some(Spark { path, bound: bound.map(|bound| format!("M0 {0:.0}H120", y(bound))) })
}

#[cfg(test)]
mod tests;
