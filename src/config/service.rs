//! The service's file into its settings.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{
    Alerting, FleetSettings, Heartbeat, Limits, Listen, LogFormat, Maintenance, Region, RequestDefaults, Retention,
    SelfCheckSettings, StatusPage, StorePlace, StorePlaceError, StoreSettings, Traces, expr,
};

use super::constant::constant;
use super::context::ServiceContext;
use super::diagnostic::suggestion;
use super::keys::{FleetKeys, HeartbeatKeys, LimitsKeys, SelfCheckKeys, ServiceKeys, StoreKeys, TracesKeys};
use super::mend::Mend;
use super::probe;
use super::scope::reserved;
use super::scope::{MOST_NAMES, NameScope};
use super::section::{Field, Named};
use super::tree::Node;
use super::{
    Code, Diagnostic, Diagnostics, alert, alerting, channel, device, file, lint, listen, maintenance, redact, secrets,
    service_template, status_page,
};

/// The name of the only region of a service that names none.
const LOCAL: &str = "local";

/// More regions than this cannot be meant.
const MOST_REGIONS: usize = 200;

/// Everything of a service but its probes.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) context: ServiceContext,
    pub(super) listen: Listen,
    pub(super) traces: Option<Traces>,
    pub(super) log_format: LogFormat,
    pub(super) alerting: Alerting,
    /// Whether the service says that nobody is to be told.
    pub(super) tells_nobody: bool,
    pub(super) maintenance: Vec<Arc<Maintenance>>,
    pub(super) store: Option<StoreSettings>,
    pub(super) fleet: Option<FleetSettings>,
    pub(super) self_check: Option<SelfCheckSettings>,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) status_page: Option<StatusPage>,
}

/// Makes settings of the service's keys. `variable` tells how many bytes an environment variable has.
pub(super) fn read<'f>(
    keys: &ServiceKeys<'f>,
    variable: &dyn Fn(&str) -> Option<usize>,
    diagnostics: &mut Diagnostics,
) -> Settings {
    let regions = regions(keys, diagnostics);
    let active = active(keys, &regions, diagnostics);
    let secrets = secrets::declared(keys.secrets.items(), variable, diagnostics);
    let limits = limits(&keys.limits, diagnostics);
    let mut context = ServiceContext::new(regions, active, secrets, limits);
    if let Some(http) = &keys.http.value {
        lint::device(http, diagnostics);
        context.device = device::settings(&context.device, http, diagnostics);
        let mut scope = NameScope::new(&context, diagnostics);
        let requests = device::requests(&RequestDefaults::default(), http, &mut scope);
        for (name, span) in std::mem::take(&mut scope.used) {
            diagnostics.append(probe::var_of_regions(&name, span, &context.regions));
        }
        context.requests = requests;
    }
    context.redact = redact::read(None, &keys.redact, diagnostics);
    let listen = listen::read(&keys.listen, &context, diagnostics);
    let traces = keys.traces.as_ref().and_then(|traces| self::traces(traces, &context, diagnostics));
    if let Some(defaults) = &keys.alerting.defaults.value {
        context.alert = alert::read(&context.alert, defaults, diagnostics);
    }
    let (channels, tells_nobody) = channel::read(&keys.notify, &context, diagnostics);
    let store = store(&keys.store, diagnostics);
    let fleet = fleet(&keys.fleet, store.as_ref(), &context, diagnostics);
    context.in_fleet = fleet.is_some();
    let kept = store.as_ref().map(|store| store.retention.rollups);
    Settings {
        listen,
        traces,
        log_format: *keys.log_format,
        alerting: alerting::read(keys, channels, fleet.is_some(), &context, diagnostics),
        fleet,
        tells_nobody,
        maintenance: maintenance::read(&keys.maintenance, context.now, diagnostics).into_iter().map(Arc::new).collect(),
        store,
        self_check: keys.self_check.as_ref().map(|keys| self_check(keys, diagnostics)),
        heartbeat: keys.heartbeat.as_ref().and_then(|keys| heartbeat(keys, &context, diagnostics)),
        status_page: keys.status_page.as_ref().and_then(|keys| status_page::read(keys, kept, &context, diagnostics)),
        context,
    }
}

