//! What one process asks of another one is done at most once, by who has the lease.

use futures::future::join_all;

use super::*;
use crate::history::{Housekeeper as _, Request, RequestState, TakenRequest};

const SOON: Duration = Duration::from_secs(30);

fn request(id: &str, to: LeaseName) -> Request {
    Request { id: id.to_owned(), to, json: format!("{{\"{id}\":\"\\u0000\0\"}}") }
}

async fn ask(store: &PostgresStore, id: &str, to: LeaseName) {
    store.ask(vec![request(id, to)], SOON).await.unwrap();
}

/// The ids of what a process takes that has asked for these leases.
async fn taken(store: &PostgresStore, of: &[LeaseName], holder: &str) -> Vec<String> {
    let taken = store.take_requests(of.to_vec(), holder.to_owned()).await.unwrap();
    taken.into_iter().map(|request: TakenRequest| request.id).collect()
}

async fn states(store: &PostgresStore, ids: &[&str]) -> Vec<RequestState> {
    store.answers(ids.iter().map(|id| (*id).to_owned()).collect()).await.unwrap()
}

#[tokio::test]
async fn a_request_goes_to_who_has_the_lease_and_its_answer_comes_back() {
    let database = Database::create();
    let (eu, us) = (open(&database, None).await, open(&database, None).await);
    held(&eu, region("eu"), "A").await;
    held(&eu, LeaseName::Evaluator, "A").await;
    held(&us, region("us"), "B").await;
    ask(&us, "1", LeaseName::Evaluator).await;
    ask(&us, "2", region("eu")).await;
    ask(&eu, "3", region("us")).await;
    let all = [region("eu"), region("us"), LeaseName::Evaluator];
    assert_eq!(states(&us, &["1", "2", "none"]).await, [RequestState::Waiting, RequestState::Waiting, RequestState::Gone]);
    assert_eq!(taken(&us, &all, "B").await, ["3"], "whatever it asks for, it gets what it has the lease of");
    assert_eq!(taken(&eu, &[region("eu")], "A").await, ["2"], "it does not evaluate yet");
    assert_eq!(taken(&eu, &all, "A").await, ["1"]);
    assert_eq!(taken(&eu, &all, "A").await, [""; 0], "it has all of it");

    assert_eq!(states(&us, &["1"]).await, [RequestState::Taken]);
    assert!(eu.answer("1".to_owned(), "A".to_owned(), "done\0".to_owned()).await.unwrap());
    assert_eq!(states(&us, &["3", "1"]).await, [RequestState::Taken, RequestState::Answered("done\u{FFFD}".to_owned())]);
    assert!(!eu.answer("1".to_owned(), "A".to_owned(), "again".to_owned()).await.unwrap());
    assert!(!eu.answer("3".to_owned(), "A".to_owned(), "not its own".to_owned()).await.unwrap());
}

#[tokio::test]
async fn of_many_looks_at_once_one_gets_a_request() {
    let database = Database::create();
    let store = open(&database, None).await;
    held(&store, region("eu"), "A").await;
    for number in 0..20 {
        let id = number.to_string();
        ask(&store, &id, region("eu")).await;
        let own = [region("eu")];
        let looks = join_all((0..3).map(|_| taken(&store, &own, "A"))).await;
        assert_eq!(looks.concat(), [id]);
    }
}

#[tokio::test]
async fn nobody_takes_what_is_over_or_withdrawn_or_under_a_lease_that_has_run_out() {
    let database = Database::create();
    let store = open(&database, None).await;
    held(&store, region("eu"), "A").await;
    store.ask(vec![request("late", region("eu"))], Duration::ZERO).await.unwrap();
    ask(&store, "withdrawn", region("eu")).await;
    store.withdraw(vec!["withdrawn".to_owned()]).await.unwrap();
    assert_eq!(taken(&store, &[region("eu")], "A").await, [""; 0]);
    assert_eq!(states(&store, &["late", "withdrawn"]).await, [RequestState::Waiting, RequestState::Gone]);

    ask(&store, "kept", region("eu")).await;
    database.ask("UPDATE leases SET until = now() - interval '1 s'");
    assert_eq!(taken(&store, &[region("eu")], "A").await, [""; 0], "another one may have the lease at any moment");
    take_over(&database, &store, region("eu"), "B").await;
    assert_eq!(taken(&store, &[region("eu")], "B").await, ["kept"]);
    store.withdraw(vec!["kept".to_owned()]).await.unwrap();
    assert_eq!(states(&store, &["kept"]).await, [RequestState::Taken], "what was taken cannot be taken back");
    take_over(&database, &store, region("eu"), "C").await;
    assert!(!store.answer("kept".to_owned(), "B".to_owned(), "done".to_owned()).await.unwrap(), "what B did may not hold");
    assert_eq!(states(&store, &["kept"]).await, [RequestState::Taken]);
}

