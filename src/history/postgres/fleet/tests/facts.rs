//! Facts are followed in the order of commits.

use std::collections::BTreeSet;

use super::*;
use crate::history::testing::LONG;
use crate::history::{FACTS, FactsPage, Housekeeper as _, Recorder as _};

fn keys(page: &FactsPage) -> Vec<String> {
    page.facts.iter().map(|fact| format!("{}/{} {}", fact.region, fact.key, fact.json.as_deref().unwrap_or("-"))).collect()
}

#[tokio::test]
async fn who_starts_gets_what_is_not_well_and_who_follows_what_changed_in_other_regions() {
    let database = Database::with_roles();
    let (eu, us) = (open(&database, Some("eu")).await, open(&database, Some("us")).await);
    assert_eq!(eu.facts().await.unwrap(), FactsPage::default());
    eu.commit(fact("a", Some("bad"), false)).await.unwrap();
    us.commit(fact("a", Some("good"), true)).await.unwrap();
    us.commit(fact("b", Some("worse"), false)).await.unwrap();
    us.commit(fact("c", None, false)).await.unwrap();
    let start = eu.facts().await.unwrap();
    let known = ["eu/a bad", "us/b worse", "us/c -"].map(str::to_owned);
    assert_eq!((keys(&start), start.more), (known.to_vec(), false), "what is not watched any more has to end what it opened");
    assert_eq!(keys(&eu.facts_since(0).await.unwrap()), ["us/a good", "us/b worse", "us/c -"]);
    assert_eq!(keys(&us.facts_since(0).await.unwrap()), ["eu/a bad"]);

    assert_eq!(eu.facts_since(start.next).await.unwrap(), FactsPage { next: start.next, ..FactsPage::default() });
    us.commit(fact("b", Some("good"), true)).await.unwrap();
    us.commit(fact("a", Some("bad"), false)).await.unwrap();
    eu.commit(fact("a", Some("good"), true)).await.unwrap();
    let page = eu.facts_since(start.next).await.unwrap();
    assert_eq!(keys(&page), ["us/b good", "us/a bad"]);
    assert_eq!(eu.facts_since(page.next).await.unwrap().facts, [], "its own are passed over, and none comes twice");
}

#[tokio::test]
async fn facts_of_two_stores_that_write_at_once_are_followed_and_none_is_passed_over() {
    const EACH: usize = 60;
    let database = Database::with_roles();
    let (eu, us, follower) = (open(&database, Some("eu")).await, open(&database, Some("us")).await, open(&database, None).await);
    let write = async |store: &PostgresStore| {
        for number in 0..EACH {
            store.commit(fact(&format!("{number:03}"), Some("bad"), false)).await.unwrap();
        }
    };
    let follow = async {
        let (mut after, mut seen) = (0, Vec::new());
        while seen.len() < 2 * EACH {
            let page = follower.facts_since(after).await.unwrap();
            after = page.next;
            seen.extend(keys(&page));
        }
        seen
    };
    let (seen, ..) = tokio::time::timeout(LONG, async { tokio::join!(follow, write(&eu), write(&us)) }).await.unwrap();
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 2 * EACH, "each came once");
    for region in ["eu", "us"] {
        let of_one: Vec<&String> = seen.iter().filter(|key| key.starts_with(region)).collect();
        assert!(of_one.is_sorted(), "{of_one:?}");
    }
}

#[tokio::test]
async fn what_was_told_alone_comes_before_the_facts_of_its_transaction() {
    let database = Database::with_roles();
    let (eu, follower) = (open(&database, Some("eu")).await, open(&database, None).await);
    let rows = ["canary/p/eu", "told_alone/01", "across/p"];
    let facts = rows.iter().flat_map(|key| fact(key, Some("bad"), false).facts).collect();
    eu.commit(Commit { facts, ..Commit::default() }).await.unwrap();
    let expected = ["eu/told_alone/01 bad", "eu/canary/p/eu bad", "eu/across/p bad"];
    assert_eq!(keys(&follower.facts_since(0).await.unwrap()), expected);
    assert_eq!(keys(&follower.facts().await.unwrap()), expected);
}

#[tokio::test]
async fn many_facts_come_in_several_pages() {
    let database = Database::with_roles();
    let (eu, follower) = (open(&database, Some("eu")).await, open(&database, None).await);
    let many = (0..=FACTS).flat_map(|number| fact(&number.to_string(), Some("bad"), false).facts).collect();
    eu.commit(Commit { facts: many, ..Commit::default() }).await.unwrap();
    let first = follower.facts_since(0).await.unwrap();
    assert_eq!((first.facts.len(), first.more), (FACTS, true));
    let second = follower.facts_since(first.next).await.unwrap();
    assert_eq!((second.facts.len(), second.more), (1, false));
    assert_eq!(follower.facts().await.unwrap().facts.len(), FACTS + 1);
}

#[tokio::test]
async fn housekeeping_removes_old_facts_that_are_well_or_not_watched_any_more() {
    let database = Database::with_roles();
    let eu = open(&database, Some("eu")).await;
    for (key, json, well) in [("bad", Some("1"), false), ("well", Some("1"), true), ("gone", None, false)] {
        for age in ["old", "young"] {
            eu.commit(fact(&format!("{age} {key}"), json, well)).await.unwrap();
        }
    }
    database.ask("UPDATE facts SET written = written - interval '25 hours' WHERE key LIKE 'old %'");
    eu.housekeep(at(0)).await.unwrap();
    let kept = database.ask("SELECT string_agg(key, ', ' ORDER BY key) FROM facts");
    assert_eq!(kept, "old bad, young bad, young gone, young well");
}
