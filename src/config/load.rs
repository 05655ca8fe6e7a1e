//! From paths to a service: reads the files, on several threads where there are many, and puts the plan together.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::plan::{Canary, CanaryId, Plan, Service};
use crate::source::{SourceFile, Span};

use super::environment::Overrides;
use super::nearest::nearest;
use super::probe::{self, Claim, Draft};
use super::service::{self, Settings};
use super::tree::{self, Node, Spot, Table};
use super::world::World;
use super::{Code, Diagnostic, Diagnostics};

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The service; absent if there are errors.
    pub service: Option<Service>,
    /// Every problem of every file, in the order of files and lines.
    pub diagnostics: Diagnostics,
    /// Every configuration file that was read or tried: a change of any of them is a reason to load again.
    pub files: Vec<PathBuf>,
}

/// Loads a service's file and the probes it names. `environment` overrides single settings (`SERINUS_…`) and tells which
/// secrets are there.
pub fn load(config: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Loaded {
    load_all(Some(config), None, environment.into_iter().collect())
}

/// Loads these probe files (or all `.toml` files below these folders) instead of those that the service names, disabled ones
/// included. Without a service's file its defaults hold: no variables, and one region, `local`.
pub fn load_probes(probes: &[PathBuf], config: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Loaded {
    load_all(config, Some(probes), environment.into_iter().collect())
}

fn load_all(config: Option<&Path>, probes: Option<&[PathBuf]>, environment: Vec<(String, String)>) -> Loaded {
    let mut diagnostics = Diagnostics::default();
    let mut files: Vec<PathBuf> = config.into_iter().map(Path::to_owned).collect();
    let overrides = Overrides::new(&environment);
    let file = match config.map(|path| source(path)) {
        Some(Ok(file)) => Arc::new(file),
        Some(Err(diagnostic)) => {
            diagnostics.push(*diagnostic);
            return Loaded { service: None, diagnostics, files };
        }
        None => Arc::new(SourceFile::new("", "")),
    };
    let Some(mut table) = tree::parse(&file, &mut diagnostics) else {
        diagnostics.sort();
        return Loaded { service: None, diagnostics, files };
    };
    overrides.apply(&mut table, &mut diagnostics);
    let top = Spot { file: &file, span: probe::first_line(file.text()) };
    let has_variable = |name: &str| environment.iter().any(|(known, _)| known == name);
    let settings = service::read(&table, top, &has_variable, &mut diagnostics);
    let paths = match probes {
        Some(paths) => given(paths, &mut diagnostics),
        None => matched(&table, &mut diagnostics),
    };
    let drafts = read_probes(&paths, &settings.world, &mut diagnostics);
    files.extend(paths);
    diagnostics.sort();
    let drafts = drafts.into_iter().filter(|draft| draft.enabled || probes.is_some()).collect();
    let service = (!diagnostics.has_errors()).then(|| assemble(settings, drafts));
    Loaded { service, diagnostics, files }
}

fn source(path: &Path) -> Result<SourceFile, Box<Diagnostic>> {
    let unreadable = |why: String, help: &str| {
        Box::new(Diagnostic::nowhere(Code::Unreadable, format!("cannot read {}: {why}", path.display())).help(help))
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string(), "check the path and its permissions"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        unreadable(format!("byte {at} is not UTF-8"), "TOML files are UTF-8; save it in that encoding")
    })?;
    Ok(SourceFile::new(path, text))
}

/// The files given by a person: files as they are, folders with everything below them.
fn given(paths: &[PathBuf], diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let below = glob_files(&format!("{}/**/*.toml", glob::Pattern::escape(&path.to_string_lossy())));
        if below.is_empty() {
            let message = format!("there is no probe file below {}", path.display());
            diagnostics.push(Diagnostic::nowhere(Code::NoProbes, message).help("probe files end in .toml"));
        }
        found.extend(below);
    }
    unique(found)
}

