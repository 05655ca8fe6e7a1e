//! What is owed and when it is due, by tables.

use super::super::Fact;
use super::super::fact::State;
use super::super::tries::Open;
use super::*;
use crate::alert::testing::probe;
use crate::plan::{AlertPolicy, CanaryId, ChannelKind};

fn at(seconds: u64) -> Duration {
    Duration::from_hours(1_000) + Duration::from_secs(seconds)
}

fn canary(name: &str) -> FactKey {
    FactKey::Canary(CanaryId::read_back(&format!("p/{name}")))
}

const PAGE: State = State::Failing(Level::Page);
const WARN: State = State::Failing(Level::Warn);

/// An incident with what one channel took.
struct Fixture {
    incident: Incident,
    channel: Arc<Channel>,
    alerting: Alerting,
    probe: Probe,
}

impl Fixture {
    fn new(kind: ChannelKind, scope: Scope) -> Self {
        let wakes = matches!(kind, ChannelKind::PagerDuty { .. });
        let timeout = Duration::from_secs(10);
        let channel = Arc::new(Channel { name: "c".into(), least: Severity::Warn, wakes, timeout, kind });
        let alerting = Alerting { channels: vec![Arc::clone(&channel)], ..Alerting::default() };
        let incident = Incident::open("01".to_owned(), scope, None, at(0));
        Self { incident, channel, alerting, probe: probe(Vec::new(), AlertPolicy::default()) }
    }

    fn chat() -> Self {
        Self::new(ChannelKind::Slack { url: "hook".into(), channel: None }, Scope::Probe("p".into()))
    }

    fn pagerduty() -> Self {
        let kind = ChannelKind::PagerDuty { routing_key: "key".into(), url: String::new() };
        Self::new(kind, Scope::Probe("p".into()))
    }

    fn take(&mut self, key: FactKey, region: &str, reason: Option<&str>, state: State, second: u64) {
        let well = Fact::well(key, self.incident.scope.clone());
        let (interval, reason) = (Duration::from_mins(1), reason.map(Arc::from));
        let fact =
            Fact { state, since: at(second), region: region.into(), interval, reason, last_failed: Some(at(second)), ..well };
        self.incident.take(&Arc::new(fact), at(second));
    }

    fn fails(&mut self, name: &str, region: &str, second: u64) -> &mut Self {
        self.take(canary(name), region, None, PAGE, second);
        self
    }

