//! Several processes, one a region: each reports, one evaluates, another takes over.

mod alone;
mod histories;
mod policies;

use super::*;
use crate::alert::mute::Closed;
use crate::history::{Commit, Epoch, FactView, OF_EVALUATOR, OF_REGION, StateRow};

/// A process that probes one region.
struct Process {
    region: Arc<str>,
    plan: Arc<Plan>,
    /// None: it is dead.
    evaluator: Option<Evaluator>,
    /// Under which epoch it believes to evaluate.
    epoch: Option<Epoch>,
    /// The last fact that it was told of.
    cursor: usize,
    /// What it has decided and cannot write: it is cut off, or frozen.
    cut: Option<Vec<Commit>>,
    /// What is on its own disk.
    journal: Tables,
}

/// What all of them share, as the store keeps it.
#[derive(Default)]
struct Shared {
    fleet: Tables,
    regions: BTreeMap<Arc<str>, Tables>,
    facts: Vec<(Arc<str>, crate::history::FactRow)>,
    epoch: i64,
}

impl Shared {
    fn write(&mut self, region: &Arc<str>, mut commit: Commit) {
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
    fn facts(&self) -> Vec<FactView> {
        let newest: BTreeMap<(&Arc<str>, &str), &crate::history::FactRow> =
            self.facts.iter().map(|(region, row)| ((region, &*row.key), row)).collect();
        let standing = newest.into_iter().filter(|(_, row)| !row.well || row.json.is_none());
        standing.map(|((region, _), row)| view(region, row)).collect()
    }
}

fn view(region: &Arc<str>, row: &crate::history::FactRow) -> FactView {
    FactView { key: row.key.clone(), region: region.to_string(), json: row.json.clone() }
}

struct FleetBench {
    processes: Vec<Process>,
    shared: Shared,
    alerting: Arc<Alerting>,
    now: u64,
    order: u64,
    /// The region of whoever rang, when, what and with which title.
    heard: Vec<(Arc<str>, u64, Action, String)>,
    ids: Vec<String>,
    wanted: Vec<String>,
    /// Regions that are heard of.
    heard_of: BTreeSet<Arc<str>>,
}

impl FleetBench {
    /// One process a region; the first one evaluates.
    fn new(probes: &dyn Fn() -> Vec<Probe>, regions: &[&str]) -> Self {
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
    fn loads(&mut self, region: &str, probes: Vec<Probe>, known: &[&str]) -> &mut Self {
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

    fn place(&self, region: &str) -> usize {
        self.processes.iter().position(|process| &*process.region == region).expect("it is a region")
    }

    /// A process of this region starts, after whichever was there.
    fn start(&mut self, region: &str) -> &mut Self {
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
    fn starts_again(&mut self, region: &str) {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        let left = process.journal.remembered();
        if !left.incidents.is_empty() {
            let mut evaluator = Evaluator::starting_alone(&process.plan, &self.alerting, &left, now);
            evaluator.rejoins(now);
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
            process.journal = Tables::default();
            self.shared.regions.entry(region.into()).or_default().write(handed);
        }
        self.start(region);
    }

    fn dies(&mut self, region: &str) -> &mut Self {
        let place = self.place(region);
        (self.processes[place].evaluator, self.processes[place].epoch) = (None, None);
        self
    }

    /// The store does not hear of it any more, and it not of the store.
    fn is_cut_off(&mut self, region: &str) -> &mut Self {
        let place = self.place(region);
        self.processes[place].cut = Some(Vec::new());
        self
    }

    /// What it wrote meanwhile reaches the store, which tells it that another one evaluates.
    fn is_back(&mut self, region: &str) -> &mut Self {
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
    fn take_over(&mut self, region: &str) -> &mut Self {
        self.shared.epoch += 1;
        let epoch = Epoch(self.shared.epoch);
        let facts = self.shared.facts().into_iter().filter(|fact| *fact.region != *region).collect();
        let (place, now, cursor) = (self.place(region), moment_ms(self.now, 0), self.shared.facts.len());
        let process = &mut self.processes[place];
        (process.epoch, process.cursor) = (Some(epoch), cursor);
        process.evaluator.as_mut().expect("it lives").take_over(epoch, &self.shared.fleet.remembered(), facts, now);
        self.settle();
        self
    }

    /// It has not reached the store for so long that it speaks for itself.
    fn is_alone(&mut self, region: &str) -> &mut Self {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        let process = &mut self.processes[place];
        process.epoch = None;
        process.evaluator.as_mut().expect("it lives").alone(now.steady.saturating_sub(Duration::from_mins(1)), now);
        self.settle();
        self
    }

    /// It reaches the store again.
    fn rejoins(&mut self, region: &str) -> &mut Self {
        let (place, now) = (self.place(region), moment_ms(self.now, 0));
        self.processes[place].evaluator.as_mut().expect("it lives").rejoins(now);
        self.is_back(region)
    }

    fn settle(&mut self) {
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

    fn at(&mut self, seconds: u64) -> &mut Self {
        // The facts of others and the regions that are heard of are looked for each second here.
        while self.now < seconds * 1_000 {
            self.now += 1_000;
            self.settle();
        }
        self
    }

    fn run(&mut self, id: &str, verdict: Verdict) -> &mut Self {
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

    fn fail(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Failed)
    }

    fn pass(&mut self, id: &str) -> &mut Self {
        self.run(id, Verdict::Passed)
    }

    fn breaks(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).fail(id).at(from + 60).fail(id)
    }

    fn mends(&mut self, from: u64, id: &str) -> &mut Self {
        self.at(from).pass(id).at(from + 60).pass(id).at(from + 120).pass(id)
    }

    fn titles(&self, what: Action) -> Vec<String> {
        let heard = self.heard.iter().filter(|(_, _, action, _)| *action == what);
        heard.map(|(region, at, _, title)| format!("{at} {region}: {title}")).collect()
    }

    fn rings(&self) -> Vec<String> {
        self.titles(Action::Ring)
    }
}

fn critical() -> Vec<Probe> {
    vec![probe(Vec::new(), AlertPolicy::default())]
}

fn three() -> FleetBench {
    FleetBench::new(&critical, &["eu", "us", "ap"])
}

#[test]
fn two_regions_that_fail_are_one_incident_and_it_is_critical() {
    let mut bench = three();
    bench.breaks(0, "p/us").breaks(61, "p/ap").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert_eq!(rings[0], "60 eu: p fails in us (1 of 3 canaries)");
    assert_eq!(rings[1], "65 eu: p fails in us, and its last runs in ap failed, too (2 of 3 canaries)");
    let evaluator = bench.processes[0].evaluator.as_ref().unwrap();
    let open: Vec<_> = evaluator.incidents.open.values().collect();
    assert_eq!(open.len(), 1, "one incident has the members of all regions");
    assert_eq!(open[0].severity(), Some(Severity::Critical));
    bench.mends(400, "p/us").mends(600, "p/ap").at(1_000);
    assert_eq!(
        bench.titles(Action::End).len(),
        bench.ids.iter().filter(|id| id.starts_with("ring")).count(),
        "{:?}",
        bench.heard
    );
    assert!(bench.processes[0].evaluator.as_ref().unwrap().incidents.open.is_empty());
}

#[test]
fn whoever_takes_over_from_a_process_that_died_rings_nothing_twice_and_goes_on_with_what_is_open() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("eu").at(115).take_over("us").at(200);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.breaks(210, "p/ap").at(400);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert!(rings[1].starts_with("210 us: p fails in us, and its last runs in ap failed"), "{rings:?}");
    let keys: BTreeSet<&String> = bench.ids.iter().collect();
    assert_eq!(keys.len(), bench.ids.len(), "no key rang twice: {:?}", bench.ids);
}

#[test]
fn what_fails_while_nobody_evaluates_rings_with_the_takeover() {
    let mut bench = three();
    bench.dies("eu").breaks(1, "p/us").breaks(62, "p/ap").at(130);
    assert_eq!(bench.rings(), [""; 0]);
    bench.take_over("ap");
    assert_eq!(bench.rings().len(), 1, "what came up in one evaluation is one ring: {:?}", bench.rings());
    assert!(bench.rings()[0].contains("130 ap: p fails in us and ap (2 of 3 canaries)"), "{:?}", bench.rings());
}

#[test]
fn one_that_was_cut_off_and_comes_back_stands_down_and_what_it_decided_meanwhile_is_not_written() {
    let mut bench = three();
    bench.is_cut_off("eu").at(15).take_over("us").breaks(20, "p/eu").breaks(90, "p/ap").at(200);
    let before = bench.rings();
    assert_eq!(before.len(), 1, "eu cannot tell, and us does not know of it: {before:?}");
    assert!(before[0].contains(" us: p fails in ap"), "{before:?}");
    bench.is_back("eu").at(300);
    let rings = bench.rings();
    assert_eq!(rings.len(), 2, "{rings:?}");
    assert!(rings[1].contains(" us: p fails in eu and ap"), "its facts count when they arrive: {rings:?}");
    let incidents = bench.shared.fleet.remembered().incidents;
    assert_eq!(incidents.len(), 1, "what eu had opened by itself is in nobody's store: {incidents:?}");
}

#[test]
fn a_region_that_is_not_heard_of_for_three_minutes_is_told_and_its_canaries_are_not_well() {
    let mut bench = three();
    bench.breaks(0, "p/ap").at(100).dies("ap");
    bench.heard_of.remove("ap");
    bench.at(279);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.at(290);
    assert_eq!(bench.rings().len(), 2, "{:?}", bench.rings());
    assert!(bench.rings()[1].contains("ap is not probed"), "{:?}", bench.rings());
    assert!(bench.titles(Action::End).is_empty(), "what failed there is not well because nobody looks: {:?}", bench.heard);
    // A takeover does not begin to count anew.
    bench.dies("eu").at(310).take_over("us").at(320);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (2, 0), "{:?}", bench.heard);
    bench.heard_of.insert("ap".into());
    bench.at(330);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    bench.start("ap").at(340).mends(400, "p/ap").at(700);
    assert_eq!(bench.titles(Action::End).len(), 2, "{:?}", bench.heard);
}

#[test]
fn what_was_settled_while_its_process_was_away_is_taken_back_at_its_start() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100);
    assert_eq!(bench.rings().len(), 1);
    // The store of its streaks was lost: the process knows of no failure.
    bench.dies("us").shared.regions.clear();
    bench.start("us").at(200);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
}

#[test]
fn a_root_in_another_region_explains_and_its_passes_are_known_to_who_evaluates() {
    let probes = || vec![quiet("root"), Probe { needs: vec!["root".into()], ..quiet("p") }];
    let mut bench = FleetBench::new(&probes, &["eu", "us"]);
    bench.breaks(0, "root/us").at(61).fail("p/us").at(62).fail("p/us").at(200);
    assert_eq!(bench.rings().len(), 1, "the dependent is explained: {:?}", bench.rings());
    let mut bench = FleetBench::new(&probes, &["eu", "us"]);
    bench.at(10).pass("root/us").at(11).fail("p/us").at(71).fail("p/us").at(72).pass("root/us").at(74);
    assert_eq!(bench.rings().len(), 1, "the root passed after it, so that nothing is waited for: {:?}", bench.rings());
    assert!(bench.wanted.contains(&"root/us".to_owned()), "its next run was brought forward");
}

#[test]
fn an_incident_of_several_regions_goes_on_until_each_of_them_is_settled_whoever_evaluates() {
    let mut bench = three();
    bench.breaks(0, "p/us").breaks(61, "p/ap").at(200).mends(210, "p/us").at(400);
    assert!(bench.titles(Action::End).is_empty(), "{:?}", bench.heard);
    bench.dies("eu").at(420).take_over("us").mends(430, "p/ap").at(700);
    assert_eq!(bench.titles(Action::End).len(), bench.rings().len(), "{:?}", bench.heard);
}

#[test]
fn what_was_removed_while_nobody_evaluated_is_not_called_well() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("eu").loads("us", vec![quiet("q")], &["eu", "us", "ap"]).at(120).take_over("ap").at(200);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("not watched") || ends[0].contains("removed"), "{ends:?}");
}

