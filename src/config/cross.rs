//! What holds between files: probes that need each other, and what the service's file says of probes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::plan::{Alerting, Route, Severity};
use crate::source::{SourceFile, Span};

use super::context::ServiceContext;
use super::diagnostic::suggestion;
use super::keys::{RouteKeys, ServiceKeys};
use super::section::{Field, Item};
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// The facts about a probe that other files depend on. They are known even if the rest of its file has errors.
#[derive(Debug)]
pub(super) struct ProbeMetadata {
    pub(super) name: String,
    pub(super) file: Arc<SourceFile>,
    pub(super) range: Span,
    pub(super) owner: Option<String>,
    pub(super) tags: Vec<String>,
    /// The regions it runs in.
    pub(super) regions: Vec<Arc<str>>,
    /// The probes it needs, and where it says so.
    pub(super) needs: Vec<(String, Span)>,
    /// Whether it is enabled and pages.
    pub(super) pages: bool,
    /// Where it asks for reminders.
    pub(super) remind: Option<Span>,
}

impl ProbeMetadata {
    pub(super) fn span(&self, range: Span) -> SourceSpan<'_> {
        SourceSpan { file: &self.file, range }
    }
}

/// Reports probes of the same name, because results are stored by name.
pub(super) fn names(probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let mut first: BTreeMap<&str, &ProbeMetadata> = BTreeMap::new();
    for probe in probes {
        let Some(known) = first.get(probe.name.as_str()) else {
            first.insert(&probe.name, probe);
            continue;
        };
        diagnostics.push(
            Diagnostic::at(Code::DuplicateProbe, probe.span(probe.range), format!("there is a probe `{}` already", probe.name))
                .related(known.span(known.range), "the first is here")
                .help("results are kept by name: give each probe its own"),
        );
    }
}

/// Reports each cycle of `needs` once.
pub(super) fn need_cycles(probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let needing = probes.iter().filter(|probe| !probe.needs.is_empty());
    let mut left: BTreeMap<&str, &ProbeMetadata> = needing.map(|probe| (probe.name.as_str(), probe)).collect();
    loop {
        // A probe that needs none of the probes left is in no cycle.
        loop {
            let sound: BTreeSet<&str> =
                left.values().filter(|probe| next(probe, &left).is_none()).map(|probe| probe.name.as_str()).collect();
            if sound.is_empty() {
                break;
            }
            left.retain(|name, _| !sound.contains(name));
        }
        // Every probe left needs another one that is left, so following the needs reaches a cycle.
        let Some(mut at) = left.values().next().copied() else { return };
        let mut walked: Vec<&ProbeMetadata> = Vec::new();
        while !walked.iter().any(|probe| probe.name == at.name) {
            walked.push(at);
            let Some((further, _)) = next(at, &left) else { return };
            at = further;
        }
        let circle: Vec<&ProbeMetadata> = walked.into_iter().skip_while(|probe| probe.name != at.name).collect();
        diagnostics.push(need_cycle(&circle, &left));
        left.retain(|name, _| !circle.iter().any(|probe| probe.name == *name));
    }
}

/// The first needed probe that is left, and where the need is written.
fn next<'c>(probe: &ProbeMetadata, left: &BTreeMap<&str, &'c ProbeMetadata>) -> Option<(&'c ProbeMetadata, Span)> {
    probe.needs.iter().find_map(|(name, range)| Some((*left.get(name.as_str())?, *range)))
}

fn need_cycle(circle: &[&ProbeMetadata], left: &BTreeMap<&str, &ProbeMetadata>) -> Diagnostic {
    let first = circle[0];
    let range = next(first, left).map_or(first.range, |(_, range)| range);
    let names: Vec<String> = circle.iter().chain([&first]).map(|probe| format!("`{}`", probe.name)).collect();
    let message = match circle {
        [_] => format!("{} needs itself", names[0]),
        _ => format!("these probes need each other in a circle: {}", names.join(" → ")),
    };
    Diagnostic::at(Code::NeedsCircle, first.span(range), message)
        .help("`needs` names the probe whose failure explains this one's: take out the need that goes the other way")
}

/// Reports needs of probes that do not exist.
pub(super) fn needs(probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let known: BTreeSet<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
    for probe in probes {
        for (name, range) in probe.needs.iter().filter(|(name, _)| !known.contains(name.as_str())) {
            let others = known.iter().copied().filter(|other| *other != probe.name);
            diagnostics.push(
                Diagnostic::at(Code::UnknownProbe, probe.span(*range), format!("there is no probe `{name}`"))
                    .mend_name(name, others.clone())
                    .maybe_help(suggestion(name, others)),
            );
        }
    }
}

/// Warns of probes that page where there is nobody to tell.
pub(super) fn channels(keys: &ServiceKeys<'_>, top: SourceSpan<'_>, probes: &[ProbeMetadata], diagnostics: &mut Diagnostics) {
    let paging: Vec<&str> = probes.iter().filter(|probe| probe.pages).map(|probe| probe.name.as_str()).collect();
    let Some(first) = paging.first() else { return };
    let span = keys.notify.entry.map_or(top, |entry| entry.key_span);
    let whose = match paging.len() {
        1 => format!("the probe `{first}` pages"),
        several => format!("{several} probes page"),
    };
    diagnostics.push(Diagnostic::at(Code::NoChannel, span, format!("{whose}, and there is no channel that tells anybody")).help(
        "add one, such as `[notify.slack]` with `url`, the name of a secret; or say that nobody is to be told: `[notify]` \
         `none = true`",
    ));
}

