//! The outbox: which message may leave when, and what becomes of one that does not get through. Pure.
//!
//! Messages of one incident to one channel form a lane and leave in order; lanes do not wait for each other. It owns
//! every message that is not delivered yet. Times are steady and since a fixed moment; the wall clock is only written down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Action, Notice, Occasion};
use crate::history::{DeliveryRow, DeliveryState, MessageRow};
use crate::plan::Severity;

use super::effects::{Effects, News, Tally};
use super::letter::{Letter, Trouble};

/// Messages on their way to one channel at once.
const PER_CHANNEL: usize = 8;

/// A message that is not through after so long is given up.
pub(super) const GIVE_UP: Duration = Duration::from_hours(24);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Now: by the steady clock, which everything goes by, and by the wall clock, which is written down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// Since a moment more than [`GIVE_UP`] before the process began.
    pub(super) steady: Duration,
    /// Milliseconds since the epoch.
    pub(super) wall_ms: i64,
}

/// The channel, then the incident.
type LaneKey = (Arc<str>, String);

/// One message that waits or is on its way.
#[derive(Debug)]
struct Entry {
    id: String,
    notice: Arc<Notice>,
    taken: Vec<String>,
    attempts: u32,
    /// When it was made.
    born: Duration,
    /// When it may be tried.
    next: Duration,
    flying: bool,
    escalated: bool,
    error: Option<String>,
}

impl Entry {
    /// Whether somebody is to be woken by it.
    fn is_page(&self) -> bool {
        self.notice.action == Action::Trigger && self.notice.severity >= Severity::Page
    }

    /// Whether it must reach other channels if it does not get through. A copy for another channel makes no further copies.
    fn may_escalate(&self) -> bool {
        self.is_page() && !self.escalated && self.notice.occasion != Occasion::Undelivered
    }

    /// Whether a newer message makes it needless: it only repeats, with older facts, what the newer one says.
    fn is_replaced_by(&self, newer: &Notice) -> bool {
        let repeats = match self.notice.action {
            Action::Trigger => !matches!(self.notice.occasion, Occasion::Opened | Occasion::Critical | Occasion::Undelivered),
            Action::Acknowledge => true,
            Action::Resolve => false,
        };
        repeats && !self.flying && self.notice.key == newer.key && self.notice.action == newer.action
    }
}

/// Every message that is not delivered yet.
#[derive(Debug)]
pub(super) struct Outbox {
    channels: BTreeSet<Arc<str>>,
    escalate_after: Duration,
    lanes: BTreeMap<LaneKey, VecDeque<Entry>>,
    /// Channels whose receiver asked for quiet, and until when.
    holds: BTreeMap<Arc<str>, Duration>,
    /// Channels that refused a page for good and have taken nothing since.
    broken: BTreeSet<Arc<str>>,
    /// Channels that were told of a key in another's stead, and must hear how it ends.
    stand_ins: BTreeMap<String, BTreeSet<Arc<str>>>,
}

impl Outbox {
    pub(super) fn new(channels: impl IntoIterator<Item = Arc<str>>, escalate_after: Duration) -> Self {
        Self {
            channels: channels.into_iter().collect(),
            escalate_after,
            lanes: BTreeMap::new(),
            holds: BTreeMap::new(),
            broken: BTreeSet::new(),
            stand_ins: BTreeMap::new(),
        }
    }

    /// Takes over changed channels. What waits for one that is gone is given up.
    pub(super) fn apply(&mut self, channels: impl IntoIterator<Item = Arc<str>>, escalate_after: Duration, now: Now) -> Effects {
        self.channels = channels.into_iter().collect();
        self.escalate_after = escalate_after;
        // Changed settings may be what a refused or held channel was waiting for.
        self.holds.clear();
        self.broken.clear();
        let mut effects = Effects::default();
        let gone: Vec<LaneKey> = self.lanes.keys().filter(|(channel, _)| !self.channels.contains(channel)).cloned().collect();
        for lane in gone {
            while self.lanes.get(&lane).and_then(VecDeque::front).is_some_and(|head| !head.flying) {
                self.bury(&lane, "the channel is no longer in the configuration", now, &mut effects);
            }
        }
        effects
    }

