//! The task that drives the outbox: takes offers, sends what may leave, writes down and tells what came of it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use metrics::{counter, gauge};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::history::{Commit, DeliveryState, MessageRow};
use crate::outcome::Secrets;
use crate::plan::Alerting;

use super::effects::{Effects, News};
use super::http::HttpClient;
use super::letter::{Letter, Trouble};
use super::outbox::{GIVE_UP, Now, Outbox};
use super::post::PostOffice;

/// The gauges are brought up to date at least so often while something waits.
const REFRESH: Duration = Duration::from_secs(5);

/// Takes letters to their channels.
pub(super) trait Courier: Send + Sync + 'static {
    /// Delivers one letter, within the channel's own bound.
    fn deliver(&self, letter: Letter) -> BoxFuture<'static, Result<(), Trouble>>;

    /// Takes over changed channels and secrets.
    fn apply(&self, alerting: Arc<Alerting>, secrets: Arc<Secrets>);

    /// Learns of a message that was delivered before this process began and whose incident is still open.
    fn remember(&self, row: &MessageRow);

    /// Keeps going whatever must be kept going between deliveries; never ends.
    fn keep_alive(&self) -> BoxFuture<'static, ()>;
}

/// How much is not delivered.
#[derive(Debug, Clone, Default)]
pub struct Backlog {
    /// Messages by channel; channels without any are listed too.
    pub pending: Vec<(Arc<str>, usize)>,
    /// Channels that refused a page for good and have taken nothing since.
    pub broken: Vec<Arc<str>>,
    oldest_page: Option<Instant>,
    escalate_after: Duration,
}

impl Backlog {
    /// Every message that is not delivered.
    pub fn total(&self) -> usize {
        self.pending.iter().map(|(_, count)| count).sum()
    }

    /// How old the oldest page is that is not delivered.
    pub fn oldest_page(&self) -> Option<Duration> {
        self.oldest_page.map(|born| born.elapsed())
    }

    /// Whether pages get through: none waits for longer than `alerting.escalate_after`, no channel has refused its last one.
    pub fn is_healthy(&self) -> bool {
        self.broken.is_empty() && self.oldest_page().is_none_or(|age| age <= self.escalate_after)
    }
}

enum Ask {
    Offer(Vec<MessageRow>),
    Apply(Arc<Alerting>, Arc<Secrets>),
    Stop(Instant),
}

/// The outbox at work. Cheap to ask; nothing it is asked for blocks.
#[derive(Debug)]
pub struct Dispatcher {
    asks: mpsc::UnboundedSender<Ask>,
    backlog: watch::Receiver<Backlog>,
    task: JoinHandle<()>,
}

impl Dispatcher {
    /// Starts on the runtime it is called on, which must be a tokio runtime. `remembered` are messages of the store in the order of their ids: the pending ones are sent again under
    /// their old keys; those that are delivered and whose incident is open are kept alive where a channel needs that, and tell
    /// which channels must hear how a key ends. `record` mirrors the outbox in the store, `tell` hears what became
    /// of messages; neither may block.
    pub fn start(
        client: HttpClient,
        alerting: &Arc<Alerting>,
        secrets: &Arc<Secrets>,
        remembered: Vec<MessageRow>,
        record: impl FnMut(Commit) + Send + 'static,
        tell: impl FnMut(News) + Send + 'static,
    ) -> Self {
        let office = PostOffice::new(client, Arc::clone(alerting), Arc::clone(secrets));
        Self::start_with(office, alerting, remembered, record, tell)
    }

    fn start_with<C: Courier>(
        courier: C,
        alerting: &Arc<Alerting>,
        remembered: Vec<MessageRow>,
        record: impl FnMut(Commit) + Send + 'static,
        tell: impl FnMut(News) + Send + 'static,
    ) -> Self {
        let (asks, inbox) = mpsc::unbounded_channel();
        let (shown, backlog) = watch::channel(Backlog::default());
        for row in remembered.iter().filter(|row| row.state == DeliveryState::Delivered) {
            courier.remember(row);
        }
        let work = Work {
            // Times before the process began fit in front of now.
            begin: GIVE_UP * 2,
            origin: Instant::now(),
            courier,
            outbox: Outbox::new(alerting.channels.iter().map(|channel| Arc::clone(&channel.name)), alerting.escalate_after),
            escalate_after: alerting.escalate_after,
            flights: JoinSet::new(),
            letters: HashMap::new(),
            record: Box::new(record),
            tell: Box::new(tell),
            shown,
        };
        let task = tokio::spawn(async move {
            if AssertUnwindSafe(work.go_on(inbox, remembered)).catch_unwind().await.is_err() {
                // The runtime would keep a panic to itself, and a prober whose pages do not leave must not look alive.
                tracing::error!("the outbox panicked, which is a defect of the prober; the process ends");
                std::process::abort();
            }
        });
        Self { asks, backlog, task }
    }

