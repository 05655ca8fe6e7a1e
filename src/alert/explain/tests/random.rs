//! Random histories of roots and members: what was explained is never rung because evidence ended, only by its own later
//! failures.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy)]
enum Happens {
    /// A root's run ends, and passed or failed.
    Root(bool),
    /// Whether somebody was told of the root.
    Told(bool),
    /// A run of the dependent starts.
    Starts,
    /// The run that goes on ends, and passed or failed; the dependent does not settle.
    Ends(bool),
    /// A new plan, with or without the need.
    Reload(bool),
    /// A new process, which knows what was kept and has to be told of the roots.
    Restart,
}

fn happens() -> impl Strategy<Value = Vec<(u64, Happens)>> {
    let one = prop_oneof![
        4 => any::<bool>().prop_map(Happens::Root),
        2 => any::<bool>().prop_map(Happens::Told),
        4 => Just(Happens::Starts),
        6 => prop::bool::weighted(0.8).prop_map(Happens::Ends),
        1 => any::<bool>().prop_map(Happens::Reload),
        1 => Just(Happens::Restart),
    ];
    // Some minutes in all, so that evidence ages now and then.
    prop::collection::vec((prop_oneof![4 => 1..20 * SECOND, 1 => 1..200 * SECOND], one), 1..40)
}

fn probes(needs: bool) -> Vec<Probe> {
    vec![probe("d", if needs { &["r"] } else { &[] }, None), probe("r", &[], None)]
}

/// The reference: the rule by its words, from the whole history and not from stored state.
#[derive(Default)]
struct Reference {
    last: Option<(bool, u64)>,
    told: bool,
    needs: bool,
    /// Whether there was evidence from each time on.
    evidence: Vec<(u64, bool)>,
    was_explained: bool,
    unexplained: u32,
}

impl Reference {
    /// Whether there is evidence at a time, if nothing happens until then.
    fn now(&self, millis: u64) -> bool {
        self.needs && self.told && self.last.is_some_and(|(failed, ended)| failed && millis <= ended + 140 * SECOND)
    }

    /// Notes how it is at a time, and when it aged before that.
    fn note(&mut self, millis: u64, before: bool) {
        if let (true, Some((true, ended))) = (before, self.last)
            && ended + 140 * SECOND < millis
        {
            self.evidence.push((ended + 140 * SECOND + 1, false));
        }
        self.evidence.push((millis, self.now(millis)));
    }

    fn at(&self, millis: u64) -> bool {
        self.evidence.iter().rev().find(|(from, _)| *from <= millis).is_some_and(|(_, evidence)| *evidence)
    }

    /// Whether there had been some before a time.
    fn before(&self, millis: u64) -> bool {
        self.evidence.iter().any(|(from, evidence)| *evidence && *from < millis)
    }
}

/// Says everything that is known of the root.
fn say(harness: &mut Harness, model: &Reference) {
    let now = at(harness.millis);
    if let Some((failed, ended)) = model.last {
        let ended = at(ended).steady;
        harness.roots.ran(&id("r/eu"), LastRun { failed, started: ended, ended }, now);
    }
    harness.roots.set_state(&id("r/eu"), if model.told { TOLD } else { FAILS }, now);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_was_explained_is_rung_by_its_own_later_failures_and_by_nothing_else(history in happens()) {
        let key = FactKey::Canary(id("d/eu"));
        let mut harness = Harness::new(probes(true));
        let mut model = Reference { needs: true, told: true, ..Reference::default() };
        harness.until(1);
        harness.root_is_out("r/eu");
        model.last = Some((true, 1));
        model.note(1, false);
        harness.fails("d/eu", 0, 1);
        model.was_explained = true;
        let (mut started, mut explained) = (None, true);
        for (pause, happens) in history {
            let now = harness.millis + pause;
            let had = model.at(harness.millis);
            harness.until(now);
            prop_assert_eq!(harness.of("d/eu") == &by(&["r"]), explained || model.now(now), "the time alone rings nobody");
            model.note(now, had);
            let had = model.now(now);
            let mut own_failure = false;
            match happens {
                Happens::Root(failed) => {
                    model.last = Some((failed, now));
                    harness.root_ran("r/eu", failed, 0);
                }
                Happens::Told(told) => {
                    model.told = told;
                    harness.set_root_state("r/eu", if told { TOLD } else { FAILS });
                }
                Happens::Starts => started = Some(now),
                Happens::Ends(failed) => {
                    if let Some(started) = started.take().filter(|_| failed) {
                        own_failure = !model.at(started) && model.before(started);
                        model.unexplained += u32::from(own_failure);
                        harness.fails("d/eu", 0, now - started);
                    }
                }
                Happens::Reload(needs) => {
                    model.needs = needs;
                    harness.roots.apply(&plan(probes(needs)));
                    say(&mut harness, &model);
                    harness.judge_all();
                }
                Happens::Restart => {
                    let (fact, kept) = harness.members.remove(&key).unwrap();
                    let kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
                    let mut next = Harness::new(probes(model.needs));
                    next.millis = now;
                    say(&mut next, &model);
                    next.members.insert(key.clone(), (fact, kept));
                    next.judge(key.clone());
                    harness = next;
                }
            }
            model.note(now, had);
            if model.now(now) {
                explained = true;
            } else if explained && own_failure && model.unexplained >= 2 {
                explained = false;
            }
            prop_assert_eq!(harness.of("d/eu") == &by(&["r"]), explained, "{:?} at {}", happens, now);
            let rung = harness.ended.drain(..).count();
            prop_assert!(rung == 0 || (own_failure && !explained), "rung by {:?}", happens);
        }
    }

    #[test]
    fn a_dependent_waits_a_minute_at_most_and_a_root_is_asked_once_a_minute_at_most(
        history in prop::collection::vec((1..30 * SECOND, 0..5_usize, any::<bool>()), 1..40),
    ) {
        let mut harness = Harness::new(vec![probe("d", &["r"], Some(("user", &["1", "2", "3"]))), probe("r", &[], None)]);
        let mut crossed: BTreeMap<String, u64> = BTreeMap::new();
        let mut running: Vec<(u64, u64)> = Vec::new();
        harness.until(MINUTE);
        for (pause, who, failed) in history {
            harness.until(harness.millis + pause);
            let now = harness.millis;
            match who {
                0 => {
                    let took = pause / 2;
                    running.push((now - took, now));
                    harness.root_ran("r/eu", failed, took);
                }
                1 => harness.set_root_state("r/eu", RootState { muted: failed, ..RootState::default() }),
                _ => {
                    let canary = format!("d/eu/user={}", who - 1);
                    if failed {
                        crossed.entry(canary.clone()).or_insert(now);
                        harness.fails(&canary, crossed[&canary].saturating_sub(SECOND), 0);
                    } else if crossed.remove(&canary).is_some() {
                        harness.well(&canary);
                    }
                }
            }
            for (canary, since) in &crossed {
                if let Explains::Waiting(until) = harness.of(canary) {
                    prop_assert!(*until <= at(since + MINUTE).steady && *until > at(now).steady);
                }
            }
        }
        for pair in harness.asked.windows(2) {
            let was_running = running.iter().any(|(started, ended)| *started < pair[0].0 && *ended > pair[0].0);
            prop_assert!(pair[1].0 >= pair[0].0 + MINUTE || was_running, "{:?}", pair);
        }
    }
}
