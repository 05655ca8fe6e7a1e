//! Every page on every screen: nothing serious for axe-core, nothing wider than the window, nothing that the console complains of.

use std::path::PathBuf;

use crate::page_support::service::TOKEN;

use super::axe::faults;
use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

/// Names the folder into which the long form puts a screenshot of each page on each screen.
const SCREENSHOTS: &str = "SCREENSHOTS";

/// Looks at every page on a screen. Returns what is wrong.
fn look(browser: &Browser, set: &str, pages: &[String], screen: Screen) -> Vec<String> {
    let folder = std::env::var_os(SCREENSHOTS).map(|folder| PathBuf::from(folder).join(set));
    let mut wrong = Vec::new();
    for page in pages {
        browser.goto(page);
        let mut note = |what: String| wrong.push(format!("{page} on {screen}: {what}"));
        faults(browser).into_iter().for_each(&mut note);
        Some(browser.too_wide()).filter(|wide| *wide > 0).into_iter().for_each(|wide| note(format!("too wide by {wide} px")));
        browser.complaints().into_iter().for_each(&mut note);
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder).unwrap();
            let name: String = page.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
            browser.screenshot(&folder.join(format!("{}-{screen}.png", if name.is_empty() { "overview" } else { &name })));
        }
    }
    wrong
}

/// All of that on some screens of one kind.
fn nothing_is_wrong(set: &str, site: &Site, pages: &[String], screens: &[Screen]) {
    let browser = Browser::start(site.address(), screens[0]);
    browser.log_in(TOKEN);
    let mut wrong = Vec::new();
    for screen in screens {
        browser.set_screen(*screen);
        wrong.extend(look(&browser, set, pages, *screen));
    }
    assert!(wrong.is_empty(), "{set}, of {pages:?}:\n{}", wrong.join("\n"));
}

/// All screens, those of a browser that starts as one of a phone apart.
const SCREENS: [&[Screen]; 2] =
    [&[Screen::DESK, Screen::DESK.dark(), Screen::WALL, Screen::WALL.dark()], &[Screen::PHONE, Screen::PHONE.dark()]];

#[test]
fn axe_finds_nothing_serious_on_any_page_light_and_dark() {
    let site = Site::start();
    nothing_is_wrong("ordinary", &site, &site.pages(), &[Screen::DESK, Screen::DESK.dark()]);
}

#[test]
#[ignore = "the long form: all pages on all screens, with a screenshot of each where SCREENSHOTS names a folder"]
fn axe_finds_nothing_serious_on_any_page_and_screen() {
    let site = Site::start();
    let pages = site.pages();
    for screens in SCREENS {
        nothing_is_wrong("ordinary", &site, &pages, screens);
    }
}

#[test]
#[ignore = "the long form: a service that has just started"]
fn axe_finds_nothing_serious_where_nothing_is_known_yet() {
    let site = Site::just_started();
    let pages = site.pages_from(vec![String::new(), "probes/checkout".to_owned()]);
    for screens in SCREENS {
        nothing_is_wrong("just-started", &site, &pages, screens);
    }
}

#[test]
#[ignore = "the long form: two hundred open incidents"]
fn axe_finds_nothing_serious_with_two_hundred_incidents() {
    let site = Site::crowded(200);
    let pages = site.pages();
    for screens in SCREENS {
        nothing_is_wrong("crowded", &site, &pages, screens);
    }
}
