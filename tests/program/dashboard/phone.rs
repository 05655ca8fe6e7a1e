//! From a page on a phone at night: how many clicks it is to the request that failed, to the runbook, and until it is acknowledged.

#![expect(clippy::print_stdout, reason = "the clicks and seconds are what it is read for")]

use std::time::{Duration, Instant};

use crate::page_support::service::TOKEN;

use crate::cli_support::until;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

const PUBLIC: &str = "https://serinus.example.com/";

#[test]
fn the_link_of_a_page_leads_a_phone_to_request_and_runbook_without_a_log_in_and_to_an_acknowledgement_with_one() {
    let site = Site::start_with(&format!("[alerting]\npublic_url = \"{PUBLIC}\"\n"));
    let page = site.pager.until("of checkout", |page| page.is("opened", "probe/checkout"));
    let link = page.message["url"].as_str().unwrap().strip_prefix(PUBLIC).expect("it leads to the public address").to_owned();
    let browser = Browser::start(site.address(), Screen::PHONE);

    let since = Instant::now();
    browser.goto(&link);
    let incident = browser.text("main");
    assert!(
        incident.contains("checkout") && incident.contains("json.state == 'ok'"),
        "what is wrong is said at once: {incident}"
    );
    println!("the incident: 0 clicks, {:.1} s", since.elapsed().as_secs_f64());
    let runbook =
        browser.script("return document.querySelector('main a[href^=\"https://runbooks.example.com/checkout\"]') !== null;");
    assert_eq!(runbook, true, "the runbook is one click away");
    let is_at_run = || browser.here().starts_with("runs/");
    let mut clicks = 0;
    while !is_at_run() {
        assert!(clicks < 3, "no click leads to the run");
        browser.click("main a[href^='runs/']");
        clicks += 1;
        // The page may have moved between where the driver has seen the link and where it taps.
        let tapped = Instant::now();
        while !is_at_run() && tapped.elapsed().as_secs() < 20 {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    browser.until_says("main", "GET http://");
    println!("the request that failed: {clicks} clicks, {:.1} s", since.elapsed().as_secs_f64());

    let since = Instant::now();
    browser.goto(&link);
    browser.click("a[href^='login?next=']");
    browser.type_into("#token", TOKEN);
    browser.click("button");
    browser.until_says("main", "Nobody has it");
    browser.click("[data-key=acknowledge]");
    browser.until_says(".said", "Acknowledged: 1 member");
    println!("acknowledged, with a log-in: 3 clicks, {:.1} s", since.elapsed().as_secs_f64());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_link_under_a_finger_stays_and_is_followed_when_the_finger_is_lifted() {
    let site = Site::start();
    let incident = site.incident();
    let browser = Browser::start(site.address(), Screen::PHONE);
    browser.log_in(TOKEN);
    browser.goto(&format!("incidents/{incident}"));
    let link = "#failures a[href^='runs/']";
    browser.text(link);
    let follow = format!("window.link = document.querySelector(\"{link}\"); window.link.scrollIntoView({{ block: 'center' }});");
    let is_there = || browser.script("return window.link.isConnected;") == true;
    for _ in 0..2 {
        browser.script(&follow);
        until("the next run takes its place", || (!is_there()).then_some(()));
    }
    browser.script(&follow);
    browser.put_finger(link);
    assert!(is_there(), "it was replaced before the finger was on it");
    for _ in 0..3 {
        let as_of = browser.text("#asof");
        until("the page goes on", || (browser.text("#asof") != as_of).then_some(()));
    }
    assert!(is_there(), "it was replaced under the finger");
    browser.lift_finger();
    until("the run", || browser.here().starts_with("runs/").then_some(()));
}
