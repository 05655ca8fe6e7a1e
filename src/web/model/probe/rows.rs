//! Strips by region and cell: of the last hour a mark a run, of longer ranges a mark a bin with the worst of it.

use std::collections::BTreeMap;

use crate::alert::status::{CanaryStatus, Health};
use crate::history::RunCounts;
use crate::web::model::overview::encoded;
use crate::web::model::recent::{Mark, worst};
use crate::web::model::strip::{WIDTH, class, outline, strip};
use crate::web::model::words;

use super::{Bins, Part};

/// Canaries beyond which a row stands for a region.
const ROWS: usize = 24;

/// What of a probe is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Narrowed {
    /// Only this canary.
    pub(in crate::web) canary: Option<String>,
    /// Only this region.
    pub(in crate::web) region: Option<String>,
}

impl Narrowed {
    /// Whether a canary is looked at.
    pub(in crate::web) fn admits(&self, canary: &str) -> bool {
        let region = || canary.split('/').nth(1).unwrap_or_default();
        self.canary.as_ref().is_none_or(|only| only == canary) && self.region.as_ref().is_none_or(|only| only == region())
    }
}

/// A mark of a strip and where it leads.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct BinMark {
    /// Its form, as the style sheet knows it.
    pub(in crate::web) class: &'static str,
    /// Its outline, the data of a path.
    pub(in crate::web) path: String,
    /// The run, or the runs of its bin.
    pub(in crate::web) href: String,
    /// When, and how they ended; empty for a single run, whose address says so.
    pub(in crate::web) tip: String,
}

/// A strip: of a canary, or of all of a region.
#[derive(Debug)]
pub(in crate::web) struct StripRow {
    /// `eu · ios`, `eu: 40 canaries`.
    pub(in crate::web) name: String,
    /// What narrows the page to it: `canary=…`, `region=…`.
    pub(in crate::web) query: String,
    /// How it is now; unknown of one that is not configured any more.
    pub(in crate::web) health: Health,
    /// Its marks.
    pub(in crate::web) marks: Vec<BinMark>,
    /// How its runs of the range ended.
    pub(in crate::web) count: RunCounts,
}

impl StripRow {
    /// `99.5 %` of what counts passed; a dash without any.
    pub(in crate::web) fn success(&self) -> String {
        self.count.success().map_or_else(|| "–".to_owned(), words::percent)
    }
}

struct Row<'a> {
    name: String,
    query: String,
    health: Health,
    canaries: Vec<&'a str>,
}

/// The strips of a probe. `marks` are those of the last hour where runs are shown one by one.
pub(in crate::web) fn rows(
    probe: &str,
    status: &[CanaryStatus],
    narrowed: &Narrowed,
    bins: Bins,
    parts: &[Part],
    marks: Option<&BTreeMap<String, Vec<Mark>>>,
) -> Vec<StripRow> {
    let mut canaries: BTreeMap<&str, Health> = BTreeMap::new();
    for part in parts.iter().filter(|part| narrowed.admits(&part.canary)) {
        canaries.insert(&part.canary, Health::Unknown);
    }
    for canary in status.iter().filter(|canary| canary.probe == probe && narrowed.admits(&canary.canary)) {
        canaries.insert(&canary.canary, canary.standing);
    }
    let mut of_canary: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
    for part in parts {
        of_canary.entry(&part.canary).or_default().push(part);
    }
    folded(&canaries)
        .into_iter()
        .map(|row| {
            let all = || row.canaries.iter().filter_map(|canary| of_canary.get(canary)).flatten();
            let mut count = RunCounts::default();
            all().filter(|part| bins.of(part.at_ms).is_some()).for_each(|part| count.add(part.count));
            let marks = match marks {
                Some(marks) => single(bins, &row, marks),
                None => binned(probe, bins, &row, all()),
            };
            StripRow { name: row.name, query: row.query, health: row.health, marks, count }
        })
        .collect()
}

