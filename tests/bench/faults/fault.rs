//! The faults: what each needs, what is promised while it lasts, and how it begins and ends.

use std::time::Duration;

use super::namespace;
use super::network::Cable;
use super::world::{Setup, World};

/// What goes wrong. The first process evaluates as it begins; the second and the third one see the target fail, but for one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    StoreFromEvaluator,
    StoreFromAnother,
    PagerFromEvaluator,
    TargetFromRegion,
    Freeze,
    Kill,
    KillWithStandby,
    FreezeWithStandby,
    StoreFromProberWithStandby,
    Rolling,
    StoreKilled,
    StoreBlackHoled,
    StoreReadOnly,
    StoreFailover,
    DiskFull,
    WrongPassword,
    Slow,
    Clocks,
    Migration,
    // Two at once.
    StoreFlaps,
    KillAlone,
    PagerThenKill,
    KillAll,
}

/// A trial of the tables' next version, as one that only adds is.
const TRIAL: [&str; 2] = [
    "ALTER TABLE incidents ADD COLUMN trial text; CREATE TABLE trial (id integer PRIMARY KEY, name text)",
    "INSERT INTO migrations (number, least_reader) VALUES (2, 1)",
];

/// What is sent to the database is lost, and nobody says so; and no longer.
const DROP: &str = "iptables -A INPUT -p tcp --dport 5432 -j DROP";
const PASS: &str = "iptables -F INPUT";

impl Fault {
    pub(crate) const ALL: [Self; 24] = [
        Self::None,
        Self::StoreFromEvaluator,
        Self::StoreFromAnother,
        Self::PagerFromEvaluator,
        Self::TargetFromRegion,
        Self::Freeze,
        Self::Kill,
        Self::KillWithStandby,
        Self::FreezeWithStandby,
        Self::StoreFromProberWithStandby,
        Self::Rolling,
        Self::StoreKilled,
        Self::StoreBlackHoled,
        Self::StoreReadOnly,
        Self::StoreFailover,
        Self::DiskFull,
        Self::WrongPassword,
        Self::Slow,
        Self::Clocks,
        Self::Migration,
        Self::StoreFlaps,
        Self::KillAlone,
        Self::PagerThenKill,
        Self::KillAll,
    ];

    /// Its name for `--only`, what it is, and what is promised of it.
    pub(crate) fn words(self) -> [&'static str; 3] {
        match self {
            Self::None => ["none", "none", "told at once"],
            Self::StoreFromEvaluator => ["store-evaluator", "database ↮ who evaluates", "another one evaluates within the lease"],
            Self::StoreFromAnother => ["store-other", "database ↮ a region that fails", "that region tells alone"],
            Self::PagerFromEvaluator => ["pager-evaluator", "pager ↮ who evaluates", "told when it is reached again"],
            Self::TargetFromRegion => ["target-region", "target ↮ a region", "counts as failing there"],
            Self::Freeze => ["freeze", "who evaluates stands still for 30 s", "another one evaluates within the lease"],
            Self::Kill => ["kill", "who evaluates is killed", "another one evaluates within the lease"],
            Self::KillWithStandby => {
                ["kill-standby", "who evaluates and probes is killed, an instance stands by", "taken over within the lease"]
            }
            Self::FreezeWithStandby => [
                "freeze-standby",
                "who evaluates and probes stands still for 30 s, an instance stands by",
                "taken over within the lease; the first one ends",
            ],
            Self::StoreFromProberWithStandby => [
                "store-standby",
                "database ↮ who evaluates and probes, an instance stands by",
                "taken over within the lease; the first one ends",
            ],
            Self::Rolling => ["rolling", "each is restarted in turn", "the lease is handed on at once"],
            Self::StoreKilled => ["store-killed", "database killed for 30 s", "each region tells alone"],
            Self::StoreBlackHoled => ["store-dropped", "database black-holed for 30 s", "each region tells alone"],
            Self::StoreReadOnly => ["store-read-only", "database read-only for 30 s", "each region tells alone"],
            Self::StoreFailover => {
                ["store-failover", "database killed, a standby promoted after 30 s", "each region tells alone"]
            }
            Self::DiskFull => ["disk-full", "the database's disk is full for 30 s", "each region tells alone"],
            Self::WrongPassword => ["password", "wrong password for 30 s", "each region tells alone"],
            Self::Slow => ["slow", "a commit takes 5 s, for 30 s", "each region tells alone"],
            Self::Clocks => ["clocks", "clocks 2 min behind and ahead", "told at once"],
            Self::Migration => ["migration", "tables of a later version, then restarts", "told at once"],
            Self::StoreFlaps => ["store-flaps", "database gone for 6 of every 10 s", "told between two of them"],
            Self::KillAlone => [
                "kill-alone",
                "database killed for 60 s, a region that told alone is killed meanwhile",
                "the next process ends what was told",
            ],
            Self::PagerThenKill => {
                ["pager-kill", "pager ↮ who evaluates, which is killed then", "another one tells within the lease"]
            }
            Self::KillAll => ["kill-all", "all are killed at once and started again", "told by whoever evaluates then"],
        }
    }

    pub(crate) fn setup(self) -> Setup {
        match self {
            _ if self.is_taken_over() => Setup::StandbyInstance,
            Self::StoreFailover => Setup::StandbyServer,
            Self::DiskFull => Setup::SmallDisk,
            Self::Slow => Setup::Proxy,
            Self::Clocks => Setup::Clocks,
            _ => Setup::Plain,
        }
    }

