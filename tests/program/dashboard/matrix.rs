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
fn look(browser: &Browser, pages: &[String], screen: Screen) -> Vec<String> {
    let folder = std::env::var_os(SCREENSHOTS).map(PathBuf::from);
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
fn nothing_is_wrong(screens: &[Screen]) {
    let site = Site::start();
    let pages = site.pages();
    let browser = Browser::start(site.address(), screens[0]);
    browser.log_in(TOKEN);
    let mut wrong = Vec::new();
    for screen in screens {
        browser.set_screen(*screen);
        wrong.extend(look(&browser, &pages, *screen));
    }
    assert!(wrong.is_empty(), "of {pages:?}:\n{}", wrong.join("\n"));
}

#[test]
fn axe_finds_nothing_serious_on_any_page_light_and_dark() {
    nothing_is_wrong(&[Screen::DESK, Screen::DESK.dark()]);
}

#[test]
#[ignore = "the long form: all pages on all screens, with a screenshot of each where SCREENSHOTS names a folder"]
fn axe_finds_nothing_serious_on_any_page_and_screen() {
    nothing_is_wrong(&[Screen::DESK, Screen::DESK.dark(), Screen::WALL, Screen::WALL.dark()]);
    nothing_is_wrong(&[Screen::PHONE, Screen::PHONE.dark()]);
}