fn regions(keys: &ServiceKeys<'_>, diagnostics: &mut Diagnostics) -> Vec<Arc<Region>> {
    let shared = vars(keys.vars.items(), diagnostics);
    let mut found: Vec<Arc<Region>> = Vec::new();
    let mut names: HashSet<&str> = HashSet::new();
    if let Some(node) = keys.regions.node().filter(|node| node.is_empty_list()) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, "a service without a region runs nothing")
                .help("name the regions, or leave the key out: there is then one, called `local`"),
        );
    }
    if let Some(region) = keys.regions.items().get(MOST_REGIONS) {
        diagnostics.push(
            Diagnostic::at(Code::TooMany, region.span, format!("there are more than {MOST_REGIONS} regions"))
                .help("every probe runs in every region: what differs otherwise is a key of a matrix"),
        );
    }
    for region in keys.regions.items().iter().take(MOST_REGIONS) {
        let own = region.keys.as_ref().map_or_else(Vec::new, |keys| vars(keys.vars.items(), diagnostics));
        let mut all = shared.clone();
        for (name, value) in own {
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
        }
        let name = region.name;
        if names.insert(name) {
            found.push(Arc::new(Region { name: name.into(), vars: all }));
        } else {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, region.span, format!("the region `{name}` is listed twice"))
                    .mend(keys.regions.node().and_then(|list| Mend::without_item_at(list, region.span)))
                    .help("take one of them out"),
            );
        }
    }
    if found.is_empty() {
        found.push(Arc::new(Region { name: keys.region.unwrap_or(LOCAL).into(), vars: shared }));
    }
    found
}

fn vars(written: &[Named<'_, Option<&Node<'_>>>], diagnostics: &mut Diagnostics) -> Vec<(Arc<str>, minijinja::Value)> {
    let mut vars = Vec::new();
    if let Some(Named { entry, .. }) = written.get(MOST_NAMES) {
        let message = format!("there are more than {MOST_NAMES} variables");
        diagnostics.push(
            Diagnostic::at(Code::TooMany, entry.key_span, message).help("a variable can be a list or a table of many values"),
        );
    }
    for Named { entry, .. } in written.iter().take(MOST_NAMES) {
        if let Some(diagnostic) = reserved(&entry.key, entry.key_span, "variable") {
            diagnostics.push(diagnostic);
        }
        vars.push((entry.key.as_ref().into(), expr::from_json(&constant(&entry.value, diagnostics))));
    }
    vars
}

/// The regions this process runs: the one that `region` names, or all there are.
fn active(keys: &ServiceKeys<'_>, regions: &[Arc<Region>], diagnostics: &mut Diagnostics) -> Vec<Arc<str>> {
    let names = || regions.iter().map(|region| Arc::clone(&region.name));
    let (Some(name), Some(span)) = (*keys.region, keys.region.span()) else { return names().collect() };
    if !regions.iter().any(|region| &*region.name == name) {
        diagnostics.push(
            Diagnostic::at(Code::UnknownRegion, span, format!("`regions` has no region `{name}`"))
                .mend_name(name, regions.iter().map(|region| &*region.name))
                .maybe_help(suggestion(name, regions.iter().map(|region| &*region.name))),
        );
    }
    names().filter(|region| &**region == name).collect()
}

pub(super) fn limits(keys: &LimitsKeys<'_>, diagnostics: &mut Diagnostics) -> Limits {
    Limits {
        concurrent_runs: keys.concurrent_runs.get() as usize,
        step_timeout: *keys.step_timeout,
        response_bytes: *keys.response_bytes,
        cleanup: *keys.cleanup,
        shutdown_grace: *keys.shutdown_grace,
        min_interval: *keys.min_interval,
        exec: *keys.exec,
        extra_roots: keys.extra_roots.iter().filter_map(|item| file::pem_file(item.value, diagnostics)).collect(),
    }
}

/// The trace settings; nothing without an endpoint.
fn traces(keys: &TracesKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Traces> {
    let headers = service_template::headers(keys.headers.items(), context, diagnostics);
    Some(Traces {
        endpoint: keys.endpoint.as_ref()?.text.to_owned(),
        headers,
        sample_passed: *keys.sample_passed,
        timeout: *keys.timeout,
        queue: keys.queue.get() as usize,
    })
}

/// `[store]`; nothing if where it is cannot be read from what is written.
fn store(keys: &StoreKeys<'_>, diagnostics: &mut Diagnostics) -> Option<StoreSettings> {
    let place = store_place(&keys.url, diagnostics);
    let (passed, others) = (*keys.keep_passed, *keys.keep_failed);
    let written = keys.keep_failed.span().or(keys.keep_passed.span());
    if let Some(span) = written.filter(|_| others < passed) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "failures are kept for a shorter time than passes")
                .help("failures are what is looked for later: make `keep_failed` at least as long as `keep_passed`"),
        );
    }
    Some(StoreSettings {
        place: place?,
        retention: Retention { passed, others, rollups: *keys.keep_rollups, bodies: *keys.bodies },
    })
}

