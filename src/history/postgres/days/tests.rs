//! Days are the sums of their hours, on a real server.

use super::super::PostgresStore;
use super::super::testing::Database;
use crate::history::testing::{KEPT, at, at_ms, canary, run, runs};
use crate::history::{Housekeeper as _, Reader as _, Recorder as _, RollupFilter};
use crate::outcome::Verdict;
use crate::plan::DatabaseUrl;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn midnight() -> u64 {
    DAY - u64::try_from(at_ms(0) / 1_000).unwrap() % DAY
}

struct Days {
    database: Database,
    store: PostgresStore,
}

impl Days {
    async fn new() -> Self {
        let database = Database::create();
        let url = DatabaseUrl::parse(&database.url()).unwrap();
        let store = PostgresStore::open(&url, KEPT, None, at(0)).await.unwrap();
        Self { database, store }
    }

    /// Runs a canary, and cleans up at this time.
    async fn write(&self, region: &str, due: u64, now: u64) {
        self.store.commit(runs([run(&canary("p", region), Verdict::Passed, due)])).await.unwrap();
        self.store.housekeep(at(now)).await.unwrap();
    }

    fn count(&self) -> String {
        self.database.ask("SELECT count(*) FROM days")
    }

    /// When each rollup begins where days may come as one, in hours since the first midnight.
    async fn starts(&self) -> Vec<i64> {
        let filter = RollupFilter { probe: "p".to_owned(), canary: None, since_ms: 0, until_ms: i64::MAX, by_day: true };
        let found = self.store.rollups_of_probe(filter).await.unwrap().rollups;
        found.iter().map(|(_, rollup)| (rollup.start_ms - at_ms(midnight())) / 3_600_000).collect()
    }
}

#[tokio::test]
async fn after_a_clock_that_was_ahead_a_day_that_goes_on_is_none_that_is_over() {
    let days = Days::new().await;
    let (first, today) = (midnight(), midnight() + DAY);
    days.write("eu", first, first).await;
    days.write("eu", first + 20 * HOUR, first + 20 * HOUR).await;
    days.write("eu", today + 20 * HOUR, today + 20 * HOUR).await;
    assert_eq!(days.count(), "1");
    days.write("eu", today + 20 * HOUR + 60, today + DAY + 4 * HOUR).await;
    assert_eq!(days.count(), "2", "the clock says that today is over");
    days.write("eu", today + 21 * HOUR, today + 21 * HOUR).await;
    assert_eq!(days.count(), "1");
    days.write("eu", today + DAY + 3 * HOUR, today + DAY + 3 * HOUR).await;
    assert_eq!((days.count(), days.starts().await), ("2".to_owned(), vec![0, 24, 51]));
}

#[tokio::test]
async fn days_without_runs_are_passed_over_and_days_go_with_their_hours() {
    let days = Days::new().await;
    let (first, later) = (midnight(), midnight() + 5 * DAY);
    for due in [first, first + 5 * HOUR, first + DAY + HOUR] {
        days.write("eu", due, due).await;
    }
    assert_eq!(days.starts().await, [0, 5, 25], "the day is over for an hour only");
    // A clock that jumped is believed after a day.
    for due in [later, later + 23 * HOUR, later + 25 * HOUR, later + 26 * HOUR + 1] {
        days.write("eu", due, due).await;
    }
    let hours = i64::try_from(5 * DAY / HOUR).unwrap();
    assert_eq!(days.starts().await, [0, 24, hours, hours + 25, hours + 26]);
    // Late, of a canary that was not there.
    days.write("us", first + HOUR, later + 27 * HOUR).await;
    assert_eq!(days.starts().await, [0, 0, 24, hours, hours + 25, hours + 26]);
    for due in (2..=10).map(|day| later + day * DAY) {
        days.write("eu", due, due).await;
    }
    assert_eq!(days.starts().await[0], hours, "ten days are kept");
}

/// A fleet has more canaries than are summed at once.
#[tokio::test]
async fn the_day_of_every_canary_is_summed_and_equals_its_hours() {
    let days = Days::new().await;
    let all = (0..250).flat_map(|number| {
        let canary = canary("p", &format!("r{number}"));
        [0, 60, 7 * HOUR].map(|due| run(&canary, if due == 60 { Verdict::Failed } else { Verdict::Passed }, midnight() + due))
    });
    days.store.commit(runs(all)).await.unwrap();
    days.write("r3", midnight() + DAY - 1, midnight() + DAY + 3 * HOUR).await;
    assert_eq!(days.count(), "250");
    let unequal =
        "SELECT count(*) FROM (SELECT canary, hour / 24 AS day, sum(passed) AS passed, sum(failed) AS failed FROM rollups
        GROUP BY 1, 2) AS hours FULL JOIN days USING (canary, day, passed, failed) WHERE hours IS NULL OR days IS NULL";
    assert_eq!(days.database.ask(unequal), "0");
    assert_eq!(days.database.ask("SELECT sum(passed) || ' ' || sum(failed) FROM days"), "501 250");
    // Late runs of more canaries and days than are summed at once.
    let late = (0..250).flat_map(|number| {
        let canary = canary("p", &format!("r{number}"));
        [3 * HOUR, 9 * HOUR].map(|due| run(&canary, Verdict::Passed, midnight() + due))
    });
    days.store.commit(runs(late)).await.unwrap();
    days.store.housekeep(at(midnight() + DAY + 4 * HOUR)).await.unwrap();
    assert_eq!(days.database.ask(unequal), "0");
    assert_eq!(days.database.ask("SELECT sum(passed) || ' ' || sum(failed) FROM days"), "1001 250");
}
