//! What a failed run is compared with.

use super::super::testing::{at, at_ms, canary, run, runs};
use super::super::{Comparison, PassView};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::{RunReport, Verdict};

const HOUR: u64 = 3_600;

on_every_store!(
    the_newest_passed_run_of_a_canary_is_there_in_full_also_for_the_next_process,
    a_failed_run_is_compared_with_the_last_pass_before_it_and_one_beside_it,
    what_is_compared_stays_as_long_as_the_failed_run_and_the_newest_pass_beyond_its_row,
);

fn id(pass: Option<&PassView>) -> Option<String> {
    pass.map(|pass| pass.run_id.clone())
}

fn ids(told: &Comparison) -> (Option<String>, Option<String>) {
    (id(told.before.as_ref()), id(told.beside.as_ref()))
}

async fn the_newest_passed_run_of_a_canary_is_there_in_full_also_for_the_next_process(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    assert_eq!(store.newest_pass("p/eu".to_owned()).await.unwrap(), None);
    let newest = run(&eu, Verdict::Passed, 120);
    let newest_id = newest.run_id.to_string();
    store.record(runs([run(&eu, Verdict::Passed, 60), newest]));
    let mut by_hand = runs([run(&eu, Verdict::Passed, 150)]);
    by_hand.runs[0].counted = false;
    store.record(by_hand);
    // One that was slow ends last.
    store.record(runs([run(&eu, Verdict::Failed, 180), run(&eu, Verdict::Passed, 90)]));
    settle(&store).await;
    let told = store.newest_pass("p/eu".to_owned()).await.unwrap().unwrap();
    assert_eq!((told.run_id.as_str(), told.canary.as_str(), told.due_ms), (newest_id.as_str(), "p/eu", at_ms(120)));
    assert_eq!(told.details["vars"]["title"], "canary 1");
    assert_eq!(told.details["steps"][1]["convergence_seconds"], 0.029);
    assert_eq!(told.details["steps"].as_array().unwrap().len(), 2);
    let (store, _) = under_test.reopen(&store).await;
    assert_eq!(store.newest_pass("p/eu".to_owned()).await.unwrap(), Some(told));
    assert_eq!(store.newest_pass("p/us".to_owned()).await.unwrap(), None);
}

async fn a_failed_run_is_compared_with_the_last_pass_before_it_and_one_beside_it(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let [eu, us, ap, other] = [canary("p", "eu"), canary("p", "us"), canary("p", "ap"), canary("q", "eu")];
    let passed = [(&eu, 60), (&us, 90), (&ap, 70), (&other, 110)].map(|(of, due)| run(of, Verdict::Passed, due));
    let [before, beside] = [&passed[0], &passed[1]].map(|report: &RunReport| Some(report.run_id.to_string()));
    store.record(runs(passed));
    settle(&store).await;
    let failed = [120, 180, 240].map(|due| run(&eu, Verdict::Failed, due));
    let failed_ids = [&failed[0], &failed[1], &failed[2]].map(|report: &RunReport| report.run_id.to_string());
    let us_later = run(&us, Verdict::Passed, 230);
    let later = Some(us_later.run_id.to_string());
    for report in failed.into_iter().take(2) {
        store.commit(runs([report])).await.unwrap();
    }
    store.commit(runs([us_later])).await.unwrap();
    let last = run(&eu, Verdict::Failed, 250);
    let last_id = last.run_id.to_string();
    store.commit(runs([last])).await.unwrap();
    let told = async |id: &str| ids(&store.comparison(id.to_owned()).await.unwrap());
    assert_eq!(told(&failed_ids[0]).await, (before.clone(), beside));
    assert_eq!(told(&failed_ids[1]).await, (before.clone(), None), "what passed two minutes ago says nothing of now");
    assert_eq!(told(&last_id).await, (before, later));
    assert_eq!(told(&failed_ids[2]).await, (None, None), "it was never written");
    assert_eq!(told("no id").await, (None, None));
    let whole = store.comparison(last_id).await.unwrap().before.unwrap();
    assert_eq!((whole.canary.as_str(), whole.due_ms), ("p/eu", at_ms(60)));
    assert_eq!(whole.details["steps"][0]["name"], "create");
}

async fn what_is_compared_stays_as_long_as_the_failed_run_and_the_newest_pass_beyond_its_row(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let failed = run(&eu, Verdict::Failed, 60);
    let failed_id = failed.run_id.to_string();
    for report in [run(&eu, Verdict::Passed, 0), failed, run(&eu, Verdict::Passed, 120)] {
        store.commit(runs([report])).await.unwrap();
    }
    // Rows of passed runs are kept for a day, those of failed ones for three, rollups for ten.
    for hours in (0..=60).step_by(20) {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    assert!(store.comparison(failed_id.clone()).await.unwrap().before.is_some());
    let (store, _) = under_test.reopen(&store).await;
    for hours in (60..=120).step_by(20) {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    assert_eq!(ids(&store.comparison(failed_id).await.unwrap()), (None, None));
    assert_eq!(store.newest_pass("p/eu".to_owned()).await.unwrap().unwrap().due_ms, at_ms(120));
    for hours in (120..=280).step_by(20) {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    assert_eq!(store.newest_pass("p/eu".to_owned()).await.unwrap(), None, "the canary has not passed for ten days");
}
