//! What a redirect to another origin takes along of what a probe says.

use serinus::outcome::Reason;

use crate::journey::Journey;
use crate::target::{Answer, Target};

/// A target that redirects `/away` with `status` to another one, and answers everything else with a token.
async fn leading(status: u16, to: &Target) -> Target {
    let there = format!("{}/there", to.url());
    Target::start(move |seen| match seen.path.as_str() {
        "/away" => Answer::text(status, "").header("location", &there),
        _ => Answer::json(200, r#"{"id": "i1", "session_token": "t0k3n-of-the-day", "keys": ["k1"], "access_token": "a1"}"#),
    })
    .await
}

const READ: &str = "[[step]]\nname = \"sign in\"\nhttp.get = \"{{ api }}/sign-in\"\nexpect = [\"status == 200\"]\n\
    capture = { id = \"json.id\", session = \"json.session_token\", keys = \"[secret.pass]\", bearer = \"json.access_token\" }\n";

#[tokio::test]
async fn headers_stay_home_whether_they_read_a_secret_a_variable_made_of_one_or_a_captured_credential() {
    let other = Target::start(super::ok("{}")).await;
    let target = leading(302, &other).await;
    let head = "[vars]\nlogin = \"{{ secret.pass | upper }}\"\nderived = \"{{ login | length }}-x\"\nplain = \"{{ run.id }}\"\n\
        [devices.default]\nheaders = { x-device = \"{{ derived }}\" }\n";
    let step = "[[step]]\nname = \"go\"\nhttp.get = \"{{ api }}/away\"\n\
        http.headers = { x-login = \"{{ login }}\", x-session = \"{{ session }}\", x-bearer = \"{{ bearer }}\", x-id = \"{{ id }}\", x-plain = \"{{ plain }}\" }\n\
        expect = [\"status == 200\"]\n\
        [[step]]\nname = \"each\"\nfor_each = \"key in keys\"\nhttp.get = \"{{ api }}/away\"\nhttp.headers = { x-key-of-loop = \"{{ key | length }}\" }\n\
        expect = [\"status == 200\"]\n";
    let ran = Journey::new(&target).secret("pass", Some("hunter22")).head(head).run(&format!("{READ}{step}")).await;
    ran.assert_passed();
    let [first, second] = <[_; 2]>::try_from(other.seen()).unwrap();
    assert_eq!((first.header("x-id"), first.header("x-plain").is_empty()), ("i1", false));
    for name in ["x-device", "x-login", "x-session", "x-bearer"] {
        assert_eq!(first.header(name), "", "{name}");
    }
    assert_eq!((second.header("x-key-of-loop"), second.header("x-device")), ("", ""));
    let answers = ran.report.steps.iter().flat_map(|step| &step.attempts).filter_map(|attempt| attempt.http());
    let withheld: Vec<_> = answers.flat_map(|http| &http.withheld).map(|withheld| withheld.headers.join(" ")).collect();
    assert_eq!(withheld, ["x-bearer x-device x-login x-session", "x-device x-key-of-loop"]);
}

#[tokio::test]
async fn headers_stay_home_that_carry_a_secret_or_what_an_answer_calls_a_credential() {
    let other = Target::start(super::ok(r#"{"token": "t0k3n-of-the-day", "id": "i1"}"#)).await;
    let target = leading(302, &other).await;
    let step = "[[step]]\nname = \"go\"\nhttp.get = \"{{ api }}/away\"\n\
        http.headers = { x-first = \"{{ first }}\", x-next = \"{{ next }}\", x-id = \"{{ id }}\", x-far = \"{{ far }}\" }\n\
        collect = { given = \"json.token\" }\n\
        carry = { far = { from = \"'none'\", next = \"through\" }, through = { from = \"'none'\", next = \"given[0]\" }, first = { from = \"secret.pass\", next = \"json.id\" }, next = { from = \"'none'\", next = \"json.token\" }, id = { from = \"'i0'\", next = \"json.id\" } }\n\
        eventually = { within = \"15s\", poll = \"10ms\" }\nexpect = [\"attempt == 3\"]\n";
    Journey::new(&target).secret("pass", Some("hunter22")).run(step).await.assert_passed();
    let seen = other.seen();
    assert_eq!(seen.iter().map(|seen| seen.header("x-id")).collect::<Vec<_>>(), ["i0", "i1", "i1"]);
    for seen in seen {
        assert_eq!((seen.header("x-first"), seen.header("x-next"), seen.header("x-far")), ("", "", ""));
    }
}

#[tokio::test]
async fn a_body_with_a_captured_credential_fails_the_run_where_it_would_go_to_another_origin() {
    let other = Target::start(super::ok("{}")).await;
    let target = leading(307, &other).await;
    let step = |body: &str| {
        format!(
            "{READ}[[step]]\nname = \"go\"\nhttp.post = \"{{{{ api }}}}/away\"\nhttp.json = {body}\nexpect = [\"status == 200\"]\n"
        )
    };
    let journey = Journey::new(&target).secret("pass", Some("hunter22"));
    let ran = journey.run(&step("{ deep = [{ session = \"{{ session }}\" }] }")).await;
    assert_eq!(ran.reason(), Reason::Redirects, "{:?}", ran.cause());
    assert!(ran.cause().message.contains("a secret is in it"), "{:?}", ran.cause());
    assert!(other.seen().is_empty());
    journey.run(&step("{ deep = [{ id = \"{{ id }}\" }] }")).await.assert_passed();
    assert_eq!(other.seen()[0].body, r#"{"deep":[{"id":"i1"}]}"#);
}

#[tokio::test]
async fn what_is_personal_is_no_secret_and_follows() {
    let other = Target::start(super::ok("{}")).await;
    let target = leading(307, &other).await;
    let step = "[[step]]\nname = \"go\"\nhttp.post = \"{{ api }}/away\"\nhttp.headers = { x-user = \"ada@example.com\" }\n\
        http.json = { user = \"ada@example.com\" }\nexpect = [\"status == 200\"]\n";
    let head = "[redact]\njson = [\"$.user\"]\npatterns = ['[a-z]+@[a-z.]+']\n";
    Journey::new(&target).head(head).run(step).await.assert_passed();
    assert_eq!((other.seen()[0].header("x-user"), &*other.seen()[0].body), ("ada@example.com", r#"{"user":"ada@example.com"}"#));
}
