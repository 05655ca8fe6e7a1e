//! The public status page as a stranger meets it: on a desk and a phone, light and dark, without JavaScript.

use crate::cli_support::until;
use crate::service_support::ask;

use super::axe::faults;
use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

const SETTINGS: &str = "[status_page]\ntitle = \"The Shop\"\nintro = \"How it goes\"\nshow_regions = true\nregions = { eu = \"Europe\" }\n\
    [[status_page.component]]\nname = \"Basket\"\nsummary = \"Paying works\"\nprobes = [\"calm\"]\n\
    [[status_page.component]]\nname = \"Search\"\nprobes = [\"lost\"]\n";

fn probe(name: &str, url: &str) -> String {
    let step = format!("[[step]]\nname = \"front page\"\nhttp.get = \"{url}\"\nexpect = [\"status == 200\"]\n");
    crate::page_support::service::journey(name, "", &step)
}

#[test]
fn a_stranger_can_read_the_status_page_on_every_screen() {
    let target = crate::page_support::target::Target::start();
    let probes = [probe("calm", &format!("http://{}/calm", target.address)), probe("lost", "http://127.0.0.1:1/")];
    let site = Site::of(&probes, SETTINGS);
    until("a disruption", || {
        let page = ask(site.address(), "GET /status/", &[], "").body;
        (page.contains("Disrupted: Search") && page.contains("going on")).then_some(())
    });
    let mut wrong = Vec::new();
    for screen in [Screen::DESK, Screen::DESK.dark(), Screen::PHONE, Screen::PHONE.dark()] {
        let browser = Browser::start(site.address(), screen);
        browser.goto("status");
        assert_eq!(browser.here(), "status/");
        assert_eq!(browser.title(), "Disrupted: Search · The Shop");
        let mut note = |what: String| wrong.push(format!("{screen}: {what}"));
        browser.complaints().into_iter().for_each(&mut note);
        faults(&browser).into_iter().for_each(&mut note);
        Some(browser.too_wide()).filter(|wide| *wide > 0).into_iter().for_each(|wide| note(format!("too wide by {wide} px")));
        let text = browser.text("main");
        assert!(text.contains("Europe") && text.contains("us ") && text.contains("Operational"), "{text}");
    }
    let browser = Browser::start(site.address(), Screen::DESK.without_scripts());
    browser.goto("status/");
    assert!(browser.text("main").contains("Disrupted: Search"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
