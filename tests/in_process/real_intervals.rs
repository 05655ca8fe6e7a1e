//! The three incidents at the shipped probes' real intervals, cells and phases, in three regions, on the real evaluator; time is
//! simulated, not slept. `cargo bench --bench detection` prints the distributions.

use std::sync::Arc;
use std::time::Duration;

use serinus::plan::Plan;
use serinus::sandbox::Incident;

use crate::onset::{Course, Fault, Reach, observe};
use crate::service::{shipped, spacing};

const SEEDS: u64 = 10;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

fn plan(incident: Incident, regions: &[&str]) -> Arc<Plan> {
    shipped(&[incident.probe()], regions, &[])
}

fn courses(plan: &Arc<Plan>, incident: Incident, reach: Reach, share: f64) -> Vec<Course> {
    (1..=SEEDS).map(|seed| observe(plan, Fault { incident, reach, share }, seed)).collect()
}

/// The time that this share of the courses does not exceed.
fn quantile(courses: &[Course], share: f64, of: impl Fn(&Course) -> Duration) -> Duration {
    let mut times: Vec<Duration> = courses.iter().map(of).collect();
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "an index")]
    let rank = (share * times.len() as f64).ceil() as usize;
    times[rank.saturating_sub(1)]
}

const EVERY: [Reach; 4] = [Reach::Cell, Reach::CellEverywhere, Reach::Region, Reach::Everywhere];

#[test]
fn registrations_and_copies_page_at_the_second_run_of_a_canary_and_are_critical_at_the_second_region() {
    for incident in [Incident::RegistrationsSilent, Incident::SegmentsTruncated] {
        let plan = plan(incident, &REGIONS);
        let spacing = spacing(&plan.canaries[0]);
        let longest = plan.probes[0].deadline;
        for reach in EVERY {
            for (seed, seen) in (1_u64..).zip(courses(&plan, incident, reach, 1.0)) {
                let what = format!("{incident:?} {reach:?}, seed {seed}: {seen:?}");
                assert!(seen.noticed <= spacing + longest, "the first run after the onset notices: {what}");
                assert_eq!((seen.runs, seen.pages), (2, 1), "{what}");
                // The ring tells all that fails or has failed once. One more comes where it is critical later, or where a canary's
                // first failed run ends after the ring.
                assert!(seen.rings <= 2, "{what}");
                assert!(seen.paged <= spacing * 2 + longest, "{what}");
                assert!(is_critical_at(incident, &plan, &seen), "{what}");
                assert_eq!(seen.critical.is_some(), matches!(reach, Reach::CellEverywhere | Reach::Everywhere), "{what}");
                assert!(seen.resolved <= plan.probes[0].deadline + probe_interval(&plan) * 4, "{what}");
            }
        }
    }
}

/// Whether it is critical when the second region counts: with its first failed run where a canary pages for failures in a row, and
/// within a round of runs where it pages for a share of many. It waits at most five seconds after the page.
fn is_critical_at(incident: Incident, plan: &Plan, seen: &Course) -> bool {
    let due = seen.second_region.map(|second| second.max(seen.paged));
    let patience = match incident {
        Incident::PlaylistsUnsynced => probe_interval(plan) + plan.probes[0].deadline,
        _ => Duration::from_secs(5),
    };
    match (seen.critical, due) {
        (Some(critical), Some(due)) => (due..=due + patience).contains(&critical),
        (critical, due) => critical == due,
    }
}

fn probe_interval(plan: &Plan) -> Duration {
    spacing(&plan.canaries[0]) * plan.probes[0].runs
}

#[test]
fn a_fault_that_spreads_is_critical_as_soon_as_the_second_region_counts() {
    for incident in Incident::ALL {
        let plan = plan(incident, &REGIONS);
        for (seed, seen) in (1_u64..).zip(courses(&plan, incident, Reach::Spreads(Duration::from_mins(20)), 1.0)) {
            let what = format!("{incident:?}, seed {seed}: {seen:?}");
            assert!(seen.paged < Duration::from_mins(20) && seen.second_region > Some(Duration::from_mins(20)), "{what}");
            assert!(is_critical_at(incident, &plan, &seen), "{what}");
        }
    }
}

#[test]
fn playlists_of_a_region_or_a_platform_page_in_the_second_round_though_each_canary_may_fail_by_chance() {
    let incident = Incident::PlaylistsUnsynced;
    let plan = plan(incident, &REGIONS);
    for reach in [Reach::CellEverywhere, Reach::Region, Reach::Everywhere] {
        for (seed, seen) in (1_u64..).zip(courses(&plan, incident, reach, 1.0)) {
            let what = format!("{reach:?}, seed {seed}: {seen:?}");
            assert!(seen.noticed <= Duration::from_mins(1) + plan.probes[0].deadline, "{what}");
            assert!(seen.runs <= 2 && seen.pages == 1, "{what}");
            assert!(seen.paged <= Duration::from_mins(2) + plan.probes[0].deadline, "{what}");
            assert!(is_critical_at(incident, &plan, &seen), "{what}");
        }
    }
    // One platform in one region is four canaries, and the sixth failure of one of them.
    for seen in courses(&plan, incident, Reach::Cell, 1.0) {
        assert!(seen.runs == 6 && seen.paged <= Duration::from_mins(6) + plan.probes[0].deadline, "{seen:?}");
    }
}

#[test]
fn forty_per_cent_of_all_playlists_page_within_minutes() {
    let incident = Incident::PlaylistsUnsynced;
    for (regions, half, most) in [(&REGIONS[..], 2, 4), (&REGIONS[..1], 6, 12)] {
        let seen = courses(&plan(incident, regions), incident, Reach::Everywhere, 0.4);
        let [median, nine_of_ten] = [0.5, 0.9].map(|share| quantile(&seen, share, |seen| seen.paged));
        assert!(median <= Duration::from_mins(half) && nine_of_ten <= Duration::from_mins(most), "{median:?} {nine_of_ten:?}");
    }
}

#[test]
fn a_region_that_is_a_process_of_its_own_pages_in_its_second_round_too() {
    let incident = Incident::PlaylistsUnsynced;
    let plan = plan(incident, &REGIONS[..1]);
    for (seed, seen) in (1_u64..).zip(courses(&plan, incident, Reach::Everywhere, 1.0)) {
        assert!(seen.runs <= 2 && seen.paged <= Duration::from_mins(2) + plan.probes[0].deadline, "seed {seed}: {seen:?}");
    }
}
