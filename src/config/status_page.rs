//! `[status_page]`: what everybody may see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{StatusComponent, StatusPage, StatusPlace};

use super::context::ServiceContext;
use super::cross::ProbeMetadata;
use super::diagnostic::suggestion;
use super::keys::{ComponentKeys, ServiceKeys, StatusPageKeys};
use super::mend::Mend;
use super::section::Item;
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// Where it is where nothing is said.
const PATH: &str = "/status";
/// The longest path.
const LONGEST_PATH: usize = 200;
/// First segments of addresses that are the service's own.
const OWN: [&str; 25] = [
    "annotations",
    "api",
    "assets",
    "certificates",
    "channels",
    "healthz",
    "incidents",
    "live",
    "log",
    "login",
    "logout",
    "maintenance",
    "metrics",
    "mute",
    "pause",
    "probes",
    "pulse",
    "readyz",
    "resume",
    "run",
    "runs",
    "sweep",
    "trigger",
    "unmute",
    "watch",
];
/// More components than this nobody reads.
const MOST_COMPONENTS: usize = 100;

const DAY: Duration = Duration::from_hours(24);

/// Makes settings of the page's keys; `kept` is how long the store keeps what the page's days are made of.
pub(super) fn read(
    keys: &StatusPageKeys<'_>,
    kept: Option<Duration>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Option<StatusPage> {
    let place = match *keys.address {
        Some(address) => Some(StatusPlace::Address(address)),
        None => path(keys, diagnostics).map(StatusPlace::Path),
    };
    let (days, regions) = (days(keys, kept, diagnostics), regions(keys, context, diagnostics));
    let components = components(keys, diagnostics);
    Some(StatusPage { title: (*keys.title).into(), intro: keys.intro.map(Arc::from), place: place?, days, regions, components })
}

fn path(keys: &StatusPageKeys<'_>, diagnostics: &mut Diagnostics) -> Option<Arc<str>> {
    let (Some(text), Some(span)) = (*keys.path, keys.path.span()) else { return Some(PATH.into()) };
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let inside = text.strip_prefix('/').filter(|_| text.len() <= LONGEST_PATH).unwrap_or_default();
    if !inside.split('/').all(is_segment) {
        let help = "write it such as \"/status\": it begins with `/`, does not end with one, and is made of letters, digits, `-`, `.`, \
                    `_`, `~`; for all of an address, use `address`";
        diagnostics.push(Diagnostic::at(Code::InvalidValue, span, "this cannot be a path of the listener").help(help));
        return None;
    }
    let first = inside.split('/').next().unwrap_or_default();
    if OWN.contains(&first) {
        let message = format!("`/{first}` is one of the service's own addresses");
        diagnostics.push(Diagnostic::at(Code::InvalidValue, span, message).help("take another path, such as \"/status\""));
        return None;
    }
    Some(text.into())
}

fn days(keys: &StatusPageKeys<'_>, kept: Option<Duration>, diagnostics: &mut Diagnostics) -> u32 {
    let history = *keys.history;
    let days = u32::try_from(history.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX);
    let Some(span) = keys.history.span() else { return days };
    if !history.as_secs().is_multiple_of(DAY.as_secs()) || history.subsec_nanos() > 0 {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "the history of the status page is counted in whole days")
                .help("write it such as \"90d\""),
        );
    } else if let Some(kept) = kept.filter(|kept| history > *kept) {
        let message = format!("the store keeps hourly sums for {}, and this is longer", humantime::format_duration(kept));
        diagnostics
            .push(Diagnostic::at(Code::InvalidValue, span, message).help("make it shorter, or `store.keep_rollups` longer"));
    }
    days
}

fn regions(
    keys: &StatusPageKeys<'_>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Option<BTreeMap<Arc<str>, Arc<str>>> {
    let known = || context.regions.iter().map(|region| &*region.name);
    let mut names = BTreeMap::new();
    for region in keys.regions.items() {
        let name = region.name();
        if !known().any(|known| known == name) {
            diagnostics.push(
                Diagnostic::at(Code::UnknownRegion, region.entry.key_span, format!("there is no region `{name}`"))
                    .mend_name(name, known())
                    .maybe_help(suggestion(name, known())),
            );
        }
        names.insert(name.into(), region.value.into());
    }
    keys.show_regions.then_some(names)
}

fn components(keys: &StatusPageKeys<'_>, diagnostics: &mut Diagnostics) -> Vec<StatusComponent> {
    let written = keys.component.items();
    if let Some(Item { node, .. }) = written.get(MOST_COMPONENTS) {
        diagnostics.push(
            Diagnostic::at(Code::TooMany, node.span, format!("there are more than {MOST_COMPONENTS} components"))
                .help("a component may stand for several probes"),
        );
    }
    let mut components: Vec<StatusComponent> = Vec::new();
    for Item { value: component, node } in written.iter().take(MOST_COMPONENTS) {
        let Some((name, span)) = component.name.zip(component.name.span()) else { continue };
        if components.iter().any(|known| &*known.name == name) {
            diagnostics.push(
                Diagnostic::at(Code::Repeated, span, format!("there are two components called `{name}`"))
                    .mend(keys.component.node().and_then(|list| Mend::without_item_at(list, node.span)))
                    .help("give each a name of its own, or one of them the probes of both"),
            );
        }
        components.push(StatusComponent {
            name: name.into(),
            summary: component.summary.map(Arc::from),
            probes: probes(component, diagnostics),
        });
    }
    components
}

fn probes(component: &ComponentKeys<'_>, diagnostics: &mut Diagnostics) -> Vec<Arc<str>> {
    if let Some(node) = component.probes.node().filter(|node| node.is_empty_list()) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, "nothing would ever be known of this component")
                .help("name the probes that stand for it"),
        );
    }
    component.probes.texts()
}

/// Reports probes that components name and that there are not: the page would say for ever that nothing is known.
pub(super) fn unknown_probes(keys: &ServiceKeys<'_>, probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let known = || probes.iter().map(|probe| probe.name.as_str());
    let Some(page) = &*keys.status_page else { return };
    let named = page.component.items().iter().flat_map(|component| component.value.probes.items());
    for Item { value: name, node } in named.filter(|item| !known().any(|known| known == item.value)) {
        diagnostics.push(unknown_probe(name, node.span, known()));
    }
}

fn unknown_probe<'k>(name: &str, span: SourceSpan<'_>, known: impl Iterator<Item = &'k str> + Clone) -> Diagnostic {
    Diagnostic::at(Code::UnknownProbe, span, format!("there is no probe `{name}`"))
        .mend_name(name, known.clone())
        .maybe_help(suggestion(name, known))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All files of the service that declare routes for people and machines.
    const ROUTES: [&str; 4] = [
        include_str!("../web/routes.rs"),
        include_str!("../web/access/login.rs"),
        include_str!("../web/pages/mod.rs"),
        include_str!("../web/api/mod.rs"),
    ];

    #[test]
    fn the_first_segments_of_all_routes_are_no_place_for_the_page() {
        let code = ROUTES.map(|text| text.split("#[cfg(test)]").next().unwrap_or_default());
        let routes = code.iter().flat_map(|text| text.split(".route(\"/").skip(1));
        let first = |route: &'static str| route.split(['/', '"']).next().filter(|segment| !segment.is_empty());
        let declared: BTreeSet<&str> = routes.filter_map(first).collect();
        assert_eq!(declared, OWN.into_iter().collect());
    }
}
