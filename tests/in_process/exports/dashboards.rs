//! The dashboards against Grafana's published types: npm's `@grafana/schema`, by TypeScript's compiler.

use std::collections::BTreeSet;

use serde_json::Value;
use serinus::export::{Dashboard, grafana_dashboard};

use super::{said, service, with};

const BOTH: [Dashboard; 2] = [Dashboard::Overview, Dashboard::Probe];

#[test]
fn both_dashboards_are_as_grafanas_schema_says() {
    let place = said(std::path::Path::new("."), "tests/setup/grafana", &["target/grafana"]);
    let place = std::path::Path::new(place.trim()).canonicalize().expect("it is there");
    let folder = tempfile::tempdir_in(&place).expect("a folder beside the packages");
    for (at, which) in BOTH.into_iter().enumerate() {
        let mut document: Value = serde_json::from_str(&grafana_dashboard(&service(), which)).expect("it is JSON");
        // What only Prometheus's annotations have, which the schema of all data sources does not know.
        let annotation = &mut document["annotations"]["list"][0];
        for (path, own) in [("", "tagKeys"), ("", "titleFormat"), ("/target", "expr"), ("/target", "interval")] {
            let of = annotation.pointer_mut(path).and_then(Value::as_object_mut).expect("it is there");
            assert!(of.remove(own).is_some(), "{own}");
        }
        // JSON has words where TypeScript has the members of enums.
        let text = format!("{document:#}").replace("\"mode\": \"absolute\"", "\"mode\": \"absolute\" as ThresholdsMode");
        let text = text.replace("\"type\": \"value\"", "\"type\": \"value\" as MappingType.ValueToText");
        let name = format!("dashboard{at}.ts");
        let source = format!(
            "import type {{ Dashboard, MappingType, ThresholdsMode }} from '@grafana/schema';\nexport const it: Partial<Dashboard> = {text};\n"
        );
        std::fs::write(folder.path().join(&name), source).expect("it is written");
        let compiler = place.join("node_modules/.bin/tsc").display().to_string();
        let options = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "node16", "--module", "node16"];
        let arguments: Vec<&str> = options.into_iter().chain(["--target", "es2020", &name]).collect();
        said(folder.path(), &compiler, &arguments);
    }
}

#[test]
fn panels_do_not_overlap_and_ids_and_references_are_unique() {
    for which in BOTH {
        let document: Value = serde_json::from_str(&grafana_dashboard(&service(), which)).expect("it is JSON");
        let mut taken = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for panel in document["panels"].as_array().expect("panels") {
            assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{panel:#}");
            let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
            for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                assert!(x < 24 && taken.insert((x, y)), "{x}, {y}: {panel:#}");
            }
            let references: BTreeSet<_> =
                panel["targets"].as_array().into_iter().flatten().map(|it| it["refId"].to_string()).collect();
            assert_eq!(references.len(), panel["targets"].as_array().map_or(0, Vec::len));
        }
    }
}

#[test]
fn there_are_links_to_our_pages_where_it_is_known_where_they_are_and_exemplars_on_durations() {
    for which in BOTH {
        let text = grafana_dashboard(&service(), which);
        assert!(text.contains("https://serinus.example.com/probes/"), "{text}");
        assert!(text.contains("\"exemplar\": true"));
        let bare = grafana_dashboard(&with("regions = [\"eu\"]\n", ""), which);
        assert!(!bare.contains("https://"), "{bare}");
    }
}
