//! What must be so, whatever was killed when: held against what the store has and against what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use serinus::alert::Action;

use crate::faults::Stretch;
use crate::receiver::Received;
use crate::world::copy_of_store;

/// Probes that never fail.
pub(crate) const WELL: [&str; 2] = ["load-a", "maker"];

/// The channels, each of which gets everything.
pub(crate) const CHANNELS: [&str; 2] = ["pager", "chat"];

/// An incident as the store has it.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) scope: String,
    pub(crate) probe: String,
    pub(crate) opened_ms: i64,
    pub(crate) resolved_ms: Option<i64>,
    /// Keys it was told under, in the order of their first use.
    pub(crate) keys: Vec<String>,
}

impl Incident {
    /// Whether it is about an objective over hours, which goes on long after the fault.
    pub(crate) fn is_objective(&self) -> bool {
        self.scope.starts_with("budget/") || self.scope.starts_with("latency/")
    }
}

/// Every incident, in the order of their opening.
pub(crate) fn incidents(store: &Connection) -> Vec<Incident> {
    let sql = "SELECT id, scope, coalesce(probe, ''), opened_ms, resolved_ms, json FROM incidents ORDER BY opened_ms, id";
    let mut rows = store.prepare(sql).unwrap();
    let found = rows.query_map([], |row| {
        let json: serde_json::Value = serde_json::from_str(&row.get::<_, String>(5)?).expect("it is JSON");
        let told = json["told"].as_array().expect("it is a list").iter();
        Ok(Incident {
            id: row.get(0)?,
            scope: row.get(1)?,
            probe: row.get(2)?,
            opened_ms: row.get(3)?,
            resolved_ms: row.get(4)?,
            keys: told.map(|told| told["key"].as_str().expect("it is text").to_owned()).collect(),
        })
    });
    found.unwrap().map(Result::unwrap).collect()
}

/// One number of the store.
pub(crate) fn number(store: &Connection, sql: &str) -> i64 {
    store.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What was seen in the store so far: a crash may add to it, and take nothing from it.
#[derive(Default)]
pub(crate) struct Memory {
    incidents: HashMap<String, Incident>,
    delivered: HashSet<String>,
    /// The highest number of a run, and how many runs there were up to it.
    runs: (i64, i64),
    pub(crate) looks: usize,
}

impl Memory {
    /// Looks at what a crash left, `things` among it.
    pub(crate) fn look(&mut self, path: &Path, things: &BTreeSet<String>, wrong: &mut Vec<String>) {
        if !path.exists() {
            return;
        }
        let (_folder, store) = copy_of_store(path);
        let integrity: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        if integrity != "ok" {
            wrong.push(format!("look {}: the store is damaged: {integrity}", self.looks));
        }
        self.looks += 1;
        if number(&store, "SELECT count(*) FROM sqlite_master WHERE name = 'incidents'") == 0 {
            return;
        }
        let found = incidents(&store);
        let mut open = BTreeSet::new();
        for incident in &found {
            if incident.resolved_ms.is_none() && !open.insert(&incident.scope) {
                wrong.push(format!("two incidents of {} are open at once", incident.scope));
            }
        }
        let by_id: HashMap<&str, &Incident> = found.iter().map(|incident| (&*incident.id, incident)).collect();
        for (id, known) in &self.incidents {
            match by_id.get(&**id) {
                None => wrong.push(format!("incident {id} of {} is lost", known.scope)),
                Some(now) if !now.keys.starts_with(&known.keys) => {
                    wrong.push(format!("incident {id} was told under {:?} and now has {:?}", known.keys, now.keys));
                }
                Some(now) if known.resolved_ms.is_some() && now.resolved_ms != known.resolved_ms => {
                    wrong.push(format!("incident {id} of {} was resolved and is no longer", known.scope));
                }
                Some(_) => {}
            }
        }
        let delivered: HashSet<String> = texts(&store, "SELECT id FROM messages WHERE state <> 'pending'");
        wrong.extend(self.delivered.difference(&delivered).map(|id| format!("message {id} was settled and is no longer")));
        self.delivered = delivered;
        self.incidents = found.into_iter().map(|incident| (incident.id.clone(), incident)).collect();
        let (highest, known) = self.runs;
        let still = number(&store, &format!("SELECT count(*) FROM runs WHERE id <= {highest}"));
        if still != known {
            wrong.push(format!("look {}: {known} runs were recorded, and of these {still} are left", self.looks));
        }
        self.runs = (number(&store, "SELECT coalesce(max(id), 0) FROM runs"), number(&store, "SELECT count(*) FROM runs"));
        let journalled = texts(&store, "SELECT json_extract(entry, '$.run_id') FROM ledger");
        wrong.extend(
            things.difference(&journalled.into_iter().collect()).map(|id| format!("the ledger does not know what run {id} made")),
        );
        // A page and its message are one transaction.
        let mute = "SELECT id FROM incidents WHERE json_array_length(json, '$.told') > 0
                    AND id NOT IN (SELECT incident FROM messages)";
        wrong.extend(texts(&store, mute).iter().map(|id| format!("incident {id} says it was told, and has no message")));
    }
}

pub(crate) fn texts(store: &Connection, sql: &str) -> HashSet<String> {
    store.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// The life of one process: when it probed, when it was killed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) ready_ms: Option<i64>,
    pub(crate) killed_ms: i64,
}

/// What happened.
pub(crate) struct Evidence<'a> {
    pub(crate) stretches: &'a [Stretch],
    pub(crate) lives: &'a [Life],
    pub(crate) received: &'a [Received],
}

