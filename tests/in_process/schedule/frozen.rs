//! A process that is stopped and goes on.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serinus::outcome::{CleanupReport, OutcomeSink, Reason, RunReport};
use serinus::plan::Canary;
use serinus::run::{RunRequest, StallLog};
use serinus::schedule::Scheduler;

use super::support::{Fake, SOON, assert_whole, finished, limits, plan, probe, reason};
use crate::again;

/// Stops the process it is given when a test ends badly.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
}

const FROZEN: Duration = Duration::from_millis(2500);
const CHILD_EVERY: Duration = Duration::from_millis(200);

#[test]
fn a_process_that_was_stopped_goes_on_with_one_run_a_canary_and_reports_the_rest_as_slept() {
    let mut child = again::command(&[], module_path!(), "the_process_that_is_stopped")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Stopped)
        .expect("this test starts again");
    let output = child.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(output).lines().map(|line| line.expect("text")).filter(|line| line.starts_with("tick "));
    lines.by_ref().take(20).for_each(drop);
    signal(&child.0, "STOP");
    std::thread::sleep(FROZEN);
    signal(&child.0, "CONT");
    let mut slept: HashMap<String, u32> = HashMap::new();
    let mut ran_after: HashMap<String, u32> = HashMap::new();
    let mut dues: HashMap<String, Vec<SystemTime>> = HashMap::new();
    let mut stall_seen = false;
    while ran_after.len() < 5 || ran_after.values().any(|&runs| runs < 2) {
        let line = lines.next().expect("the child goes on");
        let words: Vec<&str> = line.split(' ').collect();
        let [_, canary, due, how, stalled] = words[..] else { panic!("{line}") };
        let due = SystemTime::UNIX_EPOCH + Duration::from_nanos(due.parse().expect("nanoseconds"));
        dues.entry(canary.to_owned()).or_default().push(due);
        match how {
            "slept" => *slept.entry(canary.to_owned()).or_default() += 1,
            "passed" if slept.contains_key(canary) => *ran_after.entry(canary.to_owned()).or_default() += 1,
            _ => {}
        }
        stall_seen |= stalled.parse::<u128>().expect("milliseconds") > FROZEN.as_millis() / 2;
    }
    for dues in dues.values_mut() {
        let in_order = dues.clone();
        assert_whole(dues, CHILD_EVERY);
        assert_eq!(&in_order, dues, "reports come in the order of their ticks");
    }
    let expected = u32::try_from(FROZEN.as_millis() / CHILD_EVERY.as_millis()).expect("few") - 2;
    assert!(slept.values().all(|&ticks| ticks >= expected), "{slept:?}");
    assert!(stall_seen, "the watchdog saw it too");
}

/// Prints its reports.
struct Print(Arc<StallLog>, Instant);

impl OutcomeSink for Print {
    #[expect(clippy::print_stdout, reason = "it is how the test that started this process hears of it")]
    fn run_finished(&self, report: &Arc<RunReport>) {
        let due = report.tick.due.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos();
        let how = reason(report).map_or("passed", Reason::as_str);
        let stalled = self.0.stalled_between(self.1, Instant::now()).as_millis();
        println!("tick {} {due} {how} {stalled}", report.canary.id);
    }

    fn cleanup_finished(&self, _report: &Arc<CleanupReport>) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started, stopped and killed by the test above"]
async fn the_process_that_is_stopped() {
    let probes = (0..5).map(|number| probe(&format!("frozen-{number}"), CHILD_EVERY)).collect();
    let stalls = Arc::new(StallLog::default());
    let runner = Fake(async |canary: Arc<Canary>, request: RunRequest| finished(&canary, &request, None));
    let sink = Arc::new(Print(Arc::clone(&stalls), Instant::now()));
    let runtime = tokio::runtime::Handle::current();
    let scheduler =
        Scheduler::start(plan(probes, limits()), Arc::new(runner), sink, stalls, runtime, HashMap::new()).expect("a thread");
    tokio::time::sleep(Duration::from_mins(1)).await;
    scheduler.stop(SOON).await;
}
