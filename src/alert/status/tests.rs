//! How it is gathered, by tables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::fact::{Level, Share};
use crate::alert::testing::{canary, moment, probe};
use crate::alert::view::{Acknowledged, MemberState, MemberView, MuteKind, Muted, View};
use crate::alert::{Fact, FactKey, Scope, State};
use crate::alert::{Failure, Moment};
use crate::plan::{AlertPolicy, Canary, CanaryId, Probe, Severity};

use super::*;

const BEGIN_MS: i64 = 1_763_724_828_000;

/// So many seconds after the beginning.
fn at(seconds: u64) -> Duration {
    moment(seconds).steady
}

fn named(name: &str) -> Arc<Probe> {
    Arc::new(Probe { name: name.into(), ..probe(Vec::new(), AlertPolicy::default()) })
}

fn fact(key: FactKey, state: State, since: u64) -> Fact {
    let scope = Scope::Probe(key.probe().unwrap_or_default().into());
    Fact { state, since: at(since), failed: 3, ..Fact::well(key, scope) }
}

fn of_canary(id: &str, state: State, since: u64) -> Fact {
    fact(FactKey::Canary(CanaryId::read_back(id)), state, since)
}

fn member(fact: Fact, state: MemberState) -> MemberView {
    MemberView { fact: Arc::new(fact), state, without_data: None }
}

fn view(id: &str, scope: Scope, severity: Severity, since: u64, members: Vec<MemberView>) -> View {
    View {
        id: id.to_owned(),
        scope,
        since: at(since),
        severity,
        members,
        critical: Vec::new(),
        acknowledged: Vec::new(),
        explains: Vec::new(),
        watched: BTreeMap::new(),
        probe: None,
        owner: None,
        end: None,
        flapping: false,
    }
}

fn open(view: &View) -> Open<'_> {
    Open {
        view,
        title: format!("{} fails", view.scope),
        keys: vec![format!("{}/1", view.scope)],
        told: Vec::new(),
        owed: Vec::new(),
    }
}

fn seen(canary: &Canary) -> CanaryNow<'_> {
    CanaryNow {
        canary,
        fact: None,
        known: true,
        muted: false,
        without_data: None,
        last: None,
        hour: Share { failed: 0, counted: 60, reaches: false },
    }
}

fn muted() -> MemberState {
    MemberState::Muted(Muted {
        why: MuteKind::Reason("timeout".into()),
        by: Some("ann".into()),
        because: Some("ticket 7".into()),
        until: Some(at(7_200)),
    })
}

#[test]
fn a_canary_stands_as_the_worst_that_is_so_of_it_unless_it_is_muted() {
    use Health::{Failing, Muted, NoData, Passing, Suspect, Unknown};
    let one = canary(&named("p"), "eu");
    let page = State::Failing(Level::Page);
    for (state, known, muted, without, expected, since) in [
        (State::Well, true, false, None, Passing, None),
        (State::Well, false, false, None, Unknown, None),
        (State::Well, true, true, None, Muted, None),
        (State::Well, true, false, Some(5), NoData, Some(5)),
        (State::Suspect, true, false, None, Suspect, Some(1)),
        (State::Suspect, true, false, Some(5), NoData, Some(5)),
        (State::Suspect, true, true, None, Muted, Some(1)),
        (page, true, false, None, Failing, Some(1)),
        (page, true, false, Some(5), Failing, Some(1)),
        (page, true, true, Some(5), Muted, Some(1)),
    ] {
        let fact = of_canary("p/eu", state, 1);
        let fact = (state != State::Well).then_some(&fact);
        let canaries = vec![CanaryNow { fact, known, muted, without_data: without.map(at), ..seen(&one) }];
        let status = gather(StatusInput { canaries, ..StatusInput::default() }, moment(60));
        let found = &status.canaries[0];
        assert_eq!((found.standing, found.since_ms), (expected, since.map(|since: i64| BEGIN_MS + since * 1_000)), "{state:?}");
        assert_eq!(found.paging, state == page);
    }
}

