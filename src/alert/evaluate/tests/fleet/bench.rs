//! Processes of a fleet that share what the store would keep: each on a clock that the test turns.

use super::*;
use crate::history::{Commit, Epoch, FactRow, HANDED_IN, OF_EVALUATOR, OF_REGION, StateRow, TOLD_ALONE};

/// A process that probes one region.
pub(super) struct Process {
    pub(super) region: Arc<str>,
    pub(super) plan: Arc<Plan>,
    /// None: it is dead.
    pub(super) evaluator: Option<Evaluator>,
    /// Under which epoch it believes to evaluate.
    pub(super) epoch: Option<Epoch>,
    /// The last fact that it was told of.
    pub(super) cursor: usize,
    /// What it has decided and cannot write: it is cut off, or frozen.
    pub(super) cut: Option<Vec<Commit>>,
    /// What is on its own disk.
    pub(super) journal: Tables,
}

/// What all of them share, as the store keeps it.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) fleet: Tables,
    pub(super) regions: BTreeMap<Arc<str>, Tables>,
    pub(super) facts: Vec<(Arc<str>, FactRow)>,
    pub(super) epoch: i64,
}

impl Shared {
    pub(super) fn write(&mut self, region: &Arc<str>, mut commit: Commit) {
        let facts = std::mem::take(&mut commit.facts);
        self.facts.extend(facts.into_iter().map(|row| (Arc::clone(region), row)));
        let (own, of_fleet): (Vec<_>, Vec<_>) = commit.states.into_iter().partition(|row| OF_REGION.contains(&row.kind));
        self.regions.entry(Arc::clone(region)).or_default().write(Commit { states: own, ..Commit::default() });
        let (evaluators, others): (Vec<_>, Vec<_>) = of_fleet.into_iter().partition(|row| OF_EVALUATOR.contains(&row.kind));
        assert!(others.is_empty(), "a kind of state that is neither a region's nor the evaluator's: {others:?}");
        let Commit { incidents, timeline, tries, outcomes, evaluator, .. } = commit;
        let written = Commit { states: evaluators, incidents, timeline, tries, outcomes, ..Commit::default() };
        match evaluator {
            Some(epoch) if epoch.0 == self.epoch => self.fleet.write(written),
            // The fence.
            Some(_) => {}
            None => assert!(written.is_empty(), "only who evaluates writes this: {written:?}"),
        }
    }

    /// The newest fact of each key and region that is not well.
    pub(super) fn facts(&self) -> Vec<FactView> {
        let newest: BTreeMap<(&Arc<str>, &str), &FactRow> =
            self.facts.iter().map(|(region, row)| ((region, &*row.key), row)).collect();
        let standing = newest.into_iter().filter(|(_, row)| !row.well || row.json.is_none());
        standing.map(|((region, _), row)| view(region, row)).collect()
    }
}

pub(super) fn view(region: &Arc<str>, row: &FactRow) -> FactView {
    FactView { key: row.key.clone(), region: region.to_string(), json: row.json.clone() }
}

pub(super) struct FleetBench {
    pub(super) processes: Vec<Process>,
    pub(super) shared: Shared,
    pub(super) alerting: Arc<Alerting>,
    pub(super) now: u64,
    pub(super) order: u64,
    /// The region of whoever rang, when, what and with which title.
    pub(super) heard: Vec<(Arc<str>, u64, Action, String)>,
    pub(super) ids: Vec<String>,
    pub(super) wanted: Vec<String>,
    /// Regions that are heard of.
    pub(super) heard_of: BTreeSet<Arc<str>>,
}

