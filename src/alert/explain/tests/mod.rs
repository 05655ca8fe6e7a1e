//! A harness for `explain`: a plan of probes that need each other, with members and roots over time.

mod random;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::alert::fact::{LastRun, Level, Share};
use crate::alert::testing;
use crate::alert::{FactKey, Scope, State};
use crate::plan::{AlertPolicy, Cell, CellValue, Plan, Probe};

const REGIONS: [&str; 2] = ["eu", "us"];

/// A probe each minute with a deadline of 20 s; with a matrix where there are values.
fn probe(name: &str, needs: &[&str], matrix: Option<(&str, &[&str])>) -> Probe {
    let cell = |key: &str, value: &&str| Arc::new(Cell(vec![(key.into(), CellValue::Text((*value).into()))]));
    Probe {
        name: name.into(),
        needs: needs.iter().map(|need| Arc::from(*need)).collect(),
        cells: match matrix {
            Some((key, values)) => values.iter().map(|value| cell(key, value)).collect(),
            None => vec![Arc::new(Cell::default())],
        },
        ..testing::probe(Vec::new(), AlertPolicy::default())
    }
}

fn plan(probes: Vec<Probe>) -> Arc<Plan> {
    testing::plan(probes, &REGIONS)
}

fn id(text: &str) -> CanaryId {
    CanaryId::read_back(text)
}

/// So many milliseconds after the beginning.
fn at(millis: u64) -> Moment {
    testing::moment_ms(millis, 0)
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60_000;

/// One evaluator's roots and members, driven as `mod.rs` says.
struct Harness {
    roots: Roots,
    members: BTreeMap<FactKey, (Fact, Explanation)>,
    asked: Vec<(u64, String)>,
    ended: Vec<(u64, FactKey, ExplanationEnd)>,
    judged: usize,
    again: BTreeMap<FactKey, Duration>,
    explains: BTreeMap<FactKey, Explains>,
    millis: u64,
}

impl Harness {
    fn new(probes: Vec<Probe>) -> Self {
        Self {
            roots: Roots::new(&plan(probes)),
            members: BTreeMap::new(),
            asked: Vec::new(),
            ended: Vec::new(),
            judged: 0,
            again: BTreeMap::new(),
            explains: BTreeMap::new(),
            millis: 0,
        }
    }

    /// Time goes on, and who wants to be judged at a time is judged then.
    fn until(&mut self, millis: u64) {
        loop {
            let next = self.again.iter().map(|(key, at)| (*at, key.clone())).min();
            let Some((due, key)) = next.filter(|(due, _)| *due <= at(millis).steady) else { break };
            let due = u64::try_from((due.saturating_sub(at(0).steady)).as_millis()).unwrap();
            self.millis = self.millis.max(due);
            self.judge(key);
        }
        self.millis = millis;
    }

    fn judge(&mut self, key: FactKey) {
        let mut open = BTreeSet::from([key]);
        let now = at(self.millis);
        while let Some(key) = open.pop_first() {
            let Some((fact, kept)) = self.members.get_mut(&key) else { continue };
            let judged = judge(kept, fact, &mut self.roots, now);
            self.judged += 1;
            assert!(judged.again.is_none_or(|again| again > now.steady), "it would be judged without end");
            match judged.again {
                Some(again) => self.again.insert(key.clone(), again),
                None => self.again.remove(&key),
            };
            self.asked.extend(judged.ask.iter().map(|id| (self.millis, id.as_str().to_owned())));
            self.ended.extend(judged.ended.map(|ended| (self.millis, key.clone(), ended)));
            self.explains.insert(key, judged.explains);
            open.extend(self.roots.take_touched());
        }
    }

    fn settle_touched(&mut self) {
        for key in self.roots.take_touched() {
            self.judge(key);
        }
    }

    /// A run of a canary that others need: it started so many milliseconds ago and ends now.
    fn root_ran(&mut self, canary: &str, failed: bool, took: u64) {
        let run = LastRun { failed, started: at(self.millis - took).steady, ended: at(self.millis).steady };
        self.roots.ran(&id(canary), run, at(self.millis));
        self.settle_touched();
    }

    fn set_root_state(&mut self, canary: &str, state: RootState) {
        self.roots.set_state(&id(canary), state, at(self.millis));
        self.settle_touched();
    }

    /// A root's canary fails and somebody was told.
    fn root_is_out(&mut self, canary: &str) {
        self.root_ran(canary, true, 0);
        self.set_root_state(canary, TOLD);
    }

    /// A run of a member ended now and failed: it fails since `since`.
    fn fails(&mut self, canary: &str, since: u64, took: u64) {
        let key = FactKey::Canary(id(canary));
        let region: Arc<str> = canary.split('/').nth(1).unwrap().into();
        let probe: Arc<str> = canary.split('/').next().unwrap().into();
        let fact = Fact {
            state: State::Failing(Level::Page),
            since: at(since).steady,
            region,
            last_failed: Some(at(self.millis - took).steady),
            ..Fact::well(key.clone(), Scope::Probe(probe))
        };
        self.put(fact);
    }

    fn put(&mut self, fact: Fact) {
        let key = fact.key.clone();
        let kept = self.members.remove(&key).map(|(_, kept)| kept).unwrap_or_default();
        self.members.insert(key.clone(), (fact, kept));
        self.judge(key);
    }

    fn well(&mut self, canary: &str) {
        let fact = Fact::well(FactKey::Canary(id(canary)), Scope::Probe("d".into()));
        self.put(fact);
    }

    fn of(&self, canary: &str) -> &Explains {
        &self.explains[&FactKey::Canary(id(canary))]
    }

    fn asked(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.asked)
    }

    fn reload(&mut self, probes: Vec<Probe>) {
        self.roots.apply(&plan(probes));
        self.judge_all();
    }

    fn judge_all(&mut self) {
        for key in self.members.keys().cloned().collect::<Vec<_>>() {
            self.judge(key);
        }
    }
}

const TOLD: RootState = RootState { fails: true, told: true, muted: false };
const FAILS: RootState = RootState { fails: true, told: false, muted: false };
const MUTED: RootState = RootState { fails: false, told: false, muted: true };

fn by(roots: &[&str]) -> Explains {
    Explains::Explained(roots.iter().map(|root| Arc::from(*root)).collect())
}

fn waiting(until: u64) -> Explains {
    Explains::Waiting(at(until).steady)
}
