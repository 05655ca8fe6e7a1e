//! Debian's Alertmanager: what fires stays, what ends ends, and both are the same alert.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serinus::alert::Notice;
use serinus::history::DeliveryState;
use serinus::plan::{ChannelKind, Severity};

use crate::http_server::{Target, answer, answering};
use crate::support::{Desk, Program, alerting, channel, free_port, notice, resolved, row, secrets, until};

/// Alerts end by themselves four of these after they were last sent.
const RESEND: Duration = Duration::from_secs(1);

/// A real Alertmanager, and the receiver that it notifies.
struct Alertmanager {
    _program: Program,
    _folder: tempfile::TempDir,
    url: String,
    notified: Target,
}

impl Alertmanager {
    async fn start() -> Self {
        let notified = answering(None, |_| answer(200, &[], "")).await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: hook, group_by: [key], group_wait: 0s, group_interval: 1s}}\n\
             receivers:\n- name: hook\n  webhook_configs: [{{url: '{}', send_resolved: true}}]\n",
            notified.url("/")
        );
        std::fs::write(&config, text).unwrap();
        let port = free_port();
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let program = Program::start("prometheus-alertmanager", &arguments, "prometheus-alertmanager");
        let url = format!("http://127.0.0.1:{port}");
        let ready = format!("{url}/-/ready");
        let _ = rustls::crypto::ring::default_provider().install_default();
        until("Alertmanager being ready", || async {
            reqwest::get(&ready).await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        Self { _program: program, _folder: folder, url, notified }
    }

    /// The alerts that fire.
    async fn firing(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("{}/api/v2/alerts", self.url)).await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// What it told its receiver: status and labels of each alert.
    fn told(&self) -> Vec<(String, Value)> {
        let bodies = self.notified.seen().into_iter().map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        let alerts = bodies.flat_map(|body| body["alerts"].as_array().unwrap().clone());
        alerts.map(|alert| (alert["status"].as_str().unwrap().to_owned(), alert["labels"].clone())).collect()
    }

    async fn until_ended(&self) {
        until("the alert's end", || async { self.firing().await.is_empty().then_some(()) }).await;
    }

    fn kind(&self, labels: &[(&str, &str)]) -> ChannelKind {
        kind(&[&self.url], labels)
    }
}

fn kind(urls: &[&str], labels: &[(&str, &str)]) -> ChannelKind {
    ChannelKind::Alertmanager {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        headers: Vec::new(),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        resend: RESEND,
    }
}

