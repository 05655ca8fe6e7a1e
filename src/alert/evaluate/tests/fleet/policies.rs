//! Processes that have loaded different policies of one probe.

use super::*;

#[test]
fn the_policy_that_was_loaded_last_counts_whoever_evaluates() {
    let of_bob = || {
        let alert = AlertPolicy { critical: None, ..AlertPolicy::default() };
        vec![Probe { owner: Some("bob".to_owned()), ..probe(Vec::new(), alert) }]
    };
    let owner = |bench: &FleetBench, region: &str| {
        let open = &bench.processes[bench.place(region)].evaluator.as_ref().unwrap().incidents.open;
        let incident = open.values().next().expect("it is open");
        (incident.owner.clone(), incident.severity())
    };
    let mut bench = three();
    bench.at(10).loads("us", of_bob(), &["eu", "us", "ap"]).breaks(20, "p/us").breaks(81, "p/ap").at(200);
    assert_eq!(owner(&bench, "eu"), (Some("bob".into()), Some(Severity::Page)), "eu has an earlier policy of its own");
    bench.dies("eu").at(220).take_over("ap").at(230);
    assert_eq!(owner(&bench, "ap"), (Some("bob".into()), Some(Severity::Page)));
    bench.start("eu").at(240);
    assert_eq!(owner(&bench, "ap").1, Some(Severity::Page), "it has started with what it had before");
    bench.loads("ap", critical(), &["eu", "us", "ap"]).at(300);
    assert_eq!(owner(&bench, "ap").1, Some(Severity::Page), "it had that before as well");
    let of_eve = Probe { owner: Some("eve".to_owned()), ..probe(Vec::new(), AlertPolicy::default()) };
    bench.loads("eu", vec![of_eve], &["eu", "us", "ap"]).at(310);
    assert_eq!(owner(&bench, "ap").1, Some(Severity::Critical));
    assert!(bench.rings().last().unwrap().starts_with("300 ap: "), "{:?}", bench.rings());
}

#[test]
fn a_region_that_is_not_declared_any_more_takes_its_policies_along() {
    let mut bench = three();
    let of_bob = Probe { owner: Some("bob".to_owned()), ..probe(Vec::new(), AlertPolicy::default()) };
    bench.at(10).loads("us", vec![of_bob], &["eu", "us", "ap"]).breaks(20, "p/ap").at(100);
    let owner = |bench: &FleetBench| {
        let config = &bench.processes[0].evaluator.as_ref().unwrap().config;
        config.by_name.get("p").and_then(|probe| probe.owner.clone())
    };
    assert_eq!(owner(&bench).as_deref(), Some("bob"));
    bench.loads("eu", critical(), &["eu", "ap"]).at(110);
    assert_eq!(owner(&bench), None);
}

#[test]
fn a_policy_that_arrives_forgets_no_removed_channel_that_still_has_to_end_something() {
    let mut bench = three();
    let of_bob = Probe { owner: Some("bob".to_owned()), ..probe(Vec::new(), AlertPolicy::default()) };
    bench.is_cut_off("us").at(10).loads("us", vec![of_bob], &["eu", "us", "ap"]);
    let late = bench.processes[1].cut.take().unwrap().into_iter().flat_map(|commit| commit.facts);
    let late: Vec<FactView> = late.map(|row| view(&"us".into(), &row)).collect();
    let evaluator = bench.processes[0].evaluator.as_mut().unwrap();
    evaluator.config.retired = vec![pagerduty("removed")];
    evaluator.take(Event::FactsOfOthers(late), moment_ms(11, 0));
    assert_eq!(evaluator.config.by_name["p"].owner.as_deref(), Some("bob"));
    assert!(evaluator.config.channel("removed").is_some());
}
