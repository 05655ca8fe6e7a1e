//! Ways in which a run could be let off: each of them ends in a failure that counts, or in a cleanup.

use std::time::Duration;

use serinus::outcome::{CleanupResult, Reason, Verdict};
use serinus::run::NameSources;

use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn a_run_of_which_everything_may_fail_cannot_pass() {
    let target = Target::start(|_| Answer::json(500, "{}")).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "both"
            allow_failure = true
              [[step.parallel]]
              name = "one"
              http.get = "{{ api }}/1"
              expect = ["status == 200"]
              [[step.parallel]]
              name = "two"
              http.get = "{{ api }}/2"
              expect = ["status == 200"]
            [[step]]
            name = "read"
            http.get = "{{ api }}/3"
            when = "1 == 2"
            expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable));
    assert_eq!(target.lines().len(), 2);
}

#[tokio::test]
async fn a_missing_secret_excuses_no_failure_it_has_nothing_to_do_with() {
    let target = Target::start(|_| Answer::json(200, "{}")).await;
    let step = |header: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nhttp.headers = {{ x = \"{header}\" }}\nexpect = [\"json.gone == 1\"]\n"
        )
    };
    for header in ["{{ secret.token | default('none') }}", "{{ secret.token is defined }}", "{{ secret['token'] is undefined }}"]
    {
        let missing = Journey::new(&target).secret("token", None).run(&step(header)).await;
        assert_eq!(missing.reason(), Reason::Secret, "{header}");
        assert!(missing.cause().message.contains("it is not there"), "{}", missing.cause().message);
        let present = Journey::new(&target).secret("token", Some("s3cr3t-value")).run(&step(header)).await;
        assert_eq!(present.reason(), Reason::NotEvaluable, "{header}");
    }
    assert_eq!(target.lines().len(), 3, "nothing is asked without the secret");
}

#[tokio::test]
async fn a_refusal_of_the_second_attempt_does_not_hide_what_the_first_may_have_created() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("PUT", 0) => Answer::json(200, "{}").after(Duration::from_mins(10)),
        ("PUT", _) => Answer::json(409, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "create"
            http.put = "{{ api }}/x"
            timeout = "300ms"
            retry = { attempts = 2 }
            expect = ["status == 201"]
              [step.cleanup]
              http.delete = "{{ api }}/x"
              expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(ran.cleanup.expect("it may have to be undone").result, CleanupResult::Clean);
    assert_eq!(target.lines(), ["PUT /x", "PUT /x", "DELETE /x"]);
}

#[tokio::test]
async fn a_guards_no_hides_no_failure_beside_or_before_it() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/broken" => Answer::json(500, "{}"),
        _ => Answer::json(200, r#"{"billable":true}"#),
    })
    .await;
    let guarded = "guard = [\"json.billable == false\"]\nexpect = [\"status == 200\"]\n";
    let broken = "expect = [\"status == 200\"]\n";
    let beside = format!(
        "[[step]]\nname = \"both\"\n[[step.parallel]]\nname = \"guarded\"\nhttp.get = \"{{{{ api }}}}/fine\"\n{guarded}\
         [[step.parallel]]\nname = \"broken\"\nhttp.get = \"{{{{ api }}}}/broken\"\n{broken}"
    );
    let ran = Journey::new(&target).run(&beside).await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Expectation, Some("broken")));
    let before = format!(
        "[[step]]\nname = \"each\"\nfor_each = \"it in ['broken', 'fine']\"\nsubject = \"{{{{ it }}}}\"\n\
         http.get = \"{{{{ api }}}}/{{{{ it }}}}\"\n{guarded}"
    );
    let ran = Journey::new(&target).run(&before).await;
    assert_eq!((ran.reason(), ran.cause().subject.as_deref()), (Reason::Subject, Some("broken")));
}

#[tokio::test]
async fn a_name_that_finds_no_place_among_our_own_look_ups_is_the_probers_fault_whatever_bound_cuts_it() {
    let target = Target::start(super::ok("{}")).await;
    let step = |timeout: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"http://api.test/\"\ntimeout = \"{timeout}\"\nexpect = [\"status == 200\"]\n"
        )
    };
    // The deadline, the attempt's own bound, and the patience of the look-up itself.
    for (deadline, timeout) in [("500ms", "400s"), ("20s", "500ms"), ("20s", "400s")] {
        let names = NameSources { max_look_ups: Some(0), ..NameSources::default() };
        let ran = Journey::new(&target).names(names).deadline(deadline).run(&step(timeout)).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Resources), "{:?}", ran.cause());
    }
}
