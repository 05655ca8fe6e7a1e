//! Loading files in a child that may use so much processor time and memory and no more.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serinus::config;

use super::{largest, mutations};
use crate::again;

/// Address space of a child, in KiB: far above what any file may need.
const ADDRESS_SPACE: u32 = 1 << 20;

const TASK: &str = "SERINUS_HOSTILE_FILES";

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file to load.
pub(crate) struct Hostile {
    pub(crate) bytes: Vec<u8>,
    /// Whether it is read as a service's, or as a probe's.
    pub(crate) is_service: bool,
}

impl Hostile {
    fn load(&self, folder: &Path) {
        let variables = [("CANARY_PASSWORD", "x"), ("METRICS_TOKEN", "y")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let loaded = if self.is_service {
            let path = folder.join("config/serinus.toml");
            fs::write(&path, &self.bytes).unwrap();
            config::load(&path, environment)
        } else {
            let path = folder.join("probe.toml");
            fs::write(&path, &self.bytes).unwrap();
            config::load_probes(&[path], Some(&project().join("config/serinus.toml")), environment)
        };
        assert_eq!(loaded.service.is_none(), loaded.diagnostics.has_errors());
        // What is said of it is said in bounds, too.
        assert!(loaded.diagnostics.render(true).len() < 4 << 20, "{} bytes", loaded.diagnostics.render(true).len());
        assert!(loaded.diagnostics.to_json().to_string().len() < 4 << 20);
    }
}

/// What a child does: loads the files of these numbers.
#[test]
#[ignore = "it is started by the other tests, as a process of its own"]
fn child() {
    let Ok(task) = std::env::var(TASK) else { return };
    let (kind, numbers) = task.split_once(' ').unwrap();
    let numbers: Vec<u64> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
    let [seed, from, to] = numbers[..] else { panic!("a task is a kind, a seed and two numbers") };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::create_dir(folder.path().join("probes")).unwrap();
    let probe = "probes/premium_registration.toml";
    fs::copy(project().join(probe), folder.path().join(probe)).unwrap();
    let shipped = mutations::shipped();
    for number in from..to {
        eprintln!("file {number}");
        let number = usize::try_from(number).unwrap();
        let file = if kind == "largest" { largest::file(number) } else { mutations::file(seed, number, &shipped) };
        file.load(folder.path());
    }
    eprintln!("all done");
}

/// Loads files of a kind in a child. The number it died at, and its last words.
pub(crate) fn load(kind: &str, seed: u64, (from, to): (usize, usize), cpu_seconds: u32) -> Option<(usize, String)> {
    let bounded = format!("ulimit -v {ADDRESS_SPACE}; ulimit -t {cpu_seconds}; ulimit -c 0; exec \"$@\"");
    let mut child = again::command(&["sh", "-c", &bounded, "sh"], module_path!(), "child")
        .arg("--test-threads=1")
        .env(TASK, format!("{kind} {seed} {from} {to}"))
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut at, mut words, mut done) = (from, String::new(), false);
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while said.by_ref().take(4_096).read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        match line.trim_end().strip_prefix("file ").and_then(|number| number.parse().ok()) {
            Some(number) => {
                at = number;
                words.clear();
            }
            None if line.trim_end() == "all done" => done = true,
            None if words.len() < 4_096 => words.push_str(&line),
            None => {}
        }
        line.clear();
    }
    let status = child.wait().unwrap();
    (!done).then(|| (at, format!("{status}\n{words}")))
}

/// Keeps a file that somebody will want to look at.
pub(crate) fn keep(file: &Hostile, name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("serinus-{name}.toml"));
    fs::write(&path, &file.bytes).unwrap();
    path
}
