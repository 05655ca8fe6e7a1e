//! Runs a probe that is written in a test, through the real loader and engine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use minijinja::Value;
use minijinja::value::Object;
use serinus::outcome::{Cause, CleanupReport, Ledger, Reason, RunReport, Secret, SecretError, Secrets, Tick, Trigger, Verdict};
use serinus::plan::{Canary, Plan, Region};
use serinus::run::step::http::HttpClients;
use serinus::run::{Detail, Engine, Finished, NameSources, RunRequest, SelfCheck, StallLog};
use tokio_util::sync::CancellationToken;

use crate::target::Target;

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) report: Arc<RunReport>,
    pub(crate) cleanup: Option<Arc<CleanupReport>>,
}

impl Ran {
    pub(crate) fn cause(&self) -> &Cause {
        self.report.cause.as_ref().expect("the run passed")
    }

    pub(crate) fn reason(&self) -> Reason {
        self.cause().reason
    }

    pub(crate) fn assert_passed(&self) {
        assert_eq!(self.report.verdict, Verdict::Passed, "{:#?}", self.report.cause);
    }
}

/// A probe to be run against a target.
pub(crate) struct Journey {
    api: String,
    deadline: String,
    head: String,
    secrets: Vec<(String, Option<String>)>,
    panicking: Option<String>,
    ledger: Option<Arc<dyn Ledger>>,
    self_check: Option<SelfCheck>,
    names: NameSources,
    cleanup_budget: Option<Duration>,
    directory: tempfile::TempDir,
    pub(crate) stalls: Arc<StallLog>,
    pub(crate) cancel: CancellationToken,
}

impl Journey {
    pub(crate) fn new(target: &Target) -> Self {
        Self::at(&target.url())
    }

    /// Against whatever the service's variable `api` names.
    pub(crate) fn at(api: &str) -> Self {
        Self {
            api: api.to_owned(),
            deadline: "20s".to_owned(),
            head: String::new(),
            secrets: Vec::new(),
            panicking: None,
            ledger: None,
            self_check: None,
            names: NameSources::default(),
            cleanup_budget: None,
            directory: tempfile::tempdir().unwrap(),
            stalls: Arc::new(StallLog::default()),
            cancel: CancellationToken::new(),
        }
    }

    pub(crate) fn deadline(mut self, deadline: &str) -> Self {
        deadline.clone_into(&mut self.deadline);
        self
    }

    pub(crate) fn head(mut self, head: &str) -> Self {
        head.clone_into(&mut self.head);
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        std::fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: Option<&str>) -> Self {
        self.secrets.push((name.to_owned(), value.map(str::to_owned)));
        self
    }

    pub(crate) fn ledger(mut self, ledger: &Arc<impl Ledger>) -> Self {
        self.ledger = Some(Arc::clone(ledger) as Arc<dyn Ledger>);
        self
    }

    pub(crate) fn names(mut self, names: NameSources) -> Self {
        self.names = names;
        self
    }

    pub(crate) fn self_check(mut self, self_check: &SelfCheck) -> Self {
        self.self_check = Some(self_check.clone());
        self
    }

    pub(crate) fn cleanup_budget(mut self, budget: Duration) -> Self {
        self.cleanup_budget = Some(budget);
        self
    }

    /// A service var of this name panics when it is looked into.
    pub(crate) fn panicking_var(mut self, name: &str) -> Self {
        self.panicking = Some(name.to_owned());
        self
    }

    /// Loads the probe as a user's file would be and runs it once.
    pub(crate) async fn run(&self, steps: &str) -> Ran {
        let finished = self.start(steps).await;
        let cleanup = match finished.cleanup {
            Some(task) => Some(task.await),
            None => None,
        };
        Ran { report: finished.report, cleanup }
    }

    /// The same, and leaves the cleanup undone.
    pub(crate) async fn start(&self, steps: &str) -> Finished {
        let request = RunRequest {
            trigger: Trigger::Test,
            tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
            detail: Detail::Failures,
            cancel: self.cancel.clone(),
        };
        self.engine().run(self.canary(steps), request).await
    }

    /// An engine with the secrets, the ledger and the self check of this journey.
    pub(crate) fn engine(&self) -> Engine {
        let secrets = self.secrets.iter().map(|(name, value)| {
            let value = value.as_deref().map(Secret::new).ok_or_else(|| SecretError("it is not there".to_owned()));
            (Arc::from(name.as_str()), value)
        });
        let secrets = Arc::new(Secrets::new(secrets.collect::<BTreeMap<_, _>>()));
        let mut limits = serinus::plan::Limits::default();
        limits.cleanup = self.cleanup_budget.unwrap_or(limits.cleanup);
        let clients = HttpClients::with_names(&limits, self.names.clone()).unwrap();
        let mut engine = Engine::new(clients, limits, Arc::clone(&self.stalls), secrets);
        if let Some(ledger) = &self.ledger {
            engine = engine.with_ledger(Arc::clone(ledger));
        }
        if let Some(self_check) = &self.self_check {
            engine = engine.with_self_check(self_check.clone());
        }
        engine
    }

    pub(crate) fn canary(&self, steps: &str) -> Arc<Canary> {
        let plan = self.plan(steps);
        let canary = &plan.canaries[0];
        match &self.panicking {
            None => Arc::clone(canary),
            Some(name) => {
                let vars = canary.region.vars.iter().map(|(key, value)| {
                    let value = if **key == **name { Value::from_object(Panics) } else { value.clone() };
                    (Arc::clone(key), value)
                });
                let region = Arc::new(Region { name: Arc::clone(&canary.region.name), vars: vars.collect() });
                let canary =
                    Canary { id: canary.id.clone(), probe: Arc::clone(&canary.probe), region, cell: Arc::clone(&canary.cell) };
                Arc::new(canary)
            }
        }
    }

    pub(crate) fn plan(&self, steps: &str) -> Arc<Plan> {
        let mut service = format!(
            "region = \"test\"\nprobes = [\"probe.toml\"]\nnotify.none = true\nlimits.exec = true\n[vars]\napi = \"{}\"\n",
            self.api
        );
        if let Some(name) = &self.panicking {
            writeln!(service, "{name} = \"replaced below\"").unwrap();
        }
        if !self.secrets.is_empty() {
            service.push_str("[secrets]\n");
        }
        for (name, _) in &self.secrets {
            writeln!(service, "{name} = {{ env = \"TEST_{name}\" }}").unwrap();
        }
        let probe = format!(
            "name = \"probe\"\nowner = \"tests\"\nrunbook = \"https://runbooks.example.com\"\nevery = \"1m\"\ndeadline = \"{}\"\n{}\n{steps}",
            self.deadline, self.head
        );
        let at = |name: &str| self.directory.path().join(name);
        std::fs::write(at("serinus.toml"), service).unwrap();
        std::fs::write(at("probe.toml"), probe).unwrap();
        let loaded = serinus::config::load(&at("serinus.toml"), std::iter::empty::<(String, String)>());
        let problems: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}")).collect();
        let service = loaded.service.unwrap_or_else(|| panic!("{problems:#?}"));
        service.plan
    }
}

#[derive(Debug)]
struct Panics;

impl Object for Panics {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        panic!("looked into")
    }
}