/// What it came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) numbers: Vec<(&'static str, i64)>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.numbers.iter().try_for_each(|(what, number)| writeln!(f, "{number:>9}  {what}"))
    }
}

/// Holds everything against everything.
pub(crate) fn audit(store: &Connection, evidence: &Evidence<'_>, wrong: &mut Vec<String>) -> Tally {
    let incidents = incidents(store);
    let mut tally = Tally::default();
    runs(store, &mut tally, wrong);
    streaks(store, &incidents, wrong);
    keys(&incidents, &mut tally, wrong);
    pages(&incidents, evidence, &mut tally, wrong);
    repeated(evidence, &mut tally, wrong);
    stretches(&incidents, evidence, &mut tally, wrong);
    for state in ["pending", "dead"] {
        let left = number(store, &format!("SELECT count(*) FROM messages WHERE state = '{state}'"));
        if left > 0 {
            wrong.push(format!("{left} messages are {state}"));
        }
    }
    tally
}

/// No tick is there twice, and none is missing between a canary's first and its last.
fn runs(store: &Connection, tally: &mut Tally, wrong: &mut Vec<String>) {
    let note = |tally: &mut Tally, what, sql: &str| tally.numbers.push((what, number(store, sql)));
    note(tally, "canaries", "SELECT count(*) FROM canaries");
    note(tally, "ticks in the store", "SELECT count(*) FROM runs");
    note(tally, "of them passed", "SELECT count(*) FROM runs WHERE verdict = 0");
    note(tally, "of them failed", "SELECT count(*) FROM runs WHERE verdict = 1");
    note(tally, "of them errored", "SELECT count(*) FROM runs WHERE verdict = 2");
    note(tally, "of them missed: crashed", "SELECT count(*) FROM runs WHERE verdict = 3 AND reason = 'crashed'");
    note(tally, "of them missed otherwise", "SELECT count(*) FROM runs WHERE verdict = 3 AND reason <> 'crashed'");
    let twice = "SELECT name || ' ' || due_ms || ' ' || slot FROM runs JOIN canaries ON canaries.id = canary
                 GROUP BY canary, due_ms, slot HAVING count(*) > 1";
    wrong.extend(texts(store, twice).iter().map(|tick| format!("the tick {tick} is there twice")));
    // What a slot's tick comes after is one interval before it, and a millisecond for rounding.
    let holes = "SELECT name || ' slot ' || slot || ': nothing between ' || before || ' and ' || due_ms FROM (
                     SELECT canaries.name AS name, slot, due_ms,
                            lag(due_ms) OVER (PARTITION BY canary, slot ORDER BY due_ms) AS before,
                            CASE probes.name WHEN 'premium-registration' THEN 4000 WHEN 'playlist-sync' THEN 4000
                                             WHEN 'segment-copy' THEN 3000 ELSE 1000 END AS every
                     FROM runs JOIN canaries ON canaries.id = canary JOIN probes ON probes.id = runs.probe)
                 WHERE due_ms - before > every + 1";
    wrong.extend(texts(store, holes));
}

