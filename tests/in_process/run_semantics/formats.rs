//! Signed requests, and answers in XML, HTML and CSV, against servers that check and make them.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use ring::hmac;
use serinus::outcome::Reason;

use crate::journey::{Journey, Ran};
use crate::target::{Answer, Seen, Target};

const KEY: &str = "k3y-of-the-webhook";
/// `12345678901234567890` in base32.
const OTP_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn signature(body: &str) -> String {
    hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), body.as_bytes()).as_ref())
}

/// The codes of now and of the last half minute.
fn codes() -> Vec<String> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345678901234567890");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30;
    let code = |step: u64| {
        let signature = hmac::sign(&key, &step.to_be_bytes());
        let bytes = signature.as_ref();
        let at = usize::from(bytes[19] & 0xf);
        let number = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    };
    vec![code(now), code(now - 1)]
}

/// Everything that is shown of a run.
fn shown(ran: &Ran) -> String {
    format!("{:?}", ran.report)
}

#[tokio::test]
async fn a_signature_is_what_the_server_computes_and_is_shown_nowhere() {
    let target = Target::start(|seen: &Seen| {
        let signed = seen.header("x-signature").strip_prefix("sha256=") == Some(&*signature(&seen.body));
        // It echoes what it was sent, as a server may.
        Answer::json(if signed { 200 } else { 403 }, &format!("{{\"got\":\"{}\"}}", seen.header("x-signature")))
    })
    .await;
    let probe = |key: &str| {
        format!(
            "[vars]\npayload = '{{\"at\":\"{{{{ run.started }}}}\"}}'\nsigned = \"{{{{ payload | hmac({key}) }}}}\"\n[[step]]\nname = \"deliver\"\n\
             http.post = \"{{{{ api }}}}/hooks?again={{{{ signed }}}}\"\nhttp.headers = {{ x-signature = \"sha256={{{{ signed }}}}\" }}\n\
             http.body = \"{{{{ payload }}}}\"\nexpect = [\"status == 200\", \"json.got == signed\"]\n"
        )
    };
    let journey = Journey::new(&target).secret("key", Some(KEY));
    let ran = journey.run(&probe("secret.key")).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cause().message.contains("json.got == signed"), "{}", ran.cause().message);
    let seen = target.seen().pop().unwrap();
    let signed = signature(&seen.body);
    assert_eq!(seen.header("x-signature"), format!("sha256={signed}"));
    let shown = shown(&ran);
    assert!(shown.contains("•••") && !shown.contains(&signed[..16]), "{shown}");

    let ran = journey.run(&probe("secret.key ~ 'x'")).await;
    assert!(ran.cause().message.contains("status == 200"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_hash_is_masked_where_it_is_of_a_secret() {
    let target = Target::start(|seen: &Seen| Answer::json(200, &format!("{{\"query\":\"{}\"}}", seen.query))).await;
    let probe = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nhttp.query = { t = \"{{ (secret.password ~ 'salt') | md5 }}\", \
                 etag = \"{{ 'page' | md5 }}\" }\nexpect = [\"json.query == ''\"]\n";
    let ran = Journey::new(&target).secret("password", Some("sesame-street")).run(probe).await;
    let query = target.seen().pop().unwrap().query;
    // md5("sesame-streetsalt") is on the way, and not in the report; that of a text without a secret is in both.
    let (secret, plain) =
        (query.split("t=").nth(1).unwrap().split('&').next().unwrap().to_owned(), "71860c77c6745379b0d44304d66b6a13");
    assert_eq!(secret.len(), 32);
    assert!(query.contains(plain), "{query}");
    let shown = shown(&ran);
    assert!(shown.contains(plain) && !shown.contains(&secret), "{shown}");
}

#[tokio::test]
async fn a_one_time_code_is_that_of_the_moment_at_each_attempt() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let target = Target::start({
        let sent = Arc::clone(&sent);
        move |seen: &Seen| {
            let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
            let good = codes().iter().any(|code| body["code"] == **code);
            let mut sent = sent.lock().unwrap();
            sent.push(good);
            // The first answer is lost, so that the code is made once more.
            Answer::json(
                if sent.len() == 1 {
                    503
                } else if good {
                    200
                } else {
                    401
                },
                "{}",
            )
        }
    })
    .await;
    let probe = "[[step]]\nname = \"log in\"\nhttp.post = \"{{ api }}/login\"\nhttp.json = { code = \"{{ totp(secret.otp) }}\" }\n\
                 eventually = { within = \"5s\", poll = \"20ms\" }\nexpect = [\"status == 200\"]\n";
    let ran = Journey::new(&target).secret("otp", Some(OTP_SECRET)).run(probe).await;
    ran.assert_passed();
    assert_eq!(*sent.lock().unwrap(), [true, true]);
    let ran = Journey::new(&target).secret("otp", Some("no base 32!")).run(probe).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(
        ran.cause().message.contains("the secret is not base32") && !ran.cause().message.contains("no base 32!"),
        "{}",
        ran.cause().message
    );
}

#[tokio::test]
async fn a_token_is_signed_and_its_claims_are_read() {
    let target = Target::start(|seen: &Seen| {
        let token = seen.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA512, KEY.as_bytes());
        let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let status = if hmac::verify(&key, signed.as_bytes(), &signature).is_ok() { 200 } else { 401 };
        Answer::json(status, &format!("{{\"id_token\":\"{token}\"}}"))
    })
    .await;
    let probe = "[[step]]\nname = \"ask\"\nhttp.get = \"{{ api }}/me\"\n\
                 http.bearer = \"{{ jwt({'sub': 'canary', 'iat': run.started | to_unix | int}, secret.key, 'HS512', header={'kid': 'k1'}) }}\"\n\
                 expect = [\"status == 200\", \"(json.id_token | jwt_claims).sub == 'canary'\", \"(json.id_token | jwt_claims).exp == 1\"]\n";
    let ran = Journey::new(&target).secret("key", Some(KEY)).run(probe).await;
    assert!(ran.cause().message.contains("`(json.id_token | jwt_claims).exp` is undefined"), "{}", ran.cause().message);
    let token = target.seen().pop().unwrap().header("authorization")["Bearer ".len()..].to_owned();
    assert!(!shown(&ran).contains(&token));
}

fn answering(kind: &'static str, body: &'static str) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |_| Answer::text(207, body).header("content-type", kind)
}

