//! What pages say while the store answers nothing: what they know without it, and that the rest is not known.

use std::sync::atomic::Ordering;
use std::time::Duration;

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
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
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
