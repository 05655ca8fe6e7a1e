//! What a probe promises over time.

use crate::plan::{LatencyOf, LatencySlo, Slo};

use super::super::diagnostic::suggestion;
use super::super::keys::{LatencyKeys, ProbeKeys, SloKeys, StepItem, StepKeys};
use super::super::tree::{Node, SourceSpan};
use super::super::{Code, Diagnostic, Diagnostics};

/// The service level objective, if the probe has one.
pub(super) fn read(probe: &ProbeKeys<'_>, diagnostics: &mut Diagnostics) -> Option<Slo> {
    let (keys, span) = (probe.slo.as_ref()?, probe.slo.span()?);
    if [keys.success.entry, keys.degraded.entry, keys.latency.entry].iter().all(Option::is_none) {
        diagnostics.push(
            Diagnostic::at(Code::MissingKey, span, "`slo` promises nothing").help("give `success`, `latency` or `degraded`"),
        );
    }
    let success = *keys.success;
    if let Some(span) = keys.success.span().filter(|_| success == Some(0.0)) {
        diagnostics.push(Diagnostic::at(Code::InvalidValue, span, "a promise of 0 % is none").help("give a share above 0"));
    }
    let latency = keys.latency.node().zip(keys.latency.as_ref());
    let latency = latency.map(|(node, latency)| latency_slo(probe, node, latency, diagnostics));
    let degraded = degraded(probe, keys, diagnostics);
    Some(Slo { success, degraded, latency, window: *keys.window })
}

/// The share of passed runs that may be degraded.
fn degraded(probe: &ProbeKeys<'_>, keys: &SloKeys<'_>, diagnostics: &mut Diagnostics) -> Option<f64> {
    let (share, entry, span) = (keys.degraded.value?, keys.degraded.entry?, keys.degraded.span()?);
    if share <= 0.0 {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "a budget of 0 % cannot be spent, so that nothing would ever be judged")
                .help("give a share above 0; what may never be so is an `expect`"),
        );
    } else if share >= 1.0 {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "if all runs may be degraded, nothing is promised")
                .help("give a share below 100 %"),
        );
    }
    let mut steps = probe.step.items().iter().flat_map(StepItem::doing);
    if !steps.any(|step| !step.value.warn.items().is_empty() || step.misspells("warn")) {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, entry.key_span, "no step has a `warn`, so that no run is ever degraded")
                .help("give a step `warn`: what should be true of its answer, and fails nothing where it is not"),
        );
    }
    Some(share)
}

fn latency_slo(probe: &ProbeKeys<'_>, node: &Node<'_>, keys: &LatencyKeys<'_>, diagnostics: &mut Diagnostics) -> LatencySlo {
    let of = *keys.of;
    let [mean, p95, p99] = [*keys.mean, *keys.p95, *keys.p99];
    let first = node.as_table().and_then(|table| table.entries.first());
    if let (None, None, None, Some(first)) = (mean, p95, p99, first) {
        diagnostics.push(
            Diagnostic::at(Code::MissingKey, first.key_span, "`slo.latency` has no bound").help("give `mean`, `p95` or `p99`"),
        );
    }
    match (*keys.step, keys.step.span(), keys.of.span()) {
        (Some(name), Some(span), _) => of_step(probe, name, span, of, diagnostics),
        (None, None, Some(span)) if of == LatencyOf::Convergence => diagnostics.push(
            Diagnostic::at(Code::NeedsKey, span, "a whole run has no convergence").help("name an `eventually` step in `step`"),
        ),
        _ => {}
    }
    LatencySlo { step: keys.step.map(Into::into), of, mean, p95, p99 }
}

/// Looks for the step that a bound is about.
fn of_step(probe: &ProbeKeys<'_>, name: &str, span: SourceSpan<'_>, of: LatencyOf, diagnostics: &mut Diagnostics) {
    let steps: Vec<&StepKeys<'_>> = probe.step.items().iter().flat_map(|step| step.value.with_parallel()).collect();
    let Some(step) = steps.iter().find(|step| *step.name == Some(name)) else {
        diagnostics.push(
            Diagnostic::at(Code::UnknownStep, span, format!("there is no step `{name}`"))
                .mend_name(name, steps.iter().filter_map(|step| *step.name))
                .maybe_help(suggestion(name, steps.iter().filter_map(|step| *step.name))),
        );
        return;
    };
    if of == LatencyOf::Convergence && step.eventually.entry.is_none() {
        diagnostics.push(
            Diagnostic::at(Code::NeedsKey, span, format!("the step `{name}` does not converge"))
                .help("only a step with `eventually` has a convergence"),
        );
    }
}
