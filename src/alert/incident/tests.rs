//! Tests of incidents: episodes, acknowledgement, what is over.

use super::super::fact::Level;
use super::super::tries::{Cover, Open};
use super::*;
use crate::plan::CanaryId;

const MINUTE: Duration = Duration::from_mins(1);

fn at(minute: u32) -> Duration {
    Duration::from_hours(1_000) + MINUTE * minute
}

fn key(name: &str) -> FactKey {
    FactKey::Canary(CanaryId::read_back(&format!("p/{name}")))
}

fn fact(name: &str, state: State, now: Duration) -> Arc<Fact> {
    let well = Fact::well(key(name), Scope::Probe("p".into()));
    Arc::new(Fact { state, since: now, region: name.into(), interval: MINUTE, last_failed: Some(now), ..well })
}

const PAGE: State = State::Failing(Level::Page);
const WARN: State = State::Failing(Level::Warn);

fn incident() -> Incident {
    Incident::open("01".to_owned(), Scope::Probe("p".into()), None, at(0))
}

fn took(incident: &mut Incident, severity: Severity, now: Duration) {
    let (except, regions, reasons) = Default::default();
    let cover = Cover { severity, revision: incident.revision, at: now, except, suspects: BTreeSet::new(), regions, reasons };
    let Incident { told, members, .. } = incident;
    let open = Open { key: format!("probe/p/{}", now.as_secs()), taken: true, acknowledged: 0, labels: Vec::new() };
    told.entry("chat".into()).or_default().took(open, cover, now, |key| members.get(key));
}

fn is_covered(incident: &Incident, name: &str) -> bool {
    incident.told["chat"].cover.as_ref().is_some_and(|cover| cover.covers(&incident.members[&key(name)]))
}

#[test]
fn a_member_goes_on_with_its_episode_if_it_was_well_for_less_than_ten_minutes_or_two_intervals_and_nobody_was_at_it() {
    // Minutes it was well, its interval, whether it was acknowledged, and whether its episode continues.
    let table = [(9, 1, false, true), (10, 1, false, false), (19, 10, false, true), (20, 10, false, false), (1, 1, true, false)];
    for (well, interval, acknowledged, goes_on) in table {
        let mut incident = incident();
        let fact = |state, now| Arc::new(Fact { interval: MINUTE * interval, ..Fact::clone(&fact("eu", state, now)) });
        incident.take(&fact(PAGE, at(0)), at(0));
        took(&mut incident, Severity::Page, at(0));
        if acknowledged {
            incident.acknowledge("ann".into(), None, at(1));
        }
        incident.take(&fact(State::Well, at(5)), at(5));
        incident.take(&fact(PAGE, at(5 + well)), at(5 + well));
        assert_eq!(is_covered(&incident, "eu"), goes_on, "{well} {interval} {acknowledged}");
    }
}

#[test]
fn a_suspect_that_was_told_is_covered_if_it_crosses_within_ten_minutes_at_a_level_that_was_told() {
    // The level it crosses at, when, and whether it is covered.
    let table = [(PAGE, 10, true), (PAGE, 11, false), (WARN, 10, true)];
    for (state, minute, covered) in table {
        let mut incident = incident();
        incident.take(&fact("eu", PAGE, at(0)), at(0));
        incident.take(&fact("us", State::Suspect, at(0)), at(0));
        took(&mut incident, Severity::Page, at(0));
        incident.take(&fact("us", state, at(minute)), at(minute));
        assert_eq!(is_covered(&incident, "us"), covered, "{state:?} {minute}");
    }
    let mut warned = incident();
    warned.take(&fact("eu", WARN, at(0)), at(0));
    warned.take(&fact("us", State::Suspect, at(0)), at(0));
    took(&mut warned, Severity::Warn, at(0));
    warned.take(&fact("us", PAGE, at(1)), at(1));
    assert!(!is_covered(&warned, "us"), "a page was not told");
}

