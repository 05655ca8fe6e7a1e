//! One rule each.

use super::*;
use crate::alert::State;

fn bench(receiver: ReceiverKind) -> Bench {
    Bench::new(&[("a", receiver)])
}

#[test]
fn rings_leave_before_ends_and_page_level_first_and_then_what_is_older() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([
        notification("e", Action::End, Severity::Page, 0),
        notification("c", Action::Change, Severity::Page, 0),
        notification("w", Action::Ring, Severity::Warn, 0),
        page("p2", 2),
        notification("p3", Action::Ring, Severity::Critical, 3),
        page("p1", 1),
        notification("k", Action::Acknowledge, Severity::Page, 1),
    ]);
    assert_eq!(names(&bench.round(at(5))), ["p1", "p2", "p3", "w", "c", "k", "e"]);
}

#[test]
fn of_a_scope_one_is_on_its_way_at_a_time_and_a_ring_goes_before_the_end_of_an_earlier_incident() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([notification("s.1", Action::End, Severity::Page, 0), page("s.2", 1), page("other", 2)]);
    let left = bench.round(at(3));
    assert_eq!(names(&left), ["s.2", "other"]);
    assert!(matches!(bench.land(&left[0].id, &Outcome::Taken, at(3)), Completed::Taken(_)));
    assert_eq!(names(&bench.round(at(3))), ["s.1"]);
}

#[test]
fn eight_are_on_their_way_to_a_channel_and_another_channel_is_not_held_up() {
    let mut bench = Bench::new(&[("a", ReceiverKind::Alerts), ("b", ReceiverKind::Alerts)]);
    bench.enqueue((0..20).map(|number| page(&format!("p{number:02}"), number)));
    bench.delivery.enqueue("b", page("p00", 0));
    let left = bench.round(at(30));
    assert_eq!((left.len(), left.iter().filter(|left| &*left.channel == "b").count()), (9, 1));
    bench.land("t00001", &Outcome::Taken, at(30));
    assert_eq!(names(&bench.round(at(30))), ["p08"]);
}

#[test]
fn what_is_taken_is_not_wanted_any_more_and_what_is_due_again_leaves_again() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0)]);
    bench.round(at(0));
    bench.land_all(&Outcome::Taken, at(1));
    assert!(bench.round(at(600)).is_empty());
    assert_eq!(bench.delivery.backlog()[0].due, 0);
    bench.enqueue([page("p", 600)]);
    assert_eq!(names(&bench.round(at(600))), ["p"]);
}

#[test]
fn a_refused_try_is_dropped_and_made_anew_under_another_id() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0)]);
    let first = bench.round(at(0)).remove(0);
    assert!(
        matches!(bench.land(&first.id, &refused(RefusalKind::Unreachable), at(0)), Completed::Dropped(attempt) if attempt.id == first.id)
    );
    assert!(bench.round(at(1)).is_empty());
    assert_eq!(bench.delivery.due(), Some(at(2).steady));
    let again = bench.round(at(2)).remove(0);
    assert!(again.id != first.id && !again.repeated);
}

#[test]
fn an_unknown_try_is_repeated_as_it_is_and_nothing_new_is_made_of_its_scope_meanwhile() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0)]);
    let first = bench.round(at(0)).remove(0);
    assert!(matches!(bench.land(&first.id, &unknown(), at(0)), Completed::Again(_)));
    bench.enqueue([notification("p", Action::Ring, Severity::Critical, 1), notification("p", Action::Change, Severity::Page, 1)]);
    assert!(bench.round(at(1)).is_empty());
    let again = bench.round(at(2));
    assert_eq!((again.len(), &again[0].id, again[0].repeated), (1, &first.id, true));
    assert_eq!(bench.in_flight[&first.id].attempts, 2);
    let completed = bench.land(&first.id, &refused(RefusalKind::Unreachable), at(2));
    assert!(matches!(completed, Completed::Again(_)), "it was perhaps taken before");
    let again = bench.round(at(6));
    assert_eq!(again[0].id, first.id);
    assert!(matches!(bench.land(&first.id, &Outcome::Taken, at(6)), Completed::Taken(_)));
    assert_eq!(bench.round(at(6))[0].what, Action::Change);
}

