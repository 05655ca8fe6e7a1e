//! From paths to a service: reads the files and puts the plan together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::plan::{Canary, Listen, Plan, SecretSource, Service};
use crate::source::SourceFile;

use super::allow::{self, Judged};
use super::cross;
use super::environment::Overrides;
use super::find::{folders, given, matched};
use super::probe::{self, ParsedProbe};
use super::section::DeclaredSection;
use super::service::{self, Settings};
use super::tree::{Node, SourceSpan, first_line};
use super::{Code, Diagnostics, file, keys, parse, status_page, wake_lint};

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The service; absent if there are errors.
    pub service: Option<Service>,
    /// Every problem of every file, in the order of files and lines.
    pub diagnostics: Diagnostics,
    /// Every configuration file that was read or tried: a change of any of them is a reason to load again.
    pub files: Vec<PathBuf>,
    /// Folders in which a new file, or a new folder with files, would be read as well.
    pub folders: Vec<PathBuf>,
}

impl Loaded {
    /// Whether probes page and there is no channel that would tell anybody. A service must not run like that.
    pub fn tells_nobody(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::NoChannel)
    }

    /// The same without the warning about missing channels, for commands that page nobody.
    #[must_use]
    pub fn paging_nobody(mut self) -> Self {
        self.diagnostics.remove_all(Code::NoChannel);
        self
    }
}

