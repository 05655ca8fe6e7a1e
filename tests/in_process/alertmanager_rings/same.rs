//! The stand-in and the real Alertmanager get the same script of alerts: their receivers get the same notifications.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::real::{Alertmanager, Labels, Receiver, Ring, Times, now};
use crate::readers::alertmanager::{Alertmanager as StandIn, GroupBy, Route};

/// Something happens each step. Groups look half a step after one, and never at one.
const STEP: Duration = Duration::from_secs(2);
const TIMES: Times = Times { wait: Duration::from_secs(1), interval: Duration::from_secs(4) };
const STEPS: u32 = 14;
const SCRIPTS: usize = 16;

/// What happens at a step of a script.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// One more ring.
    Ring,
    /// All that is open is sent again, with an end so many steps ahead: a lapse, where nobody sends it again in time.
    Again(u32),
    /// The same with other texts.
    Text,
    /// All end, in one request, as an incident does.
    End,
    /// The oldest one ends alone.
    EndOne,
    Nothing,
}

fn event(random: &mut fastrand::Rng) -> Event {
    match random.u32(0..12) {
        0..4 => Event::Ring,
        4 => Event::Again(random.u32(1..4)),
        5 => Event::Again(400),
        6 => Event::Text,
        7..9 => Event::End,
        9 => Event::EndOne,
        _ => Event::Nothing,
    }
}

/// A probe of its own, with what is open of it.
struct Script {
    probe: String,
    random: fastrand::Rng,
    rings: Vec<Ring>,
    next: u32,
}

impl Script {
    fn new(number: usize) -> Self {
        let random = fastrand::Rng::with_seed(number as u64);
        Self { probe: format!("probe-{number}"), random, rings: Vec::new(), next: 1 }
    }

    /// The alerts of the next request. All times in it are steps.
    fn step(&mut self, at: Duration) -> Vec<Value> {
        let long = at + STEP * 400;
        match event(&mut self.random) {
            Event::Ring => {
                let severity = if self.next.is_multiple_of(3) { "critical" } else { "page" };
                let ring = Ring { starts: at, ..Ring::new(&self.probe, self.next, severity, "eu") };
                self.next += 1;
                self.rings.push(ring.clone());
                vec![ring.until(at + STEP * if self.random.bool() { 400 } else { 3 })]
            }
            Event::Again(steps) => self.rings.iter().map(|ring| ring.until(at + STEP * steps)).collect(),
            Event::Text => {
                self.rings.iter_mut().for_each(|ring| ring.summary += "!");
                self.rings.iter().map(|ring| ring.until(long)).collect()
            }
            Event::End => std::mem::take(&mut self.rings).iter().map(|ring| ring.until(at)).collect(),
            Event::EndOne if !self.rings.is_empty() => vec![self.rings.remove(0).until(at)],
            Event::EndOne | Event::Nothing => Vec::new(),
        }
    }
}

/// A notification with its time in half steps.
type Coarse = (u128, BTreeSet<Labels>, BTreeSet<Labels>);

fn coarse(begin: Duration, at: Duration, firing: &BTreeSet<Labels>, resolved: &BTreeSet<Labels>) -> Coarse {
    // An end is told a moment after it is posted, where its group is new; half a step is forgiven either way.
    (at.saturating_sub(begin).as_millis() / (STEP.as_millis() / 2), firing.clone(), resolved.clone())
}

/// Runs all scripts against the real one and the stand-ins; `None` if this machine was too slow for the times to mean something.
async fn attempt() -> Option<()> {
    let receiver = Receiver::start().await;
    let alertmanager = Alertmanager::start(&receiver, TIMES).await;
    let group = |group_by| Route { group_wait: TIMES.wait, group_interval: TIMES.interval, ..Route::default_times(group_by) };
    let routes =
        [("probe", GroupBy::Labels(vec!["probe"])), ("alertname", GroupBy::Labels(vec!["alertname"])), ("all", GroupBy::All)];
    // Other tests start programs of theirs just now.
    let begin = Duration::from_secs(now().as_secs() + 3);
    let mut stand_ins = routes.map(|(name, group_by)| (name, StandIn::new(group(group_by), begin)));
    let mut scripts: Vec<Script> = (0..SCRIPTS).map(Script::new).collect();
    for step in 0..STEPS {
        let at = begin + STEP * step;
        tokio::time::sleep(at.saturating_sub(now())).await;
        for script in &mut scripts {
            // The last step ends all.
            let alerts = if step + 1 == STEPS {
                std::mem::take(&mut script.rings).iter().map(|ring| ring.until(at)).collect()
            } else {
                script.step(at)
            };
            if !alerts.is_empty() {
                alertmanager.post(&alerts).await;
                for (_, stand_in) in &mut stand_ins {
                    assert!(stand_in.take(at, &alerts.clone().into()).is_taken());
                }
            }
        }
        if now() > at + STEP * 7 / 20 {
            return None;
        }
    }
    let end = begin + STEP * STEPS + TIMES.interval;
    tokio::time::sleep(end.saturating_sub(now())).await;
    for (route, mut stand_in) in stand_ins {
        stand_in.advance(end);
        let mut real: Vec<Coarse> =
            receiver.of(route).iter().map(|told| coarse(begin, told.at, &told.firing, &told.resolved)).collect();
        let mut ours: Vec<Coarse> =
            stand_in.notified.iter().map(|one| coarse(begin, one.at, &one.firing, &one.resolved)).collect();
        real.sort();
        ours.sort();
        eprintln!("{route}: {} notifications", real.len());
        for script in &scripts {
            let of = |all: &[Coarse]| -> Vec<String> {
                let own = |labels: &Labels| labels["probe"] == script.probe;
                let mine = all.iter().filter(|(_, firing, resolved)| firing.iter().chain(resolved).any(own));
                mine.map(|(at, firing, resolved)| format!("{at}: {:?} | {:?}", rings(firing), rings(resolved))).collect()
            };
            assert_eq!(of(&ours), of(&real), "{route}, {}: the stand-in, and the real one", script.probe);
        }
    }
    Some(())
}

fn rings(labels: &BTreeSet<Labels>) -> Vec<&str> {
    labels.iter().map(|labels| labels["ring"].as_str()).collect()
}

#[tokio::test]
async fn the_stand_in_tells_its_receiver_what_the_real_one_tells_and_when() {
    for _ in 0..3 {
        if attempt().await.is_some() {
            return;
        }
    }
    panic!("this machine was too slow three times to tell the times of notifications apart");
}