    /// Takes messages that must leave; in order for each incident and channel.
    pub fn offer(&self, rows: Vec<MessageRow>) {
        if !rows.is_empty() {
            self.ask(Ask::Offer(rows));
        }
    }

    /// Takes over changed channels and secrets.
    pub fn apply(&self, alerting: Arc<Alerting>, secrets: Arc<Secrets>) {
        self.ask(Ask::Apply(alerting, secrets));
    }

    /// How much is not delivered.
    pub fn backlog(&self) -> Backlog {
        self.backlog.borrow().clone()
    }

    /// Reads the backlog from anywhere, also after the dispatcher has been given away.
    pub fn watch(&self) -> watch::Receiver<Backlog> {
        self.backlog.clone()
    }

    /// Stops when everything that may leave has been tried, at the latest after `within`; says how many messages are left. They
    /// are in the store and leave when the service starts again.
    pub async fn stop(self, within: Duration) -> usize {
        self.ask(Ask::Stop(Instant::now() + within));
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the outbox ended before it was asked to");
        }
        self.backlog.borrow().total()
    }

    fn ask(&self, ask: Ask) {
        // It only ends with the process, after it was asked to stop; what is offered then is in the store.
        let _ = self.asks.send(ask);
    }
}

struct Work<C> {
    begin: Duration,
    origin: Instant,
    courier: C,
    outbox: Outbox,
    escalate_after: Duration,
    flights: JoinSet<Result<(), Trouble>>,
    letters: HashMap<tokio::task::Id, Letter>,
    record: Box<dyn FnMut(Commit) + Send>,
    tell: Box<dyn FnMut(News) + Send>,
    shown: watch::Sender<Backlog>,
}