/// Two failures in a row of what the store has, and the incident is in the store as well.
fn streaks(store: &Connection, incidents: &[Incident], wrong: &mut Vec<String>) {
    let sql = "SELECT name, verdict, due_ms + late_ms + duration_us / 1000 FROM runs JOIN canaries ON canaries.id = canary
               WHERE name LIKE 'load-%' AND verdict IN (0, 1) AND counted ORDER BY name, due_ms";
    let mut rows = store.prepare(sql).unwrap();
    let runs = rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? == 1, row.get::<_, i64>(2)?)));
    let (mut canary, mut streak) = (String::new(), 0);
    for run in runs.unwrap() {
        let (name, failed, end_ms): (String, bool, i64) = run.unwrap();
        streak = if failed && name == canary { streak + 1 } else { i32::from(failed) };
        canary = name;
        let scope = format!("probe/{}", canary.split('/').next().unwrap_or_default());
        let covers = |incident: &&Incident| {
            incident.scope == scope
                && incident.opened_ms <= end_ms + 2_000
                && incident.resolved_ms.is_none_or(|resolved| resolved >= end_ms - 100)
        };
        if streak == 2 && !incidents.iter().any(|incident| covers(&incident)) {
            wrong.push(format!("{canary} failed twice in a row until {end_ms}, and no incident is there"));
        }
    }
}

/// The number in a scope's keys ascends, and no two incidents share one.
fn keys(incidents: &[Incident], tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for incident in incidents {
        for key in incident.keys.iter().filter(|key| !key.ends_with("/critical")) {
            let generation = key.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a key ends with a number");
            let before = last.insert(&incident.scope, generation).unwrap_or(0);
            if generation <= before {
                wrong.push(format!("{key} of incident {} comes after generation {before}", incident.id));
            }
        }
        if incident.resolved_ms.is_none() && !incident.is_objective() {
            wrong.push(format!("incident {} of {} is still open", incident.id, incident.scope));
        }
    }
    tally.numbers.push(("incidents", count(incidents.len())));
}

/// Every key that is in the store arrived on every channel and was closed there; nothing else arrived.
fn pages(incidents: &[Incident], evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut last: HashMap<(&str, &str), Action> = HashMap::new();
    let mut triggered: HashSet<(&str, &str)> = HashSet::new();
    let mut messages: HashMap<&str, (&str, Action)> = HashMap::new();
    for received in evidence.received {
        let (channel, key, action) = (&*received.channel, &*received.notice.key, received.notice.action);
        let known = messages.insert(&received.message, (key, action));
        if known.is_some_and(|known| known != (key, action)) {
            wrong.push(format!("message {} came as {known:?} and as {:?}", received.message, (key, action)));
        }
        if received.taken {
            last.insert((channel, key), action);
            if action == Action::Trigger {
                triggered.insert((channel, key));
            }
        }
        if received.notice.probe.as_deref().is_some_and(|probe| WELL.contains(&probe)) {
            wrong.push(format!("a page for what was well all the time: {}", received.notice.title));
        }
    }
    let owner: HashMap<&str, &Incident> =
        incidents.iter().flat_map(|incident| incident.keys.iter().map(move |key| (&**key, incident))).collect();
    for (key, incident) in &owner {
        for channel in CHANNELS {
            match last.get(&(channel, *key)) {
                _ if !triggered.contains(&(channel, *key)) => wrong.push(format!("{channel} never heard of {key}")),
                Some(Action::Resolve) => {}
                _ if incident.resolved_ms.is_none() => {}
                _ => wrong.push(format!("{channel} never heard that {key} is over")),
            }
        }
    }
    for (channel, key) in last.keys().filter(|(_, key)| !owner.contains_key(key)) {
        wrong.push(format!("{channel} heard of {key}, of which the store knows nothing"));
    }
    let of = |action| evidence.received.iter().filter(|it| it.taken && it.notice.action == action).count();
    tally.numbers.push(("keys", count(owner.len())));
    tally.numbers.push(("requests that arrived", count(evidence.received.len())));
    tally.numbers.push(("triggers taken", count(of(Action::Trigger))));
    tally.numbers.push(("resolves taken", count(of(Action::Resolve))));
}

