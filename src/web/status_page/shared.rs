//! The page as all viewers share it.
//!
//! It is made at most every few seconds, however many look. Its days, which are most of the work, are read once in some minutes, and
//! incidents some times a minute; where the store does not answer, what was read before stays, and the page says as of when that is and
//! what it cannot tell.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::base::time::epoch_ms;
use crate::plan::{StatusPage, StatusPlace};
use crate::web::{Api, etag, gzip};

use super::gather::{self, Days, Story};
use super::kept::Kept;
use super::model::PublicPage;
use super::render;
use super::state::is_noticed;

/// How old a shared page may be.
const FRESH: Duration = Duration::from_secs(5);
/// How old it may be for who would have to wait for the next one.
const ANYHOW: Duration = Duration::from_secs(30);
/// How old its incidents may be.
const STORY_FRESH: Duration = Duration::from_secs(10);
/// How old its days may be.
const DAYS_FRESH: Duration = Duration::from_mins(2);
/// The status page of a service, if it has one.
#[derive(Debug, Default)]
pub struct StatusPages {
    /// Where it is, until the process ends.
    place: Option<StatusPlace>,
    active: RwLock<Option<Arc<StatusPage>>>,
    made: Arc<Mutex<Made>>,
    /// The newest one, for those who come while the next is made.
    last: Arc<RwLock<Option<MadePage>>>,
}

/// A page, when it was made and for which settings.
type MadePage = (Instant, Arc<StatusPage>, Arc<ServedPage>);

/// Whose turn it is to make the next one.
type Turn = OwnedMutexGuard<Made>;

/// What it shows, and the end of that turn.
type Told = BoxFuture<'static, Option<(PublicPage, Turn)>>;

/// What pages are made of.
#[derive(Debug, Default)]
struct Made {
    days: Kept<Days>,
    story: Kept<Story>,
    /// What was chosen when it was read.
    of: Option<Arc<StatusPage>>,
}

impl Made {
    /// From now on it is for these settings. What was read stays: where it lacks something of them, it is read again first.
    fn for_settings(&mut self, settings: &Arc<StatusPage>) {
        let has_all = |of: &Arc<StatusPage>| of.days >= settings.days && of.chosen().is_superset(&settings.chosen());
        if !self.of.as_ref().is_none_or(has_all) {
            self.days.make_due();
            self.story.make_due();
        }
        self.of = Some(Arc::clone(settings));
    }
}

/// The page as it is sent.
#[derive(Debug)]
pub(super) struct ServedPage {
    pub(super) page: PublicPage,
    pub(super) files: Vec<ServedFile>,
}

/// A file as it is sent.
#[derive(Debug)]
pub(super) struct ServedFile {
    pub(super) name: &'static str,
    pub(super) media_type: &'static str,
    pub(super) plain: Bytes,
    pub(super) gzip: Option<Bytes>,
    /// Its validator.
    pub(super) tag: String,
}

impl StatusPages {
    /// The page of a service; none of one without.
    pub fn new(page: Option<Arc<StatusPage>>) -> Self {
        Self { place: page.as_ref().map(|page| page.place.clone()), active: RwLock::new(page), ..Self::default() }
    }

    /// What it shows from now on; its place stays what it was.
    pub(crate) fn set(&self, page: Option<Arc<StatusPage>>) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = page;
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Option<&StatusPlace> {
        self.place.as_ref()
    }

    /// Whether there is one to show.
    pub(super) fn is_shown(&self) -> bool {
        self.active().is_some()
    }

    /// Whether an incident of this scope, about this probe, can stand on it.
    pub(in crate::web) fn shows(&self, scope: &str, probe: Option<&str>) -> bool {
        let Some(probe) = probe.filter(|_| is_noticed(scope)) else { return false };
        self.active().is_some_and(|page| page.chosen().into_iter().any(|name| **name == *probe))
    }

    fn active(&self) -> Option<Arc<StatusPage>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The page, at most some seconds old; nothing where there is none to show, and while the service stops.
    pub(super) async fn get(&self, api: &Arc<Api>) -> Option<Arc<ServedPage>> {
        let api = Arc::clone(api);
        self.newest(move |settings, turn| told(api, settings, turn).boxed()).await
    }

