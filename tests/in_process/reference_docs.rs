//! The reference documentation knows every key, metric, verdict and reason that the program knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serinus::config::Code;
use serinus::outcome::{Reason, Verdict};

const PROBES: &str = "probes/README.md";
const CONFIG: &str = "config/README.md";

/// Keys of the service that are tables, each key of which has a row.
const SECTIONS: [&str; 13] = [
    "listen",
    "traces",
    "limits",
    "tls",
    "vars",
    "alerting",
    "notify",
    "maintenance",
    "store",
    "self_check",
    "heartbeat",
    "redact",
    "status_page",
];

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// How a key of a section is written in the documents.
fn spelling(section: &str, key: &str) -> String {
    match section {
        "http" | "exec" => format!("{section}.{key}"),
        "multipart" => format!("http.multipart.{key}"),
        "tcp" => format!("tcp.{key}"),
        "alert" | "maintenance" | "alerting" | "notify" | "store" | "fleet" | "self_check" | "heartbeat" | "redact"
        | "status_page" => {
            format!("{section}.{key}")
        }
        "route" => format!("alerting.route.{key}"),
        _ if section.starts_with("notify_") && ["name", "least", "wakes", "timeout"].contains(&key) => {
            format!("notify.KIND.{key}")
        }
        _ if section.starts_with("notify_") => format!("{}.{key}", section.replace('_', ".")),
        "slo_latency" => format!("slo.latency.{key}"),
        "probe_cleanup" => format!("cleanup.{key}"),
        "dns" | "slo" | "tls" | "listen" | "traces" | "limits" | "defaults" => format!("{section}.{key}"),
        "secret" => format!("secrets.{key}"),
        "token" => format!("listen.token.{key}"),
        "status_component" => format!("status_page.component.{key}"),
        "listen_tls" => format!("listen.tls.{key}"),
        _ => key.to_owned(),
    }
}

/// Keys that are documented as part of their parent's row, and the text that does it.
fn inside_a_row(section: &str, key: &str) -> Option<String> {
    let row = match section {
        "retry" | "eventually" | "consistently" | "carry" => format!("| `{section}` | `{{"),
        "alert_window" | "alert_across" | "alert_critical" | "tcp_read" | "tcp_send" | "tcp_tls" => {
            format!("| `{}` | `{{", section.replace('_', "."))
        }
        "parameter" => "| `parameters` | `{".to_owned(),
        "expectation" => "| `expect` | list of conditions, or of `{".to_owned(),
        "blind" | "flapping" => format!("| `alerting.{section}` | `{{"),
        "basic" | "oauth2" => format!("| `http.{section}` | `{{"),
        _ => return None,
    };
    Some(format!("{row}\n{key}"))
}

fn documented(text: &str, section: &str, key: &str) -> bool {
    if let Some(wanted) = inside_a_row(section, key) {
        let (row, key) = wanted.split_once('\n').expect("two lines");
        return text.lines().any(|line| {
            let Some(keys) = line.strip_prefix(row).and_then(|rest| rest.split('}').next()) else { return false };
            keys.split(',').any(|each| each.trim() == key)
        });
    }
    let spelling = spelling(section, key);
    // The first cell of a row, where several keys may share one.
    text.lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .any(|cell| cell.split('`').any(|part| means(part, &spelling)))
}

/// Whether a name in the first cell of a row is that of a key.
fn means(name: &str, spelling: &str) -> bool {
    let name = name.trim_matches(['[', ']']);
    let tail = name.strip_prefix("step.").unwrap_or(name);
    let tail = tail.split_once(".NAME").map_or(tail, |(head, _)| head);
    [name, tail].contains(&spelling) || name.strip_suffix(".*") == Some(spelling) || name == format!("{spelling}.NAME.vars")
}

#[test]
fn every_key_of_a_probe_is_documented() {
    let text = read(PROBES);
    let sections = ["slo.latency", "http.multipart"];
    let missing: Vec<String> = serinus::config::reference()
        .iter()
        .filter(|reference| reference.document == "probe")
        .filter(|reference| !documented(&text, reference.section.id, reference.key.name))
        .map(|reference| spelling(reference.section.id, reference.key.name))
        .filter(|spelling| !sections.contains(&spelling.as_str()) && spelling != "tls")
        .collect();
    assert!(missing.is_empty(), "not in {PROBES}: {missing:#?}");
}

