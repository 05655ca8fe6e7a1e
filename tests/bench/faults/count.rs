//! What became of everything, counted from the database, at the pager and at the target.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::page_support::pager::Page;
use super::world::{REGIONS, World, key};

/// What was seen of a fault.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Ticks that were due between the first and the last one of each canary, that ran, and that did not.
    due: i64,
    run: i64,
    missed: i64,
    /// Ticks of which the database has nothing.
    unknown: i64,
    /// Ticks that count twice.
    twice: i64,
    /// Pages that the database says were to be told, at least one.
    owed: usize,
    /// Pages that rang.
    rung: usize,
    /// Of them those that never rang, and whether nobody ever told that it is critical.
    lost: usize,
    /// Pages that came again.
    doubled: usize,
    /// Keys that a region told alone.
    alone: usize,
    /// Test data.
    left: usize,
    /// From the run that made it critical to the page that says so.
    critical: Option<Duration>,
}

/// Per canary and tick how often it counts, and what it came to.
const TICKS: &str = "WITH ticks AS (SELECT canary, due_ms, count(*) AS times, bool_and(verdict = 3) AS missed
        FROM runs WHERE counted GROUP BY canary, due_ms),
    canaries AS (SELECT (max(due_ms) - min(due_ms)) / 1000 + 1 AS due, count(*) AS known,
        count(*) FILTER (WHERE missed) AS missed, count(*) FILTER (WHERE times > 1) AS twice FROM ticks GROUP BY canary)
    SELECT sum(due), sum(known), sum(missed), sum(twice) FROM canaries";

/// Counts once all has ended. `deciding` is when the run ended that made it critical.
pub(crate) fn count(world: &World, deciding: Option<Instant>) -> Seen {
    let ticks = world.database.ask("serinus", TICKS);
    let numbers: Vec<i64> = ticks.split('|').map(|number| number.parse().expect("it is a number")).collect();
    let [due, known, missed, twice] = numbers[..] else { panic!("four numbers: {ticks}") };
    let rings: Vec<Page> = world.pager.pages().into_iter().filter(|page| page.message["action"] == "ring").collect();
    let ids: BTreeSet<&str> = rings.iter().map(|page| &*page.id).collect();
    let opened: Vec<&str> = rings.iter().filter(|page| page.message["occasion"] == "opened").map(key).collect();
    let opened_once: BTreeSet<&str> = opened.iter().copied().collect();
    let opened_ids: BTreeSet<&str> =
        rings.iter().filter(|page| page.message["occasion"] == "opened").map(|page| &*page.id).collect();
    // A ring that could not be taken gives way to the next one of its incident, which tells all that the first one did.
    let tries =
        world.database.ask("serinus", "SELECT id, incident FROM tries JOIN try_incidents ON try = id WHERE what = 'ring'");
    let incidents: BTreeSet<&str> = rings.iter().filter_map(|page| page.message["incident"].as_str()).collect();
    let is_untold =
        |row: &&str| row.split_once('|').is_some_and(|(id, incident)| !ids.contains(id) && !incidents.contains(incident));
    let critical = critical(&rings);
    let facts = usize::from(rings.is_empty()) + usize::from(critical.is_none());
    let untold = tries.lines().filter(is_untold).count();
    Seen {
        due,
        run: known - missed,
        missed,
        unknown: due - known,
        twice,
        owed: tries.lines().count().max(1),
        rung: rings.len(),
        lost: facts + untold,
        doubled: (rings.len() - ids.len()) + (opened_ids.len() - opened_once.len()),
        alone: opened_once.iter().filter(|key| is_of_region(key)).count(),
        left: world.left().len(),
        critical: critical.and_then(|page| Some(page.at.saturating_duration_since(deciding?))),
    }
}

/// When the first run that failed in a region ended, by the database, where the target was not asked.
pub(crate) fn ended(world: &World, region: &str) -> Option<Instant> {
    let ago = format!(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint - (due_ms + late_ms + duration_us / 1000)
            FROM runs JOIN canaries ON canaries.id = runs.canary WHERE name = 'shop/{region}' AND verdict = 1 ORDER BY due_ms LIMIT 1"
    );
    let ago = world.database.ask("serinus", &ago).parse().ok()?;
    Instant::now().checked_sub(Duration::from_millis(ago))
}

/// Whether a key is one that a region told alone: those begin with it.
fn is_of_region(key: &str) -> bool {
    key.split_once('/').is_some_and(|(first, _)| REGIONS.contains(&first))
}

/// The first page of the fleet that says that it is critical.
pub(crate) fn critical(rings: &[Page]) -> Option<&Page> {
    rings.iter().find(|page| page.message["severity"] == "critical" && key(page).starts_with("probe/"))
}

/// Head of the table.
pub(crate) const HEAD: &str = "| fault | promised | ticks due | run | missed | not known | twice | rings owed | rung | lost | doubled | told alone | left | s to critical |\n\
    |---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

impl Seen {
    /// Whether what is promised of every fault was so.
    pub(crate) fn holds(&self) -> bool {
        self.twice == 0 && self.lost == 0 && self.left == 0
    }

    /// Its line of the table.
    pub(crate) fn row(&self, fault: Fault) -> String {
        let [_, what, promised] = fault.words();
        let Self { due, run, missed, unknown, twice, owed, rung, lost, doubled, alone, left, critical } = self;
        let critical = critical.map_or("never".to_owned(), |critical| format!("{:.1}", critical.as_secs_f64()));
        format!(
            "| {what} | {promised} | {due} | {run} | {missed} | {unknown} | {twice} | {owed} | {rung} | {lost} | {doubled} | \
             {alone} | {left} | {critical} |"
        )
    }
}