#[tokio::test]
async fn instances_say_that_they_are_there_until_they_depart() {
    let database = Database::create();
    let store = open(&database, None).await;
    for (holder, info) in [("B", "1"), ("A", "2"), ("B", "3")] {
        store.announce(holder.to_owned(), info.to_owned()).await.unwrap();
    }
    database.ask("UPDATE instances SET heard = heard - interval '1 hour' WHERE holder = 'A'");
    let seen = store.instances().await.unwrap();
    let said: Vec<_> = seen.iter().map(|one| (&*one.holder, &*one.info)).collect();
    assert_eq!(said, [("A", "2"), ("B", "3")]);
    assert!(seen[0].heard >= Duration::from_hours(1) && seen[1].heard < Duration::from_mins(1));
    store.depart("A".to_owned()).await.unwrap();
    assert_eq!(store.instances().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_code_is_good_once_and_until_it_is_over_and_of_many_the_oldest_give_way() {
    let database = Database::create();
    let store = open(&database, None).await;
    let keep = async |hash: &str, lasts| store.keep_code(hash.to_owned(), format!("of {hash}"), lasts).await.unwrap();
    let take = async |hash: &str| store.take_code(hash.to_owned()).await.unwrap();
    keep("1", SOON).await;
    keep("over", Duration::ZERO).await;
    let taken = join_all((0..3).map(|_| take("1"))).await;
    assert_eq!(taken.iter().flatten().collect::<Vec<_>>(), ["of 1"]);
    assert_eq!((take("1").await, take("over").await), (None, None));
    for number in 0..110 {
        keep(&format!("many {number}"), SOON + Duration::from_secs(number)).await;
    }
    assert_eq!((take("many 9").await, take("many 109").await), (None, Some("of many 109".to_owned())));
    assert_eq!(database.ask("SELECT count(*) FROM codes"), "99");
}

#[tokio::test]
async fn of_several_that_start_for_the_first_time_all_get_the_state_of_the_first() {
    let database = Database::create();
    let stores = join_all((0..4).map(|_| open(&database, None))).await;
    let first = |(number, store): (usize, &PostgresStore)| store.first_state("web_key", format!("\"{number}\""));
    let got = join_all(stores.iter().enumerate().map(first)).await;
    let got: Vec<String> = got.into_iter().map(Result::unwrap).collect();
    assert!(got.iter().all(|json| *json == got[0]), "{got:?}");
    assert_eq!(stores[0].first_state("web_key", "\"later\"".to_owned()).await.unwrap(), got[0]);
}

#[tokio::test]
async fn housekeeping_removes_requests_after_an_hour_instances_after_a_day_and_codes_that_are_over() {
    let database = Database::create();
    let store = open(&database, None).await;
    ask(&store, "old", region("eu")).await;
    ask(&store, "new", region("eu")).await;
    for holder in ["old", "new"] {
        store.announce(holder.to_owned(), "{}".to_owned()).await.unwrap();
    }
    store.keep_code("old".to_owned(), String::new(), Duration::ZERO).await.unwrap();
    store.keep_code("new".to_owned(), String::new(), SOON).await.unwrap();
    database.ask("UPDATE requests SET made = made - interval '2 hours' WHERE id = 'old'");
    database.ask("UPDATE instances SET heard = heard - interval '2 days' WHERE holder = 'old'");
    store.housekeep(at(0)).await.unwrap();
    for (table, column) in [("requests", "id"), ("instances", "holder"), ("codes", "hash")] {
        assert_eq!(database.ask(&format!("SELECT {column} FROM {table}")), "new", "{table}");
    }
}
