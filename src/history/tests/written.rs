//! Whoever follows runs gets each once, in the order of writing, however much else is written meanwhile.

use std::sync::Arc;

use super::super::testing::{at, canary, incident, run, runs};
use super::super::{Commit, ReadError, RunFilter, Store, WrittenPage};
use super::{StoreUnderTest, on_every_store};
use crate::outcome::Verdict;

on_every_store!(
    whoever_follows_runs_gets_each_once_in_the_order_of_writing,
    however_much_else_changes_no_run_is_passed_over,
    what_is_not_wanted_is_passed_over_and_the_rest_comes,
    runs_are_followed_into_another_store_from_the_last_one_on,
    what_is_no_cursor_of_runs_is_refused,
);

const ALL: usize = WrittenPage::LIMIT;

async fn written(store: &Arc<dyn Store>, filter: &RunFilter, after: &str, limit: usize) -> WrittenPage {
    store.written_runs(filter.clone(), Some(after.to_owned()), limit).await.unwrap()
}

async fn begun(store: &Arc<dyn Store>) -> String {
    let begun = store.written_runs(RunFilter::default(), None, ALL).await.unwrap();
    assert!(begun.items.is_empty() && !begun.is_cut && !begun.more, "only what comes is told");
    begun.next
}

async fn write(store: &Arc<dyn Store>, at: impl IntoIterator<Item = u64>) -> Vec<String> {
    let reports: Vec<_> = at.into_iter().map(|at| run(&canary("p", "eu"), Verdict::Passed, at)).collect();
    let ids = reports.iter().map(|report| report.run_id.to_string()).collect();
    store.commit(runs(reports)).await.unwrap();
    ids
}

fn ids(page: &WrittenPage) -> Vec<String> {
    page.items.iter().map(|run| run.run_id.clone()).collect()
}

async fn whoever_follows_runs_gets_each_once_in_the_order_of_writing(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    write(&store, [1]).await;
    let mut cursor = begun(&store).await;
    let wanted = write(&store, [9, 3, 7, 5, 6]).await;
    let mut told = Vec::new();
    loop {
        let page = written(&store, &RunFilter::default(), &cursor, 2).await;
        assert!(page.items.len() <= 2 && !page.is_cut);
        told.extend(ids(&page));
        cursor = page.next;
        if !page.more {
            break;
        }
    }
    assert_eq!(told, wanted);
    let (store, _) = under_test.reopen(&store).await;
    let wanted = write(&store, [4]).await;
    let page = written(&store, &RunFilter::default(), &cursor, ALL).await;
    assert_eq!((ids(&page), page.is_cut), (wanted, false));
}

async fn however_much_else_changes_no_run_is_passed_over(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let cursor = begun(&store).await;
    let wanted = write(&store, [1]).await;
    let many = (0..12_000).map(|number| incident(&format!("I{number:05}"), None)).collect();
    store.commit(Commit { incidents: many, ..Commit::default() }).await.unwrap();
    store.housekeep(at(60)).await.unwrap();
    let page = written(&store, &RunFilter::default(), &cursor, ALL).await;
    assert_eq!((ids(&page), page.is_cut), (wanted, false));
}

async fn what_is_not_wanted_is_passed_over_and_the_rest_comes(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let cursor = begun(&store).await;
    write(&store, 10..20).await;
    let failed = run(&canary("p", "us"), Verdict::Failed, 5);
    let wanted = vec![failed.run_id.to_string()];
    store.commit(runs([failed])).await.unwrap();
    write(&store, 20..30).await;
    let named = |text: &str| Some(text.to_owned());
    for filter in [
        RunFilter { not_passed: true, ..RunFilter::default() },
        RunFilter { verdict: Some(Verdict::Failed), probe: named("p"), ..RunFilter::default() },
        RunFilter { region: named("us"), ..RunFilter::default() },
        RunFilter { canary: named("p/us"), ..RunFilter::default() },
    ] {
        let page = written(&store, &filter, &cursor, ALL).await;
        assert_eq!((ids(&page), page.more), (wanted.clone(), false), "{filter:?}");
        assert!(written(&store, &filter, &page.next, ALL).await.items.is_empty());
    }
}

async fn runs_are_followed_into_another_store_from_the_last_one_on(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    write(&store, [10]).await;
    let cursor = begun(&store).await;
    let other = under_test.other();
    let (store, _) = other.open().await;
    write(&store, [5]).await;
    let wanted = write(&store, [11, 12]).await;
    let page = written(&store, &RunFilter::default(), &cursor, ALL).await;
    assert_eq!((ids(&page), page.is_cut), (wanted, true));
    let page = written(&store, &RunFilter::default(), &page.next, ALL).await;
    assert!(page.items.is_empty() && !page.is_cut);
}

async fn what_is_no_cursor_of_runs_is_refused(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    for cursor in ["", "1", "1.2", "1.2.x", "1.2.3.4"] {
        let answer = store.written_runs(RunFilter::default(), Some(cursor.to_owned()), ALL).await;
        assert!(matches!(answer, Err(ReadError::Cursor(_))), "{cursor}");
    }
}
