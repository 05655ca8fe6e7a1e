//! Names and answers that try to be more than text.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};

use crate::page_support::service::{TOKEN, journey};
use crate::service_support::ask;

use super::browser::Browser;
use super::chromium::Screen;
use super::site::Site;

/// What does something wherever it is taken for more than text.
const PAYLOADS: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{7*7}}${7*7}<%=7*7%>",
    "'-alert(1)-'</style><svg/onload=alert(1)>",
    "<!--/live--><!--live:facts-->",
];
/// The same for values of a matrix, which are part of ids and may not hold all signs.
const CELLS: [&str; 3] = ["<script>alert(1)<script>", "\"><b onclick>{{7*7}}", "javascript:alert(1)"];
/// What turns the text after it around.
const TURN: &str = "\u{202e}drawkcab";

/// Elements that no page of ours has.
const STRANGE: &str =
    "script:not([src^=\"assets/\"]), img, [onerror], [onload], [onclick], [href^=\"javascript:\"], main svg style";

/// All of them in a line, and a word of ten thousand letters.
fn everything() -> String {
    format!("{} {TURN} {}", PAYLOADS.join(" "), "w".repeat(10_000))
}

/// A target whose headers and body hold all of it.
fn hostile_target() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = json!({ "state": everything(), "html": PAYLOADS.join("\n") }).to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nx-odd: {}\r\nx-long: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        PAYLOADS.join(" "),
        "w".repeat(4_000),
        body.len()
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                // It answers once there is a request, whatever it says.
                let _asked = stream.read(&mut [0; 4096]);
                let _answered = stream.write_all(answer.as_bytes());
            });
        }
    });
    address
}

fn hostile_probe() -> String {
    let text = |text: &str| Value::from(text).to_string();
    let more = format!(
        "summary = {}\ntags = [\"shop\"]\nalert.page_after = 2\n[matrix]\nkind = [{}]\n",
        text(&everything()),
        CELLS.map(text).join(", ")
    );
    let step = format!(
        "[[step]]\nname = {}\nhttp.get = \"http://{}/?q=%3Cscript%3E\"\nhttp.headers = {{ x-asked = \"<script>alert(1)</script>\" }}\n\
         expect = [\"status == 200\", \"json.state == '<b>ok</b>'\"]\n",
        text(PAYLOADS[0]),
        hostile_target()
    );
    journey("odd", &more, &step).replace("owner = \"nobody\"", &format!("owner = {}", text(PAYLOADS[1])))
}

/// Says hostile things wherever somebody may say something.
fn say(site: &Site, incident: &str) {
    let headers = [&format!("authorization: Bearer {TOKEN}"), "content-type: application/json"];
    let headers = headers.map(AsRef::as_ref);
    let note = everything().chars().take(900).collect::<String>();
    for (path, body) in [
        (format!("/api/v1/incidents/{incident}/ack"), json!({ "by": PAYLOADS[1], "reason": note })),
        ("/api/v1/pause".to_owned(), json!({ "target": "calm", "by": PAYLOADS[0], "why": note })),
        ("/api/v1/mutes".to_owned(), json!({ "probe": "odd", "reason": "known_bug", "by": PAYLOADS[0], "why": note })),
    ] {
        let answer = ask(site.address(), &format!("POST {path}"), &headers, &body.to_string());
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}

#[test]
fn names_and_answers_are_shown_as_they_are_and_do_nothing() {
    let calm = journey(
        "calm",
        "",
        "[[step]]\nname = \"front page\"\nhttp.get = \"http://127.0.0.1:1/\"\nexpect = [\"status == 200\"]\n",
    );
    let site = Site::of(&[hostile_probe(), calm], "");
    let (incident, run) = (site.incident(), site.failed_run("odd"));
    say(&site, &incident);
    let mut pages = site.pages();
    let query = url::form_urlencoded::byte_serialize(PAYLOADS[1].as_bytes()).collect::<String>();
    for more in ["?q=", "?region=", "?state=", "login?next=", "login?code=", "probes/", "runs/", "incidents/"] {
        pages.push(format!("{more}{query}"));
    }
    let mut wrong = Vec::new();
    for screen in [Screen::DESK, Screen::PHONE] {
        let browser = Browser::start(site.address(), screen);
        browser.log_in(TOKEN);
        for page in &pages {
            browser.goto(page);
            assert!(!browser.has_alert(), "{page}: a script ran");
            let mut note = |what: String| wrong.push(format!("{page:.80} on {screen}: {what:.400}"));
            // That there is no such thing is said by the browser as well.
            let complaints = browser.complaints().into_iter().filter(|said| !said.contains("404 (Not Found)"));
            complaints.for_each(&mut note);
            let strange = browser.script(&format!("return document.querySelectorAll('{STRANGE}').length;"));
            Some(strange).filter(|count| *count != 0).into_iter().for_each(|count| note(format!("{count} strange elements")));
            Some(browser.too_wide()).filter(|wide| *wide > 0).into_iter().for_each(|wide| note(format!("too wide by {wide} px")));
        }
        if screen == Screen::DESK {
            browser.goto("");
            let text = browser.text("main");
            for payload in PAYLOADS {
                assert!(text.contains(payload), "{payload} does not stand in the overview: {text:.2000}");
            }
            browser.goto(&format!("runs/{run}"));
            let text = browser.script("return document.querySelector('main').textContent;").as_str().unwrap().to_owned();
            assert!(text.contains(PAYLOADS[0]) && text.contains(PAYLOADS[1]), "{text:.4000}");
        }
    }
    assert!(wrong.is_empty(), "of {pages:?}:\n{}", wrong.join("\n"));
}
