//! What every page answers with, and that looking never acts.

use crate::page_support::service::TOKEN;
use crate::service_support::ask;

use super::site::{Site, header};

/// Addresses of what acts, as they are declared.
fn acting(incident: &str) -> Vec<String> {
    let source = std::fs::read_to_string("src/web/pages/mod.rs").unwrap();
    let declared = source.split(".route(\"/").skip(1).filter_map(|rest| rest.split_once('"'));
    let mut routes: Vec<String> = declared
        .filter(|(_, rest)| rest.starts_with(", post("))
        .map(|(path, _)| path.replace("{id}", incident).replace("{name}", "hook"))
        .collect();
    assert!(routes.iter().any(|route| route.ends_with("/ack")), "{routes:?}");
    routes.push("logout".to_owned());
    routes
}

#[test]
fn every_page_says_what_a_browser_may_do_with_it() {
    let site = Site::start();
    for page in site.pages().iter().map(String::as_str).chain(["no-such-page", "incidents/none", "runs/none", "probes/none"]) {
        let answer = site.page(page);
        let is = |name: &str, wanted: &str| {
            let said = header(&answer, name).unwrap_or_default();
            assert!(said.contains(wanted), "{page}: {name}: {said:?} has no {wanted:?}");
        };
        if header(&answer, "content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            is("content-security-policy", "default-src 'none'");
            is("content-security-policy", "frame-ancestors 'none'");
            is("x-content-type-options", "nosniff");
            is("referrer-policy", "same-origin");
            is("cache-control", "no-store");
            let policy = header(&answer, "content-security-policy").unwrap();
            assert!(!policy.contains("unsafe"), "{page}: {policy}");
            assert!(!answer.body.contains(" style=") && !answer.body.contains("<script>"), "{page} has something inline");
        }
    }
}

#[test]
fn looking_at_what_acts_does_nothing() {
    let site = Site::start();
    let incident = site.incident();
    let before = site.service.json("/api/v1/status");
    for route in acting(&incident) {
        let path = format!("/{route}?target=checkout&for=1h&why=x");
        for method in ["GET", "HEAD"] {
            let headers = [&format!("authorization: Bearer {TOKEN}"), "accept: text/html"];
            let answer = ask(site.address(), &format!("{method} {path}"), &headers.map(AsRef::as_ref), "");
            assert!(matches!(answer.status, 404 | 405), "{method} {path}: {answer:?}");
        }
        // Without the form's token, nothing is done either.
        let headers = [&format!("authorization: Bearer {TOKEN}"), "content-type: application/x-www-form-urlencoded"];
        let answer = ask(site.address(), &format!("POST {path}"), &headers.map(AsRef::as_ref), "target=checkout");
        assert!(matches!(answer.status, 403 | 401), "POST {path}: {answer:?}");
    }
    let after = site.service.json("/api/v1/status");
    assert_eq!(before["pauses"], after["pauses"]);
    assert_eq!(before["mutes"], after["mutes"]);
    let shown = &after["open_incidents"][0];
    assert_eq!(
        (&shown["id"], &shown["acknowledged"]),
        (&before["open_incidents"][0]["id"], &before["open_incidents"][0]["acknowledged"])
    );
}
