//! The public status page of the built program: what it tells, to whom, and what it never tells.

use serde_json::{Value, json};

use crate::cli_support::{assert_exit, run, serinus, stderr, until};
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, channel, journey};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::programs::free_port;
use crate::service_support::{Answer, ask};

/// Stands in whatever is not for everybody.
const SECRET: &str = "sekret";
/// The files of the page.
const FILES: [&str; 5] = ["", "index.html", "status.css", "feed.atom", "status.json"];

fn header(answer: &Answer, name: &str) -> String {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(said, _)| said.eq_ignore_ascii_case(name)).map_or_else(String::new, |(_, value)| value.to_owned())
}

/// Asks without any token.
fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), &[], "")
}

fn probe(name: &str, target: &Target) -> String {
    let more = "summary = \"sekret summary\"\ntags = [\"sekret-tag\"]\n\
        maintenance = { name = \"sekret window\", from = 2036-01-01T00:00:00Z, until = 2036-01-02T00:00:00Z }\n\
        [matrix]\nplan = [\"sekret-gold\"]\n";
    let step = format!(
        "[[step]]\nname = \"sekret step <script>alert(1)</script>\"\nhttp.get = \"http://{}/{name}\"\n\
         expect = [{{ that = \"json.state == 'ok'\", say = \"sekret saying\" }}]\n",
        target.address
    );
    journey(name, more, &step).replace("\"nobody\"", "\"sekret-owner\"").replace("runbooks.example", "sekret-runbooks.example")
}

/// Two probes that fail, of which one is chosen. All that is theirs is secret; its page is not.
struct Shop {
    service: Service,
    target: Target,
    _pager: Pager,
}

impl Shop {
    fn start(place: &str, more: &str) -> Self {
        let (target, pager) = (Target::start(), Pager::start());
        let probes = [probe("sekret-chosen", &target), probe("sekret-hidden", &target)];
        let settings = format!(
            "regions = [\"sekret-eu\", \"sekret-us\"]\n{}\n[[maintenance]]\nname = \"sekret move\"\nprobes = \"sekret-hidden\"\n\
             from = 2036-01-01T00:00:00Z\nuntil = 2036-01-02T00:00:00Z\n\
             [status_page]\ntitle = \"The Shop\"\nintro = \"How it goes\"\n{place}\n{more}\n\
             [[status_page.component]]\nname = \"Basket\"\nsummary = \"Paying works\"\nprobes = [\"sekret-chosen\"]\n",
            channel(&pager, "sekret-channel")
        );
        Self { service: Service::new(&probes, &settings).start(), target, _pager: pager }
    }

    fn breaks(&self) {
        self.target.set("/sekret-chosen", BROKEN);
        self.target.set("/sekret-hidden", BROKEN);
    }

    fn page(&self) -> Value {
        serde_json::from_str(&get(self.service.address(), "/status/status.json").body).unwrap_or_default()
    }

    #[track_caller]
    fn until_state(&self, state: &str) {
        until(state, || (self.page()["components"][0]["state"] == state).then_some(()));
    }

    fn incident(&self, probe: &str) -> String {
        until("an incident", || {
            let open = self.service.json(&format!("/api/v1/incidents?open=true&probe={probe}"));
            open["items"][0]["id"].as_str().map(str::to_owned)
        })
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [&format!("authorization: Bearer {TOKEN}"), "content-type: application/json"];
        ask(self.service.address(), &format!("POST {path}"), &headers.map(AsRef::as_ref), &body.to_string())
    }
}

