//! How long it took until somebody was told, until somebody had it, and until it was over: all from the start of the first failed run.

use serde::Serialize;
use utoipa::ToSchema;

use crate::history::TryView;

use super::super::words;
use super::IncidentModel;

/// Moments of an incident, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "moments end in their unit everywhere")]
pub(in crate::web) struct Times {
    /// The start of the first failed run.
    pub(in crate::web) began_ms: i64,
    /// When a channel took the first ring.
    pub(in crate::web) told_ms: Option<i64>,
    /// When somebody acknowledged it first.
    pub(in crate::web) acknowledged_ms: Option<i64>,
    /// When it ended.
    pub(in crate::web) ended_ms: Option<i64>,
}

/// The times of an incident.
pub(in crate::web) fn times(incident: &IncidentModel) -> Times {
    let of_row =
        |is: fn(&str, &str) -> bool| incident.timeline.iter().filter(|row| is(&row.what, &row.text)).map(|row| row.at_ms).min();
    // The store keeps only the latest tries, and of the timeline as well.
    let rings = incident.tries.iter().filter(|one| one.what == "ring").filter_map(taken_ms).min();
    let told = of_row(|what, text| what == "taken" && text.ends_with("(ring)"));
    Times {
        began_ms: incident.since_ms,
        told_ms: [rings, told].into_iter().flatten().min(),
        acknowledged_ms: incident
            .acknowledged
            .iter()
            .map(|said| said.at_ms)
            .min()
            .or_else(|| of_row(|what, _| what == "acknowledged")),
        ended_ms: incident.ended_ms,
    }
}

fn taken_ms(one: &TryView) -> Option<i64> {
    one.ended_ms.filter(|_| one.state == "taken")
}

impl Times {
    /// Each as a name and in words: `1 min 40 s`, `not yet`.
    pub(in crate::web) fn in_words(&self) -> [(&'static str, String); 3] {
        let over = self.ended_ms.is_some();
        let said = |at: Option<i64>| match at {
            Some(at) => exact(at - self.began_ms),
            None if over => "never".to_owned(),
            None => "not yet".to_owned(),
        };
        [
            ("until somebody was told", said(self.told_ms)),
            ("until somebody had it", said(self.acknowledged_ms)),
            ("until it was over", said(self.ended_ms)),
        ]
    }
}

/// `5.8 s`, `1 min 40 s`, `1 h 20 min`: how long, to the second where it is less than an hour.
pub(in crate::web) fn exact(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        0..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 if ms % 60_000 >= 1_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => words::between(0, ms),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{incident, row, try_of};
    use super::super::{Acknowledged, IncidentModel};
    use super::*;

    #[test]
    fn times_are_counted_from_the_first_failed_run_and_what_has_not_happened_is_said() {
        let mut open = incident(Vec::new(), Vec::new());
        assert_eq!(times(&open).in_words().map(|(_, said)| said), ["not yet", "not yet", "not yet"]);
        open.tries = vec![try_of("slack", "ring", "waiting", json!({})), try_of("slack", "change", "taken", json!({}))];
        assert_eq!(times(&open).told_ms, None);
        open.tries.push(try_of("pagerduty", "ring", "taken", json!({})));
        open.acknowledged = vec![Acknowledged { by: "ann".to_owned(), at_ms: 101_000, reason: None }];
        let ended = IncidentModel { ended_ms: Some(4_801_000), ..open };
        assert_eq!(times(&ended).in_words().map(|(_, said)| said), ["0.5 s", "1 min 40 s", "1 h 20 min"]);
    }

    #[test]
    fn what_never_happened_is_told_of_an_ended_one_and_the_timeline_tells_what_tries_do_not() {
        let mut ended = IncidentModel { ended_ms: Some(61_000), ..incident(Vec::new(), Vec::new()) };
        assert_eq!(times(&ended).in_words().map(|(_, said)| said), ["never", "never", "1 min"]);
        ended.timeline =
            vec![row(3_000, "taken", "slack took probe/p/1 (change)"), row(4_000, "taken", "slack took probe/p/1 (ring)")];
        assert_eq!(times(&ended).told_ms, Some(4_000));
    }
}
