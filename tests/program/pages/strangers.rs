//! Connections to the listener that nobody asked for, and files that run out: neither costs a probe a run, nor anyone a page.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, journey, probe};
use crate::page_support::target::{BROKEN, Target, WELL};

/// More than the service may open files.
const STRANGERS: usize = 361;

/// Connections that never ask for anything; half of them send a head byte by byte. Those that are closed are made anew.
struct Strangers {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Strangers {
    fn at(address: &str) -> Self {
        let (address, stop) = (address.to_owned(), Arc::<AtomicBool>::default());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut held: Vec<TcpStream> = Vec::new();
            let mut closed = 0;
            while !stopped.load(Ordering::Relaxed) {
                let before = held.len();
                held.retain_mut(is_open);
                closed += (before - held.len()) as u64;
                for (number, stream) in held.iter_mut().enumerate() {
                    if number % 2 == 0 {
                        // It may be closed by now, which the next look finds.
                        let _sent = stream.write_all(b"G");
                    }
                }
                while held.len() < STRANGERS {
                    let stream = TcpStream::connect(&address).unwrap();
                    stream.set_nonblocking(true).unwrap();
                    held.push(stream);
                }
                std::thread::sleep(Duration::from_millis(200));
            }
            closed
        });
        Self { stop, thread: Some(thread) }
    }

    /// They go. Returns how many of them were closed before.
    fn leave(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().unwrap())
    }
}

impl Drop for Strangers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn is_open(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn hundreds_of_connections_that_ask_for_nothing_cost_no_run_and_no_page() {
    let (target, pager) = (Target::start(), Pager::start());
    let names: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let probes: Vec<String> = names.iter().map(|name| probe(name, target.address, "")).collect();
    let mut service = Service::new(&probes, &channel(&pager, "hook"));
    service.begin(&["prlimit", "--nofile=256:256"], |_| {});
    let mut strangers = Strangers::at(service.address());
    // Each look at the runs is a request with the token, which must find a place as well.
    service.more_of_each(8.0, names.iter().map(String::as_str), "passed");
    target.set("/p0", BROKEN);
    pager.until("with strangers around", |page| page.is("opened", "probe/p0"));
    target.set("/p0", WELL);
    pager.until("of the end", |page| page.is("well", "probe/p0"));
    assert!(service.metric("serinus_failures_total", &[("reason", "resources")]) < 1.0, "{}", service.summary());
    assert!(service.metric("serinus_runs_total", &[("verdict", "errored")]) < 1.0, "{}", service.summary());
    let cut = |why| service.metric("serinus_listener_cut_total", &[("why", why)]);
    assert!(cut("full") > 0.0, "{}", service.summary());
    assert!(strangers.leave() > 0, "some of them gave way");
}

#[test]
fn runs_that_take_every_file_they_may_leave_enough_for_pages_and_the_store() {
    let pager = Pager::start();
    // It takes connections and says nothing: each run holds one until its deadline.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    std::thread::spawn(move || {
        let held: Vec<TcpStream> = silent.incoming().flatten().collect();
        drop(held);
    });
    let steps = (0..60).fold(String::new(), |steps, number| {
        steps + &format!("  [[step.parallel]]\n  name = \"s{number}\"\n  http.get = \"http://{address}/\"\n  expect = [\"status == 200\"]\n")
    });
    let hangs = |name| journey(name, "", &format!("[[step]]\nname = \"all\"\n{steps}"));
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut service = Service::new(&names.map(hangs), &channel(&pager, "hook"));
    service.begin(&["prlimit", "--nofile=256:256"], |_| {});
    service.until("runs are out of files", |service| service.metric("serinus_failures_total", &[("reason", "resources")]) >= 5.0);
    let files = format!("/proc/{}/fd", service.running().pid());
    let most = (0..100).map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::fs::read_dir(&files).unwrap().count()
    });
    let most = most.max().unwrap();
    // A quarter is left to others; a page, a look-up and this test's question take some of it.
    assert!((150..=210).contains(&most), "{most} files were open");
    // A run of which a step found no file does not count, so that it may take a while until two in a row have failed.
    pager.until("of runs that hung", |page| page.message["occasion"] == "opened");
    let result = |result| service.metric("serinus_notifications_total", &[("what", "ring"), ("result", result)]);
    assert!(result("taken") >= 1.0 && result("refused") + result("unknown") < 1.0, "{}", service.summary());
    assert_eq!(service.json("/api/v1/status")["store"]["writable"], true);
}

#[test]
fn the_bound_on_open_files_is_raised_at_the_start_as_far_as_the_system_allows() {
    let (target, pager) = (Target::start(), Pager::start());
    let mut service = Service::new(&[probe("p", target.address, "")], &channel(&pager, "hook"));
    service.begin(&["prlimit", "--nofile=64:4000"], |_| {});
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", service.running().pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("4000"), "{files}");
    service.more(1.0, "p", "passed");
}
