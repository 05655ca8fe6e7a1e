//! A storm: many incidents at once, which fill no phone.

use super::*;

/// Every canary of these probes fails, at its place within each of so many minutes.
fn breaks(bench: &mut Bench, minutes: u64) {
    let ids: Vec<String> = bench.plan.canaries.iter().map(|canary| canary.id.to_string()).collect();
    for minute in 0..minutes {
        for (second, chunk) in ids.chunks(ids.len().div_ceil(60)).enumerate() {
            bench.at(minute * 60 + second as u64);
            for id in chunk {
                bench.fail(id);
            }
        }
    }
}

#[test]
fn fifty_probes_of_sixty_canaries_that_fail_together_are_at_most_eleven_messages_a_minute() {
    let probes = (0..50).map(|at| quiet(&format!("p{at:02}"))).collect();
    let regions: Vec<String> = (0..60).map(|at| format!("r{at:02}")).collect();
    let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(probes, &regions, alerting);
    breaks(&mut bench, 5);
    bench.at(1_200);
    for channel in ["duty", "chat"] {
        let mut by_minute: BTreeMap<u64, usize> = BTreeMap::new();
        for heard in bench.heard.iter().filter(|heard| heard.channel == channel) {
            *by_minute.entry(heard.at / 60).or_default() += 1;
        }
        eprintln!("{channel}: {by_minute:?}");
        assert!(by_minute.values().all(|messages| *messages <= 11), "{channel}: {by_minute:?}");
        let gathered = bench.rings(channel).last().unwrap().1.clone();
        assert!(gathered.starts_with("40 incidents"), "ten rang by themselves: {gathered}");
    }
    assert_eq!(bench.evaluator.backlog(moment_ms(1_200_000, 0)).owed(), 0);
}

#[test]
fn a_storm_is_one_key_at_pagerduty_and_ends_with_its_last_incident() {
    let names: Vec<String> = (0..12).map(|at| format!("p{at:02}")).collect();
    let alerting = Alerting { channels: vec![pagerduty("duty"), chat("chat")], ..Alerting::default() };
    let mut bench = Bench::new(names.iter().map(|name| quiet(name)).collect(), &["eu"], alerting);
    for second in [0, 60] {
        bench.at(second);
        for name in &names {
            bench.fail(&format!("{name}/eu"));
        }
    }
    bench.at(300);
    for channel in ["duty", "chat"] {
        assert_eq!(
            bench.ring_times(channel).iter().map(|at| usize::from(*at > 60)).collect::<Vec<_>>(),
            [[0; 10].as_slice(), &[1]].concat()
        );
    }
    let storm = bench.heard.iter().rfind(|heard| heard.channel == "duty").unwrap().message.clone();
    assert!(storm.key.starts_with("storm/"), "{}", storm.key);
    let told: Vec<String> = storm.incidents.iter().map(|told| told.scope.clone()).collect();
    assert_eq!(told.len(), 2);
    let ended = |bench: &Bench| bench.heard.iter().any(|heard| heard.what == Action::End && heard.message.key == storm.key);
    for (second, scope) in [(400, &told[0]), (700, &told[1])] {
        assert!(!ended(&bench), "one of its incidents is open");
        bench.mends(second, &format!("{}/eu", scope.trim_start_matches("probe/"))).at(second + 200);
    }
    assert!(ended(&bench));
}
