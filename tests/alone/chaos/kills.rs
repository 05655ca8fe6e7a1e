//! The service is killed again and again, at whatever moment, while what it probes breaks and heals.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use super::audit::{CHANNELS, Evidence, Life, Memory, audit, lingers, number};
use super::faults::Mischief;
use super::prober::{Prober, get, run};
use super::reader::Reader;
use super::receiver::Mood;
use super::verdicts::{false_failures, verdicts};
use super::world::{World, copy_of_store, until};
use super::{now_ms, setting};
use crate::shared_machine;

/// Cells of each probe that makes load, in each of two regions: about 200 canaries in all.
const CELLS: usize = 33;

/// When the service is killed.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Before it probes.
    Starting(u64),
    /// So long after it probes.
    After(u64),
    /// When a page has arrived and is not answered yet, or shortly after.
    Paging(u64),
    /// When a cleanup has arrived and nothing is removed yet, or shortly after.
    Cleaning(u64),
    /// So long after it was told to read its configuration again.
    Reloading(u64),
}

impl When {
    fn any(rng: &mut Rng) -> Self {
        match rng.u32(..100) {
            0..12 => Self::Starting(rng.u64(..400)),
            12..50 => Self::After(rng.u64(..4_000)),
            50..68 => Self::After(rng.u64(6_000..11_000)),
            68..82 => Self::Paging(rng.u64(..60)),
            82..91 => Self::Cleaning(rng.u64(..30)),
            _ => Self::Reloading(rng.u64(..250)),
        }
    }
}

