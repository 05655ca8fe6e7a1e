//! One probe file into a probe.
//!
//! [`read`] goes through the file once, in the order in which a run will: matrix, vars, devices, steps. Everything that is said
//! about a key beyond its type is checked where it is read.

mod exec;
mod looping;
mod matrix;
mod request;
mod slo;
mod step;

pub(super) use exec::lint as lint_exec;
pub(super) use request::constant;
pub(super) use step::{CONSISTENT_POLL, POLL};

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::visible;
use crate::plan::{Cadence, Canary, CanaryId, Cell, Device, Maintenance, Overlap, Probe, Region, Template, Unjournalled};
use crate::source::{SourceFile, Span};

use super::cross::Claim;
use super::keys::PROBE;
use super::nearest::suggestion;
use super::scope::{Declared, MOST_NAMES, Scope, VARIABLE, When};
use super::tree::{self, Data, Entry, Spot, Table};
use super::world::{World, has};
use super::{Code, Diagnostic, Diagnostics, alert, chance, check, cron, device, lint, maintenance, redact, value};

/// A probe as its file says it, before it is one of many.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) probe: Arc<Probe>,
    /// It in each of its regions that this process runs, for each cell, ordered by id.
    pub(super) canaries: Vec<Arc<Canary>>,
    pub(super) enabled: bool,
}

/// Reads a probe file. There is a draft only if the file has no errors.
pub(super) fn read(file: &Arc<SourceFile>, world: &World, diagnostics: &mut Diagnostics) -> (Option<Claim>, Option<Draft>) {
    let mut found = Diagnostics::default();
    let read = read_table(file, world, &mut found);
    let sound = !found.has_errors();
    diagnostics.append(found);
    match read {
        Some((claim, draft)) => (claim, sound.then_some(draft)),
        None => (None, None),
    }
}

fn read_table(file: &Arc<SourceFile>, world: &World, diagnostics: &mut Diagnostics) -> Option<(Option<Claim>, Draft)> {
    let table = tree::parse(file, diagnostics)?;
    let name = table.get("name");
    let top = Spot { file, span: name.map_or_else(|| first_line(file.text()), |name| name.spot.span) };
    check::document(&table, &PROBE, top, diagnostics);

    let regions = regions(&table, world, diagnostics);
    let is_active = |region: &&Arc<Region>| world.active.contains(&region.name);
    let seen = (world.regions.len() > 1).then(|| regions.iter().filter(is_active).count());
    let alert = alert::of_probe(&world.alert, &table, seen, diagnostics);
    lint::probe(&table, top, alert.page, diagnostics);
    let cadence = cadence(&table, world, diagnostics);
    let mut scope = Scope::new(world, diagnostics);
    let cells = matrix::cells(&table, &mut scope);
    let vars = vars(&table, &mut scope);
    let devices = devices(&table, world, &mut scope);
    let steps = step::steps(&table, &devices, world, &mut scope);
    let used = std::mem::take(&mut scope.used);
    for (name, spot) in used {
        diagnostics.append(var_of_regions(&name, spot, &regions));
    }
    let slo = slo::read(&table, diagnostics);
    let needs = needs(&table, diagnostics);
    let shown = |key: &str| table.text(key).map(|text| visible(text).into_owned());
    let probe = Probe {
        name: table.text("name").unwrap_or_default().into(),
        summary: shown("summary"),
        owner: shown("owner"),
        runbook: table.owned("runbook"),
        tags: table.list("tags").iter().filter_map(|tag| tag.as_text().map(str::to_owned)).collect(),
        cadence,
        runs: table.count("runs").unwrap_or(1),
        confirm: table.duration("confirm"),
        overlap: if table.text("overlap") == Some("allow") { Overlap::Allow } else { Overlap::Skip },
        deadline: table.duration("deadline").unwrap_or_default(),
        cells,
        vars,
        devices,
        steps,
        unjournalled: unjournalled(&table),
        slo,
        alert,
        needs: needs.iter().map(|(name, _)| name.as_str().into()).collect(),
        maintenance: windows(&table, world, diagnostics),
        redact: redact::read(world.redact.as_ref(), &table, diagnostics),
        location: top.location(),
    };
    let enabled = table.bool("enabled").unwrap_or(true);
    let claim = name.filter(|node| node.as_text().is_some()).map(|node| Claim {
        name: probe.name.to_string(),
        file: Arc::clone(file),
        span: node.spot.span,
        owner: probe.owner.clone(),
        tags: probe.tags.clone(),
        regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        needs,
        pages: enabled && probe.alert.page,
        remind: table
            .table("alert")
            .and_then(|alert| alert.get("remind"))
            .filter(|node| node.as_text().is_some())
            .map(|node| node.spot.span),
    });
    let probe = Arc::new(probe);
    let canaries = canaries(&probe, regions.iter().filter(is_active));
    // How often something pages that cannot be is not to be reckoned.
    if !diagnostics.has_errors() {
        chance::lint(&table, &probe, canaries.len(), diagnostics);
    }
    Some((claim, Draft { probe, canaries, enabled }))
}

