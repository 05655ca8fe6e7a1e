//! Random histories of a fleet: regions that break, processes that die, are cut off, go on alone and come back, and whoever evaluates
//! taking over from each other. Judged by what is open at the receiver in the end.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// How long everything is left as it is before it is judged.
const REST: u64 = 40;

/// What happens in a minute, to a region or its process.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Nothing,
    Breaks,
    Mends,
    Dies,
    Starts,
    IsCutOff,
    IsBack,
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens::*;
    prop_oneof![
        3 => Just(Nothing), 3 => Just(Breaks), 2 => Just(Mends), 2 => Just(Dies), 3 => Just(Starts), 4 => Just(IsCutOff),
        2 => Just(IsBack),
    ]
}

/// The keys that are open at the receiver.
fn open_keys(bench: &FleetBench) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for id in &bench.ids {
        match id.split_once(' ') {
            Some(("ring", key)) => drop(open.insert(key.to_owned())),
            Some(("end", key)) => drop(open.remove(key)),
            _ => {}
        }
    }
    open
}

struct History {
    bench: FleetBench,
    minute: u64,
    broken: BTreeSet<&'static str>,
    cut_since: BTreeMap<&'static str, u64>,
    told: Vec<String>,
}

impl History {
    fn process(&self, region: &str) -> &Process {
        &self.bench.processes[self.bench.place(region)]
    }

    fn lives(&self, region: &str) -> bool {
        self.process(region).evaluator.is_some()
    }

    fn is_alone(&self, region: &str) -> bool {
        let process = self.process(region);
        process.evaluator.as_ref().is_some_and(|evaluator| evaluator.backlog(moment_ms(self.bench.now, 0)).alone)
    }

    /// Whether somebody evaluates whom the store hears of.
    fn is_evaluated(&self) -> bool {
        let evaluates = |process: &Process| process.evaluator.is_some() && process.cut.is_none() && process.epoch.is_some();
        self.bench.processes.iter().any(evaluates)
    }

    fn happens(&mut self, what: Happens, region: &'static str) {
        let (lives, cut) = (self.lives(region), self.process(region).cut.is_some());
        let alone = self.is_alone(region);
        match what {
            Happens::Breaks => {
                self.broken.insert(region);
            }
            Happens::Mends => {
                self.broken.remove(region);
            }
            Happens::Dies if lives => {
                self.bench.dies(region);
            }
            Happens::Starts if !lives => self.bench.starts_again(region),
            Happens::IsCutOff if lives && !cut => {
                self.bench.is_cut_off(region);
            }
            Happens::IsBack if lives && cut && alone => {
                self.bench.rejoins(region);
            }
            Happens::IsBack if lives && cut => {
                self.bench.is_back(region);
            }
            _ => return,
        }
        self.told.push(format!("{} {what:?} {region}", self.minute));
    }

    /// A process that has been cut off for a while goes on alone, and where nobody evaluates, another one takes over.
    fn follows(&mut self) {
        for region in REGIONS {
            let cut = self.lives(region) && self.process(region).cut.is_some();
            let since = if cut { *self.cut_since.entry(region).or_insert(self.minute) } else { self.minute };
            if !cut {
                self.cut_since.remove(region);
            } else if self.minute >= since + 2 && !self.is_alone(region) {
                self.bench.is_alone(region);
                self.told.push(format!("{} {region} goes on alone", self.minute));
            }
        }
        let may = |region: &&str| self.lives(region) && self.process(region).cut.is_none() && !self.is_alone(region);
        if let Some(region) = REGIONS.into_iter().find(may).filter(|_| !self.is_evaluated()) {
            self.bench.take_over(region);
            self.told.push(format!("{} {region} takes over", self.minute));
        }
    }

    /// A minute passes: each canary runs.
    fn minute(&mut self) {
        self.minute += 1;
        self.follows();
        let heard = REGIONS.into_iter().filter(|region| self.lives(region) && self.process(region).cut.is_none());
        self.bench.heard_of = heard.map(Arc::from).collect();
        self.bench.at(self.minute * 60);
        for region in REGIONS {
            let verdict = if self.broken.contains(region) { Verdict::Failed } else { Verdict::Passed };
            self.bench.run(&format!("p/{region}"), verdict);
        }
    }

    /// Every process is there and reaches the store, and one evaluates.
    fn heals(&mut self) {
        for region in REGIONS {
            for what in [Happens::Starts, Happens::IsBack] {
                self.happens(what, region);
            }
        }
        for _ in 0..REST {
            self.minute();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn in_the_end_what_still_fails_is_open_once_for_the_whole_fleet_and_nothing_else(
        minutes in vec((happens(), 0..REGIONS.len()), 10..70)
    ) {
        let mut history = History { bench: three(), minute: 0, broken: BTreeSet::new(), cut_since: BTreeMap::new(), told: Vec::new() };
        for (what, region) in minutes {
            history.happens(what, REGIONS[region]);
            history.minute();
        }
        history.heals();
        let open = open_keys(&history.bench);
        let (told, bench, broken) = (&history.told, &history.bench, &history.broken);
        prop_assert!(open.iter().all(|key| key.contains("probe/p/")), "open: {open:?}, {told:?}, {:?}", bench.heard);
        prop_assert_eq!(open.is_empty(), broken.is_empty(), "open: {:?}, {:?}, {:?}", &open, told, &bench.heard);
        let evaluates = bench.processes.iter().find(|process| process.epoch.is_some_and(|epoch| epoch.0 == bench.shared.epoch));
        let evaluator = evaluates.and_then(|process| process.evaluator.as_ref()).expect("somebody evaluates");
        let incidents: Vec<_> = evaluator.incidents.open.values().collect();
        let known = incidents.iter().flat_map(|incident| incident.told.values()).flat_map(|told| &told.open);
        let known: BTreeSet<String> = known.map(|open| open.key.clone()).collect();
        prop_assert_eq!(&open, &known, "whoever evaluates ends all that is open: {:?}, {:?}", told, &bench.heard);
        prop_assert_eq!(bench.left(), [""; 0], "{:?}", told);
        let fails: BTreeSet<String> = incidents
            .iter()
            .flat_map(|incident| &incident.members)
            .filter(|(_, member)| member.fails())
            .map(|(key, _)| key.to_string())
            .collect();
        let expected: BTreeSet<String> = broken.iter().map(|region| format!("canary/p/{region}")).collect();
        prop_assert_eq!(fails, expected, "{:?}", told);

        history.broken.clear();
        for _ in 0..10 {
            history.minute();
        }
        let open = open_keys(&history.bench);
        prop_assert!(open.is_empty(), "open: {open:?}, {:?}, {:?}", history.told, history.bench.heard);
    }
}