#[test]
fn after_the_end_an_unknown_ring_is_not_repeated_and_only_ended() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0), page("q", 0)]);
    let left = bench.round(at(0));
    bench.land(&left[0].id, &unknown(), at(0));
    let forgotten = bench.delivery.forget_rings_of("p");
    assert_eq!(forgotten.iter().map(|attempt| &attempt.id).collect::<Vec<_>>(), [&left[0].id]);
    bench.delivery.withdraw("a", "p", Action::Ring);
    bench.enqueue([notification("p", Action::End, Severity::Page, 1)]);
    let end = bench.round(at(100));
    assert_eq!((end.len(), end[0].what), (1, Action::End));
    // The other is in flight while its incident ends.
    assert!(bench.delivery.forget_rings_of("q").is_empty());
    assert!(matches!(bench.land(&left[1].id, &unknown(), at(100)), Completed::Perhaps(attempt) if attempt.id == left[1].id));
}

#[test]
fn what_was_gathered_is_repeated_until_the_last_of_its_incidents_has_ended() {
    let mut bench = bench(ReceiverKind::Posts);
    bench.enqueue((0..12).map(|number| page(&format!("p{number:02}"), 0)));
    bench.settle(at(0), |_| Outcome::Taken);
    let storm = bench.round(at(60));
    assert_eq!(names(&storm), ["p10+p11"]);
    bench.land(&storm[0].id, &unknown(), at(60));
    assert!(bench.delivery.forget_rings_of("p10").is_empty());
    bench.delivery.withdraw("a", "p10", Action::Ring);
    bench.enqueue([notification("p10", Action::End, Severity::Page, 61)]);
    assert_eq!(names(&bench.round(at(61))), ["p10"], "its end waits for nothing");
    bench.land_all(&Outcome::Taken, at(61));
    let again = bench.round(at(70));
    assert_eq!(again[0].id, storm[0].id);
    bench.land(&storm[0].id, &unknown(), at(70));
    assert_eq!(bench.delivery.forget_rings_of("p11").len(), 1);
    assert!(bench.round(at(10_000)).iter().all(|left| !left.repeated));
}

#[test]
fn a_refused_or_unknown_end_or_change_blocks_nothing() {
    for outcome in [refused(RefusalKind::Rejected), refused(RefusalKind::Unreachable), unknown()] {
        for what in [Action::End, Action::Change] {
            let mut bench = bench(ReceiverKind::Alerts);
            bench.enqueue([notification("s.1", what, Severity::Page, 0)]);
            bench.round(at(0));
            bench.land_all(&outcome, at(0));
            bench.enqueue([page("s.2", 0)]);
            assert_eq!(names(&bench.round(at(0))), ["s.2"], "{what:?} {outcome:?}");
        }
    }
}

#[test]
fn what_is_unreadable_is_tried_at_once_in_its_shortest_form_and_then_as_any_4xx() {
    let mut bench = bench(ReceiverKind::Posts);
    bench.enqueue([page("p", 0)]);
    assert!(!bench.round(at(0))[0].shortest);
    bench.land_all(&refused(RefusalKind::Unreadable), at(0));
    assert!(bench.round(at(0))[0].shortest);
    bench.land_all(&refused(RefusalKind::Unreadable), at(0));
    assert!(bench.round(at(119)).is_empty());
    assert!(bench.round(at(120))[0].shortest);
}

#[test]
fn a_4xx_goes_on_each_two_minutes_while_a_page_is_due_and_else_each_fifteen() {
    let notifications =
        [page("p", 0), notification("p", Action::Ring, Severity::Warn, 0), notification("p", Action::End, Severity::Page, 0)];
    for (notification, pause) in notifications.into_iter().zip([120, 900, 900]) {
        let mut bench = bench(ReceiverKind::Posts);
        bench.enqueue([notification.clone()]);
        for round in 0..4 {
            assert_eq!(bench.round(at(round * pause)).len(), 1, "{notification:?}");
            bench.land_all(&refused(RefusalKind::Rejected), at(round * pause));
            assert!(bench.round(at((round + 1) * pause - 1)).is_empty(), "{notification:?}");
        }
    }
}

#[test]
fn a_success_wakes_what_waits_for_connection_and_a_changed_secret_of_the_channel_wakes_all() {
    for (kind, woken) in [(RefusalKind::Unreachable, 1), (RefusalKind::Busy(None), 1), (RefusalKind::Rejected, 0)] {
        let mut bench = Bench::new(&[("a", ReceiverKind::Alerts), ("b", ReceiverKind::Alerts)]);
        bench.enqueue([page("p", 0), page("q", 0)]);
        let left = bench.round(at(0));
        bench.land(&left[0].id, &refused(kind), at(0));
        bench.land(&left[1].id, &Outcome::Taken, at(0));
        assert_eq!(bench.round(at(0)).len(), woken, "{kind:?}");
        bench.land_all(&refused(kind), at(0));
        bench.delivery.mended("b", at(0));
        assert!(bench.round(at(0)).is_empty(), "another channel was mended");
        bench.delivery.mended("a", at(0));
        assert_eq!(bench.round(at(0)).len(), 1, "{kind:?}");
    }
}

