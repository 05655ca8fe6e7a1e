//! The overview on made-up statuses: what is worst, what folds, what a strip shows.

use crate::plan::testing;

use super::*;

const NOW: i64 = 1_763_726_400_000;

fn canary(probe: &str, region: &str, cell: &str, standing: Health) -> CanaryStatus {
    let tail = if cell.is_empty() { String::new() } else { format!("/{cell}") };
    CanaryStatus {
        canary: format!("{probe}/{region}{tail}"),
        probe: probe.to_owned(),
        region: region.to_owned(),
        cell: cell.to_owned(),
        standing,
        since_ms: None,
        without_data_since_ms: None,
        of: 0,
        failures: if standing == Health::Failing { 6 } else { 0 },
        paging: standing == Health::Failing,
        last_verdict: None,
        last_ms: None,
        step: (standing == Health::Failing).then(|| "account is active".to_owned()),
        incident: None,
    }
}

fn probe(name: &str) -> ProbeStatus {
    ProbeStatus {
        probe: name.to_owned(),
        owner: None,
        verdict: Health::Passing,
        since_ms: None,
        severity: None,
        success_1h: None,
        counted_1h: 0,
        convergence_1h: None,
        degraded_1h: None,
        budget_left: Some(0.925),
        canaries: ByHealth::default(),
    }
}

/// Probes of `cells` canaries in each of two regions, the first canary of the first probe failing.
fn status(probes: usize, cells: usize) -> Status {
    let mut status = Status::default();
    for number in 0..probes {
        let name = format!("p{number:04}");
        for region in ["eu", "us"] {
            for cell in 0..cells {
                let is_first = number == 0 && region == "eu" && cell == 0;
                let health = if is_first { Health::Failing } else { Health::Passing };
                status.canaries.push(canary(&name, region, &format!("n={cell}"), health));
            }
        }
        status.probes.push(probe(&name));
    }
    status
}

fn made(status: &Status, filter: &Filter) -> Grid {
    let probes = status.probes.iter().map(|probe| testing::probe(&probe.probe)).collect();
    let plan = testing::plan(probes, &["eu", "us"]);
    let marks = Marks::default();
    grid(&plan, status, Seen { marks: &marks, strips: &marks, axis: Axis::until(NOW, 3_600_000) }, filter)
}

#[test]
fn few_canaries_are_a_row_each_the_worst_first_and_otherwise_in_the_order_of_their_names() {
    let grid = made(&status(2, 2), &Filter::default());
    let rows: Vec<(&str, &str)> = grid.groups[0].rows.iter().map(|row| (&*row.name, &*row.now)).collect();
    assert_eq!(
        rows,
        [("eu · n 0", "account is active · 6 in a row"), ("eu · n 1", "passed"), ("us · n 0", "passed"), ("us · n 1", "passed")]
    );
    assert_eq!((grid.is_folded, grid.groups[0].budget.as_str()), (false, "92.5 %"));
    assert_eq!(grid.regions, [("eu".to_owned(), 1), ("us".to_owned(), 0)]);
}

#[test]
fn many_canaries_fold_into_their_probes_and_those_that_are_not_well_stay_in_sight() {
    let grid = made(&status(100, 50), &Filter::default());
    assert!(grid.is_folded);
    let rows: Vec<(&str, &str)> = grid.groups[0].rows.iter().map(|row| (&*row.name, &*row.now)).collect();
    assert_eq!(rows, [("100 canaries", "1 failing, 99 passed"), ("eu · n 0", "account is active · 6 in a row")]);
    assert!(grid.groups[1..].iter().all(|group| group.rows.len() == 1));
    let rows: usize = grid.groups.iter().map(|group| group.rows.len()).sum();
    assert!(rows <= PROBES + UNWELL_TOTAL);
}

#[test]
fn a_probe_opens_by_region_and_a_region_by_cell() {
    let open = |open: &[&str]| Filter { open: open.iter().map(|open| (*open).to_owned()).collect(), ..Filter::default() };
    let rows = |filter| made(&status(100, 50), &filter).groups[0].rows.len();
    assert_eq!(rows(open(&["p0000"])), 2);
    assert_eq!(rows(open(&["p0000", "p0000/us"])), 52);
}

#[test]
fn however_many_probes_there_are_the_page_is_bounded_and_says_what_is_left_out() {
    let grid = made(&status(1_000, 5), &Filter::default());
    assert_eq!((grid.groups.len(), grid.left_out, grid.all.total()), (PROBES, 750, 10_000));
}

#[test]
fn a_filter_is_words_that_all_must_be_there_a_state_and_a_region() {
    let few = |filter: Filter| made(&status(3, 2), &filter).admitted.total();
    let words = |words: &[&str]| Filter { words: words.iter().map(|word| (*word).to_owned()).collect(), ..Filter::default() };
    assert_eq!(few(words(&["p0001"])), 4);
    assert_eq!(few(words(&["p0001", "us"])), 2);
    assert_eq!(few(words(&["nothing"])), 0);
    assert_eq!(few(Filter { health: Some(Health::Failing), ..Filter::default() }), 1);
    assert_eq!(few(Filter { region: Some("us".to_owned()), ..Filter::default() }), 6);
}

fn mark(minute: i64, kind: MarkKind, convergence_us: Option<u32>) -> Mark {
    Mark { due_ms: NOW + minute * 60_000, duration_us: 2_000_000, convergence_us, kind, counted: true }
}

#[test]
fn a_lost_run_is_beyond_every_percentile_and_a_gap_in_the_line() {
    let mut runs: Vec<Mark> = (0..18).map(|minute| mark(minute, MarkKind::Passed, Some(100_000))).collect();
    assert_eq!(p95(&runs.iter().collect::<Vec<_>>()), "100 ms");
    runs.push(mark(18, MarkKind::Failed, None));
    assert_eq!(p95(&runs.iter().collect::<Vec<_>>()), "lost");
    runs.push(mark(19, MarkKind::Passed, Some(100_000)));
    let line = spark(&runs.iter().collect::<Vec<_>>(), Some(2_000_000)).unwrap();
    assert_eq!(line.path.matches('M').count(), 2, "{}", line.path);
    assert!(line.bound.is_some());
    assert_eq!(p95(&[]), "");
    // What never ran says nothing of how long it takes.
    assert_eq!(p95(&[&mark(0, MarkKind::Missed, None)]), "");
}
