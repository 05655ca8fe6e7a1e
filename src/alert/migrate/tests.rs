//! With the store that a real process of the version before left, see `tests/carry_over`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::super::condition::Conditions;
use super::super::evaluate::{Evaluator, OutgoingTry};
use super::super::incident::Told;
use super::super::scope_records::ScopeRecords;
use super::super::tries::{Action, Open, Try};
use super::super::{Objective, State, fact::Level};
use super::*;
use crate::history::sqlite::SqliteStore;
use crate::history::{Reader as _, Recorder as _, Recovery as _};
use crate::plan::{Bodies, CanaryId, Channel, ChannelKind, Retention, Service, Template};
use crate::source::Location;

/// What was told, by the rows that the process left and by what its Alertmanager got.
fn expected() -> Value {
    serde_json::from_str(include_str!("../../../tests/carry_over/format_2.json")).unwrap()
}

/// Some seconds after the process ended.
fn then() -> Moment {
    let since = Duration::from_millis(expected()["written_ms"].as_u64().unwrap() + 5_000);
    Moment { steady: since, wall: SystemTime::UNIX_EPOCH + since }
}

const DAY: Duration = Duration::from_hours(24);

const KEPT: Retention = Retention {
    passed: DAY.saturating_mul(3),
    others: DAY.saturating_mul(30),
    rollups: DAY.saturating_mul(400),
    bodies: Bodies::Failed,
};

/// The store's file, in a folder of its own.
fn file(folder: &tempfile::TempDir) -> PathBuf {
    let path: PathBuf = folder.path().join("serinus.db");
    if !path.exists() {
        let mut bytes = Vec::new();
        let file = &include_bytes!("../../../tests/carry_over/format_2.db.gz")[..];
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    path
}

fn open(path: &Path) -> (SqliteStore, StartState) {
    let store = SqliteStore::open(path, KEPT, then().wall).unwrap();
    let remembered = futures::executor::block_on(store.start_state(then().wall)).unwrap();
    (store, remembered)
}

fn remembered() -> StartState {
    let folder = tempfile::tempdir().unwrap();
    let (store, remembered) = open(&file(&folder));
    assert!(store.close(Duration::from_mins(1)));
    remembered
}

fn location() -> Location {
    Location { path: Arc::from(Path::new("serinus.toml")), line: 1, column: 1 }
}

/// The channels that were configured.
fn alerting() -> Alerting {
    let webhook = || ChannelKind::Webhook {
        url: Template::parse("http://127.0.0.1/", location()).unwrap(),
        headers: Vec::new(),
        body: None,
        signing_key: None,
    };
    let alertmanager = ChannelKind::Alertmanager {
        urls: Vec::new(),
        headers: Vec::new(),
        labels: vec![("team".to_owned(), "canaries".to_owned())],
        resend: Duration::from_mins(1),
    };
    let pagerduty = ChannelKind::PagerDuty { routing_key: "key".into(), url: String::new() };
    let kinds = [("hook", webhook()), ("deaf", webhook()), ("silent", webhook()), ("am", alertmanager), ("pd", pagerduty)];
    let channels = kinds.into_iter().map(|(name, kind)| {
        Arc::new(Channel { name: name.into(), least: Severity::Warn, wakes: true, timeout: Duration::from_secs(1), kind })
    });
    Alerting { channels: channels.collect(), ..Alerting::default() }
}

fn canary(id: &str) -> FactKey {
    FactKey::Canary(CanaryId::read_back(id))
}

/// A canary that fails since then.
fn failing(id: &str, since_ms: u64) -> Arc<Fact> {
    let probe = id.split('/').next().unwrap();
    let since = Duration::from_millis(since_ms);
    let fact = Fact::well(canary(id), Scope::Probe(probe.into()));
    Arc::new(Fact { state: State::Failing(Level::Page), since, region: id.split('/').nth(1).unwrap().into(), ..fact })
}

/// Everything, with no facts but those that rows tell.
fn migrated() -> BTreeMap<String, Incident> {
    by_text(migrate(&remembered(), &alerting(), &[], then()).incidents)
}

fn by_text(incidents: Vec<Incident>) -> BTreeMap<String, Incident> {
    let text = |incident: &Incident| format!("{}{}", incident.scope, if incident.end.is_some() { " ended" } else { "" });
    incidents.into_iter().map(|incident| (text(&incident), incident)).collect()
}

fn told<'i>(incident: &'i Incident, channel: &str) -> &'i Told {
    incident.told.get(channel).unwrap_or_else(|| panic!("{channel} was told nothing of {}", incident.scope))
}

fn keys(incident: &Incident, channel: &str) -> Vec<(String, bool)> {
    incident.told.get(channel).into_iter().flat_map(|told| &told.open).map(|open| (open.key.clone(), open.taken)).collect()
}

