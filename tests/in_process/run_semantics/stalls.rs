//! Stalls are ours, and hangs are theirs: what a process that stood still makes of bounds and times.
//!
//! When a request arrives, the record of stalls is written ahead: a stall of the coming seconds is, when they have passed, one
//! like any other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serinus::outcome::{Reason, Verdict};
use serinus::run::{BEAT, StallLog};

use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

const HUNG: Duration = Duration::from_mins(10);

const READ: &str = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A run of one step against a target that answers its first request after so long. From that request's arrival on, the watchdog
/// beats at these milliseconds, and then on time for minutes.
async fn run(first_answer: Duration, beats: &'static [u64], deadline: &str, step: &str) -> Ran {
    let stalls = Arc::new(StallLog::default());
    let log = Arc::clone(&stalls);
    let target = Target::start(move |seen| {
        if seen.nth > 0 {
            return Answer::json(200, "{}");
        }
        let now = Instant::now();
        for &at in beats {
            drop(log.beat(now + millis(at)));
        }
        let last = now + millis(beats.last().copied().unwrap_or_default());
        (1..5000).for_each(|beat| drop(log.beat(last + BEAT * beat)));
        Answer::json(200, "{}").after(first_answer)
    })
    .await;
    let mut journey = Journey::new(&target).deadline(deadline);
    journey.stalls = stalls;
    journey.run(step).await
}

/// What became of it, and what people read.
fn end(ran: &Ran) -> (Verdict, Reason, &str) {
    (ran.report.verdict, ran.reason(), &ran.cause().message)
}

#[tokio::test]
async fn a_hung_target_has_failed_however_busy_the_machine_is() {
    // Each beat is 190 ms late: what verdicts summed up to an excuse before.
    const BEATS: [u64; 50] = {
        let mut beats = [0; 50];
        let mut at = 0;
        while at < 50 {
            beats[at] = at as u64 * 240;
            at += 1;
        }
        beats
    };
    let ran = run(HUNG, &BEATS, "20s", &format!("{READ}timeout = \"1s\"\n")).await;
    let (verdict, reason, message) = end(&ran);
    assert_eq!((verdict, reason), (Verdict::Failed, Reason::Timeout));
    assert!(message.ends_with("no answer within 1s: waiting for the answer's headers"), "{message}");
}

#[tokio::test]
async fn a_hung_target_has_failed_although_the_process_stood_still_for_a_while() {
    let ran = run(HUNG, &[0, 650], "20s", &format!("{READ}timeout = \"1s\"\n")).await;
    let (verdict, reason, message) = end(&ran);
    assert_eq!((verdict, reason), (Verdict::Failed, Reason::Timeout));
    assert!(message.ends_with("; the prober stood still for 600ms meanwhile, by which the time was prolonged"), "{message}");
    assert_eq!((ran.report.stalled, ran.report.steps[0].stalled), (millis(600), millis(600)));
    assert!(ran.report.duration >= millis(1600), "{:?}", ran.report.duration);
}

#[tokio::test]
async fn a_process_that_stood_still_for_more_than_half_of_the_prolonged_bound_blames_itself() {
    let ran = run(HUNG, &[0, 60_000], "20s", &format!("{READ}timeout = \"500ms\"\n")).await;
    let (verdict, reason, message) = end(&ran);
    assert_eq!((verdict, reason), (Verdict::Errored, Reason::Stall));
    assert!(message.contains("no answer within 500ms") && message.contains("the prober itself stood still for "), "{message}");
}

#[tokio::test]
async fn a_target_that_answers_in_the_time_by_which_its_bound_is_prolonged_has_answered() {
    run(millis(2500), &[0, 1950], "20s", &format!("{READ}timeout = \"2s\"\n")).await.assert_passed();
}

#[tokio::test]
async fn a_sleep_of_the_machine_is_not_held_against_a_target() {
    let target = Target::start(|_| Answer::json(200, "{}").after(HUNG)).await;
    let journey = Journey::new(&target);
    let now = Instant::now();
    journey.stalls.slept(now, now + HUNG, HUNG);
    let ran = journey.run(&format!("{READ}timeout = \"300ms\"\n")).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Stall));
}

#[tokio::test]
async fn the_deadline_is_prolonged_too_and_the_run_is_the_probers_fault_only_beyond_that() {
    for (beats, verdict, reason) in
        [(&[0, 750], Verdict::Failed, Reason::Deadline), (&[0, 60_000], Verdict::Errored, Reason::Stall)]
    {
        let ran = run(HUNG, beats, "1s", READ).await;
        assert_eq!((ran.report.verdict, ran.reason()), (verdict, reason), "{}", ran.cause().message);
        assert!(ran.cause().message.contains("stood still for ") && ran.report.duration >= millis(1700), "{:#?}", ran.report);
    }
}

#[tokio::test]
async fn a_window_is_prolonged_too() {
    let step = format!("{READ}eventually = {{ within = \"2s\", poll = \"50ms\" }}\n");
    let ran = run(millis(2500), &[0, 1950], "20s", &step).await;
    ran.assert_passed();
    let read = &ran.report.steps[0];
    assert!(read.convergence.unwrap() >= millis(2500) && read.convergence_stalled == millis(1900), "{read:#?}");
}

#[tokio::test]
async fn an_attempt_during_which_the_process_stood_still_is_made_again_while_the_window_is_open() {
    let step = format!("{READ}timeout = \"500ms\"\neventually = {{ within = \"20s\", poll = \"50ms\" }}\n");
    let ran = run(HUNG, &[0, 2000], "60s", &step).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].attempts[0].failure.as_ref().map(|(reason, _)| *reason), Some(Reason::Stall));
}

#[tokio::test]
async fn expectations_see_times_without_stalls_and_the_report_keeps_the_raw_ones() {
    let step = format!("{READ}timeout = \"19s\"\n")
        .replace("status == 200", "latency < 2.5\", \"latency >= 0.5\", \"phases.first_byte < 2.5\", \"phases.first_byte >= 0.5");
    let ran = run(millis(3000), &[0, 2050], "20s", &step).await;
    ran.assert_passed();
    let attempt = &ran.report.steps[0].attempts[0];
    let raw = attempt.http().unwrap().phases.first_byte.unwrap();
    assert!(attempt.duration >= millis(3000) && raw >= millis(3000), "{attempt:?}");
}
