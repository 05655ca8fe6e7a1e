//! Marks are there for every run in the order of writing, and whoever follows gets each once.

use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{at, at_ms, canary, run, runs, step};
use super::super::{MarksPage, ReadError, RunMark, Store};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::testing::warned;
use crate::outcome::{Reason, Verdict};

const HOUR: u64 = 3_600;

on_every_store!(
    a_mark_says_of_its_run_what_a_strip_and_a_sparkline_show,
    what_was_waited_for_longest_counts_and_nothing_where_something_never_came,
    whoever_follows_reads_pages_to_the_end_and_then_only_what_was_written_since,
    runs_that_were_due_before_are_left_out_wherever_they_were_written,
    a_cursor_outlives_what_it_points_at_and_a_restart,
    a_cursor_of_another_store_begins_anew_and_says_so,
    what_is_no_cursor_is_refused,
);

async fn marks(store: &Arc<dyn Store>, since: u64, after: Option<&MarksPage>) -> MarksPage {
    store.marks(at_ms(since), after.map(|page| page.next.clone()), MarksPage::LIMIT).await.unwrap()
}

/// The seconds after noon at which the runs were due.
fn due(page: &MarksPage) -> Vec<i64> {
    page.marks.iter().map(|mark| (mark.due_ms - at_ms(0)) / 1_000).collect()
}

async fn a_mark_says_of_its_run_what_a_strip_and_a_sparkline_show(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let (eu, us) = (canary("p", "eu"), canary("q", "us"));
    let mut degraded = run(&us, Verdict::Passed, 60);
    degraded.steps.push(warned("search", "latency < 0.3"));
    let mut missed = run(&eu, Verdict::Missed, 120);
    (missed.cause.as_mut().unwrap().reason, missed.steps) = (Reason::Overload, Vec::new());
    let mut by_hand = runs([run(&eu, Verdict::Failed, 180)]);
    by_hand.runs[0].counted = false;
    for commit in [runs([run(&eu, Verdict::Passed, 0)]), runs([degraded]), runs([missed]), by_hand] {
        store.commit(commit).await.unwrap();
    }
    let passed = RunMark {
        canary: "p/eu".into(),
        due_ms: at_ms(0),
        started_ms: at_ms(0) + 3,
        duration_us: 31_250,
        verdict: Verdict::Passed,
        reason: None,
        degraded: false,
        counted: true,
        convergence_us: Some(29_000),
    };
    let at = |due| (at_ms(due), at_ms(due) + 3);
    let mark = |due, mark: RunMark| {
        let (due_ms, started_ms) = at(due);
        RunMark { due_ms, started_ms, ..mark }
    };
    let degraded = mark(60, RunMark { canary: "q/us".into(), degraded: true, ..passed.clone() });
    let none = RunMark { counted: false, ..passed.clone() };
    let missed =
        mark(120, RunMark { verdict: Verdict::Missed, reason: Some(Reason::Overload), convergence_us: None, ..none.clone() });
    let by_hand = mark(180, RunMark { verdict: Verdict::Failed, reason: Some(Reason::Expectation), ..none });
    let page = marks(&store, 0, None).await;
    assert_eq!(page.marks, [passed, degraded, missed, by_hand]);
    assert!(!page.more && !page.is_cut);
    let json = serde_json::to_value(&page.marks[2]).unwrap();
    assert_eq!((&json["verdict"], &json["reason"]), (&"missed".into(), &"overload".into()));
}

async fn what_was_waited_for_longest_counts_and_nothing_where_something_never_came(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let mut twice = run(&eu, Verdict::Passed, 0);
    let mut longer = step("read on a third device", 40_000, 90_000);
    longer.convergence = Some(Duration::from_millis(80));
    twice.steps.insert(1, longer);
    let mut at_once = run(&eu, Verdict::Passed, 60);
    at_once.steps[1].convergence = Some(Duration::ZERO);
    let mut never_waited = run(&eu, Verdict::Passed, 120);
    never_waited.steps[1].convergence = None;
    let mut in_vain = run(&eu, Verdict::Failed, 180);
    in_vain.steps[0].convergence = Some(Duration::from_millis(7));
    in_vain.steps[1].convergence = None;
    for report in [twice, at_once, never_waited, in_vain] {
        store.commit(runs([report])).await.unwrap();
    }
    let waited: Vec<_> = marks(&store, 0, None).await.marks.iter().map(|mark| mark.convergence_us).collect();
    assert_eq!(waited, [Some(80_000), Some(0), None, None]);
}

