//! The last hour of every canary, for strips and sparklines of all of them at once.
//!
//! It is filled from the store and follows what is written there, also by other processes; nothing comes from this process's own
//! runs. It is begun when somebody looks first, and is bounded by time and by marks a canary. It decides nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, watch};

use crate::base::time::now_ms;
use crate::history::{Follower, MarksPage, ReadError, Reader, RunCounts, RunMark};
use crate::outcome::Verdict;

use super::changes::LatestChanges;

/// How far it goes back, in milliseconds.
const WINDOW_MS: i64 = 3_600_000;
/// Marks that are kept of a canary, the newest ones: an hour of runs every five seconds.
const OF_CANARY: usize = 720;
/// Ticks are due at most so long after they are written, in milliseconds.
const AHEAD_MS: i64 = 60_000;
/// Marks that are read at once.
const PAGE: usize = MarksPage::LIMIT;
/// How often it reads at most.
const PAUSE: Duration = Duration::from_millis(500);
/// When it tries again after the store did not answer.
const RETRY: Duration = Duration::from_secs(2);
/// How long the hours of the last day are kept: housekeeping adds to them as rarely.
const HOURS_LAST: Duration = Duration::from_mins(1);
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;
/// How long the first look waits for what is being read.
const FIRST: Duration = Duration::from_millis(500);

/// How a run ended, as a strip shows it; worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::web) enum MarkKind {
    Skipped,
    Passed,
    Degraded,
    Blocked,
    Missed,
    Errored,
    Failed,
}

impl MarkKind {
    /// Of a run that ended like this.
    pub(in crate::web) fn of(verdict: Verdict, degraded: bool) -> Self {
        match verdict {
            Verdict::Passed if degraded => Self::Degraded,
            Verdict::Passed => Self::Passed,
            Verdict::Failed => Self::Failed,
            Verdict::Errored => Self::Errored,
            Verdict::Missed => Self::Missed,
            Verdict::Blocked => Self::Blocked,
            Verdict::Skipped => Self::Skipped,
        }
    }
}

/// A run of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) struct Mark {
    /// When it was due, milliseconds since the epoch.
    pub(in crate::web) due_ms: i64,
    /// How long it took, microseconds; the largest number where it was longer than an hour.
    pub(in crate::web) duration_us: u32,
    /// How long what it waited for took, likewise; nothing where it waited for nothing or in vain.
    pub(in crate::web) convergence_us: Option<u32>,
    /// How it ended.
    pub(in crate::web) kind: MarkKind,
    /// Whether it counts: one that a person started is drawn, and is in no figure.
    pub(in crate::web) counted: bool,
}

impl Mark {
    fn of(mark: &RunMark) -> Self {
        let short = |us: u64| u32::try_from(us).unwrap_or(u32::MAX);
        Self {
            due_ms: mark.due_ms,
            duration_us: short(mark.duration_us),
            convergence_us: mark.convergence_us.map(short),
            kind: MarkKind::of(mark.verdict, mark.degraded),
            counted: mark.counted,
        }
    }
}

impl Mark {
    /// Whether it has a result that counts for nothing, as that of a run which a person started.
    pub(in crate::web) fn is_uncounted(&self) -> bool {
        !self.counted && matches!(self.kind, MarkKind::Passed | MarkKind::Degraded | MarkKind::Failed)
    }
}

/// The marks of all canaries by id, each in the order of their ticks.
#[derive(Debug, Default)]
pub(in crate::web) struct Marks(HashMap<String, VecDeque<Mark>>);

impl Marks {
    /// Those of a canary, the oldest first.
    pub(in crate::web) fn of(&self, canary: &str) -> impl DoubleEndedIterator<Item = &Mark> {
        self.0.get(canary).into_iter().flatten()
    }

    /// Adds one in its place.
    pub(in crate::web) fn add(&mut self, canary: &str, mark: Mark) {
        let marks = match self.0.get_mut(canary) {
            Some(marks) => marks,
            None => self.0.entry(canary.to_owned()).or_default(),
        };
        // Runs end in another order than they were due.
        let at = marks.iter().rposition(|known| known.due_ms <= mark.due_ms).map_or(0, |at| at + 1);
        marks.insert(at, mark);
        if marks.len() > OF_CANARY {
            marks.pop_front();
        }
    }

    /// Keeps the window that ends now. What is due later was written before the clock was set back.
    fn keep_window(&mut self, now_ms: i64) {
        self.0.retain(|_, marks| {
            while marks.front().is_some_and(|mark| mark.due_ms < now_ms - WINDOW_MS) {
                marks.pop_front();
            }
            while marks.back().is_some_and(|mark| mark.due_ms > now_ms + AHEAD_MS) {
                marks.pop_back();
            }
            !marks.is_empty()
        });
    }
}

