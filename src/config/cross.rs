//! What holds between files: probes that need each other, and what the service's file says of probes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::plan::{Alerting, Route, Severity};
use crate::source::{SourceFile, Span};

use super::diagnostic::suggestion;
use super::keys::{RouteKeys, ServiceKeys};
use super::section::{Field, Item};
use super::tree::Spot;
use super::world::World;
use super::{Code, Diagnostic, Diagnostics};

/// What a file says of its probe that others depend on, also where the rest of the file has errors.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) file: Arc<SourceFile>,
    pub(super) span: Span,
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

impl Claim {
    pub(super) fn spot(&self, span: Span) -> Spot<'_> {
        Spot { file: &self.file, span }
    }
}

/// Reports probes of one name, which their results are kept by.
pub(super) fn names(claims: &[Claim], diagnostics: &mut Diagnostics) {
    let mut first: BTreeMap<&str, &Claim> = BTreeMap::new();
    for claim in claims {
        let Some(known) = first.get(claim.name.as_str()) else {
            first.insert(&claim.name, claim);
            continue;
        };
        diagnostics.push(
            Diagnostic::at(Code::DuplicateProbe, claim.spot(claim.span), format!("there is a probe `{}` already", claim.name))
                .related(known.spot(known.span), "the first is here")
                .help("results are kept by name: give each probe its own"),
        );
    }
}

/// Reports needs that lead back to where they began; each circle once.
pub(super) fn circles(claims: &[Claim], diagnostics: &mut Diagnostics) {
    let needing = claims.iter().filter(|claim| !claim.needs.is_empty());
    let mut left: BTreeMap<&str, &Claim> = needing.map(|claim| (claim.name.as_str(), claim)).collect();
    loop {
        // What needs nothing that is left is in no circle.
        loop {
            let sound: BTreeSet<&str> =
                left.values().filter(|claim| next(claim, &left).is_none()).map(|claim| claim.name.as_str()).collect();
            if sound.is_empty() {
                break;
            }
            left.retain(|name, _| !sound.contains(name));
        }
        // Everything that is left needs something that is left, so that walking on must come round.
        let Some(mut at) = left.values().next().copied() else { return };
        let mut walked: Vec<&Claim> = Vec::new();
        while !walked.iter().any(|claim| claim.name == at.name) {
            walked.push(at);
            let Some((further, _)) = next(at, &left) else { return };
            at = further;
        }
        let circle: Vec<&Claim> = walked.into_iter().skip_while(|claim| claim.name != at.name).collect();
        diagnostics.push(circle_of(&circle, &left));
        left.retain(|name, _| !circle.iter().any(|claim| claim.name == *name));
    }
}

/// The first probe it needs that is left, and where it says so.
fn next<'c>(claim: &Claim, left: &BTreeMap<&str, &'c Claim>) -> Option<(&'c Claim, Span)> {
    claim.needs.iter().find_map(|(name, span)| Some((*left.get(name.as_str())?, *span)))
}

fn circle_of(circle: &[&Claim], left: &BTreeMap<&str, &Claim>) -> Diagnostic {
    let first = circle[0];
    let span = next(first, left).map_or(first.span, |(_, span)| span);
    let names: Vec<String> = circle.iter().chain([&first]).map(|claim| format!("`{}`", claim.name)).collect();
    let message = match circle {
        [_] => format!("{} needs itself", names[0]),
        _ => format!("these probes need each other in a circle: {}", names.join(" → ")),
    };
    Diagnostic::at(Code::NeedsCircle, first.spot(span), message)
        .help("`needs` names the probe whose failure explains this one's: take out the need that goes the other way")
}

/// Reports needs of probes that do not exist.
pub(super) fn needs(claims: &[Claim], diagnostics: &mut Diagnostics) {
    let known: BTreeSet<&str> = claims.iter().map(|claim| claim.name.as_str()).collect();
    for claim in claims {
        for (name, span) in claim.needs.iter().filter(|(name, _)| !known.contains(name.as_str())) {
            let others = known.iter().copied().filter(|other| *other != claim.name);
            diagnostics.push(
                Diagnostic::at(Code::UnknownProbe, claim.spot(*span), format!("there is no probe `{name}`"))
                    .maybe_help(suggestion(name, others)),
            );
        }
    }
}

/// Warns of probes that page where there is nobody to tell.
pub(super) fn channels(keys: &ServiceKeys<'_>, top: Spot<'_>, claims: &[Claim], diagnostics: &mut Diagnostics) {
    let paging: Vec<&str> = claims.iter().filter(|claim| claim.pages).map(|claim| claim.name.as_str()).collect();
    let Some(first) = paging.first() else { return };
    let spot = keys.notify.entry.map_or(top, |entry| entry.key_spot);
    let whose = match paging.len() {
        1 => format!("the probe `{first}` pages"),
        several => format!("{several} probes page"),
    };
    diagnostics.push(Diagnostic::at(Code::NoChannel, spot, format!("{whose}, and there is no channel that tells anybody")).help(
        "add one, such as `[notify.slack]` with `url`, the name of a secret; or say that nobody is to be told: `[notify]` \
         `none = true`",
    ));
}