fn taken(keys: &[&str]) -> Vec<(String, bool)> {
    keys.iter().map(|key| ((*key).to_owned(), true)).collect()
}

/// The members of an incident that a channel does not know to fail.
fn untold(incident: &Incident, channel: &str) -> Vec<String> {
    let cover = told(incident, channel).cover.as_ref();
    let covered = |member: &&super::super::incident::Member| !cover.is_some_and(|cover| cover.covers(member));
    incident.members.values().filter(covered).map(|member| member.fact.key.to_string()).collect()
}

#[test]
fn every_open_incident_goes_on_and_those_of_objectives_in_that_of_their_probe() {
    let open: Vec<String> = migrated().into_keys().collect();
    let expected = [
        "blind/eu",
        "blind/us",
        "leak/uploads",
        "probe/catalog",
        "probe/checkout",
        "probe/flappy",
        "probe/flappy ended",
        "probe/mail",
        "probe/search",
        "subject/segments/seg-2",
    ];
    assert_eq!(open, expected);
    let incidents = expected_incidents();
    for (text, incident) in migrated() {
        let before = incidents.get(&incident.id).unwrap_or_else(|| panic!("{text} has another id"));
        assert_eq!(incident.opened, Duration::from_millis(before["opened_ms"].as_u64().unwrap()));
        assert!(incident.since <= incident.opened);
        assert_eq!(incident.worst.as_str(), before["severity"]);
    }
}

fn expected_incidents() -> serde_json::Map<String, Value> {
    expected()["incidents"].as_object().unwrap().clone()
}

#[test]
fn what_a_channel_took_is_its_cover_and_what_it_refused_or_never_answered_is_owed() {
    for (text, incident) in migrated() {
        if incident.end.is_some() || incident.told.is_empty() {
            continue;
        }
        let before = &expected_incidents()[&incident.id];
        for (channel, told) in &incident.told {
            let took = before["taken"]
                .as_object()
                .unwrap()
                .values()
                .any(|names| names.as_array().unwrap().contains(&(**channel).into()));
            assert_eq!(told.cover.is_some(), took, "{text} {channel}");
            let owes = told.due.is_some();
            assert_eq!(owes, matches!(&**channel, "deaf" | "silent"), "{text} {channel}");
            if took {
                assert_eq!(untold(&incident, channel), [""; 0], "{text} {channel}");
                assert!(told.rings >= 1 && told.last.is_some());
            }
        }
    }
}

#[test]
fn keys_of_objectives_and_of_being_critical_end_with_the_probes_incident_and_the_pages_key_is_the_latest() {
    let migrated = migrated();
    let checkout = &migrated["probe/checkout"];
    let all = ["budget/checkout/1", "probe/checkout/1/critical", "probe/checkout/1"];
    for channel in ["hook", "am", "pd"] {
        let keys = keys(checkout, channel);
        assert_eq!(keys.iter().cloned().collect::<BTreeSet<_>>(), taken(&all).into_iter().collect(), "{channel}");
        assert_eq!(keys.last(), taken(&["probe/checkout/1"]).last());
        assert_eq!(told(checkout, channel).cover.as_ref().unwrap().severity, Severity::Critical);
    }
    assert_eq!(keys(checkout, "deaf"), [], "it refused everything");
    let perhaps: Vec<(String, bool)> = keys(checkout, "silent");
    assert!(perhaps.iter().any(|(key, _)| key == "probe/checkout/1") && perhaps.iter().all(|(_, taken)| !taken), "{perhaps:?}");
    assert!(checkout.critical.fails());
    let critical = &told(checkout, "pd").cover.as_ref().unwrap();
    assert!(critical.covers_critical(&checkout.critical), "it is not told again");
    let objective = FactKey::Objective("checkout".into(), Objective::BurnRate);
    assert!(checkout.members.contains_key(&objective));
    assert_eq!(checkout.numbered.map(|(_, number)| number), Some(1), "who is owed gets the key that the others have");
    let catalog = &migrated["probe/catalog"];
    assert_eq!(keys(catalog, "pd"), taken(&["latency/catalog/1"]));
    assert_eq!(catalog.numbered, None, "its own keys begin anew");
}

#[test]
fn an_alert_is_ended_with_the_labels_that_alertmanager_has_it_under() {
    let mut fires: BTreeMap<String, Value> = BTreeMap::new();
    for incident in migrated().into_values() {
        for Open { key, labels, .. } in incident.told.get("am").into_iter().flat_map(|told| told.open.clone()) {
            fires.insert(
                key,
                labels.into_iter().collect::<BTreeMap<_, _>>().into_iter().map(|(k, v)| (k, Value::from(v))).collect(),
            );
        }
    }
    assert_eq!(serde_json::to_value(fires).unwrap(), expected()["fires"]);
    let others = migrated().into_values().filter_map(|incident| incident.told.get("pd").cloned()).flat_map(|told| told.open);
    assert!(others.into_iter().all(|open| open.labels.is_empty()));
}

