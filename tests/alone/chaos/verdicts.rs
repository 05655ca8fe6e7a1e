//! The verdicts of the store against what is known of the target: what it answered to each run, and when it was broken.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::audit::{Life, Tally, WELL, texts};
use super::faults::Period;
use super::target::Answer;

/// How long before a kill an answer may have come whose run is not recorded, in milliseconds: runs that decide nothing are
/// written together every 200 ms.
const UNWRITTEN_MS: i64 = 1_000;

/// How long after a fault's end what it left may still fail a run of a shipped probe, in milliseconds.
const AFTERMATH_MS: i64 = 15_000;

/// A run of a probe that asks once is in the store with the verdict that the target's answer means, and no run of them failed
/// that the target did not answer.
pub(crate) fn verdicts(
    store: &Connection,
    answers: &HashMap<u128, Answer>,
    lives: &[Life],
    tally: &mut Tally,
    wrong: &mut Vec<String>,
) {
    let sql = "SELECT run_id, verdict, name, coalesce(reason, '') FROM runs JOIN canaries ON canaries.id = canary
               WHERE name LIKE 'load-%' AND verdict <= 2";
    let mut rows = store.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?, row.get(2)?, row.get(3)?)));
    let mut recorded = HashMap::new();
    let mut errored: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows.unwrap() {
        let (id, verdict, name, reason): (_, _, String, String) = row.unwrap();
        let id = u128::from_be_bytes(id);
        recorded.insert(id, verdict);
        match (verdict, answers.get(&id)) {
            (0, Some(Answer { well: true, .. })) | (1, Some(Answer { well: false, .. })) => {}
            (2, _) => *errored.entry(reason).or_default() += 1,
            (_, answer) => {
                wrong.push(format!("a false verdict: {name} has {verdict} ({reason}), and the target gave {answer:?}"));
            }
        }
    }
    if !errored.is_empty() {
        println!("errored, by reason: {errored:?}");
    }
    let mut unwritten = 0;
    for (id, answer) in answers.iter().filter(|(id, _)| !recorded.contains_key(id)) {
        if lives.iter().any(|life| (answer.at_ms..answer.at_ms + UNWRITTEN_MS).contains(&life.killed_ms)) {
            unwritten += 1;
        } else {
            wrong.push(format!("the run {} is lost, which had {answer:?}", ulid::Ulid(*id)));
        }
    }
    tally.numbers.push(("answers of the target to runs of one request", i64::try_from(answers.len()).unwrap()));
    tally.numbers.push(("of them in the last second before a kill, and missed", unwritten));
}

/// No run failed of what is never broken, and none of a shipped probe at a time at which it was not.
pub(crate) fn false_failures(store: &Connection, stretches: &[Period], wrong: &mut Vec<String>) {
    let sql = "SELECT probes.name, canaries.name, due_ms, due_ms + late_ms + duration_us / 1000, coalesce(reason, '')
               FROM runs JOIN canaries ON canaries.id = canary JOIN probes ON probes.id = runs.probe
               WHERE verdict = 1 AND probes.name NOT LIKE 'load-%'";
    let mut rows = store.prepare(sql).unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)));
    for row in rows.unwrap() {
        let (probe, canary, from_ms, to_ms, reason): (String, String, i64, i64, String) = row.unwrap();
        let broken =
            |stretch: &Period| stretch.probe == probe && stretch.from_ms <= to_ms && from_ms <= stretch.to_ms + AFTERMATH_MS;
        if !stretches.iter().any(broken) {
            wrong.push(format!("{canary} failed ({reason}) from {from_ms} to {to_ms}, and nothing was broken"));
        }
    }
    for probe in WELL {
        let failed = format!(
            "SELECT canaries.name || ' failed at ' || due_ms FROM runs JOIN canaries ON canaries.id = canary
             WHERE verdict = 1 AND (canaries.name = '{probe}' OR canaries.name LIKE '{probe}/%')"
        );
        wrong.extend(texts(store, &failed));
    }
}