/// Lets it live until its time has come.
fn live(prober: &Prober, when: When, world: &World, rng: &mut Rng) -> Option<i64> {
    let sleep = |millis| std::thread::sleep(Duration::from_millis(millis));
    if let When::Starting(millis) = when {
        sleep(millis);
        return None;
    }
    prober.address();
    let ready_ms = now_ms();
    match when {
        When::Starting(_) => {}
        When::After(millis) => sleep(millis),
        When::Paging(millis) => {
            wait_for(&world.paged, Duration::from_secs(4));
            sleep(millis);
        }
        When::Cleaning(millis) => {
            sleep(rng.u64(..1_500));
            wait_for(&world.cleaning, Duration::from_secs(4));
            sleep(millis);
        }
        When::Reloading(millis) => {
            sleep(rng.u64(..1_500));
            let path = world.folder.join("probes/load-a.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("# Changed.\n{text}")).unwrap();
            prober.signal("HUP");
            sleep(millis);
        }
    }
    Some(ready_ms)
}

/// Waits for the next one from now on.
fn wait_for(told: &mpsc::Receiver<()>, patience: Duration) {
    while told.try_recv().is_ok() {}
    // Without one it is killed at the end of the patience, which is as good a moment.
    let _ = told.recv_timeout(patience);
}

#[test]
fn whenever_it_is_killed_every_reader_believes_what_is_so_and_nothing_is_lost_or_left_behind() {
    let _beside = shared_machine();
    let kills = setting("SERINUS_CHAOS_KILLS", 25);
    let seed = setting("SERINUS_CHAOS_SEED", fastrand::u64(..1_000_000));
    println!("SERINUS_CHAOS_SEED={seed} SERINUS_CHAOS_KILLS={kills}");
    let mut rng = Rng::with_seed(seed);
    let world = World::new(rng.u64(..), CELLS, true);
    let before = world.entities();
    let (mut wrong, mut memory, mut lives) = (Vec::new(), Memory::default(), Vec::new());
    let faults = world.sandbox.faults();
    world.receiver.set(Mood::Flaky);
    let mischief = Mischief::start(rng.u64(..), CELLS, &world.target, &faults);
    let began_ms = now_ms();
    for kill in 0..kills {
        let when = When::any(&mut rng);
        let prober = Prober::start(&world.folder);
        let ready_ms = live(&prober, when, &world, &mut rng);
        prober.kill();
        let life = Life { ready_ms, killed_ms: now_ms() };
        lives.push(life);
        if rng.u32(..3) == 0 {
            memory.look(&world.store(), &world.target.things(), &mut wrong);
        }
        if kill % 25 == 24 {
            println!("{} kills after {} s, {} wrong", kill + 1, (now_ms() - began_ms) / 1_000, wrong.len());
        }
    }
    let stretches = mischief.stop();
    let prober = Prober::start(&world.folder);
    let address = prober.address();
    lives.push(Life { ready_ms: Some(now_ms()), killed_ms: i64::MAX });
    settle(&address, &world);
    let left = left_behind(&world, &before);
    let (log, status) = (prober.said(), prober.stop());
    assert_eq!(status.code(), Some(0), "{log}");
    let output = run(&world.folder, &["sweep", "-c", "serinus.toml", "--output", "json"]);
    let swept: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let still = left_behind(&world, &before);
    memory.look(&world.store(), &world.target.things(), &mut wrong);
    let (_folder, store) = copy_of_store(&world.store());
    if still != 0 {
        wrong.push(format!("{still} things are left behind: {} now, {before} before", world.entities()));
    }
    let received = world.receiver.received();
    let mut tally = audit(&store, &Evidence { stretches: &stretches, lives: &lives, received: &received }, &mut wrong);
    verdicts(&store, &world.target.answers(), &lives, &mut tally, &mut wrong);
    false_failures(&store, &stretches, &mut wrong);
    for word in ["panicked", "defect", "cannot be read"] {
        wrong.extend(log.lines().filter(|line| line.contains(word)).map(|line| format!("it said: {line}")));
    }
    let given_up = number(&store, "SELECT count(*) FROM ledger");
    tally.numbers.splice(
        0..0,
        [
            ("kills", i64::try_from(kills).unwrap()),
            ("seconds", (now_ms() - began_ms) / 1_000),
            ("looks at what a kill left", i64::try_from(memory.looks).unwrap()),
            ("things made by the cheapest probe that makes some", i64::try_from(world.target.created()).unwrap()),
            ("things left behind when all was well again", left),
            ("of them removed by `serinus sweep`", swept["gone"].as_i64().unwrap()),
            ("left behind after that", still),
            ("entries of the ledger after that", given_up),
        ],
    );
    println!("{tally}");
    assert!(wrong.is_empty(), "{} things are wrong (seed {seed}):\n{}", wrong.len(), wrong.join("\n"));
    world.is_well();
}

/// Waits until nothing is open but what goes on for long, and every reader believes what is so.
fn settle(address: &str, world: &World) {
    let mut quiet = 0;
    until("everything is over and told", || {
        let status = get(address, "/api/v1/status").expect("it answers");
        let open = status["open_incidents"].as_array().unwrap();
        let goes_on = |incident: &Value| {
            let members = incident["members"].as_array().unwrap().iter().filter(|member| member["level"] != Value::Null);
            incident["scope"].as_str().unwrap().starts_with("restarts/")
                || members.map(|member| member["member"].as_str().unwrap()).all(lingers)
        };
        let ids: Vec<&str> = open.iter().map(|incident| incident["id"].as_str().unwrap()).collect();
        let received = world.receiver.received();
        let believed = |channel| Reader::of(channel, &received).open().all(|(_, incident)| ids.contains(&incident));
        let tries: u64 = status["channels"].as_array().unwrap().iter().map(|it| it["tries"].as_u64().unwrap()).sum();
        let is_told = status["owed_total"] == 0 && tries == 0 && CHANNELS.into_iter().all(believed);
        quiet = if is_told && open.iter().all(goes_on) { quiet + 1 } else { 0 };
        // For a while, as what follows from the last change may be on its way.
        quiet >= 10
    });
}

/// Everything that was made and is still there.
fn left_behind(world: &World, before: &Value) -> i64 {
    let now = world.entities();
    let more = before.as_object().unwrap().keys().map(|kind| now[kind].as_i64().unwrap() - before[kind].as_i64().unwrap());
    more.sum::<i64>() + i64::try_from(world.target.things().len()).unwrap()
}
