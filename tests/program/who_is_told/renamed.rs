//! A probe that is renamed while it fails: seen before, "[RESOLVED] no longer fails".

use super::scenario::{Probe, Scenario};

#[test]
fn a_probe_that_is_renamed_while_it_fails_is_not_told_to_be_well() {
    let scenario = Scenario::new(&["eu"], &[Probe::plain("old", "")], "");
    scenario.breaks("old", "eu", "");
    scenario.pages(1, "probe/old");
    scenario.told();
    let file = scenario.service.folder().join("0.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    scenario.receivers.notes("renamed");
    std::fs::write(&file, text.replace("name = \"old\"", "name = \"new\"")).unwrap();
    scenario.pages(1, "probe/new");
    let end = scenario.until("the end of the old name", |read| read.hooks("end", "probe/old").pop());
    scenario.until("PagerDuty's end", |read| read.paged("probe/old").iter().all(|it| it.ended.is_some()).then_some(()));
    let slack = scenario.until("Slack's end", |read| read.slack.iter().rev().find(|text| text.contains("old")).cloned());
    scenario.show("renamed while it fails");
    assert_eq!(end["occasion"], "unwatched", "{end:#}");
    for text in [end["title"].as_str().unwrap(), &slack] {
        let text = text.to_lowercase();
        assert!(!text.contains("resolved") && !text.contains("no longer fails") && !text.contains("well again"), "{text}");
    }
    scenario.until("the new name stays open", |read| (read.pages_open().len() == 1).then_some(()));
    scenario.mends("old", "eu", "");
    scenario.over();
}
