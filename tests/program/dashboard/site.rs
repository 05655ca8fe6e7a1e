//! A service to look at: a probe that fails in one of two regions, and one that is well.

use std::collections::{BTreeMap, VecDeque};

use crate::cli_support::until;
use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, TOKEN, channel, journey};
use crate::page_support::target::{BROKEN, Target, WELL};
use crate::service_support::{Answer, ask};

/// Pages that are looked at, at most; more means that links lead round and round.
const MOST: usize = 100;

/// A service, what it probes, and who is rung.
pub(crate) struct Site {
    pub(crate) service: Service,
    target: Option<Target>,
    pub(crate) pager: Pager,
}

impl Site {
    /// `checkout` fails in eu and passes in us; `search` is well.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with these settings.
    pub(crate) fn start_with(settings: &str) -> Self {
        let target = Target::start();
        let probe = |name: &str, summary: &str| {
            let step = format!(
                "[[step]]\nname = \"{name} answers\"\nhttp.get = \"http://{}/{name}/{{{{ region }}}}\"\n\
                 expect = [\"status == 200\", \"json.state == 'ok'\"]\n",
                target.address
            );
            journey(
                name,
                &format!("summary = \"{summary}\"\ntags = [\"shop\"]\noverlap = \"allow\"\nalert.page_after = 2\n"),
                &step,
            )
        };
        let probes = [probe("checkout", "A basket can be paid for"), probe("search", "What is sold can be found")];
        target.set("/checkout/eu", BROKEN);
        Self { target: Some(target), ..Self::of(&probes, settings) }
    }

    /// Other probes, in eu and us.
    pub(crate) fn of(probes: &[String], settings: &str) -> Self {
        let pager = Pager::start();
        let settings = format!("regions = [\"eu\", \"us\"]\n{settings}\n{}", channel(&pager, "hook"));
        Self { service: Service::new(probes, &settings).start(), target: None, pager }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.service.address()
    }

    fn target(&self) -> &Target {
        self.target.as_ref().expect("these probes have their own target")
    }

    /// Breaks a probe in a region.
    pub(crate) fn breaks(&self, probe: &str, region: &str) {
        self.target().set(&format!("/{probe}/{region}"), BROKEN);
    }

    /// Mends it.
    pub(crate) fn mends(&self, probe: &str, region: &str) {
        self.target().set(&format!("/{probe}/{region}"), WELL);
    }

    /// Waits until an incident is open, and returns its id.
    #[track_caller]
    pub(crate) fn incident(&self) -> String {
        until("an incident", || {
            let status = self.service.json("/api/v1/status");
            status["open_incidents"][0]["id"].as_str().map(str::to_owned)
        })
    }

    /// Waits until a run of a probe has failed, and returns its id.
    #[track_caller]
    pub(crate) fn failed_run(&self, probe: &str) -> String {
        until("a failed run", || {
            let runs = self.service.json(&format!("/api/v1/runs?verdict=failed&probe={probe}"));
            runs["items"][0]["run_id"].as_str().map(str::to_owned)
        })
    }

    /// A page as a program gets it.
    #[track_caller]
    pub(crate) fn page(&self, path: &str) -> Answer {
        let headers = [&format!("authorization: Bearer {TOKEN}"), "accept: text/html"];
        ask(self.address(), &format!("GET /{path}"), &headers.map(AsRef::as_ref), "")
    }

    /// So many probes with names of 60 letters, all of which fail in eu and pass in us.
    pub(crate) fn crowded(probes: usize) -> Self {
        let target = Target::start();
        let probe = |number: usize| {
            let name = format!("a-journey-whose-name-is-as-long-as-anybody-would-make-it-{number:03}");
            let step = format!(
                "[[step]]\nname = \"{name} answers\"\nhttp.get = \"http://{}/{number}/{{{{ region }}}}\"\n\
                 expect = [\"status == 200\", \"json.state == 'ok'\"]\n",
                target.address
            );
            target.set(&format!("/{number}/eu"), BROKEN);
            journey(&name, "summary = \"It goes on\"\nalert.page_after = 2\n", &step).replace("\"1s\"", "\"10s\"")
        };
        let all: Vec<String> = (0..probes).map(probe).collect();
        let site = Self { target: Some(target), ..Self::of(&all, "") };
        let open = || site.service.json("/api/v1/incidents?open=true&limit=500")["items"].as_array().map_or(0, Vec::len);
        for some in [probes / 2, probes] {
            until("all of their incidents", || (open() >= some).then_some(()));
        }
        site
    }

    /// A probe of which nothing is known yet.
    pub(crate) fn just_started() -> Self {
        let step = "[[step]]\nname = \"s\"\nhttp.get = \"http://127.0.0.1:9/\"\nexpect = [\"status == 200\"]\n";
        Self::of(&[journey("checkout", "summary = \"A basket can be paid for\"\n", step).replace("\"1s\"", "\"23h\"")], "")
    }

    /// One page of each kind to which links lead from the overview, from the incident and from its failed run, with the login.
    #[track_caller]
    pub(crate) fn pages(&self) -> Vec<String> {
        self.pages_from(vec![String::new(), format!("incidents/{}", self.incident()), "watch?target=search&since=0".to_owned()])
    }

    /// One page of each kind to which links lead from these, with the login.
    #[track_caller]
    pub(crate) fn pages_from(&self, begin: Vec<String>) -> Vec<String> {
        let mut waiting = VecDeque::from(begin);
        waiting.push_back("login".to_owned());
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        while let Some(path) = waiting.pop_front() {
            if seen.contains_key(&kind(&path)) {
                continue;
            }
            assert!(seen.len() < MOST, "links lead to ever new pages: {seen:?}");
            let answer = self.page(&path);
            if answer.status == 303 {
                let to = header(&answer, "location").expect("it says where to");
                waiting.push_back(to.trim_start_matches('/').to_owned());
            }
            assert!(answer.status < 500, "{path}: {answer:?}");
            let is_page = header(&answer, "content-type").is_some_and(|kind| kind.starts_with("text/html"));
            seen.insert(kind(&path), path);
            if is_page {
                waiting.extend(links(&answer.body));
            }
        }
        let is_page = |path: &&String| {
            let answer = self.page(path);
            answer.status == 200 && header(&answer, "content-type").is_some_and(|kind| kind.starts_with("text/html"))
        };
        seen.values().filter(is_page).cloned().collect()
    }
}

/// The pages that differ in more than what they are about.
fn kind(path: &str) -> String {
    let mut parts = path.split('?').next().unwrap_or_default().split('/');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.skip(1).collect();
    let is_of_something = path.contains('/');
    format!("{first}{}{}", if is_of_something { "/*/" } else { "" }, rest.join("/"))
}

/// Where the page's links to our own pages lead.
fn links(page: &str) -> Vec<String> {
    let hrefs = page.split("<a ").skip(1).filter_map(|rest| rest.split_once('>')?.0.split_once("href=\"")?.1.split('"').next());
    let own = hrefs.filter(|href| !href.contains(':') && !href.starts_with(['/', '#']));
    own.map(|href| {
        let href = href.replace("&amp;", "&").replace("&#38;", "&");
        href.split('#').next().unwrap_or_default().trim_start_matches("./").to_owned()
    })
    .collect()
}

/// A header of an answer.
pub(crate) fn header(answer: &Answer, name: &str) -> Option<String> {
    let mut lines = answer.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.find(|(said, _)| said.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}
