//! What must not hide a failing probe: its guard, what it needs, an empty list, maintenance, a pause.

use std::time::{Duration, SystemTime};

use crate::page_support::pager::{Mood, Pager};
use crate::page_support::service::{Service, channel, journey, probe};
use crate::page_support::target::{Answer, BROKEN, Target, WELL};

#[test]
fn a_guard_that_cannot_be_asked_pages_and_one_that_says_no_does_not() {
    let (target, pager) = (Target::start(), Pager::start());
    let steps = format!(
        "[[step]]\nname = \"is it ours\"\nhttp.get = \"http://{at}/guard\"\nguard = [\"json.state == 'ok'\"]\n\
         [[step]]\nname = \"order\"\nhttp.get = \"http://{at}/order\"\nexpect = [\"status == 200\"]\n",
        at = target.address
    );
    let service = Service::new(&[journey("p", "", &steps)], &channel(&pager, "hook")).start();
    service.more(1.0, "p", "passed");
    target.set("/guard", BROKEN);
    service.more(4.0, "p", "blocked");
    assert!(pager.pages().is_empty(), "{:#?}", pager.lines());
    let asked = target.asked("/order");
    service.more(1.0, "p", "blocked");
    assert_eq!(target.asked("/order"), asked, "a guard that says no keeps the run from going on");
    target.set("/guard", Answer::Status(503));
    let page = pager.until("about the guard", |page| page.is("opened", "probe/p"));
    assert_eq!(page.message["evidence"][0]["step"], "is it ours");
    target.set("/guard", WELL);
    pager.until("of the end", |page| page.is("well", "probe/p"));
}

#[test]
fn a_guard_whose_service_is_down_pages_however_it_is_down() {
    let (target, pager) = (Target::start(), Pager::start());
    let names = [("error", Answer::Status(500)), ("refused", Answer::HangsUp), ("page", Answer::Body("<html>"))];
    let mut probes: Vec<String> = Vec::new();
    for (name, down) in names {
        target.set(&format!("/{name}"), down);
        let steps = format!(
            "[[step]]\nname = \"is it ours\"\nhttp.get = \"http://{at}/{name}\"\nguard = [\"json.state == 'ok'\"]\n\
             [[step]]\nname = \"order\"\nhttp.get = \"http://{at}/order\"\nexpect = [\"status == 200\"]\n",
            at = target.address
        );
        probes.push(journey(name, "", &steps));
    }
    let service = Service::new(&probes, &channel(&pager, "hook")).start();
    for (name, _) in names {
        pager.until(name, |page| page.is("opened", &format!("probe/{name}")));
    }
    assert!(service.metric("serinus_runs_total", &[("verdict", "blocked")]) < 1.0);
}