/// What came twice came because it was not acknowledged, or because of a crash just after.
fn repeated(evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut before: HashMap<(&str, &str), &Received> = HashMap::new();
    let mut opened: HashMap<(&str, &str), &Received> = HashMap::new();
    let (mut unheard, mut crashed, mut derived) = (0, 0, 0);
    let killed_between =
        |from_ms: i64, to_ms: i64| evidence.lives.iter().any(|life| (from_ms - 100..=to_ms).contains(&life.killed_ms));
    for received in evidence.received.iter().filter(|received| received.taken) {
        let name = (&*received.channel, &*received.message);
        let key = (&*received.channel, &*received.notice.key);
        if let Some(earlier) = before.insert(name, received) {
            if !earlier.answered {
                unheard += 1;
            } else if killed_between(earlier.at_ms, received.at_ms) {
                crashed += 1;
            } else {
                wrong.push(format!("{name:?} came again though it was taken at {} and nothing was killed", earlier.at_ms));
            }
        } else if received.notice.occasion == serinus::alert::Occasion::Opened
            && let Some(earlier) = opened.insert(key, received)
        {
            derived += 1;
            if !killed_between(earlier.at_ms, received.at_ms) {
                wrong.push(format!("{key:?} was opened twice though nothing was killed"));
            }
        }
    }
    tally.numbers.push(("repeated because the receiver did not say that it took it", unheard));
    tally.numbers.push(("repeated because of a crash between delivery and its record", crashed));
    tally.numbers.push(("made again, with the same key, because of a crash before the record", derived));
}

/// Continuous life within a fault that is enough for a page, in milliseconds.
fn enough(probe: &str) -> i64 {
    match probe {
        "premium-registration" => 14_000,
        "playlist-sync" => 34_000,
        "segment-copy" => 12_000,
        _ => 6_000,
    }
}

/// What was broken for long enough while the prober lived was paged for, and what was paged for was broken.
fn stretches(incidents: &[Incident], evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let is_about = |incident: &Incident, stretch: &Stretch| incident.probe == stretch.probe && !incident.is_objective();
    let (mut due, mut over_restarts) = (0, 0);
    for stretch in evidence.stretches {
        let lived = evidence
            .lives
            .iter()
            .filter_map(|life| Some(life.killed_ms.min(stretch.to_ms) - life.ready_ms?.max(stretch.from_ms)));
        let longest = lived.max().unwrap_or(0);
        let paged = incidents.iter().any(|incident| {
            is_about(incident, stretch)
                && !incident.keys.is_empty()
                && incident.opened_ms <= stretch.to_ms + 2_000
                && incident.resolved_ms.is_none_or(|resolved| resolved >= stretch.from_ms)
        });
        match (longest >= enough(stretch.probe), paged) {
            (true, false) => wrong.push(format!("no page: lived {longest} ms in {stretch:?}")),
            (true, true) => due += 1,
            (false, paged) => over_restarts += i64::from(paged),
        }
    }
    for incident in incidents.iter().filter(|incident| !incident.is_objective()) {
        let explains = |stretch: &&Stretch| {
            is_about(incident, stretch) && (stretch.from_ms..stretch.to_ms + 15_000).contains(&incident.opened_ms)
        };
        if !evidence.stretches.iter().any(|stretch| explains(&stretch)) {
            wrong.push(format!("{} was paged for, and nothing was broken: {incident:?}", incident.scope));
        }
    }
    tally.numbers.push(("times something was broken", count(evidence.stretches.len())));
    tally.numbers.push(("of them long enough within one life, all paged", due));
    tally.numbers.push(("of them shorter, and paged over restarts", over_restarts));
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}
