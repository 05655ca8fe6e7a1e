//! Delivery to one channel: what waits, what is in flight, and whether the channel takes anything. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::alert::condition::channel::{ChannelInput, Health};
use crate::alert::tries::{Action, Outcome, Refusal, RefusalKind, Try};
use crate::alert::{Fact, FactKey, Scope};
use crate::plan::ReceiverKind;

use super::in_flight::{InFlight, InFlightTry};
use super::notification::{ChannelBacklog, ChannelPolicy, Completed, Grant, Key, Notification, Repeat};
use super::rate_limit::{Permit, RateLimit};
use super::throttle::Throttle;
use super::waiting::{Class, Order, Waiting};

/// While a channel is away and this many tries are of unknown outcome, a new try is made only in each [`FRESH`]th round, since
/// each of them has to be repeated singly when the channel is back.
const UNKNOWN: usize = 8;

/// See [`UNKNOWN`].
const FRESH: u32 = 8;

/// One channel.
#[derive(Debug)]
pub(super) struct ChannelDelivery {
    policy: ChannelPolicy,
    waiting: Waiting,
    in_flight: InFlight,
    throttle: Throttle,
    rings: RateLimit,
    ends: RateLimit,
    /// Most incidents in a gathered request. It is halved while it is being found out which of them is refused.
    most: usize,
    /// Whether gathered requests use the shortest text.
    brief: bool,
    /// Since when this process knows the channel.
    known: Duration,
    mended: Option<Duration>,
    taken: Option<Duration>,
    /// Why it did not take what it was sent last.
    last_error: Option<Arc<str>>,
    health: Health,
    /// The last emitted fact, unless it was well.
    told: Option<Fact>,
}

impl ChannelDelivery {
    pub(super) fn new(policy: ChannelPolicy, now: Moment) -> Self {
        Self {
            policy,
            waiting: Waiting::default(),
            in_flight: InFlight::default(),
            throttle: Throttle::default(),
            rings: RateLimit::default(),
            ends: RateLimit::default(),
            most: usize::MAX,
            brief: false,
            known: now.steady,
            mended: None,
            taken: None,
            last_error: None,
            health: Health::default(),
            told: None,
        }
    }

    /// The same channel under a changed policy.
    pub(super) fn with(self, policy: ChannelPolicy) -> Self {
        Self { policy, ..self }
    }

    pub(super) fn enqueue(&mut self, notification: Notification) {
        self.waiting.enqueue(notification);
    }

    /// Removes a notification. An end of unknown outcome is not repeated then.
    pub(super) fn withdraw(&mut self, incident: &str, what: Action) -> Vec<Try> {
        self.waiting.withdraw(&Key { incident: incident.into(), what });
        if what == Action::End { self.over(incident, |what| what == Action::End) } else { Vec::new() }
    }

    /// The incident has ended: its rings are not repeated any more, only ended.
    pub(super) fn forget_rings_of(&mut self, incident: &str) -> Vec<Try> {
        self.over(incident, |what| what != Action::End)
    }

    fn over(&mut self, incident: &str, which: impl Fn(Action) -> bool) -> Vec<Try> {
        let (freed, forgotten) = self.in_flight.over(incident, which);
        for (scope, key) in freed {
            self.waiting.found(&scope, &key);
        }
        forgotten
    }

    /// Whether a try of an incident is in flight.
    pub(super) fn is_in_flight(&self, incident: &str) -> bool {
        self.in_flight.is_in_flight(incident)
    }