#[test]
fn a_level_that_rises_above_what_was_told_is_in_no_cover_and_in_no_acknowledgement() {
    let mut incident = incident();
    incident.take(&fact("eu", WARN, at(0)), at(0));
    took(&mut incident, Severity::Warn, at(0));
    assert_eq!(incident.acknowledge("ann".into(), None, at(1)), 1);
    incident.take(&fact("eu", PAGE, at(2)), at(2));
    assert!(!is_covered(&incident, "eu") && !incident.is_acknowledged(&incident.members[&key("eu")]));
}

#[test]
fn what_the_channel_took_before_stays_covered_when_it_is_an_exception_of_the_next_ring() {
    for new_episode in [false, true] {
        let mut incident = incident();
        incident.take(&fact("eu", PAGE, at(0)), at(0));
        took(&mut incident, Severity::Page, at(0));
        if new_episode {
            incident.take(&fact("eu", State::Well, at(5)), at(5));
            incident.take(&fact("eu", PAGE, at(30)), at(30));
        }
        incident.take(&fact("us", PAGE, at(31)), at(31));
        let (revision, Incident { told, members, .. }) = (incident.revision, &mut incident);
        let cover = Cover { revision, at: at(31), except: [key("eu")].into(), ..told["chat"].cover.clone().unwrap() };
        let open = Open { key: "probe/p/2".to_owned(), taken: true, acknowledged: 0, labels: Vec::new() };
        told.get_mut("chat").unwrap().took(open, cover, at(31), |key| members.get(key));
        assert_eq!((is_covered(&incident, "eu"), is_covered(&incident, "us")), (!new_episode, true));
    }
}

#[test]
fn saying_again_that_one_is_at_it_is_kept_only_if_there_is_something_new() {
    let mut incident = incident();
    incident.take(&fact("eu", PAGE, at(0)), at(0));
    assert_eq!(incident.acknowledge("ann".into(), None, at(0)), 0, "nobody took anything");
    took(&mut incident, Severity::Page, at(0));
    assert_eq!((incident.acknowledge("ann".into(), None, at(1)), incident.acknowledged.len()), (1, 1));
    assert_eq!((incident.acknowledge("bob".into(), None, at(2)), incident.acknowledged.len()), (0, 1));
    incident.take(&fact("us", PAGE, at(3)), at(3));
    took(&mut incident, Severity::Page, at(3));
    assert_eq!((incident.acknowledge("bob".into(), None, at(4)), incident.acknowledged.len()), (1, 2));
}

#[test]
fn a_member_that_was_held_rings_by_what_fails_later_and_what_is_no_run_at_once() {
    for (runs, rings_at_once) in [(true, false), (false, true)] {
        let mut incident = incident();
        incident.take(&fact("eu", PAGE, at(0)), at(0));
        incident.hold(&key("eu"), true, false, at(1));
        assert!(!incident.members[&key("eu")].may_ring() && !incident.is_over(), "it holds the incident open");
        incident.hold(&key("eu"), false, !runs, at(5));
        assert_eq!(incident.members[&key("eu")].may_ring(), rings_at_once);
        incident.take(&fact("eu", PAGE, at(4)), at(5));
        assert_eq!(incident.members[&key("eu")].may_ring(), rings_at_once, "that run started before");
        incident.take(&fact("eu", PAGE, at(6)), at(6));
        assert!(incident.members[&key("eu")].may_ring());
    }
}

#[test]
fn an_incident_is_over_when_no_member_fails_and_says_how() {
    let table = [(Departure::Settled, Ended::Well), (Departure::Removed, Ended::Unwatched)];
    for (how, ended) in table {
        let mut incident = incident();
        incident.take(&fact("eu", PAGE, at(0)), at(0));
        incident.take(&fact("us", State::Suspect, at(0)), at(0));
        if how == Departure::Settled {
            incident.take(&fact("eu", State::Well, at(3)), at(3));
        } else {
            incident.removed(&key("eu"), how, at(3));
        }
        assert!(incident.is_over(), "a suspect holds nothing open");
        incident.ends(None, true, at(3));
        assert_eq!(incident.end, Some(End { at: at(3), how: ended }));
    }
}
