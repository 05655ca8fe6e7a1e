//! Whatever happens in whatever order.

use proptest::prelude::*;

use super::*;

/// Something that happens; numbers choose a canary.
#[derive(Debug, Clone)]
enum Happening {
    Passes(usize),
    Fails(usize),
    Errs(usize),
    Waits(u64),
    Acknowledges(usize),
    Arrives(bool),
    Refuses,
    Mutes(bool),
    Drops(bool),
    Restarts,
    StepsTheWallClock(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0..12_usize).prop_map(Happening::Passes),
        12 => (0..12_usize).prop_map(Happening::Fails),
        2 => (0..12_usize).prop_map(Happening::Errs),
        6 => (1..200_u64).prop_map(Happening::Waits),
        1 => (1_000..4_000_u64).prop_map(Happening::Waits),
        1 => (0..4_usize).prop_map(Happening::Acknowledges),
        1 => any::<bool>().prop_map(Happening::Arrives),
        1 => Just(Happening::Refuses),
        1 => any::<bool>().prop_map(Happening::Mutes),
        1 => any::<bool>().prop_map(Happening::Drops),
        1 => Just(Happening::Restarts),
        1 => (-1..=1_i64).prop_map(Happening::StepsTheWallClock),
    ]
}

/// `login`, `web` that needs it, and `other`, in two regions on two platforms.
fn some_plan(muted: bool, dropped: bool) -> Plan {
    let login = named("login", AlertPolicy::default());
    let web = Probe { needs: vec!["login".into()], ..named("web", AlertPolicy::default()) };
    let other = named("other", AlertPolicy { page: !muted, ..AlertPolicy::default() });
    let platforms: &[&str] = if dropped { &["a"] } else { &["a", "b"] };
    plan(vec![login, web, other], &["eu", "us"], platforms)
}

fn some_world() -> World {
    let channels = vec![channel("chat", Severity::Warn), channel("pager", Severity::Page)];
    world(some_plan(false, false), Alerting { channels, ..Alerting::default() })
}

impl World {
    fn id(&self, at: usize) -> String {
        self.plan.canaries[at % self.plan.canaries.len()].id.to_string()
    }

    fn happens(&mut self, happening: &Happening, restarts: bool, steps: bool) {
        match *happening {
            Happening::Passes(at) => self.passes(&self.id(at)),
            Happening::Fails(at) => self.fails(&self.id(at)),
            Happening::Errs(at) => {
                let report = self.report(&self.id(at), Verdict::Errored, Reason::Stall);
                self.tell(Event::Run(Arc::new(report)));
            }
            Happening::Waits(seconds) => self.pass(seconds),
            Happening::Acknowledges(at) => {
                let open: BTreeSet<Scope> = self.desk.incidents.keys().cloned().collect();
                if let Some(scope) = open.into_iter().nth(at) {
                    let incident = self.desk.incidents[&scope].id.clone();
                    self.tell(Event::Acknowledge { incident, by: "ann".to_owned() });
                }
            }
            Happening::Arrives(arrives) => self.arrives = arrives,
            Happening::Refuses => self.refuse(),
            Happening::Mutes(muted) => self.reload(some_plan(muted, false), self.same_alerting()),
            Happening::Drops(dropped) => self.reload(some_plan(false, dropped), self.same_alerting()),
            Happening::Restarts if restarts => self.restart(),
            Happening::StepsTheWallClock(hours) if steps => self.wall_hours = hours,
            Happening::Restarts | Happening::StepsTheWallClock(_) => {}
        }
    }

    fn same_alerting(&self) -> Alerting {
        Alerting { channels: self.alerting.channels.clone(), ..Alerting::default() }
    }

    /// The channels refuse what was last told of `login`.
    fn refuse(&mut self) {
        let Some(incident) = self.desk.incidents.get(&Scope::Probe("login".into())) else { return };
        let (id, keys) = (incident.id.clone(), incident.keys.told.clone());
        for message in self.messages.iter_mut().filter(|message| message.incident == id) {
            message.state = DeliveryState::Dead;
        }
        for told in keys {
            for channel in told.channels {
                self.tell(Event::Undelivered {
                    message: String::new(),
                    incident: id.clone(),
                    key: told.key.clone(),
                    channel,
                    dead: true,
                    error: "gone".to_owned(),
                    told: Vec::new(),
                });
            }
        }
    }

