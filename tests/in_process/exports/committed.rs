//! The exported files that lie in the repository are what would be exported now.

use std::path::Path;

use serinus::export::{Dashboard, alertmanager, difference, grafana_dashboard, prometheus_rules};
use serinus::plan::Service;

use super::loaded;

/// A service's file of the project, beside the shipped probes as in the image.
fn shipped(file: &str) -> Service {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(file)).expect("it is there");
    let probes = root.join("probes/*.toml").display().to_string();
    std::fs::write(folder.path().join("serinus.toml"), text.replace("probes/*.toml", &probes)).expect("it is written");
    loaded(&folder.path().join("serinus.toml"))
}

fn is_exported(file: &str, expected: &str) {
    let found = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(
        difference(&found, expected).map(|it| it.to_string()),
        None,
        "{file} is not what is exported: docker/README.md says how to make it anew"
    );
}

#[test]
fn the_dashboards_in_docker_are_what_is_exported_of_the_service_in_docker() {
    let service = shipped("docker/serinus.toml");
    is_exported("docker/grafana/dashboards/overview.json", &grafana_dashboard(&service, Dashboard::Overview));
    is_exported("docker/grafana/dashboards/probe.json", &grafana_dashboard(&service, Dashboard::Probe));
}

#[test]
fn the_rules_and_routes_beside_the_fleets_compose_file_are_what_is_exported_of_its_service() {
    let service = shipped("docker/fleet/serinus.toml");
    is_exported("docker/fleet/rules.yml", &prometheus_rules(&service));
    is_exported("docker/fleet/alertmanager.yml", &alertmanager(&service));
}
