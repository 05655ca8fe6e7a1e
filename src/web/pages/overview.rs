//! `GET /`: what is broken, for whom, since when, and every canary on one time axis.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::extract::Query;
use serde::Deserialize;

use crate::alert::status::{ByHealth, Health};
use crate::base::time::epoch_ms;
use crate::web::Api;
use crate::web::model::changes::{self, ChangeLine};
use crate::web::model::fleet::FleetStatus;
use crate::web::model::overview::{Filter, Grid, Seen, encoded, grid, summary};
use crate::web::model::recent::Marks;
use crate::web::model::strip::{Axis, HEIGHT, StripMark, WIDTH};
use crate::web::model::{Snapshot, words};
use crate::web::secrets::missing_secrets;

use super::card::{Card, cards};
use super::fleet_part::FleetPart;
use super::frame::Frame;
use super::page::{Look, PageResult, html, snapshot};

/// What the address bar keeps.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OverviewQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    range: String,
    #[serde(default)]
    open: String,
}

/// How far back strips go: the word in addresses, in words, and milliseconds.
const RANGES: [(&str, &str, i64); 3] =
    [("10m", "10 minutes", 600_000), ("1h", "last hour", 3_600_000), ("24h", "last day", DAY_MS)];
/// The length from which on a mark is an hour.
const DAY_MS: i64 = 86_400_000;

/// Something about the prober itself.
struct HealthFact {
    name: &'static str,
    value: String,
    class: &'static str,
}

/// A choice that the filter offers.
struct Chip {
    label: String,
    href: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "overview.html", config = "src/web/pages/askama.toml")]
struct OverviewPage {
    frame: Frame,
    cards: Vec<Card>,
    more_incidents: usize,
    facts: Vec<HealthFact>,
    calm: String,
    chips: Vec<Chip>,
    ranges: Vec<Chip>,
    query: OverviewQuery,
    axis: Axis,
    /// What changed meanwhile, as lines through the strips, and how much more did.
    lines: Vec<ChangeLine>,
    more_lines: usize,
    grid: Grid,
    /// That this process stands by, where it does.
    standby: Option<String>,
    /// The processes that share the store; absent where there is no other.
    fleet: Option<FleetPart>,
    is_small: bool,
    is_away: bool,
    is_long: bool,
}

/// `GET /`
pub(super) async fn overview(look: Look, Extension(api): Extension<Arc<Api>>, Query(query): Query<OverviewQuery>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    api.recent.begun(&api.reader, &api.follower).await;
    let plan = api.plan();
    let range = RANGES.iter().find(|(word, ..)| *word == query.range).unwrap_or(&RANGES[1]);
    let axis = Axis::until(snapshot.at_ms, range.2);
    let filter = query.filter();
    // Where the store does not answer, the strips show the last hour only, and the page says so.
    let is_long = range.2 >= DAY_MS;
    let hours = if is_long { hours(&api).await } else { None };
    let is_away = api.recent.is_away() || is_long && hours.is_none();
    // It may walk over ten thousand canaries, and others wait for this thread.
    let made = {
        let (api, snapshot) = (Arc::clone(&api), Arc::clone(&snapshot));
        tokio::task::spawn_blocking(move || {
            let marks = api.recent.marks();
            let seen = Seen { marks: &marks, strips: hours.as_deref().unwrap_or(&marks), axis };
            grid(&plan, &snapshot.status, seen, &filter)
        })
    };
    let grid = made.await.unwrap_or_default();
    let fleet = api.fleet_status().await;
    let changes = api.recent.changes.get(&api.reader, snapshot.at_ms).await;
    let (lines, more_lines) = changes::lines(&changes, axis);
    let page = OverviewPage {
        lines,
        more_lines,
        cards: cards(&api.plan(), &snapshot, &changes, CARDS),
        more_incidents: snapshot.status.incidents.len().saturating_sub(CARDS),
        facts: facts(&api, &snapshot, fleet.as_ref()),
        calm: calm(&snapshot, grid.all),
        chips: query.chips(&grid),
        ranges: RANGES.iter().map(|(word, label, _)| query.chip("range", word, (*label).to_owned(), range.0 == *word)).collect(),
        frame: look.live(&api, &snapshot, "Overview"),
        query,
        axis,
        grid,
        standby: fleet.as_ref().and_then(FleetStatus::standby),
        fleet: fleet.map(|fleet| FleetPart::of(fleet, snapshot.at_ms)),
        is_small: look.is_small,
        is_away,
        is_long,
    };
    Ok(html(&page))
}

