//! The files of a configuration as they were read, and a cheap check of whether they may have changed.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often files are checked for changes while they are being read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Files with what stood in them, as a hash; none where a file could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<PathBuf, Option<u64>>);

impl Files {
    /// Reads them. Blocks.
    pub fn read(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), hash(&path))).collect())
    }

    /// Their paths.
    pub(super) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.0.keys()
    }

    /// `1 file changed, 2 added`, or that nothing did.
    pub(super) fn difference(&self, later: &Self) -> String {
        let both = |path: &PathBuf| self.0.contains_key(path) && later.0.contains_key(path);
        let changed = self.0.iter().filter(|(path, hash)| both(path) && later.0.get(*path) != Some(*hash)).count();
        let added = later.0.keys().filter(|path| !both(path)).count();
        let gone = self.0.keys().filter(|path| !both(path)).count();
        let counts: Vec<String> = [(changed, "changed"), (added, "added"), (gone, "removed")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {} {word}", if count == 1 { "file" } else { "files" }))
            .collect();
        if counts.is_empty() { "no file changed".to_owned() } else { counts.join(", ") }
    }
}

fn hash(path: &Path) -> Option<u64> {
    // A file that is not regular may have no end, or nobody at its other end.
    let is_file = std::fs::metadata(path).ok()?.is_file();
    let mut file = is_file.then(|| File::open(path).ok()).flatten()?;
    let mut hasher = DefaultHasher::new();
    let mut block = vec![0; 64 << 10];
    loop {
        match file.read(&mut block).ok()? {
            0 => return Some(hasher.finish()),
            bytes => hasher.write(&block[..bytes]),
        }
    }
}

/// The metadata of files and folders. Links are followed, so that a link that leads elsewhere now is noticed; a folder's stamp
/// changes with the names in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamps(Vec<Option<[i128; 4]>>);

impl Stamps {
    /// Looks at them. Blocks.
    pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Self {
        let stamp = |of: Metadata| {
            let modified = i128::from(of.mtime()) * 1_000_000_000 + i128::from(of.mtime_nsec());
            [i128::from(of.dev()), i128::from(of.ino()), i128::from(of.len()), modified]
        };
        Self(paths.into_iter().map(|path| std::fs::metadata(path).ok().map(stamp)).collect())
    }
}

/// Waits for a change of files, for a command that does its work anew after each.
#[derive(Debug, Default)]
pub struct FileWatch {
    paths: Vec<PathBuf>,
    /// As they were before they were read last.
    before: Stamps,
}

impl FileWatch {
    /// How often they are looked at.
    const PERIOD: Duration = Duration::from_millis(250);

    /// They are about to be read: what changes from now on is a change. Blocks.
    pub fn about_to_read(&mut self) {
        self.before = Stamps::of(&self.paths);
    }

    /// These have been read, or tried. Blocks.
    pub fn have_read(&mut self, paths: Vec<PathBuf>) {
        if paths != self.paths {
            self.before = Stamps::of(&paths);
            self.paths = paths;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Waits until one has changed and writing it is over, which is so when two looks in a row find the same. Gives what has changed.
    pub async fn changed(&self) -> Vec<PathBuf> {
        let mut rounds = tokio::time::interval(Self::PERIOD);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            rounds.tick().await;
            let paths = self.paths.clone();
            let Ok(now) = tokio::task::spawn_blocking(move || Stamps::of(&paths)).await else { continue };
            if now != self.before && last.as_ref() == Some(&now) {
                let both = self.before.0.iter().zip(&now.0);
                return self
                    .paths
                    .iter()
                    .zip(both)
                    .filter(|(_, (one, other))| one != other)
                    .map(|(path, _)| path.clone())
                    .collect();
            }
            last = Some(now);
        }
    }
}

/// Whether files have changed since these stamps. They are checked at most once a second.
pub(super) struct ChangeCheck<'p> {
    paths: &'p [PathBuf],
    before: &'p Stamps,
    looked: Mutex<(Instant, bool)>,
}

impl<'p> ChangeCheck<'p> {
    pub(super) fn new(paths: &'p [PathBuf], before: &'p Stamps) -> Self {
        Self { paths, before, looked: Mutex::new((Instant::now(), false)) }
    }

    /// Whether any has. Blocks.
    pub(super) fn any(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.0.elapsed() > LOOK_AGAIN {
            *looked = (Instant::now(), Stamps::of(self.paths) != *self.before);
        }
        looked.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_counted_and_a_touch_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["kept", "changed", "gone"] {
            std::fs::write(path(name), name).unwrap();
        }
        let before = Files::read(["kept", "changed", "gone"].map(path));
        std::fs::write(path("kept"), "kept").unwrap();
        assert_eq!(before.difference(&Files::read(["kept", "changed", "gone"].map(path))), "no file changed");
        std::fs::write(path("changed"), "otherwise").unwrap();
        std::fs::write(path("new"), "new").unwrap();
        let after = Files::read(["kept", "changed", "new"].map(path));
        assert_eq!(before.difference(&after), "1 file changed, 1 file added, 1 file removed");
    }

    #[test]
    fn a_link_that_leads_elsewhere_and_a_name_in_a_folder_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["one", "two"] {
            std::fs::create_dir(path(name)).unwrap();
            std::fs::write(path(name).join("file"), "same length").unwrap();
        }
        std::os::unix::fs::symlink("one", path("current")).unwrap();
        let watched = [path("current/file"), path("one")];
        let before = Stamps::of(&watched);
        assert_eq!(before, Stamps::of(&watched));
        std::os::unix::fs::symlink("two", path("next")).unwrap();
        std::fs::rename(path("next"), path("current")).unwrap();
        let swapped = Stamps::of(&watched);
        assert_ne!(before, swapped);
        std::fs::write(path("one").join("more"), "").unwrap();
        assert_ne!(swapped, Stamps::of(&watched));
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(Files::read([pipe.clone()]), Files(BTreeMap::from([(pipe, None)])));
    }

    #[test]
    fn what_changes_while_it_is_being_read_is_seen_at_the_next_look() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("file")];
        let before = Stamps::of(&paths);
        let changes = ChangeCheck::new(&paths, &before);
        std::fs::write(&paths[0], "new").unwrap();
        assert!(!changes.any(), "it was looked at just now");
        *changes.looked.lock().unwrap() = (Instant::now().checked_sub(LOOK_AGAIN * 2).unwrap(), false);
        assert!(changes.any());
    }
}
