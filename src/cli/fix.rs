//! `serinus check --fix`: puts the obvious mends into the files, each file at once, and says what it changed.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::config::{Change, Loaded, MendedFile};

use super::exit::Failure;
use super::style::printable;

/// Rounds of checking and mending. A mend that overlaps another one waits for the next.
const ROUNDS: usize = 20;

/// Mends what `load` finds until nothing more has an obvious mend. `dry`: nothing is written, so that there is one round.
/// A service's file that was not meant (`beside`) stays as it is. Returns what was loaded last, and what changed.
pub(super) fn fix(load: &dyn Fn() -> Loaded, beside: Option<&Path>, dry: bool) -> Result<(Loaded, Vec<Change>), Failure> {
    let mut changes = Vec::new();
    let mut loaded = load();
    for _ in 0..ROUNDS {
        let mut mended = loaded.mended();
        mended.retain(|file| Some(file.path.as_path()) != beside);
        if mended.is_empty() {
            break;
        }
        let mut written: Vec<PathBuf> = Vec::new();
        for file in mended {
            let failed =
                |error: io::Error| Failure::prober(format!("cannot write {}: {error}", printable(&file.path.to_string_lossy())));
            // Two names of one file are one file, and its second name finds it mended already.
            let path = file.path.canonicalize().map_err(failed)?;
            if written.contains(&path) {
                continue;
            }
            if !dry {
                replace(&path, &file).map_err(failed)?;
            }
            written.push(path);
            changes.extend(file.changes);
        }
        if dry {
            break;
        }
        loaded = load();
    }
    Ok((loaded, changes))
}

/// Puts a file's new text in the place of the old one in one step, with its permissions and its owner.
fn replace(path: &Path, file: &MendedFile) -> io::Result<()> {
    let of_old = std::fs::metadata(path)?;
    if !of_old.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if std::fs::read(path)? != file.before.text().as_bytes() {
        return Err(io::Error::other("it changed while it was checked; run it again"));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut beside = Beside::new(folder.join(format!(".serinus-fix-{:016x}", fastrand::u64(..))))?;
    beside.file.write_all(file.after.as_bytes())?;
    let of_new = beside.file.metadata()?;
    if (of_old.uid(), of_old.gid()) != (of_new.uid(), of_new.gid()) {
        chown(&beside.path, Some(of_old.uid()), Some(of_old.gid()))?;
    }
    beside.file.set_permissions(of_old.permissions())?;
    beside.file.sync_all()?;
    std::fs::rename(&beside.path, path)?;
    File::open(folder)?.sync_all()
}

/// Until it has the permissions of the file that it replaces, nobody else reads what stands there.
const PRIVATE: u32 = 0o600;

/// A new file that goes with this value, unless it was renamed.
struct Beside {
    path: PathBuf,
    file: File,
}

impl Beside {
    fn new(path: PathBuf) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).mode(PRIVATE).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Once it was renamed there is nothing of this name.
        drop(std::fs::remove_file(&self.path));
    }
}

/// `probes/p.toml:4:1 deadlin → deadline`, or `- old` or `+ new` where something goes or comes: one change as a line.
pub(super) fn line(change: &Change) -> String {
    let place = printable(&change.location.to_string()).into_owned();
    let [old, new] = [&change.old, &change.new].map(|text| printable(text.trim()).into_owned());
    match (old.is_empty(), new.is_empty()) {
        (false, true) => format!("{place} - {old}"),
        (true, _) => format!("{place} + {new}"),
        (false, false) => format!("{place} {old} → {new}"),
    }
}

/// One change for programs.
pub(super) fn object(change: &Change) -> Value {
    let Change { location, old, new } = change;
    json!({ "file": location.path.to_string_lossy(), "line": location.line, "column": location.column, "old": old, "new": new })
}
