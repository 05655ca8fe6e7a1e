//! From a page on a phone at night: how many clicks it is to the request that failed, to the runbook, and until it is acknowledged.

#![expect(clippy::print_stdout, reason = "the clicks and seconds are what it is read for")]

use std::time::Instant;

use crate::page_support::service::TOKEN;

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
    browser.click("main a[href^='runs/']");
    browser.until_says("main", "GET http://");
    assert!(browser.here().starts_with("runs/"), "{}", browser.here());
    println!("the request that failed: 1 click, {:.1} s", since.elapsed().as_secs_f64());

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
