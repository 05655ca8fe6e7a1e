//! How a probe is, in the words of the page. Pure; from the status of alerting and the plan's windows alone.
//!
//! | a probe is | when |
//! |---|---|
//! | disrupted | at least half of its canaries of which something is known fail at page level, or an incident of it is critical |
//! | degraded | fewer fail, or at level `warn`, or a subject or an objective of it fails |
//! | not known | fewer than half of its canaries have a result that counts: no data, paused, not run yet, not there |
//! | under maintenance | all that is known of it is that a declared window is open |
//! | operational | otherwise |
//!
//! Whether somebody is rung changes nothing: what is muted for a known bug, acknowledged or explained by another probe fails all the
//! same. Only a pause or a window makes that nothing is known.

use crate::alert::status::{CanaryStatus, Health, IncidentStatus, MemberStatus};

use super::model::PublicState;

/// A canary, as far as the page is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It passes.
    Well,
    /// It fails; at page level or not.
    Failing { paging: bool },
    /// A declared window is open.
    Maintained,
    /// It is paused, without data, or has not run yet.
    Unknown,
}

/// A canary of which it is known whether a window or a pause holds for it.
pub(super) fn seen(canary: &CanaryStatus, is_maintained: bool, is_paused: bool) -> Seen {
    let failing = Seen::Failing { paging: canary.paging };
    match canary.standing {
        _ if is_maintained => Seen::Maintained,
        _ if is_paused => Seen::Unknown,
        // One failure is no failing canary: its rule says how many are.
        Health::Passing | Health::Suspect => Seen::Well,
        Health::Failing => failing,
        Health::Muted if canary.since_ms.is_some() => failing,
        Health::Muted | Health::NoData | Health::Unknown => Seen::Unknown,
    }
}

/// How bad the open incidents of a probe are that users would notice; operational where there is none.
pub(super) fn of_incidents<'i>(incidents: impl Iterator<Item = &'i IncidentStatus>) -> PublicState {
    let noticed = incidents.filter(|incident| is_noticed(&incident.scope) && incident.members.iter().any(fails));
    let how = |incident: &IncidentStatus| match incident.severity {
        "critical" => PublicState::Disrupted,
        _ => PublicState::Degraded,
    };
    noticed.map(how).max().unwrap_or(PublicState::Operational)
}

/// Whether an incident of this scope is about what users do; missing data and what a prober left behind are not.
pub(super) fn is_noticed(scope: &str) -> bool {
    matches!(scope.split('/').next(), Some("probe" | "subject" | "subjects"))
}

fn fails(member: &MemberStatus) -> bool {
    let is_quiet = || member.why.as_ref().is_some_and(|why| matches!(why.what, "paused" | "maintenance"));
    match member.standing {
        "failing" | "waiting" | "explained" | "acknowledged" => true,
        "muted" => !is_quiet(),
        _ => false,
    }
}

