//! What pages say while the store answers nothing: what they know without it, and that the rest is not known.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use serinus::history::{Commit, IncidentRow, Recorder as _};

use crate::page_questions::Service;

/// A page and its status, by its address below the root.
async fn page(service: &Service, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{}{path}", service.running.address())).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_breaks_and_none_looks_well_while_the_store_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), 10).await;
    let (_, runs) = page(&service, "/api/v1/runs?limit=1").await;
    let runs: Value = serde_json::from_str(&runs).unwrap();
    let run = format!("/runs/{}", runs["items"][0]["run_id"].as_str().unwrap());
    service.store.is_away.store(true, Ordering::Relaxed);
    let noticed = async {
        while !page(&service, "/").await.1.contains("cannot be read") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noticed).await.expect("the overview says that the store cannot be read");
    // The address, and what stands on its page: what is known all the same, and that something is not.
    let pages = [
        ("/", ["no run yet", "cannot be read"]),
        ("/?range=24h", ["no run yet", "cannot be read"]),
        ("/probes", ["p", ""]),
        ("/probes/p", ["Next ticks", "The store did not answer everything"]),
        ("/probes/p?range=90d", ["Next ticks", "The store did not answer everything"]),
        ("/incidents", ["Incidents", "cannot be read"]),
        ("/maintenance", ["Maintenance", ""]),
        ("/certificates", ["Certificates", ""]),
        ("/channels", ["webhook", ""]),
        ("/runs", ["", "cannot be read"]),
        ("/log", ["", "cannot be read"]),
        (&run, ["", "cannot be read"]),
        ("/incidents/01J00000000000000000000000", ["", "cannot be read"]),
    ];
    for (path, words) in pages {
        let (status, text) = page(&service, path).await;
        assert!(matches!(status, 200 | 503) && text.contains("</html>"), "{path}: {status} {text}");
        for word in words {
            assert!(text.contains(word), "{path} does not say `{word}`: {text}");
        }
        assert!(
            !text.contains("All is well") && !text.contains("There is none") && !text.contains("None is kept"),
            "{path}: {text}"
        );
    }
    service.store.is_away.store(false, Ordering::Relaxed);
    assert_eq!(page(&service, &run).await.0, 200);
    assert_eq!(service.running.stop().await, Vec::<String>::new());
}

/// An incident of the probe that began so many hours ago and was over after one, or goes on.
fn incident(hours_ago: u32, is_over: bool) -> IncidentRow {
    const HOUR_MS: i64 = 3_600_000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let opened_ms = i64::try_from(now.as_millis()).unwrap() - i64::from(hours_ago) * HOUR_MS;
    IncidentRow {
        id: format!("01J{:023}", 10_000 - hours_ago),
        scope: "probe/p".to_owned(),
        probe: Some("p".to_owned()),
        severity: "page",
        opened_ms,
        resolved_ms: is_over.then_some(opened_ms + HOUR_MS / 2),
        json: "{}".to_owned(),
    }
}

async fn shown(service: &Service) -> Value {
    serde_json::from_str(&page(service, "/status/status.json").await.1).unwrap()
}

async fn until_partial(service: &Service, is_partial: bool) -> Value {
    let told = async {
        loop {
            let shown = shown(service).await;
            if shown["is_partial"] == is_partial {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), told).await.expect("the status page says whether the store can be read")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_says_as_of_when_its_incidents_are_and_tells_one_that_goes_on_however_many_came_since() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[status_page]\n[[status_page.component]]\nname = \"Shop\"\nprobes = [\"p\"]\n";
    let service = Service::start_with(folder.path(), &["p"], 10, settings).await;
    let open = incident(1_000, false);
    let mut incidents: Vec<IncidentRow> = (1..=250).map(|hours_ago| incident(hours_ago, true)).collect();
    incidents.push(open.clone());
    service.store.commit(Commit { incidents, ..Commit::default() }).await.unwrap();
    let current = until_partial(&service, false).await;
    assert_eq!(
        (&current["incidents"][0]["begun_ms"], &current["incidents"][0]["ended_ms"]),
        (&open.opened_ms.into(), &Value::Null),
        "what goes on is older than the newest that are read"
    );
    assert!(!page(&service, "/status/").await.1.contains("cannot be read"));
    service.store.is_away.store(true, Ordering::Relaxed);
    let old = until_partial(&service, true).await;
    assert_eq!(old["incidents"], current["incidents"], "what was read stays");
    assert!(old["read_ms"].as_i64().unwrap() < old["as_of_ms"].as_i64().unwrap(), "{}", old["read_ms"]);
    let (_, html) = page(&service, "/status/").await;
    for words in ["Days and incidents cannot be read right now: those below are as of ", "going on as of "] {
        assert!(html.contains(words), "{words}: {html:.3000}");
    }
    assert!(page(&service, "/status/feed.atom").await.1.contains("going on as of "));
    service.store.is_away.store(false, Ordering::Relaxed);
    until_partial(&service, false).await;
    assert!(!page(&service, "/status/").await.1.contains("going on as of "));
    assert_eq!(service.running.stop().await, Vec::<String>::new());
}
