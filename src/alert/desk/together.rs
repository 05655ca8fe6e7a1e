//! Canaries of a probe that fail together come to page level together.

use std::sync::Arc;

use crate::alert::across::Crossing;
use crate::alert::canary::Count;
use crate::alert::{Moment, Scope};
use crate::outcome::RunReport;

use super::Desk;
use super::join::row;

impl Desk {
    /// Moves the machine that looks at all runs of the probe.
    pub(super) fn together(&mut self, name: &Arc<str>, report: &RunReport, now: Moment) {
        let failed = match Count::of(report) {
            Count::Failure => true,
            Count::Pass => false,
            Count::Result | Count::NoResult | Count::Never => return,
        };
        let Some(watched) = self.probes.get_mut(name) else { return };
        let Some(rule) = watched.across_rule else { return };
        let at = now.steady.saturating_sub(report.duration);
        let crossing = watched.across.seen(&rule, &report.canary.id, report.tick.order, at, failed);
        if let Some(json) = watched.across.take_changed(&rule, failed, now) {
            self.write("across", name, Some(json));
        }
        if let Some(crossing) = crossing {
            self.raise(name, crossing, now);
        }
    }

    /// Canaries that failed together join the probe's incident; each leaves by its own passes.
    fn raise(&mut self, name: &Arc<str>, crossing: Crossing, now: Moment) {
        for (id, since) in crossing.canaries {
            let Some(known) = self.canaries.get_mut(&id) else { continue };
            let Some(watched) = self.probes.get(name) else { return };
            if known.state.raise(&watched.rule, since) {
                known.written = Some(now.steady);
                let json = known.state.to_json(now);
                self.write("canary", id.as_str(), Some(json));
                self.sync_canary(&id, false, now);
            }
        }
        if let Some(incident) = self.incidents.get_mut(&Scope::Probe(Arc::clone(name))).filter(|_| crossing.first) {
            let text = format!("{} of the last {} runs failed", crossing.failed, crossing.of);
            self.commit.timeline.push(row(&incident.id, "together", text.clone(), now));
            incident.note(text);
        }
    }

    /// The probe is well: what its canaries failed together for is over.
    pub(super) fn begin_anew(&mut self, scope: &Scope, now: Moment) {
        let Scope::Probe(name) = scope else { return };
        let Some(watched) = self.probes.get_mut(name) else { return };
        let Some(rule) = watched.across_rule.filter(|_| watched.across.ended()) else { return };
        let json = watched.across.to_json(&rule, now);
        self.write("across", name, Some(json));
    }
}
