//! `serinus sweep` on a real store, against a target on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod cli_support;

use std::path::Path;
use std::time::{Duration, SystemTime};

use cli_support::{Answer, assert_exit, run, stderr, stdout, target};
use serde_json::{Value, json};
use serinus::history::{Remembered, Store};
use serinus::outcome::{Ledger as _, LedgerEntry};
use serinus::plan::{Bodies, StoreSettings};

const DAY: Duration = Duration::from_hours(24);

/// A folder with a probe that can undo what it made, and a store that knows of one thing left in each of these canaries.
async fn folder(expectation: &str, canaries: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let api = target(Answer::Ok);
    std::fs::write(
        at("serinus.toml"),
        format!("region = \"eu\"\nprobes = [\"p.toml\"]\nstore.url = \"sqlite:serinus.db\"\nnotify.none = true\n[vars]\napi = \"http://{api}\"\n"),
    )
    .unwrap();
    std::fs::write(
        at("p.toml"),
        format!(
            "name = \"p\"\nowner = \"o\"\nrunbook = \"https://runbooks.example.com/p\"\nevery = \"1m\"\ndeadline = \"10s\"\n\
             [[step]]\nname = \"create\"\nhttp.post = \"{{{{ api }}}}/items\"\nexpect = [\"status == 200\"]\ncapture = {{ id = \"json.state\" }}\n\
             [step.cleanup]\nhttp.delete = \"{{{{ api }}}}/items/{{{{ id }}}}\"\nexpect = [\"{expectation}\"]\n"
        ),
    )
    .unwrap();
    let (store, _) = open(folder.path());
    for canary in canaries {
        let entry = LedgerEntry {
            id: ulid::Ulid::generate().to_string(),
            run_id: ulid::Ulid::generate().to_string(),
            trace_id: "1".to_owned(),
            canary: (*canary).to_owned(),
            probe: "p".to_owned(),
            region: "eu".to_owned(),
            step: "create".to_owned(),
            device: "default".to_owned(),
            started_ms: 1,
            names: json!({ "id": "a" }),
            created: true,
            attempts: 0,
        };
        store.intend(entry).await.unwrap();
    }
    assert!(store.close(Duration::from_secs(10)));
    folder
}

fn open(folder: &Path) -> (Store, Remembered) {
    let settings = StoreSettings {
        path: folder.join("serinus.db"),
        keep_passed: DAY,
        keep_failed: DAY,
        keep_rollups: DAY,
        bodies: Bodies::Failed,
    };
    Store::open(&settings, SystemTime::now()).unwrap()
}

#[tokio::test]
async fn what_is_left_behind_is_deleted_and_forgotten() {
    let folder = folder("status == 200", &["p/eu"]).await;
    let listed = run(folder.path(), &["sweep", "--dry-run", "--output", "json"]);
    assert_exit(&listed, 1);
    let listed: Value = serde_json::from_str(&stdout(&listed)).unwrap();
    assert_eq!((&listed["left"], &listed["entries"][0]["result"]), (&json!(1), &json!("listed")));

    let swept = run(folder.path(), &["sweep"]);
    assert_exit(&swept, 0);
    assert!(stdout(&swept).starts_with("gone    p/eu  `create` of run "), "{}", stdout(&swept));
    assert!(open(folder.path()).1.ledger.is_empty());
}

#[tokio::test]
async fn what_cannot_be_deleted_is_told_and_exits_1() {
    let folder = folder("status == 204", &["p/eu", "gone/eu"]).await;
    let swept = run(folder.path(), &["sweep", "--output", "json"]);
    assert_exit(&swept, 1);
    let swept: Value = serde_json::from_str(&stdout(&swept)).unwrap();
    assert_eq!((&swept["gone"], &swept["left"]), (&json!(0), &json!(2)));
    let said = swept["entries"].to_string();
    assert!(said.contains("`status` was 200") && said.contains("gone/eu is no longer planned"), "{said}");
    assert_eq!(open(folder.path()).1.ledger.iter().map(|entry| entry.attempts).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_store_that_a_service_works_on_is_left_to_it() {
    let folder = folder("status == 200", &["p/eu"]).await;
    let (store, _) = open(folder.path());
    let swept = run(folder.path(), &["sweep"]);
    assert_exit(&swept, 3);
    assert!(stderr(&swept).contains("in use by a running service"), "{}", stderr(&swept));
    assert!(store.close(Duration::from_secs(10)));
}

#[tokio::test]
async fn without_a_store_there_is_nothing_to_say() {
    let folder = folder("status == 200", &[]).await;
    std::fs::remove_file(folder.path().join("serinus.db")).unwrap();
    let swept = run(folder.path(), &["sweep"]);
    assert_exit(&swept, 3);
    assert!(stderr(&swept).contains("there is no store at"), "{}", stderr(&swept));
}
