//! Every label of every canary series, in one place.
//!
//! Owns which series carries which labels, and how label values are escaped. Each struct is written by a method that
//! destructures all of its fields, so that a field added is a label written, or the build breaks.

use std::fmt::Write as _;

use crate::outcome::{Reason, RunId, TraceId, Verdict};
use crate::plan::{Cell, Severity};

/// The inside of a sample's braces.
#[derive(Debug, Default, Clone)]
pub(super) struct LabelText(pub(super) String);

impl LabelText {
    /// Replaces the text by these labels.
    pub(super) fn set(&mut self, labels: &impl Labels) {
        self.0.clear();
        labels.write(self);
    }

    fn label(&mut self, name: &str, value: &str) {
        self.displayed(name, value);
    }

    fn displayed(&mut self, name: &str, value: impl std::fmt::Display) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        // Writing to a String cannot fail.
        let _ = write!(Escaped(&mut self.0), "{value}");
        self.0.push('"');
    }
}

/// Escapes what both formats want escaped in a label's value.
struct Escaped<'a>(&'a mut String);

impl std::fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if text.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
            for character in text.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
        } else {
            self.0.push_str(text);
        }
        Ok(())
    }
}

/// A set of labels that can be written.
pub(super) trait Labels {
    /// Writes each label once, always in the same order.
    fn write(&self, text: &mut LabelText);
}

/// No labels at all.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoLabels;

impl Labels for NoLabels {
    fn write(&self, _text: &mut LabelText) {}
}

/// A canary: probe, region and one label for each matrix key.
#[derive(Debug, Clone, Copy)]
pub(super) struct CanaryLabels<'a> {
    pub(super) probe: &'a str,
    pub(super) region: &'a str,
    pub(super) cell: &'a Cell,
}

impl Labels for CanaryLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { probe, region, cell: Cell(cell) } = *self;
        text.label("probe", probe);
        text.label("region", region);
        for (key, value) in cell {
            text.displayed(key, value);
        }
    }
}

/// Runs of a canary that ended alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunLabels<'a> {
    pub(super) canary: CanaryLabels<'a>,
    pub(super) verdict: Verdict,
}

impl Labels for RunLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { canary, verdict } = self;
        canary.write(text);
        text.label("verdict", verdict.as_str());
    }
}

/// Runs of a canary that did not pass for the same reason. The verdict follows from the reason and is there to select by.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailureLabels<'a> {
    pub(super) canary: CanaryLabels<'a>,
    pub(super) reason: Reason,
}

impl Labels for FailureLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { canary, reason } = *self;
        RunLabels { canary, verdict: Verdict::of(reason) }.write(text);
        text.label("reason", reason.as_str());
    }
}

/// An `eventually` step of a canary.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvergenceLabels<'a> {
    pub(super) canary: CanaryLabels<'a>,
    pub(super) step: &'a str,
}

impl Labels for ConvergenceLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { canary, step } = *self;
        canary.write(text);
        text.label("step", step);
    }
}

/// A probe, all regions and cells together.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeLabels<'a> {
    pub(super) probe: &'a str,
}

impl Labels for ProbeLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { probe } = *self;
        text.label("probe", probe);
    }
}

/// What a probe's file says about it; empty where it says nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct InfoLabels<'a> {
    pub(super) probe: &'a str,
    pub(super) owner: &'a str,
    pub(super) summary: &'a str,
    pub(super) runbook: &'a str,
}

impl Labels for InfoLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { probe, owner, summary, runbook } = *self;
        text.label("probe", probe);
        text.label("owner", owner);
        text.label("summary", summary);
        text.label("runbook", runbook);
    }
}

/// An objective of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct ObjectiveLabels<'a> {
    pub(super) probe: &'a str,
    pub(super) objective: &'static str,
}

impl Labels for ObjectiveLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { probe, objective } = *self;
        text.label("probe", probe);
        text.label("objective", objective);
    }
}

/// A bound of a probe on how long something takes; without a step it is about whole runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoundLabels<'a> {
    pub(super) objective: ObjectiveLabels<'a>,
    pub(super) of: &'static str,
    pub(super) step: Option<&'a str>,
}

impl Labels for BoundLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { objective, of, step } = *self;
        objective.write(text);
        text.label("of", of);
        if let Some(step) = step {
            text.label("step", step);
        }
    }
}

/// A probe in a region, all cells together.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionLabels<'a> {
    pub(super) probe: &'a str,
    pub(super) region: &'a str,
}

impl Labels for RegionLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { probe, region } = *self;
        text.label("probe", probe);
        text.label("region", region);
    }
}

/// A step of a probe in a region, all cells together.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepLabels<'a> {
    pub(super) region: RegionLabels<'a>,
    pub(super) step: &'a str,
}

impl Labels for StepLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { region, step } = *self;
        region.write(text);
        text.label("step", step);
    }
}

/// A phase of a probe's HTTP attempts in a region, all steps and cells together.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseLabels<'a> {
    pub(super) region: RegionLabels<'a>,
    pub(super) phase: &'static str,
}

impl Labels for PhaseLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { region, phase } = *self;
        region.write(text);
        text.label("phase", phase);
    }
}

/// An open incident; `probe` and `region` are left out where there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct IncidentLabels<'a> {
    pub(super) kind: &'static str,
    pub(super) scope: &'a str,
    pub(super) probe: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    pub(super) severity: Severity,
}

impl Labels for IncidentLabels<'_> {
    fn write(&self, text: &mut LabelText) {
        let Self { kind, scope, probe, region, severity } = *self;
        text.label("kind", kind);
        text.label("scope", scope);
        for (name, value) in [("probe", probe), ("region", region)] {
            if let Some(value) = value {
                text.label(name, value);
            }
        }
        text.label("severity", severity.as_str());
    }
}

/// Why ticks did not run.
#[derive(Debug, Clone, Copy)]
pub(super) struct MissedLabels {
    pub(super) why: Reason,
}

impl Labels for MissedLabels {
    fn write(&self, text: &mut LabelText) {
        let Self { why } = *self;
        text.label("why", why.as_str());
    }
}

/// What an exemplar links to. Names and values together have 72 characters; the specification allows 128.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ExemplarLabels {
    pub(super) trace_id: TraceId,
    pub(super) run_id: RunId,
}

impl Labels for ExemplarLabels {
    fn write(&self, text: &mut LabelText) {
        let Self { trace_id, run_id } = *self;
        text.displayed("trace_id", trace_id);
        text.displayed("run_id", run_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::CellValue;

    fn written(labels: &impl Labels) -> String {
        let mut text = LabelText::default();
        text.set(labels);
        text.0
    }

    #[test]
    fn a_cell_becomes_one_label_for_each_key_and_values_are_escaped() {
        let cell = Cell(vec![("size".into(), CellValue::Integer(10)), ("title".into(), CellValue::Text("a\"b\\c\nd".into()))]);
        let canary = CanaryLabels { probe: "sync", region: "eu", cell: &cell };
        assert_eq!(written(&canary), r#"probe="sync",region="eu",size="10",title="a\"b\\c\nd""#);
    }

    #[test]
    fn the_labels_of_an_exemplar_fit_the_bound_of_the_specification() {
        let labels = ExemplarLabels { trace_id: TraceId(u128::MAX), run_id: RunId(ulid::Ulid(u128::MAX)) };
        let bare: String = written(&labels).chars().filter(|character| !matches!(character, '=' | '"' | ',')).collect();
        assert_eq!(bare.chars().count(), 72);
        assert!(bare.chars().count() <= 128);
    }
}
