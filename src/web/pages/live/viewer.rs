//! What one viewer of a page is sent.
//!
//! He is sent the whole of the first state that he meets, and of each further one what differs from the state before; who was too
//! slow for that state gets the whole of the newest one. Nothing is made for him alone: he holds a part of a text that all share,
//! and hands it on in pieces as his connection takes them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use futures::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::web::connection_slots::ConnectionState;

use super::state::{GZIP_HEADER, PageState, Telling};

/// How long he may take for what he is sent of one state.
const SLOW: Duration = Duration::from_secs(30);
/// How long he looks at most until he has to ask again, and show who he is.
const LONGEST: Duration = Duration::from_mins(15);
/// Bytes that are handed on at once.
const PIECE: usize = 16 << 10;

/// Counts a viewer for as long as he is there.
pub(super) struct Viewing(Arc<AtomicUsize>);

impl Viewing {
    /// One more, unless there are so many already.
    pub(super) fn begin(viewers: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let viewing = Self(Arc::clone(viewers));
        (viewers.fetch_add(1, Ordering::Relaxed) < most).then_some(viewing)
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who is sent something.
pub(super) struct Viewer {
    /// The page that he looks at.
    pub(super) view: watch::Receiver<Arc<PageState>>,
    /// That he does.
    pub(super) _viewing: Viewing,
    /// Whether he understands gzip.
    pub(super) as_gzip: bool,
    /// What knows whether he takes what he is sent; absent only where nothing listens.
    pub(super) connection: Option<Arc<ConnectionState>>,
    /// When the service stops.
    pub(super) stop: CancellationToken,
}

/// Where he is.
struct Progress {
    viewer: Viewer,
    until: Instant,
    /// Number and shape of the state that he was sent last.
    known: Option<(u64, u64)>,
    /// What is left of it.
    rest: Bytes,
}

impl Viewer {
    /// What he is sent, until he goes, has looked for long, or the service stops.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let rest = if self.as_gzip { Bytes::from_static(&GZIP_HEADER) } else { Bytes::new() };
        let begin = Progress { viewer: self, until: Instant::now() + LONGEST, known: None, rest };
        stream::unfold(begin, |mut progress| async move {
            let piece = progress.piece().await?;
            Some((Ok(piece), progress))
        })
    }
}

impl Progress {
    async fn piece(&mut self) -> Option<Bytes> {
        while self.rest.is_empty() {
            self.owes(None);
            let viewer = &mut self.viewer;
            tokio::select! {
                changed = viewer.view.changed() => changed.ok()?,
                () = tokio::time::sleep_until(self.until) => return None,
                () = viewer.stop.cancelled() => return None,
            }
            let newest = Arc::clone(&viewer.view.borrow_and_update());
            let telling = match self.known {
                Some((_, shape)) if shape != newest.shape => Telling::Reload,
                Some((number, _)) if number + 1 == newest.number => Telling::Change,
                Some(_) | None => Telling::Whole,
            };
            self.rest = newest.text(telling, viewer.as_gzip).await;
            self.known = Some((newest.number, newest.shape));
            self.owes(Some(Instant::now() + SLOW));
        }
        if self.viewer.stop.is_cancelled() {
            return None;
        }
        Some(self.rest.split_to(self.rest.len().min(PIECE)))
    }

    fn owes(&self, until: Option<Instant>) {
        if let Some(connection) = &self.viewer.connection {
            connection.must_take_until(until);
        }
    }
}
