//! Steps of the kind `exec` in the built program: what is shown, and what is left of programs when it is killed.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::cli_support::{assert_exit, run, serinus, stdout, until};

/// A folder with a service that lets probes run programs, and a probe that runs this script.
fn folder(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("serinus.toml"), "probes = [\"p.toml\"]\nnotify.none = true\nlimits.exec = true\n")
        .unwrap();
    let probe = format!(
        "name = \"p\"\nowner = \"o\"\nrunbook = \"https://example.com\"\nevery = \"1m\"\ndeadline = \"50s\"\n[[step]]\nname = \"run\"\n\
         exec.command = [\"/bin/sh\", \"-c\", '''{script}''', \"sh\", \"{}\"]\nexec.inherit = [\"PATH\"]\ntimeout = \"50s\"\n\
         expect = [\"exit_code == 0\"]\n",
        folder.path().display()
    );
    std::fs::write(folder.path().join("p.toml"), probe).unwrap();
    folder
}

#[test]
fn a_program_is_shown_with_what_it_said_and_is_refused_without_the_services_leave() {
    let folder = folder("echo hello; echo oh >&2; exit 2");
    let output = run(folder.path(), &["test", "p", "-v"]);
    assert_exit(&output, 1);
    for part in [
        "failed (expectation)",
        "exit_code was 2",
        "exit code 2, stdout bytes 6, stderr bytes 3",
        "> /bin/sh -c",
        "< [stdout]",
        "< oh",
    ] {
        assert!(stdout(&output).contains(part), "{part}\n{}", stdout(&output));
    }
    let output = run(folder.path(), &["test", "p", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_str(stdout(&output).trim()).unwrap();
    let observed = &told["steps"][0]["attempts"][0]["observed"];
    assert_eq!((&observed["kind"], &observed["facts"]["exit_code"]), (&"exec".into(), &2.into()), "{observed}");
    std::fs::write(folder.path().join("serinus.toml"), "probes = [\"p.toml\"]\nnotify.none = true\n").unwrap();
    assert_exit(&run(folder.path(), &["check"]), 2);
}

/// Whether a process is there and is no zombie.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The guard that a program started beside its first step.
fn guard_of(program: &Child) -> u32 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_guard = |pid: &u32| {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let parent = read("stat").rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        parent == Some(program.id()) && read("cmdline").contains("exec-guard")
    };
    pids.find(is_guard).expect("the program has a guard")
}

fn pids(file: &Path) -> Option<Vec<u32>> {
    let text = std::fs::read_to_string(file).ok().filter(|text| text.lines().count() == 2 && text.ends_with('\n'))?;
    Some(text.lines().map(|line| line.parse().unwrap()).collect())
}

#[test]
fn a_program_does_not_outlive_a_prober_that_is_killed() {
    let folder = folder("trap \"\" TERM; sleep 300 & printf \"%s\\n%s\\n\" $$ $! > $1/pids; wait; sleep 300");
    let mut program = serinus(folder.path()).args(["test", "p"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pids = until("the program's start", || pids(&folder.path().join("pids")));
    assert!(pids.iter().all(|pid| is_running(*pid)));
    pids.push(guard_of(&program));
    program.kill().unwrap();
    program.wait().unwrap();
    until("the end of all of them", || pids.iter().all(|pid| !is_running(*pid)).then_some(()));
}
