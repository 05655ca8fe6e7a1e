//! A probe that is renamed while it fails: seen before, "[RESOLVED] no longer fails".

use super::world::{Probe, World};

#[test]
fn a_probe_that_is_renamed_while_it_fails_is_not_told_to_be_well() {
    let world = World::new(&["eu"], &[Probe::plain("old", "")], "");
    world.breaks("old", "eu", "");
    world.pages(1, "probe/old");
    world.told();
    let file = world.service.folder().join("0.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    world.desk.notes("renamed");
    std::fs::write(&file, text.replace("name = \"old\"", "name = \"new\"")).unwrap();
    world.pages(1, "probe/new");
    let end = world.until("the end of the old name", |read| read.hooks("end", "probe/old").pop());
    world.until("PagerDuty's end", |read| read.paged("probe/old").iter().all(|it| it.ended.is_some()).then_some(()));
    let slack = world.until("Slack's end", |read| read.slack.iter().rev().find(|text| text.contains("old")).cloned());
    world.show("renamed while it fails");
    assert_eq!(end["occasion"], "unwatched", "{end:#}");
    for text in [end["title"].as_str().unwrap(), &slack] {
        let text = text.to_lowercase();
        assert!(!text.contains("resolved") && !text.contains("no longer fails") && !text.contains("well again"), "{text}");
    }
    world.until("the new name stays open", |read| (read.pages_open().len() == 1).then_some(()));
    world.mends("old", "eu", "");
    world.over();
}
