//! The machine has nothing left for the prober: that is no target's fault, and it passes.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::machine;
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};

/// Probes with the rules that every probe has.
fn probes(target: &Target, count: usize) -> Vec<String> {
    names(count).iter().map(|name| probe(name, target.address, "")).collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("p{number}")).collect()
}

/// Fails unless the only page is about the one that is really broken.
fn assert_only_open(pager: &Pager, service: &Service) {
    let whys: Vec<String> = pager.pages().iter().map(|page| page.message["evidence"].to_string()).collect();
    assert_eq!(pager.lines(), ["opened page eu/probe/open/1"], "{whys:#?}\n{}", service.summary());
}

#[test]
fn a_process_that_stood_still_pages_about_no_target_and_forgets_no_incident() {
    let _alone = machine();
    let (target, pager) = (Target::start(), Pager::start());
    let mut probes = probes(&target, 40);
    probes.push(probe("open", target.address, ""));
    target.set("/open", BROKEN);
    let service = Service::new(&probes, &channel(&pager, "hook")).start();
    pager.until("before it", |page| page.is("opened", "probe/open"));
    service.more(2.0, "p0", "passed");
    // Longer than a deadline, an interval, and what the rules call a late tick; a minute is no different.
    let still = if std::env::var_os("SERINUS_LONG").is_some() { 60 } else { 12 };
    service.running().signal("STOP");
    std::thread::sleep(Duration::from_secs(still));
    service.running().signal("CONT");
    service.more_of_each(3.0, names(40).iter().map(String::as_str), "passed");
    service.more(3.0, "open", "failed");
    assert_only_open(&pager, &service);
    assert!(service.metric("serinus_ticks_missed_total", &[("why", "slept")]) > 0.0);
    target.set("/open", WELL);
    pager.until("of the end", |page| page.is("well", "probe/open"));
}

/// Something that keeps a processor busy.
struct Busy(Child);

impl Busy {
    fn on(processor: &str) -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", processor, "sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
        Self(command.spawn().expect("`taskset` is of Debian's package `util-linux`"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_prober_that_hardly_gets_a_processor_pages_about_no_target() {
    let _alone = machine();
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = Service::new(&probes(&target, 20), &channel(&pager, "hook"));
    service.begin(&["taskset", "-c", "0", "nice", "-n", "19"], |_| {});
    service.more(2.0, "p0", "passed");
    let busy = [(); 6].map(|()| Busy::on("0"));
    std::thread::sleep(Duration::from_secs(15));
    drop(busy);
    service.more_of_each(3.0, names(20).iter().map(String::as_str), "passed");
    assert!(pager.pages().is_empty(), "{:#?}\n{}", pager.lines(), service.summary());
    target.set("/p0", BROKEN);
    pager.until("of a target", |page| page.is("opened", "probe/p0"));
}

#[test]
fn a_prober_without_sockets_and_files_pages_about_no_target_and_recovers() {
    let _alone = machine();
    let (target, pager) = (Target::start(), Pager::start());
    let mut probes = probes(&target, 40);
    probes.push(probe("open", target.address, "[alert]\npage_after = 3"));
    let mut service = Service::new(&probes, &channel(&pager, "hook"));
    service.begin(&["prlimit", "--nofile=1024:1024"], |_| {});
    service.more_of_each(2.0, names(40).iter().map(String::as_str), "passed");
    let pid = service.running().pid().to_string();
    let limit = |limit: &str| {
        let done = Command::new("prlimit").args(["--pid", &pid, limit]).status().expect("`prlimit` is of `util-linux`");
        assert!(done.success());
    };
    limit("--nofile=3:1024");
    target.set("/open", BROKEN);
    std::thread::sleep(Duration::from_secs(8));
    assert!(pager.pages().is_empty(), "{:#?}", pager.lines());
    limit("--nofile=1024:1024");
    service.more_of_each(2.0, names(40).iter().map(String::as_str), "passed");
    assert!(service.metric("serinus_failures_total", &[("reason", "resources")]) > 0.0, "{}", service.summary());
    pager.until("of what was broken meanwhile", |page| page.is("opened", "probe/open"));
    assert_only_open(&pager, &service);
}
