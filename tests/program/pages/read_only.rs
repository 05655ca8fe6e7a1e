//! The store's directory turns read-only under the service: nothing is lost, and nobody waits.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::page_support::pager::Pager;
use crate::page_support::service::{Service, channel, probe};
use crate::page_support::target::{BROKEN, Target, WELL};

/// A directory and its files that nobody may change, not even root, nor through a file that is open; until this is dropped.
struct ReadOnly(Vec<PathBuf>);

impl ReadOnly {
    /// `None` where this user may not do that, or the file system does not know it.
    fn turn(directory: &Path) -> Option<Self> {
        let files = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
        let all = Self(files.chain([directory.to_owned()]).collect());
        let done = all.0.iter().all(|path| Self::change("+i", path));
        // What is mapped into memory and was changed there stays writable until it has been written down.
        let written = all.0.iter().all(|path| std::fs::File::open(path).is_ok_and(|file| file.sync_all().is_ok()));
        let holds = done && written && std::fs::write(directory.join("new"), "").is_err();
        holds.then_some(all)
    }

    fn change(flag: &str, path: &Path) -> bool {
        let changed = Command::new("chattr").arg(flag).arg(path).output();
        changed.is_ok_and(|output| output.status.success())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            Self::change("-i", path);
        }
    }
}

#[test]
fn a_store_that_turns_read_only_and_back_costs_no_run_and_no_page_and_loses_nothing() {
    // The temporary folder may be in memory, where open files can still be written.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("serinus.db");
    let (target, pager) = (Target::start(), Pager::start());
    let names = ["p0", "p1", "p2"];
    let probes = names.map(|name| probe(name, target.address, ""));
    let settings = format!("[store]\nurl = \"sqlite:{}\"\n{}", path.display(), channel(&pager, "hook"));
    let mut service = Service::new(&probes, &settings).start();
    service.more_of_each(2.0, names, "passed");
    let read_only = ReadOnly::turn(folder.path()).expect(
        "nothing can be made immutable here: this test takes root (CAP_LINUX_IMMUTABLE), `chattr` of e2fsprogs, and a target \
         directory on a file system that knows the immutable flag, such as ext4",
    );
    let writable = |service: &Service| service.json("/api/v1/status")["store"]["writable"] == true;
    service.until("the store cannot be written", |service| !writable(service));
    target.set("/p1", BROKEN);
    pager.until("without a store", |page| page.is("opened", "probe/p1"));
    service.more_of_each(3.0, ["p0", "p2"], "passed");
    target.set("/p1", WELL);
    pager.until("of the end", |page| page.is("well", "probe/p1"));
    assert!(!service.json("/api/v1/runs?limit=5")["items"].as_array().unwrap().is_empty(), "it can still be read");
    assert!(!writable(&service));
    drop(read_only);
    service.until("the store can be written again", writable);
    let ran = names.map(|name| service.runs(name, "passed") + service.runs(name, "failed"));
    assert!(service.metric("serinus_store_dropped_total", &[]) < 1.0);
    assert!(service.stop().success());
    let store = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, f64>(0)).unwrap();
    for (name, ran) in names.into_iter().zip(ran) {
        let kept = count(&format!("SELECT count(*) FROM runs WHERE canary = (SELECT id FROM canaries WHERE name = '{name}/eu')"));
        assert!(kept >= ran, "{name}: {kept} of {ran} runs are kept");
    }
    assert!((count("SELECT count(*) FROM incidents WHERE resolved_ms IS NOT NULL") - 1.0).abs() < 0.1);
}