/// The values that routes and windows can select probes by.
struct ProbeIndex<'c> {
    probes: BTreeSet<&'c str>,
    owners: BTreeSet<&'c str>,
    tags: BTreeSet<&'c str>,
    regions: BTreeSet<&'c str>,
}

impl<'c> ProbeIndex<'c> {
    fn new(probes: &'c [ProbeMetadata], context: &'c ServiceContext) -> Self {
        Self {
            probes: probes.iter().map(|probe| probe.name.as_str()).collect(),
            owners: probes.iter().filter_map(|probe| probe.owner.as_deref()).collect(),
            tags: probes.iter().flat_map(|probe| probe.tags.iter().map(String::as_str)).collect(),
            regions: context.regions.iter().map(|region| &*region.name).collect(),
        }
    }
}

/// Warns of names that no probe or region has. Returns whether there were any.
fn warn_of_unknown(written: &Selector<'_>, what: &str, known: &BTreeSet<&str>, diagnostics: &mut Diagnostics) -> bool {
    let mut any = false;
    for Item { value: word, node } in written.items().iter().filter(|item| !known.contains(item.value)) {
        any = true;
        let help = suggestion(word, known.iter().copied()).unwrap_or_else(|| "no probe has any".to_owned());
        diagnostics.push(
            Diagnostic::at(Code::MatchesNothing, node.span, format!("{what} `{word}`, so it matches nothing"))
                .mend_name(word, known.iter().copied())
                .help(help),
        );
    }
    any
}

/// A key by which routes and windows choose.
type Selector<'t> = Field<'t, Option<Vec<Item<'t, &'t str>>>>;

/// Warns of routes and maintenance windows that match nothing.
pub(super) fn selectors(
    keys: &ServiceKeys<'_>,
    alerting: &Alerting,
    context: &ServiceContext,
    probes: &[ProbeMetadata],
    diagnostics: &mut Diagnostics,
) {
    let known = ProbeIndex::new(probes, context);
    for Item { value: window, .. } in keys.maintenance.items() {
        warn_of_unknown(&window.probes, "there is no probe", &known.probes, diagnostics);
        warn_of_unknown(&window.regions, "there is no region", &known.regions, diagnostics);
        warn_of_unknown(&window.tags, "no probe has the tag", &known.tags, diagnostics);
    }
    let written = keys.alerting.route.items();
    for (Item { value: keys, node }, route) in written.iter().zip(&alerting.routes) {
        let any = [
            warn_of_unknown(&keys.owner, "no probe has the owner", &known.owners, diagnostics),
            warn_of_unknown(&keys.tag, "no probe has the tag", &known.tags, diagnostics),
            warn_of_unknown(&keys.region, "there is no region", &known.regions, diagnostics),
            warn_of_unknown(&keys.probe, "there is no probe", &known.probes, diagnostics),
        ];
        if !any.contains(&true) && is_of_probes(route) && !probes.iter().any(|probe| matches(route, probe)) {
            diagnostics.push(
                Diagnostic::at(Code::MatchesNothing, node.span, "no probe is all of this at once, so this never matches")
                    .help("each key narrows the route: leave one out, or make a route for each"),
            );
        }
    }
    shadowed(written, &alerting.routes, diagnostics);
}

/// Whether the route selects by probe. Such a route never matches a blind region, which belongs to no probe.
fn is_of_probes(route: &Route) -> bool {
    !(route.owners.is_empty() && route.tags.is_empty() && route.probes.is_empty())
}

fn matches(route: &Route, probe: &ProbeMetadata) -> bool {
    let any = |list: &[Arc<str>], has: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|word| has(word));
    any(&route.owners, &|word| probe.owner.as_deref() == Some(word))
        && any(&route.tags, &|word| probe.tags.iter().any(|tag| tag == word))
        && any(&route.probes, &|word| probe.name == word)
        && any(&route.regions, &|word| probe.regions.iter().any(|region| &**region == word))
}

/// Warns of routes that never match, because earlier routes take all of their severities.
fn shadowed(written: &[Item<'_, RouteKeys<'_>>], routes: &[Route], diagnostics: &mut Diagnostics) {
    let mut taken: Vec<(Severity, SourceSpan<'_>)> = Vec::new();
    for (Item { node, .. }, route) in written.iter().zip(routes) {
        let severities = if route.severities.is_empty() { &Severity::ALL[..] } else { &route.severities };
        let before = |severity: &Severity| taken.iter().find(|(known, _)| known == severity).map(|(_, span)| *span);
        if let (Some(first), true) = (before(&severities[0]), severities.iter().all(|severity| before(severity).is_some())) {
            diagnostics.push(
                Diagnostic::at(Code::MatchesNothing, node.span, "nothing gets as far as this route, so it never matches")
                    .related(first, "this one takes everything before")
                    .help("the first route that matches decides: move this one above it"),
            );
        }
        if !is_of_probes(route) && route.regions.is_empty() {
            taken.extend(severities.iter().map(|severity| (*severity, node.span)));
        }
    }
}
