//! Incidents made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::alert::Scope;
use crate::alert::fact::{Fact, FactKey, LastRun, Level, State};
use crate::alert::testing::probe as plain_probe;
use crate::alert::view::{MemberState, MemberView, View};
use crate::alert::{Failure, Moment};
use crate::plan::{AlertPolicy, CanaryId, Cell, CellValue, Probe, Runbook, Severity};

/// 2026-11-21 02:14:05 UTC.
const NOW_MS: u64 = 1_795_227_245_000;

pub(super) const PROBE: &str = "premium-registration";
pub(super) const PLATFORMS: [&str; 3] = ["android", "ios", "web"];

/// So long ago, in seconds.
pub(in crate::alert) fn ago(seconds: u64) -> Duration {
    Duration::from_millis(NOW_MS - seconds * 1_000)
}

pub(in crate::alert) fn now() -> Moment {
    let steady = Duration::from_millis(NOW_MS);
    Moment { steady, wall: SystemTime::UNIX_EPOCH + steady }
}

pub(super) fn probe() -> Arc<Probe> {
    let mut probe = plain_probe(Vec::new(), AlertPolicy::default());
    probe.name = PROBE.into();
    probe.summary = Some("A paid registration is activated within a minute".to_owned());
    probe.owner = Some("payments".to_owned());
    probe.runbook = Some(Runbook::Url("https://runbooks.example.com/premium-registration".to_owned()));
    probe.tags = vec!["revenue".to_owned()];
    probe.cells =
        PLATFORMS.iter().map(|name| Arc::new(Cell(vec![("platform".into(), CellValue::Text((*name).into()))]))).collect();
    Arc::new(probe)
}

/// An incident of the probe with three regions and three platforms.
pub(in crate::alert) fn view(members: Vec<MemberView>) -> View {
    View {
        id: "01KAJ8Q9N3V5X7R2T4W6Y8Z0AB".to_owned(),
        scope: Scope::Probe(PROBE.into()),
        since: members.iter().map(|member| member.fact.since).min().unwrap_or_default(),
        severity: Severity::Page,
        members,
        critical: Vec::new(),
        acknowledged: Vec::new(),
        explains: Vec::new(),
        watched: ["ap", "eu", "us"].into_iter().map(|region| (region.into(), 3)).collect(),
        probe: Some(probe()),
        owner: None,
        end: None,
        flapping: false,
    }
}

pub(super) fn failure(region: &str, platform: &str, ended: Duration) -> Failure {
    // As an id of a run is made of its time, it is another one for each.
    let number = region.bytes().chain(platform.bytes()).map(u64::from).sum::<u64>();
    Failure {
        canary: format!("{PROBE}/{region}/platform={platform}"),
        run_id: format!("01KAJ8QA00000000000000{number:04}"),
        trace_id: format!("4bf92f3577b34da6a3ce929d0e0e{number:04}"),
        at_ms: i64::try_from(ended.as_millis()).unwrap(),
        reason: "expectation".to_owned(),
        message: "`json.status == 'activated'` does not hold: `json.status` was \"pending\"".to_owned(),
        step: Some("registration is activated".to_owned()),
        attempts: 12,
        expectation: Some("json.status == 'activated'".to_owned()),
        location: Some("probes/premium_registration.toml:41:15".to_owned()),
        seen: vec![("json.status".to_owned(), "\"pending\"".to_owned())],
    }
}

/// A canary that has failed for so many seconds, a run each minute.
pub(in crate::alert) fn canary(region: &str, platform: &str, seconds: u64) -> MemberView {
    let id = CanaryId::read_back(&format!("{PROBE}/{region}/platform={platform}"));
    let last = ago(5);
    MemberView {
        fact: Arc::new(Fact {
            state: State::Failing(Level::Page),
            since: ago(seconds),
            region: region.into(),
            cell: format!("platform={platform}").into(),
            interval: Duration::from_mins(1),
            failed: u32::try_from(seconds / 60 + 1).unwrap(),
            last: Some(LastRun { failed: true, started: ago(35), ended: last }),
            last_failed: Some(ago(35)),
            evidence: Some(Arc::new(failure(region, platform, last))),
            ..Fact::well(FactKey::Canary(id), Scope::Probe(PROBE.into()))
        }),
        state: MemberState::Failing,
        without_data: None,
    }
}

pub(super) fn with(mut member: MemberView, change: impl FnOnce(&mut Fact)) -> MemberView {
    let mut fact = Fact::clone(&member.fact);
    change(&mut fact);
    member.fact = Arc::new(fact);
    member
}

pub(in crate::alert) fn in_state(member: MemberView, state: MemberState) -> MemberView {
    MemberView { state, ..member }
}

/// All platforms of a region.
pub(in crate::alert) fn region(name: &str, seconds: u64) -> Vec<MemberView> {
    PLATFORMS.iter().map(|platform| canary(name, platform, seconds)).collect()
}

pub(super) fn everything() -> Vec<MemberView> {
    [region("eu", 125), region("us", 118), region("ap", 110)].concat()
}

/// A member that is no canary.
pub(super) fn other(key: FactKey, scope: &Scope, seconds: u64, words: Option<&str>) -> MemberView {
    MemberView {
        fact: Arc::new(Fact {
            state: State::Failing(Level::Page),
            since: ago(seconds),
            words: words.map(Arc::from),
            ..Fact::well(key, scope.clone())
        }),
        state: MemberState::Failing,
        without_data: None,
    }
}

pub(super) fn without_probe(scope: Scope, members: Vec<MemberView>) -> View {
    View { scope, probe: None, owner: None, watched: BTreeMap::new(), ..view(members) }
}

pub(super) fn no_data(probe: &str, region: &str, platform: &str, reason: &str, scope: &Scope) -> MemberView {
    let id = CanaryId::read_back(&format!("{probe}/{region}/platform={platform}"));
    with(other(FactKey::NoData(id), scope, 400, None), |fact| {
        fact.region = region.into();
        fact.cell = format!("platform={platform}").into();
        fact.reason = Some(reason.into());
    })
}