#[test]
fn nothing_that_is_not_chosen_is_shown() {
    let shop = Shop::start("", "");
    shop.until_state("operational");
    shop.breaks();
    let (chosen, hidden) = (shop.incident("sekret-chosen"), shop.incident("sekret-hidden"));
    let note = |incident: &str, text: &str, public: bool| {
        shop.post(&format!("/api/v1/incidents/{incident}/notes"), &json!({ "text": text, "by": "sekret-ann", "public": public }))
    };
    assert_eq!(note(&chosen, "sekret: db7 is full", false).status, 200);
    assert_eq!(note(&chosen, "We are at it. <b>Soon</b>", true).status, 200);
    assert_eq!(note(&hidden, "sekret and public", true).status, 400, "nobody would read it");
    assert_eq!(note(&hidden, "sekret", false).status, 200);
    for (path, body) in [
        (format!("/api/v1/incidents/{chosen}/ack"), json!({ "by": "sekret-ann", "reason": "sekret reason" })),
        ("/api/v1/pause".to_owned(), json!({ "target": "sekret-hidden", "by": "sekret-ann", "why": "sekret why" })),
        (
            "/api/v1/mutes".to_owned(),
            json!({ "probe": "sekret-chosen", "reason": "timeout", "by": "sekret-ann", "why": "sekret" }),
        ),
        ("/api/v1/annotations".to_owned(), json!({ "text": "sekret deploy", "probe": "sekret-chosen", "by": "sekret-ann" })),
    ] {
        let answer = shop.post(&path, &body);
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
    shop.until_state("disrupted");
    let page = until("the public note", || {
        Some(get(shop.service.address(), "/status/").body).filter(|page| page.contains("We are at it."))
    });
    assert!(page.contains("The Shop") && page.contains("Basket") && page.contains("Paying works"));
    assert!(!page.contains("<b>Soon") && !page.contains("<script") && !page.contains(" style="), "{page}");
    let copy = shop.service.folder().join("copy");
    shop.service.ask(&["export", "status-page", copy.to_str().unwrap()]);
    let mut shown: Vec<(String, String)> = FILES
        .map(|file| {
            let answer = get(shop.service.address(), &format!("/status/{file}"));
            assert_eq!(answer.status, 200, "{file}: {answer:?}");
            (file.to_owned(), answer.head + &answer.body)
        })
        .into();
    shown.push(("API".to_owned(), shop.service.get("/api/v1/status-page")));
    shown.extend(std::fs::read_dir(&copy).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.display().to_string(), std::fs::read_to_string(path).unwrap())
    }));
    assert!(
        shown.len() >= 10 && shown.iter().all(|(_, text)| !text.contains("<b>Soon") || text.contains("\"text\":")),
        "{shown:?}"
    );
    let port = shop.target.address.port().to_string();
    for (file, text) in shown {
        let text = text.to_lowercase();
        for word in [
            SECRET,
            "127.0.0.1",
            &port,
            &chosen.to_lowercase(),
            &hidden.to_lowercase(),
            "timeout",
            "expectation",
            "example.com",
            "gold",
        ] {
            assert!(!text.contains(word), "{file} has {word:?}: {text:.4000}");
        }
    }
    takes_back(&shop, &chosen);
    shop.target.set("/sekret-chosen", WELL);
    until("the incident is told as a past one", || {
        let page = shop.page();
        (page["components"][0]["state"] == "operational" && page["incidents"][0]["ended_ms"].is_i64()).then_some(())
    });
}

/// A public note is withdrawn: it is kept where it was, and not public any more; no other is.
fn takes_back(shop: &Shop, incident: &str) {
    let all_notes = || shop.service.json(&format!("/api/v1/events?kind=note&incident={incident}"));
    let first = all_notes();
    let id = |what: &str| {
        let mut items = first["items"].as_array().unwrap().iter();
        items.find(|note| note["what"] == what).and_then(|note| note["id"].as_str()).unwrap().to_owned()
    };
    let withdraw = |note: &str| {
        shop.post(&format!("/api/v1/incidents/{incident}/notes/{note}/withdraw"), &json!({ "by": "sekret-ann" })).status
    };
    let another = json!({ "text": "It is better.", "by": "sekret-ann", "public": true });
    assert_eq!(shop.post(&format!("/api/v1/incidents/{incident}/notes"), &another).status, 200);
    assert_eq!((withdraw("01HS8JJEFV000000000000001A"), withdraw(&id("note"))), (404, 409));
    shop.service.ask(&["note", incident, "--withdraw", &id("public"), "--by", "sekret-ann"]);
    assert_eq!(withdraw(&id("public")), 200, "it is withdrawn already");
    until("only the other note is public", || {
        let page = shop.page().to_string() + &get(shop.service.address(), "/status/feed.atom").body;
        (page.contains("It is better.") && !page.contains("We are at it.")).then_some(())
    });
    assert!(all_notes().to_string().contains("We are at it."), "it is kept");
    let analysis = shop.service.json(&format!("/api/v1/incidents/{incident}/analysis"));
    let words: Vec<_> = analysis["notes"].as_array().unwrap().iter().map(|note| note["what"].as_str().unwrap()).collect();
    assert_eq!(words, ["note", "withdrawn", "public"]);
    let page = shop.service.get(&format!("/incidents/{incident}"));
    assert!(page.contains("(was public)") && page.contains("We are at it."), "{page:.4000}");
    until("it is in the audit log, once", || {
        let logged = shop.service.json(&format!("/api/v1/events?kind=action&incident={incident}"));
        (logged.to_string().matches("withdrawn by sekret-ann").count() == 1).then_some(())
    });
}