#[test]
fn every_key_of_the_service_is_documented() {
    let (config, probes) = (read(CONFIG), read(PROBES));
    let missing: Vec<String> = serinus::config::reference()
        .iter()
        .filter(|reference| reference.document == "service")
        .filter(|reference| {
            // Devices and their TLS, and alert rules, are documented once, with the probes.
            let text = if ["device", "basic", "oauth2", "tls", "alert", "alert_window", "alert_across", "alert_critical"]
                .contains(&reference.section.id)
            {
                &probes
            } else {
                &config
            };
            !documented(text, reference.section.id, reference.key.name)
        })
        .map(|reference| spelling(reference.section.id, reference.key.name))
        .filter(|spelling| !SECTIONS.contains(&spelling.as_str()))
        .collect();
    assert!(missing.is_empty(), "not in {CONFIG}: {missing:#?}");
}

#[test]
fn every_default_stands_in_its_row() {
    let documents = [("probe", read(PROBES)), ("service", read(CONFIG))];
    for reference in serinus::config::reference() {
        let (_, text) = documents.iter().find(|(name, _)| *name == reference.document).unwrap();
        let default = reference.key.default;
        let plain = default.starts_with('"') || default.parse::<f64>().is_ok();
        if !plain || default.is_empty() || inside_a_row(reference.section.id, reference.key.name).is_some() {
            continue;
        }
        let spelling = format!("`{}`", spelling(reference.section.id, reference.key.name));
        for row in text
            .lines()
            .filter(|line| line.starts_with('|') && line.split('|').nth(1).is_some_and(|cell| cell.contains(&spelling)))
        {
            let column = row.split('|').nth(3).unwrap_or_default();
            assert!(
                column.contains(&format!("`{default}`")) || column.contains(&format!("`{default}.0`")),
                "the default of {spelling} is {default}, but its row says: {row}"
            );
        }
    }
}

#[test]
fn every_documented_key_is_one_and_a_bound_of_it_is_the_one_that_is_checked() {
    let all = serinus::config::reference();
    for path in [PROBES, CONFIG] {
        let text = read(path);
        let mut rows = text.split("| key | type | default | what it does |").skip(1).flat_map(|table| {
            table.lines().skip(2).take_while(|line| line.starts_with('|')).map(|row| row.split('|').collect::<Vec<_>>())
        });
        let mut known = 0;
        for (cells, name) in rows.by_ref().flat_map(|cells| {
            let names: Vec<&str> = cells[1].split('`').skip(1).step_by(2).collect();
            names.into_iter().map(move |name| (cells.clone(), name)).collect::<Vec<_>>()
        }) {
            let found: Vec<_> =
                all.iter().filter(|reference| means(name, &spelling(reference.section.id, reference.key.name))).collect();
            assert!(!found.is_empty(), "{path} tells of `{name}`, and there is no such key");
            known += 1;
            let Some((_, range)) = cells[2].split_once("integer ").filter(|(_, range)| range.contains("..=")) else { continue };
            let range: String = range.chars().take_while(|letter| letter.is_ascii_digit() || ".=".contains(*letter)).collect();
            let (least, most) = range.split_once("..=").expect("two bounds");
            let described = format!("an integer from {least} to {most}");
            assert!(
                found.iter().any(|reference| reference.key.kind.describe().starts_with(&described)),
                "{path} tells of `{name}` as {range}, and it is {:?}",
                found.iter().map(|reference| reference.key.kind.describe()).collect::<Vec<_>>()
            );
        }
        assert!(known > 20, "{known}");
    }
}

/// First cells of the rows of the table with this head, and second ones.
fn table<'t>(text: &'t str, head: &str) -> Vec<(&'t str, &'t str)> {
    let rows = text.split_once(head).unwrap_or_else(|| panic!("{PROBES} has no table {head:?}")).1;
    let cells = |row: &'t str| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    };
    rows.lines().skip(2).take_while(|row| row.starts_with('|')).map(cells).collect()
}

#[test]
fn the_documented_verdicts_and_reasons_are_exactly_those_of_the_program() {
    let text = read(PROBES);
    let verdicts: Vec<&str> = table(&text, "| verdict | when |").into_iter().map(|(verdict, _)| verdict).collect();
    assert_eq!(verdicts, Verdict::ALL.map(Verdict::as_str));
    let reasons: Vec<(&str, &str)> = Reason::ALL.iter().map(|reason| (Verdict::of(*reason).as_str(), reason.as_str())).collect();
    assert_eq!(table(&text, "| verdict | reason | when |"), reasons);
}

