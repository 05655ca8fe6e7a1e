//! `serinus sweep` on a real store, against a target on loopback.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use serinus::history::sqlite::SqliteStore;
use serinus::history::{CleanupLedger as _, Recovery as _, StartState};
use serinus::outcome::{Ledger as _, LedgerEnd, LedgerEntry};
use serinus::plan::{Bodies, Retention};

use crate::cli_support::{Answer, Running, assert_exit, run, serinus, stderr, stdout, target};

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
    // Entries are listed by their ids: these are in the order of the canaries, also within one millisecond.
    let mut ids = ulid::Generator::new();
    for canary in canaries {
        let entry = LedgerEntry {
            id: ids.generate().unwrap().to_string(),
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
            passed: 0,
            attempts: 0,
        };
        store.intend(entry).await.unwrap();
    }
    assert!(store.close(Duration::from_secs(10)));
    folder
}

fn open(folder: &Path) -> (SqliteStore, StartState) {
    let kept = Retention { passed: DAY, others: DAY, rollups: DAY, bodies: Bodies::Failed };
    let store = SqliteStore::open(&folder.join("serinus.db"), kept, SystemTime::now()).unwrap();
    let remembered = futures::executor::block_on(store.start_state(SystemTime::now())).unwrap();
    (store, remembered)
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

/// The rows of the ledger as the file has them.
async fn ids(folder: &Path) -> Vec<String> {
    let rows = open(folder).0.ledger().await.unwrap();
    let entries = rows.entries.into_iter().map(|view| view.entry.id);
    entries.chain(rows.unreadable.into_iter().map(|row| row.id)).collect()
}

/// Makes the text of an entry unreadable, as a disk or another version might.
fn spoil(folder: &Path, id: &str, text: &str) {
    let file = rusqlite::Connection::open(folder.join("serinus.db")).unwrap();
    assert_eq!(file.execute("UPDATE ledger SET entry = ? WHERE id = ?", [text, id]).unwrap(), 1);
}

#[tokio::test]
async fn what_was_given_up_can_be_forgotten_also_where_its_probe_is_gone() {
    let folder = folder("status == 204", &["p/eu", "gone/eu", "gone/us"]).await;
    let (store, _) = open(folder.path());
    let all = ids_of(&store).await;
    store.ended(&all[0], LedgerEnd::GivenUp { message: "it said 500".to_owned() });
    store.ended(&all[1], LedgerEnd::GivenUp { message: "nobody knows how".to_owned() });
    assert!(store.close(Duration::from_secs(10)));

    let forgotten = run(folder.path(), &["sweep", "--forget-given-up"]);
    assert_exit(&forgotten, 0);
    for told in ["forgotten  p/eu  `create` of run ", "(given up): it said 500", "forgotten  gone/eu", &all[1]] {
        assert!(stdout(&forgotten).contains(told), "{told} is not in {}", stdout(&forgotten));
    }
    assert!(stderr(&forgotten).contains("2 forgotten: nothing was deleted"), "{}", stderr(&forgotten));
    assert_eq!(ids(folder.path()).await, all[2..]);
    // By its id one goes that was not given up, and with one that is not there none.
    let unknown = run(folder.path(), &["sweep", "--forget", &all[2], "--forget", "nobody"]);
    assert_exit(&unknown, 2);
    assert!(stderr(&unknown).contains("no entry `nobody`"), "{}", stderr(&unknown));
    assert_eq!(ids(folder.path()).await, all[2..]);
    let forgotten = run(folder.path(), &["sweep", "--forget", &all[2], "--output", "json"]);
    assert_exit(&forgotten, 0);
    let forgotten: Value = serde_json::from_str(&stdout(&forgotten)).unwrap();
    assert_eq!((&forgotten["forgotten"], &forgotten["entries"][0]["canary"]), (&json!(1), &json!("gone/us")));
    assert!(ids(folder.path()).await.is_empty());
    assert_exit(&run(folder.path(), &["sweep", "--forget-given-up"]), 0);
}

async fn ids_of(store: &SqliteStore) -> Vec<String> {
    store.ledger().await.unwrap().entries.into_iter().map(|view| view.entry.id).collect()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told_keeps_nothing_else_from_being_deleted_and_can_be_forgotten() {
    let folder = folder("status == 200", &["p/eu", "p/eu"]).await;
    let all = ids(folder.path()).await;
    spoil(folder.path(), &all[0], "{\"id\":");
    let swept = run(folder.path(), &["sweep"]);
    assert_exit(&swept, 1);
    assert!(stdout(&swept).contains("gone    p/eu"), "{}", stdout(&swept));
    assert!(stdout(&swept).contains(&format!("unreadable, entry {}: it cannot be read: ", all[0])), "{}", stdout(&swept));
    assert_eq!(ids(folder.path()).await, all[..1]);
    assert_exit(&run(folder.path(), &["sweep", "--forget", &all[0]]), 0);
    assert!(ids(folder.path()).await.is_empty());
}

#[tokio::test]
async fn a_service_starts_with_an_entry_that_cannot_be_read_and_names_it() {
    let folder = folder("status == 200", &["p/eu", "p/eu"]).await;
    let all = ids(folder.path()).await;
    spoil(folder.path(), &all[0], "nonsense");
    let config = folder.path().join("serinus.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("[vars]", "[listen]\naddress = \"127.0.0.1:0\"\n[vars]");
    std::fs::write(&config, text).unwrap();
    let mut command = serinus(folder.path());
    command.args(["run", "-c", "serinus.toml"]);
    let mut running = Running::start(command);
    let told = running.said("cannot be read and is set aside");
    assert!(told.contains(&all[0]) && told.contains("sweep --forget"), "{told}");
    running.said("address=");
    running.signal("TERM");
    running.said("stopped");
    assert_eq!(running.wait().code(), Some(0));
    assert!(ids(folder.path()).await.contains(&all[0]), "it is left for a person");
}