#[test]
fn what_a_receiver_asks_for_holds_all_of_its_channel() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0)]);
    bench.round(at(0));
    bench.land_all(&refused(RefusalKind::Busy(Some(Duration::from_mins(2)))), at(0));
    bench.enqueue([page("q", 10)]);
    assert!(bench.round(at(119)).is_empty());
    assert_eq!(bench.delivery.due(), Some(at(120).steady));
    assert_eq!(bench.round(at(120)).len(), 2);
}

#[test]
fn ten_rings_leave_at_once_and_the_rest_as_one_where_the_channel_gathers_and_ends_likewise() {
    // The receiver, the action, how many of fifteen leave at once, and how many a minute later.
    let table = [
        (ReceiverKind::Alerts, Action::Ring, 15, 0),
        (ReceiverKind::Incidents, Action::Ring, 10, 1),
        (ReceiverKind::Posts, Action::Ring, 10, 1),
        (ReceiverKind::Alerts, Action::End, 15, 0),
        (ReceiverKind::Incidents, Action::End, 15, 0),
        (ReceiverKind::Posts, Action::End, 10, 1),
        (ReceiverKind::Posts, Action::Change, 15, 0),
    ];
    for (receiver, what, at_once, later) in table {
        let mut bench = bench(receiver);
        bench.enqueue((0..15).map(|number| notification(&format!("p{number:02}"), what, Severity::Page, 0)));
        let left = bench.settle(at(0), |_| Outcome::Taken);
        assert_eq!(left, at_once, "{receiver:?} {what:?}");
        assert_eq!(bench.delivery.due().is_some(), later > 0);
        let gathered = bench.round(at(60));
        assert_eq!(gathered.len(), later, "{receiver:?} {what:?}");
        assert!(gathered.iter().all(|left| left.incidents.len() == 5));
    }
}

#[test]
fn the_combined_line_of_what_was_never_heard_is_not_gathered_with_ends() {
    let mut bench = bench(ReceiverKind::Posts);
    bench.enqueue((0..15).map(|number| notification(&format!("p{number:02}"), Action::End, Severity::Page, 0)));
    bench.settle(at(0), |_| Outcome::Taken);
    bench.enqueue([Notification { incident: unheard::INCIDENT.into(), ..notification("chat", Action::End, Severity::Warn, 0) }]);
    assert_eq!(names(&bench.round(at(60))), ["p10+p11+p12+p13+p14", "unheard"]);
}

#[test]
fn rings_that_wait_for_the_minutes_end_keep_back_no_end_of_others() {
    let mut bench = bench(ReceiverKind::Posts);
    bench.enqueue((0..15).map(|number| page(&format!("p{number:02}"), 0)));
    bench.settle(at(0), |_| Outcome::Taken);
    bench.enqueue([notification("e", Action::End, Severity::Page, 1)]);
    assert_eq!(names(&bench.round(at(1))), ["e"]);
}

#[test]
fn one_that_is_always_refused_holds_up_no_others_not_even_those_it_is_gathered_with() {
    let mut bench = bench(ReceiverKind::Posts);
    // The poisoned one is the newest, so that it is among those that are gathered.
    bench.enqueue((0..40).map(|number| page(&format!("p{number:02}"), 0)));
    let answer = |left: &Left| {
        let poisoned = left.incidents.iter().any(|incident| incident == "p39");
        if poisoned { refused(RefusalKind::Unreadable) } else { Outcome::Taken }
    };
    for second in 0..60 * 6 {
        bench.settle(at(second), answer);
    }
    assert_eq!(bench.delivery.backlog()[0].due, 1);
}

#[test]
fn a_try_of_an_earlier_process_is_perhaps_taken_and_repeated_at_once() {
    let mut before = bench(ReceiverKind::Alerts);
    before.enqueue([page("p", 0)]);
    before.round(at(0));
    let mut tries: Vec<Try> = before.in_flight.into_values().collect();
    tries[0].made = at(500).steady;
    let mut homeless = tries[0].clone();
    homeless.channel = "gone".into();
    tries.push(homeless);
    let mut after = bench(ReceiverKind::Alerts);
    assert_eq!(after.delivery.restore(tries, at(10)).len(), 1);
    after.enqueue([page("p", 0)]);
    let left = after.round(at(10));
    assert_eq!((left.len(), left[0].repeated, left[0].id.as_str()), (1, true, "t00001"));
    assert!(after.in_flight["t00001"].made <= at(10).steady, "a stored time in the future counts as now");
}

