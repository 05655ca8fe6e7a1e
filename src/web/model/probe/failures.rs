//! Why runs did not pass over time, and where they failed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::RunCounts;
use crate::outcome::{Reason, Verdict};

use super::{Bins, Part};

/// Reasons that are told apart; further ones are "other".
const REASONS: usize = 5;

/// A reason over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct ReasonBins {
    /// Its word, or "other".
    pub(in crate::web) reason: String,
    /// The verdict that it goes with, as the style sheet knows it.
    #[serde(skip)]
    pub(in crate::web) class: &'static str,
    /// How often in each bin.
    pub(in crate::web) bins: Vec<u64>,
    /// How often in all of them.
    pub(in crate::web) total: u64,
}

/// The most frequent reasons first, then all others together.
pub(in crate::web) fn reasons<'a>(bins: Bins, given: impl Iterator<Item = (i64, &'a str, u64)>) -> Vec<ReasonBins> {
    let mut found: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (at_ms, reason, times) in given.filter(|(_, reason, times)| *times > 0 && class(reason).is_some()) {
        if let Some(bin) = bins.of(at_ms) {
            found.entry(reason).or_insert_with(|| vec![0; bins.count()])[bin] += times;
        }
    }
    let of = |(reason, bins): (&str, Vec<u64>)| ReasonBins {
        reason: reason.replace('_', " "),
        class: class(reason).unwrap_or("f"),
        total: bins.iter().sum(),
        bins,
    };
    let mut all: Vec<ReasonBins> = found.into_iter().map(of).collect();
    all.sort_by_key(|reason| Reverse(reason.total));
    if all.len() > REASONS + 1 {
        let rest = all.split_off(REASONS);
        let sum = (0..bins.count()).map(|bin| rest.iter().map(|reason| reason.bins[bin]).sum()).collect();
        let total = rest.iter().map(|reason| reason.total).sum();
        all.push(ReasonBins { reason: "other".to_owned(), class: "p", bins: sum, total });
    }
    all
}

/// The class of runs with this reason, by the verdict that it has; none of those that were skipped on purpose.
fn class(reason: &str) -> Option<&'static str> {
    // A later version may know more reasons.
    let Ok(reason) = reason.parse::<Reason>() else { return Some("f") };
    match Verdict::of(reason) {
        Verdict::Failed => Some("f"),
        Verdict::Errored => Some("e"),
        Verdict::Missed | Verdict::Blocked => Some("m"),
        Verdict::Skipped | Verdict::Passed => None,
    }
}

/// A region over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct RegionBins {
    /// Its name.
    pub(in crate::web) region: String,
    /// How runs ended in each bin.
    pub(in crate::web) bins: Vec<RunCounts>,
    /// How they ended in all of them.
    pub(in crate::web) count: RunCounts,
}

/// Every region that had runs, by name.
pub(in crate::web) fn regions(bins: Bins, parts: &[Part]) -> Vec<RegionBins> {
    let mut found: BTreeMap<&str, RegionBins> = BTreeMap::new();
    for part in parts {
        let Some(bin) = bins.of(part.at_ms) else { continue };
        let known = found.entry(part.region()).or_insert_with(|| RegionBins {
            region: part.region().to_owned(),
            bins: vec![RunCounts::default(); bins.count()],
            count: RunCounts::default(),
        });
        known.bins[bin].add(part.count);
        known.count.add(part.count);
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::super::part::tests::hour;
    use super::super::{Range, of_hours};
    use super::*;

    #[test]
    fn the_most_frequent_reasons_stand_first_and_the_rest_is_one() {
        let bins = Range::Day.bins(3_600_000_000);
        let many = ["timeout", "expectation", "dns", "tls", "connect", "protocol", "empty"];
        let given = many.iter().zip(1..).map(|(reason, times)| (bins.start(2), *reason, times));
        let found = reasons(bins, given.chain([(bins.start(0), "maintenance", 99), (bins.from_ms - 1, "timeout", 50)]));
        let said: Vec<(&str, u64)> = found.iter().map(|reason| (reason.reason.as_str(), reason.total)).collect();
        assert_eq!(said, [("empty", 7), ("protocol", 6), ("connect", 5), ("tls", 4), ("dns", 3), ("other", 3)]);
        assert_eq!((found[0].bins[2], found[5].bins[2], found[0].bins[0]), (7, 3, 0));
    }

    #[test]
    fn a_reason_of_a_later_version_is_shown_and_one_of_the_probers_own_is_told_apart() {
        let bins = Range::Day.bins(3_600_000_000);
        let found = reasons(bins, [(bins.from_ms, "<script>", 2), (bins.from_ms, "self_check", 1)].into_iter());
        let said: Vec<(&str, &str)> = found.iter().map(|reason| (reason.reason.as_str(), reason.class)).collect();
        assert_eq!(said, [("<script>", "f"), ("self check", "e")]);
    }

    #[test]
    fn a_reason_is_drawn_as_strips_draw_the_runs_that_have_it() {
        for (reason, drawn) in
            [("timeout", Some("f")), ("shutdown", Some("e")), ("overlap", Some("m")), ("guard", Some("m")), ("paused", None)]
        {
            assert_eq!(class(reason), drawn, "{reason}");
        }
    }

    #[test]
    fn each_region_has_its_own_row_of_bins() {
        let bins = Range::Day.bins(3_600_000_000);
        let hours = vec![
            ("p/eu/k=a".to_owned(), hour(bins.start(1), 9, 1)),
            ("p/eu/k=b".to_owned(), hour(bins.start(1), 10, 0)),
            ("p/us/k=a".to_owned(), hour(bins.start(1), 5, 0)),
        ];
        let found = regions(bins, &of_hours(hours, &[], None));
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].region.as_str(), found[0].bins[1].failed, found[0].bins[1].passed), ("eu", 1, 19));
        assert_eq!((found[1].count.success(), found[1].bins[0].total()), (Some(1.0), 0));
    }
}
