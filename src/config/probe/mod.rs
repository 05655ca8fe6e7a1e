//! One probe file into a probe.
//!
//! [`read`] goes through the file once, in the order in which a run will: matrix, vars, devices, steps. Everything that is said
//! about a key beyond its type is checked where it is read.

mod dns;
mod exec;
mod files;
mod matrix;
mod request;
mod slo;
mod step;
mod tcp;

pub(super) use exec::lint as lint_exec;
pub(super) use files::{Work, read_all};
pub(super) use request::constant;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::outcome::visible;
use crate::plan::{AlertPolicy, Cadence, Canary, CanaryId, Cell, Device, Maintenance, Probe, Region, Template};
use crate::source::{SourceFile, Span};

use super::cross::Claim;
use super::diagnostic::suggestion;
use super::keys::{self, ProbeKeys};
use super::scope::{Declared, MOST_NAMES, Scope, VARIABLE, When};
use super::section::{Declared as _, Field, Item, Named};
use super::tree::{Data, Entry, Node, Spot, Table};
use super::world::{World, has};
use super::{Code, Diagnostic, Diagnostics, alert, chance, check, device, lint, maintenance, parse, redact};

/// A probe as its file says it, before it is one of many.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) probe: Arc<Probe>,
    /// It in each of its regions that this process runs, for each cell, ordered by id.
    pub(super) canaries: Vec<Arc<Canary>>,
    pub(super) enabled: bool,
}

/// Reads a probe file. There is a draft only if the file has no errors.
fn read(file: &Arc<SourceFile>, world: &World, diagnostics: &mut Diagnostics) -> (Option<Claim>, Option<Draft>) {
    let mut found = Diagnostics::default();
    let (claim, draft) = match parse::parse(file, &mut found) {
        Some(table) => read_table(file, &table, world, &mut found),
        None => (None, None),
    };
    let draft = draft.filter(|_| !found.has_errors());
    diagnostics.append(found);
    (claim, draft)
}

fn read_table<'f>(
    file: &'f Arc<SourceFile>,
    table: &'f Table<'f>,
    world: &World,
    diagnostics: &mut Diagnostics,
) -> (Option<Claim>, Option<Draft>) {
    let keys = keys::Probe::keys(table);
    let top = keys.name.spot().unwrap_or_else(|| Spot { file, span: first_line(file.text()) });
    check::document(table, keys::Probe::SECTION, top, diagnostics);

    let regions = regions(&keys, world, diagnostics);
    let is_active = |region: &&Arc<Region>| world.active.contains(&region.name);
    let seen = (world.regions.len() > 1).then(|| regions.iter().filter(is_active).count());
    let alert = alert::of_probe(&world.alert, &keys, seen, diagnostics);
    lint::probe(table, &keys, top, alert.page, diagnostics);
    let needs = needs(&keys, diagnostics);
    let claim = claim(file, &keys, &alert, &regions, needs);
    let probe = probe(&keys, (world, &regions), alert, top, diagnostics);
    let draft = probe.map(|probe| {
        let probe = Arc::new(probe);
        let canaries = canaries(&probe, regions.iter().filter(is_active));
        // How often something pages that cannot be is not to be reckoned.
        if !diagnostics.has_errors() {
            chance::lint(&keys, &probe, canaries.len(), diagnostics);
        }
        Draft { probe, canaries, enabled: *keys.enabled }
    });
    (claim, draft)
}

/// The probe; nothing if it lacks what no probe can be without.
fn probe<'f>(
    keys: &ProbeKeys<'f>,
    (world, regions): (&World, &[Arc<Region>]),
    alert: AlertPolicy,
    top: Spot<'f>,
    diagnostics: &mut Diagnostics,
) -> Option<Probe> {
    let cadence = cadence(keys, world, diagnostics);
    let mut scope = Scope::new(world, diagnostics);
    let cells = matrix::cells(keys.matrix.items(), &mut scope);
    let vars = vars(keys.vars.items(), &mut scope);
    let devices = devices(keys, world, &mut scope);
    let steps = step::steps(keys.step.items(), &devices, world, &mut scope);
    let used = std::mem::take(&mut scope.used);
    for (name, spot) in used {
        diagnostics.append(var_of_regions(&name, spot, regions));
    }
    let slo = slo::read(keys, diagnostics);
    let maintenance = maintenance::read(&keys.maintenance, world.now, diagnostics);
    let redact = redact::read(world.redact.as_ref(), &keys.redact, diagnostics);
    let name: Arc<str> = keys.name.value?.into();
    // Its own windows are for no other probe.
    let own = |window| Arc::new(Maintenance { probes: vec![Arc::clone(&name)], ..window });
    Some(Probe {
        summary: shown(&keys.summary),
        owner: shown(&keys.owner),
        runbook: keys.runbook.as_ref().map(|url| url.text.to_owned()),
        tags: keys.tags.iter().map(|tag| tag.value.to_owned()).collect(),
        cadence: cadence?,
        runs: keys.runs.get(),
        confirm: *keys.confirm,
        overlap: *keys.overlap,
        deadline: keys.deadline.value?,
        cells,
        vars,
        devices,
        steps,
        unjournalled: *keys.cleanup.unjournalled,
        slo,
        alert,
        needs: unique(keys.needs.iter().map(|probe| probe.value)),
        maintenance: maintenance.into_iter().map(own).collect(),
        redact,
        location: top.location(),
        name,
    })
}