#[test]
fn an_acknowledgement_is_kept_with_what_had_been_sent_by_then() {
    let search = &migrated()["probe/search"];
    let by: Vec<&str> = search.acknowledged.iter().map(|by| &*by.by).collect();
    assert_eq!(by, ["ann"]);
    assert!(search.is_acknowledged(&search.members[&canary("search/eu")]));
    let late = then().steady.as_millis();
    let facts = [failing("search/us", u64::try_from(late).unwrap())];
    let search = &by_text(migrate(&remembered(), &alerting(), &facts, then()).incidents)["probe/search"];
    assert!(search.is_acknowledged(&search.members[&canary("search/eu")]));
    assert!(!search.is_acknowledged(&search.members[&canary("search/us")]), "nobody knew of it");
    assert_eq!(untold(search, "pd"), ["canary/search/us"]);
}

#[test]
fn an_acknowledgement_covers_nothing_that_was_sent_after_it() {
    let mut remembered = remembered();
    for row in remembered.incidents.iter_mut().filter(|row| row.scope == "probe/search") {
        let mut json: Value = serde_json::from_str(&row.json).unwrap();
        json["acknowledged"]["at_ms"] = (row.opened_ms - 60_000).into();
        row.json = json.to_string();
    }
    let search = &by_text(migrate(&remembered, &alerting(), &[], then()).incidents)["probe/search"];
    assert_eq!(search.acknowledged.len(), 1);
    assert!(!search.is_acknowledged(&search.members[&canary("search/eu")]));
}

#[test]
fn a_canary_that_was_named_and_failed_again_since_is_owed() {
    let times = |since_ms| {
        let facts = [failing("search/eu", since_ms)];
        untold(&by_text(migrate(&remembered(), &alerting(), &facts, then()).incidents)["probe/search"], "hook")
    };
    let opened = expected_incidents().values().find(|row| row["scope"] == "probe/search").unwrap()["opened_ms"].as_u64().unwrap();
    assert_eq!(times(opened - 1_000), [""; 0]);
    assert_eq!(times(opened + 5_000), ["canary/search/eu"]);
}

#[test]
fn an_end_that_was_not_taken_everywhere_is_still_owed_and_only_there() {
    let flappy = &migrated()["probe/flappy ended"];
    let channels: Vec<&str> = flappy.told.keys().map(|name| &**name).collect();
    assert_eq!(channels, ["silent"]);
    assert!(told(flappy, "silent").open.iter().all(|open| !open.taken));
    assert_eq!(flappy.end.as_ref().unwrap().how, Ended::Well);
    let again = &migrated()["probe/flappy"];
    assert!(keys(again, "pd").contains(&("probe/flappy/2".to_owned(), true)));
    assert_eq!(again.numbered.map(|(_, number)| number), Some(2));
}

#[test]
fn members_are_those_that_fail_and_those_that_were_listed() {
    let migrated = migrated();
    let members = |scope: &str| migrated[scope].members.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(members("blind/eu"), ["no_data/guarded/eu"]);
    assert_eq!(members("subject/segments/seg-2"), ["subject/segments/seg-2"]);
    assert_eq!(members("probe/mail"), ["canary/mail/eu"]);
    assert!(members("leak/uploads")[0].starts_with("leak/uploads/"));
    let checkout: BTreeSet<String> = members("probe/checkout").into_iter().collect();
    let cells = ["eu/platform=android", "eu/platform=ios", "us/platform=android", "us/platform=ios"];
    let cells = cells.into_iter().map(|cell| format!("canary/checkout/{cell}"));
    assert_eq!(checkout, cells.chain(["burn_rate/checkout".to_owned()]).collect());
    assert!(migrated["probe/mail"].told.is_empty(), "what explained it was told");
}

#[tokio::test]
async fn messages_that_wait_are_given_up_and_nothing_is_carried_over_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder);
    let (store, remembered) = open(&path);
    let migrated = migrate(&remembered, &alerting(), &[], then());
    let merged: Vec<&str> = migrated.commit.incidents.iter().map(|row| row.scope.as_str()).collect();
    assert_eq!(merged, ["budget/checkout"]);
    assert!(store.tries().await.unwrap().waiting > 0);
    let mut commit = migrated.commit;
    for incident in migrated.incidents {
        let row = remembered.incidents.iter().find(|row| row.id == incident.id).unwrap();
        // As the evaluator writes it: the incident is a part of its own.
        let json = serde_json::json!({ "title": "", "members_total": 0, "incident": incident }).to_string();
        commit.incidents.push(IncidentRow { json, ..row.clone() });
    }
    store.commit(commit).await.unwrap();
    assert_eq!(store.tries().await.unwrap().waiting, 0);
    assert!(store.close(Duration::from_mins(1)));
    let (_store, remembered) = open(&path);
    let again = migrate(&remembered, &alerting(), &[], then());
    assert!(again.incidents.is_empty() && again.commit.is_empty(), "{again:?}");
    assert!(remembered.incidents.iter().all(|row| row.scope != "budget/checkout" || row.resolved_ms.is_some()));
}

