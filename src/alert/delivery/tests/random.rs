//! Random notifications, answers, ends, mended channels, kills and pauses: what always holds.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const INCIDENTS: u8 = 24;
const MOST_IN_FLIGHT: usize = 8;
const MINUTE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
enum Op {
    /// Something of an incident becomes due.
    Want { incident: u8, what: Action, severity: Severity },
    /// Many incidents ring at once.
    Storm,
    /// It is not due any more.
    Unwant { incident: u8, what: Action },
    /// An incident ends: its rings are forgotten and its end is due.
    End { incident: u8 },
    /// A try in flight completes.
    Land { pick: u8, answer: u8 },
    /// Time passes; every timer is handled.
    Wait(u16),
    /// The configuration of the channel changes.
    Mend,
    /// The process is killed, and another takes over what was written.
    Kill,
}

fn op() -> impl Strategy<Value = Op> {
    let what =
        prop_oneof![4 => Just(Action::Ring), 1 => Just(Action::Change), 1 => Just(Action::Acknowledge), 1 => Just(Action::End)];
    let severity = prop_oneof![Just(Severity::Warn), Just(Severity::Page), Just(Severity::Critical)];
    let incident = 0..INCIDENTS;
    prop_oneof![
        8 => (incident.clone(), what.clone(), severity).prop_map(|(incident, what, severity)| Op::Want { incident, what, severity }),
        1 => Just(Op::Storm),
        2 => (incident.clone(), what).prop_map(|(incident, what)| Op::Unwant { incident, what }),
        2 => incident.prop_map(|incident| Op::End { incident }),
        12 => (any::<u8>(), 0..8_u8).prop_map(|(pick, answer)| Op::Land { pick, answer }),
        4 => (0..200_u16).prop_map(Op::Wait),
        1 => Just(Op::Mend),
        1 => Just(Op::Kill),
    ]
}

/// The model that the delivery is compared with.
struct Model {
    bench: Bench,
    now: u64,
    /// What is due.
    wanted: BTreeMap<(String, Action), Notification>,
    /// Tries of unknown outcome, or of a killed process, that may be repeated.
    unknown: BTreeMap<String, Try>,
    ids: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// How many ended before the one that is open now.
    generations: BTreeMap<u8, u32>,
    /// When rings left for the first time that were not refused, by id: when, and whether several were in one.
    rings: BTreeMap<String, (u64, bool)>,
    receiver: ReceiverKind,
    /// Scopes whose requests are always refused as unreadable.
    poisoned: u8,
}

impl Model {
    fn new(receiver: ReceiverKind, poisoned: u8) -> Self {
        Self {
            bench: Bench { chance: 0.5, ..Bench::new(&[("a", receiver)]) },
            now: 0,
            wanted: BTreeMap::new(),
            unknown: BTreeMap::new(),
            ids: BTreeSet::new(),
            ended: BTreeSet::new(),
            generations: BTreeMap::new(),
            rings: BTreeMap::new(),
            receiver,
            poisoned,
        }
    }

    /// The one that is open of these. Three have the same scope.
    fn name(&self, incident: u8) -> String {
        format!("s{}.{incident}x{}", incident / 3, self.generations.get(&incident).copied().unwrap_or_default())
    }

    fn is_poisoned(&self, incidents: &[String]) -> bool {
        incidents.iter().any(|incident| {
            let scope = incident.trim_start_matches('s').split('.').next().and_then(|scope| scope.parse::<u8>().ok());
            scope.is_some_and(|scope| self.poisoned & (1 << scope) != 0)
        })
    }

    fn enqueue(&mut self, incident: u8, what: Action, severity: Severity) {
        let notification = notification(&self.name(incident), what, severity, self.now);
        self.wanted.insert((notification.incident.clone(), what), notification.clone());
        self.bench.enqueue([notification]);
    }

    fn withdraw(&mut self, incident: &str, what: Action) {
        self.wanted.remove(&(incident.to_owned(), what));
        for attempt in self.bench.delivery.withdraw("a", incident, what) {
            self.unknown.remove(&attempt.id);
        }
    }

    fn end(&mut self, incident: u8) {
        let name = self.name(incident);
        for attempt in self.bench.delivery.forget_rings_of(&name) {
            self.unknown.remove(&attempt.id);
        }
        for what in [Action::Ring, Action::Change, Action::Acknowledge] {
            self.withdraw(&name, what);
        }
        self.ended.insert(name);
        self.enqueue(incident, Action::End, Severity::Page);
        *self.generations.entry(incident).or_default() += 1;
    }

