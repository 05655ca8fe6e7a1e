//! Runs that somebody asks for, as they go, and what changed before something broke.

use serde_json::{Value, json};

use crate::cli_support::until;
use crate::page_support::service::TOKEN;
use crate::service_support::ask;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

#[test]
fn verifying_an_incident_leads_to_a_grid_of_its_canaries_with_their_results_and_next_ticks() {
    let site = Site::start();
    let incident = site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    browser.click("[data-key=verify]");
    browser.until_says(".said", "1 run started now");
    let here = browser.here();
    assert!(here.starts_with(&format!("incidents/{incident}?verified=")), "{here}");
    let row = browser.until_says(".by-hand li", "failed expectation after");
    assert!(row.contains("eu") && row.contains("next tick"), "{row}");
    assert!(browser.text("#by-hand h2").starts_with("Verified"), "{}", browser.text("#by-hand"));
    // Whoever comes later sees it too, without the address.
    browser.goto(&format!("incidents/{incident}"));
    browser.until_says("#by-hand h2", "Verified by");
    browser.click(".by-hand a");
    assert!(browser.here().starts_with("runs/"), "{}", browser.here());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn run_now_leads_to_the_runs_as_they_go_also_without_scripts() {
    let site = Site::start();
    for screen in [Screen::PHONE, Screen::DESK.without_scripts()] {
        let browser = Browser::start(site.address(), screen);
        browser.log_in(TOKEN);
        browser.goto("probes/search");
        browser.click("button[formaction=trigger]");
        browser.until_says(".said", "Started 2 runs");
        let here = browser.here();
        assert!(here.starts_with("watch?target=search&since="), "{here}");
        browser.until_says("#by-hand h2", "2 passed");
        // A page without scripts loads itself anew, and is empty for a moment.
        until("a row of each run", || (browser.texts(".by-hand li").len() == 2).then_some(()));
        browser.click(".by-hand a");
        assert!(browser.here().starts_with("runs/"), "{}", browser.here());
        browser.until_says("main", "does not count");
        browser.click("button[formaction=trigger]");
        until("run again is of one canary", || browser.here().starts_with("watch?target=search%2F").then_some(()));
    }
}

#[test]
fn a_deployment_is_a_line_through_all_strips_and_stands_in_the_card_of_what_broke_after_it() {
    let site = Site::start();
    site.incident();
    let status = site.service.json("/api/v1/status");
    let since_ms = status["open_incidents"][0]["since_ms"].as_i64().unwrap();
    let asked = json!({ "text": "deploy 4711 <b>", "at_ms": since_ms - 720_000 }).to_string();
    let headers = [&format!("authorization: Bearer {TOKEN}"), "content-type: application/json"];
    let answer = ask(site.address(), "POST /api/v1/annotations", &headers.map(AsRef::as_ref), &asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    browser.until_says(".incident", "12 min after deploy 4711 <b>");
    browser.until_says(".change", "deploy 4711 <b>");
    let drawn = "return [...document.querySelectorAll('.strip')].every((strip) => strip.querySelector('.note-line'));";
    assert_eq!(browser.script(drawn), Value::Bool(true), "the line goes through all strips");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
