//! An attempt as reports have it: in one line, its facts under OpenTelemetry's names, and what was sent and received, redacted first
//! and then cut.

use crate::outcome::{
    AttemptDetail, Fact, FactValue, Observed, Redactor, TextKind, Transcript, mask_credentials, visible, visible_block,
};
use crate::plan::StepKind;

use super::answer::DnsAnswer;
use super::progress::QueryStage;
use super::query::{Query, transport};

/// Bytes of each direction that a report keeps.
const KEPT: usize = 4 << 10;

/// What there is to tell of an attempt, as far as it has come.
pub(super) fn detail(
    query: &Query,
    stage: Option<&QueryStage>,
    answer: Option<&DnsAnswer>,
    with_transcript: bool,
    redactor: &Redactor,
) -> AttemptDetail {
    let (server, tcp) = stage.map_or((query.servers[0], query.tcp), |stage| (stage.server, stage.tcp || query.tcp));
    let line = |text: &str| visible(&redactor.redact(text)).into_owned();
    let mut facts = Vec::with_capacity(9);
    let mut fact = |name, attribute, value| facts.push(Fact { name, attribute, value });
    let text = |text: &str| FactValue::Text(text.to_owned().into());
    if let Some(answer) = answer {
        fact("rcode", "serinus.dns.rcode", text(answer.rcode()));
        fact("answers", "serinus.dns.answers", FactValue::Integer(i64::try_from(answer.records()).unwrap_or(i64::MAX)));
        if let Some(ttl) = answer.ttl() {
            fact("ttl", "serinus.dns.ttl", FactValue::Integer(ttl));
        }
    }
    fact("question_name", "dns.question.name", FactValue::Text(line(&query.name.to_ascii()).into()));
    fact("question_type", "serinus.dns.question.type", text(&query.record.to_string()));
    fact("server", "server.address", text(&server.ip().to_string()));
    fact("port", "server.port", FactValue::Integer(server.port().into()));
    fact("transport", "network.transport", FactValue::Text(transport(tcp).into()));
    fact("truncated", "serinus.dns.truncated", FactValue::Bool(stage.is_some_and(QueryStage::is_truncated)));
    AttemptDetail::Other(Observed {
        kind: StepKind::Dns,
        asked: line(&query.asked(server, tcp)),
        answered: stage.is_some_and(|stage| stage.answered),
        facts,
        phases: stage.map(QueryStage::phases).unwrap_or_default(),
        transcript: with_transcript.then(|| Box::new(transcript(query, answer, redactor))),
    })
}

fn transcript(query: &Query, answer: Option<&DnsAnswer>, redactor: &Redactor) -> Transcript {
    let mut truncated = false;
    let mut shown = |text: &str| {
        let (text, was_cut) = redactor.redact_start(text, KEPT, TextKind::Text);
        let text = visible_block(&text);
        // What is spelled out takes more room.
        let start = &text[..text.floor_char_boundary(KEPT)];
        truncated |= was_cut || start.len() < text.len();
        mask_credentials(start).into_owned()
    };
    let (sent, received) = (shown(&query.sent()), answer.map_or_else(String::new, |answer| shown(&answer.text)));
    Transcript { sent, received, truncated }
}
