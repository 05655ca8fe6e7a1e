//! Which module may use which other: the table of the architecture, held against what the source really says.
//!
//! A module that is not in the table fails the test, so a new one is added here first. Unit tests are free to use what they
//! like: the table is about what a change can break.

use std::collections::BTreeSet;

use crate::source_text::{before_tests, source_files};

/// Module and what it may use besides itself.
const TABLE: [(&str, &[&str]); 16] = [
    ("base", &[]),
    ("source", &[]),
    ("plan", &["base", "source"]),
    ("config", &["base", "source", "plan", "outcome"]),
    ("outcome", &["base", "source", "plan"]),
    ("run", &["base", "source", "plan", "outcome"]),
    ("schedule", &["base", "plan", "outcome", "run"]),
    ("history", &["base", "plan", "outcome"]),
    ("alert", &["base", "plan", "outcome", "history"]),
    ("fleet", &["base", "plan", "outcome", "history", "alert"]),
    ("web", &["base", "plan", "outcome", "history", "schedule", "alert", "fleet"]),
    ("telemetry", &["base", "plan", "outcome"]),
    ("export", &["plan", "outcome"]),
    ("sandbox", &[]),
    (
        "app",
        &[
            "base",
            "source",
            "plan",
            "config",
            "outcome",
            "run",
            "schedule",
            "telemetry",
            "sandbox",
            "history",
            "alert",
            "fleet",
            "web",
        ],
    ),
    (
        "cli",
        &[
            "base",
            "source",
            "plan",
            "config",
            "outcome",
            "run",
            "schedule",
            "telemetry",
            "sandbox",
            "history",
            "alert",
            "fleet",
            "web",
            "export",
            "app",
        ],
    ),
];

/// The text without comments and without the unit tests at its end. Comments are what follows `//` outside of a string, as far
/// as a line tells; that is enough for code that rustfmt has laid out.
fn production_code(text: &str) -> String {
    before_tests(text).split_inclusive('\n').map(without_comment).collect()
}

fn without_comment(line: &str) -> String {
    let comment = line.match_indices("//").find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2));
    match comment {
        Some((at, _)) if line.ends_with('\n') => format!("{}\n", &line[..at]),
        Some((at, _)) => line[..at].to_owned(),
        None => line.to_owned(),
    }
}

/// The path of modules a file of `src/` holds: `run/step/http.rs` is `run::step::http`; `lib.rs` is the empty path.
fn module_path(file: &str) -> Vec<&str> {
    let mut path: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
    if matches!(path.last(), Some(&("mod" | "lib"))) {
        path.pop();
    }
    path
}

/// The first names of what follows `crate::`: one, or several where it is a group in braces.
fn first_names(after: &str) -> Vec<&str> {
    fn name(text: &str) -> &str {
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
    }
    let Some(group) = after.strip_prefix('{') else { return vec![name(after)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut begin = 0;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[begin..at].trim_start()));
                begin = at + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The modules at the top of the crate that this code names, by `crate::` or by climbing up to the top with `super::`.
fn modules_used(path: &[&str], code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        used.extend(first_names(&code[at + "crate::".len()..]).into_iter().map(str::to_owned));
    }
    let climb = "super::".repeat(path.len());
    if !path.is_empty() {
        for (at, _) in code.match_indices(&climb) {
            used.extend(first_names(&code[at + climb.len()..]).into_iter().map(str::to_owned));
        }
    }
    used
}

/// What the code of a file uses and the table does not allow.
fn violations(file: &str, code: &str) -> Vec<String> {
    let path = module_path(file);
    let Some(module) = path.first() else { return Vec::new() };
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| name == module) else {
        return vec![format!("src/{file}: module `{module}` is not in the table of tests/in_process/module_table.rs")];
    };
    modules_used(&path, code)
        .into_iter()
        .filter(|used| used != module && !allowed.contains(&used.as_str()))
        .map(|used| format!("src/{file}: `{module}` may not use `{used}`, only {allowed:?}"))
        .collect()
}

