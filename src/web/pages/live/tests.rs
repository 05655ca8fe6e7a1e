//! Viewers as they come, stay and go, on a clock that stands still until everybody waits.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Bytes;
use axum::routing::get;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::web::access::Arrival;
use crate::web::connection;
use crate::web::connection_slots::ConnectionSlots;

use super::*;

/// A hub, and how often a page of so many bytes was rendered that is another one each time.
struct Shown {
    hub: Arc<LiveHub>,
    stop: CancellationToken,
    times: Arc<AtomicU64>,
    bytes: usize,
}

type Sent = BoxStream<'static, Bytes>;

impl Shown {
    fn new(bytes: usize) -> Self {
        let stop = CancellationToken::new();
        Self { hub: Arc::new(LiveHub::new(Router::new(), stop.clone())), stop, times: Arc::default(), bytes }
    }

    fn times(&self) -> u64 {
        self.times.load(Ordering::Relaxed)
    }

    fn view(&self, page: &str) -> Option<watch::Receiver<Arc<PageState>>> {
        let (times, bytes) = (Arc::clone(&self.times), self.bytes);
        let render = move || {
            let time = times.fetch_add(1, Ordering::Relaxed);
            async move { Some(fragments(&format!("<!--live:a-->{time} {}<!--/live-->", "x".repeat(bytes)))) }
        };
        let mut view = self.hub.view(&Key { page: page.to_owned(), ..Key::default() }, render)?;
        view.mark_unchanged();
        Some(view)
    }

    fn viewer(&self, page: &str, connection: Option<Arc<ConnectionState>>) -> Option<Viewer> {
        let viewing = Viewing::begin(&self.hub.viewers, VIEWERS)?;
        Some(Viewer { view: self.view(page)?, _viewing: viewing, as_gzip: false, connection, stop: self.stop.clone() })
    }

    fn look(&self, page: &str) -> Sent {
        let sent = self.viewer(page, None).expect("there is room").stream();
        sent.map(|Ok(piece)| piece).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_of_a_page_share_one_rendering_and_one_text() {
    let shown = Shown::new(100);
    let mut all: Vec<Sent> = (0..200).map(|_| shown.look("")).collect();
    for time in 0..5 {
        let mut texts = Vec::new();
        for sent in &mut all {
            texts.push(sent.next().await.expect("it goes on"));
        }
        assert!(String::from_utf8_lossy(&texts[0]).contains(&format!("\"{time} xxx")), "{:?}", texts[0]);
        assert!(texts.iter().all(|text| text.as_ptr() == texts[0].as_ptr()), "all hold the same bytes");
        assert_eq!(shown.times(), time + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looks_at_is_not_rendered_and_makes_room_for_others() {
    let shown = Shown::new(1);
    let mut looking: Vec<Sent> = (0..VIEWS).map(|page| shown.look(&page.to_string())).collect();
    assert!(shown.viewer("one more", None).is_none());
    looking.pop();
    tokio::time::sleep(AT_LEAST_EVERY).await;
    assert!(shown.viewer("one more", None).is_some());
    drop(looking);
    tokio::time::sleep(AT_LEAST_EVERY * 2).await;
    let times = shown.times();
    tokio::time::sleep(AT_LEAST_EVERY * 10).await;
    assert_eq!((shown.times(), shown.hub.lock().len(), shown.hub.viewers.load(Ordering::Relaxed)), (times, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_all_places_are_taken_gets_none() {
    let shown = Shown::new(1);
    let mut looking: Vec<Sent> = (0..VIEWERS).map(|_| shown.look("")).collect();
    assert!(shown.viewer("", None).is_none());
    looking.pop();
    assert!(shown.viewer("", None).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_missed_a_state_gets_the_whole_of_the_newest_one() {
    let shown = Shown::new(1);
    let (mut quick, mut slow) = (shown.look(""), shown.look(""));
    quick.next().await.unwrap();
    slow.next().await.unwrap();
    let mut newest = Bytes::new();
    for _ in 0..4 {
        newest = quick.next().await.unwrap();
    }
    let late = slow.next().await.unwrap();
    assert_eq!(newest, late);
    assert_ne!(newest.as_ptr(), late.as_ptr(), "he gets the whole, others the change");
    assert_eq!(shown.times(), 5);
}

#[tokio::test(start_paused = true)]
async fn streams_end_at_once_when_the_service_stops_and_after_a_while_by_themselves() {
    let shown = Shown::new(100_000);
    let mut stays = shown.look("");
    let begun = Instant::now();
    while stays.next().await.is_some() {}
    assert_eq!(begun.elapsed().as_secs(), 15 * 60);
    let (waits, mut takes) = (shown.look(""), shown.look(""));
    takes.next().await.unwrap();
    let waiting = tokio::spawn(waits.for_each(|_| std::future::ready(())));
    tokio::time::sleep(EVERY / 2).await;
    let begun = Instant::now();
    shown.stop.cancel();
    waiting.await.unwrap();
    assert_eq!(takes.next().await, None, "although a part of a text is left");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

/// A listener's connection whose answer is the stream of a viewer.
fn connect(shown: &Arc<Shown>) -> tokio::io::DuplexStream {
    let shown = Arc::clone(shown);
    let look = move |Extension(connection): Extension<Arc<ConnectionState>>| async move {
        Body::from_stream(shown.viewer("", Some(connection)).unwrap().stream())
    };
    let (here, there) = tokio::io::duplex(1 << 10);
    let slot = ConnectionSlots::new(8).take().unwrap();
    let arrival = Arrival { peer: [127, 0, 0, 1].into(), tls: false };
    tokio::spawn(connection::serve(there, arrival, slot, Router::new().route("/", get(look)), CancellationToken::new()));
    here
}

/// Has one of two viewers read like this, until he is cut, and returns after how many seconds he was.
async fn cut_after(read_every: Option<Duration>) -> u64 {
    let shown = Arc::new(Shown::new(1 << 20));
    let mut quick = shown.look("");
    let mut slow = connect(&shown);
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let view = shown.view("").unwrap();
    let (begun, mut known) = (Instant::now(), Vec::new());
    let mut reading = tokio::spawn(async move {
        let Some(every) = read_every else { std::future::pending().await };
        while slow.read_u8().await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    while shown.hub.viewers.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    let times = shown.times();
    while shown.hub.viewers.load(Ordering::Relaxed) == 2 {
        quick.next().await.unwrap();
        let newest = Arc::downgrade(&view.borrow());
        if !known.iter().any(|state: &Weak<PageState>| state.ptr_eq(&newest)) {
            known.push(newest);
        }
        known.retain(|state| state.strong_count() > 0);
        assert!(known.len() <= 2, "he holds on to {} states", known.len());
    }
    let seconds = begun.elapsed().as_secs();
    assert!(shown.times() - times >= seconds / 2 - 1, "the others got theirs all the while");
    if read_every.is_some() {
        (&mut reading).await.unwrap();
    }
    reading.abort();
    seconds
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_never_reads_is_cut_and_nobody_waits_for_him() {
    let seconds = cut_after(None).await;
    assert!((30..=36).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn one_who_reads_byte_by_byte_is_cut_as_well() {
    let seconds = cut_after(Some(Duration::from_secs(1))).await;
    assert!((30..=36).contains(&seconds), "{seconds}");
}