    /// Whether anything is in flight.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.count() > 0
    }

    /// What may leave now for the first time.
    pub(super) fn grant(&mut self, now: Moment) -> Option<Grant> {
        self.waiting.promote(now.steady);
        self.in_flight.promote(now.steady);
        let mut first: Option<(Order, Permit)> = None;
        for class in Class::ALL {
            let (head, rate_limit) = match class {
                Class::Rings => (self.waiting.head(class), is_limited(&self.policy, class).then_some(&mut self.rings)),
                Class::Quiet => (self.waiting.head(class), None),
                Class::Ends => (self.waiting.head(class), is_limited(&self.policy, class).then_some(&mut self.ends)),
            };
            let may = match (head, rate_limit) {
                (None, Some(rate_limit)) => {
                    rate_limit.idle();
                    Permit::Not
                }
                (None, None) => Permit::Not,
                (Some(_), None) => Permit::One,
                (Some(head), Some(rate_limit)) => rate_limit.asks(head.since, now.steady),
            };
            if let Some(head) = head.filter(|head| may != Permit::Not && first.as_ref().is_none_or(|(first, _)| *head < first)) {
                first = Some((head.clone(), may));
            }
        }
        if !self.may_begin_new() || self.throttle.opens(self.in_flight.count()).is_none_or(|opens| opens > now.steady) {
            return None;
        }
        let (order, may) = first?;
        let channel = Arc::clone(&self.policy.name);
        if may == Permit::Gathered {
            let group = self.waiting.group(Class::of(order.key.what), self.most);
            if group.len() > 1 {
                let notifications = group.into_iter().map(|(notification, _)| notification).collect();
                return Some(Grant::Gathered { channel, what: order.key.what, notifications, shortest: self.brief });
            }
            return group.into_iter().next().map(|(notification, shortest)| Grant::One { channel, notification, shortest });
        }
        self.waiting.get(&order.key).map(|(notification, shortest)| Grant::One {
            channel,
            notification: notification.clone(),
            shortest,
        })
    }

    /// Whether a new try may be made. While the channel is away, tries of unknown outcome go first.
    fn may_begin_new(&self) -> bool {
        let (_, round) = self.throttle.room();
        !self.throttle.is_away()
            || self.in_flight.unknown() < UNKNOWN
            || round.is_multiple_of(FRESH)
            || self.repeatable().is_none()
    }

    /// The first that may be repeated.
    fn repeatable(&self) -> Option<&Arc<str>> {
        self.in_flight.next(|scope| self.waiting.is_in_flight(scope))
    }

    /// When the next new try may leave.
    fn new_opens(&self) -> Option<Duration> {
        let opens = self.throttle.opens(self.in_flight.count()).filter(|_| self.may_begin_new())?;
        let heads = Class::ALL.into_iter().filter_map(|class| Some((class, self.waiting.head(class)?)));
        let gated = heads.map(|(class, head)| match class {
            Class::Rings if is_limited(&self.policy, class) => self.rings.opens(head.since),
            Class::Ends if is_limited(&self.policy, class) => self.ends.opens(head.since),
            _ => Duration::ZERO,
        });
        gated.min().map(|rate_limit| rate_limit.max(opens))
    }

    /// A try is in flight.
    pub(super) fn leaves(&mut self, attempt: Try, now: Moment) {
        let class = Class::of(attempt.what);
        let several = attempt.about.len() > 1;
        let slot = match class {
            Class::Rings if is_limited(&self.policy, class) => Some(self.rings.left(several, now.steady)),
            Class::Ends if is_limited(&self.policy, class) => Some(self.ends.left(several, now.steady)),
            _ => None,
        };
        self.throttle.leaves();
        let keys: Vec<(Scope, Key)> = keys(&attempt);
        let is_brief = |(_, key): &(Scope, Key)| self.waiting.get(key).is_some_and(|(_, shortest)| shortest);
        let shortest = if several { self.brief } else { keys.iter().any(is_brief) };
        self.in_flight.leaves(attempt, shortest, slot, now.steady);
        for (scope, _) in &keys {
            self.waiting.set_in_flight(scope);
        }
    }

    /// Repeats the tries that may leave again. They are in flight then.
    pub(super) fn repeats(&mut self, now: Moment) -> Vec<Repeat> {
        self.in_flight.promote(now.steady);
        self.waiting.promote(now.steady);
        let mut repeats = Vec::new();
        while self.throttle.opens(self.in_flight.count()).is_some_and(|opens| opens <= now.steady) {
            // The last try of a round is kept for something new, if there is any.
            if self.throttle.room().0 == 1 && self.new_opens().is_some_and(|opens| opens <= now.steady) {
                break;
            }
            let Some(id) = self.repeatable().cloned() else { break };
            let Some(flight) = self.in_flight.again(&id, now.steady) else { break };
            let (all, open) = (keys(&flight.attempt), flight.open());
            repeats.push(Repeat { attempt: flight.attempt.clone(), shortest: flight.backoff.shortest });
            self.throttle.leaves();
            for (scope, key) in open {
                self.waiting.found(&scope, &key);
            }
            for (scope, _) in all {
                self.waiting.set_in_flight(&scope);
            }
        }
        repeats
    }

    /// What became of a try.
    pub(super) fn completed(&mut self, id: &str, outcome: &Outcome, chance: f64, now: Moment) -> Completed {
        let Some(flight) = self.in_flight.in_flight(id) else { return Completed::Gone };
        let (scopes, is_over, is_stale) = (keys(&flight.attempt), flight.is_over(), flight.stale);
        let is_unknown = flight.lost || matches!(outcome, Outcome::Unknown(_));
        for (scope, _) in &scopes {
            self.waiting.completed(scope);
        }
        let refusal = match outcome {
            Outcome::Taken => return self.taken(id, now),
            Outcome::Refused(refusal) | Outcome::Unknown(refusal) => refusal,
        };
        self.last_error = Some(refusal.message.as_str().into());
        self.throttle.failed(scopes.iter().map(|(scope, _)| scope), refusal.kind, chance, now.steady);
        let completed = match (is_unknown, is_over) {
            (false, _) => self.in_flight.take(id).map(|flight| self.dropped(flight, refusal, chance, now)),
            (true, true) => self.in_flight.take(id).map(|flight| Completed::Perhaps(flight.attempt)),
            (true, false) => self.lost(id, refusal, chance, now),
        };
        if is_stale {
            self.ask_again();
        }
        completed.unwrap_or(Completed::Gone)
    }

    /// Nobody knows whether a try was taken, so it is repeated.
    fn lost(&mut self, id: &str, refusal: &Refusal, chance: f64, now: Moment) -> Option<Completed> {
        for (scope, key) in self.in_flight.lost(id, refusal.kind, self.taken, chance, now.steady) {
            self.waiting.lost(&scope, &key);
        }
        self.in_flight.attempt(id).map(|attempt| Completed::Again(attempt.clone()))
    }

    fn taken(&mut self, id: &str, now: Moment) -> Completed {
        let Some(flight) = self.in_flight.take(id) else { return Completed::Gone };
        for (_, key) in keys(&flight.attempt) {
            self.waiting.withdraw(&key);
        }
        (self.taken, self.last_error) = (Some(now.steady), None);
        if flight.attempt.about.len() > 1 {
            (self.brief, self.most) = (false, self.most.saturating_mul(2));
        }
        self.throttle.taken();
        self.waiting.wake();
        self.in_flight.wake();
        Completed::Taken(flight.attempt)
    }

    /// A try was refused and was not taken by an earlier attempt. Its notifications wait as the kind of refusal says.
    fn dropped(&mut self, flight: InFlightTry, refusal: &Refusal, chance: f64, now: Moment) -> Completed {
        if let Some(slot) = flight.slot {
            if Class::of(flight.attempt.what) == Class::Rings { self.rings.give_back(slot) } else { self.ends.give_back(slot) }
        }
        let (keys, unreadable) = (keys(&flight.attempt), refusal.kind == RefusalKind::Unreadable);
        let several = keys.len() > 1;
        match (several, flight.backoff.shortest) {
            _ if !unreadable => {}
            (true, false) => self.brief = true,
            // It is unknown which incident was refused, so it is searched by halves.
            (true, true) => self.most = keys.len() / 2,
            (false, true) => (self.brief, self.most) = (false, usize::MAX),
            (false, false) => {}
        }
        for (_, key) in &keys {
            if several && unreadable {
                self.waiting.refused_together(key);
            } else {
                self.waiting.failed(key, refusal.kind, chance, now.steady);
            }
        }
        Completed::Dropped(flight.attempt)
    }

    /// Its configuration or secret changed: all that waits may leave at once.
    pub(super) fn mended(&mut self, now: Moment) {
        self.mended = Some(now.steady);
        self.ask_again();
    }

    /// The configuration was reloaded, perhaps after the receiver was mended: all that waits may leave at once.
    pub(super) fn ask_again(&mut self) {
        (self.throttle, self.brief, self.most) = (Throttle::default(), false, usize::MAX);
        self.waiting.mended();
        self.in_flight.mended();
    }

    /// Restores a try of an earlier process, which was perhaps taken.
    pub(super) fn restore(&mut self, mut attempt: Try, now: Moment) {
        attempt.made = attempt.made.min(now.steady);
        let keys = keys(&attempt);
        self.in_flight.restore(attempt);
        for (scope, key) in keys {
            self.waiting.lost(&scope, &key);
        }
    }

    /// When it wants to be asked again.
    pub(super) fn due(&self) -> Option<Duration> {
        let new = self.new_opens();
        let last_is_for_new = self.throttle.room().0 == 1;
        let again = self.repeatable().and_then(|_| self.throttle.opens(self.in_flight.count()));
        let again = again.filter(|again| !(last_is_for_new && new.is_some_and(|new| new <= *again)));
        let untold = (self.health.failing.is_some() && self.told.is_none()).then_some(Duration::ZERO);
        let health = untold.or_else(|| self.health.due(&self.seen()));
        [new, again, self.waiting.due(), self.in_flight.due(), health].into_iter().flatten().min()
    }

    fn seen(&self) -> ChannelInput<'_> {
        ChannelInput {
            name: &self.policy.name,
            wakes: self.policy.wakes,
            due: self.waiting.oldest_ring(),
            known: self.known,
            taken: self.taken,
            mended: self.mended,
            last_error: self.last_error.as_ref(),
        }
    }

    /// The fact of the channel, if it changed.
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

    pub(super) fn backlog(&self) -> ChannelBacklog {
        let in_flight = self.in_flight.count();
        ChannelBacklog {
            channel: Arc::clone(&self.policy.name),
            kind: self.policy.kind,
            due: self.waiting.len(),
            in_flight,
            unknown: self.in_flight.unknown(),
            page_since: self.waiting.oldest_page(),
            taken: self.taken,
            last_error: self.last_error.clone(),
            away: self.throttle.is_away(),
        }
    }

    /// The channel was removed. Returns its open tries, and a well fact if a failing one was emitted.
    pub(super) fn removed(self) -> (Vec<Try>, Option<Fact>) {
        let fact = self.told.is_some().then(|| well(&self.policy.name));
        (self.in_flight.into_tries(), fact)
    }
}

/// The fact of a well channel.
fn well(name: &Arc<str>) -> Fact {
    Fact::well(FactKey::Channel(Arc::clone(name)), Scope::Channel(Arc::clone(name)))
}

/// Whether the rate limit applies to a class. Alertmanager groups alerts by itself, and each PagerDuty key has to be ended
/// singly.
fn is_limited(policy: &ChannelPolicy, class: Class) -> bool {
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
