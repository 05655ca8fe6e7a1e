//! What a probe promises over time.

use std::time::Duration;

use crate::plan::{LatencyOf, LatencySlo, Slo};

use super::super::nearest::suggestion;
use super::super::steps::journey;
use super::super::tree::Table;
use super::super::{Code, Diagnostic, Diagnostics};

const WINDOW: Duration = Duration::from_hours(28 * 24);

/// The service level objective, if the probe has one.
pub(super) fn read(probe: &Table<'_>, diagnostics: &mut Diagnostics) -> Option<Slo> {
    let node = probe.get("slo")?;
    let table = node.as_table()?;
    if table.get("success").is_none() && table.get("latency").is_none() {
        diagnostics.push(
            Diagnostic::at(Code::MissingKey, node.spot, "`slo` promises nothing").help("give `success`, `latency`, or both"),
        );
    }
    let success = table.share("success");
    if let Some(node) = table.get("success").filter(|_| success == Some(0.0)) {
        diagnostics.push(Diagnostic::at(Code::InvalidValue, node.spot, "a promise of 0 % is none").help("give a share above 0"));
    }
    let latency = table.table("latency").map(|latency| latency_slo(probe, latency, diagnostics));
    Some(Slo { success, latency, window: table.duration("window").unwrap_or(WINDOW) })
}

fn latency_slo(probe: &Table<'_>, table: &Table<'_>, diagnostics: &mut Diagnostics) -> LatencySlo {
    let of = if table.text("of") == Some("convergence") { LatencyOf::Convergence } else { LatencyOf::Duration };
    let [mean, p95, p99] = ["mean", "p95", "p99"].map(|key| table.duration(key));
    if let (None, None, None, Some(first)) = (mean, p95, p99, table.entries.first()) {
        diagnostics.push(
            Diagnostic::at(Code::MissingKey, first.key_spot, "`slo.latency` has no bound").help("give `mean`, `p95` or `p99`"),
        );
    }
    match (table.get("step"), table.get("of")) {
        (Some(node), _) => {
            let name = node.as_text().unwrap_or_default();
            let step = journey(probe).find(|step| step.text("name") == Some(name));
            if step.is_none() {
                let names: Vec<&str> = journey(probe).filter_map(|step| step.text("name")).collect();
                diagnostics.push(
                    Diagnostic::at(Code::UnknownStep, node.spot, format!("there is no step `{name}`"))
                        .maybe_help(suggestion(name, names)),
                );
            } else if of == LatencyOf::Convergence && step.is_some_and(|step| step.get("eventually").is_none()) {
                diagnostics.push(
                    Diagnostic::at(Code::NeedsKey, node.spot, format!("the step `{name}` does not converge"))
                        .help("only a step with `eventually` has a convergence"),
                );
            }
        }
        (None, Some(node)) if of == LatencyOf::Convergence => diagnostics.push(
            Diagnostic::at(Code::NeedsKey, node.spot, "a whole run has no convergence")
                .help("name an `eventually` step in `step`"),
        ),
        (None, _) => {}
    }
    LatencySlo { step: table.text("step").map(Into::into), of, mean, p95, p99 }
}