/// Loads a service's file and the probes it names. `environment` overrides single settings (`SERINUS_…`) and tells which
/// secrets are there.
pub fn load(config: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Loaded {
    load_all(Some((config, true)), None, &environment.into_iter().collect::<Vec<_>>(), &|| false)
}

/// Loads again, until it is cancelled: `is_cancelled` is asked before each file. Returns `None` if it was cancelled. A pipe was read
/// to its end the first time and is not waited for.
pub fn load_cancellable(
    config: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> Option<Loaded> {
    let was = AtomicBool::new(false);
    let ask = || {
        was.load(Ordering::Relaxed)
            || is_cancelled() && {
                was.store(true, Ordering::Relaxed);
                true
            }
    };
    let loaded = load_all(Some((config, false)), None, &environment.into_iter().collect::<Vec<_>>(), &ask);
    (!was.into_inner()).then_some(loaded)
}

/// Loads these probe files (or all `.toml` files below these folders) instead of those that the service names, disabled ones
/// included. Without a service's file its defaults hold: no variables, and one region, `local`.
pub fn load_probes(probes: &[PathBuf], config: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Loaded {
    load_all(config.map(|path| (path, true)), Some(probes), &environment.into_iter().collect::<Vec<_>>(), &|| false)
}

/// The address that a service's file gives for its listener, and the secrets it names. Both are read even if the file or its probes
/// have errors, because a command that asks a running service needs nothing else. `None` if the file is not TOML.
pub fn load_listen(
    config: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Option<(Listen, BTreeMap<Arc<str>, SecretSource>)> {
    let mut diagnostics = Diagnostics::default();
    let environment: Vec<(String, String)> = environment.into_iter().collect();
    let overrides = Overrides::new(&environment);
    let file = Arc::new(file::source(config, true).ok()?);
    let mut table = parse::parse(&file, &mut diagnostics)?;
    overrides.apply(&mut table, &mut diagnostics);
    let keys = keys::Service::read(&table, top(&file), &mut diagnostics);
    let settings = service::read(&keys, &|_| Some(usize::MAX), &mut diagnostics);
    Some((settings.listen, settings.context.secrets))
}

fn load_all(
    config: Option<(&Path, bool)>,
    probes: Option<&[PathBuf]>,
    environment: &[(String, String)],
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let mut files: Vec<PathBuf> = config.into_iter().map(|(path, _)| path.to_owned()).collect();
    let overrides = Overrides::new(environment);
    let file = match config.map(|(path, given)| file::source(path, given)) {
        Some(Ok(file)) => Arc::new(file),
        Some(Err(diagnostic)) => {
            diagnostics.push(*diagnostic);
            return Loaded { service: None, diagnostics, files, folders: Vec::new() };
        }
        None => Arc::new(SourceFile::new("", "")),
    };
    let Some(mut table) = parse::parse(&file, &mut diagnostics) else {
        diagnostics.truncate();
        diagnostics.sort();
        return Loaded { service: None, diagnostics, files, folders: Vec::new() };
    };
    overrides.apply(&mut table, &mut diagnostics);
    let keys = keys::Service::read(&table, top(&file), &mut diagnostics);
    let variable =
        |name: &str| environment.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.len());
    let settings = service::read(&keys, &variable, &mut diagnostics);
    allow::read(&keys.allow, &file, &mut diagnostics);
    let paths = match probes {
        Some(paths) => given(paths, &mut diagnostics),
        None => matched(patterns(&keys), is_cancelled, &mut diagnostics),
    };
    let files_to_read = probe::ProbeFiles { paths: &paths, given: probes.is_some(), context: &settings.context, is_cancelled };
    let (metadata, parsed) = probe::read_all(&files_to_read, &mut diagnostics);
    cross::names(&metadata, &mut diagnostics);
    cross::need_cycles(&metadata, &mut diagnostics);
    // If the probes were chosen by a person, or some file is unreadable, needed probes may simply not be loaded.
    if probes.is_none() && metadata.len() == paths.len() {
        cross::needs(&metadata, &mut diagnostics);
        status_page::unknown_probes(&keys, &metadata, &mut diagnostics);
        cross::selectors(&keys, &settings.alerting, &settings.context, &metadata, &mut diagnostics);
    }
    if probes.is_none() && settings.alerting.channels.is_empty() && !settings.tells_nobody {
        cross::channels(&keys, top(&file), &metadata, &mut diagnostics);
    }
    if probes.is_none() {
        wake_lint::channels(&keys, top(&file), &settings.alerting, &metadata, &mut diagnostics);
        wake_lint::reminders(&keys, &settings.alerting, &metadata, &mut diagnostics);
    }
    let judged = match (probes, config) {
        (None, _) => Judged::All,
        (Some(_), Some(_)) => Judged::OfProbes,
        (Some(_), None) => Judged::Nothing,
    };
    allow::finish((&file, overrides.file()), judged, &mut diagnostics);
    files.extend(paths);
    files.extend(settings.context.files_read());
    let folders = folders(patterns(&keys), is_cancelled);
    diagnostics.unique();
    diagnostics.truncate();
    diagnostics.sort();
    let parsed = parsed.into_iter().filter(|probe| probe.enabled || probes.is_some()).collect();
    let service = (!diagnostics.has_errors()).then(|| assemble(settings, parsed, config.is_some()));
    Loaded { service, diagnostics, files, folders }
}

/// The patterns of probe files, including invalid ones: a pattern without a match is reported, too.
fn patterns<'t>(keys: &keys::ServiceKeys<'t>) -> &'t [Node<'t>] {
    keys.probes.node().map_or(&[], Node::as_list)
}

/// What to point at in the service's file where something is missing.
fn top(file: &Arc<SourceFile>) -> SourceSpan<'_> {
    SourceSpan { file, range: first_line(file.text()) }
}