impl FleetBench {
    /// One process a region; the first one evaluates.
    pub(super) fn new(probes: &dyn Fn() -> Vec<Probe>, regions: &[&str]) -> Self {
        let alerting = Arc::new(Alerting { channels: vec![pagerduty("pager")], ..Alerting::default() });
        let mut bench = Self {
            processes: Vec::new(),
            shared: Shared::default(),
            alerting,
            now: 0,
            order: 0,
            heard: Vec::new(),
            ids: Vec::new(),
            wanted: Vec::new(),
            heard_of: regions.iter().map(|region| Arc::from(*region)).collect(),
        };
        for region in regions {
            let elsewhere: Vec<Arc<str>> = regions.iter().filter(|it| *it != region).map(|it| Arc::from(*it)).collect();
            let probes = probes().into_iter().map(|probe| Probe { elsewhere: elsewhere.clone(), ..probe }).collect();
            let mut plan = Arc::into_inner(plan(probes, &[region])).expect("nobody else has it");
            plan.known_regions = regions.iter().map(|region| Arc::from(*region)).collect();
            bench.processes.push(Process {
                region: Arc::from(*region),
                plan: Arc::new(plan),
                evaluator: None,
                epoch: None,
                cursor: 0,
                cut: None,
                journal: Tables::default(),
            });
            bench.start(region);
        }
        bench.take_over(regions[0]);
        bench
    }

