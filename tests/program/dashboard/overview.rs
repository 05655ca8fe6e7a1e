//! What is seen at first sight.

use serde_json::Value;

use crate::cli_support::until;
use crate::page_support::service::TOKEN;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

#[test]
fn the_first_screenful_says_what_is_broken_for_whom_since_when_and_who_has_it() {
    let site = Site::start();
    let incident = site.incident();
    let browser = Browser::start(site.address(), Screen::DESK);
    browser.log_in(TOKEN);
    let card = browser.until_says(".incident", "hook was rung at");
    for said in ["checkout", "eu", "for ", "step checkout answers", "us passes", "nobody has it"] {
        assert!(card.contains(said), "{said:?} is missing: {card}");
    }
    let bottom = browser.script("return document.querySelector('.incident').getBoundingClientRect().bottom - innerHeight;");
    assert!(bottom.as_f64().unwrap() < 0.0, "the incident is below the fold by {bottom}");
    let title = browser.title();
    assert!(title.starts_with("(1) ") && title.contains("Overview"), "{title}");
    let icon = browser.script("return document.getElementById('icon').href;").as_str().unwrap().to_owned();
    assert!(icon.ends_with("icon-page.svg") || icon.ends_with("icon-critical.svg"), "{icon}");
    browser.click(".incident h2 a");
    assert_eq!(browser.here(), format!("incidents/{incident}"));

    site.mends("checkout", "eu");
    browser.goto("");
    until("all is well", || (browser.texts(".calm").iter().any(|text| text.contains("All is well"))).then_some(()));
    until("the tab says so too", || browser.title().starts_with("Overview").then_some(()));
    let icon = browser.script("return document.getElementById('icon').href;");
    assert!(icon.as_str().unwrap().ends_with("icon-well.svg"), "{icon}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn on_a_phone_nothing_is_wider_than_the_window_and_a_finger_finds_what_acts() {
    let site = Site::start();
    let pages = site.pages();
    let browser = Browser::start(site.address(), Screen::PHONE);
    browser.log_in(TOKEN);
    let mut wide = Vec::new();
    for page in &pages {
        browser.goto(page);
        assert_eq!(browser.script("return innerWidth;"), 390, "{page} keeps to the width of the phone");
        wide.extend(Some((page, browser.too_wide())).filter(|(_, wide)| *wide > 0));
    }
    assert_eq!(wide, [], "pages that are wider than the window, by so many pixels");
    browser.goto("");
    assert!(browser.texts(".strip").is_empty(), "a phone gets no strips");
    let low = browser.script(
        "return [...document.querySelectorAll('.incident button, .incident .button, .filters input, .chip, summary')]
            .filter((one) => one.offsetParent).map((one) => [one.textContent.trim(), one.getBoundingClientRect().height]).filter(([, height]) => height < 44);",
    );
    assert_eq!(low, Value::Array(Vec::new()), "lower than a finger is wide");
    let below =
        browser.script("return document.querySelector('.incident .buttons').getBoundingClientRect().bottom - innerHeight;");
    assert!(below.as_f64().unwrap() < 0.0, "what acts is below the fold by {below}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