fn assemble(settings: Settings, mut parsed: Vec<ParsedProbe>, has_file: bool) -> Service {
    let Settings {
        context,
        listen,
        traces,
        log_format,
        alerting,
        tells_nobody: _,
        maintenance,
        store,
        self_check,
        fleet,
        heartbeat,
        status_page,
    } = settings;
    // Each probe's canaries are in order already, so that with the probes in order there is little left to sort.
    parsed.sort_by(|one, other| one.probe.name.cmp(&other.probe.name));
    let mut canaries: Vec<Arc<Canary>> = parsed.iter_mut().flat_map(|probe| probe.canaries.drain(..)).collect();
    canaries.sort_by(|one, other| one.id.cmp(&other.id));
    let known_regions = context.regions.iter().map(|region| Arc::clone(&region.name)).collect();
    let regions = context.regions.into_iter().filter(|region| context.active.contains(&region.name)).collect();
    let probes = parsed.into_iter().map(|parsed| parsed.probe).collect();
    let plan = Plan { regions, known_regions, maintenance, probes, canaries, secrets: context.secrets, limits: context.limits };
    Service {
        plan: Arc::new(plan),
        listen,
        traces,
        log_format,
        alerting: Arc::new(alerting),
        store: store.filter(|_| has_file),
        fleet: fleet.filter(|_| has_file),
        self_check,
        heartbeat: heartbeat.map(Arc::new),
        status_page: status_page.map(Arc::new),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::config::read_secrets;
    use crate::plan::{Action, Body, Loop, Runbook};

    /// The example of the design, without what comes with later versions.
    const PLAYLIST: &str = r#"
name     = "playlist-sync"
summary  = "A playlist made on one device is complete on a second device within two seconds"
owner    = "music-sync"
runbook  = "https://runbooks.example.com/playlist-sync"
every    = "1m"
deadline = "20s"

[matrix]
platform = ["mobile", "desktop", "speaker"]
tracks   = [10, 500]

[vars]
title = "canary {{ run.id }}"
count = 3

[devices.phone]
headers = { user-agent = "canary-{{ cell.platform }}/1" }
[devices.tablet]

[[step]]
name      = "sign in on both"
for_each  = "device in ['phone', 'tablet']"
device    = "{{ device }}"
http.post = "{{ api }}/v1/sessions"
http.json = { user = "canary", password = "{{ secret.canary_password }}" }
expect    = ["status == 200"]

[[step]]
name      = "create"
device    = "phone"
http.post = "{{ api }}/v1/playlists"
http.json = { title = "{{ title }}", tracks = "{{ range(cell.tracks) | list }}" }
expect    = ["status == 201"]
capture   = { playlist = "json.id" }
  [step.cleanup]
  http.delete = "{{ api }}/v1/playlists/{{ playlist }}"
  expect      = ["status in [204, 404]"]

[[step]]
name       = "read on the second device"
device     = "tablet"
http.get   = "{{ api }}/v1/playlists/{{ playlist }}"
eventually = { within = "10s", poll = "100ms", since = "create" }
expect     = ["status == 200", "json.tracks | length == cell.tracks"]

[[step]]
name = "both devices edit at once"
repeat = 5
  [[step.parallel]]
  name = "phone adds"
  device = "phone"
  http.post = "{{ api }}/v1/playlists/{{ playlist }}/tracks"
  http.json = { track = "p{{ round }}" }
  expect = ["status == 200"]
  [[step.parallel]]
  name = "tablet adds"
  device = "tablet"
  http.post = "{{ api }}/v1/playlists/{{ playlist }}/tracks"
  http.json = { track = "t{{ round }}" }
  expect = ["status == 200"]

[[step]]
name         = "no edit was lost"
device       = "tablet"
http.get     = "{{ api }}/v1/playlists/{{ playlist }}"
eventually   = { within = "10s", poll = "100ms" }
consistently = { for = "500ms" }
expect       = ["json.tracks | unique | length == cell.tracks + 10", "json.tracks | length == cell.tracks + 10"]

[alert]
window = { failures = 6, of = 9 }

[slo]
success = "95%"
latency = { step = "read on the second device", of = "convergence", mean = "2s" }
window  = "24h"
"#;

    const SERVICE: &str = r#"
probes = ["../probes/*.toml"]
[regions.eu.vars]
api = "http://eu.example.com"
[regions.us-east.vars]
api = "http://us.example.com"
[secrets]
canary_password = { env = "PASSWORD" }
[notify]
none = true
"#;

    fn environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = [("PASSWORD", "hunter2"), ("PATH", "/bin")];
        own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("probes/sync.toml", PLAYLIST), ("config/serinus.toml", SERVICE)] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn loaded(folder: &tempfile::TempDir, more: &[(&str, &str)]) -> Loaded {
        load(&folder.path().join("config/serinus.toml"), environment(more))
    }

    fn service(loaded: Loaded) -> Service {
        let text = loaded.diagnostics.render(false);
        assert!(loaded.diagnostics.is_empty(), "{text}");
        loaded.service.expect(&text)
    }

    #[test]
    fn a_load_that_is_given_up_reads_no_further_and_comes_to_nothing() {
        let folder = folder();
        for number in 0..50 {
            let another = PLAYLIST.replace("playlist-sync", &format!("playlist-sync-{number}"));
            std::fs::write(folder.path().join(format!("probes/sync{number}.toml")), another).unwrap();
        }
        let file = folder.path().join("config/serinus.toml");
        let asked = AtomicUsize::new(0);
        let count = |most: usize| move |asked: &AtomicUsize| asked.fetch_add(1, Ordering::Relaxed) >= most;
        assert!(load_cancellable(&file, environment(&[]), &|| count(usize::MAX)(&asked)).unwrap().service.is_some());
        let all = asked.swap(0, Ordering::Relaxed);
        assert!(all > 50, "it is asked before each file: {all}");
        assert!(load_cancellable(&file, environment(&[]), &|| count(60)(&asked)).is_none());
        // Each thread notices by itself.
        assert!(asked.into_inner() < 60 + 64);
    }

    #[test]
    fn a_pipe_is_read_where_a_person_names_it_and_is_not_waited_for_later() {
        let folder = folder();
        let pipe = folder.path().join("config/pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let loaded = load_cancellable(&pipe, environment(&[]), &|| false).unwrap();
        assert!(loaded.diagnostics.render(false).contains("is no file"), "{}", loaded.diagnostics.render(false));
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, SERVICE)
        });
        assert!(load(&pipe, environment(&[])).service.is_some());
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn the_example_of_the_design_becomes_a_plan_without_a_warning() {
        let folder = folder();
        let plan = service(loaded(&folder, &[])).plan;
        assert_eq!(plan.canaries.len(), 2 * 6);
        assert!(plan.canaries.is_sorted_by_key(|canary| canary.id.clone()));
        assert_eq!(plan.canaries[0].id.as_str(), "playlist-sync/eu/platform=desktop,tracks=10");
        let probe = &plan.probes[0];
        assert_eq!(probe.devices.keys().map(|name| &**name).collect::<Vec<_>>(), ["default", "phone", "tablet"]);
        let [sign_in, create, _, both, _] = probe.steps.as_slice() else { panic!("{}", probe.steps.len()) };
        assert!(matches!(&sign_in.looping, Some(Loop::ForEach { name, .. }) if &**name == "device"));
        assert_eq!(&*create.cleanup[0].name, "create cleanup");
        assert!(matches!(&create.action, Action::Http(http) if matches!(http.body, Body::Json(_)) && http.method == "POST"));
        assert!(matches!(&both.action, Action::Parallel(steps) if steps.len() == 2));
        let read = &probe.steps[2].expect[0];
        assert!(read.location().to_string().ends_with("probes/sync.toml:45:15"), "{}", read.location());
    }

    #[test]
    fn a_constant_variable_keeps_its_type() {
        let folder = folder();
        let plan = service(loaded(&folder, &[])).plan;
        let value = plan.probes[0].vars[1].1.value(&minijinja::Value::UNDEFINED).unwrap();
        assert_eq!(value, minijinja::Value::from(3));
    }

    #[test]
    fn what_the_operator_wrote_may_bring_slashes_into_a_url_and_what_a_target_answered_may_not() {
        let folder = folder();
        let based = PLAYLIST
            .replace("count = 3", "path = \"v1/playlists\"")
            .replace("{{ api }}/v1/playlists/{{", "{{ api }}/{{ path }}/{{");
        std::fs::write(folder.path().join("probes/sync.toml"), based).unwrap();
        let plan = service(loaded(&folder, &[])).plan;
        let Action::Http(read) = &plan.probes[0].steps[2].action else { panic!("the step is a request") };
        let url = |playlist: &str| {
            let scope = minijinja::context! { api => "http://eu.example.com", path => "v1/playlists", playlist };
            read.url.render(&scope, crate::plan::expr::Destination::Url)
        };
        assert_eq!(url("7").as_deref(), Ok("http://eu.example.com/v1/playlists/7"));
        assert!(url("7/../8").is_err());
    }

    #[test]
    fn environment_variables_override_single_settings() {
        let folder = folder();
        let overridden = service(loaded(
            &folder,
            &[
                ("SERINUS_REGION", "us-east"),
                ("SERINUS_REGIONS__US_EAST__VARS__API", "http://other.example.com"),
                ("SERINUS_LISTEN__ADDRESS", "127.0.0.1:1"),
                ("SERINUS_LIMITS__CONCURRENT_RUNS", "7"),
                ("SERINUS_HTTP__COOKIES", "false"),
                ("SERINUS_LOG_FORMAT", "json"),
            ],
        ));
        assert_eq!(overridden.plan.regions.len(), 1);
        let elsewhere = overridden.plan.probes.iter().map(|probe| probe.elsewhere.len() + 1);
        assert!(elsewhere.eq(overridden.plan.probes.iter().map(|_| overridden.plan.known_regions.len())));
        let api = &overridden.plan.regions[0].vars[0].1;
        assert_eq!(api.as_str(), Some("http://other.example.com"));
        assert_eq!(overridden.plan.limits.concurrent_runs, 7);
        assert_eq!(overridden.listen.address.port(), 1);
        assert!(!overridden.plan.probes[0].devices["phone"].settings.cookies);
        assert_eq!(overridden.plan.canaries.len(), 6);
    }

    #[test]
    fn a_list_in_the_environment_is_separated_by_commas() {
        let variables = [("SERINUS_REGIONS", "eu, us"), ("SERINUS_VARS__API", "http://localhost")];
        let folder = folder();
        let probe = folder.path().join("probes/sync.toml");
        let with_secret = [("SERINUS_SECRETS__CANARY_PASSWORD__ENV", "PASSWORD")];
        let all: Vec<(&str, &str)> = variables.into_iter().chain(with_secret).collect();
        let plan = service(load_probes(&[probe], None, environment(&all))).plan;
        assert_eq!(plan.regions.iter().map(|region| &*region.name).collect::<Vec<_>>(), ["eu", "us"]);
        let secrets = read_secrets(&plan.secrets, |name| (name == "PASSWORD").then(|| "hunter2".to_owned()));
        assert_eq!(secrets.get("canary_password").unwrap().as_ref().unwrap().expose(), "hunter2");
    }

    #[test]
    fn a_disabled_probe_is_not_scheduled_and_can_be_tested() {
        let folder = folder();
        let path = folder.path().join("probes/sync.toml");
        std::fs::write(&path, PLAYLIST.replace("[matrix]", "enabled = false\n[matrix]")).unwrap();
        assert!(service(loaded(&folder, &[])).plan.canaries.is_empty());
        let config = folder.path().join("config/serinus.toml");
        let tested = load_probes(&[folder.path().join("probes")], Some(&config), environment(&[]));
        assert_eq!(service(tested).plan.canaries.len(), 12);
    }

    #[test]
    fn devices_that_are_configured_alike_share_their_settings() {
        let folder = folder();
        let plan = service(loaded(&folder, &[])).plan;
        let devices = &plan.probes[0].devices;
        assert!(Arc::ptr_eq(&devices["phone"].settings, &devices["tablet"].settings));
    }

    #[test]
    fn problems_of_all_files_are_found_at_once_in_their_order() {
        let folder = folder();
        let second =
            PLAYLIST.replace("deadline = \"20s\"", "deadlin = \"20s\"").replace("playlist-sync\"\nsummary", "b\"\nsummary");
        std::fs::write(folder.path().join("probes/b.toml"), second).unwrap();
        std::fs::write(folder.path().join("probes/c.toml"), "name = ").unwrap();
        let found = loaded(&folder, &[("SERINUS_X", "")]);
        let codes: Vec<Code> = found.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(codes, [Code::UnknownKey, Code::Syntax, Code::UnknownVariable]);
        assert_eq!(found.files.len(), 4);
        let json = found.diagnostics.to_json();
        assert_eq!((&json[0]["line"], &json[0]["column"], &json[0]["end_column"]), (&7.into(), &1.into(), &8.into()));
        assert!(!found.diagnostics.render(false).contains('\u{1b}'));
        assert!(found.diagnostics.render(true).contains('\u{1b}'));
    }

    #[test]
    fn a_runbook_beside_the_probe_is_read_with_it_and_watched() {
        let folder = folder();
        let url = "\"https://runbooks.example.com/playlist-sync\"";
        std::fs::write(folder.path().join("probes/sync.toml"), PLAYLIST.replace(url, "\"books/sync.md\"")).unwrap();
        let first = |found: &Loaded| found.diagnostics.iter().next().map(|found| (found.code, found.message.clone())).unwrap();
        let book = folder.path().join("probes/books/sync.md");
        let missing = loaded(&folder, &[]);
        assert_eq!(first(&missing).0, Code::Unreadable, "{:?}", first(&missing));
        assert!(missing.files.contains(&book), "it may come: {:?}", missing.files);
        std::fs::create_dir(book.parent().unwrap()).unwrap();
        std::fs::write(&book, "x".repeat(256 << 10)).unwrap();
        let probe = Arc::clone(&service(loaded(&folder, &[])).plan.probes[0]);
        let Some(Runbook::File { name, text }) = &probe.runbook else { panic!("{:?}", probe.runbook) };
        assert_eq!((name.as_str(), text.len()), ("books/sync.md", 256 << 10));
        assert_eq!(probe.runbook.as_ref().and_then(Runbook::url), None);
        std::fs::write(&book, "x".repeat((256 << 10) + 1)).unwrap();
        let large = loaded(&folder, &[]);
        assert_eq!(first(&large).0, Code::TooLarge);
        assert!(first(&large).1.ends_with("books/sync.md is larger than 256 KiB"), "{:?}", first(&large));
        std::fs::write(&book, b"\xff").unwrap();
        assert!(first(&loaded(&folder, &[])).1.ends_with("it is not UTF-8"));
    }

    #[test]
    fn a_file_that_is_not_there_names_its_neighbour() {
        let folder = folder();
        let found = load_probes(&[folder.path().join("probes/snyc.toml")], None, environment(&[]));
        let help = found.diagnostics.iter().next().and_then(|diagnostic| diagnostic.help.clone()).unwrap();
        assert!(help.contains("probes/sync.toml"), "{help}");
    }

    #[test]
    fn the_schemas_accept_what_loads_and_refuse_what_does_not() {
        let json = |text: &str| toml::from_str::<serde_json::Value>(text).unwrap();
        let probe = jsonschema::draft7::new(&crate::config::probe_schema()).unwrap();
        let service = jsonschema::draft7::new(&crate::config::config_schema()).unwrap();
        assert!(probe.is_valid(&json(PLAYLIST)));
        assert!(service.is_valid(&json(SERVICE)));
        assert!(!probe.is_valid(&json(&PLAYLIST.replace("deadline", "deadlin"))));
        assert!(!probe.is_valid(&json(&PLAYLIST.replace("http.get   =", "http.put = \"x\"\nhttp.get ="))));
        assert!(!service.is_valid(&json(&SERVICE.replace("env =", "evn ="))));
    }

    #[test]
    fn what_is_shipped_loads_without_a_warning() {
        let plan = service(load(Path::new("config/serinus.toml"), [("CANARY_PASSWORD".to_owned(), "canary".to_owned())])).plan;
        assert!(!plan.probes.is_empty());
    }
}
