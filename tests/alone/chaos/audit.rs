//! What must be so, whatever was killed when: held against what the store has and against what arrived.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use serinus::alert::message::Action;

use super::faults::Period;
use super::reader::Reader;
use super::receiver::Received;
use super::world::copy_of_store;

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
    /// Whether it was ever more than a warning.
    pub(crate) pages: bool,
    /// Keys it rang under, in the order of their making; those of rings that told of many are not among them.
    pub(crate) keys: Vec<String>,
    /// Members that fail.
    pub(crate) failing: Vec<String>,
}

impl Incident {
    /// Whether nothing but objectives over minutes and hours keeps it open, which go on after the fault, or that the process was
    /// killed so often, which is over after ten minutes.
    pub(crate) fn lingers(&self) -> bool {
        self.scope.starts_with("restarts/") || (!self.failing.is_empty() && self.failing.iter().all(|member| lingers(member)))
    }
}

/// Whether a member goes on after its fault.
pub(crate) fn lingers(member: &str) -> bool {
    ["burn_rate/", "latency/"].into_iter().any(|kind| member.starts_with(kind))
}

/// Every incident, in the order of their opening.
pub(crate) fn incidents(store: &Connection) -> Vec<Incident> {
    let sql = "SELECT id, scope, coalesce(probe, ''), opened_ms, resolved_ms, severity FROM incidents ORDER BY opened_ms, id";
    let mut rows = store.prepare(sql).unwrap();
    let found = rows.query_map([], |row| {
        let (id, scope): (String, String) = (row.get(0)?, row.get(1)?);
        let keys = format!(
            "SELECT key FROM tries WHERE what = 'ring' AND id IN (SELECT try FROM try_incidents WHERE incident = '{id}')
             AND key LIKE '%{scope}/%' GROUP BY key ORDER BY min(made_ms), length(key), key"
        );
        let failing = format!(
            "SELECT substr(key, {}) FROM states WHERE kind = 'member' AND key LIKE '{id}/%'
             AND json_extract(json, '$.failed') AND json_extract(json, '$.left') IS NULL",
            id.len() + 2
        );
        Ok(Incident {
            keys: list(store, &keys),
            failing: list(store, &failing),
            id,
            scope,
            probe: row.get(2)?,
            opened_ms: row.get(3)?,
            resolved_ms: row.get(4)?,
            pages: row.get::<_, String>(5)? != "warn",
        })
    });
    found.unwrap().map(Result::unwrap).collect()
}

fn list(store: &Connection, sql: &str) -> Vec<String> {
    store.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// One number of the store.
pub(crate) fn number(store: &Connection, sql: &str) -> i64 {
    store.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What was seen in the store so far: a crash may add to it, and take nothing from it.
#[derive(Default)]
pub(crate) struct Memory {
    incidents: HashMap<String, Incident>,
    /// Tries that were taken.
    taken: HashSet<String>,
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
                    wrong.push(format!("incident {id} rang under {:?} and now has {:?}", known.keys, now.keys));
                }
                Some(now) if known.resolved_ms.is_some() && now.resolved_ms != known.resolved_ms => {
                    wrong.push(format!("incident {id} of {} was over and is no longer", known.scope));
                }
                Some(_) => {}
            }
        }
        let taken: HashSet<String> = texts(&store, "SELECT id FROM tries WHERE state = 'taken'");
        wrong.extend(self.taken.difference(&taken).map(|id| format!("try {id} was taken and is no longer")));
        self.taken = taken;
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
        // What decides that something rings and the try are one transaction.
        let mute = "SELECT id FROM incidents WHERE json_extract(json, '$.incident.numbered') IS NOT NULL
                    AND id NOT IN (SELECT incident FROM try_incidents)";
        wrong.extend(texts(&store, mute).iter().map(|id| format!("incident {id} says it rang, and has no try")));
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
    pub(crate) stretches: &'a [Period],
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
    rings(&incidents, evidence, &mut tally, wrong);
    beliefs(&incidents, evidence, &mut tally, wrong);
    truths(store, evidence, &mut tally, wrong);
    repeated(evidence, &mut tally, wrong);
    stretches(&incidents, evidence, &mut tally, wrong);
    let waiting = number(store, "SELECT count(*) FROM tries WHERE state = 'waiting'");
    if waiting > 0 {
        wrong.push(format!("{waiting} tries wait"));
    }
    // What a channel took is kept until it took the end.
    let untold = "SELECT id || ' of ' || scope FROM incidents WHERE resolved_ms IS NOT NULL
                  AND EXISTS (SELECT 1 FROM states WHERE kind = 'cover' AND key LIKE incidents.id || '/%')";
    wrong.extend(texts(store, untold).iter().map(|incident| format!("the end of {incident} is not told everywhere")));
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
        for key in &incident.keys {
            let generation = key.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a key ends with a number");
            let before = last.insert(&incident.scope, generation).unwrap_or(0);
            if generation <= before {
                wrong.push(format!("{key} of incident {} comes after number {before}", incident.id));
            }
        }
        if incident.resolved_ms.is_none() && !incident.lingers() {
            wrong.push(format!("incident {} of {} is still open", incident.id, incident.scope));
        }
    }
    tally.numbers.push(("incidents", count(incidents.len())));
}

