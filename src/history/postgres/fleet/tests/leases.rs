//! At most one process holds a lease.

use futures::future::join_all;

use super::super::Refusal;
use super::*;
use crate::base::time::now_ms;

const SHORT: Duration = Duration::from_millis(300);

/// All of these ask for a lease at once, each as another one.
async fn all_ask(stores: &[PostgresStore], name: &LeaseName, epoch: i64) {
    let names: Vec<String> = (0..stores.len()).map(|number| format!("{epoch}-{number}")).collect();
    let answers = join_all(stores.iter().zip(&names).map(|(store, holder)| take(store, name.clone(), holder, LASTS))).await;
    let holders = answers.iter().zip(&names).filter(|(answer, _)| **answer == LeaseAnswer::Held(Epoch(epoch)));
    let [holder] = holders.map(|(_, holder)| holder).collect::<Vec<_>>()[..] else { panic!("one holds it: {answers:?}") };
    let told = answers.iter().filter(|answer| {
        matches!(answer, LeaseAnswer::HeldBy { holder: by, left } if by == holder && *left <= LASTS && *left > LASTS / 2)
    });
    assert_eq!(told.count(), stores.len() - 1, "{answers:?}");
}

#[tokio::test]
async fn of_eight_that_ask_at_once_one_holds_the_lease_and_the_others_are_told_who() {
    let database = Database::with_roles();
    let stores = join_all((0..8).map(|_| open(&database, None))).await;
    // Whoever has a connection asks at once.
    join_all(stores.iter().map(PostgresStore::leases)).await;
    let names: Vec<LeaseName> = (0..30).map(|number| region(&number.to_string())).chain([LeaseName::Evaluator]).collect();
    for name in &names {
        all_ask(&stores, name, 1).await;
    }
    database.ask("UPDATE leases SET until = now() - interval '1 s'");
    for name in &names {
        all_ask(&stores, name, 2).await;
    }
}

#[tokio::test]
async fn a_renewal_keeps_the_epoch_also_of_one_that_ran_out_and_shows_what_the_holder_says_of_itself() {
    let database = Database::with_roles();
    let store = open(&database, None).await;
    assert_eq!(store.leases().await.unwrap(), []);
    let first = store.take_lease(LeaseName::Evaluator, "A".to_owned(), "1".to_owned(), Duration::ZERO).await.unwrap();
    assert_eq!(first.answer, LeaseAnswer::Held(Epoch(1)));
    assert!((first.server_ms - now_ms()).abs() < 60_000);
    assert!(!store.leases().await.unwrap()[0].held, "it ran out at once");
    database.ask("UPDATE leases SET renewed = renewed - interval '1 hour'");
    assert!(store.leases().await.unwrap()[0].renewed >= Duration::from_hours(1));

    let again = store.take_lease(LeaseName::Evaluator, "A".to_owned(), "2".to_owned(), LASTS).await.unwrap();
    assert_eq!(again.answer, LeaseAnswer::Held(Epoch(1)));
    held(&store, region("eu"), "B").await;
    let leases = store.leases().await.unwrap();
    let seen: Vec<_> = leases.iter().map(|view| (&view.name, &*view.holder, view.epoch, &*view.info, view.held)).collect();
    assert_eq!(seen, [(&LeaseName::Evaluator, "A", Epoch(1), "2", true), (&region("eu"), "B", Epoch(1), "{}", true)]);
    assert!(leases[0].renewed < Duration::from_mins(1));
}

#[tokio::test]
async fn another_one_takes_over_when_it_has_run_out_and_at_once_after_a_release() {
    let database = Database::with_roles();
    let store = open(&database, None).await;
    assert_eq!(take(&store, region("eu"), "A", SHORT).await, LeaseAnswer::Held(Epoch(1)));
    let left = match take(&store, region("eu"), "B", LASTS).await {
        LeaseAnswer::HeldBy { left, .. } => left,
        answer @ LeaseAnswer::Held(_) => panic!("it has not run out: {answer:?}"),
    };
    assert!(left <= SHORT);
    tokio::time::sleep(left + Duration::from_millis(10)).await;
    assert_eq!(take(&store, region("eu"), "B", LASTS).await, LeaseAnswer::Held(Epoch(2)));
    assert!(matches!(take(&store, region("eu"), "A", LASTS).await, LeaseAnswer::HeldBy { holder, .. } if holder == "B"));

    store.release_lease(region("eu"), "A".to_owned()).await.unwrap();
    assert!(matches!(take(&store, region("eu"), "A", LASTS).await, LeaseAnswer::HeldBy { .. }), "it was not its own");
    store.release_lease(region("eu"), "B".to_owned()).await.unwrap();
    assert_eq!(take(&store, region("eu"), "A", LASTS).await, LeaseAnswer::Held(Epoch(3)));
}

#[tokio::test]
async fn a_takeover_waits_for_a_commit_under_way_and_a_renewal_does_not() {
    let database = Database::with_roles();
    let store = open(&database, None).await;
    let epoch = held(&store, region("eu"), "A").await;
    let by_hand = connect(&database).await;
    begin_under(&by_hand, &region("eu"), epoch).await;
    assert_eq!(take(&store, region("eu"), "A", Duration::ZERO).await, LeaseAnswer::Held(epoch), "it is renewed meanwhile");

    let mut taken = Box::pin(take(&store, region("eu"), "B", LASTS));
    assert!(tokio::time::timeout(SHORT, &mut taken).await.is_err(), "a transaction under the lease goes on");
    by_hand.batch_execute("COMMIT").await.unwrap();
    assert_eq!(taken.await, LeaseAnswer::Held(Epoch(2)));

    by_hand.batch_execute("BEGIN").await.unwrap();
    let values = [(&"region/eu" as _, Type::TEXT), (&epoch.0 as _, Type::INT8)];
    let refused = by_hand.query_typed("SELECT fence($1, $2)", &values).await.unwrap_err();
    assert_eq!(Refusal::of(&refused), Some(Refusal::Region), "what comes later sees the takeover");
}

#[tokio::test]
async fn who_waited_too_long_for_a_takeover_has_not_taken_it_afterwards() {
    let database = Database::with_roles();
    let store = open(&database, None).await;
    let epoch = held(&store, region("eu"), "A").await;
    let by_hand = connect(&database).await;
    begin_under(&by_hand, &region("eu"), epoch).await;
    assert_eq!(take(&store, region("eu"), "A", Duration::ZERO).await, LeaseAnswer::Held(epoch));
    assert!(store.take_lease(region("eu"), "B".to_owned(), String::new(), LASTS).await.is_err());
    // By then the server has given up, too.
    tokio::time::sleep(SHORT).await;
    by_hand.batch_execute("COMMIT").await.unwrap();
    tokio::time::sleep(SHORT).await;
    assert_eq!(store.leases().await.unwrap()[0].holder, "A");
}