    /// Whether another instance of its region takes over from the first process.
    fn is_taken_over(self) -> bool {
        matches!(self, Self::KillWithStandby | Self::FreezeWithStandby | Self::StoreFromProberWithStandby)
    }

    /// Where the target fails, one after the other. Where a standby takes over, that is in its region as well.
    pub(crate) fn fails_in(self) -> [&'static str; 2] {
        if self.is_taken_over() { ["us", "eu"] } else { ["us", "ap"] }
    }

    /// How long it lasts.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            Self::None | Self::Rolling | Self::Clocks | Self::Migration => Duration::from_secs(16),
            Self::Freeze | Self::Kill | Self::PagerThenKill => Duration::from_secs(40),
            _ if self.is_taken_over() => Duration::from_secs(40),
            Self::KillAlone => Duration::from_mins(1),
            _ => Duration::from_secs(30),
        }
    }

    /// Begins it, before the target fails.
    pub(crate) fn begin(self, world: &mut World) {
        match self {
            Self::StoreFromEvaluator | Self::StoreFromProberWithStandby => world.processes[0].network.cut(Cable::Store),
            Self::StoreFromAnother => world.processes[2].network.cut(Cable::Store),
            Self::PagerFromEvaluator | Self::PagerThenKill => world.processes[0].network.cut(Cable::Pager),
            Self::Rolling => world.restart(0),
            Self::StoreKilled | Self::StoreFailover | Self::KillAlone => world.database.command("kill"),
            Self::StoreBlackHoled | Self::StoreFlaps => namespace::run(DROP),
            Self::StoreReadOnly => world.database.set("default_transaction_read_only = on"),
            Self::DiskFull => world.database.fill(),
            Self::WrongPassword => world.database.set_password("wrong"),
            // Both ways make a commit.
            Self::Slow => world.proxy.as_ref().expect("it has a proxy").set(Some(Duration::from_millis(2500))),
            Self::Migration => {
                for sql in TRIAL {
                    world.database.ask("serinus", sql);
                }
            }
            Self::None
            | Self::TargetFromRegion
            | Self::Freeze
            | Self::Kill
            | Self::KillWithStandby
            | Self::FreezeWithStandby
            | Self::KillAll
            | Self::Clocks => {}
        }
    }

    /// What happens once the target fails in the first region, and not yet in the second one.
    pub(crate) fn between(self, world: &mut World) {
        match self {
            Self::TargetFromRegion => world.processes[2].network.cut(Cable::Target),
            Self::Freeze | Self::FreezeWithStandby => world.processes[0].service.running().signal("STOP"),
            Self::Kill | Self::KillWithStandby | Self::PagerThenKill => world.kill_within_a_run(0),
            Self::Rolling | Self::Migration => world.restart(1),
            Self::StoreFlaps => {
                for _ in 0..4 {
                    namespace::run(PASS);
                    std::thread::sleep(Duration::from_secs(4));
                    namespace::run(DROP);
                    std::thread::sleep(Duration::from_secs(6));
                }
            }
            Self::KillAlone => {
                world.wait("a region tells alone", Duration::from_mins(1), |world| !world.open().is_empty());
                // Until it is written down that it was taken.
                std::thread::sleep(Duration::from_secs(2));
                world.kill_within_a_run(1);
                world.processes[1].begin();
            }
            Self::KillAll => {
                for number in 0..world.processes.len() {
                    world.kill_within_a_run(number);
                }
                for process in &mut world.processes {
                    process.begin();
                }
            }
            _ => {}
        }
    }

    /// Ends it.
    pub(crate) fn end(self, world: &mut World) {
        match self {
            Self::StoreFromEvaluator => world.processes[0].network.mend(Cable::Store),
            Self::StoreFromAnother => world.processes[2].network.mend(Cable::Store),
            Self::PagerFromEvaluator => world.processes[0].network.mend(Cable::Pager),
            Self::TargetFromRegion => world.processes[2].network.mend(Cable::Target),
            Self::Freeze => world.processes[0].service.running().signal("CONT"),
            Self::Kill => world.processes[0].begin(),
            Self::PagerThenKill => {
                world.processes[0].network.mend(Cable::Pager);
                world.processes[0].begin();
            }
            Self::KillWithStandby => world.until_taken_over(),
            Self::FreezeWithStandby => {
                world.until_taken_over();
                world.processes[0].service.running().signal("CONT");
                world.until_first_ends();
            }
            Self::StoreFromProberWithStandby => {
                world.until_taken_over();
                world.processes[0].network.mend(Cable::Store);
                world.until_first_ends();
            }
            Self::StoreKilled | Self::KillAlone => world.database.command("start"),
            Self::StoreBlackHoled | Self::StoreFlaps => namespace::run(PASS),
            Self::StoreReadOnly => world.database.set("default_transaction_read_only = off"),
            Self::StoreFailover => world.database.command("promote"),
            Self::DiskFull => world.database.make_room(),
            Self::WrongPassword => world.database.set_password("right"),
            Self::Slow => world.proxy.as_ref().expect("it has a proxy").set(Some(Duration::ZERO)),
            Self::Rolling => world.restart(2),
            Self::Migration => {
                world.restart(2);
                world.restart(0);
            }
            Self::None | Self::KillAll | Self::Clocks => {}
        }
    }
}
