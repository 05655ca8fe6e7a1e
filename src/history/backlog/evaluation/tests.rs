//! What waits of the evaluator of a fleet is of one epoch.

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::super::Backlog;
use crate::history::testing::{attempt, incident, outcome, state, timeline};
use crate::history::{Commit, Epoch, FactRow, OF_EVALUATOR, OF_INCIDENTS, OF_REGION, TryState};

/// A row of the evaluator of each kind, and one that is of somebody else.
fn decided(id: &str, epoch: Option<i64>) -> Commit {
    let made = attempt(id, &[id], 1);
    let own = OF_EVALUATOR.map(|kind| state(kind, id, Some("{}")));
    Commit {
        states: own.into_iter().chain([state("pause", id, Some("{}"))]).collect(),
        incidents: vec![incident(id, None)],
        timeline: vec![timeline(id, 1, "opened")],
        outcomes: vec![outcome(&made, TryState::Taken)],
        tries: vec![made],
        evaluator: epoch.map(Epoch),
        ..Commit::default()
    }
}

fn fact(key: &str, json: Option<&str>) -> Commit {
    let row = FactRow { key: key.to_owned(), json: json.map(str::to_owned), well: false };
    Commit { facts: vec![row], ..Commit::default() }
}

/// Whose rows of the evaluator wait; each of them with all of its kinds.
fn waiting(backlog: &Backlog) -> Vec<&str> {
    let ids: Vec<&str> = backlog.incidents.keys().map(String::as_str).collect();
    assert_eq!(backlog.timeline.iter().map(|row| row.incident.as_str()).collect::<Vec<_>>(), ids);
    assert_eq!(backlog.tries.made.keys().collect::<Vec<_>>(), ids);
    assert_eq!(backlog.tries.outcomes.keys().collect::<Vec<_>>(), ids);
    let own = backlog.states.keys().filter(|(kind, _)| OF_EVALUATOR.contains(kind)).count();
    assert_eq!(own, ids.len() * OF_EVALUATOR.len());
    assert_eq!(backlog.has_evaluation(), !ids.is_empty());
    ids
}

/// Whose other rows wait.
fn others(backlog: &Backlog) -> Vec<&str> {
    backlog.states.keys().filter(|(kind, _)| *kind == "pause").map(|(_, key)| key.as_str()).collect()
}

#[test]
fn rows_of_an_evaluator_that_another_one_followed_are_dropped_and_the_others_stay() {
    let mut backlog = Backlog::default();
    assert!(backlog.push(decided("A", Some(5))) && backlog.push(decided("B", Some(5))));
    assert_eq!(waiting(&backlog), ["A", "B"]);
    assert!(!backlog.push(decided("C", Some(4))), "it comes late");
    assert_eq!(waiting(&backlog), ["A", "B"]);
    assert!(backlog.push(decided("D", Some(6))), "it is the next one's");
    assert_eq!((waiting(&backlog), others(&backlog)), (vec!["D"], vec!["A", "B", "C", "D"]));
    assert!(backlog.push(Commit { evaluator: Some(Epoch(5)), ..fact("f", None) }), "nothing of it was decided");
    backlog.drop_evaluation();
    assert_eq!((waiting(&backlog).len(), others(&backlog).len(), backlog.facts.len()), (0, 4, 1));
    assert!(!backlog.push(decided("E", Some(5))), "what was seen is not forgotten");
}

#[test]
fn what_could_not_be_written_gives_way_to_what_a_later_epoch_decided_and_not_the_other_way_round() {
    for (first, then, stays) in [(5, 6, "B"), (6, 5, "A")] {
        let (mut older, mut newer) = (Backlog::default(), Backlog::default());
        older.push(decided("A", Some(first)));
        newer.push(decided("B", Some(then)));
        older.absorb(newer);
        assert_eq!((waiting(&older), older.evaluator), (vec![stays], Some(Epoch(6))));
        assert_eq!(others(&older), ["A", "B"]);
    }
    let (mut older, mut newer) = (Backlog::default(), Backlog::default());
    older.push(decided("A", Some(5)));
    newer.push(decided("B", None));
    older.absorb(newer);
    assert_eq!((waiting(&older), older.evaluator), (vec!["A", "B"], Some(Epoch(5))), "nothing says whose it is");
}

#[test]
fn of_a_fact_the_newest_waits() {
    let (mut older, mut newer) = (Backlog::default(), Backlog::default());
    older.push(fact("a", Some("1")));
    older.push(fact("b", Some("1")));
    older.push(fact("a", Some("2")));
    newer.push(fact("b", None));
    older.absorb(newer);
    let waiting: Vec<_> = older.facts.values().map(|row| (row.key.as_str(), row.json.as_deref())).collect();
    assert_eq!((waiting, older.rows()), (vec![("a", Some("2")), ("b", None)], 2));
}

#[test]
fn who_waits_for_rows_that_are_dropped_is_told_so_and_nobody_else_is() {
    let mut backlog = Backlog::default();
    let (done, mut decision) = oneshot::channel();
    backlog.push_and_wait(decided("A", Some(5)), done);
    let (done, mut beside) = oneshot::channel();
    backlog.push_and_wait(fact("a", None), done);
    assert_eq!(decision.try_recv(), Err(TryRecvError::Empty));
    backlog.push(decided("B", Some(6)));
    assert_eq!(decision.try_recv(), Err(TryRecvError::Closed));
    let (done, mut late) = oneshot::channel();
    backlog.push_and_wait(decided("C", Some(5)), done);
    assert_eq!((late.try_recv(), beside.try_recv()), (Err(TryRecvError::Closed), Err(TryRecvError::Empty)));
}

#[test]
fn what_is_of_incidents_is_of_the_evaluator_and_nothing_of_it_is_of_a_region() {
    assert!(OF_INCIDENTS.iter().all(|kind| OF_EVALUATOR.contains(kind)));
    assert!(OF_REGION.iter().all(|kind| !OF_EVALUATOR.contains(kind)));
}