#[test]
fn a_list_that_is_empty_pages() {
    let (target, pager) = (Target::start(), Pager::start());
    target.set("/items", Answer::Body(r#"{"items": []}"#));
    let steps = format!(
        "[[step]]\nname = \"list\"\nhttp.get = \"http://{at}/items\"\nexpect = [\"status == 200\"]\ncapture = {{ items = \"json.items\" }}\n\
         [[step]]\nname = \"each\"\nfor_each = \"item in items\"\nhttp.get = \"http://{at}/{{{{ item }}}}\"\nexpect = [\"status == 200\"]\n",
        at = target.address
    );
    let subjects = steps.replace("for_each = ", "subject = \"{{ item }}\"\nfor_each = ");
    let probes = [journey("loops", "", &steps), journey("subjects", "", &subjects)];
    let _service = Service::new(&probes, &channel(&pager, "hook")).start();
    for name in ["loops", "subjects"] {
        let page = pager.until(name, |page| page.is("opened", &format!("probe/{name}")));
        assert_eq!(page.message["evidence"][0]["reason"], "empty", "{page:?}");
    }
    target.set("/items", WELL);
    for name in ["loops", "subjects"] {
        pager.until("of the end", |page| page.is("well", &format!("probe/{name}")));
    }
}

#[test]
fn a_root_that_flaps_does_not_hide_what_needs_it() {
    let (target, pager) = (Target::start(), Pager::start());
    let root = probe("root", target.address, "[alert]\npage_after = 4");
    let probes = [root, probe("leaf", target.address, "needs = [\"root\"]")];
    let service = Service::new(&probes, &channel(&pager, "hook")).start();
    service.more(1.0, "leaf", "passed");
    target.set("/leaf", BROKEN);
    // The root fails now and then, and is well again long before it pages.
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    let mut fails = false;
    while !pager.pages().iter().any(|page| page.is("opened", "probe/leaf")) {
        fails = !fails;
        target.set("/root", if fails { BROKEN } else { WELL });
        service.more(1.0, "root", if fails { "failed" } else { "passed" });
        assert!(std::time::Instant::now() < deadline, "the page is hidden: {}", service.summary());
    }
    assert!(!pager.pages().iter().any(|page| page.is("opened", "probe/root")));
}

#[test]
fn what_a_paging_root_explains_pages_by_itself_once_the_root_is_well_and_it_is_not() {
    let (target, pager) = (Target::start(), Pager::start());
    let probes =
        [probe("root", target.address, ""), probe("leaf", target.address, "needs = [\"root\"]\n[alert]\npage_after = 4")];
    let service = Service::new(&probes, &channel(&pager, "hook")).start();
    service.more(1.0, "leaf", "passed");
    target.set("/root", BROKEN);
    target.set("/leaf", BROKEN);
    pager.until("of the root", |page| page.is("opened", "probe/root"));
    service.more(6.0, "leaf", "failed");
    assert!(!pager.pages().iter().any(|page| page.message["scope"] == "probe/leaf"), "{:#?}", pager.lines());
    target.set("/root", WELL);
    pager.until("that the root is well", |page| page.is("well", "probe/root"));
    pager.until("of the leaf by itself", |page| page.is("opened", "probe/leaf"));
}

#[test]
fn a_root_whose_page_does_not_get_through_hides_nothing() {
    let (target, pager) = (Target::start(), Pager::start());
    let probes = [probe("root", target.address, "tags = [\"root\"]"), probe("leaf", target.address, "needs = [\"root\"]")];
    let routes = "[[alerting.route]]\ntag = \"root\"\nchannels = [\"dead\"]\n[[alerting.route]]\nchannels = [\"hook\"]\n";
    let settings = format!("{routes}{}{}", channel(&pager, "dead"), channel(&pager, "hook"));
    pager.set("dead", Mood::Refuses);
    let service = Service::new(&probes, &settings).start();
    service.more(1.0, "leaf", "passed");
    target.set("/root", BROKEN);
    service.until("the root's page is refused", |_| pager.refused("dead") > 0);
    target.set("/leaf", BROKEN);
    pager.until("of the leaf", |page| page.channel == "hook" && page.is("opened", "probe/leaf"));
}

/// RFC 3339 so many seconds from now.
fn in_seconds(seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(at).to_string()
}

#[test]
fn a_maintenance_window_resolves_nothing_by_silence_and_what_fails_after_it_pages() {
    let (target, pager) = (Target::start(), Pager::start());
    let probes = [probe("open", target.address, ""), probe("later", target.address, "")];
    target.set("/open", BROKEN);
    let window = format!("[[maintenance]]\nname = \"m\"\nfrom = \"{}\"\nuntil = \"{}\"\n", in_seconds(8), in_seconds(20));
    let service = Service::new(&probes, &format!("{window}{}", channel(&pager, "hook"))).start();
    pager.until("before it", |page| page.is("opened", "probe/open"));
    service.more(1.0, "later", "skipped");
    // It breaks and is mended in the window; nobody looks.
    target.set("/later", BROKEN);
    target.set("/open", WELL);
    service.more(6.0, "later", "skipped");
    assert_eq!(service.metric("serinus_incidents", &[]).to_string(), "1", "{}", service.summary());
    assert_eq!(pager.lines(), ["opened page eu/probe/open/1"]);
    pager.until("of what broke meanwhile", |page| page.is("opened", "probe/later"));
    pager.until("of what is well again", |page| page.is("well", "probe/open"));
    assert_eq!(service.metric("serinus_incidents", &[]).to_string(), "1");
}

#[test]
fn a_pause_resolves_nothing_by_silence() {
    let (target, pager) = (Target::start(), Pager::start());
    let service = Service::new(&[probe("p", target.address, "")], &channel(&pager, "hook")).start();
    target.set("/p", BROKEN);
    pager.until("at all", |page| page.is("opened", "probe/p"));
    service.ask(&["pause", "p", "--why", "a test"]);
    target.set("/p", WELL);
    service.more(5.0, "p", "skipped");
    assert_eq!(service.metric("serinus_incidents", &[]).to_string(), "1", "it is open");
    assert_eq!(service.metric("serinus_incidents", &[("severity", "none")]).to_string(), "1", "and wakes nobody");
    assert_eq!(pager.lines(), ["opened page eu/probe/p/1"]);
    service.ask(&["resume", "p"]);
    pager.until("of the end", |page| page.is("well", "probe/p"));
}
