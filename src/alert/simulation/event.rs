//! The events of a history. They are small, so that a failing history shrinks well.

use proptest::prelude::*;

use super::environment::{CHANNELS, Fault, PROBES, REGIONS};
use super::readers::Health;

/// One thing that happens, after so many seconds.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) wait: u64,
    pub(super) event: Event,
}

/// What happens.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Break(Fault),
    /// All faults of a probe are gone.
    Mend(usize),
    /// A secret that a probe needs in a region is missing, or is there again.
    Block(usize, usize, bool),
    /// Somebody acknowledges a probe's incident.
    Acknowledge(usize),
    /// Somebody acknowledges at PagerDuty.
    AcknowledgeThere,
    Pause(usize, bool),
    /// The reason of a probe's failures is muted, as a known bug.
    Mute(usize, bool),
    /// A probe's file is removed or back; found by the file watch or loaded on request.
    Remove(usize, bool),
    Add(usize, bool),
    Receiver(usize, Health),
    /// The Alertmanager is restarted with its notification log. A killed one loses the log and never sends the end of what it had
    /// notified.
    RestartProm,
    /// The process is killed or stops gracefully, and is back after some seconds.
    Stop {
        graceful: bool,
        away: u64,
    },
    /// The process ends, and its store is gone.
    LoseStore,
    /// The wall clock is set.
    SetClock(i64),
}

/// Which events a history is made of.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of its own, there or not")]
pub(super) struct EventKinds {
    pub(super) faults: bool,
    pub(super) people: bool,
    pub(super) receivers: bool,
    pub(super) process: bool,
}

/// All kinds of events.
pub(super) const ALL: EventKinds = EventKinds { faults: true, people: true, receivers: true, process: true };

/// Histories of so many steps at most.
pub(super) fn history(kinds: EventKinds, most: usize) -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![3 => 0_u64..20, 5 => 20_u64..300, 2 => 300_u64..1_500];
    let step = (wait, event(kinds)).prop_map(|(wait, event)| Step { wait, event });
    prop::collection::vec(step, 1..=most)
}

/// Histories that begin with a fault while no waking channel takes anything.
pub(super) fn unheard(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let ill = || prop_oneof![Just(Health::Away), Just(Health::Refuses), Just(Health::Busy), Just(Health::Deaf)];
    let begin = (ill(), ill(), 0..PROBES.len(), prop::option::of(0..REGIONS.len()));
    (begin, history(ALL, most)).prop_map(|((duty, prom, probe, region), rest)| {
        let fault = Fault { probe, region, platform: None, share: 5 };
        let events = [Event::Receiver(0, duty), Event::Receiver(1, prom), Event::Break(fault)];
        events.into_iter().map(|event| Step { wait: 0, event }).chain(rest).collect()
    })
}

fn event(kinds: EventKinds) -> impl Strategy<Value = Event> {
    let probe = || 0..PROBES.len();
    let region = || prop::option::of(0..REGIONS.len());
    let share = prop_oneof![4 => Just(5_u8), 1 => 1_u8..5];
    let fault = (probe(), region(), prop::option::of(0_usize..3), share)
        .prop_map(|(probe, region, platform, share)| Event::Break(Fault { probe, region, platform, share }));
    let mend = probe().prop_map(Event::Mend);
    let block = (probe(), 0..REGIONS.len(), any::<bool>()).prop_map(|(probe, region, on)| Event::Block(probe, region, on));
    let health = prop_oneof![
        3 => Just(Health::Well),
        2 => Just(Health::Away),
        1 => Just(Health::Refuses),
        1 => Just(Health::Busy),
        1 => Just(Health::Deaf),
        3 => Just(Health::Mute),
    ];
    let people = prop_oneof![
        3 => probe().prop_map(Event::Acknowledge),
        1 => Just(Event::AcknowledgeThere),
        1 => (probe(), any::<bool>()).prop_map(|(probe, on)| Event::Pause(probe, on)),
        1 => (probe(), any::<bool>()).prop_map(|(probe, on)| Event::Mute(probe, on)),
        1 => (probe(), any::<bool>()).prop_map(|(probe, found)| Event::Remove(probe, found)),
        1 => (probe(), any::<bool>()).prop_map(|(probe, found)| Event::Add(probe, found)),
    ];
    let receivers = prop_oneof![
        5 => (0..CHANNELS.len(), health).prop_map(|(channel, health)| Event::Receiver(channel, health)),
        1 => Just(Event::RestartProm),
    ];
    let process = prop_oneof![
        4 => (any::<bool>(), 1_u64..60).prop_map(|(graceful, away)| Event::Stop { graceful, away }),
        1 => Just(Event::LoseStore),
        1 => prop_oneof![Just(-240_i64), Just(-30), Just(30), Just(240)].prop_map(Event::SetClock),
    ];
    let weight = |on: bool, weight: u32| if on { weight } else { 0 };
    let faults = prop_oneof![4 => fault, 3 => mend, weight(kinds.faults, 1) => block];
    let all: Vec<(u32, BoxedStrategy<Event>)> = vec![
        (10, faults.boxed()),
        (weight(kinds.people, 4), people.boxed()),
        (weight(kinds.receivers, 4), receivers.boxed()),
        (weight(kinds.process, 2), process.boxed()),
    ];
    prop::strategy::Union::new_weighted(all.into_iter().filter(|(weight, _)| *weight > 0).collect())
}