fn unique<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Arc<str>> {
    let mut known = HashSet::new();
    names.filter(|name| known.insert(*name)).map(Arc::from).collect()
}

/// A text for people, without what steers a terminal.
fn shown(text: &Field<'_, Option<&str>>) -> Option<String> {
    text.map(|text| visible(text).into_owned())
}

/// What others depend on; nothing of a file without a name.
fn claim(
    file: &Arc<SourceFile>,
    keys: &ProbeKeys<'_>,
    alert: &AlertPolicy,
    regions: &[Arc<Region>],
    needs: Vec<(String, Span)>,
) -> Option<Claim> {
    let name = keys.name.node()?;
    let remind = keys.alert.as_ref().and_then(|alert| alert.remind.node()).filter(|node| node.as_text().is_some());
    Some(Claim {
        name: name.as_text()?.to_owned(),
        file: Arc::clone(file),
        span: name.spot.span,
        owner: shown(&keys.owner),
        tags: keys.tags.iter().map(|tag| tag.value.to_owned()).collect(),
        regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        needs,
        pages: *keys.enabled && alert.page,
        remind: remind.map(|node| node.spot.span),
    })
}

/// The probes it needs, and where it says so.
fn needs(keys: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
    let mut needs: Vec<(String, Span)> = Vec::new();
    let mut known = HashSet::new();
    for Item { value: name, node } in keys.needs.iter() {
        if known.insert(*name) {
            needs.push(((*name).to_owned(), node.spot.span));
        } else {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, node.spot, format!("the probe `{name}` is listed twice"))
                    .help("take one of them out"),
            );
        }
    }
    needs
}

fn canaries<'r>(probe: &Arc<Probe>, regions: impl Iterator<Item = &'r Arc<Region>>) -> Vec<Arc<Canary>> {
    let places = regions.flat_map(|region| probe.cells.iter().map(move |cell| (region, cell)));
    let canary = |(region, cell): (&Arc<Region>, &Arc<Cell>)| Canary {
        id: CanaryId::new(&probe.name, &region.name, cell),
        probe: Arc::clone(probe),
        region: Arc::clone(region),
        cell: Arc::clone(cell),
    };
    let mut canaries: Vec<Arc<Canary>> = places.map(canary).map(Arc::new).collect();
    canaries.sort_by(|one, other| one.id.cmp(&other.id));
    canaries
}

/// What to point at in a file without a name.
pub(super) fn first_line(text: &str) -> Span {
    (0..text.find('\n').unwrap_or(text.len())).into()
}

fn regions(keys: &ProbeKeys<'_>, world: &World, diagnostics: &mut Diagnostics) -> Vec<Arc<Region>> {
    let Some(node) = keys.regions.node() else { return world.regions.clone() };
    if node.is_empty_list() {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "the probe runs nowhere")
                .help("name a region, or leave `regions` out: it then runs in all of them; `enabled = false` pauses it"),
        );
    }
    let mut found: Vec<Arc<Region>> = Vec::new();
    for Item { value: name, node } in keys.regions.items() {
        if diagnostics.hopeless() {
            break;
        }
        match world.regions.iter().find(|region| &*region.name == *name) {
            Some(region) if found.iter().any(|known| known.name == region.name) => {
                diagnostics.push(
                    Diagnostic::at(Code::Repeated, node.spot, format!("the region `{name}` is listed twice"))
                        .help("take one of them out"),
                );
            }
            Some(region) => found.push(Arc::clone(region)),
            None => diagnostics.push(
                Diagnostic::at(Code::UnknownRegion, node.spot, format!("there is no region `{name}`"))
                    .maybe_help(suggestion(name, world.regions.iter().map(|region| &*region.name))),
            ),
        }
    }
    found
}

