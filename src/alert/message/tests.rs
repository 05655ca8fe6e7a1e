//! Messages compared with the facts that they tell.

use std::collections::BTreeSet;

use super::cases::{cases, monster};
use super::testing::{ago, canary, in_state, now, region, view};
use super::*;
use crate::alert::view::{MemberState, MemberView, View};
use crate::base::signing::SigningKey;
use crate::outcome::{LinkKey, is_steering};
use crate::plan::MESSAGE_NAMES;

fn ring(view: &View) -> Message {
    let saying = Saying {
        what: Action::Ring,
        key: "probe/premium-registration/1",
        number: 1,
        previous: None,
        occasion: Occasion::Opened,
        told: &BTreeSet::new(),
        flapped: None,
    };
    compose(view, &saying, &MessageContext::default(), now())
}

#[test]
fn templates_may_use_exactly_the_fields_of_a_message() {
    let json = serde_json::to_value(&cases()[0].message).unwrap();
    let mut fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let mut names = MESSAGE_NAMES.to_vec();
    fields.sort_unstable();
    names.sort_unstable();
    assert_eq!(fields, names);
}

#[test]
fn every_message_reads_back_as_it_is_kept() {
    for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
        let json = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&json).unwrap(), message);
    }
}

#[test]
fn three_thousand_canaries_cost_twenty_lines_and_thirty_kilobytes_and_so_do_the_longest_texts() {
    for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
        let text = plain(&headline(&message, 500), &message);
        assert!(text.len() < 30 << 10, "{}: {} bytes", message.title, text.len());
        let json = serde_json::to_value(&message).unwrap();
        let sizes: Vec<(&String, usize)> =
            json.as_object().unwrap().iter().map(|(name, value)| (name, value.to_string().len())).collect();
        assert!(json.to_string().len() < 48 << 10, "{}: {sizes:?}", message.title);
        let counted =
            [message.failing.len(), message.apart.len(), message.members.len(), message.incidents.len(), message.evidence.len()];
        assert!(counted.iter().all(|count| *count <= MOST), "{counted:?}");
        assert!(!text.replace('\n', "").contains(is_steering), "nothing steers a terminal");
    }
    let large = cases().into_iter().find(|case| case.name == "three_thousand").unwrap().message;
    assert!(serde_json::to_string(&large).unwrap().len() < 30 << 10);
    assert_eq!((large.members.len(), large.members_total), (MOST, 3_000));
}

#[test]
fn a_region_that_is_well_is_not_among_those_that_fail() {
    let us = region("us", 900).into_iter().map(|member| in_state(member, MemberState::Recovered(ago(30))));
    let message = ring(&view(region("eu", 65).into_iter().chain(us).collect()));
    assert_eq!(message.regions, ["eu"]);
    assert_eq!(message.title, "premium-registration fails in eu (3 of 9 canaries)");
    assert!(message.failing.iter().all(|line| !line.contains("us")) && message.evidence.iter().all(|seen| seen.region == "eu"));
    assert!(message.apart.iter().any(|line| line == "well again since 02:13:35 UTC: 3 canaries in us"), "{:?}", message.apart);
}

#[test]
fn nobody_says_fails_of_what_passed_its_last_run() {
    let passed = |mut member: MemberView| {
        let mut fact = (*member.fact).clone();
        fact.last = fact.last.map(|last| crate::alert::fact::LastRun { failed: false, ..last });
        member.fact = fact.into();
        member
    };
    let us: Vec<MemberView> = region("us", 425).into_iter().map(passed).collect();
    let both = ring(&view([region("eu", 65), us.clone()].concat()));
    assert_eq!(both.title, "premium-registration fails in eu (3 of 9 canaries)");
    assert!(
        both.apart.contains(&"passed its latest run and is not settled yet: 3 canaries in us".to_owned()),
        "{:?}",
        both.apart
    );
    let alone = ring(&view(us));
    assert_eq!(alone.title, "premium-registration failed in us (3 of 9 canaries), and passed since");
}

#[test]
fn what_only_a_person_mutes_or_another_probe_explains_is_not_said_to_ring() {
    let explained = in_state(canary("us", "ios", 65), MemberState::Explained(vec!["login".into()]));
    let message = ring(&view(vec![canary("eu", "ios", 65), explained]));
    assert_eq!(message.regions, ["eu"]);
    assert_eq!(message.apart, ["explained by login: platform=ios in us"]);
}

