//! A probe, its devices, and the plan that holds all of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::source::Location;

use super::{
    AlertPolicy, Cadence, Canary, Cell, DeviceSettings, Limits, Maintenance, Overlap, Redaction, Region, RequestDefaults,
    SecretSource, Slo, Step, Template, Unjournalled,
};

/// Where it is written what to do when a probe fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runbook {
    /// At a URL of the web.
    Url(String),
    /// In a file beside the probe.
    File {
        /// Its path, as the probe's file gives it.
        name: String,
        /// What it says, in Markdown.
        text: Arc<str>,
    },
}

impl Runbook {
    /// The link that is given to whoever is not on a page of this service; a file has none.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            Self::File { .. } => None,
        }
    }
}

/// A journey declared in one TOML file.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its name, unique among the probes; a metric label value.
    pub name: Arc<str>,
    /// One sentence for people.
    pub summary: Option<String>,
    /// Who is woken.
    pub owner: Option<String>,
    /// Where it is written what to do.
    pub runbook: Option<Runbook>,
    /// How many users an hour take the journey in all, 1 to 1,000,000,000, so that an incident can say how many it may have reached.
    pub users_per_hour: Option<u32>,
    /// Free labels for selection.
    pub tags: Vec<String>,
    /// When its ticks come.
    pub cadence: Cadence,
    /// Independent runs per interval, spread evenly over it. At least 1.
    pub runs: u32,
    /// So long after a failure a run is made that confirms it, before the next tick; if that fails as well, it stands for the tick.
    pub confirm: Option<Duration>,
    /// What happens to a tick while the same slot's earlier run goes on.
    pub overlap: Overlap,
    /// Bound on the whole run, from its first step's start.
    pub deadline: Duration,
    /// Regions in which other processes run it: this one knows nothing of them.
    pub elsewhere: Vec<Arc<str>>,
    /// Combinations of the matrix, at least one (the empty cell).
    pub cells: Vec<Arc<Cell>>,
    /// Evaluated once a run, in order, before the first step.
    pub vars: Vec<(Arc<str>, Template)>,
    /// A URL for each origin that the operator wrote into the probe: secrets go there and nowhere else.
    pub origins: Vec<Template>,
    /// Variables, captures and loop names that hold a secret, what was made of one, or a credential: by their names, or by what they are
    /// made of, however many names that went through.
    pub private: Arc<HashSet<String>>,
    /// The devices by name, `default` always among them.
    pub devices: BTreeMap<Arc<str>, Device>,
    /// The journey, at least one step.
    pub steps: Arc<Vec<Step>>,
    /// What happens where the cleanup ledger does not take an entry in time.
    pub unjournalled: Unjournalled,
    /// What it promises over time.
    pub slo: Option<Slo>,
    /// When it pages.
    pub alert: AlertPolicy,
    /// Probes whose failures explain this one's, for the same region and the same value of every matrix key that both have, while
    /// somebody was told of them.
    pub needs: Vec<Arc<str>>,
    /// Its own windows, beside those of the plan.
    pub maintenance: Vec<Arc<Maintenance>>,
    /// What is personal in its runs, by the service's file and its own; nothing if absent.
    pub redact: Option<Arc<Redaction>>,
    /// Where the probe's name is written.
    pub location: Location,
}

impl Probe {
    /// One that runs nothing: no steps and no matrix, and what is optional is absent.
    pub(super) fn without_journey(name: Arc<str>, interval: Duration, deadline: Duration, location: Location) -> Self {
        Self {
            name,
            summary: None,
            owner: None,
            runbook: None,
            users_per_hour: None,
            tags: Vec::new(),
            cadence: Cadence::Every(interval),
            runs: 1,
            confirm: None,
            overlap: Overlap::Skip,
            deadline,
            elsewhere: Vec::new(),
            cells: vec![Arc::new(Cell::default())],
            vars: Vec::new(),
            origins: Vec::new(),
            private: Arc::default(),
            devices: BTreeMap::new(),
            steps: Arc::default(),
            unjournalled: Unjournalled::default(),
            slo: None,
            alert: AlertPolicy::default(),
            needs: Vec::new(),
            maintenance: Vec::new(),
            redact: None,
            location,
        }
    }
}

/// An isolated client inside a run: own cookies, connections and headers.
#[derive(Debug, Clone)]
pub struct Device {
    /// How its connections are made; shared between devices that are configured alike, so that clients can be cached by it.
    pub settings: Arc<DeviceSettings>,
    /// What it adds to each request.
    pub requests: RequestDefaults,
}

impl Device {
    /// Whether what it adds to requests may be another thing at each attempt of a step.
    pub fn varies(&self) -> bool {
        self.requests.vary()
    }
}

/// Everything the scheduler and the runs need, whole and immutable. A reload makes a new one.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Regions whose canaries this process runs.
    pub regions: Vec<Arc<Region>>,
    /// Every region there is, also those that other processes run.
    pub known_regions: Vec<Arc<str>>,
    /// Windows of the service.
    pub maintenance: Vec<Arc<Maintenance>>,
    /// Every enabled probe with the regions it runs in.
    pub probes: Vec<Arc<Probe>>,
    /// Probe × region × cell, ordered by id.
    pub canaries: Vec<Arc<Canary>>,
    /// Secrets by name: where to find them, never what they are.
    pub secrets: BTreeMap<Arc<str>, SecretSource>,
    /// Bounds that hold for every run.
    pub limits: Limits,
}