async fn whoever_follows_reads_pages_to_the_end_and_then_only_what_was_written_since(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let nothing = marks(&store, 0, None).await;
    assert!(nothing.marks.is_empty() && !nothing.more && !nothing.is_cut);
    let eu = canary("p", "eu");
    store.record(runs((0..7).map(|at| run(&eu, Verdict::Passed, at))));
    settle(&store).await;
    assert_eq!(due(&marks(&store, 0, Some(&nothing)).await), [0, 1, 2, 3, 4, 5, 6], "also from when there was nothing");

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.marks(at_ms(0), after, 3).await.unwrap();
        assert!(page.marks.len() <= 3 && !page.is_cut);
        seen.extend(due(&page));
        after = Some(page.next);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    let written = store.written();
    let begun = *written.borrow();
    let late = runs([run(&eu, Verdict::Passed, 9), run(&eu, Verdict::Passed, 8)]);
    store.commit(late).await.unwrap();
    assert_ne!(*written.borrow(), begun);
    let page = store.marks(at_ms(0), after, 3).await.unwrap();
    assert_eq!((due(&page), page.is_cut), (vec![9, 8], false), "in the order of writing");
    assert!(marks(&store, 0, Some(&page)).await.marks.is_empty());
    assert_eq!(store.marks(at_ms(0), None, 0).await.unwrap().marks.len(), 1, "a page has at least one");
    assert_eq!(store.marks(at_ms(0), None, usize::MAX).await.unwrap().marks.len(), 9);
}

async fn runs_that_were_due_before_are_left_out_wherever_they_were_written(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    for at in [0, 60, 30, 120, 90] {
        store.commit(runs([run(&eu, Verdict::Passed, at)])).await.unwrap();
    }
    assert_eq!(due(&marks(&store, 60, None).await), [60, 120, 90]);
    let none = marks(&store, 121, None).await;
    assert!(none.marks.is_empty() && !none.more);
    store.commit(runs([run(&eu, Verdict::Passed, 119), run(&eu, Verdict::Passed, 180)])).await.unwrap();
    assert_eq!(due(&marks(&store, 121, Some(&none)).await), [180]);
    let all = |since_ms| store.marks(since_ms, None, 100);
    assert_eq!(all(i64::MIN).await.unwrap().marks.len(), 7);
    assert_eq!(all(i64::MAX).await.unwrap().marks.len(), 0);
}

async fn a_cursor_outlives_what_it_points_at_and_a_restart(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    store.commit(runs([run(&eu, Verdict::Passed, 0), run(&eu, Verdict::Failed, 60)])).await.unwrap();
    let page = marks(&store, 0, None).await;
    // Rows of passed runs are kept for a day, or two.
    for hours in [26, 50] {
        store.housekeep(at(hours * HOUR)).await.unwrap();
    }
    assert_eq!(due(&marks(&store, 0, None).await), [60]);
    let (store, _) = under_test.reopen(&store).await;
    store.commit(runs([run(&eu, Verdict::Passed, 51 * HOUR)])).await.unwrap();
    let later = marks(&store, 0, Some(&page)).await;
    assert_eq!((due(&later), later.is_cut), (vec![i64::try_from(51 * HOUR).unwrap()], false));
}

async fn a_cursor_of_another_store_begins_anew_and_says_so(under_test: &StoreUnderTest) {
    let eu = canary("p", "eu");
    let other = under_test.other();
    let (first, _) = other.open().await;
    first.commit(runs([run(&eu, Verdict::Passed, 0)])).await.unwrap();
    let of_another = marks(&first, 0, None).await;
    let (store, _) = under_test.open().await;
    store.commit(runs([run(&eu, Verdict::Passed, 30), run(&eu, Verdict::Passed, 60)])).await.unwrap();
    let page = store.marks(at_ms(40), Some(of_another.next), 10).await.unwrap();
    assert_eq!((due(&page), page.is_cut), (vec![60], true));
    assert!(!marks(&store, 40, Some(&page)).await.is_cut, "from there it goes on");
    // The same store, but as it was before: an older copy was put back.
    let (file, number) = page.next.split_once('.').unwrap();
    let ahead = format!("{file}.{}", number.parse::<i64>().unwrap() + 1);
    assert!(store.marks(at_ms(0), Some(ahead), 10).await.unwrap().is_cut);
}

async fn what_is_no_cursor_is_refused(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    for garbage in ["", "1", "1.", "1.x", "1.2.3", "9999999999999999999999.1", "\0", "🐦.1", "' OR 1=1 --"] {
        let answer = store.marks(0, Some(garbage.to_owned()), 10).await;
        assert!(matches!(answer, Err(ReadError::Cursor(text)) if text == garbage), "{garbage:?}");
    }
}