#[test]
fn the_severity_is_said_once_and_no_count_of_nothing() {
    for case in cases() {
        let text = plain(&headline(&case.message, 500), &case.message);
        let severity = case.message.severity.as_str().to_uppercase();
        if case.message.incidents.is_empty() {
            assert!(text.matches(&severity).count() <= 1, "{}: {text}", case.name);
        }
        assert!(!text.contains(" 0 ") && !text.contains("(0 "), "{}: {text}", case.name);
        assert!(!case.message.title.to_lowercase().starts_with("critical"), "{}", case.name);
    }
}

#[test]
fn the_latest_failed_run_of_a_region_is_the_one_that_is_told() {
    let newest = canary("eu", "web", 65);
    let mut fact = (*newest.fact).clone();
    fact.last_failed = Some(ago(10));
    let message =
        ring(&view(vec![canary("eu", "android", 65), MemberView { fact: fact.into(), ..newest }, canary("eu", "ios", 65)]));
    assert_eq!(message.evidence.iter().map(|seen| seen.cell.as_str()).collect::<Vec<_>>(), ["platform=web"]);
}

#[test]
fn there_is_no_link_where_nothing_answers_and_one_where_something_does() {
    let without = ring(&view(region("eu", 65)));
    assert_eq!((&without.url, &without.evidence[0].run_url, &without.evidence[0].trace_url), (&None, &None, &None));
    let saying = Saying {
        what: Action::Ring,
        key: "k",
        number: 1,
        previous: None,
        occasion: Occasion::Opened,
        told: &BTreeSet::new(),
        flapped: None,
    };
    let context = MessageContext { pages: Some("https://serinus.example.com"), ..MessageContext::default() };
    let with = compose(&view(region("eu", 65)), &saying, &context, now());
    assert_eq!(with.url.as_deref(), Some("https://serinus.example.com/incidents/01KAJ8Q9N3V5X7R2T4W6Y8Z0AB"));
    assert!(with.evidence[0].run_url.as_deref().unwrap().starts_with("https://serinus.example.com/runs/01"));
    assert!(!with.url.unwrap().contains('?'), "nobody signs");
    let links = LinkKey::of(&SigningKey::new(&[7; SigningKey::BYTES]));
    let signed = compose(&view(region("eu", 65)), &saying, &MessageContext { links: Some(&links), ..context }, now());
    for link in [signed.shortest().url.unwrap(), signed.evidence[0].run_url.clone().unwrap()] {
        let link = url::Url::parse(&link).unwrap();
        let query = |wanted: &str| link.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        let incident = query("incident").unwrap_or_else(|| signed.incident.clone());
        assert_eq!(incident, signed.incident);
        let (key, week) = (query("key").unwrap(), 7 * 24 * 3_600_000);
        let opens = |at_ms: i64| links.verify(&incident, &key, at_ms);
        assert!(opens(signed.at_ms + week) && !opens(signed.at_ms + week + 3_600_000), "{link}");
    }
}

#[test]
fn the_shortest_message_keeps_title_severity_and_key() {
    let message = monster();
    let short = message.shortest();
    assert_eq!((&short.title, short.severity, &short.key), (&message.title, message.severity, &message.key));
    let text = plain(&headline(&short, 500), &short);
    assert!(text.len() < 4_000 && short.evidence.is_empty() && short.apart.is_empty(), "{} bytes", text.len());
}

#[test]
fn the_reference_shows_a_message_and_names_every_occasion_and_standing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/README.md");
    let reference = std::fs::read_to_string(path).unwrap();
    let (_, from) = reference.split_once("The JSON of a webhook").unwrap();
    let json = from.split("```").nth(1).unwrap().strip_prefix("json").unwrap();
    let shown: Message = serde_json::from_str(json).expect("the example is a message");
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let (written, read): (serde_json::Value, _) = (serde_json::from_str(json).unwrap(), serde_json::to_value(&shown).unwrap());
    assert_eq!((shown.version, names(&written)), (VERSION, names(&read)));
    for part in ["evidence", "members"] {
        assert_eq!(names(&written[part][0]), names(&read[part][0]), "{part}");
    }
    for message in cases().into_iter().map(|case| case.message) {
        let occasion = serde_json::to_value(message.occasion).unwrap();
        let standings = message.members.iter().map(|member| member.standing.as_str());
        for word in standings.chain([occasion.as_str().unwrap()]) {
            assert!(from.contains(&format!("`{word}`")), "{word}");
        }
    }
}
