//! How long an answer took without the time during which this process stood still.
//!
//! Expressions see these times, so that a target is not judged by what the prober did. Reports keep the raw ones, which is
//! what happened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::outcome::Phases;

use super::stall::StallLog;
use super::step::http::HttpResponse;

/// Takes stalls out of the times that expressions see of an answer that was there at `ended`.
pub(super) fn take_out(stalls: &StallLog, response: &mut Arc<HttpResponse>, ended: Instant) {
    let began = ended.checked_sub(response.latency).unwrap_or(ended);
    let stood_still = stalls.stood_still(began, ended);
    if stood_still == Duration::ZERO {
        return;
    }
    // Nobody else has it yet: it was only just received.
    if let Some(response) = Arc::get_mut(response) {
        response.latency = response.latency.saturating_sub(stood_still);
        response.phases = phases(stalls, response.phases, ended);
    }
}

/// The phases without stalls. They follow each other without a gap, so that the end of the last one tells when each was; those of
/// several hops of a redirect are taken for those of one.
fn phases(stalls: &StallLog, mut phases: Phases, ended: Instant) -> Phases {
    let Phases { dns, connect, tls, first_byte, transfer, reused: _ } = &mut phases;
    let mut end = ended;
    for took in [transfer, first_byte, tls, connect, dns].into_iter().flatten() {
        let start = end.checked_sub(*took).unwrap_or(end);
        *took = took.saturating_sub(stalls.stood_still(start, end));
        end = start;
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_taken_out_of_the_phase_in_which_it_was() {
        let (log, start) = (StallLog::default(), Instant::now());
        let millis = Duration::from_millis;
        log.beat(start + millis(1000));
        (29..=40).for_each(|beat| drop(log.beat(start + millis(beat * 50))));
        // Headers came after 1.3 s: 250 ms of the stall lie before that, 150 ms after.
        let raw = Phases {
            connect: Some(millis(300)),
            first_byte: Some(millis(1000)),
            transfer: Some(millis(700)),
            ..Phases::default()
        };
        let net = phases(&log, raw, start + millis(2000));
        let wanted = Phases { first_byte: Some(millis(750)), transfer: Some(millis(550)), ..raw };
        assert_eq!(net, wanted);
    }
}
