//! What a device adds to requests: where paths are asked for, keys of the query and of forms.

use serinus::outcome::{CleanupResult, Reason};

use super::ok;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

/// Runs a step of these keys, which expects 200, on a device with these.
async fn asked(target: &Target, device: &str, step: &str) -> Ran {
    let head = format!(
        "[vars]\nlink = \"/v1/link?x=1\"\nlist = \"{{{{ [1, 2] }}}}\"\nnothing = \"{{{{ [] }}}}\"\n[devices.default]\n{device}\n"
    );
    Journey::new(target).head(&head).run(&format!("[[step]]\nname = \"ask\"\n{step}\nexpect = [\"status == 200\"]\n")).await
}

/// What is asked of a target by a step of these keys on a device with these.
async fn path(device: &str, step: &str) -> String {
    let target = Target::start(ok("{}")).await;
    let ran = asked(&target, device, step).await;
    ran.assert_passed();
    let url = &ran.report.steps[0].attempts[0].http().unwrap().url;
    url.strip_prefix(&target.url()).unwrap().to_owned()
}

#[tokio::test]
async fn a_path_follows_the_base_of_its_device() {
    for (base, url, expected) in [
        ("{{ api }}", "/v1/x", "/v1/x"),
        ("{{ api }}/", "/", "/"),
        ("{{ api }}/rest", "/ping.view?f=json", "/rest/ping.view?f=json"),
        ("{{ api }}/a/b/", "/{{ region }}/../c", "/a/b/c"),
        ("{{ api }}/rest", "{{ link }}", "/rest/v1/link?x=1"),
        ("{{ api }}/rest", "{{ api }}/other", "/other"),
        ("{{ api }}/rest", "/a//b", "/rest/a//b"),
    ] {
        let found = path(&format!("base = \"{base}\""), &format!("http.get = \"{url}\"")).await;
        assert_eq!(found, expected, "{base} and {url}");
    }
}

#[tokio::test]
async fn a_path_that_cannot_be_joined_is_not_evaluable() {
    let target = Target::start(ok("{}")).await;
    for (device, url, why) in [
        ("base = \"{{ api }}/rest\"", "/a/../../x", "the path `/a/../../x` leads out of the `base`"),
        ("base = \"{{ api }}/rest\"", "/..", "leads out of the `base`"),
        ("base = \"{{ link }}\"", "/x", "the `base` `/v1/link?x=1` of the device cannot be used"),
        ("base = \"{{ api }}{{ link }}\"", "/x", "has neither `?` nor `#`"),
        ("", "{{ link }}", "the path `/v1/link?x=1` leads nowhere: the device has no `base`"),
    ] {
        let ran = asked(&target, device, &format!("http.get = \"{url}\"")).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{url}");
        assert!(ran.cause().message.contains(why), "{url}: {}", ran.cause().message);
    }
    assert!(target.seen().is_empty(), "{:?}", target.lines());
}

