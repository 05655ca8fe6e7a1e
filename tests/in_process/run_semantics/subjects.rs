//! Failed subjects: what goes on behind them, what is left of their captures, and how they share time.

use std::time::Duration;

use serinus::outcome::{Reason, StepReport, Verdict};

use crate::journey::{Journey, Ran};
use crate::self_check::{closed, network_down};
use crate::target::{Answer, Target};

/// A loop over three segments, each a subject with a size.
const EACH: &str = r#"
    [[step]]
    name = "each"
    for_each = "item in ['a', 'b', 'c']"
    subject = "segment {{ item }}"
    http.get = "{{ api }}/{{ item }}"
    expect = ["status == 200"]
    capture = { sizes = "json.size" }
"#;

fn then(step: &str) -> String {
    format!("{EACH}\n[[step]]\nname = \"then\"\nhttp.get = \"{{{{ api }}}}/then\"\n{step}\n")
}

/// `b` is broken; `then` is what is asked behind the loop.
async fn segments(then: u16) -> Target {
    Target::start(move |seen| match seen.path.as_str() {
        "/b" => Answer::json(500, "{}"),
        "/then" => Answer::json(then, "{}"),
        path => Answer::json(200, &format!(r#"{{"size":{}}}"#, path.len() - 1 + usize::from(path == "/c"))),
    })
    .await
}

fn rounds<'r>(ran: &'r Ran, name: &str) -> Vec<&'r StepReport> {
    ran.report.steps.iter().filter(|step| &*step.name == name).collect()
}

#[tokio::test]
async fn the_steps_behind_a_failed_subject_are_made_and_the_run_fails_for_it_at_its_end() {
    let target = segments(200).await;
    let ran = Journey::new(&target).run(&then("expect = [\"status == 200\"]")).await;
    assert_eq!((ran.report.verdict, ran.reason(), ran.cause().step.as_deref()), (Verdict::Failed, Reason::Subject, Some("each")));
    assert_eq!(ran.cause().subject.as_deref(), Some("segment b"));
    assert_eq!(target.lines(), ["GET /a", "GET /b", "GET /c", "GET /then"]);
}

#[tokio::test]
async fn whatever_else_fails_is_the_runs_reason_and_the_subjects_are_told_as_well() {
    let target = segments(503).await;
    let ran = Journey::new(&target).run(&then("expect = [\"status == 200\"]")).await;
    assert_eq!(
        (ran.reason(), ran.cause().step.as_deref(), ran.cause().subject.as_deref()),
        (Reason::Expectation, Some("then"), None)
    );
    let message = &ran.cause().message;
    assert!(message.contains("`status` was 503") && message.contains("besides, 1 of 3 subjects failed (segment b)"), "{message}");
}

#[tokio::test]
async fn a_subject_whose_request_cannot_be_made_has_failed_by_its_name() {
    let target = segments(200).await;
    let lacking = then("expect = [\"status == 200\"]").replace("['a', 'b', 'c']", "[{'id': 'a'}, {'name': 'b'}, {'id': 'c'}]");
    let lacking =
        lacking.replace("segment {{ item }}", "{{ item.id | default('nameless') }}").replace("/{{ item }}", "/{{ item.id }}");
    let ran = Journey::new(&target).run(&lacking).await;
    assert_eq!((ran.reason(), ran.cause().subject.as_deref()), (Reason::Subject, Some("nameless")));
    let told = rounds(&ran, "each").into_iter().map(|round| round.subject.as_deref()).collect::<Vec<_>>();
    assert_eq!(told, [Some("a"), Some("nameless"), Some("c")], "who reads the steps knows whose failure it is");
    assert_eq!(target.lines(), ["GET /a", "GET /c", "GET /then"]);
}

