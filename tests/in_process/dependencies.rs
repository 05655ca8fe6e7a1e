//! The licences and the bans of `.deny.toml`, kept without cargo-deny: it may be run besides, and need not be.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// A package that is built on Linux: its name and its licence as SPDX writes it.
struct Package {
    name: String,
    licence: String,
}

fn packages() -> Vec<Package> {
    let arguments = ["metadata", "--locked", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let output = Command::new(env!("CARGO")).args(arguments).output().expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let built: BTreeSet<String> = list(&metadata["resolve"]["nodes"]).iter().map(|node| text(&node["id"])).collect();
    list(&metadata["packages"])
        .iter()
        .filter(|package| built.contains(&text(&package["id"])))
        .map(|package| Package { name: text(&package["name"]), licence: text(&package["license"]) })
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("cargo metadata has a list here")
}

fn settings() -> toml::Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".deny.toml");
    fs::read_to_string(file).expect("there is a .deny.toml").parse().expect("it is TOML")
}

/// Whether the licence can be met with these: every part of an AND, one part of an OR, which binds looser.
fn may_be_used(licence: &str, allowed: &BTreeSet<&str>) -> bool {
    // The old way to write OR is a slash.
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut Words<'_>, allowed: &BTreeSet<&str>) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let met = any_of(words, allowed);
        return words.next() == Some(")") && met;
    }
    // An exception gives more rights, never less, but must be allowed by its whole name.
    match words.next_if_eq(&"WITH") {
        Some(_) => words.next().is_some_and(|exception| allowed.contains(format!("{word} WITH {exception}").as_str())),
        None => allowed.contains(word),
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let settings = settings();
    let allowed: BTreeSet<&str> =
        settings["licenses"]["allow"].as_array().expect("a list").iter().filter_map(toml::Value::as_str).collect();
    let packages = packages();
    assert!(packages.len() > 100, "only {} packages were found", packages.len());
    let exceptions = settings["licenses"]["exceptions"].as_array().expect("a list");
    let is_excepted = |package: &&Package| {
        let of_it = exceptions.iter().filter(|exception| exception["crate"].as_str() == Some(&package.name));
        let licences: BTreeSet<&str> =
            of_it.flat_map(|exception| exception["allow"].as_array().expect("a list")).filter_map(toml::Value::as_str).collect();
        may_be_used(&package.licence, &licences)
    };
    let refused: Vec<_> = packages
        .iter()
        .filter(|package| !may_be_used(&package.licence, &allowed) && !is_excepted(package))
        .map(|package| format!("{}: {:?}", package.name, package.licence))
        .collect();
    assert!(refused.is_empty(), "not allowed by .deny.toml: {}", refused.join(", "));
}

#[test]
fn no_banned_dependency_came_in() {
    let settings = settings();
    let bans = settings["bans"]["deny"].as_array().expect("a list");
    let banned: BTreeSet<&str> = bans.iter().filter_map(|ban| ban["crate"].as_str()).collect();
    assert!(banned.contains("aws-lc-sys") && banned.contains("openssl-sys"));
    let found: Vec<_> =
        packages().into_iter().map(|package| package.name).filter(|name| banned.contains(name.as_str())).collect();
    assert!(found.is_empty(), "banned by .deny.toml: {found:?}; `cargo tree -i NAME` says who brings it");
}

#[test]
fn a_licence_is_read_as_spdx_means_it() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for met in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0 OR MIT",
        "MIT/GPL-3.0",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "GPL-3.0 AND X OR MIT",
    ] {
        assert!(may_be_used(met, &allowed), "{met}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT WITH X", "(MIT"] {
        assert!(!may_be_used(refused, &allowed), "{refused}");
    }
}
