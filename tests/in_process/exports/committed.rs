//! The exported files that lie in the repository are what would be exported now.

use std::path::Path;

use serinus::export::{Dashboard, difference, grafana_dashboard};

use super::loaded;

#[test]
fn the_dashboards_in_docker_are_what_is_exported_of_the_service_in_docker() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // In the image the probes lie beside the service's file.
    let text = std::fs::read_to_string(root.join("docker/serinus.toml")).expect("it is there");
    let probes = root.join("probes/*.toml").display().to_string();
    std::fs::write(folder.path().join("serinus.toml"), text.replace("probes/*.toml", &probes)).expect("it is written");
    let service = loaded(&folder.path().join("serinus.toml"));
    for (file, expected) in [
        ("docker/grafana/dashboards/overview.json", grafana_dashboard(&service, Dashboard::Overview)),
        ("docker/grafana/dashboards/probe.json", grafana_dashboard(&service, Dashboard::Probe)),
    ] {
        let found = std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(
            difference(&found, &expected).map(|it| it.to_string()),
            None,
            "{file} is not what is exported: docker/README.md says how to make it anew"
        );
    }
}