#[tokio::test]
async fn a_run_that_is_cut_behind_a_failed_subject_keeps_the_attempt_that_was_cut_with_its_own_reason() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/then" => Answer::json(200, "{}").after(Duration::from_mins(10)),
        path => Answer::json(if path == "/b" { 500 } else { 200 }, r#"{"size":1}"#),
    })
    .await;
    let ran = Journey::new(&target).deadline("1s").run(&then("expect = [\"status == 200\"]")).await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Deadline, Some("then")));
    assert!(ran.cause().message.contains("besides, 1 of 3 subjects failed"), "{}", ran.cause().message);
    // Where the process stops, that is no failure: the subject's is the run's.
    let journey = Journey::new(&target);
    let cancel = journey.cancel.clone();
    let stop = async {
        while target.lines().last().is_none_or(|line| line != "GET /then") || target.lines().len() < 8 {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let probe = then("expect = [\"status == 200\"]");
    let (ran, ()) = futures::join!(journey.run(&probe), stop);
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Subject));
    let cut = rounds(&ran, "then")[0].attempts.last().unwrap();
    assert_eq!(cut.failure.as_ref().map(|(reason, _)| *reason), Some(Reason::Shutdown));
}

#[tokio::test]
async fn a_subject_that_failed_is_told_where_the_run_is_cut_within_its_loop() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/c" => Answer::json(200, "{}").after(Duration::from_mins(10)),
        path => Answer::json(if path == "/b" { 500 } else { 200 }, r#"{"size":1}"#),
    })
    .await;
    let ran = Journey::new(&target).deadline("1s").run(EACH).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    assert!(ran.cause().message.contains("besides, 1 of 2 subjects failed (segment b)"), "{}", ran.cause().message);
}

#[tokio::test]
async fn every_loop_with_failed_subjects_is_told() {
    let target = segments(200).await;
    let again = EACH.replace("\"each\"", "\"again\"").replace("sizes", "others").replace("segment {{", "again {{");
    let ran = Journey::new(&target).run(&format!("{EACH}{again}")).await;
    assert_eq!((ran.reason(), target.lines().len()), (Reason::Subject, 6));
    for told in ["`each`: 1 of 3 subjects failed (segment b)", "`again`: 1 of 3 subjects failed (again b)"] {
        assert!(ran.cause().message.contains(told), "{}", ran.cause().message);
    }
}

#[tokio::test]
async fn what_is_no_failure_does_not_hide_the_subjects_that_failed_before_it() {
    let target = segments(200).await;
    for (ending, told) in [
        ("expect = [\"status == 200\"]\nguard = [\"status != 200\"]", "a guard said no"),
        ("http.headers = { x = \"{{ secret.token }}\" }\nexpect = [\"status == 200\"]", "needs a secret"),
    ] {
        let ran = Journey::new(&target).secret("token", None).run(&then(ending)).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Subject), "{ending}");
        let message = &ran.cause().message;
        assert!(
            message.contains("1 of 3 subjects failed") && message.contains("; and then: ") && message.contains(told),
            "{message}"
        );
    }
}

#[tokio::test]
async fn the_probers_own_network_excuses_the_step_behind_and_not_the_subject_that_was_answered() {
    let check = network_down();
    let target = segments(200).await;
    let ending = format!(
        "expect = [\"status == 200\"]\n[[step]]\nname = \"far\"\nhttp.get = \"http://{}/\"\nexpect = [\"status == 200\"]",
        closed()
    );
    let ran = Journey::new(&target).self_check(&check).run(&then(&ending)).await;
    assert_eq!(ran.reason(), Reason::Subject, "{}", ran.cause().message);
    assert!(ran.cause().message.contains("own network is down"), "{}", ran.cause().message);
    // With nothing but what got no answer there is nothing to be said of the target.
    let unanswered = then(&ending).replace("{{ api }}/{{ item }}", &format!("http://{}/{{{{ item }}}}", closed()));
    let unanswered = unanswered.replace("http.get = \"{{ api }}/then\"", "when = \"false\"\nhttp.get = \"{{ api }}/then\"");
    let ran = Journey::new(&target).self_check(&check).run(&unanswered).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::SelfCheck), "{}", ran.cause().message);
    check.stop();
}