#[test]
fn every_lint_is_explained_and_every_explained_one_is_there() {
    let mut explained = BTreeSet::new();
    for path in [PROBES, CONFIG] {
        let text = read(path);
        let head = "| lint | what it means | why it matters | how to mend it | when to allow it |";
        let rows = text.split_once(head).unwrap_or_else(|| panic!("{path} has no table of lints")).1.lines().skip(2);
        for row in rows.take_while(|row| row.starts_with('|')) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert!(cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty()), "{path}: each says everything: {row}");
            let word = cells[0].trim_matches('`');
            let code =
                Code::ALL.iter().find(|code| code.lint() == Some(word)).unwrap_or_else(|| panic!("{path}: no lint {word}"));
            assert_eq!(cells[4].starts_with("never"), !code.can_be_allowed(), "{path}: {row}");
            explained.insert(word.to_owned());
        }
    }
    let missing: Vec<_> = Code::ALL.iter().filter_map(|code| code.lint()).filter(|word| !explained.contains(*word)).collect();
    assert!(missing.is_empty(), "explained nowhere: {missing:?}");
}

#[test]
fn every_filter_test_and_function_is_documented() {
    let text = read(PROBES);
    let known =
        [serinus::plan::expr::known_filters(), serinus::plan::expr::known_tests(), serinus::plan::expr::known_functions()];
    let missing: Vec<&str> = known.into_iter().flatten().filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{PROBES} does not know {missing:?}");
}

/// The program's sources, without their tests.
fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if ["tests", "testing"].iter().any(|of_tests| path.file_stem().is_some_and(|stem| stem == *of_tests)) {
            continue;
        }
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            into.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
        }
    }
}

/// What begins like our metrics and is none: a cookie, and roles of a database.
const OTHERS: [&str; 4] = ["serinus_session", "serinus_migrate", "serinus_run", "serinus_read"];

/// Whether it begins as the name of a metric does: ours, or one that every process has.
fn is_metric(name: &str) -> bool {
    (name.starts_with("serinus_") || name.starts_with("process_")) && !OTHERS.contains(&name)
}

/// Names of metrics in quotes.
fn metrics(text: &str) -> BTreeSet<&str> {
    let is_name = |quoted: &&str| is_metric(quoted) && quoted.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    text.split('"').filter(is_name).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_is_there() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let known: BTreeSet<&str> = files.iter().flat_map(|file| metrics(file)).collect();
    let text = read(CONFIG);
    let rows: Vec<&str> = text
        .lines()
        .filter(|row| row.strip_prefix("| `").is_some_and(is_metric))
        .filter_map(|row| row.split('|').nth(1))
        .collect();
    let documented: BTreeSet<&str> = rows.iter().flat_map(|cell| cell.split('`')).filter(|part| is_metric(part)).collect();
    assert!(known.len() > 20, "{known:?}");
    let missing: Vec<_> = known.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&known).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not in {CONFIG}: {missing:?}; in no source: {invented:?}");
}

#[test]
fn every_metric_of_the_prober_itself_has_a_help_text() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    // A constant's value by its name, as far as it is a metric's.
    let constants: BTreeMap<&str, &str> = files
        .iter()
        .flat_map(|file| file.lines())
        .filter_map(|line| line.split_once(": &str = \"")?.0.split("const ").nth(1).zip(metrics(line).first().copied()))
        .collect();
    let argument = |call: &str| call.trim_start().split([',', ')']).next().unwrap_or_default().trim().to_owned();
    // Told apart from the uses that end alike.
    let files: Vec<String> = files.iter().map(|file| file.replace("describe_", "describe:").replace("::", " ")).collect();
    let arguments = |start: &'static str| files.iter().flat_map(move |file| file.split(start).skip(1)).map(argument);
    let name = |argument: String| match argument.strip_prefix('"') {
        Some(quoted) => Some(quoted.trim_end_matches('"').to_owned()),
        None => constants.get(&*argument).map(|name| (*name).to_owned()),
    };
    let all = |kinds: [&'static str; 3]| -> BTreeSet<String> { kinds.into_iter().flat_map(arguments).filter_map(name).collect() };
    let described = all(["describe:counter!(", "describe:gauge!(", "describe:histogram!("]);
    let used = all([" counter!(", " gauge!(", " histogram!("]);
    assert!(used.len() > 10, "{used:?}");
    let missing: Vec<_> = used.difference(&described).collect();
    assert!(missing.is_empty(), "without a describe_…! in src/telemetry/metrics/process.rs: {missing:?}");
}
