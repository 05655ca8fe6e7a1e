//! What the documentation shows works: the README's probe and service, and the configuration of the container.

use std::fs;
use std::path::Path;

use serinus::config;

fn project(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced TOML blocks of a page.
fn toml_blocks(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Loads a service's file with these variables set and wants no problem at all, and so many canaries.
fn loads_without_a_word(file: &Path, variables: &[&str], canaries: usize) {
    let environment = variables.iter().map(|name| ((*name).to_owned(), "x".to_owned()));
    let loaded = config::load(file, environment);
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
    let service = loaded.service.expect("it is valid");
    assert_eq!(service.plan.canaries.len(), canaries);
}

#[test]
fn the_probe_of_the_readme_is_valid_as_it_stands() {
    let page = project("README.md");
    let [probe, service] = toml_blocks(&page)[..] else { panic!("the README has one probe and one service") };
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("probes")).unwrap();
    fs::write(directory.path().join("probes/order.toml"), probe).unwrap();
    fs::write(directory.path().join("serinus.toml"), service).unwrap();
    loads_without_a_word(&directory.path().join("serinus.toml"), &["CANARY_PASSWORD"], 1);
}

#[test]
fn the_containers_configuration_is_valid_beside_the_shipped_probes() {
    let directory = tempfile::tempdir().unwrap();
    let probes = directory.path().join("probes");
    fs::create_dir(&probes).unwrap();
    let shipped = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes")).unwrap().map(|entry| entry.unwrap().path());
    for probe in shipped.filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        fs::copy(&probe, probes.join(probe.file_name().unwrap())).unwrap();
    }
    let file = directory.path().join("serinus.toml");
    fs::write(&file, project("docker/serinus.toml")).unwrap();
    loads_without_a_word(&file, &["METRICS_TOKEN", "CANARY_PASSWORD"], 11);
}