#[test]
fn a_removed_channel_is_forgotten_and_what_was_on_its_way_there_lands_nowhere() {
    let mut bench = Bench::new(&[("a", ReceiverKind::Alerts), ("b", ReceiverKind::Alerts)]);
    bench.enqueue([page("p", 0)]);
    bench.round(at(0));
    let forgotten = bench.delivery.apply([policy("b", ReceiverKind::Incidents)], at(1));
    assert_eq!(forgotten.len(), 1);
    assert_eq!(bench.land("t00001", &Outcome::Taken, at(1)), Completed::Gone);
    assert_eq!(bench.delivery.due(), None);
}

#[test]
fn an_end_that_is_not_wanted_any_more_is_not_repeated() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([notification("p", Action::End, Severity::Page, 0)]);
    bench.round(at(0));
    bench.land_all(&unknown(), at(0));
    assert_eq!(bench.delivery.withdraw("a", "p", Action::End).len(), 1);
    assert_eq!(bench.delivery.due(), None);
}

#[test]
fn what_the_receiver_cannot_bear_is_repeated_in_its_shortest_form_once_it_took_other_things_meanwhile() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 0)]);
    let first = bench.round(at(0)).remove(0);
    bench.land(&first.id, &unknown(), at(0));
    let again = bench.round(at(2)).remove(0);
    assert!(!again.shortest);
    bench.enqueue([page("q", 2)]);
    let other = bench.round(at(2)).remove(0);
    bench.land(&other.id, &Outcome::Taken, at(2));
    bench.land(&first.id, &unknown(), at(3));
    let again = bench.round(at(60)).remove(0);
    assert!(again.repeated && again.shortest);
}

#[test]
fn a_channel_that_takes_nothing_for_five_minutes_fails_until_it_takes_something_is_mended_or_removed() {
    let cures: [fn(&mut Bench); 3] = [
        |bench| {
            bench.round(at(302));
            bench.land_all(&Outcome::Taken, at(302));
        },
        |bench| bench.delivery.mended("a", at(302)),
        |bench| assert!(bench.delivery.apply([], at(302)).is_empty()),
    ];
    for cure in cures {
        let mut bench = bench(ReceiverKind::Alerts);
        bench.enqueue([page("p", 0)]);
        for second in 0..300 {
            bench.settle(at(second), |_| refused(RefusalKind::Unreachable));
        }
        assert!(bench.facts.is_empty(), "{:?}", bench.facts);
        bench.round(at(300));
        bench.round(at(301));
        assert_eq!(bench.facts.len(), 1, "it is said once");
        assert!(matches!(bench.facts[0].state, State::Failing(_)), "{:?}", bench.facts);
        cure(&mut bench);
        bench.round(at(302));
        assert_eq!((bench.facts.len(), bench.facts[1].state), (2, State::Well));
    }
}

#[test]
fn the_backlog_says_how_a_channel_fares() {
    let mut bench = bench(ReceiverKind::Alerts);
    bench.enqueue([page("p", 7), notification("w", Action::Ring, Severity::Warn, 3), page("q", 8)]);
    let left = bench.round(at(10));
    bench.land(&left[0].id, &unknown(), at(10));
    bench.land(&left[2].id, &Outcome::Taken, at(11));
    bench.land(&left[1].id, &refused(RefusalKind::Rejected), at(12));
    let backlog = bench.delivery.backlog().remove(0);
    assert_eq!((backlog.due, backlog.in_flight, backlog.unknown, backlog.away), (2, 0, 1, false));
    assert_eq!((backlog.page_since, backlog.taken), (Some(at(7).steady), Some(at(11).steady)));
    assert_eq!(backlog.last_error.as_deref(), Some("it was refused: Rejected"));
}

#[test]
fn what_left_before_a_reload_and_is_refused_after_it_leaves_again_at_once() {
    for outcome in [refused(RefusalKind::Rejected), refused(RefusalKind::Unreachable), unknown()] {
        let mut bench = bench(ReceiverKind::Alerts);
        bench.enqueue([page("p", 0)]);
        let left = bench.round(at(0));
        bench.delivery.ask_again();
        bench.land(&left[0].id, &outcome, at(1));
        assert_eq!(bench.round(at(1)).len(), 1, "it was sent with the settings of before: {outcome:?}");
        bench.land_all(&outcome, at(2));
        assert!(bench.round(at(2)).is_empty(), "this one left after the reload: {outcome:?}");
    }
}