#[tokio::test]
async fn the_place_of_a_failed_round_in_a_list_of_captures_is_a_hole_whose_use_cannot_be_evaluated() {
    let target = segments(200).await;
    let fine =
        r#"expect = ["sizes | length == 3", "sizes[0] == 1", "sizes[2] == 2", "sizes | select('defined') | list == [1, 2]"]"#;
    let ran = Journey::new(&target).run(&then(fine)).await;
    assert_eq!(ran.reason(), Reason::Subject, "{}", ran.cause().message);
    for used in [
        "sizes[1] == 1",
        "sizes[1] != 1",
        "sizes[1] is none",
        "sizes[1] | default(1) == 1",
        "sizes[1] is undefined",
        "sizes == [1, 1, 2]",
        "sizes != [1]",
        "sizes != [9, 1, 2]",
        "7 not in sizes",
        "sizes | sum > 0",
        "sizes | max > 0",
        "sizes | sort | first == 1",
        "sizes | unique | length == 3",
        "sizes | join(',') != ''",
        "sizes | map('string') | list | length == 3",
        "sizes | select('none') | list | length == 0",
        "sizes | reject('none') | list | length == 3",
        "sizes | select | list | length == 3",
        "sizes | tojson != ''",
    ] {
        let ran = Journey::new(&target).run(&then(&format!("expect = [\"{used}\"]"))).await;
        assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::NotEvaluable, Some("then")), "{used}");
    }
    let body = "http.json = \"{{ sizes }}\"\nexpect = [\"status == 200\"]";
    let ran =
        Journey::new(&target).run(&then(body).replace("http.get = \"{{ api }}/then\"", "http.post = \"{{ api }}/then\"")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("`each` failed in round 2, so there is no `sizes` of it"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_forgiven_failure_in_a_round_leaves_a_hole_too_and_no_trace_in_the_verdict() {
    let target = segments(200).await;
    let both = r#"
        [[step]]
        name = "both"
        for_each = "item in ['a', 'b', 'c']"
          [[step.parallel]]
          name = "may fail"
          http.get = "{{ api }}/{{ item }}"
          allow_failure = true
          expect = ["status == 200"]
          capture = { sizes = "json.size" }
          [[step.parallel]]
          name = "other"
          http.get = "{{ api }}/then"
          expect = ["status == 200"]
        [[step]]
        name = "then"
        http.get = "{{ api }}/then"
        expect = ["sizes | length == 3", "sizes[2] == 2"]
    "#;
    Journey::new(&target).run(both).await.assert_passed();
    let allowed = then("expect = [\"sizes[2] == 2\"]").replace("name = \"each\"", "name = \"each\"\nallow_failure = true");
    Journey::new(&target).run(&allowed).await.assert_passed();
}

/// The most steps of that name that were being made at the same time.
fn most_at_once(ran: &Ran, name: &str) -> usize {
    let rounds = rounds(ran, name);
    let going_at =
        |moment| rounds.iter().filter(|round| round.started <= moment && moment < round.started + round.duration).count();
    rounds.iter().map(|round| going_at(round.started)).max().unwrap_or_default()
}

#[tokio::test]
async fn so_many_rounds_as_at_once_says_are_under_way_together_and_their_captures_keep_their_order() {
    let target = Target::start(|seen| {
        // The earlier ones take longer.
        let number: u64 = seen.path.trim_start_matches('/').parse().unwrap_or_default();
        Answer::json(200, &format!(r#"{{"n":{number}}}"#)).after(Duration::from_millis(400 - 50 * number))
    })
    .await;
    let each = |at_once: u8| {
        format!(
            "[[step]]\nname = \"each\"\nfor_each = \"n in range(7)\"\nat_once = {at_once}\nhttp.get = \"{{{{ api }}}}/{{{{ n }}}}\"\n\
             expect = [\"status == 200\"]\ncapture = {{ ns = \"json.n\" }}\n\
             [[step]]\nname = \"then\"\nhttp.get = \"{{{{ api }}}}/7\"\nexpect = [\"ns == [0, 1, 2, 3, 4, 5, 6]\"]\n"
        )
    };
    for at_once in [1, 3, 64] {
        let ran = Journey::new(&target).run(&each(at_once)).await;
        ran.assert_passed();
        assert_eq!(most_at_once(&ran, "each"), usize::from(at_once.min(7)));
    }
}

#[tokio::test]
async fn a_failure_that_is_no_subjects_begins_no_further_round_and_lets_those_under_way_end() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/b" => Answer::json(500, "{}"),
        _ => Answer::json(200, "{}").after(Duration::from_millis(300)),
    })
    .await;
    let ran = Journey::new(&target)
        .run(
            "[[step]]\nname = \"each\"\nfor_each = \"item in ['a', 'b', 'c', 'd', 'e']\"\nat_once = 3\n\
             http.get = \"{{ api }}/{{ item }}\"\nexpect = [\"status == 200\"]\n",
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().message.contains("500")), (Reason::Expectation, true));
    let mut lines = target.lines();
    lines.sort();
    assert_eq!(lines, ["GET /a", "GET /b", "GET /c"]);
    assert!(rounds(&ran, "each").iter().all(|round| round.attempts_made == 1), "nothing was cut");
}

