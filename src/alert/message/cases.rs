//! What is said of incidents made by hand: the cases of the golden files.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::fact::{Fact, FactKey, LastRun, Objective, Share, State};
use crate::alert::testing::probe as plain_probe;
use crate::alert::view::{Acknowledged, End, Ended, MemberState, MemberView, MuteKind, Muted, View};
use crate::alert::{Failure, Scope};
use crate::base::signing::SigningKey;
use crate::outcome::LinkKey;
use crate::plan::{AlertPolicy, CanaryId, Cell, CellValue, Runbook, Severity, Template};
use crate::source::Location;

use super::testing::{
    PLATFORMS, PROBE, ago, canary, everything, failure, in_state, no_data, now, other, probe, region, view, with, without_probe,
};
use super::{Action, Flapped, IncidentSummary, Message, MessageContext, Occasion, Saying, compose, gathered};

/// A case, and what is said.
pub(in crate::alert) struct Case {
    pub(in crate::alert) name: &'static str,
    pub(in crate::alert) message: Message,
}

struct Scene {
    view: View,
    what: Action,
    number: u64,
    occasion: Occasion,
    told: Vec<&'static str>,
    flapped: Option<Flapped>,
}

fn ring(view: View) -> Scene {
    Scene { view, what: Action::Ring, number: 1, occasion: Occasion::Opened, told: Vec::new(), flapped: None }
}

