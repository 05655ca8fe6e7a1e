//! What is asked of alerting, in the words of the new one (`alert::next`), answered by the one that runs.
//!
//! It is the one place of the API that knows which of the two that is. When alerting is exchanged, [`status`], [`acknowledge`],
//! [`close`] and [`mutes`] call the handle's own verbs of the same names, and the translation below goes.

use crate::alert::Alerts;
use crate::alert::desk;
use crate::alert::next::status::{
    AcknowledgedStatus, CanaryStatus, ChannelStatus, Counts, Health, IncidentStatus, MemberStatus, ProbeStatus, Why,
};
use crate::alert::next::{Acked, Closed, Mute, Status};
use crate::plan::{Plan, Severity};

/// How everything stands; `None` if the service is stopping.
pub(super) async fn status(alerts: &Alerts, plan: &Plan) -> Option<Status> {
    Some(translated(alerts.status().await?, plan))
}

/// Somebody is at an incident, named by its id, key or scope; `None` if the service is stopping.
pub(super) async fn acknowledge(alerts: &Alerts, id: &str, by: &str, _reason: Option<&str>) -> Option<Acked> {
    let members = open(alerts, id).await?.map_or(0, |incident| incident.members);
    let found = alerts.acknowledge(id.to_owned(), by.to_owned()).await?;
    Some(if found { Acked::Done { members } } else { Acked::Unknown })
}

/// Somebody says that an incident is over; `None` if the service is stopping.
pub(super) async fn close(alerts: &Alerts, id: &str, _by: &str, _why: &str) -> Option<Closed> {
    let incident = open(alerts, id).await?;
    Some(incident.map_or(Closed::Unknown, |incident| Closed::Refused { failing: incident.named }))
}

/// What of probes is muted from now on, all of it.
pub(super) fn mutes(_alerts: &Alerts, mutes: &[Mute]) {
    tracing::debug!(mutes = mutes.len(), "mutes changed");
}

async fn open(alerts: &Alerts, id: &str) -> Option<Option<desk::IncidentStatus>> {
    let called =
        |incident: &desk::IncidentStatus| incident.id == id || incident.scope == id || incident.key.as_deref() == Some(id);
    Some(alerts.status().await?.incidents.into_iter().find(called))
}

fn translated(status: desk::Status, plan: &Plan) -> Status {
    let incidents: Vec<IncidentStatus> = status.incidents.into_iter().map(incident).collect();
    let counts = Counts { warn: status.counts.warn, page: status.counts.page, critical: status.counts.critical, held: 0 };
    let channels = Vec::<ChannelStatus>::new();
    let canaries: Vec<CanaryStatus> = status.canaries.into_iter().map(canary).collect();
    Status {
        unanswered: incidents.iter().map(|incident| incident.unanswered).sum(),
        counts,
        probes: probes(plan, &canaries, &incidents),
        canaries,
        incidents,
        channels,
        ..Status::default()
    }
}

fn probes(plan: &Plan, canaries: &[CanaryStatus], incidents: &[IncidentStatus]) -> Vec<ProbeStatus> {
    let of_one = |probe: &std::sync::Arc<crate::plan::Probe>| {
        let mut found = ProbeStatus {
            probe: probe.name.to_string(),
            owner: probe.owner.clone(),
            verdict: Health::Passing,
            since_ms: None,
            severity: incidents
                .iter()
                .filter(|incident| incident.probe.as_deref() == Some(&*probe.name))
                .filter_map(|incident| Severity::of(incident.severity))
                .max()
                .map(Severity::as_str),
            success_1h: None,
            counted_1h: 0,
            convergence_1h: None,
            budget_left: None,
            canaries: Default::default(),
        };
        for canary in canaries.iter().filter(|canary| canary.probe == *probe.name) {
            found.verdict = found.verdict.max(canary.standing);
            found.canaries.add(canary.standing);
        }
        found
    };
    let mut probes: Vec<ProbeStatus> = plan.probes.iter().map(of_one).filter(|probe| probe.canaries.total() > 0).collect();
    probes.sort_by_key(|probe| std::cmp::Reverse(probe.verdict));
    probes
}

fn canary(of: desk::CanaryStatus) -> CanaryStatus {
    CanaryStatus {
        canary: of.canary,
        probe: of.probe,
        region: of.region,
        cell: of.cell,
        standing: match of.standing {
            desk::Standing::Healthy => Health::Passing,
            desk::Standing::Failing if of.paging => Health::Failing,
            desk::Standing::Failing => Health::Suspect,
            desk::Standing::Unknown => Health::Unknown,
            desk::Standing::Blind => Health::NoData,
            desk::Standing::Paused => Health::Muted,
        },
        since_ms: None,
        failures: of.failures,
        paging: of.paging,
        last_verdict: of.last_verdict,
        last_ms: of.last_ms,
        incident: of.incident,
    }
}

fn incident(of: desk::IncidentStatus) -> IncidentStatus {
    let by = of.acknowledged_by.clone().or(of.attached_to.clone());
    let standing = match (&of.acknowledged_by, &of.attached_to) {
        (Some(_), _) => "acknowledged",
        (None, Some(_)) => "explained",
        (None, None) => "failing",
    };
    let level = if of.severity == Severity::Warn.as_str() { "warn" } else { "page" };
    let member = |name: &String| MemberStatus {
        member: format!("canary/{name}"),
        name: name.clone(),
        canary: Some(name.clone()),
        probe: of.probe.clone(),
        region: String::new(),
        cell: String::new(),
        standing,
        level: Some(level),
        since_ms: of.opened_ms,
        failures: 0,
        of: 0,
        reason: None,
        words: None,
        without_data_since_ms: None,
        why: by.iter().map(|by| Why { what: standing, by: vec![by.clone()], ..Why::default() }).next(),
    };
    IncidentStatus {
        members: of.named.iter().map(member).collect(),
        members_total: of.members,
        unanswered: if level == "page" && standing == "failing" { of.members.max(1) } else { 0 },
        acknowledged: of
            .acknowledged_by
            .iter()
            .map(|by| AcknowledgedStatus { by: by.clone(), at_ms: of.opened_ms, reason: None })
            .collect(),
        id: of.id,
        scope: of.scope,
        probe: of.probe,
        keys: of.key.iter().cloned().collect(),
        key: of.key,
        severity: of.severity,
        title: of.title,
        since_ms: of.opened_ms,
        critical: Vec::new(),
        suspects: 0,
        owed: Vec::new(),
    }
}
