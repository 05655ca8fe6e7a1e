//! Channels, notices and a dispatcher for the tests.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::alert::notify::{Dispatcher, HttpClient, News};
use serinus::alert::{Action, Failure, Links, Member, Notice, Occasion};
use serinus::history::{Commit, DeliveryState, MessageRow};
use serinus::outcome::{Secret, Secrets};
use serinus::plan::{Alerting, Channel, ChannelKind, Severity, Template};
use serinus::source::Location;
use tokio::sync::mpsc;

/// Nothing here takes nearly as long; it only keeps a broken program from hanging the tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn channel(name: &str, kind: ChannelKind) -> Arc<Channel> {
    Arc::new(Channel { name: name.into(), least: Severity::Page, wakes: true, timeout: Duration::from_secs(5), kind })
}

pub(crate) fn hurried(name: &str, timeout: Duration, kind: ChannelKind) -> Arc<Channel> {
    Arc::new(Channel { name: name.into(), least: Severity::Page, wakes: true, timeout, kind })
}

pub(crate) fn alerting(channels: Vec<Arc<Channel>>) -> Arc<Alerting> {
    Arc::new(Alerting { channels, ..Alerting::default() })
}

pub(crate) fn template(text: &str) -> Template {
    let location = Location { path: std::path::Path::new("serinus.toml").into(), line: 1, column: 1 };
    Template::parse(text, location).expect("the template is one")
}

pub(crate) fn webhook(url: &str) -> ChannelKind {
    ChannelKind::Webhook { url: template(url), headers: Vec::new(), body: None, signing_key: None }
}

pub(crate) fn secrets(values: &[(&str, &str)]) -> Arc<Secrets> {
    let values: BTreeMap<Arc<str>, _> = values.iter().map(|(name, value)| ((*name).into(), Ok(Secret::new(*value)))).collect();
    Arc::new(Secrets::new(values))
}

pub(crate) fn client() -> HttpClient {
    HttpClient::new(&[]).expect("the machine's roots can be read")
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set");
    i64::try_from(since.as_millis()).expect("it is not that late yet")
}

pub(crate) fn notice(key: &str) -> Notice {
    let at_ms = now_ms();
    Notice {
        key: key.to_owned(),
        action: Action::Trigger,
        occasion: Occasion::Opened,
        severity: Severity::Page,
        incident: "i1".to_owned(),
        scope: "probe/playlist-sync".to_owned(),
        title: "playlist-sync fails in eu".to_owned(),
        probe: Some("playlist-sync".to_owned()),
        summary: Some("A playlist made on one device is complete on a second one".to_owned()),
        owner: Some("music-sync".to_owned()),
        runbook: Some("https://runbooks.example.com/playlist-sync".to_owned()),
        tags: Vec::new(),
        subject: None,
        since_ms: at_ms - 60_000,
        at_ms,
        resolved_ms: None,
        members: vec![Member {
            canary: "playlist-sync/eu".to_owned(),
            region: "eu".to_owned(),
            cell: "platform=ios".to_owned(),
            since_ms: at_ms - 60_000,
            failures: 2,
            reason: Some("expectation".to_owned()),
        }],
        members_total: 1,
        regions: Vec::new(),
        failure: Some(Failure {
            canary: "playlist-sync/eu".to_owned(),
            run_id: "01HF".to_owned(),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            at_ms,
            reason: "expectation".to_owned(),
            message: "the expectation did not hold".to_owned(),
            step: Some("read".to_owned()),
            attempts: 1,
            expectation: Some("json.n == 10".to_owned()),
            location: Some("probes/playlist_sync.toml:41:15".to_owned()),
            seen: vec![("json.n".to_owned(), "9".to_owned())],
        }),
        notes: Vec::new(),
        previous: None,
        links: Links { incident: Some("https://serinus.example.com/incidents/i1".to_owned()), ..Links::default() },
        test: false,
    }
}

pub(crate) fn resolved(notice: &Notice) -> Notice {
    Notice { action: Action::Resolve, occasion: Occasion::Resolved, resolved_ms: Some(now_ms()), ..notice.clone() }
}

pub(crate) fn row(id: &str, channel: &str, notice: &Notice) -> MessageRow {
    MessageRow {
        id: id.to_owned(),
        incident: notice.incident.clone(),
        key: notice.key.clone(),
        channel: channel.to_owned(),
        created_ms: notice.at_ms,
        notice: serde_json::to_string(notice).expect("a notice is JSON"),
        attempts: 0,
        state: DeliveryState::Pending,
    }
}

/// A dispatcher and what it tells.
pub(crate) struct Desk {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) news: mpsc::UnboundedReceiver<News>,
    pub(crate) commits: mpsc::UnboundedReceiver<Commit>,
}

impl Desk {
    pub(crate) fn start(alerting: &Arc<Alerting>, secrets: &Arc<Secrets>, remembered: Vec<MessageRow>) -> Self {
        let (tell, news) = mpsc::unbounded_channel();
        let (record, commits) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher::start(
            client(),
            alerting,
            secrets,
            remembered,
            move |commit| drop(record.send(commit)),
            move |news| drop(tell.send(news)),
        );
        Self { dispatcher, news, commits }
    }

    pub(crate) async fn next(&mut self) -> News {
        let Ok(news) = tokio::time::timeout(PATIENCE, self.news.recv()).await else {
            let commits: Vec<_> = std::iter::from_fn(|| self.commits.try_recv().ok()).collect();
            panic!("nothing was told; written down was {commits:?}");
        };
        news.expect("it goes on")
    }

    /// The id of the message that is delivered next.
    pub(crate) async fn delivered(&mut self) -> String {
        match self.next().await {
            News::Delivered { message, .. } => message,
            other @ News::Undelivered { .. } => panic!("{other:?}"),
        }
    }

    /// Why the next message is dead.
    pub(crate) async fn dead(&mut self) -> String {
        match self.next().await {
            News::Undelivered { dead: true, error, .. } => error,
            other => panic!("{other:?}"),
        }
    }
}

/// Asks until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A program that ends with the test.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(program: &str, arguments: &[&str], package: &str) -> Self {
        let child =
            Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Self(
            child.unwrap_or_else(|error| panic!("`{program}` cannot be started ({error}): install Debian's package `{package}`")),
        )
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}