/// A row a canary, or a region where they are too many.
fn folded<'a>(canaries: &BTreeMap<&'a str, Health>) -> Vec<Row<'a>> {
    let place = |id: &str| {
        let mut parts = id.splitn(3, '/').skip(1);
        let region = parts.next().unwrap_or_default().to_owned();
        let cell: Vec<&str> =
            parts.next().unwrap_or_default().split(',').filter_map(|pair| pair.split_once('=').map(|(_, value)| value)).collect();
        if cell.is_empty() { region } else { format!("{region} · {}", cell.join(", ")) }
    };
    if canaries.len() <= ROWS {
        return canaries
            .iter()
            .map(|(id, health)| Row {
                name: place(id),
                query: format!("canary={}", encoded(id)),
                health: *health,
                canaries: vec![id],
            })
            .collect();
    }
    let mut regions: BTreeMap<&str, (Health, Vec<&'a str>)> = BTreeMap::new();
    for (id, health) in canaries {
        let known = regions.entry(id.split('/').nth(1).unwrap_or_default()).or_insert((Health::Passing, Vec::new()));
        known.0 = known.0.max(*health);
        known.1.push(id);
    }
    if regions.len() > 1 {
        let row = |(region, (health, canaries)): (&str, (Health, Vec<&'a str>))| Row {
            name: format!("{region}: {}", words::count(canaries.len(), "canary", "canaries")),
            query: format!("region={}", encoded(region)),
            health,
            canaries,
        };
        return regions.into_iter().map(row).collect();
    }
    // Of one region with very many, those that are not well stand first.
    let mut all: Vec<(&&str, &Health)> = canaries.iter().collect();
    all.sort_by_key(|(_, health)| std::cmp::Reverse(**health));
    let shown = all.iter().take(ROWS);
    shown
        .map(|(id, health)| Row {
            name: place(id),
            query: format!("canary={}", encoded(id)),
            health: **health,
            canaries: vec![id],
        })
        .collect()
}

fn single(bins: Bins, row: &Row<'_>, marks: &BTreeMap<String, Vec<Mark>>) -> Vec<BinMark> {
    let of = |(at, canary): (usize, &&str)| marks.get(*canary).into_iter().flatten().map(move |mark| (at, mark));
    let found = strip(bins.axis(), row.canaries.iter().enumerate().flat_map(of));
    found
        .into_iter()
        .map(|mark| {
            let canary = row.canaries.get(mark.of).map(|id| encoded(id)).unwrap_or_default();
            let href = format!("run?canary={canary}&due={}", mark.due_ms);
            BinMark { class: mark.class, path: mark.path, href, tip: String::new() }
        })
        .collect()
}

fn binned<'a>(probe: &str, bins: Bins, row: &Row<'_>, parts: impl Iterator<Item = &'a &'a Part>) -> Vec<BinMark> {
    let mut counts = vec![RunCounts::default(); bins.count()];
    for part in parts {
        if let Some(count) = bins.of(part.at_ms).and_then(|bin| counts.get_mut(bin)) {
            count.add(part.count);
        }
    }
    let room = f64::from(WIDTH) / bins.count().max(1) as f64;
    let whose = match row.canaries[..] {
        [one] => format!("canary={}", encoded(one)),
        _ => format!("probe={}&{}", encoded(probe), row.query),
    };
    let mark = |(bin, count): (usize, &RunCounts)| {
        let kind = worst(*count)?;
        let (start, end) = (bins.start(bin), bins.start(bin + 1));
        Some(BinMark {
            class: class(kind),
            path: outline(kind, bins.axis().x(start), (room * 0.76).max(2.0)),
            href: format!("runs?{whose}&since={start}&until={end}"),
            tip: format!("{} · {}", span(start, end), words::counts(*count)),
        })
    };
    counts.iter().enumerate().filter_map(mark).collect()
}

/// `2026-11-21 03:00–04:00`, or the day alone where it is a whole one.
pub(super) fn span(from_ms: i64, to_ms: i64) -> String {
    let day = words::day(from_ms);
    if to_ms - from_ms == 86_400_000 { day } else { format!("{day} {}–{} UTC", words::minute(from_ms), words::minute(to_ms)) }
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::{hour, mark};
    use super::super::{Range, of_hours};
    use super::*;
    use crate::web::model::recent::MarkKind;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_bin_of_several_hours_shows_its_worst_and_leads_to_its_runs() {
        let bins = Range::Week.bins(1_000 * HOUR);
        let hours = vec![("p/eu".to_owned(), hour(bins.start(3), 20, 0)), ("p/eu".to_owned(), hour(bins.start(3) + HOUR, 19, 1))];
        let rows = rows("p", &[], &Narrowed::default(), bins, &of_hours(hours, &[], None), None);
        let marks = &rows[0].marks;
        assert_eq!((marks.len(), marks[0].class, rows[0].count.failed), (1, "f", 1));
        assert_eq!(marks[0].href, format!("runs?canary=p%2Feu&since={}&until={}", bins.start(3), bins.start(4)));
        assert!(marks[0].tip.ends_with("1 failed, 39 passed"), "{}", marks[0].tip);
    }

    #[test]
    fn a_canary_that_was_removed_still_has_its_row() {
        let bins = Range::Day.bins(1_000 * HOUR);
        let parts = of_hours(vec![("p/moon/k=<b>".to_owned(), hour(bins.start(0), 1, 0))], &[], None);
        let rows = rows("p", &[], &Narrowed::default(), bins, &parts, None);
        assert_eq!((rows[0].name.as_str(), rows[0].health), ("moon · <b>", Health::Unknown));
    }

    #[test]
    fn many_canaries_are_folded_by_region_and_one_region_shows_its_own() {
        let bins = Range::Day.bins(1_000 * HOUR);
        let id = |at: usize| format!("p/{}/k={at}", if at.is_multiple_of(2) { "eu" } else { "us" });
        let parts = of_hours((0..60).map(|at| (id(at), hour(bins.start(0), 1, 0))).collect(), &[], None);
        let all = rows("p", &[], &Narrowed::default(), bins, &parts, None);
        assert_eq!(all.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["eu: 30 canaries", "us: 30 canaries"]);
        assert_eq!((all[0].query.as_str(), all[0].count.passed), ("region=eu", 30));
        let eu = Narrowed { region: Some("eu".to_owned()), canary: None };
        assert_eq!(rows("p", &[], &eu, bins, &parts, None).len(), ROWS);
    }

    #[test]
    fn each_run_of_the_last_hour_is_a_mark() {
        let bins = Range::Hour.bins(1_000 * HOUR);
        let seen = vec![mark(bins.from_ms, MarkKind::Passed), mark(bins.from_ms + 300_000, MarkKind::Failed)];
        let parts = super::super::of_marks(seen.iter().map(|mark| ("p/eu", mark)), false);
        let marks = BTreeMap::from([("p/eu".to_owned(), seen)]);
        let rows = rows("p", &[], &Narrowed::default(), bins, &parts, Some(&marks));
        let classes: Vec<&str> = rows[0].marks.iter().map(|mark| mark.class).collect();
        assert_eq!((classes, rows[0].marks[1].href.starts_with("run?canary=p%2Feu&due=")), (vec!["p", "f"], true));
    }
}