#[test]
fn a_probe_stands_as_its_worst_canary_since_the_first_of_those_and_counts_the_last_hour_of_all() {
    let p = named("p");
    let [eu, us, ap] = ["eu", "us", "ap"].map(|region| canary(&p, region));
    let facts = [of_canary("p/eu", State::Failing(Level::Page), 30), of_canary("p/us", State::Failing(Level::Page), 20)];
    let half = Share { failed: 30, counted: 60, reaches: false };
    let canaries = vec![
        CanaryNow { fact: Some(&facts[0]), hour: half, ..seen(&eu) },
        CanaryNow { fact: Some(&facts[1]), hour: half, ..seen(&us) },
        seen(&ap),
    ];
    let probes = vec![ProbeNow { probe: &p, convergence_1h: Some(1.5), degraded_1h: None, budget_left: Some(-0.2) }];
    let status = gather(StatusInput { probes, canaries, ..StatusInput::default() }, moment(60));
    let [found] = status.probes.as_slice() else { panic!("one probe") };
    assert_eq!((found.verdict, found.since_ms), (Health::Failing, Some(BEGIN_MS + 20_000)));
    assert_eq!((found.counted_1h, found.success_1h), (180, Some(120.0 / 180.0)));
    assert_eq!((found.canaries.failing, found.canaries.passing, found.canaries.total()), (2, 1, 3));
    assert_eq!((found.convergence_1h, found.budget_left, found.severity), (Some(1.5), Some(-0.2), None));
}

#[test]
fn a_probe_without_a_counted_run_has_no_share_of_successes() {
    let p = named("p");
    let eu = canary(&p, "eu");
    let canaries = vec![CanaryNow { known: false, hour: Share::default(), ..seen(&eu) }];
    let probes = vec![ProbeNow { probe: &p, convergence_1h: None, degraded_1h: None, budget_left: None }];
    let status = gather(StatusInput { probes, canaries, ..StatusInput::default() }, moment(60));
    assert_eq!((status.probes[0].verdict, status.probes[0].success_1h), (Health::Unknown, None));
}

#[test]
fn somebody_ought_to_be_awake_exactly_while_a_page_level_member_fails_unmuted_unexplained_and_unacknowledged() {
    let (page, warn) = (State::Failing(Level::Page), State::Failing(Level::Warn));
    for (state, standing, expected) in [
        (page, MemberState::Failing, 1),
        (page, MemberState::Waiting(at(60)), 1),
        (warn, MemberState::Failing, 0),
        (warn, MemberState::Waiting(at(60)), 0),
        (page, muted(), 0),
        (page, MemberState::Explained(vec!["root".into()]), 0),
        (page, MemberState::Acknowledged("ann".into()), 0),
        (State::Suspect, MemberState::Suspect, 0),
        (State::Well, MemberState::Recovered(at(5)), 0),
        (page, MemberState::Removed, 0),
        (page, MemberState::Closed, 0),
    ] {
        let text = format!("{standing:?}");
        // What wakes nobody is critical here, and the number goes by members all the same.
        let members = vec![member(of_canary("p/eu", state, 1), standing)];
        let view = view("01A", Scope::Probe("p".into()), Severity::Critical, 1, members);
        let status = gather(StatusInput { incidents: vec![open(&view)], ..StatusInput::default() }, moment(60));
        assert_eq!((status.unanswered, status.incidents[0].unanswered), (expected, expected), "{text}");
    }
}

