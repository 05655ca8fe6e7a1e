//! The commands that go on until they are stopped: `run`, `sandbox`, `demo`.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli_support::{
    Answer, PATIENCE, Running, assert_exit, get, probe, run, serinus, stderr, stdout, target, target_that_tells,
};

fn service(target: SocketAddr, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.toml"), probe("p", target, "json.state == 'ok'")).unwrap();
    let text = format!("region = \"eu\"\nprobes = [\"p.toml\"]\nnotify.none = true\n{more}");
    std::fs::write(folder.path().join("service"), text).unwrap();
    folder
}

fn start(folder: &Path) -> (Running, String) {
    let mut command = serinus(folder);
    command.args(["run", "-c", "service"]);
    let running = Running::start(command);
    let line = running.said("address=");
    let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().to_owned();
    (running, address)
}

/// Waits until a scrape has what is looked for.
fn scrape_until(address: &str, wanted: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = get(address, "/metrics");
        if wanted(&metrics) {
            return;
        }
        assert!(Instant::now() < deadline, "{metrics}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn counted(metrics: &str, verdict: &str) -> bool {
    let series = format!("serinus_runs_total{{probe=\"p\",region=\"eu\",verdict=\"{verdict}\"}} ");
    metrics.lines().filter_map(|line| line.strip_prefix(&series)).any(|value| value.trim() != "0")
}

#[test]
fn a_service_probes_serves_its_metrics_and_stops_on_sigterm() {
    let folder = service(target(Answer::Ok), "[listen]\naddress = \"127.0.0.1:0\"\n");
    let (mut running, address) = start(folder.path());
    scrape_until(&address, |metrics| counted(metrics, "passed"));
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    running.signal("TERM");
    running.said("stopped");
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(get(&address, "/healthz"), "");
}

#[test]
fn a_hang_up_does_not_end_the_service_and_a_doubled_signal_is_one_wish() {
    let folder = service(target(Answer::Ok), "[listen]\naddress = \"127.0.0.1:0\"\n");
    let (mut running, address) = start(folder.path());
    running.signal("HUP");
    running.said("the configuration was loaded again (no file changed): 0 canaries added, 0 removed, 1 kept");
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    running.signal("TERM");
    running.signal("TERM");
    running.said("stopped");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn runs_that_hang_are_cut_after_the_grace_and_the_service_still_ends_well() {
    let more = "[listen]\naddress = \"127.0.0.1:0\"\n[limits]\nshutdown_grace = \"200ms\"\ncleanup = \"1s\"\n";
    let (target, told) = target_that_tells(Answer::Silence);
    let folder = service(target, more);
    let text = std::fs::read_to_string(folder.path().join("p.toml")).unwrap();
    let text = text.replace("every = \"1s\"\ndeadline = \"900ms\"", "every = \"5m\"\nruns = 200\ndeadline = \"2m\"");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let (mut running, _) = start(folder.path());
    // The target never answers, so a run that has connected goes on until its deadline or until it is cut.
    told.recv_timeout(PATIENCE).expect("a run begins within seconds");
    running.signal("TERM");
    running.said("the process is stopping in step `front page`");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn a_process_that_stood_still_blames_no_target_for_it() {
    let (target, told) = target_that_tells(Answer::Later(700));
    let folder = service(target, "[listen]\naddress = \"127.0.0.1:0\"\n");
    let text = std::fs::read_to_string(folder.path().join("p.toml")).unwrap();
    let text = text.replace("every = \"1s\"\ndeadline = \"900ms\"", "every = \"3s\"\ndeadline = \"2900ms\"");
    std::fs::write(folder.path().join("p.toml"), text).unwrap();
    let (running, address) = start(folder.path());
    told.recv_timeout(PATIENCE).expect("a run begins within seconds");
    running.signal("STOP");
    std::thread::sleep(Duration::from_secs(10));
    running.signal("CONT");
    let zero = |metrics: &str, series: &str| metrics.lines().any(|line| line == format!("{series} 0"));
    scrape_until(&address, |metrics| {
        let labels = "probe=\"p\",region=\"eu\"";
        assert!(zero(metrics, &format!("serinus_runs_total{{{labels},verdict=\"failed\"}}")), "{metrics}");
        metrics.contains(&format!("serinus_failures_total{{{labels},verdict=\"errored\",reason=\"stall\"}} 1"))
            && !zero(metrics, "serinus_ticks_missed_total{why=\"slept\"}")
            && metrics.lines().any(|line| line.starts_with("serinus_runtime_stalls_total ") && !line.ends_with(" 0"))
            && counted(metrics, "passed")
    });
}

#[test]
fn an_address_that_is_taken_exits_3_and_an_invalid_file_exits_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = service(target(Answer::Ok), &format!("[listen]\naddress = \"{}\"\n", taken.local_addr().unwrap()));
    let output = run(folder.path(), &["run", "-c", "service"]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("cannot listen on 127.0.0.1:"), "{}", stderr(&output));

    let folder = service(target(Answer::Ok), "[listen]\nadress = \"127.0.0.1:0\"\n");
    let output = run(folder.path(), &["run", "-c", "service"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("adress") && stderr(&output).contains("address"), "{}", stderr(&output));
}

#[test]
fn a_service_that_pages_and_tells_nobody_is_refused_and_its_probes_can_be_tested() {
    let folder = service(target(Answer::Ok), "");
    let text = std::fs::read_to_string(folder.path().join("service")).unwrap().replace("notify.none = true\n", "");
    std::fs::write(folder.path().join("service"), text).unwrap();
    let output = run(folder.path(), &["run", "-c", "service"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("lint::no-channel") && stderr(&output).contains("none = true"), "{}", stderr(&output));
    let checked = run(folder.path(), &["check", "-c", "service"]);
    assert_exit(&checked, 2);
    let refusal = |text: &str| text.lines().find(|line| line.contains("nobody would be told")).map(str::to_owned);
    assert!(refusal(&stderr(&checked)).is_some(), "{}", stderr(&checked));
    assert_eq!(refusal(&stderr(&checked)), refusal(&stderr(&output)), "check says what run says");
    let checked = run(folder.path(), &["check", "-c", "service", "--output", "json"]);
    assert_exit(&checked, 2);
    assert!(stdout(&checked).contains("\"valid\": false"), "{}", stdout(&checked));
    assert_exit(&run(folder.path(), &["check", "p.toml", "-c", "service"]), 0);
    let output = run(folder.path(), &["test", "p", "-c", "service"]);
    assert_exit(&output, 0);
    assert!(!stderr(&output).contains("lint::no-channel"), "{}", stderr(&output));
}

#[test]
fn the_sandbox_says_where_it_is_and_stops_when_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serinus(folder.path());
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--speed", "100", "--seed", "7"]);
    let mut running = Running::start(command);
    let url = running.first_line();
    let health = get(url.strip_prefix("http://").unwrap(), "/healthz");
    assert!(health.contains("\"seed\":7"), "{health}");
    running.signal("INT");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn the_sandbox_is_for_this_machine_unless_it_is_opened_on_purpose() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["sandbox", "--listen", "0.0.0.0:0"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("--allow-remote"), "{}", stderr(&output));
}
