//! `serinus check`: every problem of the configuration at once.
//!
//! It refuses what `run` would refuse, and with `--strict` what draws a warning. With `--output json` it prints one object: `valid` (`run` would take it), `errors`, `warnings` (counts), `canaries` (how many would
//! run; `null` if not valid), `chance_pages_per_month` (expected where runs fail as often as their objectives allow; `null` if
//! not valid), `strict` (whether warnings make the exit code 2), `files` (paths that were read) and `diagnostics`, a list of
//! `{severity, code, message, help, mend}` and, where there is a place, `{file, line, column, end_line, end_column}`. `mend` is what
//! `--fix` does in that file, a list of `{line, column, end_line, end_column, text}`, or `null`; what it did (with `--dry-run`, what it
//! would do) is in `fixed`, a list of `{file, line, column, old, new}`, and the rest is about what is left.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::config::{Change, Code, Loaded, Severity, load, load_probes, process_environment};
use crate::plan::{Probe, chance};

use super::args::{CheckArgs, Output};
use super::config::{TELLS_NOBODY, counts, required};
use super::exit::Failure;
use super::fix::{self, fix};
use super::{Exit, Printer};

pub(crate) fn check(printer: &Printer, config: Option<&Path>, args: &CheckArgs) -> Result<Exit, Failure> {
    let progress = printer.progress("checking");
    let service = if args.paths.is_empty() { Some(required(config)?) } else { None };
    let read = || match service {
        Some(config) => load(config, process_environment()),
        None => load_probes(&args.paths, config, process_environment()),
    };
    let (loaded, changes) =
        if args.fix { fix(&read, config.filter(|_| service.is_none()), args.dry_run)? } else { (read(), Vec::new()) };
    drop(progress);
    match args.output {
        Output::Human => {
            for change in &changes {
                printer.data(&fix::line(change));
            }
            let text = loaded.diagnostics.render(printer.style().colour);
            if !text.is_empty() {
                printer.data(text.trim_end());
            }
            printer.note(&summary(&loaded, args));
            // Without an objective that allows a failure there is no chance to speak of.
            let allows = |probe: &Arc<Probe>| probe.slo.as_ref().and_then(|slo| slo.success).is_some_and(|share| share < 1.0);
            if let Some(service) = loaded.service.as_ref().filter(|service| service.plan.probes.iter().any(allows)) {
                let pages = chance::of_plan(&service.plan);
                printer.note(&format!("pages by chance, if runs fail as often as their objectives allow: {pages:.2} in 30 days"));
            }
        }
        Output::Json => printer.data(&format!("{:#}", object(&loaded, args.strict, &changes))),
    }
    if loaded.service.is_some() && loaded.tells_nobody() {
        return Err(Failure::usage(TELLS_NOBODY));
    }
    // A secret that is not there is no mistake of the files, and a machine that only checks them need not have any.
    let missing = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.code == Code::MissingSecret).count();
    let warnings = loaded.diagnostics.count(Severity::Warning) - missing;
    if args.strict && loaded.service.is_some() && warnings > 0 {
        let them = if warnings == 1 { "a warning is" } else { "warnings are" };
        return Err(Failure::usage(format!(
            "{them} as bad as an error with --strict: mend what draws it, or `allow` it in its file"
        )));
    }
    Ok(if loaded.service.is_some() { Exit::Well } else { Exit::Usage })
}

fn summary(loaded: &Loaded, args: &CheckArgs) -> String {
    let some = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let files = some(loaded.files.len(), "file", "files");
    let canaries = loaded.service.as_ref().map(|service| some(service.plan.canaries.len(), "canary", "canaries"));
    let mendable = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.mend.is_some()).count();
    let mends = match mendable {
        0 => String::new(),
        _ if args.fix => format!("; {mendable} to be mended"),
        _ => format!("; `--fix` mends {mendable}"),
    };
    let canaries = canaries.map_or(String::new(), |canaries| format!(", {canaries}"));
    format!("{files}{canaries}: {}{mends}", counts(&loaded.diagnostics))
}

fn object(loaded: &Loaded, strict: bool, changes: &[Change]) -> Value {
    json!({
        "valid": loaded.service.is_some() && !loaded.tells_nobody(),
        "errors": loaded.diagnostics.count(Severity::Error),
        "warnings": loaded.diagnostics.count(Severity::Warning),
        "canaries": loaded.service.as_ref().map(|service| service.plan.canaries.len()),
        "chance_pages_per_month": loaded.service.as_ref().map(|service| chance::of_plan(&service.plan)),
        "strict": strict,
        "files": loaded.files,
        "fixed": changes.iter().map(fix::object).collect::<Vec<_>>(),
        "diagnostics": loaded.diagnostics.to_json(),
    })
}
