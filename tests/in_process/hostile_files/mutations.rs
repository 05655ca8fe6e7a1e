//! The shipped files, changed at random, as bytes and as trees.
//!
//! `SERINUS_MUTATIONS_SEED` and `SERINUS_MUTATIONS` set the seed and the number of files; a failure names both, and the number of
//! the file. A child says which file it is about to load; where it dies, that one is to blame.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use toml::{Table, Value};

use super::bounded::{Hostile, keep, load, project};

/// Files that are changed and loaded.
const FILES: usize = 3_000;

/// Files that one child loads.
const BATCH: usize = 250;

/// Seconds of processor time of a child: some forty times what it takes without optimization.
const CPU_SECONDS: u32 = 120;

/// The largest file that is made.
const LARGEST: usize = 128 << 10;

/// The shipped files: path, text, and whether it is a service's.
pub(crate) fn shipped() -> Vec<(PathBuf, String, bool)> {
    let mut files: Vec<PathBuf> = fs::read_dir(project().join("probes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.extend(["config/serinus.toml", "docker/serinus.toml"].map(|path| project().join(path)));
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap(), path.ends_with("serinus.toml"))).collect()
}

/// Texts that mean something somewhere.
const WORDS: [&str; 44] = [
    "{{",
    "}}",
    "{%",
    "[[",
    "]]",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "\\",
    "\\u0000",
    "\n",
    "\r\n",
    "\0",
    "\t",
    "=",
    ".",
    ",",
    "#",
    "ü",
    "\u{202e}",
    "-9223372036854775808",
    "9223372036854775807",
    "1e308",
    "nan",
    "-1",
    "0",
    "10000000000s",
    "1ns",
    "366d",
    "0.0000001%",
    "{{ range(10000) | list }}",
    "{{ [v, v] }}",
    "{{ {'a': {'b': 1}}[missing] }}",
    "secret.x",
    "status == 200 or 204",
    "a in b",
    "* * * * * *",
    "0 0 30 2 *",
    "[slo]\nwindow = { failures = 6, of = 1 }\n",
];

fn word(random: &mut Rng) -> String {
    let word = WORDS[random.usize(..WORDS.len())];
    if random.u8(..) < 16 { word.repeat(1 << random.u32(..12)) } else { word.to_owned() }
}

fn as_bytes(text: &str, random: &mut Rng) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.usize(..6) {
        let mut place = || random.usize(..=bytes.len());
        let (one, other) = (place(), place());
        let range = one.min(other)..one.max(other).min(one.min(other) + 300);
        match random.u8(..6) {
            0 if !range.is_empty() => bytes[range.start] = random.u8(..),
            1 => drop(bytes.drain(range)),
            2 => {
                let again = bytes[range.clone()].repeat(1 << random.u32(..8));
                bytes.splice(range.start..range.start, again);
            }
            3 => bytes.truncate(range.end),
            _ => drop(bytes.splice(range.start..range.start, word(random).into_bytes())),
        }
        bytes.truncate(LARGEST);
    }
    bytes
}

/// A value that is most likely not what belongs there.
fn strange(random: &mut Rng) -> Value {
    match random.u8(..10) {
        0 => Value::Integer([0, 1, -1, 1_000, i64::from(u32::MAX), i64::MAX, i64::MIN][random.usize(..7)]),
        1 => Value::Float([0.0, -1.0, 1e308, 0.5, 1e-300][random.usize(..5)]),
        2 => Value::Boolean(random.bool()),
        3 => Value::Array((0..random.usize(..40)).map(|at| Value::Integer(i64::try_from(at).unwrap())).collect()),
        4 => Value::Table(Table::new()),
        5 => Value::Array(vec![Value::Table(Table::new()); random.usize(..4)]),
        6 => Value::String("x".repeat(1 << random.u32(..14))),
        7 => (0..random.usize(..40)).fold(Value::Integer(1), |inner, _| Value::Array(vec![inner])),
        _ => Value::String(word(random)),
    }
}

/// Changes one value, key or list somewhere below.
fn change(value: &mut Value, random: &mut Rng) {
    let deeper = random.u8(..5) > 0;
    match value {
        Value::Table(table) if !table.is_empty() => {
            let key = table.keys().nth(random.usize(..table.len())).unwrap().clone();
            match random.u8(..8) {
                0 => drop(table.remove(&key)),
                1 => {
                    let moved = table.remove(&key).unwrap();
                    table.insert(if random.bool() { word(random) } else { format!("{key}x") }, moved);
                }
                2 => {
                    let other = table.keys().nth(random.usize(..table.len())).unwrap().clone();
                    let copied = table[&other].clone();
                    table.insert(key, copied);
                }
                _ if deeper => change(table.get_mut(&key).unwrap(), random),
                _ => drop(table.insert(key, strange(random))),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = random.usize(..items.len());
            match random.u8(..8) {
                0 => drop(items.remove(at)),
                1 => {
                    let again = vec![items[at].clone(); 1 << random.u32(..6)];
                    items.splice(at..at, again);
                }
                2 => items.reverse(),
                _ if deeper => change(&mut items[at], random),
                _ => items[at] = strange(random),
            }
        }
        Value::String(text) if random.bool() => *text = String::from_utf8_lossy(&as_bytes(text, random)).into_owned(),
        Value::Integer(number) if random.bool() => *number = number.wrapping_mul(10 << random.u32(..40)),
        _ => *value = strange(random),
    }
}

fn as_tree(text: &str, random: &mut Rng) -> Vec<u8> {
    let mut tree = Value::Table(text.parse().unwrap());
    for _ in 0..=random.usize(..4) {
        change(&mut tree, random);
    }
    let mut bytes = toml::to_string(&tree).unwrap_or_default().into_bytes();
    bytes.truncate(LARGEST);
    bytes
}

/// The file of this number.
pub(crate) fn file(seed: u64, number: usize, shipped: &[(PathBuf, String, bool)]) -> Hostile {
    let mut random = Rng::with_seed(seed.wrapping_add(u64::try_from(number).unwrap()));
    let (_, text, is_service) = &shipped[random.usize(..shipped.len())];
    let bytes = if random.bool() { as_bytes(text, &mut random) } else { as_tree(text, &mut random) };
    Hostile { bytes, is_service: *is_service }
}

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

#[test]
fn no_file_panics_hangs_or_eats_memory_whatever_is_in_it() {
    let seed = set("SERINUS_MUTATIONS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let files = set("SERINUS_MUTATIONS").map_or(FILES, |files| usize::try_from(files).unwrap());
    eprintln!("SERINUS_MUTATIONS_SEED={seed} SERINUS_MUTATIONS={files}");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            let (mut from, to) = (from, (from + BATCH).min(files));
            while from < to && failed.len() < 3 {
                let Some((number, why)) = load("mutations", seed, (from, to), CPU_SECONDS) else { break };
                failed.push((number, why));
                from = number + 1;
            }
            if to == files || failed.len() >= 3 {
                return failed;
            }
        }
    };
    let failed: Vec<(usize, String)> = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut report = String::new();
    for (number, why) in &failed {
        let kept = keep(&file(seed, *number, &shipped()), &format!("mutation-{seed}-{number}"));
        writeln!(report, "file {number}, kept as {}: {why}", kept.display()).unwrap();
    }
    assert!(failed.is_empty(), "SERINUS_MUTATIONS_SEED={seed}:\n{report}");
}
