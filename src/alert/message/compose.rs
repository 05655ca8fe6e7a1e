//! Composes a message about one incident.

use std::sync::Arc;

use crate::alert::Moment;
use crate::alert::Scope;
use crate::alert::view::{Ended, MemberView, View};

use super::group::{NAME, Sorted, common, reason, regions};
use super::saying::{MessageContext, Saying};
use super::words::{line, some};
use super::{Action, MOST, Member, Message, Occasion, VERSION, apart, evidence, failing, title};

/// Bytes of a sentence.
const SENTENCE: usize = 500;

/// Composes the message.
pub fn compose(view: &View, saying: &Saying<'_>, context: &MessageContext<'_>, now: Moment) -> Message {
    let sorted = Sorted::of(view);
    let end = view.end.as_ref().filter(|_| saying.what == Action::End);
    let told = if end.is_some() { sorted.past() } else { title::told(&sorted) };
    let failing = if end.is_some() { Vec::new() } else { told.clone() };
    let regions = regions(&failing);
    let wall = |time| now.wall_ms_of(time);
    let probe = view.probe.as_deref();
    let short = |text: &str| line(text, NAME);
    let critical: Vec<String> = view.critical.iter().take(MOST).map(|region| short(region)).collect();
    let seen_in = if end.is_some() { self::regions(&told) } else { regions.clone() };
    Message {
        version: VERSION,
        key: saying.key.to_owned(),
        number: saying.number,
        previous: saying.previous.map(str::to_owned),
        action: saying.what,
        occasion: occasion(view, saying),
        severity: view.severity,
        incident: short(&view.id),
        scope: line(&view.scope.to_string(), SENTENCE),
        origin: context.origin.map(short),
        title: end.map_or_else(|| title::open(view, &sorted, saying.flapped, now), |end| title::ended(view, &sorted, end, now)),
        probe: view.scope.probe().map(|name| short(name)),
        subject: match &view.scope {
            Scope::Subject(_, subject) => Some(short(subject)),
            _ => None,
        },
        promised: probe.and_then(|probe| probe.summary.as_deref()).map(|text| line(text, SENTENCE)),
        owner: probe.map_or(view.owner.as_deref(), |probe| probe.owner.as_deref()).map(short),
        runbook: probe.and_then(|probe| probe.runbook.as_ref()?.url()).map(|text| line(text, 1_000)),
        tags: probe.map(|probe| probe.tags.iter().take(MOST).map(|tag| short(tag)).collect()).unwrap_or_default(),
        since_ms: wall(view.since),
        at_ms: now.wall_ms(),
        ended_ms: view.end.as_ref().map(|end| wall(end.at)),
        regions: regions.iter().take(MOST).map(|region| short(region)).collect(),
        cell: common(&failing, probe).into_iter().take(MOST).map(|(key, value)| (short(&key), value)).collect(),
        why: why(view, saying, &regions, end.is_some()),
        critical,
        failing: failing::lines(view, &failing, context, now),
        apart: end.map_or_else(
            || apart::open(view, &sorted, saying.what, context.alone, now),
            |end| apart::ended(&sorted, &end.how, now),
        ),
        evidence: evidence::latest(&told, &seen_in, &view.id, context, now),
        members: sorted.all().take(MOST).map(|one| member(one, now)).collect(),
        members_total: view.members.len(),
        incidents: Vec::new(),
        incidents_total: 1,
        url: context.incident_url(&view.id, now).filter(|_| view.scope != Scope::Test),
        test: view.scope == Scope::Test,
    }
}

fn occasion(view: &View, saying: &Saying<'_>) -> Occasion {
    match (saying.what, view.end.as_ref().map(|end| &end.how)) {
        _ if view.scope == Scope::Test => Occasion::Test,
        (Action::Ring, _) => saying.occasion,
        (Action::Change, _) => Occasion::Changed,
        (Action::Acknowledge, _) => Occasion::Acknowledged,
        (Action::End, Some(Ended::Well) | None) => Occasion::Well,
        (Action::End, Some(Ended::Unwatched)) => Occasion::Unwatched,
        (Action::End, Some(Ended::Closed { .. })) => Occasion::Closed,
        (Action::End, Some(Ended::Continues(_))) => Occasion::Continues,
        (Action::End, Some(Ended::WasWell { .. })) => Occasion::WasWell,
    }
}

/// Why it is sent now, and why it is critical.
fn why(view: &View, saying: &Saying<'_>, regions: &[Arc<str>], is_end: bool) -> Vec<String> {
    let mut why = Vec::new();
    let news: Vec<String> =
        regions.iter().filter(|region| !saying.told.contains(*region)).map(|region| line(region, NAME)).collect();
    let sentence = match occasion(view, saying) {
        Occasion::Spread | Occasion::Rose if !saying.told.is_empty() && !news.is_empty() => {
            Some(format!("New since the last message: {}.", some(&news, MOST / 2)))
        }
        Occasion::Spread => Some("More fails than the last message told.".to_owned()),
        Occasion::Rose => Some("The severity has risen since the last message.".to_owned()),
        Occasion::Again => Some("It fails again after it had been well for a while.".to_owned()),
        Occasion::Escalated => Some("Sent here because no channel that wakes somebody has taken it.".to_owned()),
        Occasion::Reminder => Some("It still fails and nobody has acknowledged it.".to_owned()),
        Occasion::Acknowledged => view.acknowledged.last().map(|last| {
            let why = last.reason.as_deref().map(|why| format!(": {}", line(why, NAME))).unwrap_or_default();
            format!("{} is at it{why}.", line(&last.by, NAME))
        }),
        Occasion::Test => Some("Somebody has run `serinus notify-test` to see whether messages arrive here.".to_owned()),
        Occasion::Opened
        | Occasion::Gathered
        | Occasion::Unheard
        | Occasion::Changed
        | Occasion::Well
        | Occasion::Unwatched
        | Occasion::Closed
        | Occasion::Continues
        | Occasion::WasWell => None,
    };
    if !is_end {
        why.extend(critical(view, regions));
    }
    why.extend(sentence);
    why
}

/// `Critical because eu and us fail.`
fn critical(view: &View, failing: &[Arc<str>]) -> Option<String> {
    let names: Vec<String> = view.critical.iter().map(|region| line(region, NAME)).collect();
    match names.as_slice() {
        [] => None,
        // A region may count because of one failed run, which is not enough to say that it fails.
        _ if view.critical.iter().any(|region| !failing.contains(region)) => {
            Some(format!("Critical because of failures in {}.", some(&names, MOST / 2)))
        }
        [one] => Some(format!("Critical because {one} fails.")),
        more => Some(format!("Critical because {} fail.", some(more, MOST / 2))),
    }
}

fn member(member: &MemberView, now: Moment) -> Member {
    let fact = &member.fact;
    Member {
        name: line(&fact.key.to_string(), NAME * 2),
        region: line(&fact.region, NAME),
        cell: line(&fact.cell, NAME),
        standing: member.state.as_str().to_owned(),
        since_ms: now.wall_ms_of(fact.since),
        failed: fact.failed,
        of: fact.of,
        reason: reason(member),
        no_data_since_ms: member.without_data.map(|since| now.wall_ms_of(since)),
    }
}