    /// All that may leave leaves, and is what may leave.
    fn round(&mut self) -> Result<usize, TestCaseError> {
        let before: BTreeSet<String> = self.bench.in_flight.keys().cloned().collect();
        let rings = self.unknown.values().filter(|attempt| attempt.what == Action::Ring);
        let perhaps: BTreeSet<String> = rings.flat_map(|ring| ring.about.iter().map(|about| about.incident.clone())).collect();
        let left = self.bench.round(at(self.now));
        for left in &left {
            if left.repeated {
                prop_assert!(self.unknown.remove(&left.id).is_some(), "{left:?} is repeated, and it is known what became of it");
                let over = left.what != Action::End && left.incidents.iter().all(|incident| self.ended.contains(incident));
                prop_assert!(!over, "{left:?} is repeated after the end");
            } else {
                prop_assert!(self.ids.insert(left.id.clone()), "an id was used again");
                for incident in &left.incidents {
                    prop_assert!(self.wanted.contains_key(&(incident.clone(), left.what)), "{left:?} is not due");
                    let twice = left.what == Action::Ring && perhaps.contains(incident) && !self.ended.contains(incident);
                    prop_assert!(!twice, "{left:?} is rung again, and perhaps it was taken");
                }
                if left.what == Action::Ring {
                    self.rings.insert(left.id.clone(), (self.now, left.incidents.len() > 1));
                }
            }
            prop_assert!(!before.contains(&left.id));
        }
        prop_assert!(self.bench.in_flight.len() <= MOST_IN_FLIGHT);
        let scopes = |attempt: &Try| attempt.about.iter().map(|about| about.scope.clone()).collect::<BTreeSet<Scope>>();
        let all: Vec<Scope> = self.bench.in_flight.values().flat_map(scopes).collect();
        prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "two of one scope are on their way");
        Ok(left.len())
    }

    fn land(&mut self, id: &str, outcome: &Outcome) -> Result<(), TestCaseError> {
        let attempt = self.bench.in_flight[id].clone();
        let incidents: Vec<String> = attempt.about.iter().map(|about| about.incident.clone()).collect();
        let poisoned = refused(RefusalKind::Unreadable);
        let outcome = if self.is_poisoned(&incidents) { &poisoned } else { outcome };
        match self.bench.land(id, outcome, at(self.now)) {
            Completed::Taken(_) => {
                prop_assert_eq!(outcome, &Outcome::Taken);
                for incident in incidents {
                    self.wanted.remove(&(incident, attempt.what));
                }
            }
            Completed::Dropped(_) => {
                prop_assert!(matches!(outcome, Outcome::Refused(_)));
                self.rings.remove(id);
            }
            Completed::Again(_) => {
                self.unknown.insert(id.to_owned(), attempt);
            }
            Completed::Perhaps(_) => prop_assert!(incidents.iter().all(|incident| self.ended.contains(incident))),
            Completed::Gone => prop_assert!(false, "it was on its way"),
        }
        Ok(())
    }

    /// Time passes until then; every timer is handled.
    fn wait(&mut self, until: u64) -> Result<(), TestCaseError> {
        loop {
            self.round()?;
            let Some(due) = self.due().filter(|due| *due <= until) else { break };
            self.now = due.max(self.now + 1);
        }
        self.now = self.now.max(until);
        Ok(())
    }

    /// Another process takes over what was written.
    fn kill(&mut self) {
        let receiver = self.receiver;
        let lost: Vec<Try> = std::mem::take(&mut self.bench.in_flight).into_values().collect();
        let waiting = self.bench.delivery.apply([], at(self.now));
        let mut tries: BTreeMap<String, Try> = waiting.into_iter().map(|attempt| (attempt.id.clone(), attempt)).collect();
        tries.extend(lost.into_iter().map(|attempt| (attempt.id.clone(), attempt)));
        self.unknown.clone_from(&tries);
        self.bench.delivery = Delivery::new([policy("a", receiver)], at(self.now));
        // Whatever rang before, this process knows nothing of.
        self.rings.clear();
        self.bench.delivery.restore(tries.into_values().collect(), at(self.now));
        for incident in self.ended.clone() {
            for attempt in self.bench.delivery.forget_rings_of(&incident) {
                self.unknown.remove(&attempt.id);
            }
        }
        self.bench.enqueue(self.wanted.values().cloned());
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Want { incident, what: Action::End, .. } | Op::End { incident } => self.end(*incident),
            Op::Want { incident, what, severity } => self.enqueue(*incident, *what, *severity),
            Op::Storm => (0..INCIDENTS).for_each(|incident| self.enqueue(incident, Action::Ring, Severity::Page)),
            Op::Unwant { incident, what } => self.withdraw(&self.name(*incident), *what),
            Op::Land { pick, answer } => {
                let id = self.bench.in_flight.keys().nth(usize::from(*pick) % self.bench.in_flight.len().max(1)).cloned();
                if let Some(id) = id {
                    let outcome = match answer {
                        0 | 1 => Outcome::Taken,
                        2 => refused(RefusalKind::Rejected),
                        3 => refused(RefusalKind::Busy(None)),
                        4 | 5 => unknown(),
                        _ => refused(RefusalKind::Unreachable),
                    };
                    self.land(&id, &outcome)?;
                }
            }
            Op::Wait(seconds) => self.wait(self.now + u64::from(*seconds))?,
            Op::Mend => self.bench.delivery.mended("a", at(self.now)),
            Op::Kill => self.kill(),
        }
        self.round().map(|_| ())
    }

    /// From now on the receiver takes all but what it cannot bear.
    fn recover(&mut self, seconds: u64) -> Result<(), TestCaseError> {
        self.answer(self.now + seconds, || Outcome::Taken)
    }

    /// Until then all tries complete at once. It ends a second later, so that what was due then has left.
    fn answer(&mut self, end: u64, mut answer: impl FnMut() -> Outcome) -> Result<(), TestCaseError> {
        while self.now <= end {
            while self.round()? > 0 || !self.bench.in_flight.is_empty() {
                for id in self.bench.in_flight.keys().cloned().collect::<Vec<_>>() {
                    self.land(&id, &answer())?;
                }
            }
            self.now = self.due().unwrap_or(u64::MAX).clamp(self.now + 1, end + 1);
        }
        Ok(())
    }

    /// The second in which it wants to be asked again.
    fn due(&self) -> Option<u64> {
        let due = self.bench.delivery.due()?.saturating_sub(at(0).steady);
        Some(due.as_secs() + u64::from(due.subsec_nanos() > 0))
    }

    /// What is still due of scopes that the receiver can bear.
    fn left_over(&self) -> Vec<&Notification> {
        self.wanted.values().filter(|notification| !self.is_poisoned(std::slice::from_ref(&notification.incident))).collect()
    }
}