const MULTISTATUS: &str = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><d:multistatus xmlns:d=\"DAV:\" \
    xmlns:cal=\"urn:ietf:params:xml:ns:caldav\"><d:response><d:href>/c/1.ics</d:href><d:propstat><d:prop><cal:calendar-data>\
    <![CDATA[SUMMARY:Tea & cake]]></cal:calendar-data></d:prop></d:propstat></d:response><d:response><d:href>/c/2.ics</d:href>\
    </d:response></d:multistatus>";

#[tokio::test]
async fn an_answer_of_caldav_is_read_by_xpath() {
    let target = Target::start(answering("application/xml", MULTISTATUS)).await;
    let probe = "[[step]]\nname = \"list\"\nhttp.method = \"REPORT\"\nhttp.url = \"{{ api }}/c\"\n\
        expect = [\"status == 207\", \"xml | xpath('//d:response/d:href', d='DAV:') == ['/c/1.ics', '/c/2.ics']\",\n\
        \"'Tea & cake' in (xml | xpath('//d:response[d:href = $own]//cal:calendar-data', d='DAV:', cal='urn:ietf:params:xml:ns:caldav', own='/c/1.ics') | first)\"]\n\
        capture = { last_one = \"xml | xpath('//d:response[last()]/d:href', d='DAV:') | first | split('/') | last\" }\n\
        [[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/c/{{ last_one }}\"\nexpect = [\"status == 207\"]\n";
    let ran = Journey::new(&target).run(probe).await;
    ran.assert_passed();
    assert_eq!(target.seen().last().unwrap().path, "/c/2.ics");
}

#[tokio::test]
async fn an_answer_that_is_no_xml_is_not_evaluable_and_one_without_the_element_is_not_there_yet() {
    let step = |expect: &str| format!("[[step]]\nname = \"list\"\nhttp.get = \"{{{{ api }}}}/c\"\nexpect = [\"{expect}\"]\n");
    let there = "xml | xpath('//a') | length > 0";
    for (body, why) in [
        ("{\"no\":\"xml\"}", "`xml` is undefined (the answer, status 207, is not XML: "),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "is not XML: it declares a document type"),
    ] {
        let target = Target::start(answering("text/xml", body)).await;
        let ran = Journey::new(&target).run(&step(there)).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{body}");
        assert!(ran.cause().message.contains(why), "{}", ran.cause().message);
    }
    let target = Target::start(answering("text/xml", "<b/>")).await;
    let ran = Journey::new(&target).run(&step(there)).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    let polled = step("(xml | xpath('//a') | first) == 'x'") + "eventually = { within = \"200ms\", poll = \"20ms\" }\n";
    let ran = Journey::new(&target).run(&polled).await;
    assert_eq!(ran.reason(), Reason::Expectation, "{}", ran.cause().message);
}