fn again(view: View, number: u64, occasion: Occasion, told: &[&'static str]) -> Scene {
    Scene { number, occasion, told: told.to_vec(), ..ring(view) }
}

fn end(view: View, how: Ended) -> Scene {
    let end = Some(End { at: ago(2), how });
    Scene { what: Action::End, number: 2, ..ring(View { end, ..view }) }
}

/// Where the pages are.
const PAGES: &str = "https://serinus.example.com";

/// What signs links to them, always the same.
fn links() -> LinkKey {
    LinkKey::of(&SigningKey::new(&[7; SigningKey::BYTES]))
}

pub(in crate::alert) fn trace_url() -> Template {
    let location = Location { path: Path::new("serinus.toml").into(), line: 1, column: 1 };
    Template::parse("https://traces.example.com/{{ trace_id }}", location).unwrap()
}

fn said(scene: &Scene) -> Message {
    let told: BTreeSet<Arc<str>> = scene.told.iter().map(|region| (*region).into()).collect();
    let key = format!("{}/{}", scene.view.scope, scene.number);
    let previous = format!("{}/{}", scene.view.scope, scene.number.saturating_sub(1));
    let saying = Saying {
        what: scene.what,
        key: &key,
        number: scene.number,
        previous: (scene.number > 1).then_some(&*previous),
        occasion: scene.occasion,
        told: &told,
        flapped: scene.flapped,
    };
    let url = trace_url();
    let probes = [(PROBE.into(), probe())].into();
    compose(
        &scene.view,
        &saying,
        &MessageContext {
            pages: Some(PAGES),
            links: Some(&links()),
            trace_url: Some(&url),
            probes: Some(&probes),
            origin: None,
            alone: None,
        },
        now(),
    )
}

/// Everything that is told apart, in the order of the issue.
pub(in crate::alert) fn cases() -> Vec<Case> {
    let mut scenes = failing();
    scenes.extend(apart());
    scenes.extend(other_members());
    scenes.extend(ends());
    let mut cases: Vec<Case> = scenes.into_iter().map(|(name, scene)| Case { name, message: said(&scene) }).collect();
    cases.extend(many());
    // It is the plainest message with the mark of a test.
    let test = Message { occasion: Occasion::Test, test: true, ..said(&ring(view(vec![canary("eu", "ios", 65)]))) };
    cases.push(Case { name: "test", message: test });
    cases
}

fn failing() -> Vec<(&'static str, Scene)> {
    let critical = |members, severity| View { critical: vec!["eu".into(), "us".into()], severity, ..view(members) };
    let suspect = |platform| {
        with(in_state(canary("us", platform, 40), MemberState::Suspect), |fact| {
            fact.state = State::Suspect;
            fact.failed = 1;
        })
    };
    vec![
        ("one_canary", ring(view(vec![canary("eu", "ios", 65)]))),
        ("one_cell_everywhere", ring(view(vec![canary("eu", "ios", 125), canary("us", "ios", 118), canary("ap", "ios", 110)]))),
        ("one_region", ring(view([region("eu", 65), vec![suspect("ios"), suspect("web")]].concat()))),
        ("everything", ring(view(everything()))),
        ("spread", again(view([region("eu", 425), region("us", 65)].concat()), 2, Occasion::Spread, &["eu"])),
        (
            "critical_later",
            again(critical([region("eu", 425), region("us", 65)].concat(), Severity::Critical), 2, Occasion::Rose, &["eu"]),
        ),
        (
            "critical_at_once",
            ring(View { critical: vec!["eu".into(), "us".into(), "ap".into()], ..critical(everything(), Severity::Critical) }),
        ),
        ("change", Scene { what: Action::Change, ..again(view(region("us", 425)), 2, Occasion::Spread, &["eu"]) }),
        ("reminder", again(view(region("eu", 3_700)), 3, Occasion::Reminder, &["eu"])),
        ("again", again(view(region("eu", 1_500)), 3, Occasion::Again, &["eu"])),
        ("escalated", again(view(region("eu", 425)), 1, Occasion::Escalated, &[])),
    ]
}

fn apart() -> Vec<(&'static str, Scene)> {
    let ann = || Acknowledged { by: "ann".into(), at: ago(300), reason: Some("looking at the payment provider".into()) };
    let acknowledged = |member: MemberView| in_state(member, MemberState::Acknowledged("ann".into()));
    let eu: Vec<MemberView> = region("eu", 425).into_iter().map(acknowledged).collect();
    let muted = |member| {
        in_state(
            member,
            MemberState::Muted(Muted {
                why: MuteKind::Paused,
                by: Some("bob".into()),
                because: Some("new billing release".into()),
                until: Some(ago(0) + Duration::from_mins(106)),
            }),
        )
    };
    let us: Vec<MemberView> = region("us", 425).into_iter().map(muted).collect();
    let explained = |member| in_state(member, MemberState::Explained(vec!["login".into()]));
    let ap: Vec<MemberView> = region("ap", 425).into_iter().map(explained).collect();
    let dependent = |probe: &str, region: &str| {
        let id = CanaryId::read_back(&format!("{probe}/{region}"));
        Fact { region: region.into(), ..Fact::well(FactKey::Canary(id), Scope::Probe(probe.into())) }
    };
    let of_window = |member: MemberView, failed: u32, passed: bool| {
        with(member, |fact| {
            (fact.failed, fact.of) = (failed, 9);
            fact.last = fact.last.map(|last| LastRun { failed: !passed, ..last });
        })
    };
    let flapping = View { flapping: true, ..view(vec![canary("eu", "ios", 1_700), canary("eu", "web", 1_500)]) };
    vec![
        ("acknowledged", Scene { what: Action::Acknowledge, ..ring(View { acknowledged: vec![ann()], ..view(eu.clone()) }) }),
        (
            "acknowledged_then_spread",
            again(View { acknowledged: vec![ann()], ..view([eu, region("us", 65)].concat()) }, 2, Occasion::Spread, &["eu"]),
        ),
        ("muted", again(view([region("eu", 65), us].concat()), 2, Occasion::Spread, &["us"])),
        ("explained", ring(view([vec![canary("eu", "ios", 65)], ap].concat()))),
        (
            "root_that_explains",
            ring(View {
                explains: vec![dependent("cart", "eu"), dependent("search", "eu"), dependent("cart", "us")],
                ..view([region("eu", 65), region("us", 60)].concat())
            }),
        ),
        (
            "flapping",
            Scene { flapped: Some(Flapped { failed: 41, counted: 80, within: Duration::from_mins(30) }), ..ring(flapping) },
        ),
        ("k_of_n_one", ring(view(vec![of_window(canary("eu", "ios", 425), 6, true)]))),
        (
            "k_of_n",
            ring(view(vec![
                of_window(canary("eu", "ios", 425), 6, true),
                of_window(canary("eu", "web", 425), 4, false),
                of_window(canary("us", "ios", 365), 5, false),
            ])),
        ),
        (
            "without_data",
            again(
                view(vec![MemberView { without_data: Some(ago(320)), ..canary("eu", "ios", 900) }, canary("us", "ios", 65)]),
                2,
                Occasion::Spread,
                &["eu"],
            ),
        ),
        (
            "partly_recovered",
            again(
                view(
                    [
                        region("us", 65),
                        region("eu", 900).into_iter().map(|member| in_state(member, MemberState::Recovered(ago(130)))).collect(),
                        vec![in_state(canary("ap", "web", 900), MemberState::Removed)],
                    ]
                    .concat(),
                ),
                2,
                Occasion::Spread,
                &["eu", "ap"],
            ),
        ),
    ]
}

fn other_members() -> Vec<(&'static str, Scene)> {
    let probe = Scope::Probe(PROBE.into());
    let across = with(
        other(FactKey::Across(PROBE.into()), &probe, 500, Some("12 of the last 60 runs failed; of platform=ios 9 of 20")),
        |fact| {
            let share = |failed, reaches| Share { failed, counted: 20, reaches };
            fact.shares = [("ap", share(0, false)), ("eu", share(8, true)), ("us", share(4, false))]
                .map(|(name, share)| (name.into(), share))
                .into();
            fact.evidence = Some(Arc::new(failure("eu", "ios", ago(5))));
            fact.last_failed = Some(ago(35));
        },
    );
    let budget = || {
        let words = "its budget burns 14.2 times as fast as it may over 1h: 43 of 60 runs were bad";
        other(FactKey::Objective(PROBE.into(), Objective::BurnRate), &probe, 500, Some(words))
    };
    let degraded = {
        let words = "12 of 16 passed runs over 15m were degraded, 15.0 times the 5 % that may be; the last: activated: it drags: \
                     `latency < 0.3` does not hold: `latency` was 0.7";
        other(FactKey::Objective(PROBE.into(), Objective::Degraded), &probe, 500, Some(words))
    };
    let subject = Scope::Subject("segment-copy".into(), "seg-4711".into());
    let seg = with(other(FactKey::Subject("segment-copy".into(), "seg-4711".into()), &subject, 65, Some("seen in eu")), |fact| {
        fact.failed = 1;
        fact.evidence = Some(Arc::new(Failure {
            canary: "segment-copy/eu".to_owned(),
            reason: "expectation".to_owned(),
            step: Some("copied size".to_owned()),
            attempts: 1,
            message: "`json.size == segment.source_size` does not hold: `json.size` was 99, `segment.source_size` was 10485760"
                .to_owned(),
            expectation: Some("json.size == segment.source_size".to_owned()),
            location: Some("probes/segment_copy.toml:58:12".to_owned()),
            seen: vec![("json.size".to_owned(), "99".to_owned()), ("segment.source_size".to_owned(), "10485760".to_owned())],
            ..failure("eu", "-", ago(5))
        }));
    });
    let leak = Scope::Leak("segment-copy".into());
    let left = |entry: &str| {
        let words = "DELETE https://api.example.com/v1/segments answered 403 for 24 hours, it is given up";
        other(FactKey::Leak("segment-copy".into(), entry.into()), &leak, 90_000, Some(words))
    };
    let restarts = Scope::Restarts("eu".into());
    let channel = Scope::Channel("oncall-chat".into());
    let refused = "due for 5m and nothing taken: it answered 404 Not Found: no_team";
    vec![
        ("across", ring(view(vec![across]))),
        ("objective_alone", ring(view(vec![budget()]))),
        ("objective_degraded", ring(view(vec![degraded.clone()]))),
        ("objectives_together", ring(view(vec![budget(), degraded]))),
        ("objective_joined", again(view([region("eu", 425), vec![budget()]].concat()), 2, Occasion::Spread, &["eu"])),
        ("subject", ring(View { owner: Some("media".into()), ..without_probe(subject, vec![seg]) })),
        (
            "leak",
            ring(View {
                severity: Severity::Warn,
                owner: Some("media".into()),
                ..without_probe(leak.clone(), vec![left("01KAG1"), left("01KAG2")])
            }),
        ),
        ("no_data", ring(no_data_of_a_probe())),
        ("region_blind", ring(blind_region())),
        ("region_partly_blind", ring(partly_blind_region())),
        ("region_silent", {
            let scope = Scope::Blind("eu".into());
            ring(without_probe(scope.clone(), vec![other(FactKey::Region("eu".into()), &scope, 190, None)]))
        }),
        ("restarting", ring(without_probe(restarts.clone(), vec![other(FactKey::Restarts("eu".into()), &restarts, 600, None)]))),
        (
            "channel_broken",
            ring(without_probe(
                channel.clone(),
                vec![other(FactKey::Channel("oncall-chat".into()), &channel, 320, Some(refused))],
            )),
        ),
    ]
}

fn no_data_of_a_probe() -> View {
    let scope = Scope::NoData(PROBE.into());
    let mut members: Vec<MemberView> = ["eu", "us"]
        .into_iter()
        .flat_map(|region| PLATFORMS.map(|platform| no_data(PROBE, region, platform, "secret", &scope)))
        .collect();
    members.push(no_data(PROBE, "ap", "web", "guard", &scope));
    View { scope, ..view(members) }
}

fn blind_region() -> View {
    let scope = Scope::Blind("eu".into());
    let probes = ["premium-registration", "playlist-sync", "segment-copy"];
    let members = probes.into_iter().flat_map(|probe| PLATFORMS.map(|platform| no_data(probe, "eu", platform, "secret", &scope)));
    View { watched: [("eu".into(), 9)].into(), ..without_probe(scope.clone(), members.collect()) }
}

fn partly_blind_region() -> View {
    let scope = Scope::Blind("eu".into());
    let members = (1..=11).map(|number| {
        let reason = if number < 9 { "guard" } else { "secret" };
        no_data(&format!("probe-{number:02}"), "eu", "web", reason, &scope)
    });
    View { watched: [("eu".into(), 60)].into(), ..without_probe(scope.clone(), members.collect()) }
}

fn ends() -> Vec<(&'static str, Scene)> {
    let recovered = |members: Vec<MemberView>| {
        members.into_iter().map(|member| in_state(member, MemberState::Recovered(ago(2)))).collect::<Vec<_>>()
    };
    let eu = || recovered(region("eu", 1_525));
    let removed = region("eu", 1_525).into_iter().map(|member| in_state(member, MemberState::Removed)).collect();
    let closed = region("eu", 1_525).into_iter().map(|member| in_state(member, MemberState::Closed)).collect();
    let blind = blind_region();
    let seen_again = View { members: recovered(blind.members.clone()), ..blind };
    vec![
        ("well", end(view([eu(), recovered(region("us", 1_300))].concat()), Ended::Well)),
        (
            "well_but_for_what_was_removed",
            end(view([eu(), vec![in_state(canary("us", "web", 900), MemberState::Removed)]].concat()), Ended::Well),
        ),
        ("region_probed_again", end(seen_again, Ended::Well)),
        ("removed", end(View { probe: None, owner: Some("payments".into()), ..view(removed) }, Ended::Unwatched)),
        ("closed", end(view(closed), Ended::Closed { by: "ann".into(), why: "the provider was switched off for good".into() })),
        ("continues", end(view(eu()), Ended::Continues("eu/probe/premium-registration/1795227100".to_owned()))),
        ("was_well", {
            let how = Ended::WasWell { until: ago(60), key: "probe/premium-registration/3".to_owned() };
            let view = View { end: Some(End { at: ago(1_200), how }), ..view(recovered(region("eu", 2_725))) };
            Scene { what: Action::End, number: 2, ..ring(view) }
        }),
    ]
}

fn many() -> Vec<Case> {
    let storm: Vec<IncidentSummary> = (1..=50)
        .map(|number| {
            let scope = Scope::Probe(format!("probe-{number:02}").into());
            let severity = if number == 7 { Severity::Critical } else { Severity::Page };
            let mut message = said(&ring(View { scope: scope.clone(), severity, ..view(everything()) }));
            message.title = message.title.replace(PROBE, &format!("probe-{number:02}"));
            IncidentSummary::of(&message)
        })
        .collect();
    let over: Vec<IncidentSummary> = (1..=14)
        .map(|number| {
            let recovered =
                region("eu", 1_525 + number).into_iter().map(|member| in_state(member, MemberState::Recovered(ago(2))));
            let scope = Scope::Probe(format!("probe-{number:02}").into());
            IncidentSummary::of(&said(&end(View { scope, ..view(recovered.collect()) }, Ended::Well)))
        })
        .collect();
    let none = BTreeSet::new();
    let saying = |what, key, occasion| Saying { what, key, number: 1, previous: None, occasion, told: &none, flapped: None };
    let one = |told: &[IncidentSummary], what, key, occasion| {
        gathered(
            told,
            &saying(what, key, occasion),
            &MessageContext { pages: Some(PAGES), links: Some(&links()), ..MessageContext::default() },
            now(),
        )
    };
    vec![
        Case { name: "three_thousand", message: three_thousand() },
        Case { name: "storm", message: one(&storm, Action::Ring, "storm/1", Occasion::Gathered) },
        Case { name: "storm_ended", message: one(&over, Action::End, "storm/1", Occasion::Gathered) },
        Case { name: "unheard", message: one(&over, Action::End, "unheard/oncall-chat/1", Occasion::Unheard) },
    ]
}

fn three_thousand() -> Message {
    let platform = |number: u32| format!("p{number:03}");
    let members: Vec<MemberView> = ["eu", "us", "ap"]
        .into_iter()
        .flat_map(|region| (0..1_000).map(move |number| canary(region, &platform(number), 125)))
        .collect();
    let mut probe = plain_probe(Vec::new(), AlertPolicy::default());
    let cell = |number| Arc::new(Cell(vec![("platform".into(), CellValue::Text(platform(number).into()))]));
    (probe.name, probe.cells) = (PROBE.into(), (0..1_000).map(cell).collect());
    probe.runbook = Some(Runbook::Url("https://runbooks.example.com/premium-registration".to_owned()));
    let watched = ["ap", "eu", "us"].into_iter().map(|region| (region.into(), 1_000)).collect();
    said(&ring(View { watched, probe: Some(Arc::new(probe)), ..view(members) }))
}

/// What the longest texts and every awkward character make of a message.
pub(in crate::alert) fn monster() -> Message {
    let evil = "<!channel> & <@U123|x> *b* `c` \"q\"\r\nBcc: victim@example.com\r\n\u{202e}\u{0}😀";
    let long = evil.repeat(100);
    let name: Arc<str> = long.as_str().into();
    let mut view = view(Vec::new());
    for number in 0..100 {
        let failure = Failure {
            canary: format!("p/{number}{long}/{long}"),
            run_id: long.clone(),
            trace_id: long.clone(),
            at_ms: i64::MAX,
            reason: long.clone(),
            message: long.clone(),
            step: Some(long.clone()),
            attempts: u32::MAX,
            expectation: Some(long.clone()),
            location: Some(long.clone()),
            seen: vec![(long.clone(), long.clone()); 5],
        };
        let member = with(canary(&format!("{number}{long}"), "x", 65 + u64::from(number % 7 == 0)), |fact| {
            (fact.cell, fact.words, fact.reason) = (Arc::clone(&name), Some(Arc::clone(&name)), Some(Arc::clone(&name)));
            fact.evidence = Some(Arc::new(failure));
        });
        let muted = Muted {
            why: MuteKind::Reason(Arc::clone(&name)),
            by: Some(Arc::clone(&name)),
            because: Some(Arc::clone(&name)),
            until: None,
        };
        view.members.push(match number % 4 {
            0 => in_state(member, MemberState::Muted(muted)),
            1 => in_state(member, MemberState::Explained(vec![format!("{number}{long}").into(); 30])),
            _ => member,
        });
    }
    view.critical = (0..300).map(|number| format!("{number}{long}").into()).collect();
    // A subject's name is bounded when it is found; a key is never cut.
    view.scope = Scope::Subject("p".into(), evil.into());
    view.owner = Some(name);
    view.probe = None;
    said(&again(view, u64::MAX, Occasion::Rose, &[]))
}