fn receiver() -> impl Strategy<Value = ReceiverKind> {
    prop_oneof![Just(ReceiverKind::Alerts), Just(ReceiverKind::Incidents), Just(ReceiverKind::Posts)]
}

proptest! {
    #[test]
    fn one_of_a_scope_is_on_its_way_ids_repeat_only_for_unknown_ones_and_all_is_taken_by_a_channel_that_is_well(
        ops in prop::collection::vec(op(), 1..150),
        receiver in receiver(),
        poisoned in prop_oneof![3 => Just(0_u8), 1 => any::<u8>()],
        mends in any::<bool>(),
    ) {
        let mut model = Model::new(receiver, poisoned);
        for op in &ops {
            model.apply(op)?;
        }
        if mends {
            model.apply(&Op::Mend)?;
        }
        // After a 4xx the pause is two minutes, or fifteen without a page. If one scope spoils gathered requests, each halving
        // takes a minute.
        let seconds = match (mends, poisoned == 0) { (true, true) => 120, (false, true) => 15 * 60 + 60, (_, false) => 25 * 60 };
        model.recover(seconds)?;
        prop_assert!(model.left_over().is_empty(), "after {} s is still due: {:?}", seconds, model.left_over());
        let rings: Vec<(u64, bool)> = model.rings.values().copied().collect();
        if receiver != ReceiverKind::Alerts {
            for (start, _) in &rings {
                let within = rings.iter().filter(|(at, _)| at >= start && *at < start + MINUTE.as_secs());
                let (several, single): (Vec<_>, Vec<_>) = within.copied().partition(|(_, several): &(u64, bool)| *several);
                prop_assert!(several.len() <= 1 && single.len() + several.len() <= 11, "{} and {}", single.len(), several.len());
            }
        }
    }

    #[test]
    fn without_a_storm_a_channel_that_is_well_again_has_all_within_a_minute(
        wanted in prop::collection::btree_set(0..INCIDENTS, 1..10),
        // Answers before it was well: for how long, and which.
        seconds in 1..4_000_u64,
        answers in prop::collection::vec(prop_oneof![3 => Just(0), 2 => Just(1), 1 => Just(2)], 1..40),
        receiver in receiver(),
        chance in 0.0..1.0_f64,
    ) {
        let mut model = Model::new(receiver, 0);
        model.bench.chance = chance;
        for incident in wanted {
            model.enqueue(incident, Action::Ring, Severity::Page);
        }
        let mut answers = answers.iter().cycle();
        model.answer(seconds, || match answers.next() {
            Some(0) => refused(RefusalKind::Unreachable),
            Some(1) => unknown(),
            _ => refused(RefusalKind::Busy(None)),
        })?;
        model.recover(60)?;
        prop_assert!(model.left_over().is_empty(), "{:?}", model.left_over());
    }
}
