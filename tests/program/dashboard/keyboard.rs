//! By keys alone.

use serde_json::Value;

use crate::page_support::service::TOKEN;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

/// Whether one sees where the focus is: an outline, or a border of another colour than without it would be too little.
const IS_SEEN: &str = "const one = getComputedStyle(document.activeElement);
    return one.outlineStyle !== 'none' && parseFloat(one.outlineWidth) >= 2;";
const FOCUS: &str = "const one = document.activeElement; return one.getAttribute('href') || one.tagName + '#' + one.id;";

#[test]
fn keys_filter_walk_open_acknowledge_and_tell_what_they_do() {
    let site = Site::start();
    let incident = site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    browser.press("/");
    assert_eq!(browser.script("return document.activeElement.name;"), "q");
    assert_eq!(browser.script(IS_SEEN), Value::Bool(true), "the focus of the filter is seen");
    browser.press("\u{e00c}");
    browser.press("\u{e015}");
    let first = browser.script(FOCUS);
    assert_eq!(first, format!("incidents/{incident}"), "the first row is the incident");
    assert_eq!(browser.script(IS_SEEN), Value::Bool(true), "the focus of a row is seen");
    browser.press("\u{e015}");
    assert_ne!(browser.script(FOCUS), first);
    browser.press("\u{e013}");
    assert_eq!(browser.script(FOCUS), first, "and up again");
    browser.press("\u{e007}");
    assert_eq!(browser.here(), format!("incidents/{incident}"));

    browser.goto("");
    browser.press("?");
    let keys = browser.text("dialog[open]");
    assert!(keys.contains("acknowledge") && keys.contains("filter"), "{keys}");
    browser.press("\u{e00c}");
    assert!(browser.texts("dialog[open]").is_empty(), "Escape closes it");
    browser.press("a");
    browser.until_says(".said", "Acknowledged");
    // By tabulator: everything that can be reached shows that it is.
    browser.goto("");
    for step in 0..25 {
        browser.press("\u{e004}");
        let focus = browser.script(FOCUS);
        assert_eq!(browser.script(IS_SEEN), Value::Bool(true), "the focus is not seen at step {step}, on {focus}");
    }
}
