//! Logging in by a link, and acting.

use serde_json::Value;

use crate::page_support::service::TOKEN;
use crate::service_support::ask;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

#[test]
fn a_link_logs_in_once_by_a_form_and_an_acknowledgement_says_what_it_did() {
    let site = Site::start();
    site.incident();
    let asked = ask(
        site.address(),
        "POST /api/v1/login-codes",
        &[&format!("authorization: Bearer {TOKEN}"), "content-type: application/json"],
        "{}",
    );
    let link: Value = serde_json::from_str(&asked.body).unwrap();
    let link = link["url"].as_str().unwrap();
    let browser = Browser::start(site.address(), Screen::PHONE);
    browser.goto("");
    assert!(browser.here().starts_with("login"), "who is not known logs in first: {}", browser.here());
    // Whatever fetches links, before somebody opens one, uses nothing up.
    browser.goto(link);
    browser.goto(link);
    assert!(browser.text("main").contains("logs you in, once"));
    browser.click("button");
    assert!(browser.text(".incident").contains("nobody has it"), "{}", browser.text(".incident"));
    assert_eq!(browser.script("return document.cookie;"), "", "no script can read the session");

    browser.click("[data-key=acknowledge]");
    browser.until_says(".said", "Acknowledged: 1 member. Nobody is rung for them any more");
    let card = browser.text(".incident");
    assert!(card.contains(" has it since ") && !card.contains("Acknowledge"), "{card}");
    browser.goto("");
    assert!(browser.texts(".said").is_empty(), "it is said once");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    browser.click(".who button");
    assert_eq!(browser.here(), "login");
    browser.goto(link);
    browser.click("button");
    assert!(browser.text("[role=alert]").contains("was used"), "{}", browser.text("main"));
}