    /// Takes messages, in the order of their ids. Rows that are delivered only tell which channels stand in for others.
    pub(super) fn offer(&mut self, rows: Vec<MessageRow>, now: Now) -> Effects {
        let mut effects = Effects::default();
        // Copies for other channels that were made before a restart: their originals do not need any more.
        let copied: BTreeSet<String> =
            rows.iter().filter_map(|row| row.id.split_once('-')).map(|(original, _)| original.to_owned()).collect();
        for row in rows {
            let notice: Notice = match serde_json::from_str(&row.notice) {
                Ok(notice) => notice,
                Err(error) => {
                    tracing::error!(message = row.id, %error, "a message in the outbox cannot be read and is given up");
                    effects.deliveries.push(delivery(
                        &row.id,
                        DeliveryState::Dead,
                        row.attempts,
                        now,
                        Some("unreadable".to_owned()),
                    ));
                    continue;
                }
            };
            let channel: Arc<str> = row.channel.as_str().into();
            if row.state == DeliveryState::Delivered && notice.action == Action::Resolve {
                self.stand_ins.remove(&notice.key);
            } else if notice.occasion == Occasion::Undelivered {
                self.stand_ins.entry(notice.key.clone()).or_default().insert(Arc::clone(&channel));
            }
            if row.state != DeliveryState::Pending {
                continue;
            }
            self.forward(&row, &channel, &notice, now, &mut effects);
            let escalated = copied.contains(&row.id);
            self.take_in(row, notice, escalated, now, &mut effects);
        }
        effects
    }

    fn take_in(&mut self, row: MessageRow, notice: Notice, escalated: bool, now: Now, effects: &mut Effects) {
        let age = Duration::from_millis(u64::try_from(now.wall_ms.saturating_sub(row.created_ms)).unwrap_or(0)).min(GIVE_UP);
        let mut entry = Entry {
            id: row.id,
            notice: Arc::new(notice),
            taken: Vec::new(),
            attempts: row.attempts,
            born: now.steady.saturating_sub(age),
            next: now.steady,
            flying: false,
            escalated,
            error: None,
        };
        let key: LaneKey = (row.channel.into(), row.incident);
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.iter().any(|waiting| waiting.id == entry.id) {
            return;
        }
        lane.retain(|older| {
            let replaced = older.is_replaced_by(&entry.notice);
            if replaced {
                // The newer one goes on where the older one was, or a stream of updates would put off its escalation for ever.
                entry.born = entry.born.min(older.born);
                entry.next = entry.next.max(older.next);
                entry.escalated |= older.escalated;
                effects.deliveries.push(delivery(&older.id, DeliveryState::Superseded, older.attempts, now, None));
            }
            !replaced
        });
        lane.push_back(entry);
        if !self.channels.contains(&key.0) {
            while self.lanes.contains_key(&key) {
                self.bury(&key, "there is no such channel in the configuration", now, effects);
            }
        }
    }

    /// Sends what becomes of a key also to the channels that were told of it in another's stead.
    fn forward(&mut self, row: &MessageRow, channel: &Arc<str>, notice: &Notice, now: Now, effects: &mut Effects) {
        if notice.action == Action::Trigger {
            return;
        }
        let Some(channels) = self.stand_ins.get(&notice.key) else { return };
        let targets: Vec<Arc<str>> = channels.iter().filter(|stand_in| *stand_in != channel).cloned().collect();
        if notice.action == Action::Resolve {
            self.stand_ins.remove(&notice.key);
        }
        for target in targets {
            let copy = copy_for(&target, &row.id, &row.incident, notice, now);
            effects.messages.push(copy.clone());
            self.take_in(copy, notice.clone(), false, now, effects);
        }
    }

    /// The messages that may leave now; they are on their way from here on.
    pub(super) fn depart(&mut self, now: Now) -> Vec<Letter> {
        let mut flying = self.flying();
        self.holds.retain(|_, until| *until > now.steady);
        let holds = &self.holds;
        let mut ready: Vec<(&LaneKey, &mut Entry)> = self
            .lanes
            .iter_mut()
            .filter(|((channel, _), _)| !holds.contains_key(channel))
            .filter_map(|(key, lane)| lane.front_mut().map(|head| (key, head)))
            .filter(|(_, head)| !head.flying && head.next <= now.steady)
            .collect();
        // What wakes somebody goes first, then what is older.
        ready.sort_by_key(|(_, head)| (!head.is_page(), std::cmp::Reverse(head.notice.severity), head.born));
        let mut letters = Vec::new();
        for ((channel, incident), head) in ready {
            let flying = flying.entry(Arc::clone(channel)).or_default();
            if *flying < PER_CHANNEL {
                *flying += 1;
                head.flying = true;
                letters.push(Letter {
                    id: head.id.clone(),
                    incident: incident.clone(),
                    channel: Arc::clone(channel),
                    notice: Arc::clone(&head.notice),
                    taken: head.taken.clone(),
                });
            }
        }
        letters
    }

    /// Messages on their way, by channel.
    fn flying(&self) -> BTreeMap<Arc<str>, usize> {
        let mut flying: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        for ((channel, _), lane) in &self.lanes {
            if lane.front().is_some_and(|head| head.flying) {
                *flying.entry(Arc::clone(channel)).or_default() += 1;
            }
        }
        flying
    }