#[test]
fn regions_are_shown_only_where_that_is_said_and_by_the_names_that_are_said() {
    let shop = Shop::start("show_regions = true", "regions = { \"sekret-eu\" = \"Europe\", \"sekret-us\" = \"America\" }");
    shop.until_state("operational");
    let page = get(shop.service.address(), "/status/").body;
    assert!(page.contains("Europe") && page.contains("America") && !page.contains(SECRET), "{page}");
}

#[test]
fn a_listener_of_its_own_serves_the_page_and_nothing_else() {
    let port = free_port();
    let shop = Shop::start(&format!("address = \"127.0.0.1:{port}\""), "");
    let own = format!("127.0.0.1:{port}");
    until("the page", || (get(&own, "/").status == 200).then_some(()));
    for file in FILES {
        assert_eq!(get(&own, &format!("/{file}")).status, 200, "{file}");
    }
    for path in [
        "/api/v1/status",
        "/api/v1/status-page",
        "/metrics",
        "/healthz",
        "/readyz",
        "/login",
        "/status",
        "/status/",
        "/assets/style.css",
        "/incidents",
        "/probes",
        "/live",
        "//",
        "/../metrics",
        "/index.html/",
        "/status.css/x",
        "/%2e%2e/metrics",
    ] {
        let answer = ask(&own, &format!("GET {path}"), &[&format!("authorization: Bearer {TOKEN}")], "");
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.to_lowercase().contains(SECRET), "{path}: {answer:?}");
    }
    let main = shop.service.address();
    assert_eq!(get(main, "/status/").status, 404, "it is on its own listener only");
    assert_eq!(get(main, "/api/v1/status-page").status, 401, "the API asks for a token");
}

#[test]
fn the_page_is_for_everybody_and_may_be_kept_for_a_moment() {
    let shop = Shop::start("path = \"/public/status\"", "");
    let address = shop.service.address();
    let moved = get(address, "/public/status");
    assert_eq!((moved.status, header(&moved, "location").as_str()), (308, "status/"));
    let page = until("the page", || Some(get(address, "/public/status/")).filter(|page| page.status == 200));
    let tag = header(&page, "etag");
    assert!(header(&page, "cache-control").starts_with("public, max-age="), "{page:?}");
    assert!(header(&page, "content-security-policy").contains("default-src 'none'"), "{page:?}");
    let style = get(address, "/public/status/status.css");
    let again = ask(address, "GET /public/status/status.css", &[&format!("if-none-match: {}", header(&style, "etag"))], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert!(!tag.is_empty());
    let head = ask(address, "HEAD /public/status/", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(ask(address, "POST /public/status/", &[], "").status, 405);
    assert_eq!(get(address, "/public/status/other").status, 404);
    assert_eq!(get(address, "/public/statusx").status, 404);
    assert_eq!(get(address, "/public/status/../../metrics").status, 404);
    assert_eq!(get(address, "/metrics").status, 401, "all else asks for the token");
}

#[test]
fn a_copy_whose_service_is_gone_says_that_nothing_is_known() {
    let mut shop = Shop::start("", "");
    shop.until_state("operational");
    let folder = shop.service.folder().join("bucket");
    let url = format!("http://{}", shop.service.address());
    let export = || run(shop.service.folder(), &["export", "status-page", "bucket", "--url", &url, "--token", TOKEN]);
    assert_exit(&export(), 0);
    let index = || std::fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(index().contains("All systems are operational"));
    let wrong = run(shop.service.folder(), &["export", "status-page", "bucket", "--url", &url, "--token", "no-longer-valid"]);
    assert_exit(&wrong, 2);
    assert!(
        !index().contains("All systems are operational"),
        "a token that is not valid any more tells nothing of how things are"
    );
    assert_exit(&export(), 0);
    assert!(index().contains("All systems are operational"));
    let folder_of_service = shop.service.folder().to_owned();
    assert!(shop.service.stop().success());
    let output =
        serinus(&folder_of_service).args(["export", "status-page", "bucket", "--url", &url, "--token", TOKEN]).output().unwrap();
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("says now that nothing is known"), "{}", stderr(&output));
    let index = std::fs::read_to_string(folder_of_service.join("bucket/index.html")).unwrap();
    assert!(index.contains("Nothing is known right now") && !index.contains("> Operational<"), "{index:.2000}");
}
