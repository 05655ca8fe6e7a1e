//! URLs that answers tell: where they may lead, and what goes there.

use serinus::outcome::{Reason, Verdict};

use crate::journey::Journey;
use crate::target::{Answer, Target};

/// Two pages, the second behind a link, asked for with these keys.
fn pages(keys: &str) -> String {
    format!(
        "[[step]]\nname = \"first\"\nhttp.get = \"{{{{ api }}}}/first\"\nexpect = [\"status == 200\"]\ncapture = {{ next = \"json.next\" }}\n\
         [[step]]\nname = \"second\"\n{keys}\nexpect = [\"status == 200\"]\n"
    )
}

/// A target that links to this origin, or to its own.
async fn linking(to: Option<String>) -> Target {
    Target::start(move |seen| {
        let next = to.clone().unwrap_or_else(|| format!("http://{}", seen.header("host")));
        Answer::json(200, &format!(r#"{{"next":"{next}/second"}}"#))
    })
    .await
}

#[tokio::test]
async fn nothing_private_goes_to_an_origin_that_only_an_answer_named() {
    let stranger = Target::start(|_| Answer::json(200, "{}")).await;
    let target = linking(Some(stranger.url())).await;
    for (keys, what) in [
        ("http.get = \"{{ next }}\"\nhttp.bearer = \"{{ secret.pass }}\"", "`authorization`"),
        ("http.get = \"{{ next }}\"\nhttp.headers = { x-mine = \"{{ secret.pass }}\" }", "the header `x-mine`"),
        ("http.get = \"{{ next }}\"\nhttp.query = { q = \"{{ secret.pass }}\" }", "the key `q` of the query"),
        ("http.post = \"{{ next }}\"\nhttp.json = { p = [\"{{ secret.pass }}\"] }", "the body"),
        ("http.get = \"{{ next }}?q={{ secret.pass }}\"", "a part of the URL"),
        (
            "http.get = \"{{ link }}\"\nhttp.bearer = \"{{ secret.pass }}\"\ncarry = { link = { from = \"next\", next = \"json.next\" } }\n\
             eventually = { within = \"100ms\", poll = \"50ms\" }",
            "`authorization`",
        ),
    ] {
        let ran = Journey::new(&target).secret("pass", Some("hunter22")).run(&pages(keys)).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable), "{keys}");
        let message = &ran.cause().message;
        assert!(message.contains(&stranger.url()) && message.contains(what) && message.contains("own origins"), "{message}");
    }
    assert!(stranger.lines().is_empty(), "nothing was asked there");
    // What holds no secret may go anywhere.
    let ran = Journey::new(&target).run(&pages("http.get = \"{{ next }}\"\nhttp.headers = { x-mine = \"mine\" }")).await;
    ran.assert_passed();
    assert_eq!(stranger.lines(), ["GET /second"]);
}

#[tokio::test]
async fn a_link_within_the_probes_own_origins_is_followed_with_its_credentials() {
    let target = linking(None).await;
    let ran = Journey::new(&target)
        .secret("pass", Some("hunter22"))
        .run(&pages("http.get = \"{{ next }}\"\nhttp.bearer = \"{{ secret.pass }}\""))
        .await;
    ran.assert_passed();
    // Another origin is the probe's own as soon as one of its URLs has it, even of a step that is made later.
    let other = Target::start(|_| Answer::json(200, "{}")).await;
    let target = linking(Some(other.url())).await;
    let later = format!(
        "{}[[step]]\nname = \"third\"\nhttp.get = \"{}/third\"\nexpect = [\"status == 200\"]\n",
        pages("http.get = \"{{ next }}\"\nhttp.bearer = \"{{ secret.pass }}\""),
        other.url()
    );
    Journey::new(&target).secret("pass", Some("hunter22")).run(&later).await.assert_passed();
    assert_eq!(other.lines(), ["GET /second", "GET /third"]);
}

#[tokio::test]
async fn a_secret_under_another_name_is_added_to_no_link_that_leads_elsewhere() {
    let stranger = Target::start(|_| Answer::json(200, "{}")).await;
    let target = linking(Some(stranger.url())).await;
    let head = "[vars]\nkey = \"{{ secret.pass }}\"\nsigned = \"x\"\n";
    for url in ["{{ next }}?k={{ key }}", "{{ next ~ '?k=' ~ key }}", "{{ next }}?k={{ key | b64encode }}"] {
        let probe = pages(&format!("http.get = \"{url}\""));
        let ran = Journey::new(&target).head(head).secret("pass", Some("hunter22")).run(&probe).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{url}");
        assert!(ran.cause().message.contains("a part of the URL"), "{}", ran.cause().message);
    }
    assert!(stranger.lines().is_empty(), "{:?}", stranger.lines());
    // A link that its target has signed may be called what it likes.
    let signed = pages("http.get = \"{{ access_token }}\"").replace("capture = { next =", "capture = { access_token =");
    Journey::new(&target).run(&signed).await.assert_passed();
    assert_eq!(stranger.lines(), ["GET /second"]);
}