/// Whether a file belongs to unit tests as a whole: they are free to use what they need. `testing.rs` is shared by several.
fn is_of_tests(file: &str) -> bool {
    file.contains("/tests/") || ["/tests.rs", "/testing.rs", "/golden.rs", "/cases.rs"].iter().any(|name| file.ends_with(name))
}

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let files = source_files();
    assert!(files.len() > 30, "only {} source files were found", files.len());
    let found: Vec<String> = files
        .iter()
        .filter(|(file, _)| file != "main.rs" && file != "lib.rs" && !is_of_tests(file))
        .flat_map(|(file, text)| violations(file, &production_code(text)))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn which_store_there_is_only_the_wiring_knows() {
    let knows = |(file, text): &(String, String)| {
        let code = production_code(text);
        !file.starts_with("history/") && (code.contains("history::sqlite") || code.contains("rusqlite")) && !is_of_tests(file)
    };
    let named: Vec<String> = source_files().into_iter().filter(knows).map(|(file, _)| file).collect();
    assert!(named.iter().all(|file| file.starts_with("app/")), "{named:?} name the kind of store; ask the ports of `history`");
    let inside = |(file, text): &(String, String)| {
        let beside = file.starts_with("history/") && !file.starts_with("history/sqlite/");
        beside && !is_of_tests(file) && production_code(text).contains("rusqlite")
    };
    assert!(!source_files().iter().any(inside), "SQLite lies in history/sqlite");
}

#[test]
fn every_module_of_the_table_exists() {
    let files = source_files();
    for (module, _) in TABLE {
        let exists = files.iter().any(|(file, _)| module_path(file).first() == Some(&module));
        assert!(exists, "the table names `{module}`, and there is no such module");
    }
}

#[test]
fn the_program_uses_the_library_only_through_its_commands() {
    let main = source_files().into_iter().find(|(file, _)| file == "main.rs").expect("there is a src/main.rs").1;
    let code = production_code(&main);
    let used: Vec<_> = code.match_indices("serinus::").flat_map(|(at, path)| first_names(&code[at + path.len()..])).collect();
    assert!(used.iter().all(|name| *name == "cli"), "src/main.rs uses {used:?} and may use only `cli`");
}

#[test]
fn a_forbidden_use_is_found_however_it_is_spelled() {
    let forbidden = [
        ("plan/step.rs", "use crate::config::Document;"),
        ("plan/step.rs", "use crate::{source::Span, config::Document};"),
        ("plan/step.rs", "use crate::{\n    source::{Location, Span},\n    config,\n};"),
        ("plan/step.rs", "fn load() -> crate::config::Document {}"),
        ("plan/step.rs", "use super::super::config::Document;"),
        ("plan/mod.rs", "use super::config::Document;"),
        ("source.rs", "use super::{plan, config};"),
        ("app/mod.rs", "use crate::cli::Arguments;"),
        ("sandbox/mod.rs", "use crate::source::Span;"),
        ("newcomer.rs", ""),
    ];
    for (file, code) in forbidden {
        assert!(!violations(file, code).is_empty(), "not found in {file}: {code}");
    }
}

#[test]
fn an_allowed_use_is_no_violation() {
    let allowed = [
        ("plan/step.rs", "use crate::source::{Location, Span};\nuse super::expr;\nuse crate::plan::Probe;"),
        ("plan/expr/mod.rs", "use super::super::source;"),
        ("config/mod.rs", "use crate::{plan::{self, Probe}, source};"),
        ("cli/run.rs", "use crate::app;"),
    ];
    for (file, code) in allowed {
        assert_eq!(violations(file, code), Vec::<String>::new());
    }
}

#[test]
fn comments_strings_and_unit_tests_are_not_code() {
    let text = "//! See [`x`](crate::cli::X).\nfn a() {} // crate::cli\n#[cfg(test)]\nmod tests {\n use crate::cli;\n}\n";
    assert_eq!(production_code(text), "\nfn a() {} \n");
    assert_eq!(violations("plan/step.rs", &production_code(text)), Vec::<String>::new());
    assert_eq!(production_code("let url = \"http://a\"; use crate::cli;"), "let url = \"http://a\"; use crate::cli;");
}
