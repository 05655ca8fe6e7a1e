//! The files with which a fleet is started, docker/fleet and docker/kubernetes: the schemas of Kubernetes allow the manifests, and what
//! the files say of each other is so. That the compose file comes up is tested by `tests/container`.
//!
//! To add a region to the manifests, add it to [`REGIONS`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serinus::config;
use serinus::plan::Service;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// As long as the longest that is asked for, which is `listen.key`.
const SECRET: &str = "a-secret-of-at-least-thirty-two-characters";

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifests() -> Vec<PathBuf> {
    let found = fs::read_dir(project("docker/kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

/// Whether the schemas of a version of Kubernetes allow all of these, without a key that they do not know, and what was said.
fn validated(version: &str, files: &[PathBuf]) -> (bool, String) {
    let installed = Command::new(project("tests/setup/kubernetes-validate")).arg(project("target/kubernetes-validate")).output();
    let installed = installed.expect("tests/setup/kubernetes-validate can be run");
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", String::from_utf8(installed.stdout).unwrap().trim());
    let output = python.args(["-m", "kubernetes_validate", "--strict", "-k", version]).args(files).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn kubernetes_old_and_new_allows_every_manifest_and_not_one_that_is_misspelt() {
    for version in ["1.29", "1.37"] {
        let (allowed, said) = validated(version, &manifests());
        assert!(allowed, "{said}");
        assert_eq!(said.matches("passed for resource").count(), 3 + 1 + 2 * REGIONS.len(), "{said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let misspelt = folder.path().join("region.yaml");
    fs::write(&misspelt, text("docker/kubernetes/region-eu.yaml").replace("maxUnavailable", "maxUnavailible")).unwrap();
    let (allowed, said) = validated("1.37", &[misspelt]);
    assert!(!allowed && said.contains("maxUnavailible"), "{said}");
}

#[test]
fn the_manifests_of_regions_are_the_same_but_for_the_name_of_the_region() {
    let name = regex::Regex::new(r"\beu\b").unwrap();
    let eu = text("docker/kubernetes/region-eu.yaml");
    for region in REGIONS {
        assert_eq!(text(&format!("docker/kubernetes/region-{region}.yaml")), name.replace_all(&eu, region), "{region}");
    }
}

/// A service's file of a fleet as a process of one region loads it, with the shipped probes and every secret. Nothing is said of it.
fn of_region(file: &str, region: &str) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().display().to_string();
    for secret in ["metrics_token", "listen_key", "canary_password"] {
        fs::write(folder.path().join(secret), SECRET).unwrap();
    }
    fs::write(folder.path().join("serinus.toml"), text(file).replace("/run/secrets/serinus", &secrets)).unwrap();
    let probes = project("probes/*.toml").display().to_string();
    let environment = [
        ("SERINUS_REGION", region),
        ("SERINUS_STORE__URL", "postgres://serinus@postgres/serinus?sslmode=disable"),
        ("SERINUS_PROBES", &probes),
        ("METRICS_TOKEN", SECRET),
        ("LISTEN_KEY", SECRET),
        ("CANARY_PASSWORD", SECRET),
    ];
    let loaded =
        config::load(&folder.path().join("serinus.toml"), environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(loaded.diagnostics.is_empty(), "{file}: {}", loaded.diagnostics.render(false));
    loaded.service.expect("it is valid")
}

#[test]
fn the_configurations_of_fleets_are_valid_in_every_region_and_each_region_probes() {
    for file in ["docker/fleet/serinus.toml", "docker/kubernetes/serinus.toml"] {
        for region in REGIONS {
            let service = of_region(file, region);
            assert_eq!(service.fleet.as_ref().map(|fleet| &*fleet.member), Some(region), "{file}");
            assert_eq!(service.plan.canaries.len(), 17, "{file}");
            assert!(service.listen.key.is_some(), "{file}: the key of log-ins would be in the database");
        }
    }
}

#[test]
fn whoever_stops_an_instance_waits_for_longer_than_it_may_take() {
    for (file, by, key) in [
        ("docker/fleet/serinus.toml", "docker/fleet/compose.yaml", r"(?m)^x-region:(?s:.)*?^  stop_grace_period: (\d+)s$"),
        (
            "docker/kubernetes/serinus.toml",
            "docker/kubernetes/region-eu.yaml",
            r"(?m)^      terminationGracePeriodSeconds: (\d+)$",
        ),
    ] {
        let found = regex::Regex::new(key).unwrap().captures(&text(by)).map(|found| found[1].parse::<u64>().unwrap());
        let limits = &of_region(file, "eu").plan.limits;
        // Three seconds for pages and five to write, as config/README.md says of SIGTERM.
        let longest = limits.shutdown_grace + limits.cleanup + Duration::from_secs(3 + 5);
        let waits = Duration::from_secs(found.unwrap_or_else(|| panic!("{by} does not say how long")));
        assert!(waits > longest, "{by} waits for {waits:?}, and an instance may take {longest:?}");
    }
}

#[test]
fn the_config_map_of_the_shipped_probes_is_smaller_than_kubernetes_allows() {
    let probes = fs::read_dir(project("probes")).unwrap().map(|entry| entry.unwrap());
    let sizes = probes
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "toml"))
        .map(|entry| entry.metadata().unwrap().len());
    let total: u64 = sizes.sum();
    assert!(total > 0 && total < 1 << 20, "{total} bytes");
}
