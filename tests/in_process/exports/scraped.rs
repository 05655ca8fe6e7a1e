//! What a Prometheus that scrapes each minute has seen of a fleet that was made up.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serinus::plan::{Canary, Service};

/// The verdicts that have a series from the start.
const VERDICTS: [&str; 6] = ["passed", "failed", "errored", "missed", "blocked", "skipped"];

/// What Prometheus notes of a series that a scrape did not bring.
const GONE: &str = "stale";

/// What is made up.
pub(super) struct Fleet<'s> {
    pub(super) service: &'s Service,
    pub(super) minutes: u64,
    /// How a run of this probe in this region ends, by its minute and its number of the probe's.
    pub(super) verdict: fn(&str, &str, u64, u64) -> &'static str,
    /// Whether the process of a region starts at this minute.
    pub(super) restarts: fn(&str, u64) -> bool,
    /// Whether the scrape of this minute comes back.
    pub(super) scraped: fn(&str, u64) -> bool,
    /// Further series of each region and their value at a minute; nothing while there is none.
    pub(super) more: &'s [FurtherSeries],
}

/// A series and its value at a minute.
pub(super) type FurtherSeries = (&'static str, fn(u64) -> Option<f64>);

impl<'s> Fleet<'s> {
    /// One in which all is well.
    pub(super) fn well(service: &'s Service, minutes: u64) -> Self {
        Self { service, minutes, verdict: |_, _, _, _| "passed", restarts: |_, _| false, scraped: |_, _| true, more: &[] }
    }

    /// As promtool reads it.
    pub(super) fn input(&self) -> Value {
        let mut series: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut add = |name: String, minute: u64, value: Option<f64>| {
            let values = series.entry(name).or_default();
            values.resize(usize::try_from(minute).unwrap(), GONE.to_owned());
            values.push(value.map_or_else(|| GONE.to_owned(), |value| value.to_string()));
        };
        for region in self.service.plan.known_regions.iter().map(|region| &**region) {
            let mut counts: BTreeMap<(usize, &str), f64> = BTreeMap::new();
            let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
            for minute in 0..self.minutes {
                if (self.restarts)(region, minute) {
                    counts.clear();
                }
                for (at, canary) in self.service.plan.canaries.iter().enumerate() {
                    for _ in 0..due(canary, at, minute) {
                        let number = numbers.entry(&canary.probe.name).or_default();
                        *number += 1;
                        let verdict = (self.verdict)(&canary.probe.name, region, minute, *number);
                        *counts.entry((at, verdict)).or_default() += 1.0;
                    }
                }
                if !(self.scraped)(region, minute) {
                    continue;
                }
                for (at, canary) in self.service.plan.canaries.iter().enumerate() {
                    let cell: Vec<String> = canary.cell.0.iter().map(|(key, value)| format!(",{key}=\"{value}\"")).collect();
                    let cell = cell.concat();
                    let labels = format!("instance=\"{region}:9464\",probe=\"{}\",region=\"{region}\"{cell}", canary.probe.name);
                    for verdict in VERDICTS {
                        let count = counts.get(&(at, verdict)).copied().unwrap_or_default();
                        add(format!("serinus_runs_total{{{labels},verdict=\"{verdict}\"}}"), minute, Some(count));
                    }
                }
                add(format!("serinus_build_info{{instance=\"{region}:9464\"}}"), minute, Some(1.0));
                for probe in &self.service.plan.probes {
                    let about = format!("instance=\"{region}:9464\",probe=\"{}\",owner=\"o\",runbook=\"https://r\"", probe.name);
                    add(format!("serinus_probe_info{{{about}}}"), minute, Some(1.0));
                }
                for (name, value) in self.more {
                    // What is not of each region is of the first that has it.
                    if name.contains("REGION") || name.contains(&format!("instance=\"{region}:")) {
                        add(name.replace("REGION", region), minute, value(minute));
                    }
                }
            }
        }
        let minutes = usize::try_from(self.minutes).unwrap();
        for values in series.values_mut() {
            values.resize(minutes, GONE.to_owned());
        }
        series.iter().map(|(series, values)| json!({ "series": series, "values": values.join(" ") })).collect()
    }
}

/// How many of a canary's ticks lie in the minute before this scrape.
fn due(canary: &Canary, at: usize, minute: u64) -> u64 {
    let interval = canary.probe.cadence.pauses().0.as_secs() / u64::from(canary.probe.runs);
    let phase = (at as u64 * 37) % interval;
    let until = |second: u64| if second < phase { 0 } else { (second - phase) / interval + 1 };
    until((minute + 1) * 60) - until(minute * 60)
}