#[test]
fn a_probe_that_only_another_region_has_rings_and_is_well_again() {
    let mut bench = three();
    bench.loads("us", vec![quiet("new")], &["eu", "us", "ap"]).breaks(0, "new/us").at(100);
    assert_eq!(bench.rings().len(), 1, "{:?}", bench.rings());
    bench.mends(110, "new/us").at(400);
    let ends = bench.titles(Action::End);
    assert_eq!(ends.len(), 1, "{:?}", bench.heard);
    assert!(ends[0].contains("well again") && !ends[0].contains("not watched"), "{ends:?}");
}

#[test]
fn a_region_that_is_not_declared_any_more_takes_its_failures_along() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("us").heard_of.remove("us");
    bench.loads("eu", critical(), &["eu", "ap"]).loads("ap", critical(), &["eu", "ap"]).at(200);
    assert_eq!(bench.titles(Action::End).len(), 1, "{:?}", bench.heard);
    bench.dies("eu").at(220).take_over("ap").at(300);
    assert_eq!((bench.rings().len(), bench.titles(Action::End).len()), (1, 1), "{:?}", bench.heard);
}

#[test]
fn what_was_closed_of_a_region_that_is_gone_stays_closed_over_a_takeover_until_it_fails_anew() {
    let mut bench = three();
    bench.breaks(0, "p/us").at(100).dies("us").heard_of.remove("us");
    bench.at(400);
    let now = moment_ms(bench.now, 0);
    let closed = bench.processes[0].evaluator.as_mut().unwrap().close("p", "ann", "it is moved", now);
    assert!(matches!(closed, Closed::Done { members: 1 }), "{closed:?}");
    bench.settle();
    let rung = bench.rings().len();
    bench.dies("eu").at(420).take_over("ap").at(600);
    assert_eq!(bench.rings().len(), rung, "{:?}", bench.rings());
    bench.heard_of.insert("us".into());
    bench.start("us").at(700).mends(710, "p/us").breaks(1_000, "p/us").at(1_200);
    assert_eq!(bench.rings().len(), rung + 1, "{:?}", bench.rings());
}