fn ends_at(alert: &Value) -> chrono::DateTime<chrono::FixedOffset> {
    chrono::DateTime::parse_from_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_firing_alert_outlives_its_end_by_being_sent_again_and_ends_when_it_is_resolved() {
    let alertmanager = Alertmanager::start().await;
    let am = alerting(vec![channel("am", alertmanager.kind(&[("team", "music"), ("key", "no")]))]);
    let mut desk = Desk::start(&am, &secrets(&[]), Vec::new());
    let page = notice("probe/playlist-sync/1");
    desk.dispatcher.offer(vec![row("1", "am", &page)]);
    desk.delivered().await;
    let first = alertmanager.firing().await.remove(0);
    let ahead = ends_at(&first).timestamp_millis() - page.at_ms;
    assert!((3_000..60_000).contains(&ahead), "it would end by itself {ahead} ms after it was made");
    for (label, value) in [
        ("alertname", "SerinusProbeFailing"),
        ("severity", "page"),
        ("key", "probe/playlist-sync/1"),
        ("probe", "playlist-sync"),
        ("owner", "music-sync"),
        ("team", "music"),
    ] {
        assert_eq!(first["labels"][label], value, "{label}");
    }
    assert_eq!(first["annotations"]["summary"], "[PAGE] playlist-sync fails in eu");
    assert_eq!(first["annotations"]["runbook_url"], "https://runbooks.example.com/playlist-sync");
    assert!(first["annotations"]["description"].as_str().unwrap().contains("json.n: 9"));
    assert_eq!(first["generatorURL"], "https://serinus.example.com/incidents/i1");
    // The clock has passed the end it was first given, and it still fires.
    let later = until("being kept alive", || async {
        let alert = alertmanager.firing().await.into_iter().next().expect("it never stops firing");
        (chrono::Utc::now() > ends_at(&first)).then_some(alert)
    })
    .await;
    assert!(ends_at(&later) > ends_at(&first));
    assert_eq!((&later["fingerprint"], &later["startsAt"]), (&first["fingerprint"], &first["startsAt"]));
    let amtool = std::process::Command::new("amtool")
        .args(["--alertmanager.url", &alertmanager.url, "alert", "query", "severity=page", "probe=playlist-sync"])
        .output()
        .expect("`amtool` cannot be started: install Debian's package `prometheus-alertmanager`");
    assert!(String::from_utf8_lossy(&amtool.stdout).contains("SerinusProbeFailing"), "{amtool:?}");
    // A reload has changed the owner in between: it must still be the same alert.
    desk.dispatcher.offer(vec![row("2", "am", &Notice { owner: Some("others".to_owned()), ..resolved(&page) })]);
    desk.delivered().await;
    alertmanager.until_ended().await;
    until("the receiver being told of the end", || async {
        alertmanager.told().iter().any(|(status, _)| status == "resolved").then_some(())
    })
    .await;
    let told = alertmanager.told();
    assert!(told.iter().all(|(_, labels)| *labels == first["labels"]), "{told:?}");
    desk.dispatcher.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_alert_whose_sender_is_gone_ends_by_itself_and_one_that_comes_back_keeps_it() {
    let alertmanager = Alertmanager::start().await;
    let am = alerting(vec![channel("am", alertmanager.kind(&[]))]);
    let mut desk = Desk::start(&am, &secrets(&[]), Vec::new());
    let page = notice("k");
    desk.dispatcher.offer(vec![row("1", "am", &page)]);
    desk.delivered().await;
    let first = alertmanager.firing().await.remove(0);
    assert_eq!(desk.dispatcher.stop(Duration::from_secs(5)).await, 0);
    // The next process knows from the store what was delivered.
    let mut remembered = row("1", "am", &page);
    remembered.state = DeliveryState::Delivered;
    let desk = Desk::start(&am, &secrets(&[]), vec![remembered]);
    until("being kept alive", || async {
        assert_eq!(alertmanager.firing().await.len(), 1);
        (chrono::Utc::now() > ends_at(&first)).then_some(())
    })
    .await;
    desk.dispatcher.stop(Duration::from_secs(5)).await;
    alertmanager.until_ended().await;
}

#[tokio::test]
async fn a_warning_that_becomes_a_page_is_a_new_alert_and_the_old_one_ends() {
    let alertmanager = Alertmanager::start().await;
    let am = alerting(vec![channel("am", alertmanager.kind(&[]))]);
    let mut desk = Desk::start(&am, &secrets(&[]), Vec::new());
    let warn = Notice { severity: Severity::Warn, ..notice("budget/a/1") };
    let page = Notice { severity: Severity::Page, ..warn.clone() };
    desk.dispatcher.offer(vec![row("1", "am", &warn), row("2", "am", &page), row("3", "am", &warn)]);
    for _ in 0..3 {
        desk.delivered().await;
    }
    let severities: Vec<Value> = alertmanager.firing().await.iter().map(|alert| alert["labels"]["severity"].clone()).collect();
    assert_eq!(severities, ["page"], "and falling severity changes nothing");
    desk.dispatcher.offer(vec![row("4", "am", &resolved(&warn))]);
    desk.delivered().await;
    alertmanager.until_ended().await;
}

#[tokio::test]
async fn one_peer_that_takes_an_alert_is_enough_and_one_that_comes_later_gets_it_too() {
    let alertmanager = Alertmanager::start().await;
    let well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = Arc::clone(&well);
    let status = move || if switch.load(std::sync::atomic::Ordering::SeqCst) { 200 } else { 500 };
    let other = answering(None, move |_| answer(status(), &[], "")).await;
    let am = alerting(vec![channel("am", kind(&[&other.url(""), &alertmanager.url, "http://127.0.0.1:9"], &[]))]);
    let mut desk = Desk::start(&am, &secrets(&[]), Vec::new());
    desk.dispatcher.offer(vec![row("1", "am", &notice("k"))]);
    assert_eq!(desk.delivered().await, "1");
    assert_eq!(alertmanager.firing().await.len(), 1);
    well.store(true, std::sync::atomic::Ordering::SeqCst);
    let before = other.seen().len();
    until("the next round", || async { (other.seen().len() > before).then_some(()) }).await;
    let body: Value = serde_json::from_slice(&other.seen().pop().unwrap().body).unwrap();
    assert_eq!(body[0]["labels"]["key"], "k");
}

#[tokio::test]
async fn an_alert_that_alertmanager_refuses_is_a_dead_letter() {
    let refusing = answering(None, |_| answer(400, &[], "bad label")).await;
    let am = alerting(vec![channel("am", kind(&[&refusing.url("/")], &[]))]);
    let mut desk = Desk::start(&am, &secrets(&[]), Vec::new());
    desk.dispatcher.offer(vec![row("1", "am", &notice("k"))]);
    assert_eq!(desk.dead().await, "it answered 400 Bad Request: bad label");
    assert_eq!(refusing.seen()[0].path(), "/api/v2/alerts");
}
