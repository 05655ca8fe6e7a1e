//! The service's file into its settings.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::outcome::Secret;
use crate::plan::{
    Alerting, Heartbeat, Limits, Listen, LogFormat, Maintenance, Region, SecretSource, SelfCheckSettings, StoreSettings, Traces,
    expr,
};

use super::keys::SERVICE;
use super::names::{reserved, unknown_secret};
use super::nearest::suggestion;
use super::probe::{self, constant};
use super::scope::{MOST_NAMES, Scope};
use super::secrets::{self, length_in_file};
use super::tree::{Entry, Node, Spot, Table};
use super::world::World;
use super::{Code, Diagnostic, Diagnostics, alert, alerting, channel, check, device, lint, maintenance, outside, redact, upkeep};

/// Port of the listener where nothing is configured.
const PORT: u16 = 9464;

/// The name of the only region of a service that names none.
const LOCAL: &str = "local";

/// More regions than this cannot be meant.
const MOST_REGIONS: usize = 200;

/// Everything of a service but its probes.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) world: World,
    pub(super) listen: Listen,
    pub(super) traces: Option<Traces>,
    pub(super) log_format: LogFormat,
    pub(super) alerting: Alerting,
    /// Whether the service says that nobody is to be told.
    pub(super) tells_nobody: bool,
    pub(super) maintenance: Vec<Arc<Maintenance>>,
    pub(super) store: StoreSettings,
    pub(super) self_check: Option<SelfCheckSettings>,
    pub(super) heartbeat: Option<Heartbeat>,
}

/// Reads the service's table; `top` is what to point at where something is missing.
pub(super) fn read<'f>(
    table: &Table<'f>,
    top: Spot<'f>,
    variable: &dyn Fn(&str) -> Option<usize>,
    diagnostics: &mut Diagnostics,
) -> Settings {
    check::document(table, &SERVICE, top, diagnostics);
    let regions = regions(table, diagnostics);
    let active = active(table, &regions, diagnostics);
    let secrets = secrets(table, variable, diagnostics);
    let limits = limits(table, diagnostics);
    let mut world = World::new(regions, active, secrets, limits);
    if let Some(http) = table.table("http") {
        lint::insecure(http, diagnostics);
        world.device = device::settings(&world.device, http, diagnostics);
        let mut scope = Scope::new(&world, diagnostics);
        let headers = device::headers(&[], http, &mut scope);
        for (name, spot) in std::mem::take(&mut scope.used) {
            diagnostics.append(probe::var_of_regions(&name, spot, &world.regions));
        }
        world.headers = headers;
    }
    world.redact = redact::read(None, table, diagnostics);
    let listen = listen(table, &world, diagnostics);
    let traces = table.table("traces").map(|inner| traces(inner, &world, diagnostics));
    let log_format = if table.text("log_format") == Some("json") { LogFormat::Json } else { LogFormat::Human };
    let now = world.now;
    if let Some(defaults) = table.table("alerting").and_then(|alerting| alerting.table("defaults")) {
        world.alert = alert::read(&world.alert, defaults, diagnostics);
    }
    let (channels, tells_nobody) = channel::read(table, &world, diagnostics);
    Settings {
        listen,
        traces,
        log_format,
        alerting: alerting::read(table, channels, &world, diagnostics),
        tells_nobody,
        maintenance: maintenance::read(table, now, diagnostics).into_iter().map(Arc::new).collect(),
        store: upkeep::store(table, diagnostics),
        self_check: upkeep::self_check(table, diagnostics),
        heartbeat: upkeep::heartbeat(table, &world, diagnostics),
        world,
    }
}

