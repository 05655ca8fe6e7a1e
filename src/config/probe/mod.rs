//! One probe file into a probe.
//!
//! [`read`] goes through the file once, in the order in which a run will: matrix, vars, devices, steps. Everything that is said
//! about a key beyond its type is checked where it is read.

mod base;
mod carry;
mod creation;
mod dns;
mod exec;
mod files;
mod matrix;
mod request;
mod slo;
mod step;
mod tcp;

pub(super) use files::{ProbeFiles, read_all};

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::outcome::{is_credential, visible};
use crate::plan::{
    Action, AlertPolicy, Cadence, Canary, CanaryId, Cell, Device, Maintenance, Probe, Region, Runbook, Step, Template, walk,
};
use crate::source::{SourceFile, Span};

use super::constant::constant;
use super::context::{ServiceContext, has};
use super::cross::ProbeMetadata;
use super::diagnostic::suggestion;
use super::keys::{self, ProbeKeys};
use super::mend::Mend;
use super::scope::{DeclaredName, MOST_NAMES, NameScope, Stage, VARIABLE};
use super::section::{DeclaredSection as _, Field, Item, Named};
use super::shared::{self, Spliced, Uses};
use super::tree::{Data, Node, SourceSpan, Table, TableEntry, first_line};
use super::value_kind::RunbookPlace;
use super::{
    Code, Diagnostic, Diagnostics, alert, allow, chance, check, device, lint, maintenance, parse, redact, step_defaults,
};

/// A probe read from its file, before it is combined with the others.
#[derive(Debug)]
pub(super) struct ParsedProbe {
    pub(super) probe: Arc<Probe>,
    /// One canary for each cell and each of its regions that this process runs, ordered by id.
    pub(super) canaries: Vec<Arc<Canary>>,
    pub(super) enabled: bool,
}

/// Reads a probe file. The probe is returned only if the file has no errors.
fn read(
    file: &Arc<SourceFile>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> (Option<ProbeMetadata>, Option<ParsedProbe>) {
    let mut found = Diagnostics::default();
    let (metadata, parsed) = match parse::parse(file, &mut found) {
        Some(table) => {
            let read = read_document(file, &table, context, &mut found);
            allow::read(&keys::Probe::keys(&table).allow, file, &mut found);
            allow::silence_all(&mut found);
            read
        }
        None => (None, None),
    };
    let parsed = parsed.filter(|_| !found.has_errors());
    found.unique();
    diagnostics.append(found);
    (metadata, parsed)
}

/// Checks what is written, and reads it with the steps that it takes from other files.
fn read_document<'f>(
    file: &'f Arc<SourceFile>,
    table: &'f Table<'f>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> (Option<ProbeMetadata>, Option<ParsedProbe>) {
    let top = SourceSpan { file, range: first_line(file.text()) };
    if shared::is_shared(table) {
        diagnostics.push(shared::no_probe(table, top));
        check::explained(table, keys::Library::SECTION, top, keys::of_steps_only, diagnostics);
        return (None, None);
    }
    let named = table.get("name").map_or(top, |name| name.span);
    check::explained(table, keys::Probe::SECTION, named, keys::of_steps_only, diagnostics);
    if !shared::uses_any(table) && table.entry("defaults").is_none() {
        return read_table(file, table, &Uses::default(), context, diagnostics);
    }
    let files = shared::gather(file, table, context, diagnostics);
    let tables: Vec<Option<Table<'_>>> = files.iter().map(|each| each.parsed(diagnostics)).collect();
    let mut found = Diagnostics::default();
    let Spliced { mut table, uses, lacks_steps } = shared::splice(table, &files, &tables, context, &mut found);
    step_defaults::apply(&mut table);
    let read = read_table(file, &table, &uses, context, &mut found);
    if lacks_steps {
        for code in BECAUSE_OF_MISSING_STEPS {
            found.remove_all(code);
        }
    }
    diagnostics.append(std::mem::take(&mut found));
    *diagnostics = uses.note(std::mem::take(diagnostics));
    read
}

/// What is said of a probe whose steps are not all there, and may be right.
const BECAUSE_OF_MISSING_STEPS: [Code; 5] =
    [Code::UnknownName, Code::UnknownStep, Code::ExpectsNothing, Code::NoCleanup, Code::UnknownConnection];

fn read_table<'f>(
    file: &'f Arc<SourceFile>,
    table: &'f Table<'f>,
    uses: &Uses<'f>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> (Option<ProbeMetadata>, Option<ParsedProbe>) {
    let keys = keys::Probe::keys(table);
    let top = keys.name.span().unwrap_or_else(|| SourceSpan { file, range: first_line(file.text()) });

    let regions = regions(&keys, context, diagnostics);
    let is_active = |region: &&Arc<Region>| context.active.contains(&region.name);
    // A fleet judges the regions of all its processes together.
    let judged =
        if context.in_fleet { (regions.len(), "the fleet") } else { (regions.iter().filter(is_active).count(), "this process") };
    let seen = (context.regions.len() > 1).then_some(judged);
    let alert = alert::of_probe(&context.alert, &keys, seen, diagnostics);
    lint::probe(table, (&keys, uses), top, alert.page, diagnostics);
    let needs = needs(&keys, diagnostics);
    let metadata = metadata(file, &keys, &alert, &regions, needs);
    let probe = probe((&keys, uses), (context, &regions), alert, top, diagnostics);
    let parsed = probe.map(|probe| {
        let probe = Arc::new(probe);
        let canaries = canaries(&probe, regions.iter().filter(is_active));
        // A probe with errors has no meaningful rate of pages.
        if !diagnostics.has_errors() {
            chance::lint(&keys, &probe, canaries.len(), diagnostics);
        }
        ParsedProbe { probe, canaries, enabled: *keys.enabled }
    });
    (metadata, parsed)
}

