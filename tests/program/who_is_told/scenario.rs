//! A scenario: a service whose probes' paths can be broken by region and cell, and the receivers of its pages.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::receivers::{Mood, Read, Receivers};
use crate::page_support::service::{Service, journey};
use crate::page_support::target::{Answer, BROKEN, Target, WELL};

/// Above all that a receiver may keep a page waiting: four answers 4xx are asked again after two minutes.
const PATIENCE: Duration = Duration::from_mins(3);

/// Everything of one scenario.
pub(crate) struct Scenario {
    pub(crate) service: Service,
    pub(crate) target: Target,
    pub(crate) receivers: Receivers,
}

/// A probe whose path is its name, region and cell: `/NAME/REGION/CELL`.
pub(crate) struct Probe {
    pub(crate) name: &'static str,
    /// Values of the matrix key `cell`; none has no matrix.
    pub(crate) cells: &'static [&'static str],
    /// Further keys of the top level.
    pub(crate) more: &'static str,
}

impl Probe {
    pub(crate) fn plain(name: &'static str, more: &'static str) -> Self {
        Self { name, cells: &[], more }
    }

    pub(crate) fn text(&self, target: &Target) -> String {
        let (name, at) = (self.name, target.address);
        let (matrix, cell) = match self.cells {
            [] => (String::new(), ""),
            cells => (format!("[matrix]\nkind = {cells:?}\n"), "{{ cell.kind }}"),
        };
        let step = format!(
            "{matrix}[[step]]\nname = \"front page\"\nhttp.get = \"http://{at}/{name}/{{{{ region }}}}/{cell}\"\n\
             expect = [\"status == 200\", \"json.state == 'ok'\"]\n"
        );
        journey(name, self.more, &step)
    }
}

/// PagerDuty, Slack and a webhook, all at these receivers. PagerDuty wakes.
pub(crate) fn channels(receivers: &Receivers) -> String {
    let at = receivers.address;
    format!(
        "[[notify.pagerduty]]\nname = \"pager\"\nrouting_key = \"pager\"\nurl = \"http://{at}/pager\"\ntimeout = \"2s\"\n\
         [[notify.slack]]\nurl = \"slack\"\ntimeout = \"2s\"\n\
         [[notify.webhook]]\nname = \"hook\"\nurl = \"http://{at}/hook\"\ntimeout = \"2s\"\nleast = \"warn\"\n"
    )
}

impl Scenario {
    /// With the probes of these regions and further settings, which may begin with keys of the top level.
    pub(crate) fn new(regions: &[&str], probes: &[Probe], settings: &str) -> Self {
        let (target, receivers) = (Target::start(), Receivers::open());
        let texts: Vec<String> = probes.iter().map(|probe| probe.text(&target)).collect();
        Self::of(target, receivers, regions, &texts, settings)
    }

    pub(crate) fn of(target: Target, receivers: Receivers, regions: &[&str], probes: &[String], settings: &str) -> Self {
        let settings = format!("regions = {regions:?}\n{settings}\n{}", channels(&receivers));
        let service = Service::new(probes, &settings);
        let mut scenario = Self { service, target, receivers };
        scenario.begin();
        scenario
    }

    /// Starts the service, or starts it again.
    pub(crate) fn begin(&mut self) {
        let slack = format!("http://{}/slack", self.receivers.address);
        // The secrets of the channels come from the environment, beside the one that the service's helper declares.
        let file = self.service.folder().join("service");
        let text = std::fs::read_to_string(&file).unwrap();
        if !text.contains("PAGER_KEY") {
            let secrets = "[secrets]\npager = { env = \"PAGER_KEY\" }\nslack = { env = \"SLACK_URL\" }\n";
            std::fs::write(&file, text.replace("[secrets]\n", secrets)).unwrap();
        }
        self.service.begin(&[], |command| {
            command.env("PAGER_KEY", "a-key-of-thirty-two-characters-0").env("SLACK_URL", slack);
        });
        self.receivers.notes("the service starts");
    }

    pub(crate) fn answer(&self, probe: &str, region: &str, cell: &str, answer: Answer) {
        self.target.set(&format!("/{probe}/{region}/{cell}"), answer);
        self.receivers.notes(format_args!("{probe} {region} {cell}: {answer:?}"));
    }

    pub(crate) fn breaks(&self, probe: &str, region: &str, cell: &str) {
        self.answer(probe, region, cell, BROKEN);
    }

