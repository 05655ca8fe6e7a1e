//! A real Alertmanager with three routes to one receiver of ours, which writes down what it gets and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::alertmanager::{self, Cluster};
use crate::http_server::{Target, answer, answering};
use crate::programs::{Program, free_port};
use crate::waiting::until;

/// How the three routes group.
pub(crate) const ROUTES: [(&str, &str); 3] = [("probe", "[probe]"), ("alertname", "[alertname]"), ("all", "['...']")];

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// A notification that the receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// By the wall clock, since the epoch.
    pub(crate) at: Duration,
    /// Which of [`ROUTES`].
    pub(crate) route: String,
    /// Which of several Alertmanagers.
    pub(crate) by: String,
    pub(crate) firing: BTreeSet<Labels>,
    pub(crate) resolved: BTreeSet<Labels>,
}

impl Told {
    fn read(path: &str, body: &[u8]) -> Self {
        let mut path = path.trim_start_matches('/').split('/').map(str::to_owned);
        let body: Value = serde_json::from_slice(body).unwrap();
        let of = |status: &str| {
            let alerts = body["alerts"].as_array().unwrap().iter().filter(|alert| alert["status"] == status);
            alerts.map(|alert| serde_json::from_value(alert["labels"].clone()).unwrap()).collect()
        };
        Self { at: now(), by: path.next().unwrap(), route: path.next().unwrap(), firing: of("firing"), resolved: of("resolved") }
    }

    /// The numbers of the rings that fire and of those that are over.
    pub(crate) fn rings(&self) -> (Vec<&str>, Vec<&str>) {
        (rings(&self.firing), rings(&self.resolved))
    }
}

fn rings(all: &BTreeSet<Labels>) -> Vec<&str> {
    all.iter().map(|labels| labels["ring"].as_str()).collect()
}

/// The receiver.
pub(crate) struct Receiver {
    target: Target,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let list = Arc::clone(&told);
        let target = answering(None, move |seen| {
            list.lock().unwrap().push(Told::read(seen.path(), &seen.body));
            answer(200, &[], "")
        })
        .await;
        Self { target, told }
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// What came of one route.
    pub(crate) fn of(&self, route: &str) -> Vec<Told> {
        self.told().into_iter().filter(|told| told.route == route).collect()
    }

    /// Waits until each route has told of it as of something that fires, or that is over.
    pub(crate) async fn hears(&self, ring: &str, over: bool) {
        for (route, _) in ROUTES {
            until(&format!("{route}: ring {ring}, over: {over}"), || async {
                self.of(route).iter().any(|told| if over { told.rings().1 } else { told.rings().0 }.contains(&ring)).then_some(())
            })
            .await;
        }
    }
}

/// How soon and how often routes speak.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) wait: Duration,
    pub(crate) interval: Duration,
}

pub(crate) const SHORT: Times = Times { wait: Duration::from_millis(500), interval: Duration::from_secs(2) };

/// A real Alertmanager.
pub(crate) struct Alertmanager {
    program: Option<Program>,
    folder: tempfile::TempDir,
    port: u16,
    /// Its port for peers and theirs.
    cluster: Option<Cluster>,
    client: reqwest::Client,
}

impl Alertmanager {
    /// One alone.
    pub(crate) async fn start(receiver: &Receiver, times: Times) -> Self {
        Self::with(receiver, times, "one", None).await
    }

    /// Two that know each other.
    pub(crate) async fn pair(receiver: &Receiver, times: Times) -> (Self, Self) {
        let (first, second) = (free_port(), free_port());
        let one = Self::with(receiver, times, "first", Some((first, second))).await;
        let other = Self::with(receiver, times, "second", Some((second, first))).await;
        for each in [&one, &other] {
            each.has_peers(2).await;
        }
        (one, other)
    }

    async fn with(receiver: &Receiver, times: Times, name: &str, cluster: Option<Cluster>) -> Self {
        let millis = |time: Duration| format!("{}ms", time.as_millis());
        let (wait, interval) = (millis(times.wait), millis(times.interval));
        let route = |(route, labels): (&str, &str)| {
            format!(
                "  - {{receiver: {route}, continue: true, group_by: {labels}, group_wait: {wait}, group_interval: {interval}}}\n"
            )
        };
        let hook = |(route, _): (&str, &str)| {
            let url = receiver.target.url(&format!("/{name}/{route}"));
            format!("- name: {route}\n  webhook_configs: [{{url: '{url}', send_resolved: true}}]\n")
        };
        let routes: String = ROUTES.into_iter().map(route).collect();
        let hooks: String = ROUTES.into_iter().map(hook).collect();
        let text = format!("route:\n  receiver: none\n  routes:\n{routes}receivers:\n- name: none\n{hooks}");
        Self::configured(&text, cluster).await
    }