#[test]
fn the_members_of_an_incident_are_those_that_failed_in_it_what_fails_first_and_their_number_agrees() {
    let page = State::Failing(Level::Page);
    let members = vec![
        member(of_canary("p/ap", State::Well, 2), MemberState::Recovered(at(50))),
        member(of_canary("p/us", State::Suspect, 3), MemberState::Suspect),
        member(of_canary("p/sa", page, 9), muted()),
        member(of_canary("p/eu", page, 8), MemberState::Failing),
        member(of_canary("p/af", page, 7), MemberState::Failing),
    ];
    let mut view = view("01A", Scope::Probe("p".into()), Severity::Page, 2, members);
    view.acknowledged.push(Acknowledged { by: "ann".into(), at: at(40), reason: Some("looking".into()) });
    let mut open = open(&view);
    open.keys = vec!["probe/p/2".to_owned(), "probe/p/1".to_owned(), "probe/p/2".to_owned()];
    open.owed = vec![("chat".into(), at(30))];
    open.told = vec![("pager".into(), 2, at(20))];
    let status = gather(StatusInput { incidents: vec![open], ..StatusInput::default() }, moment(60));
    let [found] = status.incidents.as_slice() else { panic!("one incident") };
    let names: Vec<(&str, &str)> = found.members.iter().map(|member| (&*member.name, member.standing)).collect();
    assert_eq!(names, [("p/af", "failing"), ("p/eu", "failing"), ("p/sa", "muted"), ("p/ap", "recovered")]);
    assert_eq!((found.members_total, found.suspects), (4, 1));
    assert_eq!((found.key.as_deref(), found.keys.len()), (Some("probe/p/2"), 2));
    assert_eq!(found.members[3].since_ms, BEGIN_MS + 50_000, "since when it is well");
    assert_eq!(found.acknowledged[0].reason.as_deref(), Some("looking"));
    let told: Vec<_> = found.told.iter().map(|told| (told.channel.as_str(), told.rings, told.last_ms)).collect();
    assert_eq!(told, [("pager", 2, BEGIN_MS + 20_000)]);
    let clipped = found.clone().clipped(2);
    assert_eq!((clipped.members.len(), clipped.members_total), (2, 4));
}

#[test]
fn of_what_fails_the_latest_failed_run_of_each_region_is_shown() {
    let page = State::Failing(Level::Page);
    let failed = |id: &str, region: &str, at_s: u64, standing: MemberState| {
        let failure = Failure {
            canary: id.to_owned(),
            run_id: format!("run of {id}"),
            trace_id: String::new(),
            at_ms: 0,
            reason: "timeout".to_owned(),
            message: String::new(),
            step: None,
            attempts: 1,
            expectation: None,
            location: None,
            seen: Vec::new(),
        };
        let evidence = Some(Arc::new(failure));
        member(Fact { evidence, region: region.into(), last_failed: Some(at(at_s)), ..of_canary(id, page, 1) }, standing)
    };
    let members = vec![
        failed("p/eu/a", "eu", 10, MemberState::Failing),
        failed("p/eu/b", "eu", 20, muted()),
        failed("p/us/a", "us", 15, MemberState::Failing),
        failed("p/ap/a", "ap", 30, MemberState::Recovered(at(40))),
    ];
    let view = view("01A", Scope::Probe("p".into()), Severity::Page, 1, members);
    let status = gather(StatusInput { incidents: vec![open(&view)], ..StatusInput::default() }, moment(60));
    let runs: Vec<&str> = status.incidents[0].failures.iter().map(|failure| &*failure.run_id).collect();
    assert_eq!(runs, ["run of p/eu/b", "run of p/us/a"]);
    assert_eq!(status.incidents[0].members[0].reason.as_deref(), Some("timeout"));
}