/// How a probe is by its canaries and by its incidents.
pub(super) fn state(canaries: &[Seen], incidents: PublicState) -> PublicState {
    let count = |is: fn(&Seen) -> bool| canaries.iter().filter(|seen| is(seen)).count();
    let well = count(|seen| *seen == Seen::Well);
    let failing = count(|seen| matches!(seen, Seen::Failing { .. }));
    let paging = count(|seen| matches!(seen, Seen::Failing { paging: true }));
    let maintained = count(|seen| *seen == Seen::Maintained);
    let (known, looked_at) = (well + failing, canaries.len() - maintained);
    let by_canaries = if paging > 0 && paging * 2 >= known {
        PublicState::Disrupted
    } else if failing > 0 {
        PublicState::Degraded
    } else if canaries.is_empty() || looked_at > 0 && known * 2 <= looked_at {
        PublicState::Unknown
    } else if known == 0 {
        PublicState::Maintenance
    } else {
        PublicState::Operational
    };
    by_canaries.max(incidents)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const WELL: Seen = Seen::Well;
    const PAGES: Seen = Seen::Failing { paging: true };
    const WARNS: Seen = Seen::Failing { paging: false };
    const UNKNOWN: Seen = Seen::Unknown;
    const WORK: Seen = Seen::Maintained;

    #[test]
    fn a_probe_is_what_most_of_its_canaries_are_and_never_well_where_nothing_is_known() {
        use PublicState::{Degraded, Disrupted, Maintenance, Operational, Unknown};
        for (canaries, expected) in [
            (&[][..], Unknown),
            (&[WELL], Operational),
            (&[UNKNOWN], Unknown),
            (&[WORK], Maintenance),
            (&[PAGES], Disrupted),
            (&[WARNS], Degraded),
            (&[PAGES, WELL], Disrupted),
            (&[PAGES, WELL, WELL], Degraded),
            (&[WARNS, WARNS, WARNS], Degraded),
            (&[UNKNOWN, WELL], Unknown),
            (&[UNKNOWN, WELL, WELL], Operational),
            (&[UNKNOWN, UNKNOWN, WELL], Unknown),
            (&[UNKNOWN, UNKNOWN, PAGES], Disrupted),
            (&[WORK, WORK, WELL], Operational),
            (&[WORK, WORK, PAGES], Disrupted),
            (&[WORK, UNKNOWN], Unknown),
        ] {
            assert_eq!(state(canaries, Operational), expected, "{canaries:?}");
        }
        assert_eq!(state(&[WELL], Degraded), Degraded, "a subject or an objective may fail while every canary passes");
        assert_eq!(state(&[UNKNOWN], Disrupted), Disrupted);
    }

    pub(in crate::web::status_page) fn canary(standing: Health, since_ms: Option<i64>, paging: bool) -> CanaryStatus {
        CanaryStatus {
            canary: "p/eu".to_owned(),
            probe: "p".to_owned(),
            region: "eu".to_owned(),
            cell: String::new(),
            standing,
            since_ms,
            without_data_since_ms: None,
            failures: 0,
            of: 0,
            paging,
            last_verdict: None,
            last_ms: None,
            step: None,
            incident: None,
        }
    }

    #[test]
    fn a_mute_rings_nobody_and_hides_nothing_while_pauses_and_windows_make_that_nothing_is_known() {
        let failing = canary(Health::Muted, Some(1), true);
        assert_eq!(seen(&failing, false, false), PAGES);
        assert_eq!(seen(&failing, false, true), UNKNOWN);
        assert_eq!(seen(&failing, true, false), WORK);
        assert_eq!(seen(&canary(Health::Muted, None, false), false, false), UNKNOWN);
        assert_eq!(seen(&canary(Health::Suspect, Some(1), false), false, false), WELL);
        assert_eq!(seen(&canary(Health::NoData, Some(1), false), false, false), UNKNOWN);
    }

    fn incident(scope: &str, severity: &'static str, standing: &'static str, what: Option<&'static str>) -> IncidentStatus {
        let why = what.map(|what| crate::alert::status::NotRungBecause { what, ..Default::default() });
        let member = MemberStatus {
            member: "canary/p/eu".to_owned(),
            name: "p/eu".to_owned(),
            canary: None,
            probe: Some("p".to_owned()),
            region: String::new(),
            cell: String::new(),
            standing,
            level: None,
            since_ms: 0,
            failures: 0,
            of: 0,
            reason: None,
            words: None,
            without_data_since_ms: None,
            why,
        };
        IncidentStatus {
            id: "01A".to_owned(),
            scope: scope.to_owned(),
            probe: Some("p".to_owned()),
            key: None,
            keys: Vec::new(),
            severity,
            title: String::new(),
            since_ms: 0,
            critical: Vec::new(),
            members: vec![member],
            members_total: 1,
            suspects: 0,
            failures: Vec::new(),
            unanswered: 0,
            acknowledged: Vec::new(),
            told: Vec::new(),
            owed: Vec::new(),
        }
    }

    #[test]
    fn incidents_count_by_what_users_notice_and_not_by_who_is_rung() {
        use PublicState::{Degraded, Disrupted, Operational};
        for (scope, severity, standing, what, expected) in [
            ("probe/p", "critical", "failing", None, Disrupted),
            ("probe/p", "page", "acknowledged", None, Degraded),
            ("subject/p/s", "warn", "failing", None, Degraded),
            ("probe/p", "page", "muted", Some("reason"), Degraded),
            ("probe/p", "page", "muted", Some("maintenance"), Operational),
            ("probe/p", "critical", "recovered", None, Operational),
            ("no-data/p", "critical", "failing", None, Operational),
            ("leak/p", "page", "failing", None, Operational),
        ] {
            let incident = incident(scope, severity, standing, what);
            assert_eq!(of_incidents([&incident].into_iter()), expected, "{scope} {severity} {standing} {what:?}");
        }
    }
}
