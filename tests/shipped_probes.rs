//! The shipped probes on the real engine, against a sandbox that works and against one that is broken.

#[path = "support/fleet.rs"]
mod fleet;

use std::path::Path;

use fleet::Fleet;

#[test]
fn the_default_configuration_and_every_shipped_probe_load_without_a_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = [("CANARY_PASSWORD".to_owned(), "canary".to_owned())];
    let loaded = serinus::config::load(&root.join("config/serinus.toml"), environment);
    let problems: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| format!("{diagnostic:?}")).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(loaded.service.unwrap().plan.probes.len(), fleet::shipped().len());
}

#[tokio::test]
async fn one_of_each() {
    let sandbox = fleet::sandbox(20.0, 1).await;
    let fleet = Fleet::shipped(&sandbox, &[]);
    for ran in fleet.run_all(&fleet.canaries, 8).await {
        assert!(ran.passed() && ran.clean(), "{}", ran.problem());
    }
}
