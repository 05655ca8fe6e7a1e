//! Somebody sets the clock, by an hour, both ways: `libfaketime` does it to the program alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};

/// Where Debian's package `faketime` has it, whatever the machine.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("libfaketimeMT.so.1 is not there: install Debian's package `faketime`")
}

/// Sets the clock so far from the machine's.
fn set(file: &Path, offset: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, offset).unwrap();
    std::fs::rename(new, file).unwrap();
}

fn begin(service: &mut Service, clock: &Path) {
    let clock = clock.to_owned();
    service.begin(&[], move |command| {
        command
            .env("LD_PRELOAD", library())
            .env("FAKETIME_TIMESTAMP_FILE", clock)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("FAKETIME_NO_CACHE", "1");
    });
}

/// What the program takes the time to be, seconds since the epoch.
fn clock_of(service: &Service) -> i64 {
    service.count("SELECT max(due_ms) / 1000 FROM runs WHERE id = (SELECT max(id) FROM runs)")
}

fn streak(service: &Service, probe: &str) -> f64 {
    service.metric("serinus_consecutive_failures", &[("probe", probe)])
}

/// One step of the clock while a probe is well, while streaks have begun, while an incident is open.
fn a_step_changes_nothing(step: &str, hours: i64) {
    let (target, pager) = (Target::start(), Pager::start());
    let three = "[alert]\npage_after = 3";
    let probes = [
        probe("well", target.address, "[alert]\npage_after = 1"),
        probe("goes-on", target.address, three),
        probe("was-a-blip", target.address, three),
        probe("open", target.address, ""),
    ];
    let mut service = Service::new(&probes, &channel(&pager, "hook"));
    let clock = service.folder().join("clock");
    set(&clock, "+0");
    begin(&mut service, &clock);
    service.more(2.0, "well", "passed");
    target.set("/open", BROKEN);
    pager.until("before the step", |page| page.is("opened", "probe/open"));
    // Runs are a second apart, so a streak of one lasts long enough to be seen.
    for name in ["goes-on", "was-a-blip"] {
        target.set(&format!("/{name}"), BROKEN);
        service.until("a streak begins", |service| streak(service, name) >= 1.0);
    }
    let before = clock_of(&service);
    set(&clock, step);
    target.set("/was-a-blip", WELL);
    let page = pager.until("of what goes on", |page| page.is("opened", "probe/goes-on"));
    assert_eq!(page.message["members"][0]["failed"], 3, "neither early nor late: {}", page.message);
    service.until("the blip is over", |service| streak(service, "was-a-blip") == 0.0);
    let grown = streak(&service, "open");
    service.until("the streak goes on", |service| streak(service, "open") >= grown + 3.0);
    service.more(5.0, "well", "passed");
    let moved = clock_of(&service) - before;
    assert!((moved - hours * 3600).abs() < 120, "the clock was set by {moved} s");
    assert_eq!(pager.lines(), ["opened page eu/probe/open/1", "opened page eu/probe/goes-on/1"]);
    assert!(service.metric("serinus_ticks_missed_total", &[]) < 20.0, "{}", service.summary());

    // Neither an early end nor a late one.
    for name in ["open", "goes-on"] {
        target.set(&format!("/{name}"), WELL);
    }
    let mended = Instant::now();
    for scope in ["probe/open", "probe/goes-on"] {
        let page = pager.until("of the end", |page| page.is("well", scope));
        let took = page.at - mended;
        assert!(took >= Duration::from_secs(1), "resolved after {took:?}");
        let of = |name: &str| page.message[name].as_i64().unwrap();
        assert!(of("since_ms") <= of("ended_ms"), "it ended before it began: {}", page.message);
    }
    // The next process meets a store that was written by another clock.
    target.set("/open", BROKEN);
    pager.until("again", |page| page.message["key"] == "eu/probe/open/2");
    // A crash before that is written down may send it again, which is not what is looked at here.
    let waiting = "SELECT count(*) FROM tries WHERE state = 'waiting'";
    service.until("its delivery is written down", |service| service.count(waiting) == 0);
    service.kill();
    set(&clock, "+0");
    begin(&mut service, &clock);
    service.more(4.0, "well", "passed");
    service.more(3.0, "open", "failed");
    target.set("/open", WELL);
    pager.until("of the end", |page| page.message["key"] == "eu/probe/open/2" && page.is("well", "probe/open"));
    let mut lines = pager.lines();
    // The two ends may come either way round.
    lines[2..4].sort();
    let expected = [
        "opened page eu/probe/open/1",
        "opened page eu/probe/goes-on/1",
        "well page eu/probe/goes-on/1",
        "well page eu/probe/open/1",
        "opened page eu/probe/open/2",
        "well page eu/probe/open/2",
    ];
    assert_eq!(lines, expected);
    service.stop();
    assert_eq!(service.count("SELECT count(*) FROM runs WHERE duration_us NOT BETWEEN 0 AND 5000000"), 0);
    // How late a run was is told by the wall clock: that of a run which was about to start when it was set is anything.
    let late = service.count("SELECT count(*) FROM runs WHERE verdict IN (0, 1) AND abs(late_ms) > 60000");
    assert!(late <= 4, "{late} runs seem to have been late by minutes");
    assert_eq!(service.count("SELECT count(*) FROM incidents WHERE resolved_ms IS NULL OR resolved_ms < opened_ms"), 0);
    assert_eq!(service.count("SELECT count(*) FROM tries WHERE state = 'waiting'"), 0);
}

#[test]
fn a_clock_that_is_set_forward_by_an_hour_pages_nobody_and_hides_nothing() {
    a_step_changes_nothing("+3600", 1);
}

#[test]
fn a_clock_that_is_set_back_by_an_hour_pages_nobody_and_hides_nothing() {
    a_step_changes_nothing("-3600", -1);
}