    /// Asks with nothing remembered, escalated or removed.
    fn with_context<T>(&self, ask: impl FnOnce(&Context<'_>) -> T) -> T {
        let (alerting, probe) = (&self.alerting, Some(&self.probe));
        let (records, escalated) = (&ScopeRecords::default(), &BTreeSet::new());
        let (removals, probes) = (&BTreeMap::new(), &BTreeMap::new());
        ask(&Context { alerting, probe, records, scope: "probe/p", escalated, removals, probes })
    }

    fn owed(&self, second: u64) -> Option<Owed> {
        self.with_context(|context| owed(&self.incident, &self.channel, context, at(second)).0)
    }

    fn rings(&mut self, second: u64) -> &mut Self {
        let severity = self.incident.severity().expect("something fails");
        let cover = self.with_context(|context| cover(&self.incident, &self.channel, context, severity, at(second)));
        let Incident { told, members, .. } = &mut self.incident;
        let open = Open { key: second.to_string(), taken: true, acknowledged: 0, labels: Vec::new() };
        told.entry("c".into()).or_default().took(open, cover, at(second), |key| members.get(key));
        self
    }

    /// Seconds until it is due, and why.
    fn due(&self, second: u64) -> Option<(u64, RingReason)> {
        self.owed(second).map(|owed| (owed.at.saturating_sub(at(0)).as_secs(), owed.why))
    }
}

#[test]
fn pauses_are_1_2_4_8_and_15_minutes_after_the_last_ring() {
    let mut fixture = Fixture::chat();
    fixture.fails("0", "eu", 0).rings(0);
    let mut last = 0;
    for (number, minutes) in (1..).zip([1, 2, 4, 8, 15, 15, 15]) {
        fixture.fails(&number.to_string(), "eu", last + 1);
        assert_eq!(fixture.due(last + 1), Some((last + minutes * 60, RingReason::Spread)), "after {number} rings");
        last += minutes * 60;
        fixture.rings(last);
    }
}

#[test]
fn what_cannot_wait_is_due_five_seconds_after_the_last_ring() {
    type Change = fn(&mut Fixture);
    // What happens, and when it is due at a chat and at PagerDuty.
    let table: [(&str, Change, u64, u64); 4] = [
        (
            "another member of a known region",
            |fixture| {
                fixture.fails("2", "eu", 1);
            },
            60,
            600,
        ),
        (
            "a new region",
            |fixture| {
                fixture.fails("2", "us", 1);
            },
            5,
            5,
        ),
        (
            "the first newcomer after an acknowledgement",
            |fixture| {
                fixture.incident.acknowledge("ann".into(), None, at(1));
                fixture.fails("2", "eu", 1);
            },
            5,
            600,
        ),
        ("a rise of severity", |fixture| fixture.take(canary("1"), "eu", None, PAGE, 1), 5, 5),
    ];
    for (what, change, chat, pagerduty) in table {
        for (mut fixture, due) in [(Fixture::chat(), chat), (Fixture::pagerduty(), pagerduty)] {
            let first = if what.contains("rise") { WARN } else { PAGE };
            fixture.take(canary("1"), "eu", None, first, 0);
            fixture.rings(0);
            change(&mut fixture);
            assert_eq!(fixture.due(1).map(|(at, _)| at), Some(due), "{what}");
        }
    }
}

#[test]
fn the_first_newcomer_after_an_acknowledgement_is_hurried_and_the_second_waits() {
    let mut fixture = Fixture::chat();
    fixture.fails("1", "eu", 0).rings(0).incident.acknowledge("ann".into(), None, at(1));
    assert_eq!(fixture.owed(1), None);
    fixture.fails("2", "eu", 2).rings(5).fails("3", "eu", 6);
    assert_eq!(fixture.due(6), Some((5 + 120, RingReason::Spread)));
}

#[test]
fn who_was_well_when_the_ring_was_made_is_owed_when_it_goes_on_with_an_episode_that_was_not_told() {
    for told in [false, true] {
        let mut fixture = Fixture::chat();
        fixture.fails("1", "eu", 0).rings(0).fails("2", "eu", 1);
        if told {
            fixture.rings(10);
        }
        fixture.take(canary("2"), "eu", None, State::Well, 20);
        fixture.fails("3", "eu", 30).rings(200).fails("2", "eu", 300);
        assert_eq!(fixture.owed(300).map(|owed| owed.members), (!told).then_some(1), "told before: {told}");
    }
}

#[test]
fn covers_lapse_for_a_reminder_where_a_receiver_does_not_remind_by_itself_but_not_for_what_somebody_is_at() {
    for (mut fixture, acknowledged, reminds) in
        [(Fixture::chat(), false, 2), (Fixture::chat(), true, 1), (Fixture::pagerduty(), false, 0)]
    {
        fixture.probe.alert.remind = Some(Duration::from_hours(1));
        fixture.fails("1", "eu", 0).rings(0);
        if acknowledged {
            fixture.incident.acknowledge("ann".into(), None, at(1));
        }
        fixture.fails("2", "eu", 100).rings(200);
        assert_eq!(fixture.owed(3_799), None);
        let owed = fixture.owed(3_800);
        assert_eq!(owed.as_ref().map_or(0, |owed| owed.members), reminds);
        assert!(owed.is_none_or(|owed| owed.why == RingReason::Reminder));
    }
}

#[test]
fn no_data_rings_again_for_a_new_reason_or_when_as_many_more_are_without_as_are_covered_and_still_are() {
    let no_data = |name: &str| FactKey::NoData(CanaryId::read_back(&format!("p/{name}")));
    // Covered ones that have data again, newcomers, their reason, whether it is owed.
    let table =
        [(0, 3, "guard", false), (0, 4, "guard", true), (2, 2, "guard", true), (2, 1, "guard", false), (0, 1, "secret", true)];
    for (back, newcomers, reason, is_owed) in table {
        let mut fixture = Fixture::new(ChannelKind::Slack { url: "hook".into(), channel: None }, Scope::NoData("p".into()));
        for number in 0..4 {
            fixture.take(no_data(&format!("old{number}")), "eu", Some("guard"), PAGE, 0);
        }
        fixture.rings(0);
        for number in 0..back {
            fixture.take(no_data(&format!("old{number}")), "eu", Some("guard"), State::Well, 10);
        }
        for number in 0..newcomers {
            fixture.take(no_data(&format!("new{number}")), "eu", Some(reason), PAGE, 20);
        }
        assert_eq!(fixture.owed(3_000).is_some(), is_owed, "{back} {newcomers} {reason}");
    }
}

#[test]
fn critical_goes_where_a_member_of_its_regions_goes() {
    use crate::alert::critical::Critical;
    for (routed_to, is_owed) in [("eu", true), ("ap", false)] {
        let mut fixture = Fixture::chat();
        let route = crate::plan::Route {
            severities: Vec::new(),
            owners: Vec::new(),
            tags: Vec::new(),
            regions: vec![routed_to.into()],
            probes: Vec::new(),
            channels: vec!["c".into()],
        };
        let rest = crate::plan::Route { regions: Vec::new(), channels: Vec::new(), ..route.clone() };
        fixture.alerting.routes = vec![route, rest];
        fixture.fails("1", "eu", 0).fails("2", "us", 0).take(canary("3"), "ap", None, WARN, 0);
        fixture.rings(0);
        fixture.incident.critical = Critical::migrated(at(10), fixture.incident.next_revision());
        fixture.incident.critical_regions = ["eu".into(), "us".into()].into();
        assert_eq!(fixture.due(10), is_owed.then_some((5, RingReason::Rose)), "{routed_to}");
    }
}