/// The hours of the last day; nothing where the store does not answer in time.
async fn hours(api: &Api) -> Option<Arc<Marks>> {
    let answer = tokio::time::timeout(HOURS_WITHIN, api.recent.hours(&api.reader)).await;
    answer.ok().and_then(Result::ok)
}

/// How long the hours of a day are waited for.
const HOURS_WITHIN: Duration = Duration::from_secs(5);

/// Incidents that are shown in full.
const CARDS: usize = 20;

impl OverviewQuery {
    fn filter(&self) -> Filter {
        let words = self.q.split_whitespace().take(8).map(str::to_lowercase).collect();
        let health = Health::ALL.into_iter().find(|health| health.as_str() == self.state);
        let region = Some(self.region.clone()).filter(|region| !region.is_empty());
        let open = self.open.split(' ').filter(|open| !open.is_empty()).take(50).map(str::to_owned).collect();
        Filter { words, health, region, open }
    }

    /// The address with one key set to another value.
    fn with(&self, key: &str, value: &str) -> String {
        let all =
            [("q", &self.q), ("state", &self.state), ("region", &self.region), ("range", &self.range), ("open", &self.open)];
        let pairs = all.into_iter().map(|(name, kept)| (name, if name == key { value } else { kept }));
        let said: Vec<String> =
            pairs.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if said.is_empty() { "./".to_owned() } else { format!("./?{}", said.join("&")) }
    }

    fn chip(&self, key: &str, value: &str, label: String, is_chosen: bool) -> Chip {
        Chip { label, href: self.with(key, value), is_chosen }
    }

    fn chips(&self, grid: &Grid) -> Vec<Chip> {
        let mut chips =
            vec![self.chip("state", "", format!("all {}", words::thousands(grid.all.total())), self.state.is_empty())];
        for (health, count, word) in [
            (Health::Failing, grid.all.failing, "failing"),
            (Health::NoData, grid.all.no_data, "no data"),
            (Health::Suspect, grid.all.suspect, "failed once"),
            (Health::Muted, grid.all.muted, "muted"),
        ] {
            let is_chosen = self.state == health.as_str();
            if count > 0 || is_chosen {
                let value = if is_chosen { "" } else { health.as_str() };
                chips.push(self.chip("state", value, format!("{word} {}", words::thousands(count)), is_chosen));
            }
        }
        if grid.regions.len() > 1 {
            for (region, _) in &grid.regions {
                let is_chosen = self.region == *region;
                chips.push(self.chip("region", if is_chosen { "" } else { region }, region.clone(), is_chosen));
            }
        }
        chips
    }
}

impl OverviewPage {
    /// Where a mark leads: to the run of this canary that was due then, or to those of the hour that it stands for.
    fn mark_href(&self, ids: &[String], mark: &StripMark) -> String {
        let Some(id) = ids.get(mark.of).map(|id| encoded(id)) else { return String::new() };
        if self.is_long {
            format!("runs?canary={id}&since={}&until={}", mark.due_ms, mark.due_ms + 3_600_000)
        } else {
            format!("run?canary={id}&due={}", mark.due_ms)
        }
    }

    /// What of the probes that are not shown is so.
    fn left_out(&self) -> String {
        let probes = words::count(self.grid.left_out, "more probe is", "more probes are");
        format!("{probes} not shown ({}): narrow the list by the filter.", summary(self.grid.left_out_canaries))
    }

    /// The address with a probe, or a region of one, opened too.
    fn opened(&self, key: &str) -> String {
        let open = if self.query.open.is_empty() { key.to_owned() } else { format!("{} {key}", self.query.open) };
        self.query.with("open", &open)
    }

    /// Whether the rows of a probe are shown without a tap.
    fn is_open(&self) -> bool {
        !self.is_small
    }
}

/// Colour and glyph of a health, the glyph being another one for each.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand in references")]
pub(super) fn glyph(health: &Health) -> (&'static str, &'static str) {
    match health {
        Health::Passing => ("well", "●"),
        Health::Unknown => ("muted", "○"),
        Health::Muted => ("muted", "◌"),
        Health::Suspect => ("warned", "✕"),
        Health::NoData => ("odd", "!"),
        Health::Failing => ("bad", "✕"),
    }
}

