//! Devices, and what a target can know a run by.

use std::sync::Arc;
use std::time::SystemTime;

use serinus::outcome::{Tick, Trigger};
use serinus::run::{Detail, RunRequest};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn devices_have_their_own_cookies_and_headers() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/login" => Answer::json(200, "{}").header("set-cookie", &format!("who={}; Path=/", seen.header("user-agent"))),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .head("[devices.phone]\nheaders = { user-agent = \"phone\" }\n[devices.tablet]\nheaders = { user-agent = \"tablet\" }\n")
        .run(
            r#"
            [[step]]
            name = "sign in"
            for_each = "which in ['phone', 'tablet']"
            device = "{{ which }}"
            http.post = "{{ api }}/login"
            expect = ["status == 200"]
            [[step]]
            name = "phone"
            device = "phone"
            http.get = "{{ api }}/me"
            expect = ["status == 200"]
            [[step]]
            name = "nobody"
            http.get = "{{ api }}/me"
            expect = ["status == 200"]
            "#,
        )
        .await;
    ran.assert_passed();
    let seen = target.seen();
    assert_eq!(seen[2].header("cookie"), "who=phone");
    assert_eq!(seen[3].header("cookie"), "");
}

#[tokio::test]
async fn every_request_carries_the_run_and_the_attempt() {
    let target = Target::start(ok("{}")).await;
    let ran =
        Journey::new(&target).run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n").await;
    let seen = &target.seen()[0];
    assert_eq!(seen.header("x-canary-run-id"), ran.report.run_id.to_string());
    let span = ran.report.steps[0].attempts[0].span_id;
    assert_eq!(seen.header("traceparent"), format!("00-{}-{span}-01", ran.report.trace_id));
}

#[tokio::test]
async fn the_target_is_told_to_keep_its_part_of_a_trace_only_where_the_trace_is_kept_for_sure() {
    let target = Target::start(|_| Answer::json(200, "{}")).await;
    let journey = Journey::new(&target);
    let canary = journey.canary("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n");
    let engine = journey.engine().keeping_traces(0.5);
    let request = || RunRequest {
        trigger: Trigger::Schedule,
        tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
        detail: Detail::Failures,
        cancel: journey.cancel.clone(),
    };
    let mut told = [0, 0];
    for _ in 0..40 {
        let report = engine.run(Arc::clone(&canary), request()).await.report;
        let kept = report.trace_id.is_in_share(0.5);
        let all = target.seen();
        let seen = all.last().expect("it was asked").header("traceparent");
        assert!(seen.ends_with(if kept { "-01" } else { "-00" }), "{seen}");
        told[usize::from(kept)] += 1;
    }
    assert!(told.iter().all(|times| *times > 0), "40 ids fall on both sides: {told:?}");
}

#[tokio::test]
async fn a_capture_that_is_taken_from_a_credential_is_not_shown_whatever_it_is_called() {
    let target = Target::start(|_| Answer::json(200, "{}").header("set-cookie", "sid=4f9d2c81aa; Path=/")).await;
    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncapture = { sid = \"headers['set-cookie']\" }\n")
        .await;
    ran.assert_passed();
    let shown = format!("{:?}", ran.report);
    assert!(!shown.contains("4f9d2c81aa"), "{shown}");
}
