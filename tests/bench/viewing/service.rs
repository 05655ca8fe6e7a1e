//! The service that is looked at: the whole of it, with its real engine, on the history that was made for its canaries.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serinus::app::{Running, ServiceParts};
use serinus::config;
use serinus::outcome::{Secret, Secrets};
use serinus::plan::Canary;
use serinus::run::step::http::HttpClients;
use serinus::run::{Engine, StallLog};

use crate::counting_store::CountingStore;
use crate::process::{listen, say};

/// Who asks.
pub(super) const TOKEN: &str = "sesame-open";

/// Probes, and cells of each in each of two regions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) probes: usize,
    pub(crate) cells: usize,
}

/// Which service.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its file.
    pub file: PathBuf,
}

/// Where it answers, and what there is to be looked at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) probe: String,
    pub(super) run: String,
    pub(super) incident: String,
}

/// The store's file.
pub(super) fn store(directory: &Path) -> PathBuf {
    directory.join("history.db")
}

/// The canaries of a service.
pub(super) fn canaries(file: &Path) -> Vec<Arc<Canary>> {
    let loaded = config::load(file, []);
    let rendered = loaded.diagnostics.render(false);
    loaded.service.unwrap_or_else(|| panic!("the configuration is valid: {rendered}")).plan.canaries.clone()
}

impl Fleet {
    /// Writes probes of two steps, the second of which is waited for, which are asked every minute, and one that always fails.
    pub(super) fn write(self, directory: &Path, target: &str) -> PathBuf {
        let cells = (0..self.cells).map(|cell| cell.to_string()).collect::<Vec<_>>().join(", ");
        let well = (0..self.probes).map(|probe| (format!("probe-{probe}"), "1m", 200, cells.clone()));
        for (name, every, status, cells) in well.chain([("broken".to_owned(), "5s", 599, "0".to_owned())]) {
            let text = format!(
                r#"name     = "{name}"
summary  = "What is written comes back"
owner    = "bench"
runbook  = "https://runbooks.example.com/bench"
every    = "{every}"
deadline = "4s"

[slo]
success = 0.99

[matrix]
shard = [{cells}]

[[step]]
name     = "write"
http.get = "{{{{ target }}}}/write"
expect   = ["status == {status}"]

[[step]]
name       = "read it back"
http.get   = "{{{{ target }}}}/read"
eventually = {{ within = "2s", poll = "100ms" }}
expect     = ["status == 200"]
"#
            );
            std::fs::write(directory.join(format!("{name}.toml")), text).expect("the directory can be written to");
        }
        let text = format!(
            r#"regions = ["eu", "us"]
probes  = ["probe-*.toml", "broken.toml"]

[vars]
target = "{target}"

[secrets]
token = {{ env = "SERINUS_BENCH_TOKEN" }}

[listen]
address = "127.0.0.1:0"
token = "token"

[store]
url = "sqlite:{}"

[notify.webhook]
url = "{target}/pages"
"#,
            store(directory).display()
        );
        let file = directory.join("serinus.toml");
        std::fs::write(&file, text).expect("the directory can be written to");
        file
    }
}

/// The role: runs the service; says where it answers when there is an incident, and then, whenever it is told to, how many questions
/// the store was asked.
pub(crate) fn role(task: &Task) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let loaded = config::load(&task.file, []);
        let service = loaded.service.expect("the configuration is valid");
        let opened = serinus::app::open_store(service.store.as_ref().expect("a store is configured"), None).await;
        let store = CountingStore::new(opened.expect("the store can be opened").store);
        let secrets = Arc::new(Secrets::new([("token".into(), Ok(Secret::new(TOKEN)))].into()));
        let stalls = Arc::new(StallLog::default());
        let clients = HttpClients::new(&service.plan.limits).expect("the machine has root certificates");
        let engine = Engine::new(clients, service.plan.limits.clone(), Arc::clone(&stalls), Arc::clone(&secrets))
            .with_ledger(store.clone());
        let parts = ServiceParts {
            service,
            secrets,
            runner: Arc::new(engine.clone()),
            stalls,
            watchers: Vec::new(),
            jobs: Vec::new(),
            store: store.clone(),
            engine: Some(engine),
            self_check: None,
            sharing: serinus::app::Sharing::Own,
            source: None,
        };
        let running = Running::start(parts).await.expect("the service starts");
        say(&served(running.address()).await);
        while tokio::task::spawn_blocking(listen).await.expect("listening does not panic") {
            let asked: u64 = store.asked().iter().filter(|(question, _)| **question != "marks").map(|(_, times)| times).sum();
            say(&asked);
        }
        let stragglers = running.stop().await;
        assert!(stragglers.is_empty(), "{stragglers:?}");
    });
}

/// What there is to be looked at, once there is an incident.
async fn served(address: SocketAddr) -> Served {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
    let first = async |path: &str, key: &str| loop {
        let asked = client.get(format!("http://{address}/api/v1/{path}")).bearer_auth(TOKEN).send().await;
        let text = asked.expect("the service answers").text().await.expect("it answers in full");
        let answer: Value = serde_json::from_str(&text).expect("it answers with JSON");
        if let Some(found) = answer.pointer(key).and_then(Value::as_str) {
            return found.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let incident = first("incidents?limit=1", "/items/0/id").await;
    let run = first("runs?probe=broken&limit=1", "/items/0/run_id").await;
    Served { address, probe: "probe-0".to_owned(), run, incident }
}
