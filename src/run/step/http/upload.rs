//! A request's body on its way out. It is never copied as a whole, and it is counted, so that the error can say that the target
//! did not read it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes that are handed on at a time. A body up to this length is handed on whole and not counted: the kernel takes it in any
/// case.
const PIECE: usize = 64 << 10;

/// A request's body, in pieces that may be shared with the plan. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Content(Vec<Bytes>);

impl From<Bytes> for Content {
    fn from(whole: Bytes) -> Self {
        Self(vec![whole])
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl FromIterator<Bytes> for Content {
    fn from_iter<I: IntoIterator<Item = Bytes>>(pieces: I) -> Self {
        Self(pieces.into_iter().collect())
    }
}

impl Content {
    /// Length in bytes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    /// The first `most` bytes, or all there are.
    pub(super) fn start(&self, most: usize) -> Cow<'_, [u8]> {
        match &*self.0 {
            [] => Cow::Borrowed(&[]),
            [whole] => Cow::Borrowed(&whole[..whole.len().min(most)]),
            pieces => {
                let mut start = Vec::with_capacity(most.min(self.len()));
                for piece in pieces {
                    start.extend_from_slice(&piece[..piece.len().min(most - start.len())]);
                }
                Cow::Owned(start)
            }
        }
    }

    /// The body to send, and how to watch it if it is large; `None` if there is nothing to send.
    pub(super) fn to_send(&self) -> Option<(reqwest::Body, Option<Arc<UploadProgress>>)> {
        match self.len() {
            0 => None,
            small if small <= PIECE => Some((Bytes::from(self.start(PIECE).into_owned()).into(), None)),
            whole => {
                let taken = Arc::new(UploadProgress { whole, taken: AtomicUsize::new(0) });
                let upload = Upload { left: self.0.clone().into(), taken: Arc::clone(&taken) };
                Some((reqwest::Body::wrap(upload), Some(taken)))
            }
        }
    }
}

/// How much of an upload has been taken for sending.
#[derive(Debug)]
pub(super) struct UploadProgress {
    whole: usize,
    taken: AtomicUsize,
}

impl UploadProgress {
    /// What of the upload was not taken, for people; `None` if all of it was.
    pub(super) fn unread(&self) -> Option<String> {
        let taken = self.taken.load(Ordering::Relaxed);
        (taken < self.whole)
            .then(|| format!("the target had not read the request's body: {taken} of {} bytes had left", self.whole))
    }
}

/// A body that is taken piece by piece, as fast as the connection takes it.
struct Upload {
    left: VecDeque<Bytes>,
    taken: Arc<UploadProgress>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.left.front().is_some_and(Bytes::is_empty) {
            self.left.pop_front();
        }
        let Some(front) = self.left.front_mut() else { return Poll::Ready(None) };
        let piece = front.split_to(front.len().min(PIECE));
        self.taken.taken.fetch_add(piece.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.iter().map(Bytes::len).sum::<usize>() as u64)
    }
}