/// What probes there are, by what routes and windows choose them by.
struct Known<'c> {
    probes: BTreeSet<&'c str>,
    owners: BTreeSet<&'c str>,
    tags: BTreeSet<&'c str>,
    regions: BTreeSet<&'c str>,
}

impl<'c> Known<'c> {
    fn new(claims: &'c [Claim], world: &'c World) -> Self {
        Self {
            probes: claims.iter().map(|claim| claim.name.as_str()).collect(),
            owners: claims.iter().filter_map(|claim| claim.owner.as_deref()).collect(),
            tags: claims.iter().flat_map(|claim| claim.tags.iter().map(String::as_str)).collect(),
            regions: world.regions.iter().map(|region| &*region.name).collect(),
        }
    }
}

/// Warns of names that nothing has; tells whether there were any.
fn strangers(written: &Selector<'_>, what: &str, known: &BTreeSet<&str>, diagnostics: &mut Diagnostics) -> bool {
    let mut any = false;
    for Item { value: word, node } in written.items().iter().filter(|item| !known.contains(item.value)) {
        any = true;
        let help = suggestion(word, known.iter().copied()).unwrap_or_else(|| "no probe has any".to_owned());
        diagnostics
            .push(Diagnostic::at(Code::MatchesNothing, node.spot, format!("{what} `{word}`, so it matches nothing")).help(help));
    }
    any
}

/// A key by which routes and windows choose.
type Selector<'t> = Field<'t, Option<Vec<Item<'t, &'t str>>>>;

/// Warns of routes and maintenance windows that are about nothing there is.
pub(super) fn selectors(
    keys: &ServiceKeys<'_>,
    alerting: &Alerting,
    world: &World,
    claims: &[Claim],
    diagnostics: &mut Diagnostics,
) {
    let known = Known::new(claims, world);
    for Item { value: window, .. } in keys.maintenance.items() {
        strangers(&window.probes, "there is no probe", &known.probes, diagnostics);
        strangers(&window.regions, "there is no region", &known.regions, diagnostics);
        strangers(&window.tags, "no probe has the tag", &known.tags, diagnostics);
    }
    let written = keys.alerting.route.items();
    for (Item { value: keys, node }, route) in written.iter().zip(&alerting.routes) {
        let any = [
            strangers(&keys.owner, "no probe has the owner", &known.owners, diagnostics),
            strangers(&keys.tag, "no probe has the tag", &known.tags, diagnostics),
            strangers(&keys.region, "there is no region", &known.regions, diagnostics),
            strangers(&keys.probe, "there is no probe", &known.probes, diagnostics),
        ];
        if !any.contains(&true) && is_of_probes(route) && !claims.iter().any(|claim| matches(route, claim)) {
            diagnostics.push(
                Diagnostic::at(Code::MatchesNothing, node.spot, "no probe is all of this at once, so this never matches")
                    .help("each key narrows the route: leave one out, or make a route for each"),
            );
        }
    }
    shadowed(written, &alerting.routes, diagnostics);
}

/// Whether only incidents of some probes match; blind regions are no probe's.
fn is_of_probes(route: &Route) -> bool {
    !(route.owners.is_empty() && route.tags.is_empty() && route.probes.is_empty())
}

fn matches(route: &Route, claim: &Claim) -> bool {
    let any = |list: &[Arc<str>], has: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|word| has(word));
    any(&route.owners, &|word| claim.owner.as_deref() == Some(word))
        && any(&route.tags, &|word| claim.tags.iter().any(|tag| tag == word))
        && any(&route.probes, &|word| claim.name == word)
        && any(&route.regions, &|word| claim.regions.iter().any(|region| &**region == word))
}

/// Warns of routes behind others that take everything of their severities.
fn shadowed(written: &[Item<'_, RouteKeys<'_>>], routes: &[Route], diagnostics: &mut Diagnostics) {
    let mut taken: Vec<(Severity, Spot<'_>)> = Vec::new();
    for (Item { node, .. }, route) in written.iter().zip(routes) {
        let severities = if route.severities.is_empty() { &Severity::ALL[..] } else { &route.severities };
        let before = |severity: &Severity| taken.iter().find(|(known, _)| known == severity).map(|(_, spot)| *spot);
        if let (Some(first), true) = (before(&severities[0]), severities.iter().all(|severity| before(severity).is_some())) {
            diagnostics.push(
                Diagnostic::at(Code::MatchesNothing, node.spot, "nothing gets as far as this route, so it never matches")
                    .related(first, "this one takes everything before")
                    .help("the first route that matches decides: move this one above it"),
            );
        }
        if !is_of_probes(route) && route.regions.is_empty() {
            taken.extend(severities.iter().map(|severity| (*severity, node.spot)));
        }
    }
}