    /// The newest page; if it is too old and nobody makes one, `page_of` says what the next one shows.
    async fn newest(&self, page_of: impl FnOnce(Arc<StatusPage>, Turn) -> Told) -> Option<Arc<ServedPage>> {
        let settings = self.active()?;
        if let Some(page) = self.last(&settings, FRESH) {
            return Some(page);
        }
        let turn = match Arc::clone(&self.made).try_lock_owned() {
            Ok(turn) => turn,
            // Somebody else makes the next one, and the store may be slow.
            Err(_) => match self.last(&settings, ANYHOW) {
                Some(page) => return Some(page),
                None => Arc::clone(&self.made).lock_owned().await,
            },
        };
        if let Some(page) = self.last(&settings, FRESH) {
            return Some(page);
        }
        let (told, last) = (page_of(Arc::clone(&settings), turn), Arc::clone(&self.last));
        let making = async move {
            let (page, turn) = told.await?;
            let served = served(page)?;
            *last.write().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), settings, Arc::clone(&served)));
            // Whoever is next finds this page.
            drop(turn);
            Some(served)
        };
        // It is made to its end, also where whoever asked first hangs up: the next one would begin it again, and so for ever.
        tokio::spawn(making).await.ok()?
    }

    /// The newest page of these settings, if it is not older.
    fn last(&self, settings: &Arc<StatusPage>, age: Duration) -> Option<Arc<ServedPage>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let (made, of, page) = last.as_ref()?;
        (Arc::ptr_eq(of, settings) && made.elapsed() < age).then(|| Arc::clone(page))
    }
}

/// What the page says now, of what is known.
async fn told(api: Arc<Api>, settings: Arc<StatusPage>, mut made: Turn) -> Option<(PublicPage, Turn)> {
    made.for_settings(&settings);
    let now_ms = epoch_ms(SystemTime::now());
    let days = made.days.get(DAYS_FRESH, gather::days(&api, &settings, now_ms)).await;
    let story = made.story.get(STORY_FRESH, gather::story(&api, &settings, now_ms)).await;
    let snapshot = api.snapshots.get(&api).await?;
    Some((gather::page(&api, &settings, &snapshot, (&days, &story), SystemTime::now()), made))
}

fn served(page: PublicPage) -> Option<Arc<ServedPage>> {
    let files = render::served(&page).inspect_err(|error| tracing::error!(%error, "the status page could not be rendered"));
    let of = |file: render::PublicFile| ServedFile {
        tag: etag::tag(&file.body),
        gzip: gzip::compressed(&file.body).ok(),
        name: file.name,
        media_type: file.media_type,
        plain: file.body,
    };
    Some(Arc::new(ServedPage { files: files.ok()?.into_iter().map(of).collect(), page }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;
    use crate::plan::StatusComponent;

    fn settings(probes: &[&str], days: u32) -> Arc<StatusPage> {
        let probes = probes.iter().map(|name| Arc::from(*name)).collect();
        Arc::new(StatusPage {
            title: "Status".into(),
            intro: None,
            place: StatusPlace::Path("/status".into()),
            days,
            regions: None,
            components: vec![StatusComponent { name: "Shop".into(), summary: None, probes }],
        })
    }

    #[tokio::test]
    async fn a_page_whose_client_hangs_up_is_made_to_its_end_and_once() {
        let pages = StatusPages::new(Some(settings(&["p"], 90)));
        let (begun, goes_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let page_of = || {
            let (begun, goes_on) = (Arc::clone(&begun), Arc::clone(&goes_on));
            move |_settings, turn| {
                async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    goes_on.notified().await;
                    Some((PublicPage::default(), turn))
                }
                .boxed()
            }
        };
        for _ in 0..3 {
            let mut asked = Box::pin(pages.newest(page_of()));
            assert!(futures::poll!(&mut asked).is_pending());
            drop(asked);
            tokio::task::yield_now().await;
        }
        let asked = pages.newest(page_of());
        goes_on.notify_one();
        assert!(asked.await.is_some());
        assert_eq!(begun.load(Ordering::Relaxed), 1, "those who hang up cause no further one");
    }

    #[test]
    fn only_what_is_chosen_and_noticed_by_users_can_stand_on_it() {
        let pages = StatusPages::new(Some(settings(&["p"], 90)));
        let shows = |scope: &str, probe| pages.shows(scope, probe);
        assert!(shows("probe/p", Some("p")) && shows("subject/p/s", Some("p")));
        assert!(!shows("probe/q", Some("q")) && !shows("no-data/p", Some("p")) && !shows("blind/eu", None));
        assert!(!StatusPages::default().shows("probe/p", Some("p")));
    }

    #[tokio::test]
    async fn a_reload_keeps_the_days_that_were_read_where_they_are_of_what_is_chosen_now() {
        for (probes, days, is_read) in
            [(&["q", "p"][..], 90, false), (&["q"], 30, false), (&["p", "q", "r"], 90, true), (&["p"], 91, true)]
        {
            let mut made = Made::default();
            made.for_settings(&settings(&["p", "q"], 90));
            made.days.get(DAYS_FRESH, async { Ok(Days::new()) }).await;
            made.for_settings(&settings(probes, days));
            let mut read = false;
            let known = made.days.get(DAYS_FRESH, async {
                read = true;
                Ok(Days::new())
            });
            assert!(known.await.is_current);
            assert_eq!(read, is_read, "{probes:?} {days}");
        }
    }
}
