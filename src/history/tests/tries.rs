//! Tries are what became of them last, in whichever order and in how many transactions it was written.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::testing::{LONG, at, at_ms, attempt, incident, outcome};
use super::super::{Commit, IncidentDetail, Store, TryCounts, TryRow, TryState, TryView};
use super::{StoreUnderTest, on_every_store, settle};

on_every_store!(
    a_try_is_read_back_until_it_is_known_what_became_of_it,
    a_try_that_tells_of_several_incidents_is_in_the_story_of_each,
    a_try_that_waits_in_an_incident_that_is_open_is_never_too_old_and_a_test_is_after_a_week,
);

async fn detail(store: &Arc<dyn Store>, id: &str) -> IncidentDetail {
    store.incident(id.to_owned()).await.unwrap().unwrap()
}

async fn a_try_is_read_back_until_it_is_known_what_became_of_it(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let tries: Vec<TryRow> = ["T1", "T2", "T3", "T4"].map(|id| attempt(id, &["I1"], 5)).into();
    let ends = [TryState::Taken, TryState::Waiting, TryState::Refused, TryState::Dropped];
    let outcomes = tries.iter().zip(ends).map(|(row, state)| outcome(row, state)).collect();
    store.commit(Commit { incidents: vec![incident("I1", None)], tries, outcomes, ..Commit::default() });
    let (store, restored) = under_test.reopen(&store).await;
    let kept = &restored.tries;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!((kept[0].id.as_str(), kept[0].incident.as_str(), kept[0].attempts), ("T2", "I1", 1));
    assert_eq!((kept[0].made_ms, kept[0].tried_ms, kept[0].state), (at_ms(5), Some(at_ms(6)), TryState::Waiting));
    assert!(kept[0].json.contains("\"T2\""));
    assert_eq!(store.tries().await.unwrap(), TryCounts { waiting: 1, taken: 1, refused: 1, dropped: 1 });

    let told = detail(&store, "I1").await.tries;
    let ends: Vec<_> = told.iter().map(|row| (row.state, row.tried_ms, row.ended_ms)).collect();
    let (then, never) = (Some(at_ms(6)), None);
    assert_eq!(ends, [("taken", then, then), ("waiting", then, never), ("refused", then, then), ("dropped", never, then)]);
    assert_eq!((told[2].error.as_deref(), told[0].error.as_deref()), (Some("no answer"), None));
    assert_eq!((told[0].channel.as_str(), told[0].what.as_str(), told[0].key.as_str()), ("pager", "ring", "probe/p/T1"));
    assert_eq!(told[0].message["title"], "p fails");
}

async fn a_try_that_tells_of_several_incidents_is_in_the_story_of_each(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let incidents = ["I1", "I2", "I3"].map(|id| incident(id, None)).into();
    let tries = vec![attempt("T1", &["I1"], 1), attempt("T2", &["I1", "I3"], 2)];
    store.commit(Commit { incidents, tries, ..Commit::default() });
    settle(&store).await;
    let told = async |id| detail(&store, id).await.tries.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(
        [told("I1").await, told("I2").await, told("I3").await],
        [vec!["T1".to_owned(), "T2".to_owned()], vec![], vec!["T2".to_owned()]]
    );
}

async fn a_try_that_waits_in_an_incident_that_is_open_is_never_too_old_and_a_test_is_after_a_week(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let tries = vec![attempt("T1", &["I1"], 0), attempt("T2", &["test"], 0)];
    store.commit(Commit { incidents: vec![incident("I1", None)], tries, ..Commit::default() });
    let ids = async |days: u64, store: &Arc<dyn Store>| {
        assert!(store.shut_down(LONG).await);
        let (store, restored) = under_test.open_at(at(days * 86_400 - 1)).await;
        (store, restored.tries.into_iter().map(|kept| kept.id).collect::<Vec<_>>())
    };
    let (store, week) = ids(7, &store).await;
    let (_store, later) = ids(400, &store).await;
    assert_eq!((week, later), (vec!["T1".to_owned(), "T2".to_owned()], vec!["T1".to_owned()]));
}

/// Something that is handed in about a try.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It is made, or made anew with the same id.
    Made,
    /// The same one gets a fresher text.
    Fresher,
    /// This became of it.
    Ended(TryState),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Made),
        1 => Just(Step::Fresher),
        4 => prop::sample::select(TryState::ALL.to_vec()).prop_map(Step::Ended),
    ]
}

/// As if each step were a transaction of its own, however they are put together.
async fn stands_as_handed_in_last(under_test: &StoreUnderTest, steps: &[(Step, bool, bool)]) {
    let (store, _) = under_test.open().await;
    let mut commit = Commit { incidents: vec![incident("I1", None)], ..Commit::default() };
    let mut row = attempt("T", &["I1"], 0);
    commit.tries.push(row.clone());
    let mut stands = TryState::Waiting;
    for (seconds, (step, apart, durable)) in (1..).zip(steps) {
        let mut next = Commit::default();
        match step {
            Step::Made => {
                row = attempt("T", &["I1"], seconds);
                next.tries.push(row.clone());
                stands = TryState::Waiting;
            }
            Step::Fresher => {
                row.json = format!("{{\"fresher\":{seconds}}}");
                next.tries.push(row.clone());
            }
            Step::Ended(state) => {
                next.outcomes.push(outcome(&row, *state));
                stands = if *state == TryState::Waiting { stands } else { *state };
            }
        }
        if *apart {
            store.record(std::mem::take(&mut commit));
            if *durable {
                settle(&store).await;
            }
        }
        commit.append(next);
    }
    store.record(commit);
    settle(&store).await;
    let told: Vec<TryView> = detail(&store, "I1").await.tries;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].state, stands.as_str());
    assert_eq!(told[0].made_ms, row.made_ms);
    assert_eq!(told[0].ended_ms.is_none(), stands == TryState::Waiting);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_try_stands_as_what_was_handed_in_last_about_it_says(
        steps in prop::collection::vec((step(), any::<bool>(), any::<bool>()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for under_test in [StoreUnderTest::sqlite(), StoreUnderTest::memory()] {
            runtime.block_on(stands_as_handed_in_last(&under_test, &steps));
        }
    }
}