/// Every incident that the store has rang at every channel, or was told there with others once it was over.
fn rings(incidents: &[Incident], evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut tries: HashMap<&str, (&str, Action)> = HashMap::new();
    let mut told: HashSet<(&str, &str)> = HashSet::new();
    let mut keys: HashMap<(&str, &str), HashSet<&str>> = HashMap::new();
    for received in evidence.received {
        let (channel, message) = (&*received.channel, &received.message);
        let known = tries.insert(&received.id, (&message.key, message.action));
        if known.is_some_and(|known| known != (&message.key, message.action)) {
            wrong.push(format!("try {} came as {known:?} and as {:?}", received.id, (&message.key, message.action)));
        }
        if message.probe.as_deref().is_some_and(|probe| WELL.contains(&probe)) {
            wrong.push(format!("a message about what was well all the time: {}", message.title));
        }
        if received.taken {
            told.extend(message.incidents.iter().map(|it| (channel, &*it.incident)).chain([(channel, &*message.incident)]));
            if message.action == Action::Ring {
                keys.entry((channel, &message.incident)).or_default().insert(&message.key);
            }
        }
    }
    let known: HashSet<&str> = incidents.iter().map(|incident| &*incident.id).collect();
    for incident in incidents.iter().filter(|incident| incident.pages && !incident.keys.is_empty()) {
        for channel in CHANNELS.into_iter().filter(|channel| !told.contains(&(*channel, &*incident.id))) {
            wrong.push(format!("{channel} never heard of {incident:?}"));
        }
    }
    let unknown = keys.keys().filter(|(_, incident)| !known.contains(incident));
    tally.numbers.push(("incidents that a receiver knows and a crash forgot", count(unknown.count())));
    for ((channel, incident), keys) in keys.iter().filter(|(_, keys)| keys.len() > MOST_RINGS) {
        wrong.push(format!("{channel}: incident {incident} rang {} times: {keys:?}", keys.len()));
    }
    let of = |what| evidence.received.iter().filter(|it| it.taken && it.message.action == what).count();
    tally.numbers.push(("keys", count(keys.values().map(HashSet::len).sum())));
    tally.numbers.push(("requests that arrived", count(evidence.received.len())));
    tally.numbers.push(("rings taken", count(of(Action::Ring))));
    tally.numbers.push(("ends taken", count(of(Action::End))));
}

/// Rings of an incident at a channel: at most seven in its first hour, one for a rise of severity, and one for the region that was
/// not told of before.
const MOST_RINGS: usize = 9;

