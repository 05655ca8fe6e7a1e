//! What the page is made of, from the handles of the service: only of what `[status_page]` chose.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::alert::status::CanaryStatus;
use crate::base::time::epoch_ms;
use crate::history::{EventFilter, EventKind, EventView, IncidentFilter, IncidentView, Page, ReadError, RollupFilter};
use crate::plan::{Canary, Plan, StatusComponent, StatusPage};
use crate::schedule::{Pause, PauseTarget};
use crate::web::Api;
use crate::web::model::{Snapshot, staleness};

use super::days::{ByDay, DAY_MS, GOOD, day_of, history, share};
use super::incidents::{is_public, of_component};
use super::model::{PublicComponent, PublicIncident, PublicPage, PublicRegion};
use super::state::{Seen, of_incidents, seen, state};
use super::windows::{OpenWindows, windows};

/// Incidents that are listed.
const INCIDENTS: usize = 50;
/// Incidents of a probe that are looked at, the newest ones.
const INCIDENTS_OF_PROBE: usize = 200;
/// Pages of notes that are looked at.
const NOTE_PAGES: usize = 4;
/// A state that was taken longer ago says nothing of now.
const OLD: Duration = Duration::from_mins(1);

/// The days of the probes that were chosen, by name.
pub(super) type Days = BTreeMap<Arc<str>, ByDay>;

/// The incidents of the probes that were chosen, and what is said of them in public.
#[derive(Debug, Default)]
pub(super) struct Story {
    incidents: Vec<IncidentView>,
    notes: Vec<EventView>,
}

/// The probes that were chosen.
fn chosen(page: &StatusPage) -> HashSet<&Arc<str>> {
    page.components.iter().flat_map(|component| &component.probes).collect()
}

/// Since when the page tells.
fn since(page: &StatusPage, now_ms: i64) -> i64 {
    day_of(now_ms) - (i64::from(page.days) - 1) * DAY_MS
}

/// The days of all probes that were chosen.
pub(super) async fn days(api: &Api, page: &StatusPage, now_ms: i64) -> Result<Days, ReadError> {
    let mut days = Days::new();
    for name in chosen(page) {
        let filter =
            RollupFilter { probe: name.to_string(), canary: None, since_ms: since(page, now_ms), until_ms: now_ms, by_day: true };
        for counts in api.reader.counts_of_probe(filter).await? {
            let day = days.entry(Arc::clone(name)).or_default().entry(day_of(counts.start_ms)).or_default();
            day.add(counts.counts);
        }
    }
    Ok(days)
}

/// The incidents of all probes that were chosen, and their public notes.
pub(super) async fn story(api: &Api, page: &StatusPage, now_ms: i64) -> Result<Story, ReadError> {
    let mut story = Story::default();
    for probe in chosen(page) {
        let filter = IncidentFilter { open: false, probe: Some(probe.to_string()) };
        story.incidents.extend(api.reader.incidents(filter, INCIDENTS_OF_PROBE, None).await?.items);
    }
    let filter = EventFilter { kinds: vec![EventKind::Note], since_ms: Some(since(page, now_ms)), ..EventFilter::default() };
    let mut after = None;
    for _ in 0..NOTE_PAGES {
        let notes = api.reader.events(filter.clone(), Page::<EventView>::LIMIT, after).await?;
        story.notes.extend(notes.items.into_iter().filter(is_public));
        after = notes.next;
        if after.is_none() {
            break;
        }
    }
    Ok(story)
}

/// What the page says now. Days or story that could not be read are absent, and the page says so.
pub(super) fn page(
    api: &Api,
    page: &StatusPage,
    snapshot: &Snapshot,
    (days, story): (Option<&Days>, Option<&Story>),
    now: SystemTime,
) -> PublicPage {
    let plan = api.plan();
    let pauses = api.scheduler.pauses().list();
    let canaries = Canaries::new(page, &plan, &snapshot.status.canaries, &pauses, now);
    let now_ms = epoch_ms(now);
    let component = |component: &StatusComponent| {
        let counts = sum(component, days);
        let of_probe = |probe: &Arc<str>| {
            let incidents = snapshot.status.incidents.iter().filter(|incident| incident.probe.as_deref() == Some(&**probe));
            state(&canaries.of(probe, None), of_incidents(incidents))
        };
        PublicComponent {
            name: component.name.to_string(),
            summary: component.summary.as_deref().map(str::to_owned),
            state: component.probes.iter().map(of_probe).max().unwrap_or_default(),
            regions: regions(page, component, &plan, &canaries),
            history: history(&counts, page.days, good(component, &plan), now_ms),
            share: share(&counts, page.days, now_ms),
        }
    };
    let (incidents, more_incidents) = incidents(page, story, since(page, now_ms));
    let made = PublicPage {
        title: page.title.to_string(),
        intro: page.intro.as_deref().map(str::to_owned),
        as_of_ms: snapshot.at_ms,
        is_stale: false,
        is_partial: days.is_none() || story.is_none(),
        days: page.days,
        components: page.components.iter().map(component).collect(),
        incidents,
        more_incidents,
        maintenance: windows(page, &plan, now),
    };
    let is_old = now_ms.saturating_sub(snapshot.at_ms) > i64::try_from(OLD.as_millis()).unwrap_or(i64::MAX);
    if is_old || staleness(api).is_some() { made.unknown() } else { made }
}