#[tokio::test]
async fn failing_subjects_that_poll_share_the_deadline_and_starve_neither_each_other_nor_what_comes_after() {
    let target = Target::start(|seen| Answer::json(if seen.path == "/then" { 200 } else { 404 }, "{}")).await;
    let polling = |at_once: u8| {
        format!(
            "[[step]]\nname = \"each\"\nfor_each = \"item in ['a', 'b', 'c', 'd', 'e', 'f']\"\nsubject = \"{{{{ item }}}}\"\nat_once = {at_once}\n\
             http.get = \"{{{{ api }}}}/{{{{ item }}}}\"\neventually = {{ within = \"1m\", poll = \"20ms\" }}\nexpect = [\"status == 200\"]\n\
             [[step]]\nname = \"then\"\nhttp.get = \"{{{{ api }}}}/then\"\nexpect = [\"status == 200\"]\n"
        )
    };
    for at_once in [1, 6] {
        let ran = Journey::new(&target).deadline("4s").run(&polling(at_once)).await;
        assert_eq!(ran.reason(), Reason::Subject, "{}", ran.cause().message);
        assert!(ran.cause().message.contains("6 of 6 subjects failed (a, b, c, d, e, f)"), "{}", ran.cause().message);
        assert!(
            ran.cause().message.contains("its share of the run's deadline (`within` is 1m; `at_once`"),
            "{}",
            ran.cause().message
        );
        assert!(rounds(&ran, "each").iter().all(|round| round.attempts_made > 1), "each of them was polled");
        assert_eq!(rounds(&ran, "then").len(), 1);
    }
}

#[tokio::test]
async fn a_share_that_is_used_up_cuts_no_attempt() {
    // Each takes far longer than a hundredth of the deadline, and all together far less than it.
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_millis(600))).await;
    let ran = Journey::new(&target)
        .deadline("40s")
        .run(
            "[[step]]\nname = \"each\"\nfor_each = \"n in range(200)\"\nsubject = \"{{ n }}\"\nat_once = 64\nhttp.get = \"{{ api }}/{{ n }}\"\n\
             eventually = { within = \"20s\", poll = \"20ms\" }\nexpect = [\"status == 200\"]\n\
             [[step]]\nname = \"then\"\nhttp.get = \"{{ api }}/then\"\nexpect = [\"status == 200\"]\n",
        )
        .await;
    ran.assert_passed();
}

#[tokio::test]
async fn of_thousands_of_rounds_the_first_that_passed_and_all_that_failed_are_kept_in_full() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/0" | "/1999" => Answer::json(500, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .deadline("60s")
        .run(
            "[[step]]\nname = \"each\"\nfor_each = \"n in range(2000)\"\nsubject = \"{{ n }}\"\nat_once = 64\nhttp.get = \"{{ api }}/{{ n }}\"\n\
             expect = [\"status == 200\"]\ncapture = { got = \"status\" }\n\
             [[step]]\nname = \"all are known\"\nhttp.get = \"{{ api }}/then\"\n\
             expect = [\"got | select('defined') | list | length == 1998\"]\n",
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().subject.as_deref()), (Reason::Subject, Some("0")));
    assert!(ran.cause().message.starts_with("2 of 2000 subjects failed (0, 1999)"), "{}", ran.cause().message);
    let each = rounds(&ran, "each");
    let in_full = |step: &&&StepReport| !step.expectations.is_empty();
    assert_eq!((each.len(), each.iter().filter(in_full).count()), (2_000, 202));
    assert!(
        each.iter().all(|step| step.attempts.len() == 1 && step.subject.is_some()),
        "every round has its result and its times"
    );
    let last = each.iter().find(|step| step.subject.as_deref() == Some("1999")).unwrap();
    assert_eq!(last.expectations.len(), 1);
}