    /// Every canary at page level is in an open incident, and every incident with a problem was told, or is explained by one that
    /// was delivered, or is muted.
    fn check(&self) {
        for (id, known) in &self.desk.canaries {
            let scope = Scope::Probe(Arc::clone(&known.canary.probe.name));
            let member = self.desk.incidents.get(&scope).is_some_and(|incident| incident.members.contains(id.as_str()));
            assert_eq!(known.state.is_paging(), member, "{id}");
        }
        for (scope, incident) in &self.desk.incidents {
            assert_eq!(incident.level.is_none(), incident.members.is_empty(), "{scope}");
            let muted = scope.probe().is_some_and(|probe| !self.desk.probes[probe].probe.alert.page);
            let explained = !incident.attached.is_empty()
                && incident.attached.iter().all(|root| {
                    let explains = &self.desk.incidents[&root.scope];
                    explains.id == root.incident && explains.keys.is_delivered()
                });
            let told = incident.keys.page().is_some_and(|told| {
                !told.channels.is_empty()
                    && told.channels.iter().all(|channel| {
                        self.sent
                            .iter()
                            .any(|(to, notice)| **to == **channel && notice.key == told.key && notice.action == Action::Trigger)
                    })
            });
            assert!(incident.level.is_none() || muted || explained || told, "{scope}: {incident:?}");
        }
        let mut counts = Counts::default();
        self.desk.incidents.values().for_each(|incident| counts.add(incident.severity()));
        assert_eq!(counts, self.desk.counts());
    }

    /// All is well for hours.
    fn all_heal(&mut self) {
        let ids: Vec<String> = self.plan.canaries.iter().map(|canary| canary.id.to_string()).collect();
        for _ in 0..90 {
            self.pass(60);
            for id in &ids {
                self.passes(id);
            }
        }
    }

    /// What each channel believes: the keys that are open for it.
    fn believed(&self) -> BTreeSet<(String, String)> {
        let mut open = BTreeSet::new();
        for (channel, notice) in &self.sent {
            let key = (channel.clone(), notice.key.clone());
            match notice.action {
                Action::Trigger => {
                    open.insert(key);
                }
                Action::Acknowledge => assert!(open.contains(&key), "{key:?} was acknowledged before it was told"),
                Action::Resolve => assert!(open.remove(&key), "{key:?} was resolved and was not open"),
            }
        }
        open
    }

    fn said(&self) -> Vec<Line> {
        self.sent.iter().map(|(channel, notice)| format!("{channel}: {}", line(notice))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_at_page_level_was_told_of_and_in_the_end_everything_is_resolved(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut world = some_world();
        for happening in &happenings {
            world.happens(happening, true, false);
            world.check();
        }
        world.reload(some_plan(false, false), world.same_alerting());
        world.check();
        world.all_heal();
        prop_assert_eq!(world.believed(), BTreeSet::new());
        prop_assert!(world.desk.incidents.is_empty(), "{:?}", world.desk.incidents);
        prop_assert!(world.rows.values().all(|row| row.resolved_ms.is_some()));
        prop_assert!(world.desk.attached.is_empty() && world.desk.agenda.is_empty() && world.desk.by_id.is_empty());
    }

    #[test]
    fn a_restart_changes_nothing_that_anybody_is_told(
        happenings in prop::collection::vec(happening(), 1..80),
    ) {
        let (mut steady, mut restarting) = (some_world(), some_world());
        for happening in &happenings {
            if matches!(happening, Happening::Errs(_)) {
                // After a restart every canary is given time for a run before it is blind.
                continue;
            }
            for (world, restarts) in [(&mut steady, false), (&mut restarting, true)] {
                world.happens(happening, restarts, false);
                world.sent.retain(|(_, notice)| !notice.scope.starts_with("blind/"));
            }
            prop_assert_eq!(steady.said(), restarting.said());
        }
    }

    #[test]
    fn a_wall_clock_that_is_set_changes_nothing_but_what_is_shown(
        happenings in prop::collection::vec(happening(), 1..80),
    ) {
        let (mut right, mut wrong) = (some_world(), some_world());
        for happening in &happenings {
            right.happens(happening, false, false);
            wrong.happens(happening, false, true);
            prop_assert_eq!(right.said(), wrong.said());
        }
    }

    #[test]
    fn a_storm_is_bounded(order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(), gaps in prop::collection::vec(0..4_u64, 12)) {
        let mut world = some_world();
        for _ in 0..2 {
            for (at, gap) in order.iter().zip(&gaps) {
                world.fails(&world.id(*at));
                world.pass(*gap);
            }
        }
        world.pass(120);
        // For each of three probes and two channels: opened, critical, and a spread after 5, 10, 20 and 40 seconds at most.
        prop_assert!(world.sent.len() <= 3 * 2 * 6, "{:?}", world.said());
    }
}
