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