fn regions(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Vec<Arc<Region>> {
    let shared = vars(table.entries_of("vars"), diagnostics);
    let mut found: Vec<Arc<Region>> = Vec::new();
    let mut names: HashSet<String> = HashSet::new();
    let mut add = |name: &str, vars: Vec<(Arc<str>, minijinja::Value)>, spot: Spot<'_>, diagnostics: &mut Diagnostics| {
        if names.insert(name.to_owned()) {
            found.push(Arc::new(Region { name: name.into(), vars }));
        } else {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, spot, format!("the region `{name}` is listed twice")).help("take one of them out"),
            );
        }
    };
    if let Some(node) = table.get("regions").filter(|node| node.is_empty_list()) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.spot, "a service without a region runs nothing")
                .help("name the regions, or leave the key out: there is then one, called `local`"),
        );
    }
    let too_many = table.list("regions").get(MOST_REGIONS).map(|node| node.spot);
    if let Some(spot) = too_many.or_else(|| table.entries_of("regions").get(MOST_REGIONS).map(|entry| entry.key_spot)) {
        diagnostics.push(
            Diagnostic::at(Code::TooMany, spot, format!("there are more than {MOST_REGIONS} regions"))
                .help("every probe runs in every region: what differs otherwise is a key of a matrix"),
        );
    }
    for node in table.list("regions").iter().take(MOST_REGIONS) {
        if let Some(name) = node.as_text() {
            add(name, shared.clone(), node.spot, diagnostics);
        }
    }
    for entry in table.entries_of("regions").iter().take(MOST_REGIONS) {
        let own = entry.value.as_table().map_or(&[][..], |region| region.entries_of("vars"));
        let mut all = shared.clone();
        for (name, value) in vars(own, diagnostics) {
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
        }
        add(&entry.key, all, entry.key_spot, diagnostics);
    }
    if found.is_empty() {
        found.push(Arc::new(Region { name: table.text("region").unwrap_or(LOCAL).into(), vars: shared }));
    }
    found
}