#[tokio::test]
async fn the_token_of_a_form_is_read_and_posted() {
    let target = Target::start(|seen: &Seen| match (seen.method.as_str(), &*seen.path) {
        ("GET", "/login") => Answer::text(
            200,
            "<!doctype html><meta charset=latin1><title>Log in</title><form method=post action=/session><input type=hidden name=csrf \
             value='a&amp;b+c=='><input name=user></form>",
        )
        .header("content-type", "text/html"),
        ("POST", "/session") if seen.body == "csrf=a%26b%2Bc%3D%3D&user=canary" => Answer::text(200, "<h1>Welcome,\n  canary</h1>"),
        _ => Answer::text(403, "<h1>Forbidden</h1>"),
    })
    .await;
    let probe = "[[step]]\nname = \"form\"\nhttp.get = \"{{ api }}/login\"\nexpect = [\"html | css('title') == ['Log in']\", \"html | css('form', 'action') == ['/session']\"]\n\
        capture = { csrf = \"html | css('form input[name=csrf]', 'value') | first\" }\n\
        [[step]]\nname = \"log in\"\nhttp.post = \"{{ api }}/session\"\nhttp.form = { csrf = \"{{ csrf }}\", user = \"canary\" }\n\
        expect = [\"status == 200\", \"html | css('h1') == ['Welcome, canary']\"]\n";
    Journey::new(&target).run(probe).await.assert_passed();
}

#[tokio::test]
async fn rows_of_an_export_are_maps() {
    let target = Target::start(answering("text/csv; charset=latin1", "id;name\r\n1;\"Ada; L\"\r\n2;Bob\r\n")).await;
    let probe = "[[step]]\nname = \"export\"\nhttp.get = \"{{ api }}/export\"\n\
        expect = [\"body | csv(delimiter=';') | map(attribute='name') == ['Ada; L', 'Bob']\", \"body | csv == []\"]\n";
    let ran = Journey::new(&target).run(probe).await;
    assert!(ran.cause().message.contains("body | csv == []"), "{}", ran.cause().message);
    assert_eq!(ran.report.steps[0].expectations.len(), 2);
}

#[tokio::test]
async fn a_hash_is_one_of_the_bytes_that_came_and_never_of_what_they_look_like_as_text() {
    let published: &[u8] = &[0x1f, 0x8b, 0x08, 0x00, 0xff, 0x61];
    let swapped: &[u8] = &[0x1f, 0x9b, 0x08, 0x00, 0xff, 0x61];
    let sha256 = hex(ring::digest::digest(&ring::digest::SHA256, published).as_ref());
    let encoded = base64::engine::general_purpose::STANDARD.encode(published);
    let probe = |expect: &str| {
        format!(
            "[vars]\npublished = \"{encoded}\"\n[[step]]\nname = \"download\"\nhttp.get = \"{{{{ api }}}}/package.tgz\"\nexpect = [\"status == 200\", \"{expect}\"]\n"
        )
    };
    let both = format!("body_raw | sha256 == '{sha256}' and published | b64decode | sha256 == '{sha256}'");
    let whole = "body_raw | length == 6 and body_raw | b64encode == published";
    for (bytes, passes) in [(published, true), (swapped, false)] {
        let target = Target::start(move |_| Answer::bytes(200, bytes)).await;
        for expect in [&*both, whole] {
            let ran = Journey::new(&target).run(&probe(expect)).await;
            assert_eq!(ran.report.cause.is_none(), passes, "{expect}: {:?}", ran.report.cause);
            assert!(passes || ran.reason() == Reason::Expectation);
        }
        // As a text both are the same, so that no hash of it means anything.
        for expect in ["body | sha1 == 'x'", "body | hmac('k') == 'x'", "body | b64encode == 'x'"] {
            let ran = Journey::new(&target).run(&probe(expect)).await;
            assert_eq!(ran.reason(), Reason::NotEvaluable, "{expect}");
            assert!(ran.cause().message.contains("take `body_raw`"), "{}", ran.cause().message);
        }
    }
}
