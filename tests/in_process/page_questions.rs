//! What a page asks the store: as much for a thousand canaries as for ten. How long that takes is measured by
//! `cargo bench --bench dashboard`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serinus::app::{Running, ServiceParts, Sharing, store_in_memory};
use serinus::config;
use serinus::history::{Commit, Housekeeper as _, Record, Recorder as _};
use serinus::plan::Canary;
use serinus::run::{Finished, RunRequest, StallLog};
use serinus::schedule::Runner;

use crate::counting_store::{CountingStore, Questions};
use crate::report;

/// Nothing is due while a test lasts.
struct Nothing;

impl Runner for Nothing {
    fn run(&self, _canary: Arc<Canary>, _request: RunRequest) -> BoxFuture<'static, Finished> {
        std::future::pending().boxed()
    }
}

/// A service whose canaries have failed once each, and its store.
pub(crate) struct Service {
    pub(crate) running: Running,
    pub(crate) store: Arc<CountingStore>,
    canaries: Vec<Arc<Canary>>,
}

impl Service {
    pub(crate) async fn start(folder: &Path, canaries: usize) -> Self {
        Self::start_with(folder, &["p"], canaries, "").await
    }

    /// Each of these probes has so many canaries; with more of the service's settings.
    pub(crate) async fn start_with(folder: &Path, probes: &[&str], canaries: usize, more: &str) -> Self {
        let cells = (0..canaries / 2).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
        for name in probes {
            let probe = format!(
                "name = \"{name}\"\nsummary = \"s\"\nowner = \"o\"\nrunbook = \"https://runbooks.example.com\"\nevery = \"23h\"\n\
             deadline = \"5s\"\n[slo]\nsuccess = 0.99\n[matrix]\nshard = [{cells}]\n\
             {}{}",
                step("write"),
                step("read")
            );
            std::fs::write(folder.join(format!("{name}.toml")), probe).unwrap();
        }
        let text = format!(
            "regions = [\"eu\", \"us\"]\nprobes = [\"p*.toml\"]\n[listen]\naddress = \"127.0.0.1:0\"\n\
             [notify.webhook]\nurl = \"http://127.0.0.1:9/\"\n{more}"
        );
        std::fs::write(folder.join("serinus.toml"), text).unwrap();
        let loaded = config::load(&folder.join("serinus.toml"), []);
        let service = loaded.service.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
        assert_eq!(service.plan.canaries.len(), probes.len() * canaries);
        let all = service.plan.canaries.clone();
        let store = CountingStore::new(store_in_memory());
        let runs = service.plan.canaries.iter().map(failed).collect();
        store.commit(Commit { runs, ..Commit::default() }).await.unwrap();
        let parts = ServiceParts {
            service,
            secrets: Arc::default(),
            runner: Arc::new(Nothing),
            stalls: Arc::new(StallLog::default()),
            watchers: Vec::new(),
            jobs: Vec::new(),
            store: store.clone(),
            engine: None,
            self_check: None,
            sharing: Sharing::Own,
            source: None,
        };
        Self { running: Running::start(parts).await.unwrap(), store, canaries: all }
    }

    /// What a page asks, but for what is asked beside all pages, which follows what is written.
    async fn asked_by(&self, path: &str) -> Questions {
        let (page, asked) = self.get(path).await;
        assert!(page.contains("</html>"), "{path}: {page}");
        asked
    }

    /// What a route answers, and asks.
    async fn get(&self, path: &str) -> (String, Questions) {
        let before = self.store.asked();
        let answer = get(self.running.address(), path).await;
        let new = |(question, times): (&'static str, u64)| {
            let new = times - before.get(question).copied().unwrap_or_default();
            (question != "marks" && new > 0).then_some((question, new))
        };
        (answer, self.store.asked().into_iter().filter_map(new).collect())
    }
}

fn step(name: &str) -> String {
    format!("[[step]]\nname = \"{name}\"\nhttp.get = \"http://127.0.0.1:9/\"\nexpect = [\"status == 200\"]\n")
}

fn failed(canary: &Arc<Canary>) -> Record {
    Record { report: Arc::new(report::failed(canary, SystemTime::now() - Duration::from_mins(5))), counted: true }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("http://{address}{path}")).send().await.unwrap().text().await.unwrap()
}