    pub(crate) fn mends(&self, probe: &str, region: &str, cell: &str) {
        self.answer(probe, region, cell, WELL);
    }

    /// The same of several cells.
    pub(crate) fn all_break(&self, probe: &str, region: &str, cells: &[&str]) {
        for cell in cells {
            self.breaks(probe, region, cell);
        }
    }

    /// The same of several cells.
    pub(crate) fn all_mend(&self, probe: &str, region: &str, cells: &[&str]) {
        for cell in cells {
            self.mends(probe, region, cell);
        }
    }

    pub(crate) fn sets(&self, path: &str, mood: Mood) {
        self.receivers.set(path, mood);
    }

    /// A command against the service.
    #[track_caller]
    pub(crate) fn ask(&self, args: &[&str]) {
        self.receivers.notes(args.join(" "));
        self.service.ask(args);
    }

    /// Waits until readers saw what is looked for.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut(&Read) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = look(&self.receivers.read());
            if let Some(found) = found {
                return found;
            }
            assert!(Instant::now() < deadline, "never: {what}\n{}\n{}", self.receivers.transcript(), self.service.summary());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for so many rings of a scope at the webhook.
    #[track_caller]
    pub(crate) fn rings(&self, count: usize, scope: &str) -> Vec<Value> {
        self.until(&format!("{count} rings of {scope} at the webhook"), |read| {
            let rings = read.hooks("ring", scope);
            (rings.len() >= count).then_some(rings)
        })
    }

    /// Waits for so many rings of a scope at PagerDuty.
    #[track_caller]
    pub(crate) fn pages(&self, count: usize, scope: &str) {
        self.until(&format!("{count} rings of {scope} at PagerDuty"), |read| (read.paged(scope).len() >= count).then_some(()));
    }

    /// Waits until channels have been told all that they are owed.
    #[track_caller]
    pub(crate) fn told(&self) {
        self.service.until("all is told", |service| service.untold() == 0.0);
    }

    /// Waits until so many incidents are open.
    #[track_caller]
    pub(crate) fn incidents(&self, count: f64) {
        #[expect(clippy::float_cmp, reason = "it is a count")]
        self.service.until(&format!("{count} incidents"), |service| service.metric("serinus_incidents", &[]) == count);
    }

    /// Waits until a canary is well or not, as the service sees it.
    #[track_caller]
    pub(crate) fn canary(&self, probe: &str, region: &str, cell: &str, healthy: f64) {
        let labels = [("probe", probe), ("region", region), ("kind", cell)];
        let labels = if cell.is_empty() { &labels[..2] } else { &labels[..] };
        #[expect(clippy::float_cmp, reason = "it is 0 or 1")]
        self.service.until(&format!("{probe} {region} {cell} is {healthy}"), |service| {
            service.metric("serinus_canary_healthy", labels) == healthy
        });
    }

    /// Waits until the member of an open incident with this in its name stands like this.
    #[track_caller]
    pub(crate) fn stands(&self, name: &str, standing: &str) {
        self.service.until(&format!("{name} is {standing}"), |service| {
            let status = service.json("/api/v1/status");
            let incidents = status["open_incidents"].as_array().into_iter().flatten();
            let mut members = incidents.flat_map(|incident| incident["members"].as_array().into_iter().flatten());
            members.any(|it| it["standing"] == standing && it["name"].as_str().is_some_and(|whole| whole.contains(name)))
        });
    }

    /// The open incident of a scope.
    #[track_caller]
    pub(crate) fn incident(&self, scope: &str) -> String {
        let all = self.service.json("/api/v1/incidents");
        let found = all["items"].as_array().unwrap().iter().find(|it| it["scope"] == scope && it["ended_ms"].is_null());
        found.unwrap_or_else(|| panic!("no {scope} in {all:#}"))["id"].as_str().unwrap().to_owned()
    }

    /// Waits until every reader has heard that all is over.
    #[track_caller]
    pub(crate) fn over(&self) {
        self.incidents(0.0);
        self.until("nothing is open at a reader", |read| {
            (read.pages_open().is_empty() && read.hook.beliefs.open().is_empty()).then_some(())
        });
        self.told();
    }

    /// Shows what the readers got.
    pub(crate) fn show(&self, title: &str) {
        eprintln!("## {title}\n{}", self.receivers.transcript());
    }
}