/// The files that the patterns of `probes` match.
fn matched(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for node in table.list("probes") {
        let Some(pattern) = pattern(node) else { continue };
        let files = glob_files(&pattern);
        if files.is_empty() {
            diagnostics.push(
                Diagnostic::at(Code::NoProbes, node.spot, "no file matches this pattern")
                    .label(format!("looked for {pattern}"))
                    .help("patterns are relative to this file; `*` is any name, `**` any folders"),
            );
        }
        found.extend(files);
    }
    unique(found)
}

fn pattern(node: &Node<'_>) -> Option<String> {
    let folder = node.spot.file.path().parent().unwrap_or(Path::new(""));
    let whole = Path::new(&glob::Pattern::escape(&folder.to_string_lossy())).join(node.as_text()?);
    Some(without_detours(&whole).to_string_lossy().into_owned())
}

/// `config/../probes/*.toml` as `probes/*.toml`, as people would write it. Where `config` is a link that would be another
/// folder, and the path stays as it is.
fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for component in path.components() {
        let above = matches!(short.components().next_back(), Some(Component::Normal(_)));
        match component {
            Component::ParentDir if above && !short.is_symlink() => {
                short.pop();
            }
            Component::CurDir => {}
            Component::ParentDir if above => return path.to_owned(),
            other => short.push(other),
        }
    }
    short
}

fn glob_files(pattern: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = glob::glob(pattern).into_iter().flatten().flatten().filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn unique(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    paths.into_iter().filter(|path| seen.insert(path.clone())).collect()
}

/// What came of one file.
type Read = (Option<Claim>, Option<Draft>, Diagnostics);

fn read_probes(paths: &[PathBuf], world: &World, diagnostics: &mut Diagnostics) -> Vec<Draft> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(paths.len() / 16 + 1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done: Vec<(usize, Read)> = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return done };
            done.push((at, read_probe(path, world)));
        }
    };
    let mut done: Vec<(usize, Read)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for worker in workers {
            match worker.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(at, _)| *at);
    let mut names: HashMap<String, (Arc<SourceFile>, Span)> = HashMap::new();
    let mut drafts = Vec::new();
    for (_, (claim, draft, found)) in done {
        diagnostics.append(found);
        drafts.extend(draft);
        let Some(claim) = claim else { continue };
        let spot = Spot { file: &claim.file, span: claim.span };
        if let Some((file, span)) = names.get(&claim.name) {
            diagnostics.push(
                Diagnostic::at(Code::DuplicateProbe, spot, format!("there is a probe `{}` already", claim.name))
                    .related(Spot { file, span: *span }, "the first is here")
                    .help("results are kept by name: give each probe its own"),
            );
        } else {
            names.insert(claim.name, (claim.file, claim.span));
        }
    }
    drafts
}

fn read_probe(path: &Path, world: &World) -> Read {
    let mut diagnostics = Diagnostics::default();
    match source(path) {
        Ok(file) => {
            let (claim, draft) = probe::read(&Arc::new(file), world, &mut diagnostics);
            (claim, draft, diagnostics)
        }
        Err(diagnostic) => {
            let mut diagnostic = *diagnostic;
            if let Some(near) = neighbour(path) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
            (None, None, diagnostics)
        }
    }
}

/// A file beside one that is not there, with a name like it.
fn neighbour(path: &Path) -> Option<String> {
    if path.exists() {
        return None;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

fn assemble(settings: Settings, drafts: Vec<Draft>) -> Service {
    let Settings { world, listen, traces, log_format } = settings;
    let mut canaries = Vec::new();
    for draft in &drafts {
        for region in &draft.regions {
            for cell in &draft.probe.cells {
                canaries.push(Arc::new(Canary {
                    id: CanaryId::new(&draft.probe.name, &region.name, cell),
                    probe: Arc::clone(&draft.probe),
                    region: Arc::clone(region),
                    cell: Arc::clone(cell),
                }));
            }
        }
    }
    canaries.sort_by(|one, other| one.id.cmp(&other.id));
    let regions = world.regions.into_iter().filter(|region| world.active.contains(&region.name)).collect();
    let probes = drafts.into_iter().map(|draft| draft.probe).collect();
    let plan = Plan { regions, probes, canaries, secrets: world.secrets, limits: world.limits };
    Service { plan: Arc::new(plan), listen, traces, log_format }
}