/// What each page asks where there are so many canaries.
async fn asked_with(canaries: usize) -> BTreeMap<String, Questions> {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), canaries).await;
    let runs = get(service.running.address(), "/api/v1/runs?limit=1").await;
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let run = runs["items"][0]["run_id"].as_str().unwrap();
    let pages = [
        "/",
        "/?range=24h",
        "/?open=p",
        "/?q=eu",
        "/probes",
        "/probes/p",
        "/probes/p?range=1h",
        "/probes/p?range=90d&runs=all",
        "/probes/p?region=eu",
        "/runs",
        "/runs?probe=p&verdict=not_passed",
        "/incidents",
        "/maintenance",
        "/certificates",
        "/channels",
        "/log",
    ];
    let mut asked = BTreeMap::new();
    for page in pages {
        asked.insert(page.to_owned(), service.asked_by(page).await);
    }
    asked.insert("a run".to_owned(), service.asked_by(&format!("/runs/{run}")).await);
    assert_eq!(service.running.stop().await, Vec::<String>::new());
    asked
}

/// Without what is read for all who look: it falls to whichever page comes when it is due.
fn own(asked: &BTreeMap<String, Questions>) -> BTreeMap<&str, Questions> {
    let own = |questions: &Questions| {
        questions.iter().filter(|(what, _)| **what != "events").map(|(what, times)| (*what, *times)).collect()
    };
    asked.iter().map(|(page, questions)| (page.as_str(), own(questions))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_the_store_as_little_for_a_thousand_canaries_as_for_ten() {
    let (few, many) = (asked_with(10).await, asked_with(1_000).await);
    assert_eq!(own(&few), own(&many));
    let total = |page: &str| many[page].values().sum::<u64>();
    // The day is read once a minute, and what changed lately every few seconds, for all who look.
    for (page, most) in
        [("/", 1), ("/?range=24h", 2), ("/?open=p", 1), ("/probes", 0), ("/probes/p", 7), ("/runs", 1), ("a run", 6)]
    {
        assert!(total(page) <= most, "{page}: {:?}", many[page]);
    }
    for page in ["/incidents", "/maintenance", "/certificates", "/channels", "/log"] {
        assert!(total(page) <= 1, "{page}: {:?}", many[page]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_runs_asks_the_store_once_however_many_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), 10).await;
    let (begun, _) = service.get("/api/v1/runs/written").await;
    let begun: serde_json::Value = serde_json::from_str(&begun).unwrap();
    let runs: Vec<_> = service.canaries.iter().flat_map(|canary| (0..50).map(|_| failed(canary))).collect();
    let written: Vec<String> = runs.iter().map(|run| run.report.run_id.to_string()).collect();
    service.store.commit(Commit { runs, ..Commit::default() }).await.unwrap();
    let path = format!("/api/v1/runs/written?not_passed=true&after={}", begun["next"].as_str().unwrap());
    let (answer, asked) = service.get(&path).await;
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let told: Vec<&str> = answer["items"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect();
    assert_eq!((told.len(), asked), (written.len(), Questions::from([("written_runs", 1)])));
    assert_eq!(told, written);
    assert_eq!(service.running.stop().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn objectives_ask_the_store_as_little_for_hundreds_of_probes_as_for_three() {
    let mut asked = Vec::new();
    for probes in [3, 300] {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..probes).map(|number| format!("p{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let service = Service::start_with(folder.path(), &names, 2, "").await;
        service.store.housekeep(SystemTime::now()).await.unwrap();
        let (answer, questions) = service.get("/api/v1/slo").await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let items = answer["items"].as_array().unwrap();
        let failed = |item: &serde_json::Value| {
            item["periods"].as_array().unwrap().iter().filter_map(|period| period["failed"].as_u64()).sum::<u64>()
        };
        assert!(items.len() == probes && items.iter().all(|item| failed(item) == 2), "{answer}");
        // The store was begun a moment ago, and most of four weeks is not kept.
        assert!(items[0]["periods"][3]["kept_since_ms"].is_i64(), "{answer}");
        asked.push(questions);
        assert_eq!(service.running.stop().await, Vec::<String>::new());
    }
    assert_eq!(asked[0], Questions::from([("totals_of_probes", 4)]));
    assert_eq!(asked[0], asked[1]);
}