    /// One with the exported configuration, whose receivers all are this one, each by its name; it speaks as soon and as often as
    /// these times say.
    pub(crate) async fn exported(receiver: &Receiver, exported: &str, times: Times) -> Self {
        let filled = |line: &str| match line.trim().strip_prefix("- name: \"").and_then(|rest| rest.strip_suffix('"')) {
            Some(name) => {
                let name: String = name.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
                let url = receiver.target.url(&format!("/exported/{name}"));
                format!("{line}\n    webhook_configs: [{{url: '{url}', send_resolved: true}}]\n")
            }
            None => format!("{line}\n"),
        };
        let text: String = exported.lines().map(filled).collect();
        let millis = |time: Duration| format!("{}ms", time.as_millis());
        let text = text.replace("group_wait: 10s", &format!("group_wait: {}", millis(times.wait)));
        let text = text.replace("group_interval: 1m", &format!("group_interval: {}", millis(times.interval)));
        Self::configured(&text, None).await
    }

    async fn configured(text: &str, cluster: Option<Cluster>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alertmanager.yml"), text).unwrap();
        // Another test may have done so.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut one = Self { program: None, folder, port: free_port(), cluster, client: reqwest::Client::new() };
        one.run().await;
        one
    }

    /// Starts it, or starts it again with its files.
    pub(crate) async fn run(&mut self) {
        self.program = Some(alertmanager::start(self.folder.path(), "data", self.port, self.cluster));
        until("Alertmanager being ready", || async {
            self.client.get(self.url("/-/ready")).send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Waits until it knows so many of its cluster, itself among them.
    pub(crate) async fn has_peers(&self, count: usize) {
        until("the peers knowing each other", || async {
            let status = self.get("/api/v2/status").await;
            let peers = status["cluster"]["peers"].as_array().map_or(0, Vec::len);
            (peers == count && status["cluster"]["status"] == "ready").then_some(())
        })
        .await;
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.program = None;
    }

    /// Ends it as its supervisor does, so that it writes down what it said.
    pub(crate) fn stop(&mut self) {
        let mut program = self.program.take().unwrap();
        let id = rustix::process::Pid::from_raw(program.0.id().cast_signed()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        program.0.wait().unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// The summaries of what fires.
    pub(crate) async fn summaries(&self) -> Vec<String> {
        let alerts = self.get("/api/v2/alerts").await;
        alerts.as_array().unwrap().iter().map(|alert| alert["annotations"]["summary"].as_str().unwrap().to_owned()).collect()
    }

    /// Posts alerts and gives the answer's status and text.
    pub(crate) async fn try_post(&self, alerts: &[Value]) -> (u16, String) {
        let answer = self.client.post(self.url("/api/v2/alerts")).json(alerts).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn post(&self, alerts: &[Value]) {
        let (status, text) = self.try_post(alerts).await;
        assert_eq!(status, 200, "{text}");
    }
}

/// A ring as the channel posts it.
#[derive(Debug, Clone)]
pub(crate) struct Ring {
    pub(crate) labels: Labels,
    pub(crate) summary: String,
    pub(crate) starts: Duration,
}

impl Ring {
    pub(crate) fn new(probe: &str, number: u32, severity: &str, region: &str) -> Self {
        let (name, number) = (format!("Serinus_{probe}"), number.to_string());
        let pairs = [
            ("alertname", name.as_str()),
            ("probe", probe),
            ("owner", "music-sync"),
            ("severity", severity),
            ("ring", &number),
            ("region", region),
        ];
        let labels = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { labels, summary: format!("{probe} fails in {region}"), starts: now() }
    }

    /// It fires until then, if nobody says more.
    pub(crate) fn until(&self, ends: Duration) -> Value {
        json!({
            "labels": self.labels,
            "annotations": { "summary": self.summary },
            "startsAt": rfc3339(self.starts),
            "endsAt": rfc3339(ends),
        })
    }

    /// It fires, as the channel says each minute.
    pub(crate) fn fires(&self) -> Value {
        self.until(now() + Duration::from_mins(15))
    }

    /// It is over.
    pub(crate) fn over(&self) -> Value {
        self.until(now())
    }
}

/// By the wall clock, since the epoch.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

pub(crate) fn rfc3339(time: Duration) -> String {
    let millis = i64::try_from(time.as_millis()).unwrap();
    let time = chrono::DateTime::from_timestamp_millis(millis).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Lets every group look twice, so that what it would have said is said.
pub(crate) async fn two_looks(times: Times) {
    tokio::time::sleep(times.wait + times.interval * 2 + Duration::from_millis(500)).await;
}
