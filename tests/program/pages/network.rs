//! Is it me? The program in a network of its own that is cut, and what is no such thing.
//!
//! A test that cuts a network runs itself again in a namespace, where it is alone, and has the program in another one that two
//! cables lead to: one to the world, one to the pager. That needs root, or a kernel that lets users have namespaces.

use std::process::Command;

use crate::again;
use crate::namespace::{self, Namespace};
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{Answer, BROKEN, Target, WELL};

/// Set where a test runs for itself.
const INSIDE: &str = "PAGES_INSIDE";

/// Whether this process is in a namespace of its own. If not, the test is run in one, and must pass there.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let user = Command::new("id").arg("-u").output().unwrap();
    let namespace: &[&str] = if user.stdout == b"0\n" { &["unshare", "--net"] } else { &["unshare", "--net", "--map-root-user"] };
    let output = again::command(namespace, module_path!(), test)
        .env(INSIDE, "1")
        .output()
        .expect("`unshare` is of Debian's package `util-linux`");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// The network that the program is in.
fn network() -> Namespace {
    namespace::run("ip link set lo up");
    let network = Namespace::new();
    for (number, name) in ["world", "pager"].into_iter().enumerate() {
        network.lay([name, name], &format!("10.9.{number}"));
    }
    network
}

const SELF_CHECK: &str = "every = \"1s\"\ntimeout = \"300ms\"\n";

#[test]
fn a_network_that_is_cut_makes_one_page_for_the_region_and_none_for_a_target() {
    if !is_inside("a_network_that_is_cut_makes_one_page_for_the_region_and_none_for_a_target") {
        return;
    }
    let network = network();
    let (target, pager) = (Target::at("10.9.0.1:0"), Pager::at("10.9.1.1:0"));
    let (one, other) = (Target::at("10.9.0.1:0"), Target::at("10.9.0.1:0"));
    let names = ["a", "b", "c", "slow", "patient"];
    let probes: Vec<String> = names
        .iter()
        .map(|name| {
            let probe = probe(name, target.address, "[alert]\npage_after = 1").replace("5s", "900ms");
            match *name {
                // An attempt that is over long before the deadline, and one that is not over by then.
                "slow" => probe.replace("http.get", "timeout = \"300ms\"\nhttp.get"),
                "patient" => probe.replace("http.get", "timeout = \"30s\"\nhttp.get"),
                _ => probe,
            }
        })
        .collect();
    let settings = format!(
        "[alerting]\nblind = {{ intervals = 3, at_least = \"4s\" }}\nflapping = {{ opens = 9 }}\n{}[self_check]\n\
         endpoints = [\"http://{}/\", \"tcp://{}\"]\n{SELF_CHECK}",
        channel(&pager, "hook"),
        one.address,
        other.address,
    );
    let mut service = Service::listening("10.9.1.2:9464", &probes, &settings);
    service.begin(&["nsenter", "-t", &network.pid(), "-n"], |_| {});
    let cuts = [
        // The cable is out.
        ("ip link set world down", "ip link set world up"),
        // What is sent is lost, and nobody says so.
        ("iptables -A OUTPUT -o world -j DROP", "iptables -F OUTPUT"),
    ];
    for (number, (cut, heal)) in cuts.into_iter().enumerate() {
        service.more_of_each(2.0, names, "passed");
        network.within(cut);
        let key = format!("eu/blind/eu/{}", number + 1);
        pager.until("that the prober is blind", |page| page.is("opened", "blind/eu") && page.message["key"] == *key);
        service.more_of_each(4.0, names, "errored");
        assert!(service.metric("serinus_failures_total", &[("reason", "self_check")]) > 0.0);
        network.within(heal);
        pager.until("that it sees again", |page| page.is("well", "blind/eu") && page.message["key"] == *key);
        let lines = pager.lines();
        assert!(lines.iter().all(|line| line.contains("/blind/eu/")), "{lines:#?}\n{}", service.summary());
        let opened = lines.iter().filter(|line| line.starts_with("opened")).count();
        assert_eq!(opened, number + 1, "{lines:#?}");
    }
    // It is the target again.
    target.set("/a", BROKEN);
    pager.until("of the target", |page| page.is("opened", "probe/a"));
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_self_check_that_is_down_excuses_no_target_that_answers() {
    let (target, pager) = (Target::start(), Pager::start());
    let settings = format!(
        "{}[self_check]\nendpoints = [\"http://{}/\", \"tcp://{}\"]\n{SELF_CHECK}",
        channel(&pager, "hook"),
        nobody(),
        nobody()
    );
    let names = ["lost", "error", "cut"];
    let probes: Vec<String> = names.iter().map(|name| probe(name, target.address, "")).collect();
    let service = Service::new(&probes, &settings).start();
    service.until("the self check is down", |service| service.metric("serinus_self_check_up", &[]) == 0.0);
    service.more(2.0, "lost", "passed");
    target.set("/lost", BROKEN);
    target.set("/error", Answer::Status(500));
    target.set("/cut", Answer::Body("half of an ans"));
    for name in names {
        pager.until(name, |page| page.is("opened", &format!("probe/{name}")));
    }
    for name in names {
        target.set(&format!("/{name}"), WELL);
        pager.until(name, |page| page.is("well", &format!("probe/{name}")));
    }
}

#[test]
fn a_target_that_is_down_alone_pages_though_one_of_the_endpoints_is_down_too() {
    let (well, pager) = (Target::start(), Pager::start());
    let gone = nobody();
    let settings = format!(
        "{}[self_check]\nendpoints = [\"http://{}/\", \"tcp://{}\"]\n{SELF_CHECK}",
        channel(&pager, "hook"),
        well.address,
        nobody()
    );
    let service = Service::new(&[probe("p", gone.parse().unwrap(), "")], &settings).start();
    let page = pager.until("of the target", |page| page.is("opened", "probe/p"));
    assert_eq!(page.message["evidence"][0]["reason"], "connect", "{}", page.message);
    let _target = Target::at(&gone);
    pager.until("of the end", |page| page.is("well", "probe/p"));
    assert!(service.metric("serinus_failures_total", &[("reason", "self_check")]) < 1.0);
}
