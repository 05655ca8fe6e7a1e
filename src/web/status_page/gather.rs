//! What the page is made of, from the handles of the service: only of what `[status_page]` chose.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::alert::status::CanaryStatus;
use crate::base::time::epoch_ms;
use crate::history::{EventFilter, EventKind, EventView, IncidentFilter, IncidentView, Page, ReadError, RollupFilter};
use crate::plan::{Canary, Plan, StatusComponent, StatusPage};
use crate::schedule::{Pause, PauseTarget};
use crate::web::Api;
use crate::web::model::incident::notes::{self, is_withdrawal};
use crate::web::model::{Snapshot, staleness};

use super::days::{ByDay, DAY_MS, GOOD, day_of, history, share};
use super::incidents::{is_public, of_component};
use super::kept::Known;
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

/// Since when the page tells.
fn since(page: &StatusPage, now_ms: i64) -> i64 {
    day_of(now_ms) - (i64::from(page.days) - 1) * DAY_MS
}

/// The days of all probes that were chosen.
pub(super) async fn days(api: &Api, page: &StatusPage, now_ms: i64) -> Result<Days, ReadError> {
    let mut days = Days::new();
    for name in page.chosen() {
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
    for probe in page.chosen() {
        let asked = |open| {
            let filter = IncidentFilter { open, probe: Some(probe.to_string()) };
            api.reader.incidents(filter, INCIDENTS_OF_PROBE, None)
        };
        // What goes on is told however many began since. What ends between the two questions is told as it was at the second.
        let open = asked(true).await?.items;
        let newest = asked(false).await?.items;
        let is_older = |incident: &IncidentView| !newest.iter().any(|newer| newer.id == incident.id);
        story.incidents.extend(open.into_iter().filter(is_older));
        story.incidents.extend(newest);
    }
    let filter = EventFilter { kinds: vec![EventKind::Note], since_ms: Some(since(page, now_ms)), ..EventFilter::default() };
    let (mut noted, mut after) = (Vec::new(), None);
    for _ in 0..NOTE_PAGES {
        let page = api.reader.events(filter.clone(), Page::<EventView>::LIMIT, after).await?;
        noted.extend(page.items.into_iter().filter(|event| is_public(event) || is_withdrawal(event)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // Those that were withdrawn are not public any more.
    story.notes = notes::notes(&noted, None).into_iter().filter(is_public).collect();
    Ok(story)
}

/// What the page says now. Days or story that could not be read are absent, and the page says so.
pub(super) fn page(
    api: &Api,
    page: &StatusPage,
    snapshot: &Snapshot,
    (days, story): (&Known<Days>, &Known<Story>),
    now: SystemTime,
) -> PublicPage {
    let plan = api.plan();
    let pauses = api.scheduler.pauses().list();
    let canaries = Canaries::new(page, &plan, &snapshot.status.canaries, &pauses, now);
    let now_ms = epoch_ms(now);
    let component = |component: &StatusComponent| {
        let counts = sum(component, days.value());
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
    let (incidents, more_incidents) = incidents(page, story.value(), since(page, now_ms));
    let made = PublicPage {
        title: page.title.to_string(),
        intro: page.intro.as_deref().map(str::to_owned),
        as_of_ms: snapshot.at_ms,
        is_stale: false,
        is_partial: !(days.is_current && story.is_current),
        read_ms: read_ms(days, story),
        days: page.days,
        components: page.components.iter().map(component).collect(),
        incidents,
        more_incidents,
        maintenance: windows(page, &plan, now),
    };
    let is_old = now_ms.saturating_sub(snapshot.at_ms) > i64::try_from(OLD.as_millis()).unwrap_or(i64::MAX);
    if is_old || staleness(api).is_some() { made.unknown() } else { made }
}

/// As of when days and incidents are: the older of both.
fn read_ms(days: &Known<Days>, story: &Known<Story>) -> Option<i64> {
    let ((days_ms, _), (story_ms, _)) = days.read.as_ref().zip(story.read.as_ref())?;
    Some(*days_ms.min(story_ms))
}

/// How each canary of the probes that were chosen is; of those that other processes run nothing is known.
struct Canaries<'s> {
    seen: BTreeMap<&'s str, Vec<(&'s str, Seen)>>,
}

impl<'s> Canaries<'s> {
    fn new(page: &StatusPage, plan: &'s Plan, status: &[CanaryStatus], pauses: &[Pause], now: SystemTime) -> Self {
        let (chosen, open) = (page.chosen(), OpenWindows::at(plan, now));
        let known: HashMap<&str, &CanaryStatus> = status.iter().map(|canary| (&*canary.canary, canary)).collect();
        let is_paused = |canary: &Canary| {
            pauses.iter().any(|pause| match &pause.target {
                PauseTarget::Probe(probe) => *probe == canary.probe.name,
                PauseTarget::Canary(id) => *id == canary.id,
            })
        };
        let mut all: BTreeMap<&'s str, Vec<(&'s str, Seen)>> = BTreeMap::new();
        for canary in plan.canaries.iter().filter(|canary| chosen.contains(&canary.probe.name)) {
            let status = known.get(canary.id.as_str());
            let seen = status.map_or(Seen::Unknown, |status| seen(status, open.hold_for(canary), is_paused(canary)));
            all.entry(&canary.probe.name).or_default().push((&canary.region.name, seen));
        }
        for probe in plan.probes.iter().filter(|probe| chosen.contains(&probe.name)) {
            // A plan of a fleet has the canaries of other regions as well.
            let of_probe = all.entry(&probe.name).or_default();
            let here: HashSet<&str> = of_probe.iter().map(|(region, _)| *region).collect();
            let elsewhere = probe.elsewhere.iter().filter(|region| !here.contains(&***region));
            of_probe.extend(elsewhere.flat_map(|region| probe.cells.iter().map(move |_| (&**region, Seen::Unknown))));
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

#[cfg(test)]
mod tests {
    use super::super::state::tests::canary;
    use super::*;
    use crate::alert::status::Health;
    use crate::plan::{Probe, StatusPlace, testing};
    use crate::web::status_page::model::PublicState;

    fn page(regions: Option<BTreeMap<Arc<str>, Arc<str>>>) -> StatusPage {
        let component = StatusComponent { name: "Shop".into(), summary: None, probes: vec!["p".into()] };
        let place = StatusPlace::Path("/status".into());
        StatusPage { title: "Status".into(), intro: None, place, days: 90, regions, components: vec![component] }
    }

    /// How the component is, and how it is in each region, where this process runs it in `eu` and others in these.
    fn told(elsewhere: &[&str], status: &[CanaryStatus]) -> (PublicState, Vec<(String, PublicState)>) {
        let elsewhere: Vec<Arc<str>> = elsewhere.iter().map(|region| Arc::from(*region)).collect();
        let probe = Probe { elsewhere: elsewhere.clone(), ..testing::probe("p") };
        let mut plan = Arc::into_inner(testing::plan(vec![probe, testing::probe("q")], &["eu"])).unwrap();
        plan.known_regions.extend(elsewhere);
        let page = page(Some(BTreeMap::new()));
        let canaries = Canaries::new(&page, &plan, status, &[], SystemTime::now());
        let regions = regions(&page, &page.components[0], &plan, &canaries);
        let of_all = state(&canaries.of("p", None), PublicState::Operational);
        (of_all, regions.into_iter().map(|region| (region.name, region.state)).collect())
    }

    #[test]
    fn nothing_is_said_to_be_well_of_which_only_other_processes_know() {
        use PublicState::{Disrupted, Operational, Unknown};
        let well = || canary(Health::Passing, None, false);
        let eu = |state| ("eu".to_owned(), state);
        assert_eq!(told(&[], &[well()]), (Operational, vec![eu(Operational)]));
        assert_eq!(told(&["us"], &[well()]), (Unknown, vec![eu(Operational), ("us".to_owned(), Unknown)]));
        let fails = CanaryStatus { paging: true, ..canary(Health::Failing, Some(1), true) };
        assert_eq!(told(&["us"], &[fails]), (Disrupted, vec![eu(Disrupted), ("us".to_owned(), Unknown)]));
        assert_eq!(told(&[], &[]), (Unknown, vec![eu(Unknown)]), "the alerts know nothing of it yet");
    }
}
