//! A receiver that is away for a while: what still fails arrives afterwards, once, and somebody else is told meanwhile.

use std::time::{Duration, Instant};

use crate::page_support::pager::{Mood, Page, Pager};
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};

/// `SERINUS_LONG=1` has the receiver be away for as long as it takes to say so honestly.
fn away() -> Duration {
    if std::env::var_os("SERINUS_LONG").is_some() { Duration::from_mins(10) } else { Duration::from_secs(20) }
}

fn lines_of<'p>(pages: &'p [Page], channel: &str, key: &str) -> Vec<&'p str> {
    let of = pages.iter().filter(|page| page.channel == channel && page.message["key"] == key);
    of.map(|page| page.message["occasion"].as_str().unwrap()).collect()
}

#[test]
fn a_receiver_that_was_away_gets_what_still_fails_once_and_the_other_channel_is_told_meanwhile() {
    let (target, pager) = (Target::start(), Pager::start());
    let names = ["stays", "ends", "reopens", "late"];
    let probes: Vec<String> = names.iter().map(|name| probe(name, target.address, "")).collect();
    let escalate = (away() / 4).min(Duration::from_secs(30));
    let settings = format!(
        "[alerting]\nescalate_after = \"{}s\"\n[[alerting.route]]\nchannels = [\"hook\"]\n[heartbeat]\nurl = \"http://{}/alive\"\n\
         every = \"1s\"\n{}{}",
        escalate.as_secs(),
        pager.address,
        channel(&pager, "hook"),
        channel(&pager, "spare"),
    );
    let service = Service::new(&probes, &settings).start();
    service.until("a heartbeat", |_| !pager.pings().is_empty());

    for channel in ["hook", "spare"] {
        pager.set(channel, Mood::HangsUp);
    }
    let went = Instant::now();
    for name in ["stays", "ends", "reopens"] {
        target.set(&format!("/{name}"), BROKEN);
    }
    service.until("three incidents", |service| service.metric("serinus_incidents", &[]) >= 3.0);
    for name in ["ends", "reopens"] {
        target.set(&format!("/{name}"), WELL);
    }
    service.until("two of them end", |service| service.metric("serinus_incidents", &[]) <= 1.0);
    target.set("/reopens", BROKEN);
    service.until("one is open again", |service| service.metric("serinus_incidents", &[]) >= 2.0);
    // Nobody hears of it at all, so that the dead man's switch has to say it.
    service.until("no heartbeat", |service| service.metric("serinus_heartbeats_total", &[("result", "withheld")]) >= 3.0);
    let silent = pager.pings().last().copied().unwrap();
    assert!(silent - went < escalate + Duration::from_secs(15), "pinged {:?} after the receiver went", silent - went);
    pager.set("hook", Mood::Refuses);
    pager.set("spare", Mood::Takes);
    let told = pager.until("to the spare channel", |page| page.channel == "spare" && page.is("escalated", "probe/stays"));
    assert!(told.at - went >= escalate, "told {:?} after the receiver went", told.at - went);
    std::thread::sleep(away().saturating_sub(went.elapsed()));
    target.set("/late", BROKEN);
    service.until("three incidents again", |service| service.metric("serinus_incidents", &[]) >= 3.0);
    assert!(service.untold() > 0.0);
    let tries = pager.refused("hook");
    assert!(pager.pages().iter().all(|page| page.channel == "spare"));

    pager.set("hook", Mood::Takes);
    let back = Instant::now();
    service.until("nothing waits", |service| service.untold() == 0.0);
    pager.until("that is late", |page| page.channel == "hook" && page.is("opened", "probe/late"));
    let arrived = pager.pages();
    eprintln!("away {:?}: {tries} tries refused; {:?} until all was there", away(), back.elapsed());
    for page in &arrived {
        eprintln!("{:>8.1} s {} {}", (page.at - went).as_secs_f64(), page.channel, page.line());
    }
    for scope in ["probe/stays", "probe/late", "probe/reopens"] {
        let rings = arrived.iter().filter(|page| page.channel == "hook" && page.is("opened", scope)).count();
        assert_eq!(rings, 1, "{scope}: {:#?}", pager.lines());
    }
    for key in ["eu/probe/ends/1", "eu/probe/reopens/1"] {
        // What began and ended while nobody listened rings nobody. Perhaps it was taken before the receiver hung up, so it is ended.
        let told = lines_of(&arrived, "hook", key);
        assert!(told.iter().all(|occasion| ["well", "was_well"].contains(occasion)), "{key}: {told:?}");
    }
    let mut tries: Vec<&str> = arrived.iter().map(|page| page.id.as_str()).collect();
    let all = tries.len();
    tries.sort_unstable();
    tries.dedup();
    assert_eq!(tries.len(), all, "nothing arrives twice");
    assert!(arrived.len() < 20, "no storm: {:#?}", pager.lines());

    for name in names {
        target.set(&format!("/{name}"), WELL);
    }
    for scope in ["probe/stays", "probe/reopens", "probe/late"] {
        pager.until("of the end", |page| page.channel == "hook" && page.is("well", scope));
    }
    let pings = pager.pings().len();
    service.until("heartbeats go on", |_| pager.pings().len() > pings);
}