/// Each reader believes what is so: open is what it took and what is open, and nothing else.
fn beliefs(incidents: &[Incident], evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let open: HashMap<&str, &Incident> = incidents.iter().filter(|it| it.resolved_ms.is_none()).map(|it| (&*it.id, it)).collect();
    for channel in CHANNELS {
        let reader = Reader::of(channel, evidence.received);
        for (key, incident) in reader.open().filter(|(_, incident)| !open.contains_key(incident)) {
            wrong.push(format!("{channel} believes that {key} is open, and incident {incident} is not"));
        }
        for incident in open.values().filter(|it| it.pages && !it.keys.is_empty()) {
            if !reader.open().any(|(_, id)| *id == *incident.id) {
                wrong.push(format!("{channel} believes that all is well, and {incident:?} is open"));
            }
        }
        tally.numbers.push(("keys that a reader believes to be open, as they are", count(reader.open().count())));
    }
}

/// What was shown as a failed run is one, if it was recorded before a crash.
fn truths(store: &Connection, evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut rows = store.prepare("SELECT run_id, verdict FROM runs WHERE run_id IS NOT NULL").unwrap();
    let rows = rows.query_map([], |row| Ok((u128::from_be_bytes(row.get::<_, [u8; 16]>(0)?), row.get::<_, i64>(1)?)));
    let verdicts: HashMap<u128, i64> = rows.unwrap().map(Result::unwrap).collect();
    let mut shown = 0;
    for received in evidence.received.iter().filter(|it| it.message.action == Action::Ring) {
        for run in &received.message.evidence {
            let id: ulid::Ulid = run.run.parse().expect("a run's id is one");
            match verdicts.get(&id.0) {
                Some(1) => shown += 1,
                Some(verdict) => wrong.push(format!("{} shows run {id}, whose verdict is {verdict}", received.message.title)),
                // It was not written before a kill.
                None => {}
            }
        }
    }
    tally.numbers.push(("failed runs shown, as they are recorded", shown));
}

/// What came twice came because it was not acknowledged, or because of a crash just after.
fn repeated(evidence: &Evidence<'_>, tally: &mut Tally, wrong: &mut Vec<String>) {
    let mut before: HashMap<(&str, &str), &Received> = HashMap::new();
    let mut rang: HashMap<(&str, &str), &Received> = HashMap::new();
    let (mut unheard, mut crashed, mut derived) = (0, 0, 0);
    let killed_between =
        |from_ms: i64, to_ms: i64| evidence.lives.iter().any(|life| (from_ms - 100..=to_ms).contains(&life.killed_ms));
    for received in evidence.received.iter().filter(|received| received.taken) {
        let name = (&*received.channel, &*received.id);
        let key = (&*received.channel, &*received.message.key);
        if let Some(earlier) = before.insert(name, received) {
            if !earlier.answered {
                unheard += 1;
            } else if killed_between(earlier.at_ms, received.at_ms) {
                crashed += 1;
            } else {
                wrong.push(format!("{name:?} came again though it was taken at {} and nothing was killed", earlier.at_ms));
            }
        } else if received.message.action == Action::Ring
            && let Some(earlier) = rang.insert(key, received)
        {
            derived += 1;
            if !killed_between(earlier.at_ms, received.at_ms) {
                wrong.push(format!("{key:?} rang under two ids though nothing was killed"));
            }
        }
    }
    tally.numbers.push(("repeated because the receiver did not say that it took it", unheard));
    tally.numbers.push(("repeated because of a crash between an answer and its record", crashed));
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
    let is_about = |incident: &Incident, stretch: &Period| incident.probe == stretch.probe;
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
    for incident in incidents.iter().filter(|incident| !incident.scope.starts_with("restarts/")) {
        let explains = |stretch: &&Period| {
            is_about(incident, stretch) && (stretch.from_ms..stretch.to_ms + 15_000).contains(&incident.opened_ms)
        };
        if !evidence.stretches.iter().any(|stretch| explains(&stretch)) {
            wrong.push(format!("{} was an incident, and nothing was broken: {incident:?}", incident.scope));
        }
    }
    tally.numbers.push(("times something was broken", count(evidence.stretches.len())));
    tally.numbers.push(("of them long enough within one life, all paged", due));
    tally.numbers.push(("of them shorter, and paged over restarts", over_restarts));
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap()
}