fn vars(entries: &[Entry<'_>], diagnostics: &mut Diagnostics) -> Vec<(Arc<str>, minijinja::Value)> {
    let mut vars = Vec::new();
    if let Some(entry) = entries.get(MOST_NAMES) {
        let message = format!("there are more than {MOST_NAMES} variables");
        diagnostics.push(
            Diagnostic::at(Code::TooMany, entry.key_spot, message).help("a variable can be a list or a table of many values"),
        );
    }
    for entry in entries.iter().take(MOST_NAMES) {
        if let Some(diagnostic) = reserved(&entry.key, entry.key_spot, "variable") {
            diagnostics.push(diagnostic);
        }
        vars.push((entry.key.as_ref().into(), expr::from_json(&constant(&entry.value, diagnostics))));
    }
    vars
}

/// The regions this process runs: the one that `region` names, or all there are.
fn active(table: &Table<'_>, regions: &[Arc<Region>], diagnostics: &mut Diagnostics) -> Vec<Arc<str>> {
    let names = || regions.iter().map(|region| Arc::clone(&region.name));
    let Some(node) = table.get("region") else { return names().collect() };
    let name = node.as_text().unwrap_or_default();
    if !regions.iter().any(|region| &*region.name == name) {
        diagnostics.push(
            Diagnostic::at(Code::UnknownRegion, node.spot, format!("`regions` has no region `{name}`"))
                .maybe_help(suggestion(name, regions.iter().map(|region| &*region.name))),
        );
    }
    names().filter(|region| &**region == name).collect()
}

fn secrets(
    table: &Table<'_>,
    variable: &dyn Fn(&str) -> Option<usize>,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<Arc<str>, SecretSource> {
    let mut secrets = BTreeMap::new();
    for entry in table.entries_of("secrets") {
        let Some(inner) = entry.value.as_table() else { continue };
        let source = match (inner.text("env"), inner.get("file")) {
            (Some(name), _) => {
                match variable(name) {
                    None => {
                        missing(entry, &format!("set the environment variable {name} before the service starts"), diagnostics);
                    }
                    Some(length) => too_short(entry, length, diagnostics),
                }
                SecretSource::Env(name.to_owned())
            }
            (None, Some(node)) => {
                let path = device::beside(node.spot, node.as_text().unwrap_or_default());
                if !path.is_file() {
                    missing(entry, &format!("create the file {} before the service starts", path.display()), diagnostics);
                } else if let Some(length) = length_in_file(&path) {
                    too_short(entry, length, diagnostics);
                }
                SecretSource::File(path)
            }
            // Reported already; the name is kept so that its uses are not reported as well.
            (None, None) => SecretSource::Env(String::new()),
        };
        secrets.insert(entry.key.as_ref().into(), source);
    }
    secrets
}

fn missing(entry: &Entry<'_>, help: &str, diagnostics: &mut Diagnostics) {
    let message = format!("the secret `{}` is not there", entry.key);
    diagnostics.push(Diagnostic::at(Code::MissingSecret, entry.key_spot, message).help(help));
}

/// Refuses a secret of so few bytes that it stands in ordinary texts by chance. An empty one is none.
fn too_short(entry: &Entry<'_>, length: usize, diagnostics: &mut Diagnostics) {
    if (1..Secret::SHORTEST).contains(&length) {
        let message = secrets::too_short(&entry.key, length);
        diagnostics.push(Diagnostic::at(Code::ShortSecret, entry.key_spot, message).help(
            "a secret is masked wherever its value stands, which of a value this short would be almost everywhere; where it is \
             none, make it a var",
        ));
    }
}

fn limits(table: &Table<'_>, diagnostics: &mut Diagnostics) -> Limits {
    let mut limits = Limits::default();
    let Some(table) = table.table("limits") else { return limits };
    if let Some(runs) = table.count("concurrent_runs") {
        limits.concurrent_runs = runs as usize;
    }
    let durations = [
        ("step_timeout", &mut limits.step_timeout),
        ("cleanup", &mut limits.cleanup),
        ("shutdown_grace", &mut limits.shutdown_grace),
        ("min_interval", &mut limits.min_interval),
    ];
    for (key, limit) in durations {
        if let Some(duration) = table.duration(key) {
            *limit = duration;
        }
    }
    if let Some(bytes) = table.size("response_bytes") {
        limits.response_bytes = bytes;
    }
    limits.exec = table.bool("exec").unwrap_or(limits.exec);
    let roots = table.list("extra_roots").iter();
    limits.extra_roots = roots.filter_map(|node| device::pem_file(node, diagnostics)).collect::<Vec<PathBuf>>();
    limits
}

fn listen(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Listen {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let Some(table) = table.table("listen") else { return Listen { address: local, token: None, hosts: Vec::new() } };
    let node = table.get("address");
    let address = node.and_then(|node| node.as_text()?.parse().ok()).unwrap_or(local);
    let token = table.get("token").and_then(|node| {
        let name = node.as_text()?;
        if !world.secrets.contains_key(name) {
            diagnostics.push(unknown_secret(name, node.spot, world.secrets.keys().map(|name| &**name)));
        }
        Some(name.into())
    });
    if let Some(node) = node.filter(|_| !address.ip().is_loopback() && token.is_none()) {
        diagnostics.push(
            Diagnostic::at(Code::OpenListener, node.spot, "others can reach this address, and nothing asks who they are")
                .help("name a secret in `listen.token`, or listen on 127.0.0.1"),
        );
    }
    let hosts = table.list("hosts").iter().filter_map(|node| host_name(node, diagnostics)).collect();
    Listen { address, token, hosts }
}

/// A name as it stands in a `Host` header, without the port.
fn host_name(node: &Node<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = node.as_text()?.to_ascii_lowercase();
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if name.trim_end_matches('.').split('.').all(is_label) {
        return Some(name.trim_end_matches('.').to_owned());
    }
    diagnostics
        .push(Diagnostic::at(Code::InvalidValue, node.spot, "this is not a host name").help(
            "names are written such as \"prober.example.com\", without scheme, port or path; addresses need not be listed",
        ));
    None
}

fn traces(table: &Table<'_>, world: &World, diagnostics: &mut Diagnostics) -> Traces {
    Traces {
        endpoint: table.owned("endpoint").unwrap_or_default(),
        headers: outside::headers(table, world, diagnostics),
        sample_passed: table.share("sample_passed").unwrap_or(1.0),
        timeout: table.duration("timeout").unwrap_or(Duration::from_secs(10)),
        queue: table.count("queue").map_or(2048, |queue| queue as usize),
    }
}
