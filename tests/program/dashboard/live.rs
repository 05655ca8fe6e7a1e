//! What changes while somebody looks.

use serde_json::Value;

use crate::cli_support::until;
use crate::page_support::service::TOKEN;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

const IS_STALE: &str = "return document.body.classList.contains('is-stale');";

#[test]
fn what_breaks_appears_by_itself_and_moves_no_row_under_the_pointer() {
    let site = Site::start();
    site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    browser.script("window.isTheSame = true;");
    let row = "#p-search tbody tr";
    browser.hover(row);
    let top = || browser.script(&format!("return document.querySelector('{row}').getBoundingClientRect().top;"));
    let before = top();
    site.breaks("search", "us");
    until("the second incident in the title", || {
        // Whoever is about to click has moved not long ago.
        browser.hover(row);
        browser.title().starts_with("(2)").then_some(())
    });
    let after = top();
    assert_eq!(after, before, "the row under the pointer has moved");
    browser.hover(".brand");
    until("its card", || browser.texts(".incident").iter().any(|card| card.contains("search")).then_some(()));
    assert_eq!(browser.script("return window.isTheSame;"), Value::Bool(true), "the page was not loaded anew");
}

#[test]
fn a_page_whose_content_stands_still_greys_with_its_service_and_keeps_its_moment() {
    let site = Site::start();
    site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    browser.goto("runs");
    let as_of = browser.text("#asof");
    site.breaks("search", "us");
    until("the second incident in the title", || browser.title().starts_with("(2)").then_some(()));
    assert!(browser.title().ends_with("Runs · Serinus"), "{}", browser.title());
    assert_eq!((browser.text("#asof"), browser.script(IS_STALE)), (as_of, Value::Bool(false)));
    site.service.running().signal("STOP");
    until("it greys", || (browser.script(IS_STALE) == true).then_some(()));
    assert!(browser.text("#stale").contains("no longer live"), "{}", browser.text("#stale"));
    site.service.running().signal("CONT");
    until("it is live again", || (browser.script(IS_STALE) == false).then_some(()));
}

#[test]
fn a_page_whose_service_stands_still_greys_and_says_so_until_it_goes_on() {
    let site = Site::start();
    site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    assert_eq!(browser.script(IS_STALE), Value::Bool(false));
    let as_of = browser.text("#asof");
    until("it is live", || (browser.text("#asof") != as_of).then_some(()));
    site.service.running().signal("STOP");
    let stopped = std::time::Instant::now();
    until("it greys", || (browser.script(IS_STALE) == true).then_some(()));
    let took = stopped.elapsed();
    assert!(took.as_secs() <= 11, "it looked well for {took:?} after the service stood still");
    assert!(browser.text("#stale").contains("no longer live"), "{}", browser.text("#stale"));
    assert!(browser.title().starts_with('?'), "{}", browser.title());
    let icon = browser.script("return document.getElementById('icon').href;");
    assert!(icon.as_str().unwrap().ends_with("icon-stale.svg"), "{icon}");
    site.service.running().signal("CONT");
    until("it is live again", || (browser.script(IS_STALE) == false).then_some(()));
    until("the title is well again", || browser.title().starts_with("(1)").then_some(()));
}