#[test]
fn a_message_or_incident_that_cannot_be_read_is_left_out_and_the_others_are_not() {
    let mut remembered = remembered();
    for row in remembered.former.iter_mut().filter(|row| row.channel == "hook") {
        row.json = "{}".to_owned();
    }
    for row in remembered.incidents.iter_mut().filter(|row| row.scope == "probe/search") {
        row.json = "{\"told\":[]}".to_owned();
    }
    let migrated = by_text(migrate(&remembered, &alerting(), &[], then()).incidents);
    assert!(!migrated.contains_key("probe/search"));
    assert!(!migrated["probe/checkout"].told.contains_key("hook"), "it is told again");
    assert_eq!(untold(&migrated["probe/checkout"], "pd"), [""; 0]);
}

/// As it was configured.
fn service() -> Service {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/carry_over/config/serinus.toml");
    let loaded = crate::config::load(&config, []);
    loaded.service.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// What leaves at once after a migration, and what is owed then.
fn taken_over() -> (Evaluator, Vec<OutgoingTry>) {
    let service = service();
    let mut evaluator = Evaluator::new(&service.plan, &service.alerting, &remembered(), then());
    let tries = evaluator.finish(then()).tries;
    (evaluator, tries)
}

/// What is sent, without texts: channel, what, scope.
fn sent(tries: &[OutgoingTry]) -> BTreeSet<(String, Action, String)> {
    let one = |sending: &OutgoingTry| {
        let Try { channel, what, about, .. } = &sending.attempt;
        about.iter().map(|about| (channel.to_string(), *what, about.scope.to_string())).collect::<Vec<_>>()
    };
    tries.iter().flat_map(one).collect()
}

#[test]
fn a_start_rings_nobody_again_and_rings_those_who_did_not_take_it() {
    let (_, tries) = taken_over();
    let sent = sent(&tries);
    let rung = |channel: &str| {
        let rings = sent.iter().filter(|(name, what, _)| name == channel && *what == Action::Ring);
        rings.map(|(_, _, scope)| scope.as_str()).collect::<Vec<_>>()
    };
    for channel in ["hook", "am", "pd"] {
        assert_eq!(rung(channel), [""; 0], "{channel}");
    }
    // What ann acknowledged and what another explains rings nobody.
    let owed = ["leak/uploads", "no-data/guarded", "probe/catalog", "probe/checkout", "probe/flappy", "subject/segments/seg-2"];
    assert_eq!((rung("deaf"), rung("silent")), (owed.to_vec(), owed.to_vec()));
}

#[test]
fn streaks_and_objectives_go_on_where_they_were() {
    let service = service();
    let (_, facts) = Conditions::new(service.plan, service.alerting, &remembered().states, then());
    let stands: BTreeMap<String, (State, u32)> = facts
        .iter()
        .filter_map(|changed| changed.fact.as_ref())
        .map(|fact| (fact.key.to_string(), (fact.state, fact.failed)))
        .collect();
    assert_eq!(stands["canary/streak/eu"], (State::Suspect, 1), "one failure, of the three after which it fails");
    let page = State::Failing(Level::Page);
    for key in
        ["canary/search/eu", "canary/checkout/us/platform=ios", "burn_rate/checkout", "latency/catalog", "subject/segments/seg-2"]
    {
        assert_eq!(stands[key].0, page, "{key}");
    }
    for key in ["no_data/guarded/eu", "no_data/guarded/us"] {
        assert_eq!(stands[key].0, page, "{key}");
    }
    let leaks = stands.iter().filter(|(key, _)| key.starts_with("leak/uploads/")).map(|(_, (state, _))| *state);
    assert_eq!(leaks.collect::<Vec<_>>(), [State::Failing(Level::Warn)]);
}

#[test]
fn the_next_ring_of_a_scope_has_a_number_that_was_never_used() {
    let states = remembered().states;
    let mut records = ScopeRecords::restore(&states, false, then().steady);
    for (scope, number) in expected()["numbers"].as_object().unwrap() {
        assert_eq!(records.next_number(scope, then().steady), number.as_u64().unwrap() + 1, "{scope}");
    }
}