#[tokio::test]
async fn a_link_of_an_answer_stays_within_the_base() {
    let target = Target::start(|seen| match &*seen.path {
        "/rest/first" => Answer::json(200, r#"{"next": "/second?page=2", "other": "//example.com/x", "up": "/../admin"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let read = "[[step]]\nname = \"first\"\nhttp.get = \"/first\"\nexpect = [\"status == 200\"]\n\
        capture = { next = \"json.next\", other = \"json.other\", up = \"json.up\" }\n";
    let follow = |name: &str| {
        format!("{read}[[step]]\nname = \"follow\"\nhttp.get = \"{{{{ {name} }}}}\"\nexpect = [\"status == 200\"]\n")
    };
    let journey = Journey::new(&target).head("[devices.default]\nbase = \"{{ api }}/rest\"\n");
    journey.run(&follow("next")).await.assert_passed();
    journey.run(&follow("other")).await.assert_passed();
    assert_eq!(journey.run(&follow("up")).await.reason(), Reason::NotEvaluable);
    let seen: Vec<String> = target.seen().iter().map(|seen| format!("{}?{}", seen.path, seen.query)).collect();
    assert_eq!(seen, ["/rest/first?", "/rest/second?page=2", "/rest/first?", "/rest//example.com/x?", "/rest/first?"]);
}

#[tokio::test]
async fn a_step_has_the_keys_of_its_device_and_its_own_win() {
    let device = "query = { u = \"ann\", f = \"json\", id = \"{{ list }}\" }";
    for (step, expected) in [
        ("http.get = \"{{ api }}/x\"", "/x?u=ann&f=json&id=1&id=2"),
        ("http.get = \"{{ api }}/x\"\nhttp.query = { f = \"xml\", z = \"1\" }", "/x?u=ann&id=1&id=2&f=xml&z=1"),
        ("http.get = \"{{ api }}/x?f=xml\"", "/x?f=xml&u=ann&id=1&id=2"),
        ("http.get = \"{{ api }}/x\"\nhttp.query = { u = [], id = [] }", "/x?f=json"),
        ("http.delete = \"{{ api }}/x\"\nhttp.query = { id = [\"a\", \"b\"] }", "/x?u=ann&f=json&id=a&id=b"),
    ] {
        assert_eq!(path(device, step).await, expected, "{step}");
    }
    // A filter that comes to nothing would delete everything, wherever it is written.
    let target = Target::start(ok("{}")).await;
    let ran = asked(&target, "query = { id = \"{{ nothing }}\" }", "http.delete = \"{{ api }}/x\"").await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("the key `id` of `http.query`: an empty list"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_form_has_the_keys_of_its_device_and_another_body_has_none() {
    let target = Target::start(ok("{}")).await;
    let device = "form = { u = \"ann\", id = [\"1\", \"2\"] }";
    for (body, expected) in [
        ("http.form = { z = \"1\" }", "u=ann&id=1&id=2&z=1"),
        ("http.form = { id = \"3\" }", "u=ann&id=3"),
        ("http.form = {}", "u=ann&id=1&id=2"),
        ("http.json = { z = 1 }", r#"{"z":1}"#),
        ("", ""),
    ] {
        asked(&target, device, &format!("http.post = \"{{{{ api }}}}/x\"\n{body}")).await.assert_passed();
        assert_eq!(target.seen().pop().unwrap().body, expected, "{body}");
    }
}

#[tokio::test]
async fn each_device_has_its_own_also_where_a_loop_chooses_it_and_for_the_cleanup() {
    let target = Target::start(ok("{}")).await;
    let head = "[vars]\none = \"1\"\n[devices.a]\nbase = \"{{ api }}/a\"\nquery = { d = \"{{ one }}\" }\n\
        [devices.b]\nbase = \"{{ api }}/b\"\n";
    let steps = "[[step]]\nname = \"both\"\nfor_each = \"client in ['a', 'b', 'default']\"\ndevice = \"{{ client }}\"\n\
        http.post = \"/x\"\nexpect = [\"status == 200\"]\n[step.cleanup]\nhttp.delete = \"/x\"\nexpect = [\"status == 200\"]\n";
    let ran = Journey::new(&target).head(head).run(steps).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable, "the default device has no base");
    assert_eq!(ran.cleanup.unwrap().result, CleanupResult::Clean);
    let seen: Vec<String> = target.seen().iter().map(|seen| format!("{} {}?{}", seen.method, seen.path, seen.query)).collect();
    assert_eq!(seen, ["POST /a/x?d=1", "POST /b/x?", "DELETE /b/x?", "DELETE /a/x?d=1"]);
}

#[tokio::test]
async fn a_form_with_a_secret_of_the_device_does_not_follow_to_another_origin() {
    let other = Target::start(ok("{}")).await;
    let away = format!("{}/there", other.url());
    let target = Target::start(move |_| Answer::text(307, "").header("location", &away)).await;
    for (form, follows) in [("{ p = \"{{ secret.pass | length }}\" }", false), ("{ p = \"plain\" }", true)] {
        let head = format!("[devices.default]\nbase = \"{{{{ api }}}}\"\nform = {form}\nquery = {{ q = \"1\" }}\n");
        let step = "[[step]]\nname = \"go\"\nhttp.post = \"/x\"\nhttp.form = { a = \"1\" }\nexpect = [\"status == 200\"]\n";
        let ran = Journey::new(&target).secret("pass", Some("hunter22")).head(&head).run(step).await;
        assert_eq!(ran.report.cause.as_ref().map(|cause| cause.reason), (!follows).then_some(Reason::Redirects), "{form}");
    }
    let seen = other.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].query, &*seen[0].body), ("", "p=plain&a=1"));
}

#[tokio::test]
async fn what_a_device_adds_goes_to_the_origin_of_its_base_and_to_none_that_only_an_answer_named() {
    let stranger = Target::start(ok("{}")).await;
    let away = stranger.url();
    let target = Target::start(move |seen| {
        let to = if seen.path == "/away" { away.clone() } else { format!("http://{}", seen.header("host")) };
        Answer::json(200, &format!(r#"{{"next": "{to}/second"}}"#))
    })
    .await;
    let steps = |first: &str| {
        format!(
            "[[step]]\nname = \"first\"\nhttp.get = \"/{first}\"\nexpect = [\"status == 200\"]\ncapture = {{ next = \"json.next\" }}\n\
             [[step]]\nname = \"second\"\nhttp.get = \"{{{{ next }}}}\"\nexpect = [\"status == 200\"]\n"
        )
    };
    let head = "[devices.default]\nbase = \"{{ api }}\"\nquery = { p = \"{{ secret.pass }}\" }\n";
    let journey = Journey::new(&target).secret("pass", Some("hunter22")).head(head);
    journey.run(&steps("here")).await.assert_passed();
    let ran = journey.run(&steps("away")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("the key `p` of the query"), "{}", ran.cause().message);
    assert!(stranger.seen().is_empty());
    assert_eq!(target.seen()[1].query, "p=hunter22");
}

#[tokio::test]
async fn a_device_says_once_who_it_is_and_a_step_may_say_otherwise() {
    let basic = "basic = { user = \"canary\", password = \"{{ secret.pass }}\" }";
    for (device, step, expected) in [
        (basic, "http.get = \"{{ api }}/x\"", "Basic Y2FuYXJ5Omh1bnRlcjIy"),
        ("bearer = \"{{ secret.pass }}\"", "http.get = \"{{ api }}/x\"", "Bearer hunter22"),
        (basic, "http.get = \"{{ api }}/x\"\nhttp.bearer = \"mine\"", "Bearer mine"),
        (basic, "http.get = \"{{ api }}/x\"\nhttp.headers = { authorization = \"Own x\" }", "Own x"),
    ] {
        let target = Target::start(ok("{}")).await;
        let head = format!("[devices.default]\n{device}\n");
        let probe = format!("[[step]]\nname = \"ask\"\n{step}\nexpect = [\"status == 200\"]\n");
        let ran = Journey::new(&target).head(&head).secret("pass", Some("hunter22")).run(&probe).await;
        ran.assert_passed();
        assert_eq!(target.seen()[0].header("authorization"), expected, "{device} {step}");
        let report = format!("{:?}", ran.report);
        assert!(!report.contains("hunter22") && !report.contains("Y2FuYXJ5"), "{report}");
    }
    // It goes to no origin that only an answer named.
    let stranger = Target::start(ok("{}")).await;
    let to = format!(r#"{{"next":"{}/x"}}"#, stranger.url());
    let target = Target::start(move |_| Answer::json(200, &to)).await;
    let probe = "[[step]]\nname = \"first\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncapture = { next = \"json.next\" }\n\
                 [[step]]\nname = \"second\"\nhttp.get = \"{{ next }}\"\nexpect = [\"status == 200\"]\n";
    let head = format!("[devices.default]\n{basic}\n");
    let ran = Journey::new(&target).head(&head).secret("pass", Some("hunter22")).run(probe).await;
    assert_eq!((ran.reason(), stranger.lines().len()), (Reason::NotEvaluable, 0));
}
