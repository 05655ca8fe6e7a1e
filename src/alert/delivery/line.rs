//! One channel: what waits for it, what is on its way, and how it fares. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::alert::condition::channel::{Health, Seen};
use crate::alert::told::{Outcome, Refusal, Trouble, Try, What};
use crate::alert::{Fact, FactKey, Scope};
use crate::plan::ReceiverKind;

use super::backlog::Backlog;
use super::flights::{Flight, Flights};
use super::gate::{Gate, May};
use super::pace::Pace;
use super::waiting::{Class, Order, Waiting};
use super::wish::{ChannelPolicy, Grant, Key, Landed, Repeat, Wish};

/// While a channel is away, no new try is made where already so many are perhaps taken, but in each [`FRESH`]th round: what nobody
/// knows of is repeated singly when the channel is back.
const UNKNOWN: usize = 8;

/// See [`UNKNOWN`].
const FRESH: u32 = 8;

/// One channel.
#[derive(Debug)]
pub(super) struct Line {
    policy: ChannelPolicy,
    waiting: Waiting,
    flights: Flights,
    pace: Pace,
    rings: Gate,
    ends: Gate,
    /// The most that is gathered in one; fewer than all while it is sought which of them is refused.
    most: usize,
    /// Whether what is gathered is to be said in the shortest form.
    brief: bool,
    /// Since when it is known here.
    known: Duration,
    mended: Option<Duration>,
    taken: Option<Duration>,
    /// Why it did not take what it was sent last.
    trouble: Option<Arc<str>>,
    health: Health,
    /// The fact of it that was given out last, unless it was well.
    told: Option<Fact>,
}

impl Line {
    pub(super) fn new(policy: ChannelPolicy, now: Moment) -> Self {
        Self {
            policy,
            waiting: Waiting::default(),
            flights: Flights::default(),
            pace: Pace::default(),
            rings: Gate::default(),
            ends: Gate::default(),
            most: usize::MAX,
            brief: false,
            known: now.steady,
            mended: None,
            taken: None,
            trouble: None,
            health: Health::default(),
            told: None,
        }
    }

    /// The same channel under a changed policy.
    pub(super) fn with(self, policy: ChannelPolicy) -> Self {
        Self { policy, ..self }
    }

    pub(super) fn want(&mut self, wish: Wish) {
        self.waiting.want(wish);
    }

    /// Wants it no longer. An end of which nobody knows is not repeated then.
    pub(super) fn unwant(&mut self, incident: &str, what: What) -> Vec<Try> {
        self.waiting.unwant(&Key { incident: incident.into(), what });
        if what == What::End { self.over(incident, |what| what == What::End) } else { Vec::new() }
    }

    /// The incident has ended: what was said of it is not repeated, only ended.
    pub(super) fn forget_rings_of(&mut self, incident: &str) -> Vec<Try> {
        self.over(incident, |what| what != What::End)
    }

    fn over(&mut self, incident: &str, which: impl Fn(What) -> bool) -> Vec<Try> {
        let (freed, forgotten) = self.flights.over(incident, which);
        for (scope, key) in freed {
            self.waiting.found(&scope, &key);
        }
        forgotten
    }

    /// Whether a try of an incident is on its way.
    pub(super) fn is_flying(&self, incident: &str) -> bool {
        self.flights.is_flying(incident)
    }

