//! What a service lives through besides being killed: nobody takes its pages, its disk is full, its store is damaged.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use serinus::alert::message::Action;

use super::audit::{CHANNELS, incidents, number};
use super::prober::{Prober, get, program, run, set};
use super::reader::Reader;
use super::receiver::{Mood, Received};
use super::world::{World, copy_of_store, until};
use super::{now_ms, setting};
use crate::shared_machine;

fn sleep(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// What was taken, of one channel and probe, in the order of their arrival.
fn taken(world: &World, channel: &str, probe: &str) -> Vec<Received> {
    let is_of = |it: &Received| it.taken && it.channel == channel && it.message.scope == format!("probe/{probe}");
    world.receiver.received().into_iter().filter(is_of).collect()
}

/// Whether every channel heard last that this is so of the probe.
fn heard(world: &World, probe: &str, what: Action) -> bool {
    CHANNELS.into_iter().all(|channel| taken(world, channel, probe).last().is_some_and(|last| last.message.action == what))
}

/// What channels did not take, and tries of which nobody knows.
fn waiting(address: &str) -> u64 {
    let status = get(address, "/api/v1/status").expect("it answers");
    let tries = status["channels"].as_array().expect("it is a list").iter().map(|it| it["tries"].as_u64().expect("a number"));
    tries.sum::<u64>() + status["owed_total"].as_u64().expect("a number")
}

#[test]
fn a_receiver_that_was_down_for_long_hears_of_all_that_it_missed_and_gets_no_storm() {
    let _beside = shared_machine();
    let down = setting("SERINUS_CHAOS_DOWN", 24);
    let world = World::new(1, 4, false);
    let broken = |probe: &str| vec![format!("{probe}/eu/c0"), format!("{probe}/us/c1")];
    let prober = Prober::start(&world.folder);
    prober.address();
    world.target.fail(&broken("load-b"));
    until("the first page is taken", || heard(&world, "load-b", Action::Ring));

    world.receiver.set(Mood::Down);
    let began_ms = now_ms();
    world.target.mend(&broken("load-b"));
    world.target.fail(&broken("load-c"));
    sleep(down / 2);
    prober.kill();
    let prober = Prober::start(&world.folder);
    let address = prober.address();
    world.target.mend(&broken("load-c"));
    sleep(down / 2);
    let tries = world.receiver.received().iter().filter(|it| it.at_ms >= began_ms).count();
    assert!(!heard(&world, "load-b", Action::End), "nobody is there to hear of an end");

    world.receiver.set(Mood::Well);
    let up_ms = now_ms();
    let tells = |it: &Received, scope: &str| it.message.scope == scope || it.message.incidents.iter().any(|it| it.scope == scope);
    let knows = |channel: &str, scope: &str| {
        let is_over = |it: &Received| it.message.action == Action::End && tells(it, scope);
        world.receiver.received().iter().any(|it| it.taken && it.channel == channel && is_over(it))
    };
    let all_know = |scope| CHANNELS.into_iter().all(|channel| knows(channel, scope));
    until("everything is told", || all_know("probe/load-b") && all_know("probe/load-c") && waiting(&address) == 0);
    let late_ms = now_ms() - up_ms;
    let received = world.receiver.received();
    let after: Vec<&Received> = received.iter().filter(|it| it.taken && it.at_ms >= up_ms).collect();
    let (mut scopes, mut wrong) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    for it in &after {
        scopes.entry((&it.channel, &it.message.key)).or_default().push(*it);
    }
    for (scope, all) in &scopes {
        // What is over is only ended, once; that it was never heard of is a line of its own.
        let rings = all.iter().filter(|it| it.message.action == Action::Ring).count();
        if rings > 0 || all.len() > 1 {
            let titles: Vec<&str> = all.iter().map(|it| &*it.message.title).collect();
            wrong.push(format!("{scope:?}: {rings} rings of what was over before anybody was there, among {titles:?}"));
        }
    }
    for channel in CHANNELS {
        for (key, incident) in Reader::of(channel, &received).open() {
            wrong.push(format!("{channel} believes that {key} of {incident} is open"));
        }
    }
    let count = scopes.len() as u64;
    println!("down for {down} s: {tries} tries in vain, {} came for {count} scopes, the last after {late_ms} ms", after.len());
    // Pauses grow to a minute; the restart begins anew.
    if tries as u64 > count * (2 * 6 + down / 20) {
        wrong.push(format!("{tries} tries in vain of {count} scopes are a storm"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(prober.stop().code(), Some(0));
    world.is_well();
}

/// A small disk of its own, mounted where only this test's programs see it, for as long as this lives.
struct SmallDisk {
    holder: Child,
    user: bool,
    inside: PathBuf,
}

impl SmallDisk {
    /// Mounts `folder/small`. Needs root, or a kernel that lets users have namespaces.
    fn mount(folder: &Path, size: &str) -> Self {
        fs::create_dir(folder.join("small")).unwrap();
        let script = format!("mount -t tmpfs -o size={size} tmpfs small && echo mounted && exec sleep 1000");
        for user in [true, false] {
            let mut command = Command::new("unshare");
            command.args(if user { &["-r", "-m"][..] } else { &["-m"] }).args(["sh", "-c", &script]).current_dir(folder);
            let mut holder = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("util-linux is there");
            let mut said = [0; 7];
            if holder.stdout.take().unwrap().read_exact(&mut said).is_ok() {
                let inside = PathBuf::from(format!("/proc/{}/root{}/small", holder.id(), folder.display()));
                return Self { holder, user, inside };
            }
            let _status = holder.wait().unwrap();
        }
        panic!("no small disk can be mounted here: neither as root nor in a namespace of this user");
    }

    /// The service, on this disk.
    fn start(&self, folder: &Path) -> Prober {
        let mut command = set(Command::new("nsenter"), folder);
        let pid = self.holder.id().to_string();
        command.args(["-t", &pid, "-m"]).args(self.user.then_some("-U")).args(self.user.then_some("--preserve-credentials"));
        // The folder is looked up inside, where the disk is mounted in it.
        command.args(["sh", "-c", "cd \"$1\" && exec \"$2\" run -c serinus.toml", "sh"]).arg(folder).arg(program());
        command.env("SERINUS_STORE__URL", "sqlite:small/serinus.db");
        Prober::start_as(command, folder)
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut filler = File::create(self.inside.join("filler")).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.inside.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // It is gone with its last process.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn with_a_full_disk_pages_leave_and_are_recorded_once_there_is_room() {
    let _beside = shared_machine();
    let world = World::new(2, 4, false);
    let disk = SmallDisk::mount(&world.folder, "24m");
    let one = |probe: &str| vec![format!("{probe}/eu/c0")];
    let prober = disk.start(&world.folder);
    let address = prober.address();
    world.target.fail(&one("load-b"));
    until("what broke before is paged for", || heard(&world, "load-b", Action::Ring));

    disk.fill();
    let said = |word: &'static str| move |prober: &Prober| prober.said().contains(word);
    until("it says that the store cannot be written", || said("the store cannot be written")(&prober));
    world.target.fail(&one("load-c"));
    until("what breaks now is paged for", || heard(&world, "load-c", Action::Ring));
    world.target.mend(&one("load-b"));
    until("what is over now is told", || heard(&world, "load-b", Action::End));
    let shown = get(&address, "/api/v1/incidents?open=true").expect("the API answers");
    let scopes: Vec<&str> = shown["items"].as_array().unwrap().iter().filter_map(|item| item["scope"].as_str()).collect();
    assert_eq!(
        scopes,
        ["probe/load-c", "probe/load-b"],
        "what is open is shown, written or not, beside what the store knows: {shown}"
    );
    let (_folder, store) = copy_of_store(&disk.inside.join("serinus.db"));
    assert!(
        incidents(&store).iter().all(|incident| incident.scope == "probe/load-b"),
        "the store knows only of what came before"
    );
    drop(store);

    disk.make_room();
    until("it says that the store can be written again", || said("the store can be written again")(&prober));
    let is_recorded = |address: &str, scope: &str| {
        let (_folder, store) = copy_of_store(&disk.inside.join("serinus.db"));
        let _alive = waiting(address);
        incidents(&store).iter().any(|incident| incident.scope == scope && incident.resolved_ms.is_none())
    };
    until("what was paged for meanwhile is recorded", || is_recorded(&address, "probe/load-c"));
    world.target.mend(&one("load-c"));
    until("its end is told", || heard(&world, "load-c", Action::End));

    // A crash takes what could not be written. Without room what is in the file is still known; what is not is found again.
    disk.fill();
    world.target.fail(&one("load-c"));
    until("what breaks again is paged for", || heard(&world, "load-c", Action::Ring));
    prober.kill();
    let before = taken(&world, "pager", "load-c").len();
    let prober = disk.start(&world.folder);
    let address = prober.address();
    assert!(prober.said().contains("the disk is full"), "{}", prober.said());
    until("what is still broken is paged for after a crash", || taken(&world, "pager", "load-c").len() > before);
    disk.make_room();
    until("the open incident is recorded", || is_recorded(&address, "probe/load-c"));
    world.target.mend(&one("load-c"));
    until("its end is told", || heard(&world, "load-c", Action::End));
    until("everything is told", || waiting(&address) == 0);
    assert_eq!(prober.stop().code(), Some(0));

    let (_folder, store) = copy_of_store(&disk.inside.join("serinus.db"));
    let kept = incidents(&store);
    assert!(kept.iter().all(|incident| incident.resolved_ms.is_some()), "{kept:?}");
    assert_eq!(number(&store, "SELECT count(*) FROM tries WHERE state = 'waiting'"), 0);
    for (probe, expected) in [("load-b", &["probe/load-b/1"][..]), ("load-c", &["probe/load-c/1", "probe/load-c/2"])] {
        let keys: BTreeSet<String> = taken(&world, "pager", probe).into_iter().map(|it| it.message.key).collect();
        assert_eq!(keys.into_iter().collect::<Vec<_>>(), expected);
    }
    world.is_well();
}

/// What happens to a store's file while nobody looks.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Pages,
    Header,
    Log,
    Half,
    Nonsense,
}

impl Damage {
    fn inflict(self, store: &Path, rng: &mut Rng) {
        let log = PathBuf::from(format!("{}-wal", store.display()));
        let path = if matches!(self, Self::Log) && log.exists() { &log } else { store };
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        let mut noise = |file: &mut File, at: u64, length: u64| {
            let bytes: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(&bytes).unwrap();
        };
        match self {
            Self::Pages => (0..length / 4096).step_by(7).skip(1).for_each(|page| noise(&mut file, page * 4096, 4096)),
            Self::Header => noise(&mut file, 0, 100),
            Self::Log => (0..length / 4096).step_by(3).for_each(|page| noise(&mut file, page * 4096, 512)),
            Self::Half => file.set_len(length / 2).unwrap(),
            Self::Nonsense => noise(&mut file, 0, length),
        }
    }
}

/// An incident that is over, one that is open, then a crash and the damage; then the service goes on.
fn damage_and_go_on(world: &World, damage: Damage, rng: &mut Rng) {
    let one = vec!["load-b/eu/c0".to_owned()];
    let prober = Prober::start(&world.folder);
    prober.address();
    let ids = |world: &World| -> usize {
        let all: BTreeSet<String> = taken(world, "pager", "load-b").into_iter().map(|it| it.message.incident).collect();
        all.len()
    };
    for _ in 0..2 {
        let before = ids(world);
        world.target.fail(&one);
        until("it is paged for", || heard(world, "load-b", Action::Ring) && ids(world) > before);
        world.target.mend(&one);
        until("its end is told", || heard(world, "load-b", Action::End));
    }
    let before = ids(world);
    world.target.fail(&one);
    until("it is paged for", || heard(world, "load-b", Action::Ring) && ids(world) > before);
    sleep(1);
    let said = prober.said().matches("the store's file is damaged").count();
    prober.kill();
    damage.inflict(&world.store(), rng);

    let prober = Prober::start(&world.folder);
    let address = prober.address();
    let says = prober.said().matches("the store's file is damaged").count() > said;
    until("the problem is known, still or again", || {
        let open = get(&address, "/api/v1/status").expect("it answers");
        open["open_incidents"].to_string().contains("load-b")
    });
    let known = taken(world, "pager", "load-b").last().map(|it| it.message.incident.clone());
    world.target.mend(&one);
    until("its end is told", || heard(world, "load-b", Action::End));
    let ended = taken(world, "pager", "load-b").last().map(|it| it.message.incident.clone());
    println!("{damage:?}: said so: {says}, went on with the same incident: {}", known == ended);
    // The log may hold the page that was damaged. Of a damaged log the rest is as if it had never been written.
    assert!(says || known == ended || matches!(damage, Damage::Log), "{damage:?}: it said nothing and lost an incident");
    assert_eq!(prober.stop().code(), Some(0));
}

#[test]
fn a_store_that_was_damaged_is_set_aside_and_pages_go_on_under_keys_that_do_not_clash() {
    let _beside = shared_machine();
    let seed = setting("SERINUS_CHAOS_SEED", fastrand::u64(..1_000_000));
    println!("SERINUS_CHAOS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let world = World::new(3, 4, false);
    for damage in [Damage::Pages, Damage::Header, Damage::Half, Damage::Nonsense] {
        damage_and_go_on(&world, damage, &mut rng);
    }
    // A key is one incident's, or that of one which was forgotten while it was open and was found again.
    let mut wrong = Vec::new();
    for channel in CHANNELS {
        let (mut open, mut over) = (BTreeMap::new(), BTreeSet::new());
        for it in taken(&world, channel, "load-b") {
            let (key, incident) = (it.message.key.clone(), it.message.incident.clone());
            match it.message.action {
                Action::Ring if over.contains(&key) && open.get(&key) != Some(&incident) => {
                    wrong.push(format!("{channel}: {key} was over and is used again by {incident}"));
                    open.insert(key, incident);
                }
                Action::Ring => drop(open.insert(key, incident)),
                Action::End => drop(over.insert(key)),
                Action::Change | Action::Acknowledge => {}
            }
        }
        // The end of one that was forgotten while it was open is told by nobody.
        let orphans = open.keys().filter(|key| !over.contains(*key)).count();
        println!("{channel}: {orphans} keys of incidents that were forgotten stay open");
    }
    let output = run(&world.folder, &["sweep", "-c", "serinus.toml", "--output", "json"]);
    let swept: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    println!("{} things left behind after {swept}", world.target.things().len());
    assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    // Nobody can tell a damaged end of the log from one that a crash left unfinished, so keys in it may be used again.
    damage_and_go_on(&world, Damage::Log, &mut rng);
    world.is_well();
}