    /// What came of a letter. `chance` in 0..1 spreads the next tries.
    pub(super) fn landed(&mut self, letter: &Letter, result: Result<(), Trouble>, chance: f64, now: Now) -> Effects {
        let mut effects = Effects::default();
        let lane = (Arc::clone(&letter.channel), letter.incident.clone());
        let known = self.channels.contains(&letter.channel);
        let Some(head) = self.lanes.get_mut(&lane).and_then(VecDeque::front_mut).filter(|head| head.id == letter.id) else {
            return effects;
        };
        head.flying = false;
        head.attempts = head.attempts.saturating_add(1);
        match result {
            Ok(()) => self.delivered(&lane, now, &mut effects),
            Err(trouble) => {
                let old = now.steady.saturating_sub(head.born) >= GIVE_UP;
                head.taken.extend(trouble.taken);
                head.error = Some(trouble.message.clone());
                if trouble.again && !old && known {
                    head.next = now.steady + pause(head.attempts, chance);
                    let row = delivery(&head.id, DeliveryState::Pending, head.attempts, now, Some(trouble.message));
                    effects.deliveries.push(row);
                    effects.tallies.push((Arc::clone(&lane.0), Tally::Retried));
                    if let Some(hold) = trouble.hold {
                        self.holds.insert(lane.0, now.steady + hold.min(Trouble::LONGEST_HOLD));
                    }
                } else {
                    self.bury(&lane, &trouble.message, now, &mut effects);
                    while !known && self.lanes.contains_key(&lane) {
                        self.bury(&lane, "the channel is no longer in the configuration", now, &mut effects);
                    }
                }
            }
        }
        effects
    }

    fn delivered(&mut self, lane: &LaneKey, now: Now, effects: &mut Effects) {
        let Some(head) = self.take_head(lane) else { return };
        self.broken.remove(&lane.0);
        effects.deliveries.push(delivery(&head.id, DeliveryState::Delivered, head.attempts, now, None));
        effects.tallies.push((Arc::clone(&lane.0), Tally::Delivered));
        effects.news.push(News::Delivered {
            message: head.id,
            incident: lane.1.clone(),
            key: head.notice.key.clone(),
            channel: Arc::clone(&lane.0),
            action: head.notice.action,
        });
    }

    /// Gives up the first message of a lane.
    fn bury(&mut self, lane: &LaneKey, why: &str, now: Now, effects: &mut Effects) {
        let Some(head) = self.take_head(lane) else { return };
        if head.is_page() && self.channels.contains(&lane.0) {
            self.broken.insert(Arc::clone(&lane.0));
        }
        let mut told = Vec::new();
        if head.may_escalate() {
            let after = self.lanes.get(lane).map(|lane| sequels(&head, lane.iter())).unwrap_or_default();
            told = self.escalate(lane, &head, &after, why, now, effects);
        }
        effects.deliveries.push(delivery(&head.id, DeliveryState::Dead, head.attempts, now, Some(why.to_owned())));
        effects.tallies.push((Arc::clone(&lane.0), Tally::Dead));
        effects.news.push(undelivered(lane, &head, true, why, told));
    }

    fn take_head(&mut self, lane: &LaneKey) -> Option<Entry> {
        let entries = self.lanes.get_mut(lane)?;
        let head = entries.pop_front();
        if entries.is_empty() {
            self.lanes.remove(lane);
        }
        head
    }

    /// Sends pages that have waited for too long to the other channels.
    pub(super) fn escalate_late(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let after = self.escalate_after;
        let is_late = |entry: &Entry| entry.may_escalate() && entry.born + after <= now.steady;
        let lanes: Vec<LaneKey> =
            self.lanes.iter().filter(|(_, lane)| lane.iter().any(is_late)).map(|(key, _)| key.clone()).collect();
        for key in lanes {
            // The lane is taken out, so that copies for other lanes can be put in.
            let Some(mut lane) = self.lanes.remove(&key) else { continue };
            for at in 0..lane.len() {
                let Some(entry) = lane.get(at).filter(|entry| is_late(entry)) else { continue };
                let why = entry.error.clone().unwrap_or_else(|| "it has not been its turn".to_owned());
                let after = sequels(entry, lane.range(at + 1..));
                let told = self.escalate(&key, entry, &after, &why, now, &mut effects);
                effects.news.push(undelivered(&key, entry, false, &why, told));
                if let Some(entry) = lane.get_mut(at) {
                    entry.escalated = true;
                }
            }
            self.lanes.insert(key, lane);
        }
        effects
    }