/// How each canary of the probes that were chosen is.
struct Canaries<'s> {
    seen: BTreeMap<&'s str, Vec<(&'s str, Seen)>>,
}

impl<'s> Canaries<'s> {
    fn new(page: &StatusPage, plan: &Plan, status: &'s [CanaryStatus], pauses: &[Pause], now: SystemTime) -> Self {
        let (chosen, open) = (chosen(page), OpenWindows::at(plan, now));
        let known: BTreeMap<&str, &Canary> = plan
            .canaries
            .iter()
            .filter(|canary| chosen.contains(&canary.probe.name))
            .map(|canary| (canary.id.as_str(), &**canary))
            .collect();
        let is_paused = |canary: &CanaryStatus| {
            pauses.iter().any(|pause| match &pause.target {
                PauseTarget::Probe(probe) => **probe == *canary.probe,
                PauseTarget::Canary(id) => id.as_str() == canary.canary,
            })
        };
        let mut all: BTreeMap<&'s str, Vec<(&'s str, Seen)>> = BTreeMap::new();
        for canary in status {
            if let Some(planned) = known.get(&*canary.canary) {
                let seen = seen(canary, open.hold_for(planned), is_paused(canary));
                all.entry(&canary.probe).or_default().push((&canary.region, seen));
            }
        }
        Self { seen: all }
    }

    /// Those of a probe, in one region or everywhere.
    fn of(&self, probe: &str, region: Option<&str>) -> Vec<Seen> {
        let those = self.seen.get(probe).into_iter().flatten();
        those.filter(|(in_region, _)| region.is_none_or(|region| region == *in_region)).map(|(_, seen)| *seen).collect()
    }
}

/// How a component is in each region in which one of its probes runs; nothing unless regions are shown.
fn regions(page: &StatusPage, component: &StatusComponent, plan: &Plan, canaries: &Canaries<'_>) -> Vec<PublicRegion> {
    let in_region = |region: &Arc<str>| {
        let name = page.region_name(region)?;
        let of_probe = |probe: &Arc<str>| {
            let seen = canaries.of(probe, Some(region));
            (!seen.is_empty()).then(|| state(&seen, super::model::PublicState::Operational))
        };
        let state = component.probes.iter().filter_map(of_probe).max()?;
        Some(PublicRegion { name: name.to_owned(), state })
    };
    plan.known_regions.iter().filter_map(in_region).collect()
}

/// The days of all probes of a component.
fn sum(component: &StatusComponent, days: Option<&Days>) -> ByDay {
    let mut all = ByDay::new();
    for (day, counts) in component.probes.iter().filter_map(|probe| days?.get(probe)).flatten() {
        all.entry(*day).or_default().add(*counts);
    }
    all
}

/// The share of checks that must complete on a good day: the least that one of its probes promises.
fn good(component: &StatusComponent, plan: &Plan) -> f64 {
    let promised = |name: &Arc<str>| {
        let probe = plan.probes.iter().find(|probe| probe.name == *name)?;
        probe.slo.as_ref().and_then(|slo| slo.success)
    };
    component.probes.iter().filter_map(promised).reduce(f64::min).unwrap_or(GOOD)
}

/// What is listed, and how many more there are.
fn incidents(page: &StatusPage, story: Option<&Story>, since_ms: i64) -> (Vec<PublicIncident>, usize) {
    let Some(story) = story else { return (Vec::new(), 0) };
    let of_one = |component: &StatusComponent| {
        let is_of_it =
            |incident: &&IncidentView| component.probes.iter().any(|probe| incident.probe.as_deref() == Some(&**probe));
        of_component(&component.name, story.incidents.iter().filter(is_of_it), &story.notes, since_ms)
    };
    let mut all: Vec<PublicIncident> = page.components.iter().flat_map(of_one).collect();
    all.sort_by_key(|incident| (incident.ended_ms.is_some(), std::cmp::Reverse(incident.begun_ms)));
    let more = all.len().saturating_sub(INCIDENTS);
    all.truncate(INCIDENTS);
    (all, more)
}