    /// Whether anything is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.flights.count() > 0
    }

    /// What may leave now for the first time.
    pub(super) fn grant(&mut self, now: Moment) -> Option<Grant> {
        self.waiting.promote(now.steady);
        self.flights.promote(now.steady);
        let mut first: Option<(Order, May)> = None;
        for class in Class::ALL {
            let (head, gate) = match class {
                Class::Rings => (self.waiting.head(class), gate_of(&self.policy, class).then_some(&mut self.rings)),
                Class::Quiet => (self.waiting.head(class), None),
                Class::Ends => (self.waiting.head(class), gate_of(&self.policy, class).then_some(&mut self.ends)),
            };
            let may = match (head, gate) {
                (None, Some(gate)) => {
                    gate.idle();
                    May::Not
                }
                (None, None) => May::Not,
                (Some(_), None) => May::One,
                (Some(head), Some(gate)) => gate.asks(head.since, now.steady),
            };
            if let Some(head) = head.filter(|head| may != May::Not && first.as_ref().is_none_or(|(first, _)| *head < first)) {
                first = Some((head.clone(), may));
            }
        }
        if !self.may_begin_new() || self.pace.opens(self.flights.count()).is_none_or(|opens| opens > now.steady) {
            return None;
        }
        let (order, may) = first?;
        let channel = Arc::clone(&self.policy.name);
        if may == May::Gathered {
            let group = self.waiting.group(Class::of(order.key.what), self.most);
            if group.len() > 1 {
                let wishes = group.into_iter().map(|(wish, _)| wish).collect();
                return Some(Grant::Gathered { channel, what: order.key.what, wishes, shortest: self.brief });
            }
            return group.into_iter().next().map(|(wish, shortest)| Grant::One { channel, wish, shortest });
        }
        self.waiting.get(&order.key).map(|(wish, shortest)| Grant::One { channel, wish: wish.clone(), shortest })
    }

    /// Whether something may be tried that was not tried before. While the channel is away, what it perhaps took goes first.
    fn may_begin_new(&self) -> bool {
        let (_, round) = self.pace.room();
        !self.pace.is_away() || self.flights.unknown() < UNKNOWN || round.is_multiple_of(FRESH) || self.repeatable().is_none()
    }

    /// The first that may be repeated.
    fn repeatable(&self) -> Option<&Arc<str>> {
        self.flights.next(|scope| self.waiting.is_flying(scope))
    }

    /// From when on something new may leave, as far as is known.
    fn new_opens(&self) -> Option<Duration> {
        let opens = self.pace.opens(self.flights.count()).filter(|_| self.may_begin_new())?;
        let heads = Class::ALL.into_iter().filter_map(|class| Some((class, self.waiting.head(class)?)));
        let gated = heads.map(|(class, head)| match class {
            Class::Rings if gate_of(&self.policy, class) => self.rings.opens(head.since),
            Class::Ends if gate_of(&self.policy, class) => self.ends.opens(head.since),
            _ => Duration::ZERO,
        });
        gated.min().map(|gate| gate.max(opens))
    }

    /// A try is on its way.
    pub(super) fn leaves(&mut self, attempt: Try, now: Moment) {
        let class = Class::of(attempt.what);
        let several = attempt.about.len() > 1;
        let slot = match class {
            Class::Rings if gate_of(&self.policy, class) => Some(self.rings.left(several, now.steady)),
            Class::Ends if gate_of(&self.policy, class) => Some(self.ends.left(several, now.steady)),
            _ => None,
        };
        self.pace.leaves();
        let keys: Vec<(Scope, Key)> = keys(&attempt);
        let is_brief = |(_, key): &(Scope, Key)| self.waiting.get(key).is_some_and(|(_, shortest)| shortest);
        let shortest = if several { self.brief } else { keys.iter().any(is_brief) };
        self.flights.leaves(attempt, shortest, slot, now.steady);
        for (scope, _) in &keys {
            self.waiting.flies(scope);
        }
    }

    /// Tries that leave again, and are on their way.
    pub(super) fn repeats(&mut self, now: Moment) -> Vec<Repeat> {
        self.flights.promote(now.steady);
        self.waiting.promote(now.steady);
        let mut repeats = Vec::new();
        while self.pace.opens(self.flights.count()).is_some_and(|opens| opens <= now.steady) {
            // The last of a round is for something new, if there is something.
            if self.pace.room().0 == 1 && self.new_opens().is_some_and(|opens| opens <= now.steady) {
                break;
            }
            let Some(id) = self.repeatable().cloned() else { break };
            let Some(flight) = self.flights.again(&id, now.steady) else { break };
            let (all, open) = (keys(&flight.attempt), flight.open());
            repeats.push(Repeat { attempt: flight.attempt.clone(), shortest: flight.backoff.shortest });
            self.pace.leaves();
            for (scope, key) in open {
                self.waiting.found(&scope, &key);
            }
            for (scope, _) in all {
                self.waiting.flies(&scope);
            }
        }
        repeats
    }

    /// What became of a try.
    pub(super) fn landed(&mut self, id: &str, outcome: &Outcome, chance: f64, now: Moment) -> Landed {
        let Some(flight) = self.flights.flying(id) else { return Landed::Gone };
        let (scopes, is_over, was_lost) = (keys(&flight.attempt), flight.is_over(), flight.lost);
        let is_stale = flight.stale;
        for (scope, _) in &scopes {
            self.waiting.landed(scope);
        }
        let (refusal, unknown) = match outcome {
            Outcome::Taken => return self.taken(id, now),
            Outcome::Refused(refusal) => (refusal, was_lost),
            Outcome::Unknown(refusal) => (refusal, true),
        };
        let landed = self.failed(id, (refusal, unknown, is_over), &scopes, chance, now);
        if is_stale {
            self.ask_again();
        }
        landed
    }

    /// A try did not get through, or nobody knows whether it did.
    fn failed(
        &mut self,
        id: &str,
        (refusal, unknown, is_over): (&Refusal, bool, bool),
        scopes: &[(Scope, Key)],
        chance: f64,
        now: Moment,
    ) -> Landed {
        self.trouble = Some(refusal.message.as_str().into());
        self.pace.failed(scopes.iter().map(|(scope, _)| scope), refusal.trouble, chance, now.steady);
        if !unknown || is_over {
            let Some(flight) = self.flights.take(id) else { return Landed::Gone };
            if unknown {
                return Landed::Perhaps(flight.attempt);
            }
            return self.dropped(flight, refusal, chance, now);
        }
        for (scope, key) in self.flights.lost(id, refusal.trouble, self.taken, chance, now.steady) {
            self.waiting.lost(&scope, &key);
        }
        self.flights.attempt(id).map_or(Landed::Gone, |attempt| Landed::Again(attempt.clone()))
    }

    fn taken(&mut self, id: &str, now: Moment) -> Landed {
        let Some(flight) = self.flights.take(id) else { return Landed::Gone };
        for (_, key) in keys(&flight.attempt) {
            self.waiting.unwant(&key);
        }
        (self.taken, self.trouble) = (Some(now.steady), None);
        if flight.attempt.about.len() > 1 {
            (self.brief, self.most) = (false, self.most.saturating_mul(2));
        }
        self.pace.taken();
        self.waiting.wake();
        self.flights.wake();
        Landed::Taken(flight.attempt)
    }

    /// A try was refused, and was never perhaps taken: what it was about waits as its trouble says.
    fn dropped(&mut self, flight: Flight, refusal: &Refusal, chance: f64, now: Moment) -> Landed {
        if let Some(slot) = flight.slot {
            if Class::of(flight.attempt.what) == Class::Rings { self.rings.give_back(slot) } else { self.ends.give_back(slot) }
        }
        let (keys, unreadable) = (keys(&flight.attempt), refusal.trouble == Trouble::Unreadable);
        let several = keys.len() > 1;
        match (several, flight.backoff.shortest) {
            _ if !unreadable => {}
            (true, false) => self.brief = true,
            // Nobody knows because of whom, so it is sought by halves.
            (true, true) => self.most = keys.len() / 2,
            (false, true) => (self.brief, self.most) = (false, usize::MAX),
            (false, false) => {}
        }
        for (_, key) in &keys {
            if several && unreadable {
                self.waiting.refused_together(key);
            } else {
                self.waiting.failed(key, refusal.trouble, chance, now.steady);
            }
        }
        Landed::Dropped(flight.attempt)
    }

    /// Its configuration or secret changed: all that waits may leave.
    pub(super) fn mended(&mut self, now: Moment) {
        self.mended = Some(now.steady);
        self.ask_again();
    }

    /// Somebody reloaded, perhaps after mending the receiver: all that waits may leave, though nothing here changed.
    pub(super) fn ask_again(&mut self) {
        (self.pace, self.brief, self.most) = (Pace::default(), false, usize::MAX);
        self.waiting.mended();
        self.flights.mended();
    }

    /// A try of an earlier process: perhaps taken.
    pub(super) fn restore(&mut self, mut attempt: Try, now: Moment) {
        attempt.made = attempt.made.min(now.steady);
        let keys = keys(&attempt);
        self.flights.restore(attempt);
        for (scope, key) in keys {
            self.waiting.lost(&scope, &key);
        }
    }

    /// When it wants to be asked again.
    pub(super) fn due(&self) -> Option<Duration> {
        let new = self.new_opens();
        let last_is_for_new = self.pace.room().0 == 1;
        let again = self.repeatable().and_then(|_| self.pace.opens(self.flights.count()));
        let again = again.filter(|again| !(last_is_for_new && new.is_some_and(|new| new <= *again)));
        let untold = (self.health.failing.is_some() && self.told.is_none()).then_some(Duration::ZERO);
        let health = untold.or_else(|| self.health.due(&self.seen()));
        [new, again, self.waiting.due(), self.flights.due(), health].into_iter().flatten().min()
    }

    fn seen(&self) -> Seen<'_> {
        Seen {
            name: &self.policy.name,
            wakes: self.policy.wakes,
            due: self.waiting.oldest_ring(),
            known: self.known,
            taken: self.taken,
            mended: self.mended,
            trouble: self.trouble.as_ref(),
        }
    }

    /// The fact of the channel, if it is another than before.
    pub(super) fn fact(&mut self, now: Moment) -> Option<Fact> {
        let (health, fact) = self.health.judge(&self.seen(), now.steady);
        self.health = health;
        if fact == self.told {
            return None;
        }
        self.told.clone_from(&fact);
        Some(fact.unwrap_or_else(|| well(&self.policy.name)))
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    pub(super) fn restore_health(&mut self, health: Health) {
        self.health = health;
    }

    pub(super) fn backlog(&self) -> Backlog {
        let flying = self.flights.count();
        Backlog {
            channel: Arc::clone(&self.policy.name),
            kind: self.policy.kind,
            due: self.waiting.len(),
            flying,
            unknown: self.flights.unknown(),
            page_since: self.waiting.oldest_page(),
            taken: self.taken,
            trouble: self.trouble.clone(),
            away: self.pace.is_away(),
        }
    }

    /// The channel is gone: what was on its way or unknown, and that it is well if it was said that it is not.
    pub(super) fn removed(self) -> (Vec<Try>, Option<Fact>) {
        let fact = self.told.is_some().then(|| well(&self.policy.name));
        (self.flights.into_tries(), fact)
    }
}

/// That a channel is as it should be.
fn well(name: &Arc<str>) -> Fact {
    Fact::well(FactKey::Channel(Arc::clone(name)), Scope::Channel(Arc::clone(name)))
}

/// Whether so much of a class may leave in a minute, and the rest is gathered. Alerts are gathered by their receiver, and the end of
/// an incident with a key cannot be gathered with others.
fn gate_of(policy: &ChannelPolicy, class: Class) -> bool {
    match (policy.receiver, class) {
        (ReceiverKind::Alerts, _) | (_, Class::Quiet) | (ReceiverKind::Incidents, Class::Ends) => false,
        (ReceiverKind::Incidents | ReceiverKind::Posts, Class::Rings) | (ReceiverKind::Posts, Class::Ends) => true,
    }
}

/// What a try is about.
fn keys(attempt: &Try) -> Vec<(Scope, Key)> {
    let key = |incident: &str| Key { incident: incident.into(), what: attempt.what };
    attempt.about.iter().map(|about| (about.scope.clone(), key(&about.incident))).collect()
}