/// When it is due; nothing if neither key says so.
fn cadence(keys: &ProbeKeys<'_>, world: &World, diagnostics: &mut Diagnostics) -> Option<Cadence> {
    let (cadence, pause, written, longer) = if let Some(cron) = keys.cron.value.clone() {
        let cadence = Cadence::cron(cron, *keys.timezone);
        let pause = cadence.pauses().0;
        (cadence, pause, keys.cron.spot(), "let its moments be farther apart")
    } else {
        let every = keys.every.value?;
        (Cadence::Every(every), every, keys.every.spot(), "make `every` longer or `runs` fewer")
    };
    // The shortest pause between two ticks of a slot. One that is zero is that of a cron expression with one moment at most.
    let slot = pause / written_runs(keys);
    let shortest = world.limits.min_interval;
    if let Some(written) = written.filter(|_| !pause.is_zero() && slot < shortest) {
        let [slot, shortest] = [slot, shortest].map(humantime::format_duration);
        diagnostics.push(
            Diagnostic::at(Code::ShortInterval, written, format!("a run every {slot} is more often than this service allows"))
                .help(format!("`limits.min_interval` is {shortest}; {longer}")),
        );
    }
    Some(cadence)
}

/// Runs per interval, also more of them than there may be: how often that would be shows what is wrong with the number.
fn written_runs(keys: &ProbeKeys<'_>) -> u32 {
    match keys.runs.node().map(|node| &node.data) {
        Some(Data::Integer(runs)) => u32::try_from(*runs).map_or(1, |runs| runs.max(1)),
        _ => keys.runs.get(),
    }
}

fn vars<'f>(written: &[Named<'f, Option<&'f Node<'f>>>], scope: &mut Scope<'_, 'f>) -> Vec<(Arc<str>, Template)> {
    let mut vars = Vec::new();
    let further_down = |var: &Named<'f, _>| Declared { name: var.name().to_owned(), spot: var.entry.key_spot, what: VARIABLE };
    scope.later.extend(written.iter().map(further_down));
    for Named { entry, .. } in written.iter().take(MOST_NAMES + 1) {
        let template = var(entry, scope);
        if template.names().iter().all(|name| scope.is_trusted(name)) {
            scope.trusted.push(entry.key.to_string());
        }
        if template.is_private() {
            scope.private.push(entry.key.to_string());
        }
        vars.push((entry.key.as_ref().into(), template));
        scope.declare(&entry.key, entry.key_spot, VARIABLE);
    }
    vars
}

/// A variable's template. What is not a string is written as an expression, which keeps its type.
fn var<'f>(entry: &Entry<'f>, scope: &mut Scope<'_, 'f>) -> Template {
    if let Data::Text(_) = entry.value.data {
        return scope.template(&entry.value, When::Before);
    }
    let constant = constant(&entry.value, scope.diagnostics);
    let source = format!("{{{{ {constant} }}}}");
    Template::parse(&source, entry.value.spot.location()).unwrap_or_else(|error| {
        scope.diagnostics.push(Diagnostic::at(Code::ExpressionSyntax, entry.value.spot, error.message));
        Template::parse("", entry.value.spot.location()).expect("an empty text is a template")
    })
}

fn devices<'f>(keys: &ProbeKeys<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> BTreeMap<Arc<str>, Device> {
    let mut devices = BTreeMap::new();
    for written in keys.devices.items() {
        let settings = world.shared(device::settings(&world.device, &written.value, scope.diagnostics));
        let headers = device::headers(&world.headers, written.value.headers.entries(), scope);
        devices.insert(written.name().into(), Device { settings, headers });
    }
    devices
        .entry("default".into())
        .or_insert_with(|| Device { settings: world.shared(world.device.clone()), headers: world.headers.clone() });
    devices
}

/// A variable that some of the probe's regions lack.
pub(super) fn var_of_regions(name: &str, spot: Spot<'_>, regions: &[Arc<Region>]) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let lacking: Vec<&str> = regions.iter().filter(|region| !has(region, name)).map(|region| &*region.name).collect();
    if !lacking.is_empty() {
        let message = format!("the variable `{name}` is missing in {}", super::diagnostic::list(&lacking));
        diagnostics.push(
            Diagnostic::at(Code::VarOfRegion, spot, message)
                .help("give it in `[vars]` of the service or in `[regions.NAME.vars]`, or leave the region out of `regions`"),
        );
    }
    diagnostics
}