/// The worst that any of them is; nothing where nothing ended.
pub(in crate::web) fn worst(counts: RunCounts) -> Option<MarkKind> {
    let all = [
        (counts.failed, MarkKind::Failed),
        (counts.errored, MarkKind::Errored),
        (counts.missed, MarkKind::Missed),
        (counts.blocked, MarkKind::Blocked),
        (counts.degraded, MarkKind::Degraded),
        (counts.passed, MarkKind::Passed),
        (counts.skipped, MarkKind::Skipped),
    ];
    all.into_iter().find(|(count, _)| *count > 0).map(|(_, kind)| kind)
}

#[derive(Debug, Default)]
struct Shared {
    marks: RwLock<Marks>,
    is_away: AtomicBool,
}

/// The hours of a day, and when they were read.
type Hours = (Instant, Arc<Marks>);

/// Follows what is written.
#[derive(Debug, Default)]
pub struct Recent {
    shared: Arc<Shared>,
    read: OnceLock<watch::Receiver<u64>>,
    hours: Mutex<Option<Hours>>,
    /// Deployments, reloads and the like.
    pub(in crate::web) changes: LatestChanges,
}

impl Recent {
    /// Begins to follow, where nobody has looked yet, and waits a moment until what there is was read. The runtime it is called on
    /// goes on following.
    pub(in crate::web) async fn begun(&self, reader: &Arc<dyn Reader>, follower: &Arc<dyn Follower>) {
        let begin = || {
            let (told, read) = watch::channel(0);
            tokio::spawn(follow(Arc::clone(&self.shared), Arc::clone(reader), Arc::clone(follower), told));
            read
        };
        let mut read = self.read.get_or_init(begin).clone();
        // Whoever looks while it is being read sees the rest a moment later.
        let _late = tokio::time::timeout(FIRST, read.wait_for(|times| *times > 0)).await;
    }

    /// The hours of the last day as marks, each of them the worst that was in it; they are read at most once in a while.
    ///
    /// # Errors
    /// What the store says.
    pub(in crate::web) async fn hours(&self, reader: &Arc<dyn Reader>) -> Result<Arc<Marks>, ReadError> {
        let mut hours = self.hours.lock().await;
        if let Some((read, known)) = &*hours
            && read.elapsed() < HOURS_LAST
        {
            return Ok(Arc::clone(known));
        }
        let now = now_ms();
        let counts = reader.rollups_of_all(now - DAY_MS, now).await?;
        let mut marks = Marks::default();
        for hour in &counts {
            if let Some(kind) = worst(hour.counts) {
                marks.add(&hour.canary, Mark { due_ms: hour.hour_ms, duration_us: 0, convergence_us: None, kind, counted: true });
            }
        }
        let marks = Arc::new(marks);
        *hours = Some((Instant::now(), Arc::clone(&marks)));
        Ok(marks)
    }

    /// What was read so far.
    pub(in crate::web) fn marks(&self) -> RwLockReadGuard<'_, Marks> {
        self.shared.marks.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the store did not answer when it was asked last.
    pub(in crate::web) fn is_away(&self) -> bool {
        self.shared.is_away.load(Ordering::Relaxed)
    }
}

/// Reads until nobody holds the receiving end any more.
async fn follow(shared: Arc<Shared>, reader: Arc<dyn Reader>, follower: Arc<dyn Follower>, told: watch::Sender<u64>) {
    let mut written = follower.written();
    let mut next = None;
    while !told.is_closed() {
        written.mark_unchanged();
        let answer = reader.marks(now_ms() - WINDOW_MS, next.clone(), PAGE).await;
        let is_away = answer.is_err();
        let more = match answer {
            Ok(page) => {
                next = Some(page.next.clone());
                take(&shared, &page)
            }
            Err(error) => {
                tracing::debug!(%error, "what the dashboard follows cannot be read");
                false
            }
        };
        shared.is_away.store(is_away, Ordering::Relaxed);
        if more {
            continue;
        }
        told.send_modify(|times| *times += 1);
        if is_away {
            tokio::time::sleep(RETRY).await;
        } else if written.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Adds what was read. Returns whether there may be more.
fn take(shared: &Shared, page: &MarksPage) -> bool {
    let mut marks = shared.marks.write().unwrap_or_else(PoisonError::into_inner);
    if page.is_cut {
        *marks = Marks::default();
    }
    for mark in &page.marks {
        marks.add(&mark.canary, Mark::of(mark));
    }
    marks.keep_window(now_ms());
    page.more
}
