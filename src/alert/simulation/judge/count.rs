//! 9: rings of an incident on a channel are few, whatever it does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::log::{Heard, LogEntry, Sound};
use super::Case;

const HOUR: Duration = Duration::from_hours(1);

/// Rings of one incident on one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Count {
    pub(in super::super) channel: String,
    pub(in super::super) incident: String,
    /// By hour since the first.
    pub(in super::super) by_hour: Vec<usize>,
    /// Rises, acknowledgements and new regions, each of which allows one more.
    pub(in super::super) allowances: Vec<usize>,
}

/// Holds of every incident; also gives the counts, to be published.
pub(in super::super) fn rings_are_few(case: &Case) -> (Vec<Count>, Vec<String>) {
    let counts: Vec<Count> = case.channels.iter().flat_map(|channel| counts(case, &channel.name)).collect();
    let mut wrong = Vec::new();
    for count in &counts {
        for (hour, (rings, more)) in count.by_hour.iter().zip(&count.allowances).enumerate() {
            let most = if hour == 0 { 7 } else { 4 } + more;
            if *rings > most {
                wrong.push(format!(
                    "{} rang {rings} times in hour {hour} of {}; {most} are allowed",
                    count.channel, count.incident
                ));
            }
        }
    }
    (counts, wrong)
}

fn counts(case: &Case, channel: &str) -> Vec<Count> {
    let mut by_incident: BTreeMap<&str, Vec<&Heard>> = BTreeMap::new();
    for heard in case.log.heard(channel).filter(|heard| heard.sound == Sound::Rang) {
        let rings = by_incident.entry(&heard.incident).or_default();
        // A repetition of the same try is judged elsewhere.
        if !rings.iter().any(|ring| ring.id == heard.id) {
            rings.push(heard);
        }
    }
    by_incident.into_iter().map(|(incident, rings)| count(case, channel, incident, &rings)).collect()
}

fn count(case: &Case, channel: &str, incident: &str, rings: &[&Heard]) -> Count {
    let begin = rings.first().map(|ring| ring.at).unwrap_or_default();
    let hour = |at: Duration| usize::try_from(at.saturating_sub(begin).as_secs() / HOUR.as_secs()).unwrap_or(usize::MAX);
    let hours = rings.last().map_or(0, |ring| hour(ring.at)) + 1;
    let mut count =
        Count { channel: channel.to_owned(), incident: incident.to_owned(), by_hour: vec![0; hours], allowances: vec![0; hours] };
    let (mut severity, mut regions) = (u8::MAX, std::collections::BTreeSet::new());
    for ring in rings {
        count.by_hour[hour(ring.at)] += 1;
        let new_region = ring.regions.iter().filter(|region| regions.insert(region.as_str())).count();
        if ring.severity > severity || (new_region > 0 && severity != u8::MAX && severity < 2) {
            count.allowances[hour(ring.at)] += 1;
        }
        severity = if severity == u8::MAX { ring.severity } else { severity.max(ring.severity) };
    }
    for entry in &case.log.entries {
        let LogEntry::Acknowledged { at, scope } = entry else { continue };
        if *at >= begin && rings.first().is_some_and(|ring| ring.scope == *scope) && hour(*at) < hours {
            count.allowances[hour(*at)] += 1;
        }
    }
    count
}