    /// The process of a region loads other probes, and the regions that there are.
    pub(super) fn loads(&mut self, region: &str, probes: Vec<Probe>, known: &[&str]) -> &mut Self {
        let elsewhere: Vec<Arc<str>> = known.iter().filter(|it| *it != &region).map(|it| Arc::from(*it)).collect();
        let probes = probes.into_iter().map(|probe| Probe { elsewhere: elsewhere.clone(), ..probe }).collect();
        let mut loaded = Arc::into_inner(plan(probes, &[region])).expect("nobody else has it");
        loaded.known_regions = known.iter().map(|region| Arc::from(*region)).collect();
        let (place, alerting, now) = (self.place(region), Arc::clone(&self.alerting), moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        process.plan = Arc::new(loaded);
        let event = Event::Plan { plan: Arc::clone(&process.plan), alerting, found: false };
        process.evaluator.as_mut().expect("it lives").take(event, now);
        self.settle();
        self
    }

    pub(super) fn place(&self, region: &str) -> usize {
        self.processes.iter().position(|process| &*process.region == region).expect("it is a region")
    }

    /// A process of this region starts, after whichever was there.
    pub(super) fn start(&mut self, region: &str) -> &mut Self {
        let now = moment_ms(self.now, 0);
        let remembered = self.shared.regions.get(region).map(Tables::remembered).unwrap_or_default();
        let own = self.shared.facts().into_iter().filter(|fact| *fact.region == *region && fact.json.is_some());
        let reported: Vec<FactView> = own.collect();
        let place = self.place(region);
        let process = &mut self.processes[place];
        process.evaluator = Some(Evaluator::in_fleet(&process.plan, &self.alerting, &remembered, &reported, now));
        (process.epoch, process.cut) = (None, None);
        self.settle();
        self
    }

    /// It starts after one that died: what that one told alone is ended first, and what it left in the journal is handed in.
    pub(super) fn starts_again(&mut self, region: &str) {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        let left = process.journal.remembered();
        if !left.incidents.is_empty() {
            let mut evaluator = Evaluator::starting_alone(&process.plan, &self.alerting, &left, now);
            evaluator.rejoins(true, now);
            (process.evaluator, process.epoch, process.cut) = (Some(evaluator), None, Some(Vec::new()));
            self.settle();
            let process = &mut self.processes[place];
            assert!(!process.evaluator.as_ref().is_some_and(|it| it.backlog(now).alone), "the receiver takes everything");
            let states = process.journal.remembered().states.into_iter();
            let rows = states.filter_map(|state| {
                let known = self.shared.regions.get(region).map(Tables::remembered).unwrap_or_default().states;
                let known = known.iter().find(|known| (&known.kind, &known.key) == (&state.kind, &state.key));
                let counts = state.kind == "canary"
                    && crate::alert::fails_since(&state.json, known.map(|known| &*known.json), None).expect("a canary's row");
                counts.then_some(StateRow { kind: "canary", key: state.key, json: Some(state.json) })
            });
            let handed = Commit { states: rows.collect(), ..Commit::default() };
            let told = process.journal.remembered().states.into_iter().filter(|state| state.kind == TOLD_ALONE);
            let told = told.map(|state| {
                let row = FactRow { key: format!("{TOLD_ALONE}/{}", state.key), json: Some(state.json), well: false };
                (Arc::from(region), row)
            });
            self.shared.facts.extend(told);
            process.journal = Tables::default();
            self.shared.regions.entry(region.into()).or_default().write(handed);
        }
        self.start(region);
    }

    pub(super) fn dies(&mut self, region: &str) -> &mut Self {
        let place = self.place(region);
        (self.processes[place].evaluator, self.processes[place].epoch) = (None, None);
        self
    }

    /// The store does not hear of it any more, and it not of the store.
    pub(super) fn is_cut_off(&mut self, region: &str) -> &mut Self {
        let place = self.place(region);
        self.processes[place].cut = Some(Vec::new());
        self
    }

    /// What it wrote meanwhile reaches the store, which tells it that another one evaluates.
    pub(super) fn is_back(&mut self, region: &str) -> &mut Self {
        let place = self.place(region);
        let process = &mut self.processes[place];
        for commit in process.cut.take().unwrap_or_default() {
            self.shared.write(&process.region, commit);
        }
        if process.epoch.is_some_and(|epoch| epoch.0 < self.shared.epoch) {
            process.epoch = None;
            process.evaluator.as_mut().expect("it lives").stand_down(moment_ms(self.now, 0));
        }
        self.settle();
        self
    }

    /// The process of this region takes the evaluator's lease.
    pub(super) fn take_over(&mut self, region: &str) -> &mut Self {
        self.shared.epoch += 1;
        let epoch = Epoch(self.shared.epoch);
        let handed_in = |fact: &FactView| fact.key.starts_with(TOLD_ALONE);
        let facts = self.shared.facts().into_iter().filter(|fact| *fact.region != *region || handed_in(fact)).collect();
        let (place, now, cursor) = (self.place(region), moment_ms(self.now, 0), self.shared.facts.len());
        let process = &mut self.processes[place];
        (process.epoch, process.cursor) = (Some(epoch), cursor);
        process.evaluator.as_mut().expect("it lives").take_over(epoch, &self.shared.fleet.remembered(), facts, now);
        self.settle();
        self
    }

    /// It has not reached the store for so long that it speaks for itself.
    pub(super) fn is_alone(&mut self, region: &str) -> &mut Self {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        process.epoch = None;
        process.evaluator.as_mut().expect("it lives").alone(now.steady.saturating_sub(Duration::from_mins(1)), now);
        self.settle();
        self
    }

    /// It reaches the store again.
    pub(super) fn rejoins(&mut self, region: &str) -> &mut Self {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        self.is_back(region);
        self.processes[place].evaluator.as_mut().expect("it lives").rejoins(true, now);
        self.settle();
        self
    }

    pub(super) fn settle(&mut self) {
        for _ in 0..1_000 {
            let now = moment_ms(self.now, 0);
            let mut rests = true;
            for process in &mut self.processes {
                let Some(evaluator) = &mut process.evaluator else { continue };
                if process.epoch.is_some() && process.cut.is_none() {
                    let new = &self.shared.facts[process.cursor..];
                    let of_others = new.iter().filter(|(region, _)| *region != process.region);
                    let facts: Vec<FactView> = of_others.map(|(region, row)| view(region, row)).collect();
                    process.cursor = self.shared.facts.len();
                    evaluator.take(Event::FactsOfOthers(facts), now);
                    let heard = self.heard_of.iter().map(|region| (Arc::clone(region), Duration::ZERO)).collect();
                    evaluator.take(Event::RegionsHeard(heard), now);
                }
                if process.cut.is_none() && evaluator.backlog(now).hands_in {
                    let states = self.shared.fleet.remembered().states.into_iter().filter(|state| state.kind == HANDED_IN);
                    let taken = states.filter_map(|state| {
                        let (region, id) = state.key.split_once(' ')?;
                        (*region == *process.region).then(|| (id.to_owned(), state.json.parse().expect("a version")))
                    });
                    evaluator.take(Event::HandedIn(taken.collect()), now);
                }
                // Whoever is cut off is not certain of its lease.
                evaluator.set_may_send(process.cut.is_none());
                let Effects { tries, wanted, commit, journal, .. } = evaluator.finish(now);
                process.journal.write(journal);
                self.wanted.extend(wanted.iter().map(ToString::to_string));
                rests &= commit.facts.is_empty() && tries.is_empty();
                match &mut process.cut {
                    Some(waits) => waits.push(commit),
                    None => self.shared.write(&process.region, commit),
                }
                for outgoing in tries {
                    assert!(process.cut.is_none() || evaluator.speaks_alone(), "it must not send");
                    let (channel, id) = (Arc::clone(&outgoing.attempt.channel), outgoing.attempt.id);
                    let (what, title) = (outgoing.attempt.what, outgoing.message.title.clone());
                    self.heard.push((Arc::clone(&process.region), self.now / 1_000, what, title));
                    self.ids.push(format!("{} {}", what.as_str(), outgoing.attempt.key));
                    evaluator.take(Event::Completed { channel, id, outcome: Outcome::Taken, chance: 0.5 }, now);
                }
            }
            if rests {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    pub(super) fn at(&mut self, seconds: u64) -> &mut Self {
        // The facts of others and the regions that are heard of are looked for each second here.
        while self.now < seconds * 1_000 {
            self.now += 1_000;
            self.settle();
        }
        self
    }

    pub(super) fn run(&mut self, id: &str, verdict: Verdict) -> &mut Self {
        let region = id.split('/').nth(1).expect("a region").to_owned();
        self.order += 1;
        let (place, order, now) = (self.place(&region), self.order, moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        let Some(evaluator) = &mut process.evaluator else { return self };
        let canary = process.plan.canaries.iter().find(|canary| canary.id.as_str() == id).expect("it is planned");
        let why = (verdict == Verdict::Failed).then(|| cause(Reason::Expectation, "a", None));
        evaluator.take(Event::Run(Arc::new(run(canary, order, verdict, why, Vec::new()))), now);
        self.settle();
        self
    }

    pub(super) fn fail(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Failed)
    }

    pub(super) fn pass(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Passed)
    }

    pub(super) fn breaks(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).fail(id).at(from + 60).fail(id)
    }

    pub(super) fn mends(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).pass(id).at(from + 60).pass(id).at(from + 120).pass(id)
    }

    /// What regions told alone and nobody has taken over, and what is written down of that.
    pub(super) fn left(&self) -> Vec<String> {
        let told = self.shared.facts().into_iter().filter(|fact| fact.key.starts_with(TOLD_ALONE) && fact.json.is_some());
        let states = self.shared.fleet.remembered().states.into_iter().filter(|state| state.kind == HANDED_IN);
        let now = moment_ms(self.now, 0);
        let waits = |process: &&Process| process.evaluator.as_ref().is_some_and(|it| it.backlog(now).hands_in);
        let waiting = self.processes.iter().filter(waits).map(|process| format!("{} waits", process.region));
        told.map(|fact| fact.key).chain(states.map(|state| state.key)).chain(waiting).collect()
    }

    pub(super) fn titles(&self, what: Action) -> Vec<String> {
        let heard = self.heard.iter().filter(|(_, _, action, _)| *action == what);
        heard.map(|(region, at, _, title)| format!("{at} {region}: {title}")).collect()
    }

    pub(super) fn rings(&self) -> Vec<String> {
        self.titles(Action::Ring)
    }
}