/// What is said where nothing is open. What is not known to be well is never called so.
fn calm(snapshot: &Snapshot, all: ByHealth) -> String {
    if !snapshot.status.incidents.is_empty() {
        return String::new();
    }
    let total = all.total();
    let canaries = words::count(total, "canary", "canaries");
    if total == 0 {
        return "Nothing is probed: there is no enabled probe.".to_owned();
    }
    if all.passing == total {
        return format!("All is well: {canaries} complete.");
    }
    let parts = [
        (all.passing, "complete"),
        (all.failing, "fail"),
        (all.suspect, "failed lately"),
        (all.no_data, "have no data"),
        (all.muted, "are paused or muted, so that nothing is known of them"),
        (all.unknown, "wait for their first run"),
    ];
    let said = parts.iter().filter(|(count, _)| *count > 0);
    let said: Vec<String> = said.map(|(count, what)| format!("{} {what}", words::thousands(*count))).collect();
    format!("Nothing is open. Of {canaries}, {}.", said.join("; "))
}

/// The strip of the prober's own health.
fn facts(api: &Api, snapshot: &Snapshot, fleet: Option<&FleetStatus>) -> Vec<HealthFact> {
    let status = &snapshot.status;
    let fact = |name, value: String, class| HealthFact { name, value, class };
    let no_data: usize = status.canaries.iter().filter(|canary| canary.without_data_since_ms.is_some()).count();
    let bad_if = |is: bool| if is { "bad" } else { "" };
    let punctual = api.scheduler.punctual();
    let store = api.reader.status();
    let leaks: usize = status.leaks.iter().map(|leak| leak.entries).sum();
    let missing = missing_secrets(&api.plan(), &api.alerts.secrets());
    let mut facts = vec![
        fact("ticks", if punctual { "on time" } else { "late" }.to_owned(), bad_if(!punctual)),
        fact("without data", words::thousands(no_data), bad_if(no_data > 0)),
        match (store.writable, api.recent.is_away()) {
            (false, _) => fact("store", "cannot be written".to_owned(), "bad"),
            // What strips show stands still then.
            (true, true) => fact("store", "cannot be read".to_owned(), "bad"),
            (true, false) => fact("store", "writes".to_owned(), ""),
        },
    ];
    let troubled: Vec<&str> =
        status.channels.iter().filter(|channel| channel.trouble.is_some()).map(|channel| &*channel.channel).collect();
    if status.channels.is_empty() {
        facts.push(fact("channels", "none".to_owned(), ""));
    } else if troubled.is_empty() {
        let names: Vec<&str> = status.channels.iter().map(|channel| &*channel.channel).collect();
        facts.push(fact("channels", format!("{} well", words::list(&names)), ""));
    } else {
        facts.push(fact("channels", format!("{} in trouble", words::list(&troubled)), "bad"));
    }
    if let Some(check) = (api.self_check)() {
        facts.push(fact("self check", check.to_owned(), bad_if(check == "down")));
    }
    if let Some(fleet) = fleet {
        let wrong = fleet.troubles(snapshot.at_ms);
        let well = || words::count(fleet.regions.len(), "region heard of", "regions heard of");
        facts.push(fact("fleet", wrong.first().map_or_else(well, |first| words::clip(first, 200)), bad_if(!wrong.is_empty())));
    }
    facts.push(fact("left behind", words::thousands(leaks), if leaks > 0 { "warned" } else { "" }));
    if !missing.is_empty() {
        facts.push(fact("secrets missing", words::thousands(missing.len()), "bad"));
    }
    let reload = api.last_reload.read().unwrap_or_else(PoisonError::into_inner).clone();
    facts.push(match reload {
        Some(reload) => {
            let said = format!("{}: {}", words::relative(reload.at_ms, snapshot.at_ms), words::clip(&reload.message, 200));
            let (name, class) = if reload.applied { ("reloaded", "") } else { ("reload refused", "bad") };
            fact(name, said, class)
        }
        None => fact("started", words::relative(epoch_ms(api.started), snapshot.at_ms), ""),
    });
    facts
}