    /// Copies for every other channel but those that have not got their own message of the key through either. `after` is what
    /// already waits behind the page and tells how its key goes on: a channel that hears of the key now must hear of that too.
    fn escalate(
        &mut self,
        lane: &LaneKey,
        entry: &Entry,
        after: &[(String, Arc<Notice>)],
        why: &str,
        now: Now,
        effects: &mut Effects,
    ) -> Vec<Arc<str>> {
        let waits = |channel: &Arc<str>| {
            let own = self.lanes.get(&(Arc::clone(channel), lane.1.clone()));
            own.is_some_and(|own| own.iter().any(|own| own.is_page() && own.notice.key == entry.notice.key))
        };
        let told: Vec<Arc<str>> = self.channels.iter().filter(|other| **other != lane.0 && !waits(other)).cloned().collect();
        if told.is_empty() {
            return told;
        }
        let mut notice = Notice::clone(&entry.notice);
        notice.occasion = Occasion::Undelivered;
        notice.notes.push(format!("The channel `{}` has not taken this page: {why}", lane.0));
        let mut copies = Vec::new();
        for channel in &told {
            copies.push((copy_for(channel, &entry.id, &lane.1, &notice, now), notice.clone()));
            if self.stand_ins.entry(notice.key.clone()).or_default().insert(Arc::clone(channel)) {
                for (id, sequel) in after {
                    let mut copy = copy_for(channel, id, &lane.1, sequel, now);
                    copy.id = format!("{}-{}", copy.id, entry.id);
                    copies.push((copy, Notice::clone(sequel)));
                }
            }
        }
        for (copy, notice) in copies {
            effects.messages.push(copy.clone());
            self.take_in(copy, notice, false, now, effects);
        }
        if after.iter().any(|(_, sequel)| sequel.action == Action::Resolve) {
            self.stand_ins.remove(&notice.key);
        }
        effects.tallies.push((Arc::clone(&lane.0), Tally::Escalated));
        told
    }

    /// When there is something to do next, unless something lands before. In the past if something could leave now.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let flying = self.flying();
        let tries = self.lanes.iter().filter_map(|((channel, _), lane)| {
            let head = lane.front().filter(|head| !head.flying)?;
            if flying.get(channel).is_some_and(|count| *count >= PER_CHANNEL) {
                return None;
            }
            Some(self.holds.get(channel).map_or(head.next, |until| head.next.max(*until)))
        });
        let late =
            self.lanes.values().flatten().filter(|entry| entry.may_escalate()).map(|entry| entry.born + self.escalate_after);
        tries.chain(late).min()
    }

    /// Messages that are not delivered, by channel; channels without any are listed too.
    pub(super) fn pending(&self) -> Vec<(Arc<str>, usize)> {
        let mut pending: BTreeMap<Arc<str>, usize> = self.channels.iter().map(|channel| (Arc::clone(channel), 0)).collect();
        for ((channel, _), lane) in &self.lanes {
            *pending.entry(Arc::clone(channel)).or_default() += lane.len();
        }
        pending.into_iter().collect()
    }

    /// When the oldest message was made.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.lanes.values().flatten().map(|entry| entry.born).min()
    }

    /// When the oldest page was made that is not delivered.
    pub(super) fn oldest_page(&self) -> Option<Duration> {
        self.lanes.values().flatten().filter(|entry| entry.is_page()).map(|entry| entry.born).min()
    }

    /// Channels that refused a page for good and have taken nothing since.
    pub(super) fn broken(&self) -> Vec<Arc<str>> {
        self.broken.iter().cloned().collect()
    }
}

/// The pause after so many failed tries: between one second and twice as much for each, a minute at most, and spread evenly in
/// between, so that many messages do not come back together.
fn pause(attempts: u32, chance: f64) -> Duration {
    let most = Duration::from_secs(1_u64 << attempts.clamp(1, 16)).min(LONGEST_PAUSE);
    Duration::from_secs(1) + most.saturating_sub(Duration::from_secs(1)).mul_f64(chance)
}

/// What waits behind a page and tells how its key goes on.
fn sequels<'a>(page: &Entry, behind: impl Iterator<Item = &'a Entry>) -> Vec<(String, Arc<Notice>)> {
    behind
        .filter(|entry| entry.notice.key == page.notice.key && entry.notice.action != Action::Trigger)
        .map(|entry| (entry.id.clone(), Arc::clone(&entry.notice)))
        .collect()
}

/// A message for another channel. Its id follows from the original's, so that it is the same one after a crash.
fn copy_for(channel: &str, original: &str, incident: &str, notice: &Notice, now: Now) -> MessageRow {
    MessageRow {
        id: format!("{original}-{channel}"),
        incident: incident.to_owned(),
        key: notice.key.clone(),
        channel: channel.to_owned(),
        created_ms: now.wall_ms,
        notice: serde_json::to_string(notice).expect("a notice has only text and numbers in it"),
        attempts: 0,
        state: DeliveryState::Pending,
    }
}