#[test]
fn what_is_apart_is_listed_with_why_and_until_when() {
    let page = State::Failing(Level::Page);
    let mut silent = fact(FactKey::NoData(CanaryId::read_back("q/eu")), page, 4);
    silent.reason = Some("secret".into());
    let views = [
        view("01A", Scope::Probe("p".into()), Severity::Page, 2, vec![member(of_canary("p/eu", page, 8), muted())]),
        view(
            "01B",
            Scope::Probe("r".into()),
            Severity::Warn,
            1,
            vec![member(of_canary("r/eu", page, 8), MemberState::Explained(vec!["sign-in".into()]))],
        ),
        view("01C", Scope::NoData("q".into()), Severity::Page, 4, vec![member(silent, MemberState::Failing)]),
    ];
    let mut opens: Vec<Open<'_>> = views.iter().map(open).collect();
    opens[0].owed = vec![("pager".into(), at(20)), ("chat".into(), at(30))];
    opens[2].owed = vec![("pager".into(), at(10))];
    let channels = ["chat", "pager", "mail"].map(|name| ChannelStatus { channel: name.to_owned(), ..ChannelStatus::default() });
    let status = gather(StatusInput { incidents: opens, channels: channels.to_vec(), ..StatusInput::default() }, moment(60));
    let why = |member: &MemberStatus| member.why.clone().unwrap();
    let expected = NotRungBecause {
        what: "reason",
        by: vec!["ann".to_owned()],
        because: Some("ticket 7".to_owned()),
        until_ms: Some(BEGIN_MS + 7_200_000),
    };
    assert_eq!(status.muted.iter().map(why).collect::<Vec<_>>(), [expected]);
    assert_eq!(why(&status.explained[0]).by, ["sign-in"]);
    assert_eq!((&*status.without_data[0].name, status.without_data[0].reason.as_deref()), ("q/eu", Some("secret")));
    assert_eq!(
        status.incidents.iter().map(|incident| &*incident.id).collect::<Vec<_>>(),
        ["01C", "01A", "01B"],
        "what rings before what is held"
    );
    assert_eq!(status.counts, Counts { warn: 0, page: 1, critical: 0, held: 2 });
    assert_eq!(status.owed.iter().map(|owed| &*owed.scope).collect::<Vec<_>>(), ["no-data/q", "probe/p", "probe/p"]);
    let owed: Vec<(usize, Option<i64>)> = status.channels.iter().map(|channel| (channel.owed, channel.owed_since_ms)).collect();
    assert_eq!(owed, [(1, Some(BEGIN_MS + 30_000)), (2, Some(BEGIN_MS + 10_000)), (0, None)]);
}

#[test]
fn probes_with_the_worst_incident_stand_first_then_the_worst_canaries_then_the_names() {
    let names = ["b", "a", "d", "c"].map(named);
    let canaries: Vec<_> = names.iter().map(|probe| canary(probe, "eu")).collect();
    let suspect = of_canary("d/eu", State::Suspect, 1);
    let incident = view("01A", Scope::Leak("c".into()), Severity::Warn, 1, Vec::new());
    let probes =
        names.iter().map(|probe| ProbeNow { probe, convergence_1h: None, degraded_1h: None, budget_left: None }).collect();
    let canaries = canaries
        .iter()
        .map(|canary| CanaryNow { fact: (&*canary.probe.name == "d").then_some(&suspect), ..seen(canary) })
        .collect();
    let status = gather(StatusInput { probes, canaries, incidents: vec![open(&incident)], ..StatusInput::default() }, moment(60));
    let order: Vec<(&str, Option<&str>)> = status.probes.iter().map(|probe| (&*probe.probe, probe.severity)).collect();
    assert_eq!(order, [("c", Some("warn")), ("d", None), ("a", None), ("b", None)]);
}

#[test]
fn times_are_said_by_the_wall_clock_as_it_is_set_now() {
    let later = moment(60);
    let set = Moment { wall: later.wall + Duration::from_hours(3), ..later };
    let view = view("01A", Scope::Probe("p".into()), Severity::Page, 20, Vec::new());
    let status = gather(StatusInput { incidents: vec![open(&view)], ..StatusInput::default() }, set);
    assert_eq!(status.incidents[0].since_ms, BEGIN_MS + 20_000 + 3 * 3_600_000);
}
