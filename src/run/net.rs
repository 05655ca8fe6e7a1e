//! How long an answer took without the time during which this process stood still.
//!
//! Expressions see these times, so that a target is not judged by what the prober did. Reports keep the raw ones, which is
//! what happened.

use std::time::{Duration, Instant};

use super::stall::StallLog;

/// Takes stalls out of the times that expressions see of an answer that was there at `ended`: its latency, and its phases in order.
/// They follow each other without a gap, so that the end of the last one tells when each was; those of several hops of a redirect
/// are taken for those of one.
pub(super) fn take_out<'p>(
    stalls: &StallLog,
    latency: &mut Duration,
    phases: impl DoubleEndedIterator<Item = &'p mut Duration>,
    ended: Instant,
) {
    let began = ended.checked_sub(*latency).unwrap_or(ended);
    let stood_still = stalls.stood_still(began, ended);
    if stood_still == Duration::ZERO {
        return;
    }
    *latency = latency.saturating_sub(stood_still);
    let mut end = ended;
    for took in phases.rev() {
        let start = end.checked_sub(*took).unwrap_or(end);
        *took = took.saturating_sub(stalls.stood_still(start, end));
        end = start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Phases;

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
        let (mut net, mut latency) = (raw, millis(2000));
        take_out(&log, &mut latency, net.each_mut(), start + millis(2000));
        let wanted = Phases { first_byte: Some(millis(750)), transfer: Some(millis(550)), ..raw };
        assert_eq!((net, latency), (wanted, millis(1600)));
    }
}
