//! What the real amtool says of the exported routes, and that rules and routes name the same alerts.

use std::collections::BTreeSet;

use serinus::export::{alertmanager, prometheus_rules};

use super::{said, service};

#[test]
fn each_owner_is_told_of_its_own_by_severity_and_somebody_of_what_has_no_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("alertmanager.yml"), alertmanager(&service())).expect("it is written");
    said(folder.path(), "amtool", &["check-config", "alertmanager.yml"]);
    for (labels, receiver) in [
        (&["probe=playlist-sync", "owner=music-sync", "severity=page"][..], "music-sync-page"),
        (&["probe=playlist-sync", "owner=music-sync", "severity=critical", "ring=3", "region=eu"], "music-sync-page"),
        (&["probe=playlist-sync", "owner=music-sync", "severity=warn"], "music-sync-warn"),
        (
            &["probe=search", "owner=it's \"search\" {{ $labels.x }} \\ 1", "severity=page"],
            "it's \"search\" {{ $labels.x }} \\ 1-page",
        ),
        (&["probe=other", "severity=page"], "default-page"),
        (&["probe=other", "severity=warn"], "default-warn"),
        (&["alertname=SerinusAbsent", "severity=page"], "default-page"),
        (&["alertname=SerinusChannelBroken", "severity=warn"], "default-warn"),
    ] {
        let quoted: Vec<String> = labels.iter().map(|label| quoted(label)).collect();
        let mut arguments = vec!["config", "routes", "test", "--config.file=alertmanager.yml"];
        arguments.extend(quoted.iter().map(String::as_str));
        let told = said(folder.path(), "amtool", &arguments);
        // It warns of its own settings afterwards.
        assert_eq!(told.lines().next(), Some(receiver), "{labels:?}");
    }
}

/// A label as amtool reads it.
fn quoted(label: &str) -> String {
    let (name, value) = label.split_once('=').unwrap();
    format!("{name}={}", serde_json::Value::from(value))
}

#[test]
fn every_alert_that_an_inhibition_names_is_one_that_there_is() {
    let (rules, routes) = (prometheus_rules(&service()), alertmanager(&service()));
    let alerts: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let named = routes
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| word.starts_with("Serinus") && *word != "Serinus");
    let unknown: Vec<&str> = named.filter(|word| !alerts.contains(word)).collect();
    assert!(alerts.len() > 10 && unknown.is_empty(), "{unknown:?} of {alerts:?}");
}
