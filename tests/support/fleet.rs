//! The shipped probes, loaded from their files and run by the real engine against a real sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use regex::{Captures, Regex};
use serinus::outcome::{CleanupReport, CleanupResult, RunReport, Secret, Secrets, Tick, Trigger, Verdict};
use serinus::plan::{Cadence, Canary, Plan, Probe};
use serinus::run::step::http::HttpClients;
use serinus::run::{Detail, Engine, Finished, RunRequest, StallLog};
use serinus::sandbox::{Sandbox, SandboxConfig};
use tokio_util::sync::CancellationToken;

/// Bounds of a probe that are too long to be waited for, by key, and the most they may be instead. What is shorter stays.
pub(crate) type Shortened<'a> = &'a [(&'a str, &'a str)];

/// Probes of a plan with regions `eu` and `us`, and what runs them.
pub(crate) struct Fleet {
    pub(crate) plan: Arc<Plan>,
    pub(crate) engine: Engine,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) report: Arc<RunReport>,
    pub(crate) cleanup: Option<Arc<CleanupReport>>,
}

impl Ran {
    pub(crate) fn passed(&self) -> bool {
        self.report.verdict == Verdict::Passed
    }

    /// What went wrong, in a line.
    pub(crate) fn problem(&self) -> String {
        let cause = self.report.cause.as_ref();
        let cause = cause.map(|cause| format!("{} in {:?}: {}", cause.reason, cause.step.as_deref(), cause.message));
        let leaked = self.cleanup.as_ref().map(|cleanup| &cleanup.result);
        format!("{}: {} {cause:?}, cleanup {leaked:?}", self.report.canary.id, self.report.verdict)
    }

    /// Whether it left nothing behind.
    pub(crate) fn clean(&self) -> bool {
        self.cleanup.as_ref().is_none_or(|cleanup| cleanup.result == CleanupResult::Clean)
    }
}

/// The repository's probe files.
pub(crate) fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes");
    let entries = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    files
}

/// A sandbox whose time runs so many times as fast as the clock, with a seed that chooses whom a fault with a share hits.
pub(crate) async fn sandbox(speed: f64, chosen_by: u64) -> Sandbox {
    Sandbox::start(SandboxConfig { speed, seed: chosen_by, ..SandboxConfig::default() })
        .await
        .expect("a sandbox starts on loopback")
}

impl Fleet {
    /// The shipped probes as they are, but for these bounds.
    pub(crate) fn shipped(sandbox: &Sandbox, shortened: Shortened<'_>) -> Self {
        let texts: Vec<String> =
            shipped().iter().map(|path| std::fs::read_to_string(path).expect("a probe file can be read")).collect();
        let texts: Vec<String> = texts.iter().map(|text| shorten(text, shortened)).collect();
        Self::load(sandbox, &texts)
    }

    /// Probes of these texts. No diagnostic is forgiven.
    pub(crate) fn load(sandbox: &Sandbox, probes: &[String]) -> Self {
        let directory = tempfile::tempdir().expect("there is room for temporary files");
        let at = |name: &str| directory.path().join(name);
        for (number, probe) in probes.iter().enumerate() {
            std::fs::write(at(&format!("probe-{number}.toml")), probe).expect("the directory can be written to");
        }
        let service = format!(
            "regions = [\"eu\", \"us\"]\nprobes = [\"probe-*.toml\"]\nnotify.none = true\n[vars]\napi = \"http://{}\"\n\
             [secrets]\ncanary_password = {{ env = \"CANARY_PASSWORD\" }}\n",
            sandbox.address()
        );
        std::fs::write(at("serinus.toml"), service).expect("the directory can be written to");
        let loaded = serinus::config::load(&at("serinus.toml"), [("CANARY_PASSWORD".to_owned(), "canary".to_owned())]);
        let problems: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert!(problems.is_empty(), "{problems:#?}");
        let plan = loaded.service.expect("there was no problem").plan;
        let engine = engine(&plan);
        Self { plan, engine }
    }

    /// An engine that knows nothing of earlier runs, as the next process has it.
    pub(crate) fn next_engine(&self) -> Engine {
        engine(&self.plan)
    }

    /// The canaries of a probe.
    pub(crate) fn of<'a>(&'a self, probe: &'a str) -> impl Iterator<Item = &'a Arc<Canary>> {
        self.plan.canaries.iter().filter(move |canary| &*canary.probe.name == probe)
    }

    /// Makes one run, cleanup included.
    pub(crate) async fn run(&self, canary: &Arc<Canary>) -> Ran {
        let finished = self.start(&self.engine, canary).await;
        let cleanup = match finished.cleanup {
            Some(task) => Some(task.await),
            None => None,
        };
        Ran { report: finished.report, cleanup }
    }

    /// Makes one run on this engine and leaves its cleanup to the caller.
    pub(crate) async fn start(&self, engine: &Engine, canary: &Arc<Canary>) -> Finished {
        let request = RunRequest {
            trigger: Trigger::Schedule,
            tick: Tick { due: SystemTime::now(), slot: 0, order: 0 },
            detail: Detail::Failures,
            cancel: CancellationToken::new(),
        };
        engine.run(Arc::clone(canary), request).await
    }
}

/// Time between two runs of a canary; its ticks are spread evenly.
pub(crate) fn spacing(probe: &Probe) -> Duration {
    match &probe.cadence {
        Cadence::Every(every) => *every / probe.runs,
        Cadence::Cron { .. } => panic!("no shipped probe runs at hours of the clock"),
    }
}

fn engine(plan: &Plan) -> Engine {
    let password = Ok(Secret::new(SandboxConfig::DEFAULT_PASSWORD));
    let secrets = Arc::new(Secrets::new(BTreeMap::from([(Arc::from("canary_password"), password)])));
    let clients = HttpClients::new(&plan.limits).expect("clients can be set up");
    Engine::new(clients, plan.limits.clone(), Arc::new(StallLog::default()), secrets)
}

/// Shortens durations of the journey where they stand, so that lines and columns stay as they are in the file. The rules about
/// pages are not waited for.
fn shorten(text: &str, shortened: Shortened<'_>) -> String {
    let rules = text.find("\n[alert]").unwrap_or(text.len());
    let (journey, rules) = text.split_at(rules);
    let journey = shortened.iter().fold(journey.to_owned(), |text, (key, most)| {
        let value = Regex::new(&format!(r#"\b({key}\s*=\s*)"([^"]+)""#)).expect("a key is no special pattern");
        let shorter = |found: &Captures<'_>| {
            let [is, most_is] = [&found[2], most].map(|text| humantime::parse_duration(text).expect("a duration"));
            if is > most_is { format!("{}\"{most}\"", &found[1]) } else { found[0].to_owned() }
        };
        value.replace_all(&text, shorter).into_owned()
    });
    journey + rules
}