fn delivery(id: &str, state: DeliveryState, attempts: u32, now: Now, error: Option<String>) -> DeliveryRow {
    DeliveryRow { id: id.to_owned(), state, attempts, at_ms: now.wall_ms, error }
}

fn undelivered(lane: &LaneKey, entry: &Entry, dead: bool, error: &str, told: Vec<Arc<str>>) -> News {
    News::Undelivered {
        message: entry.id.clone(),
        incident: lane.1.clone(),
        key: entry.notice.key.clone(),
        channel: Arc::clone(&lane.0),
        dead,
        error: error.to_owned(),
        told,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{notice, row};
    use super::*;

    const WALL: i64 = 1_700_000_120_000;

    fn at(seconds: u64) -> Now {
        let steady = GIVE_UP * 2 + Duration::from_secs(seconds);
        Now { steady, wall_ms: WALL + i64::try_from(seconds * 1_000).unwrap() }
    }

    fn outbox(channels: &[&str]) -> Outbox {
        Outbox::new(channels.iter().map(|name| Arc::from(*name)), Duration::from_mins(5))
    }

    fn with(key: &str, action: Action, occasion: Occasion) -> Notice {
        Notice { action, occasion, ..notice(key) }
    }

    /// The ids that leave.
    fn ids(letters: &[Letter]) -> Vec<&str> {
        letters.iter().map(|letter| letter.id.as_str()).collect()
    }

    fn fail() -> Result<(), Trouble> {
        Err(Trouble::passing("it answered 500"))
    }

    /// Lets everything that may leave arrive, until nothing may leave any more; tells where it went.
    fn deliver_all(outbox: &mut Outbox, now: Now) -> Vec<(String, String)> {
        let mut arrived = Vec::new();
        loop {
            let letters = outbox.depart(now);
            if letters.is_empty() {
                return arrived;
            }
            for letter in letters {
                arrived.push((letter.channel.to_string(), letter.id.clone()));
                outbox.landed(&letter, Ok(()), 0.5, now);
            }
        }
    }

    #[test]
    fn messages_of_one_incident_to_one_channel_leave_in_order_and_a_resolve_waits_for_its_trigger() {
        let mut outbox = outbox(&["a"]);
        let (trigger, resolve) = (notice("k/1"), with("k/1", Action::Resolve, Occasion::Resolved));
        outbox.offer(vec![row("1", "i", "a", &trigger), row("2", "i", "a", &resolve)], at(0));
        let first = outbox.depart(at(0));
        assert_eq!(ids(&first), ["1"]);
        assert!(outbox.depart(at(0)).is_empty(), "the second waits while the first is on its way");
        outbox.landed(&first[0], fail(), 0.0, at(0));
        assert!(outbox.depart(at(0)).is_empty(), "and while the first waits for its next try");
        let again = outbox.depart(at(1));
        assert_eq!(ids(&again), ["1"]);
        outbox.landed(&again[0], Ok(()), 0.0, at(1));
        assert_eq!(ids(&outbox.depart(at(1))), ["2"]);
    }

    #[test]
    fn incidents_do_not_wait_for_each_other_but_a_channel_is_not_flooded() {
        let mut outbox = outbox(&["a", "b"]);
        let rows = (0..20).map(|number| row(&format!("{number:02}"), &format!("i{number}"), "a", &notice("k")));
        outbox.offer(rows.chain([row("99", "i0", "b", &notice("k"))]).collect(), at(0));
        let letters = outbox.depart(at(0));
        assert_eq!(letters.iter().filter(|letter| &*letter.channel == "a").count(), PER_CHANNEL);
        assert_eq!(letters.iter().filter(|letter| &*letter.channel == "b").count(), 1);
        assert!(outbox.next_due().unwrap() > at(0).steady, "nothing is due that has no room, or the task would spin");
        outbox.landed(&letters[0], Ok(()), 0.0, at(0));
        assert_eq!(outbox.depart(at(0)).len(), 1);
    }

    #[test]
    fn critical_pages_go_before_warnings() {
        let mut outbox = outbox(&["a"]);
        let (warn, critical) =
            (Notice { severity: Severity::Warn, ..notice("w") }, Notice { severity: Severity::Critical, ..notice("c") });
        outbox.offer(vec![row("1", "i1", "a", &warn), row("2", "i2", "a", &notice("p")), row("3", "i3", "a", &critical)], at(0));
        assert_eq!(ids(&outbox.depart(at(0))), ["3", "2", "1"]);
    }

    #[test]
    fn pauses_grow_from_a_second_to_a_minute() {
        let bounds = |attempts| (pause(attempts, 0.0).as_secs(), pause(attempts, 1.0).as_secs());
        assert_eq!([1, 2, 3, 5, 6, 1_000].map(bounds), [(1, 2), (1, 4), (1, 8), (1, 32), (1, 60), (1, 60)]);
    }

    #[test]
    fn a_refused_page_is_dead_at_once_and_goes_to_the_other_channels_once() {
        let mut outbox = outbox(&["a", "b", "c"]);
        outbox.offer(vec![row("1", "i", "a", &notice("k"))], at(0));
        let letters = outbox.depart(at(0));
        let effects = outbox.landed(&letters[0], Err(Trouble::lasting("it answered 404")), 0.0, at(0));
        assert_eq!(effects.deliveries[0].state, DeliveryState::Dead);
        assert_eq!(effects.messages.iter().map(|copy| copy.id.as_str()).collect::<Vec<_>>(), ["1-b", "1-c"]);
        let News::Undelivered { dead: true, told, key, .. } = &effects.news[0] else { panic!("{effects:?}") };
        assert_eq!((told.len(), key.as_str()), (2, "k"));
        assert_eq!(outbox.broken().len(), 1);
        let copies = outbox.depart(at(0));
        assert_eq!((copies[0].notice.occasion, copies[0].notice.key.as_str()), (Occasion::Undelivered, "k"));
        assert!(copies[0].notice.notes[0].contains("`a` has not taken this page: it answered 404"));
        let effects = outbox.landed(&copies[0], Err(Trouble::lasting("it answered 404")), 0.0, at(0));
        assert!(effects.messages.is_empty(), "a copy makes no copies");
    }

    #[test]
    fn a_page_that_waits_for_five_minutes_goes_to_the_others_once_and_they_hear_how_it_ends() {
        let mut outbox = outbox(&["a", "b"]);
        outbox.offer(vec![row("1", "i", "a", &notice("k"))], at(0));
        for second in [0, 100, 200, 299] {
            for letter in outbox.depart(at(second)) {
                outbox.landed(&letter, fail(), 1.0, at(second));
            }
            assert!(outbox.escalate_late(at(second)).messages.is_empty());
        }
        assert!(outbox.next_due().unwrap() <= at(300).steady);
        let effects = outbox.escalate_late(at(300));
        assert_eq!(effects.messages.len(), 1);
        assert!(matches!(&effects.news[0], News::Undelivered { dead: false, error, .. } if error == "it answered 500"));
        assert!(outbox.escalate_late(at(301)).messages.is_empty(), "once is enough");
        assert_eq!(deliver_all(&mut outbox, at(400)), [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "1-b".to_owned())]);
        let resolve = with("k", Action::Resolve, Occasion::Resolved);
        let effects = outbox.offer(vec![row("2", "i", "a", &resolve)], at(500));
        assert_eq!(effects.messages[0].id, "2-b", "the copy is written down too");
        assert_eq!(deliver_all(&mut outbox, at(500)), [("a".to_owned(), "2".to_owned()), ("b".to_owned(), "2-b".to_owned())]);
        let effects = outbox.offer(vec![row("3", "i", "a", &resolve)], at(600));
        assert!(effects.messages.is_empty(), "the key has ended for the stand-in");
    }

    #[test]
    fn an_end_that_waits_behind_its_page_follows_it_to_the_other_channels() {
        let mut outbox = outbox(&["a", "b"]);
        let (trigger, resolve) = (notice("k"), with("k", Action::Resolve, Occasion::Resolved));
        outbox.offer(vec![row("1", "i", "a", &trigger), row("2", "i", "a", &resolve)], at(0));
        let copies: Vec<String> = outbox.escalate_late(at(300)).messages.into_iter().map(|copy| copy.id).collect();
        assert_eq!(copies, ["1-b", "2-b-1"]);
        let to_b: Vec<_> = deliver_all(&mut outbox, at(300)).into_iter().filter(|(channel, _)| channel == "b").collect();
        assert_eq!(to_b, [("b".to_owned(), "1-b".to_owned()), ("b".to_owned(), "2-b-1".to_owned())]);
    }

    #[test]
    fn warnings_and_ends_ring_nowhere_else() {
        let mut outbox = outbox(&["a", "b"]);
        let warn = Notice { severity: Severity::Warn, ..notice("w") };
        let end = with("k", Action::Resolve, Occasion::Resolved);
        outbox.offer(vec![row("1", "i1", "a", &warn), row("2", "i2", "a", &end)], at(0));
        assert!(outbox.escalate_late(at(10_000)).messages.is_empty());
        for letter in outbox.depart(at(0)) {
            assert!(outbox.landed(&letter, Err(Trouble::lasting("no")), 0.0, at(0)).messages.is_empty());
        }
        assert!(outbox.broken().is_empty());
    }

    #[test]
    fn of_the_updates_of_a_key_only_the_newest_waits_and_it_inherits_the_older_ones_clock() {
        let mut outbox = outbox(&["a", "b"]);
        let update = with("k", Action::Trigger, Occasion::Spread);
        outbox.offer(vec![row("1", "i", "a", &notice("k")), row("2", "i", "a", &update)], at(0));
        let mut effects = Effects::default();
        for (second, id) in [(60, "3"), (120, "4"), (180, "5")] {
            let newer = row(id, "i", "a", &Notice { at_ms: at(second).wall_ms, ..update.clone() });
            effects = outbox.offer(vec![newer], at(second));
        }
        assert_eq!((effects.deliveries[0].id.as_str(), effects.deliveries[0].state), ("4", DeliveryState::Superseded));
        assert_eq!(outbox.pending()[0].1, 2, "the opening and the newest update");
        let late = outbox.escalate_late(at(300));
        assert_eq!(late.news.len(), 2, "the update is as old as the first one it stands for: {late:?}");
        let to_a: Vec<_> = deliver_all(&mut outbox, at(300)).into_iter().filter(|(channel, _)| channel == "a").collect();
        assert_eq!(to_a, [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "5".to_owned())]);
    }

    #[test]
    fn an_update_of_another_key_supersedes_nothing() {
        let mut outbox = outbox(&["a"]);
        let rows = ["k/1", "k/2"].map(|key| row(key, "i", "a", &with(key, Action::Trigger, Occasion::Spread)));
        assert!(outbox.offer(rows.into(), at(0)).deliveries.is_empty());
    }

    #[test]
    fn after_a_day_a_message_is_dead() {
        let mut outbox = outbox(&["a"]);
        outbox.offer(vec![row("1", "i", "a", &notice("k"))], at(0));
        let day = GIVE_UP.as_secs();
        for (second, state) in [(day - 60, DeliveryState::Pending), (day, DeliveryState::Dead)] {
            let letters = outbox.depart(at(second));
            assert_eq!(outbox.landed(&letters[0], fail(), 0.0, at(second)).deliveries[0].state, state);
        }
    }

    #[test]
    fn a_receiver_that_asks_for_quiet_is_left_alone_by_all_messages() {
        let mut outbox = outbox(&["a"]);
        outbox.offer(vec![row("1", "i1", "a", &notice("k1"))], at(0));
        let letters = outbox.depart(at(0));
        let trouble = Trouble { hold: Some(Duration::from_mins(2)), ..Trouble::passing("it answered 429") };
        outbox.landed(&letters[0], Err(trouble), 0.0, at(0));
        outbox.offer(vec![row("2", "i2", "a", &notice("k2"))], at(10));
        assert!(outbox.depart(at(119)).is_empty());
        assert_eq!(outbox.next_due(), Some(at(120).steady));
        assert_eq!(outbox.depart(at(120)).len(), 2);
    }

    #[test]
    fn what_an_earlier_process_left_is_sent_at_once_with_its_key_and_age_and_is_not_escalated_again() {
        let mut outbox = outbox(&["a", "b"]);
        let mut old = row("1", "i", "a", &notice("k"));
        (old.attempts, old.created_ms) = (7, at(0).wall_ms - 400_000);
        let mut copy = copy_for("b", "1", "i", &with("k", Action::Trigger, Occasion::Undelivered), at(0));
        copy.state = DeliveryState::Delivered;
        outbox.offer(vec![old, copy], at(0));
        assert!(outbox.escalate_late(at(0)).messages.is_empty());
        let letters = outbox.depart(at(0));
        assert_eq!((letters.len(), letters[0].notice.key.as_str()), (1, "k"));
        assert_eq!(outbox.landed(&letters[0], Ok(()), 0.0, at(0)).deliveries[0].attempts, 8);
        let effects = outbox.offer(vec![row("2", "i", "a", &with("k", Action::Resolve, Occasion::Resolved))], at(1));
        assert_eq!(effects.messages[0].channel, "b", "the stand-in of before the restart hears of the end");
    }

    #[test]
    fn a_wall_clock_that_is_set_changes_nothing() {
        let mut outbox = outbox(&["a", "b"]);
        outbox.offer(vec![row("1", "i", "a", &notice("k"))], at(0));
        let letters = outbox.depart(at(0));
        let set = |second, hours: i64| Now { wall_ms: at(second).wall_ms + hours * 3_600_000, ..at(second) };
        outbox.landed(&letters[0], fail(), 0.0, set(0, 1));
        assert_eq!(outbox.depart(set(1, -1)).len(), 1);
        assert!(outbox.escalate_late(set(2, 24)).messages.is_empty());
        outbox.offer(vec![row("2", "j", "a", &notice("future"))], set(3, -1));
        assert_eq!(outbox.oldest(), Some(at(0).steady));
    }

    #[test]
    fn what_waits_for_a_channel_that_is_gone_goes_to_the_others() {
        let mut outbox = outbox(&["a", "b"]);
        outbox.offer(vec![row("1", "i", "a", &notice("k"))], at(0));
        let effects = outbox.apply([Arc::from("b")], Duration::from_mins(5), at(1));
        assert_eq!((effects.deliveries[0].state, effects.messages[0].id.as_str()), (DeliveryState::Dead, "1-b"));
        let effects = outbox.offer(vec![row("2", "j", "a", &notice("l"))], at(2));
        assert_eq!(effects.messages[0].id, "2-b");
        assert!(outbox.broken().is_empty(), "a channel that is not there cannot be out of order");
    }

    #[derive(Debug, Clone)]
    enum Op {
        Offer { incident: u8, channel: u8, action: Action },
        Depart,
        Land { pick: u8, ok: bool, lasting: bool },
        Wait(u16),
    }

    fn op() -> impl Strategy<Value = Op> {
        let action = prop_oneof![Just(Action::Trigger), Just(Action::Acknowledge), Just(Action::Resolve)];
        prop_oneof![
            (0..3_u8, 0..3_u8, action).prop_map(|(incident, channel, action)| Op::Offer { incident, channel, action }),
            Just(Op::Depart),
            (any::<u8>(), any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(pick, ok, lasting)| Op::Land {
                pick,
                ok,
                lasting
            }),
            (0..600_u16).prop_map(Op::Wait),
        ]
    }

    const CHANNELS: [&str; 3] = ["a", "b", "c"];

    proptest! {
        #[test]
        fn whatever_happens_each_message_ends_once_and_in_order(ops in prop::collection::vec(op(), 1..120)) {
            let mut outbox = outbox(&CHANNELS);
            let mut second = 0;
            let mut made = BTreeSet::new();
            let mut ended: BTreeMap<String, DeliveryState> = BTreeMap::new();
            let mut flying: Vec<Letter> = Vec::new();
            let mut arrived: BTreeMap<(Arc<str>, String), Vec<String>> = BTreeMap::new();
            // At the end every receiver is well again, and time goes on until nothing is left.
            let recovery = (0..400).flat_map(|_| [Op::Wait(61), Op::Depart, Op::Land { pick: 0, ok: true, lasting: false }]);
            for op in ops.into_iter().chain(recovery) {
                let effects = match op {
                    Op::Offer { incident, channel, action } => {
                        let occasion = if second % 2 == 0 { Occasion::Opened } else { Occasion::Spread };
                        let id = format!("{:05}", made.len());
                        made.insert(id.clone());
                        let notice = with(&format!("k{incident}"), action, occasion);
                        outbox.offer(vec![row(&id, &format!("i{incident}"), CHANNELS[usize::from(channel)], &notice)], at(second))
                    }
                    Op::Depart => {
                        flying.extend(outbox.depart(at(second)));
                        let mut lanes: Vec<_> = flying.iter().map(|letter| (&letter.channel, &letter.incident)).collect();
                        let all = lanes.len();
                        lanes.sort();
                        lanes.dedup();
                        prop_assert_eq!(lanes.len(), all, "two letters of one lane are on their way");
                        Effects::default()
                    }
                    Op::Land { pick, ok, lasting } => {
                        if flying.is_empty() { continue; }
                        let letter = flying.swap_remove(usize::from(pick) % flying.len());
                        let result = if ok { Ok(()) } else { Err(Trouble { again: !lasting, ..Trouble::passing("no") }) };
                        if ok {
                            arrived.entry((Arc::clone(&letter.channel), letter.incident.clone())).or_default().push(letter.id.clone());
                        }
                        outbox.landed(&letter, result, 0.5, at(second))
                    }
                    Op::Wait(seconds) => {
                        second += u64::from(seconds);
                        outbox.escalate_late(at(second))
                    }
                };
                made.extend(effects.messages.iter().map(|copy| copy.id.clone()));
                for delivery in effects.deliveries.iter().filter(|delivery| delivery.state != DeliveryState::Pending) {
                    prop_assert_eq!(ended.insert(delivery.id.clone(), delivery.state), None, "it ended twice");
                }
            }
            prop_assert_eq!(made.len(), ended.len(), "some message has no end");
            prop_assert_eq!(outbox.oldest(), None);
            for ids in arrived.values() {
                let own: Vec<_> = ids.iter().filter(|id| !id.contains('-')).collect();
                prop_assert!(own.is_sorted(), "{:?}", ids);
            }
        }
    }
}