/// The probe; nothing if a required key is missing.
fn probe<'f>(
    (keys, uses): (&ProbeKeys<'f>, &Uses<'f>),
    (context, regions): (&ServiceContext, &[Arc<Region>]),
    alert: AlertPolicy,
    top: SourceSpan<'f>,
    diagnostics: &mut Diagnostics,
) -> Option<Probe> {
    let cadence = cadence(keys, context, diagnostics);
    let mut scope = NameScope::new(context, diagnostics);
    scope.uses = Some(uses);
    let cells = matrix::cells(keys.matrix.items(), &mut scope);
    let vars = vars(keys.vars.items(), &mut scope);
    let devices = devices(keys, context, &mut scope);
    let steps = step::steps(keys.step.items(), uses, &devices, context, &mut scope);
    scope.unused_parameters();
    let variables = std::mem::take(&mut scope.used);
    let private = std::mem::take(&mut scope.private).into_iter().collect();
    for (name, span) in variables {
        diagnostics.append(var_of_regions(&name, span, regions));
    }
    let slo = slo::read(keys, diagnostics);
    let maintenance = maintenance::read(&keys.maintenance, context.now, diagnostics);
    let redact = redact::read(context.redact.as_ref(), &keys.redact, diagnostics);
    let runbook = keys.runbook.and_then(|place| runbook(place, context, diagnostics));
    let name: Arc<str> = keys.name.value?.into();
    // Its own windows are for no other probe.
    let own = |window| Arc::new(Maintenance { probes: vec![Arc::clone(&name)], ..window });
    Some(Probe {
        summary: shown(&keys.summary),
        owner: shown(&keys.owner),
        runbook,
        users_per_hour: keys.users_per_hour.map(std::num::NonZeroU32::get),
        tags: keys.tags.iter().map(|tag| tag.value.to_owned()).collect(),
        cadence: cadence?,
        runs: keys.runs.get(),
        confirm: *keys.confirm,
        overlap: *keys.overlap,
        deadline: keys.deadline.value?,
        elsewhere: elsewhere(regions, context),
        cells,
        vars,
        origins: own_origins(&steps, &devices),
        private: Arc::new(private),
        devices,
        steps: steps.into(),
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

fn runbook(place: RunbookPlace<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Runbook> {
    match place {
        RunbookPlace::Url(url) => Some(Runbook::Url(url.to_owned())),
        RunbookPlace::File(file) => {
            let text = context.runbook(file, diagnostics)?;
            Some(Runbook::File { name: visible(file.text).into_owned(), text })
        }
    }
}

/// One URL for each origin that is written in the probe, those of devices included.
fn own_origins(steps: &[Step], devices: &BTreeMap<Arc<str>, Device>) -> Vec<Template> {
    let mut known = HashSet::new();
    let urls = walk(steps).filter_map(|visit| match &visit.step.action {
        // A path goes where its device says.
        Action::Http(action) if !action.url.source().starts_with('/') => Some(&action.url),
        _ => None,
    });
    let urls = devices.values().filter_map(|device| device.requests.base.as_ref()).chain(urls).filter(|url| url.has_own_origin());
    // What is written alike may mean another origin where a library is used twice.
    urls.filter(|url| url.has_given() || known.insert(url.origin_source())).cloned().collect()
}

fn unique<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Arc<str>> {
    let mut known = HashSet::new();
    names.filter(|name| known.insert(*name)).map(Arc::from).collect()
}

/// A text for people, without what steers a terminal.
fn shown(text: &Field<'_, Option<&str>>) -> Option<String> {
    text.map(|text| visible(text).into_owned())
}

/// The facts that other files depend on; nothing for a file without a name.
fn metadata(
    file: &Arc<SourceFile>,
    keys: &ProbeKeys<'_>,
    alert: &AlertPolicy,
    regions: &[Arc<Region>],
    needs: Vec<(String, Span)>,
) -> Option<ProbeMetadata> {
    let name = keys.name.node()?;
    let remind = keys.alert.as_ref().and_then(|alert| alert.remind.node()).filter(|node| node.as_text().is_some());
    Some(ProbeMetadata {
        name: name.as_text()?.to_owned(),
        file: Arc::clone(file),
        range: name.span.range,
        owner: shown(&keys.owner),
        tags: keys.tags.iter().map(|tag| tag.value.to_owned()).collect(),
        regions: regions.iter().map(|region| Arc::clone(&region.name)).collect(),
        needs,
        pages: *keys.enabled && alert.page,
        remind: remind.map(|node| node.span.range),
    })
}

/// The probes it needs, and where it says so.
fn needs(keys: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) -> Vec<(String, Span)> {
    let mut needs: Vec<(String, Span)> = Vec::new();
    let mut known = HashSet::new();
    for Item { value: name, node } in keys.needs.iter() {
        if known.insert(*name) {
            needs.push(((*name).to_owned(), node.span.range));
        } else {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, node.span, format!("the probe `{name}` is listed twice"))
                    .mend(keys.needs.node().and_then(|list| Mend::without_item(list, node)))
                    .help("take one of them out"),
            );
        }
    }
    needs
}

/// Names of its regions that other processes probe from.
fn elsewhere(regions: &[Arc<Region>], context: &ServiceContext) -> Vec<Arc<str>> {
    let names = regions.iter().map(|region| &region.name);
    names.filter(|name| !context.active.contains(*name)).map(Arc::clone).collect()
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

fn regions(keys: &ProbeKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Vec<Arc<Region>> {
    let Some(node) = keys.regions.node() else { return context.regions.clone() };
    if node.is_empty_list() {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, "the probe runs nowhere")
                .help("name a region, or leave `regions` out: it then runs in all of them; `enabled = false` pauses it"),
        );
    }
    let list = node;
    let mut found: Vec<Arc<Region>> = Vec::new();
    for Item { value: name, node } in keys.regions.items() {
        if diagnostics.has_too_many_errors() {
            break;
        }
        match context.regions.iter().find(|region| &*region.name == *name) {
            Some(region) if found.iter().any(|known| known.name == region.name) => {
                diagnostics.push(
                    Diagnostic::at(Code::Repeated, node.span, format!("the region `{name}` is listed twice"))
                        .mend(Mend::without_item(list, node))
                        .help("take one of them out"),
                );
            }
            Some(region) => found.push(Arc::clone(region)),
            None => diagnostics.push(
                Diagnostic::at(Code::UnknownRegion, node.span, format!("there is no region `{name}`"))
                    .mend_name(name, context.regions.iter().map(|region| &*region.name))
                    .maybe_help(suggestion(name, context.regions.iter().map(|region| &*region.name))),
            ),
        }
    }
    found
}

/// When it is due; nothing if neither key says so.
fn cadence(keys: &ProbeKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Cadence> {
    let (cadence, pause, written, longer) = if let Some(cron) = keys.cron.value.clone() {
        let cadence = Cadence::cron(cron, *keys.timezone);
        let pause = cadence.pauses().0;
        (cadence, pause, keys.cron.span(), "let its moments be farther apart")
    } else {
        let every = keys.every.value?;
        (Cadence::Every(every), every, keys.every.span(), "make `every` longer or `runs` fewer")
    };
    // The shortest pause between two ticks of a slot. One that is zero is that of a cron expression with one moment at most.
    let slot = pause / written_runs(keys);
    let shortest = context.limits.min_interval;
    if let Some(written) = written.filter(|_| !pause.is_zero() && slot < shortest) {
        let [slot, shortest] = [slot, shortest].map(humantime::format_duration);
        diagnostics.push(
            Diagnostic::at(Code::ShortInterval, written, format!("a run every {slot} is more often than this service allows"))
                .help(format!("`limits.min_interval` is {shortest}; {longer}")),
        );
    }
    Some(cadence)
}

/// Runs per interval as written, even if out of range, so that the message can show the resulting pause.
fn written_runs(keys: &ProbeKeys<'_>) -> u32 {
    match keys.runs.node().map(|node| &node.data) {
        Some(Data::Integer(runs)) => u32::try_from(*runs).map_or(1, |runs| runs.max(1)),
        _ => keys.runs.get(),
    }
}

fn vars<'f>(written: &[Named<'f, Option<&'f Node<'f>>>], scope: &mut NameScope<'_, 'f>) -> Vec<(Arc<str>, Template)> {
    let mut vars = Vec::new();
    let further_down =
        |var: &Named<'f, _>| DeclaredName { name: var.name().to_owned(), span: var.entry.key_span, what: VARIABLE };
    scope.later.extend(written.iter().map(further_down));
    for Named { entry, .. } in written.iter().take(MOST_NAMES + 1) {
        let template = var(entry, scope);
        if template.names().iter().all(|name| scope.is_trusted(name)) {
            scope.trusted.push(entry.key.to_string());
        }
        if template.is_private() || is_credential(&entry.key) || is_credential(template.source()) {
            scope.private.push(entry.key.to_string());
        }
        vars.push((entry.key.as_ref().into(), template));
        scope.declare(&entry.key, entry.key_span, VARIABLE);
    }
    vars
}

/// A variable's template. What is not a string is written as an expression, which keeps its type.
fn var<'f>(entry: &TableEntry<'f>, scope: &mut NameScope<'_, 'f>) -> Template {
    if let Data::Text(_) = entry.value.data {
        return scope.template(&entry.value, Stage::BeforeStep);
    }
    let constant = constant(&entry.value, scope.diagnostics);
    let source = format!("{{{{ {constant} }}}}");
    Template::parse(&source, entry.value.span.location()).unwrap_or_else(|error| {
        scope.diagnostics.push(Diagnostic::at(Code::ExpressionSyntax, entry.value.span, error.message));
        Template::parse("", entry.value.span.location()).expect("an empty text is a template")
    })
}

