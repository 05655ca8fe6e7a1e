//! The page as all viewers share it.
//!
//! It is made at most every few seconds, however many look. Its days, which are most of the work, are read once in some minutes, and
//! incidents some times a minute; where the store does not answer, what was read before stays, and without that the page says what it
//! cannot tell.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::sync::Mutex;

use crate::base::time::epoch_ms;
use crate::history::ReadError;
use crate::plan::{StatusPage, StatusPlace};
use crate::web::{Api, etag, gzip};

use super::gather::{self, Days, Story};
use super::model::PublicPage;
use super::render;

/// How old a shared page may be.
const FRESH: Duration = Duration::from_secs(5);
/// How old it may be for who would have to wait for the next one.
const ANYHOW: Duration = Duration::from_secs(30);
/// How old its incidents may be.
const STORY_FRESH: Duration = Duration::from_secs(10);
/// How old its days may be.
const DAYS_FRESH: Duration = Duration::from_mins(2);
/// How long the store may take, before what was read earlier has to do.
const READ_WITHIN: Duration = Duration::from_secs(4);
/// When it is asked again after it did not answer.
const RETRY: Duration = Duration::from_secs(10);

/// The status page of a service, if it has one.
#[derive(Debug, Default)]
pub struct StatusPages {
    /// Where it is, until the process ends.
    place: Option<StatusPlace>,
    active: RwLock<Option<Arc<StatusPage>>>,
    made: Mutex<Made>,
    /// The newest one, for those who come while the next is made.
    last: RwLock<Option<MadePage>>,
}

/// A page, when it was made and for which settings.
type MadePage = (Instant, Arc<StatusPage>, Arc<ServedPage>);

#[derive(Debug, Default)]
struct Made {
    days: Kept<Days>,
    story: Kept<Story>,
    /// What it was made for; another one begins anew.
    of: Option<Arc<StatusPage>>,
}

/// What was read from the store, and when that was last tried.
#[derive(Debug)]
struct Kept<T> {
    last: Option<Arc<T>>,
    due: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { last: None, due: None }
    }
}

impl<T> Kept<T> {
    /// What is known, read anew where that is due.
    async fn get(&mut self, fresh: Duration, read: impl Future<Output = Result<T, ReadError>>) -> Option<Arc<T>> {
        if self.due.is_none_or(|due| Instant::now() >= due) {
            let answer = tokio::time::timeout(READ_WITHIN, read).await;
            let pause = if let Ok(Ok(answer)) = answer {
                self.last = Some(Arc::new(answer));
                fresh
            } else {
                tracing::debug!("the store did not tell what the status page shows");
                RETRY
            };
            self.due = Some(Instant::now() + pause);
        }
        self.last.clone()
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

    /// Whether a component stands for this probe.
    pub(in crate::web) fn shows(&self, probe: &str) -> bool {
        self.active()
            .is_some_and(|page| page.components.iter().any(|component| component.probes.iter().any(|name| **name == *probe)))
    }

    fn active(&self) -> Option<Arc<StatusPage>> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The page, at most some seconds old; nothing where there is none to show, and while the service stops.
    pub(super) async fn get(&self, api: &Api) -> Option<Arc<ServedPage>> {
        let settings = self.active()?;
        if let Some(page) = self.last(&settings, FRESH) {
            return Some(page);
        }
        let mut made = match self.made.try_lock() {
            Ok(made) => made,
            // Somebody else makes the next one, and the store may be slow.
            Err(_) => match self.last(&settings, ANYHOW) {
                Some(page) => return Some(page),
                None => self.made.lock().await,
            },
        };
        if let Some(page) = self.last(&settings, FRESH) {
            return Some(page);
        }
        if made.of.as_ref().is_none_or(|of| !Arc::ptr_eq(of, &settings)) {
            *made = Made { of: Some(Arc::clone(&settings)), ..Made::default() };
        }
        let now = SystemTime::now();
        let days = made.days.get(DAYS_FRESH, gather::days(api, &settings, epoch_ms(now))).await;
        let story = made.story.get(STORY_FRESH, gather::story(api, &settings, epoch_ms(now))).await;
        let snapshot = api.snapshots.get(api).await?;
        let page = gather::page(api, &settings, &snapshot, (days.as_deref(), story.as_deref()), SystemTime::now());
        let served = served(page)?;
        let last = Some((Instant::now(), settings, Arc::clone(&served)));
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = last;
        Some(served)
    }

    /// The newest page of these settings, if it is not older.
    fn last(&self, settings: &Arc<StatusPage>, age: Duration) -> Option<Arc<ServedPage>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let (made, of, page) = last.as_ref()?;
        (Arc::ptr_eq(of, settings) && made.elapsed() < age).then(|| Arc::clone(page))
    }
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
