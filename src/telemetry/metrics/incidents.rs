//! The open incidents, as the alert rules last reported them.
//!
//! Owns one series for each open incident that somebody is told of, so that rules elsewhere say what the pages say. They are few:
//! one a probe, `alert.max_subjects` subjects of it and one for the others, its missing data and its leaks, one a region, one a
//! channel, and one for restarts. A series goes with its incident, and all of them where the rules were not evaluated for a minute:
//! what they said before is not known to be so, and rules elsewhere that are silent because of it must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::thread::AtomicInstant;
use crate::outcome::{IncidentScope, visible};
use crate::plan::Severity;

use super::exposition::{Exposition, MetricType};
use super::labels::{IncidentLabels, LabelText};

/// Longest scope that is a label, in characters; the names of subjects come from outside.
const LONGEST: usize = 200;

/// An open incident.
#[derive(Debug)]
struct Incident {
    kind: &'static str,
    scope: Box<str>,
    probe: Option<Box<str>>,
    region: Option<Box<str>>,
    severity: Severity,
}

/// How long what the rules said is shown if they are not evaluated again.
const SHOWN: Duration = Duration::from_mins(1);

/// All of them, by scope.
#[derive(Debug)]
pub(super) struct Incidents {
    open: Mutex<BTreeMap<Box<str>, Incident>>,
    evaluated: AtomicInstant,
}

impl Default for Incidents {
    fn default() -> Self {
        Self { open: Mutex::default(), evaluated: AtomicInstant::at(Instant::now()) }
    }
}

impl Incidents {
    /// They are as of now.
    pub(super) fn evaluated(&self, now: Instant) {
        self.evaluated.set(now);
    }

    pub(super) fn set(&self, of: IncidentScope<'_>, severity: Option<Severity>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(severity) = severity else {
            open.remove(of.text);
            return;
        };
        let scope = visible(of.text).chars().take(LONGEST).collect::<String>().into();
        let [probe, region] = [of.probe, of.region].map(|name| name.map(Into::into));
        open.insert(of.text.into(), Incident { kind: of.kind, scope, probe, region, severity });
    }

    pub(super) fn write(&self, body: &mut Exposition, now: Instant) {
        body.family(
            "serinus_incident",
            MetricType::Gauge,
            "1 while an incident is open and something in it fails that is neither muted nor explained, with its severity.",
        );
        if self.evaluated.ago(now).is_none_or(|ago| ago > SHOWN) {
            return;
        }
        // A scraper refuses a body in which a series is there twice, and cut scopes may be alike.
        let mut written = BTreeSet::new();
        for incident in self.open.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let labels = IncidentLabels {
                kind: incident.kind,
                scope: &incident.scope,
                probe: incident.probe.as_deref(),
                region: incident.region.as_deref(),
                severity: incident.severity,
            };
            let mut text = LabelText::default();
            text.set(&labels);
            if written.insert(text.0) {
                body.integer(&labels, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Format;
    use super::*;

    fn scope<'a>(kind: &'static str, text: &'a str, probe: Option<&'a str>) -> IncidentScope<'a> {
        IncidentScope { kind, text, probe, region: None }
    }

    fn seen(incidents: &Incidents) -> Vec<String> {
        seen_at(incidents, Instant::now())
    }

    fn seen_at(incidents: &Incidents, now: Instant) -> Vec<String> {
        let mut body = Exposition::new(Format::Prometheus, 0);
        incidents.write(&mut body, now);
        body.finish().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn an_incident_has_one_series_with_the_severity_it_has_now_and_none_when_it_is_over() {
        let incidents = Incidents::default();
        assert_eq!(seen(&incidents), Vec::<String>::new());
        let probe = scope("probe", "probe/sync", Some("sync"));
        incidents.set(probe, Some(Severity::Page));
        incidents.set(IncidentScope { region: Some("eu"), ..scope("blind", "blind/eu", None) }, Some(Severity::Page));
        incidents.set(probe, Some(Severity::Critical));
        assert_eq!(
            seen(&incidents),
            [
                r#"serinus_incident{kind="blind",scope="blind/eu",region="eu",severity="page"} 1"#,
                r#"serinus_incident{kind="probe",scope="probe/sync",probe="sync",severity="critical"} 1"#,
            ]
        );
        incidents.set(probe, None);
        assert_eq!(seen(&incidents).len(), 1);
    }

    #[test]
    fn what_rules_that_stand_still_said_before_is_not_shown() {
        let incidents = Incidents::default();
        incidents.set(scope("probe", "probe/sync", Some("sync")), Some(Severity::Page));
        let later = Instant::now() + Duration::from_secs(90);
        assert_eq!((seen(&incidents).len(), seen_at(&incidents, later).len()), (1, 0));
        incidents.evaluated(later);
        assert_eq!(seen_at(&incidents, later).len(), 1);
    }

    #[test]
    fn subjects_whose_long_names_begin_alike_share_a_series_as_long_as_one_of_them_fails() {
        let incidents = Incidents::default();
        let [one, other] = ["one", "other"].map(|end| format!("subject/sync/{}{end}", "ä".repeat(LONGEST)));
        for text in [&one, &other] {
            incidents.set(scope("subject", text, Some("sync")), Some(Severity::Page));
        }
        assert_eq!(seen(&incidents).len(), 1);
        incidents.set(scope("subject", &one, Some("sync")), None);
        assert_eq!(seen(&incidents).len(), 1);
        incidents.set(scope("subject", &other, Some("sync")), None);
        assert!(seen(&incidents).is_empty());
    }

    #[test]
    fn a_scope_is_one_line_whatever_a_subject_is_called() {
        let incidents = Incidents::default();
        incidents.set(scope("subject", "subject/sync/a\nb\"} 1", Some("sync")), Some(Severity::Page));
        assert_eq!(
            seen(&incidents),
            [r#"serinus_incident{kind="subject",scope="subject/sync/a\\nb\"} 1",probe="sync",severity="page"} 1"#]
        );
    }
}