impl<C: Courier> Work<C> {
    async fn go_on(mut self, mut inbox: mpsc::UnboundedReceiver<Ask>, remembered: Vec<MessageRow>) {
        let mut keeping = self.courier.keep_alive();
        let effects = self.outbox.offer(remembered, self.now());
        self.carry_out(effects);
        let mut last = None;
        loop {
            self.depart();
            self.show();
            if last.is_some_and(|last| self.flights.is_empty() || Instant::now() >= last) {
                return;
            }
            let wake = self.wake(last);
            tokio::select! {
                ask = inbox.recv(), if last.is_none() => match ask {
                    Some(Ask::Offer(rows)) => {
                        let effects = self.outbox.offer(rows, self.now());
                        self.carry_out(effects);
                    }
                    Some(Ask::Apply(alerting, secrets)) => self.apply(&alerting, secrets),
                    Some(Ask::Stop(deadline)) => last = Some(deadline),
                    None => return,
                },
                Some(joined) = self.flights.join_next_with_id(), if !self.flights.is_empty() => self.landed(joined),
                () = &mut keeping => unreachable!("it never ends"),
                () = tokio::time::sleep_until(wake) => {
                    let effects = self.outbox.escalate_late(self.now());
                    self.carry_out(effects);
                }
            }
        }
    }

    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { steady: self.begin + self.origin.elapsed(), wall_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    fn instant(&self, steady: Duration) -> Option<Instant> {
        (self.origin + steady).checked_sub(self.begin)
    }

    fn wake(&self, last: Option<Instant>) -> Instant {
        let refresh = Instant::now() + REFRESH;
        let due = self.outbox.next_due().map(|due| self.instant(due).unwrap_or_else(Instant::now));
        [due, last].into_iter().flatten().fold(refresh, Instant::min)
    }

    fn apply(&mut self, alerting: &Arc<Alerting>, secrets: Arc<Secrets>) {
        self.courier.apply(Arc::clone(alerting), secrets);
        self.escalate_after = alerting.escalate_after;
        let names = alerting.channels.iter().map(|channel| Arc::clone(&channel.name));
        let effects = self.outbox.apply(names, alerting.escalate_after, self.now());
        self.carry_out(effects);
    }

    fn depart(&mut self) {
        for letter in self.outbox.depart(self.now()) {
            let flight = self.flights.spawn(self.courier.deliver(letter.clone()));
            self.letters.insert(flight.id(), letter);
        }
    }

    fn landed(&mut self, joined: Result<(tokio::task::Id, Result<(), Trouble>), tokio::task::JoinError>) {
        let (id, result) = match joined {
            Ok(landed) => landed,
            Err(error) => (error.id(), Err(Trouble::passing("the delivery panicked"))),
        };
        let Some(letter) = self.letters.remove(&id) else { return };
        if let Err(trouble) = &result {
            tracing::warn!(channel = &*letter.channel, message = letter.id, again = trouble.again, "not delivered: {trouble}");
        }
        let effects = self.outbox.landed(&letter, result, fastrand::f64(), self.now());
        self.carry_out(effects);
    }

    fn carry_out(&mut self, mut effects: Effects) {
        if let Some(commit) = effects.commit() {
            (self.record)(commit);
        }
        for (channel, tally) in effects.tallies {
            counter!("serinus_notifications_total", "channel" => channel.to_string(), "result" => tally.as_str()).increment(1);
        }
        for news in effects.news {
            if let News::Undelivered { message, channel, dead, error, told, .. } = &news {
                let told = told.join(", ");
                tracing::error!(message, channel = &**channel, dead, told, "a message does not get through: {error}");
            }
            (self.tell)(news);
        }
    }

    fn show(&self) {
        let now = self.now().steady;
        let pending = self.outbox.pending();
        for (channel, count) in &pending {
            #[expect(clippy::cast_precision_loss, reason = "there are fewer messages than 2⁵²")]
            gauge!("serinus_outbox_pending", "channel" => channel.to_string()).set(*count as f64);
        }
        let oldest = self.outbox.oldest().map_or(Duration::ZERO, |born| now.saturating_sub(born));
        gauge!("serinus_outbox_oldest_seconds").set(oldest.as_secs_f64());
        self.shown.send_replace(Backlog {
            pending,
            broken: self.outbox.broken(),
            oldest_page: self.outbox.oldest_page().and_then(|born| self.instant(born)),
            escalate_after: self.escalate_after,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::testing::{notice, row};
    use super::*;
    use crate::alert::{Action, Notice, Occasion};
    use crate::history::DeliveryRow;
    use crate::plan::{Channel, ChannelKind, Severity};

    /// Receivers that take everything, but for one that can be made ill.
    #[derive(Clone, Default)]
    struct Fake {
        ill: Arc<AtomicBool>,
        hangs: bool,
        tries: Arc<AtomicUsize>,
        arrived: Arc<Mutex<Vec<(String, String)>>>,
    }

    impl Courier for Fake {
        fn deliver(&self, letter: Letter) -> BoxFuture<'static, Result<(), Trouble>> {
            let fake = self.clone();
            async move {
                fake.tries.fetch_add(1, Ordering::SeqCst);
                if &*letter.channel == "pager" && fake.ill.load(Ordering::SeqCst) {
                    if fake.hangs {
                        tokio::time::sleep(Duration::from_secs(10)).await;
                    }
                    return Err(Trouble::passing("it answered 503"));
                }
                fake.arrived.lock().unwrap().push((letter.channel.to_string(), letter.id));
                Ok(())
            }
            .boxed()
        }

        fn apply(&self, _: Arc<Alerting>, _: Arc<Secrets>) {}

        fn remember(&self, _: &MessageRow) {}

        fn keep_alive(&self) -> BoxFuture<'static, ()> {
            std::future::pending().boxed()
        }
    }

    fn alerting() -> Arc<Alerting> {
        let channel = |name: &str| {
            let kind = ChannelKind::Slack { url: "slack".into(), channel: None };
            Arc::new(Channel { name: name.into(), least: Severity::Warn, wakes: true, timeout: Duration::from_secs(10), kind })
        };
        Arc::new(Alerting { channels: vec![channel("pager"), channel("chat")], ..Alerting::default() })
    }

    type Recorded = Arc<Mutex<Vec<DeliveryRow>>>;

    fn start(fake: &Fake, remembered: Vec<MessageRow>) -> (Dispatcher, Recorded, mpsc::UnboundedReceiver<News>) {
        let recorded = Recorded::default();
        let rows = Arc::clone(&recorded);
        let (tell, told) = mpsc::unbounded_channel();
        let record = move |commit: Commit| rows.lock().unwrap().extend(commit.deliveries);
        let dispatcher = Dispatcher::start_with(fake.clone(), &alerting(), remembered, record, move |news| {
            let _ = tell.send(news);
        });
        (dispatcher, recorded, told)
    }

    /// A page and its end, made now, for so many incidents.
    fn pages(incidents: usize) -> Vec<MessageRow> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let at_ms = i64::try_from(now).unwrap();
        (0..incidents)
            .flat_map(|number| {
                let opened = Notice { at_ms, ..notice(&format!("k{number}")) };
                let end = Notice { action: Action::Resolve, occasion: Occasion::Resolved, ..opened.clone() };
                let incident = format!("i{number}");
                [
                    row(&format!("{number:03}A"), &incident, "pager", &opened),
                    row(&format!("{number:03}B"), &incident, "pager", &end),
                ]
            })
            .collect()
    }

    async fn outage(hangs: bool) {
        let fake = Fake { hangs, ..Fake::default() };
        fake.ill.store(true, Ordering::SeqCst);
        let (dispatcher, recorded, mut told) = start(&fake, Vec::new());
        dispatcher.offer(pages(50));
        tokio::time::sleep(Duration::from_secs(299)).await;
        assert!(dispatcher.backlog().is_healthy(), "five minutes are not over");
        assert!(fake.arrived.lock().unwrap().is_empty());
        tokio::time::sleep(Duration::from_secs(301)).await;
        let backlog = dispatcher.backlog();
        assert!(!backlog.is_healthy() && backlog.oldest_page() >= Some(Duration::from_mins(10)), "{backlog:?}");
        let mut instead = std::mem::take(&mut *fake.arrived.lock().unwrap());
        instead.sort();
        let ids = |number| [format!("{number:03}A-chat"), format!("{number:03}B-chat-{number:03}A")];
        let wanted: Vec<_> = (0..50).flat_map(ids).map(|id| ("chat".to_owned(), id)).collect();
        assert_eq!(instead, wanted, "each page went to the other channel once, and its end");
        fake.ill.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(75)).await;
        assert!(dispatcher.backlog().is_healthy());
        assert_eq!(dispatcher.backlog().total(), 0, "a minute after the outage everything is through");
        let arrived = std::mem::take(&mut *fake.arrived.lock().unwrap());
        for number in 0..50 {
            let own = arrived.iter().filter(|(_, id)| id.starts_with(&format!("{number:03}")));
            let own: Vec<_> = own.map(|(channel, id)| (channel.as_str(), id.clone())).collect();
            assert_eq!(own, [("pager", format!("{number:03}A")), ("pager", format!("{number:03}B"))]);
        }
        let delivered =
            |id: &str| recorded.lock().unwrap().iter().any(|row| row.id == id && row.state == DeliveryState::Delivered);
        assert!(delivered("000A") && delivered("049B") && delivered("007A-chat"));
        let mut undelivered = 0;
        while let Ok(news) = told.try_recv() {
            undelivered += usize::from(matches!(news, News::Undelivered { dead: false, .. }));
        }
        assert_eq!(undelivered, 50);
        let tries = fake.tries.load(Ordering::SeqCst);
        assert!(tries < 50 * 40, "{tries} tries in ten minutes");
        assert_eq!(dispatcher.stop(Duration::from_secs(1)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_minutes_without_a_receiver_lose_nothing_and_change_no_order() {
        outage(false).await;
    }

    #[tokio::test(start_paused = true)]
    async fn ten_minutes_of_a_receiver_that_hangs_lose_nothing_either() {
        outage(true).await;
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_what_is_on_its_way_but_not_for_the_next_try() {
        let fake = Fake { hangs: true, ..Fake::default() };
        fake.ill.store(true, Ordering::SeqCst);
        let (dispatcher, recorded, _told) = start(&fake, Vec::new());
        dispatcher.offer(pages(1));
        let begin = Instant::now();
        assert_eq!(dispatcher.stop(Duration::from_secs(30)).await, 2, "both stay in the store");
        assert_eq!(begin.elapsed().as_secs(), 10, "the one try was waited for");
        assert_eq!(recorded.lock().unwrap()[0].attempts, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn stopping_has_an_end_also_if_a_receiver_hangs() {
        let fake = Fake { hangs: true, ..Fake::default() };
        fake.ill.store(true, Ordering::SeqCst);
        let (dispatcher, _recorded, _told) = start(&fake, Vec::new());
        dispatcher.offer(pages(1));
        let begin = Instant::now();
        dispatcher.stop(Duration::from_secs(3)).await;
        assert_eq!(begin.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_of_an_earlier_process_leave_at_once() {
        let fake = Fake::default();
        let (dispatcher, _recorded, mut told) = start(&fake, pages(1));
        for id in ["000A", "000B"] {
            let Some(News::Delivered { message, key, .. }) = told.recv().await else { panic!("nothing was told") };
            assert_eq!((message.as_str(), key.as_str()), (id, "k0"));
        }
        assert_eq!(dispatcher.stop(Duration::from_secs(1)).await, 0);
    }
}
