//! What charts draw of few, many and lost values.

use super::*;

fn bins() -> Bins {
    crate::web::model::probe::Range::Day.bins(3_600_000_000)
}

/// The bins of a day, each with the same three quantiles.
fn course(each: &[Option<Quantile>]) -> Course {
    let bin = |(at, quantile): (usize, &Option<Quantile>)| CourseBin {
        start_ms: bins().start(at),
        quantiles: [*quantile; 3],
        runs: u64::from(quantile.is_some()),
        lost: u64::from(*quantile == Some(Quantile::Lost)),
    };
    let mut all = each.to_vec();
    all.resize(bins().count(), None);
    Course { bins: all.iter().enumerate().map(bin).collect(), whole: [each[0]; 3] }
}

const SECOND: Option<Quantile> = Some(Quantile::Us(1_000_000));
const LOST_RUN: Option<Quantile> = Some(Quantile::Lost);

#[test]
fn a_lost_quantile_is_a_gap_in_its_line_and_a_mark_at_the_top_and_never_a_value() {
    let chart = quantiles("w", "Waited".to_owned(), bins(), &course(&[SECOND, SECOND, LOST_RUN, SECOND]), None);
    let p95 = chart.lines.iter().find(|line| line.class == "line").unwrap();
    assert_eq!(p95.path, "M12.5 0.0L37.5 0.0M80.0 0.0h15.0", "what stands alone is a dash");
    assert_eq!((chart.bars.len(), chart.bars[0].y, chart.bars[0].height), (1, 0.0, 15.0));
    assert_eq!(chart.rows[2][1..], ["lost", "lost", "lost", "1", "1"]);
    let only = quantiles("w", "Waited".to_owned(), bins(), &course(&[LOST_RUN]), None);
    assert!(only.lines.iter().all(|line| line.path.is_empty()) && only.bars.len() == 1);
}

#[test]
fn a_bound_is_drawn_where_it_is_near_and_said_where_it_is_far() {
    let of = |us: u64| quantiles("w", "Waited".to_owned(), bins(), &course(&[SECOND]), Some(&("p95 ≤ x".to_owned(), us)));
    let near = of(2_000_000);
    assert_eq!(near.lines.last().map(|line| (line.class, line.path.as_str())), Some(("bound", "M0 0.0H600")));
    assert_eq!(near.levels[0].text, "2 s");
    let far = of(120_000_000);
    assert!(far.lines.iter().all(|line| line.class != "bound") && far.note.ends_with("far above"), "{}", far.note);
}

#[test]
fn without_runs_a_chart_says_so() {
    assert!(!quantiles("w", "W".to_owned(), bins(), &course(&[None]), None).empty.is_empty());
    assert!(!stacked("F".to_owned(), bins(), &[]).empty.is_empty());
}

#[test]
fn bars_of_one_bin_stand_upon_each_other_and_reasons_of_one_verdict_differ_in_shade() {
    let reason = |reason: &str, class, times| {
        let mut all = vec![0; bins().count()];
        all[1] = times;
        ReasonBins { reason: reason.to_owned(), class, bins: all, total: times }
    };
    let chart = stacked("F".to_owned(), bins(), &[reason("timeout", "f", 6), reason("dns", "f", 4), reason("stall", "e", 10)]);
    let bars: Vec<(&str, f64, f64)> = chart.bars.iter().map(|bar| (bar.class, bar.y, bar.height)).collect();
    assert_eq!(bars, [("bar-f", 84.0, 36.0), ("bar-f b2", 60.0, 24.0), ("bar-e", 0.0, 60.0)]);
    assert!(chart.tips[0].text.ends_with("6 timeout, 4 dns and 10 stall"), "{}", chart.tips[0].text);
}

#[test]
fn axes_end_at_round_figures() {
    let said: Vec<String> = [1, 713, 1_200_000, 31_000_000, 110_000_000].map(|us| round(nice(us))).to_vec();
    assert_eq!(said, ["1 µs", "1 ms", "2 s", "1 min", "2 min"]);
    assert_eq!((nice_count(7), nice_count(10), nice_count(u64::MAX)), (10, 10, u64::MAX));
}
