//! Without JavaScript, everything can be read and the needful done.

use crate::page_support::service::TOKEN;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

#[test]
fn without_scripts_pages_are_read_filtered_and_an_incident_is_acknowledged() {
    let site = Site::start();
    let (incident, run) = (site.incident(), site.failed_run("checkout"));
    let browser = Browser::start(site.address(), Screen::DESK.without_scripts());
    browser.log_in(TOKEN);
    assert!(browser.text(".incident").contains("checkout"));
    browser.type_into("input[type=search]", "search\u{e007}");
    browser.until_says("#p-search", "search");
    assert!(browser.texts("#p-checkout").is_empty(), "the filter leaves out what does not match");
    for (page, said) in [
        ("probes/checkout".to_owned(), "checkout"),
        (format!("runs/{run}"), "checkout answers"),
        (format!("incidents/{incident}"), "checkout"),
    ] {
        browser.goto(&page);
        let text = browser.text("main");
        assert!(text.contains(said), "{page}: {text}");
    }
    browser.goto("");
    browser.click("[data-key=acknowledge]");
    let said = browser.until_says(".said", "Acknowledged: 1 member");
    assert!(said.contains("rings"), "{said}");
    assert!(browser.text(".incident").contains("has it since"), "{}", browser.text(".incident"));
}