fn devices<'f>(keys: &ProbeKeys<'f>, context: &ServiceContext, scope: &mut NameScope<'_, 'f>) -> BTreeMap<Arc<str>, Device> {
    let mut devices = BTreeMap::new();
    for written in keys.devices.items() {
        let settings = context.shared(device::settings(&context.device, &written.value, scope.diagnostics));
        let requests = device::requests(&context.requests, &written.value, scope);
        devices.insert(written.name().into(), Device { settings, requests });
    }
    devices
        .entry("default".into())
        .or_insert_with(|| Device { settings: context.shared(context.device.clone()), requests: context.requests.clone() });
    devices
}

/// A variable that some of the probe's regions lack.
pub(super) fn var_of_regions(name: &str, span: SourceSpan<'_>, regions: &[Arc<Region>]) -> Diagnostics {
    let mut diagnostics = Diagnostics::default();
    let lacking: Vec<&str> = regions.iter().filter(|region| !has(region, name)).map(|region| &*region.name).collect();
    if !lacking.is_empty() {
        let message = format!("the variable `{name}` is missing in {}", super::diagnostic::list(&lacking));
        diagnostics.push(
            Diagnostic::at(Code::VarOfRegion, span, message)
                .help("give it in `[vars]` of the service or in `[regions.NAME.vars]`, or leave the region out of `regions`"),
        );
    }
    diagnostics
}