fn unjournalled(table: &Table<'_>) -> Unjournalled {
    match table.table("cleanup").and_then(|cleanup| cleanup.text("unjournalled")) {
        Some("allow") => Unjournalled::Allow,
        Some(_) | None => Unjournalled::Refuse,
    }
}

/// The probes it needs, and where it says so.
fn needs(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
    let mut needs: Vec<(String, Span)> = Vec::new();
    let mut known = HashSet::new();
    for node in table.list("needs") {
        let Some(name) = node.as_text() else { continue };
        if known.insert(name) {
            needs.push((name.to_owned(), node.spot.span));
        } else {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, node.spot, format!("the probe `{name}` is listed twice"))
                    .help("take one of them out"),
            );
        }
    }
    needs
}

/// Its own maintenance windows, which are for no other probe.
fn windows(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Vec<Arc<Maintenance>> {
    let name = || table.text("name").unwrap_or_default().into();
    let windows = maintenance::read(table, world.now, diagnostics).into_iter();
    windows.map(|window| Arc::new(Maintenance { probes: vec![name()], ..window })).collect()
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

fn regions(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Vec<Arc<Region>> {
    if table.get("regions").is_none() {
        return world.regions.clone();
    }
    if let Some(node) = table.get("regions").filter(|node| node.is_empty_list()) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "the probe runs nowhere")
                .help("name a region, or leave `regions` out: it then runs in all of them; `enabled = false` pauses it"),
        );
    }
    let mut found: Vec<Arc<Region>> = Vec::new();
    for node in table.list("regions") {
        let Some(name) = node.as_text().filter(|_| !diagnostics.hopeless()) else { continue };
        match world.regions.iter().find(|region| &*region.name == name) {
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

fn cadence(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Cadence {
    if let Some(Ok(cron)) = table.text("cron").map(cron::cron) {
        let timezone = table.text("timezone").and_then(|name| value::timezone(name).ok()).unwrap_or(chrono_tz::UTC);
        let cadence = Cadence::cron(cron, timezone);
        short_interval(table, "cron", cadence.pauses().0, world, diagnostics);
        return cadence;
    }
    let every = table.duration("every").unwrap_or_default();
    short_interval(table, "every", every, world, diagnostics);
    Cadence::Every(every)
}

/// Holds the shortest pause between two ticks of a slot against the service's bound. One that is zero is another error, or a cron
/// expression with one moment at most.
fn short_interval(table: &Table<'_>, key: &str, pause: Duration, world: &World, diagnostics: &mut Diagnostics) {
    let slot = pause / table.count("runs").unwrap_or(1).max(1);
    let shortest = world.limits.min_interval;
    if let Some(node) = table.get(key).filter(|_| !pause.is_zero() && slot < shortest) {
        let [slot, shortest] = [slot, shortest].map(humantime::format_duration);
        // A cron expression has no `runs`.
        let longer = if key == "cron" { "let its moments be farther apart" } else { "make `every` longer or `runs` fewer" };
        diagnostics.push(
            Diagnostic::at(Code::ShortInterval, node.spot, format!("a run every {slot} is more often than this service allows"))
                .help(format!("`limits.min_interval` is {shortest}; {longer}")),
        );
    }
}

fn vars<'f>(table: &Table<'f>, scope: &mut Scope<'_, 'f>) -> Vec<(Arc<str>, Template)> {
    let mut vars = Vec::new();
    let further_down = |entry: &Entry<'f>| Declared { name: entry.key.to_string(), spot: entry.key_spot, what: VARIABLE };
    scope.later.extend(table.entries_of("vars").iter().map(further_down));
    for entry in table.entries_of("vars").iter().take(MOST_NAMES + 1) {
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

fn devices<'f>(table: &Table<'f>, world: &World, scope: &mut Scope<'_, 'f>) -> BTreeMap<Arc<str>, Device> {
    let mut devices = BTreeMap::new();
    for entry in table.entries_of("devices") {
        let Some(inner) = entry.value.as_table() else { continue };
        let settings = world.shared(device::settings(&world.device, inner, scope.diagnostics));
        let headers = device::headers(&world.headers, inner, scope);
        devices.insert(entry.key.as_ref().into(), Device { settings, headers });
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
        let message = format!("the variable `{name}` is missing in {}", super::nearest::list(&lacking));
        diagnostics.push(
            Diagnostic::at(Code::VarOfRegion, spot, message)
                .help("give it in `[vars]` of the service or in `[regions.NAME.vars]`, or leave the region out of `regions`"),
        );
    }
    diagnostics
}