/// The shortest and the longest time within which a process is replaced.
const LEASE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(5));

/// `[fleet]`, where the store is one that processes share.
fn fleet(
    keys: &FleetKeys<'_>,
    store: Option<&StoreSettings>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Option<FleetSettings> {
    let is_shared = store.is_some_and(|store| matches!(store.place, StorePlace::Database(_)));
    if let Some(span) = keys.lease.span() {
        if !is_shared {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, "there is no fleet without a store that processes share")
                    .help("give `[store]` the `url` of a PostgreSQL database, or leave `[fleet]` out"),
            );
        } else if *keys.lease < LEASE.0 || *keys.lease > LEASE.1 {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, "a lease lasts from 10 seconds to 5 minutes")
                    .help("a shorter one is lost whenever the database is slow for a moment; nobody waits for a longer one"),
            );
        }
    }
    let written = keys.alone_after.span().or(keys.lease.span());
    if let Some(span) = written.filter(|_| *keys.alone_after < *keys.lease) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "a process would page by itself before another one can have taken over")
                .help("make `alone_after` at least as long as `lease`"),
        );
    }
    is_shared.then(|| {
        let names = context.regions.iter().map(|region| &region.name).filter(|name| context.active.contains(*name));
        let names: Vec<&str> = names.map(|name| &**name).collect();
        FleetSettings {
            member: names.join("+").into(),
            lease: *keys.lease,
            alone_after: *keys.alone_after,
            journal: keys.journal.value.into(),
        }
    })
}

fn store_place(url: &Field<'_, &str>, diagnostics: &mut Diagnostics) -> Option<StorePlace> {
    let found = |text: &str| Some(Diagnostic::at(Code::InvalidValue, url.span()?, text));
    let problem = match StorePlace::parse(url.value) {
        Ok(place) => return Some(place),
        Err(StorePlaceError::Database(error)) => {
            let help = "write it as in \"postgres://USER:PASSWORD@HOST/DATABASE\"; where it has a password, give the whole of it \
                        in the environment as `SERINUS_STORE__URL`";
            found(&format!("this cannot be `url`: {error}"))?.help(help)
        }
        Err(StorePlaceError::File(why)) => found("this cannot be `url`")?.help(why),
    };
    diagnostics.push(problem);
    None
}

/// `[self_check]`.
fn self_check(keys: &SelfCheckKeys<'_>, diagnostics: &mut Diagnostics) -> SelfCheckSettings {
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::new();
    for item in keys.endpoints.items() {
        let (url, span) = (&item.value.url, item.node.span);
        if !seen.insert(url.to_string()) {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, span, "this endpoint is listed twice")
                    .mend(keys.endpoints.node().and_then(|list| Mend::without_item(list, item.node)))
                    .help("the majority decides: name places that do not fail together"),
            );
        }
        if url.scheme() == "tcp" && url.port().is_none() {
            diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, "there is no port to connect to")
                    .help("write it as in \"tcp://192.0.2.1:53\""),
            );
        }
        endpoints.push(url.clone());
    }
    if let Some(node) = keys.endpoints.node().filter(|node| node.as_list().len() < 2) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, "one endpoint cannot tell its own outage from ours")
                .help("name two or more that do not fail together; without any, leave `[self_check]` out"),
        );
    }
    SelfCheckSettings { endpoints, every: *keys.every, timeout: *keys.timeout }
}

/// `[heartbeat]`; nothing if it has no URL.
fn heartbeat(keys: &HeartbeatKeys<'_>, context: &ServiceContext, diagnostics: &mut Diagnostics) -> Option<Heartbeat> {
    let region_url = service_template::url(&keys.region_url, &["secret", "region"], context, diagnostics);
    if let Some(span) = keys.region_url.span().filter(|_| !context.in_fleet) {
        diagnostics.push(
            Diagnostic::at(Code::NoEffect, span, "`heartbeat.region_url` does nothing without a fleet")
                .help("`url` says already that this process is alive; a fleet shares a `[store]` in a PostgreSQL database"),
        );
    }
    Some(Heartbeat {
        url: service_template::url(&keys.url, service_template::SECRETS, context, diagnostics)?,
        region_url: region_url.filter(|_| context.in_fleet),
        every: *keys.every,
        timeout: *keys.timeout,
    })
}
