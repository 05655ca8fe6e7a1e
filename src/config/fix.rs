//! `check --fix`: the files with their mends in them, as texts. Writing them is the caller's business.
//!
//! Mends that overlap wait for the next round, which loads again. A mend after which the file would not be TOML is not made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::{Location, SourceFile};

use super::load::Loaded;
use super::mend::{Edit, Mend};
use super::{Diagnostics, parse};

/// A file with mends in it.
#[derive(Debug)]
pub struct MendedFile {
    /// Which.
    pub path: PathBuf,
    /// What it said when it was read.
    pub before: Arc<SourceFile>,
    /// What it is to say.
    pub after: String,
    /// What changes.
    pub changes: Vec<Change>,
}

/// One edit, for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it was.
    pub location: Location,
    /// What stood there.
    pub old: String,
    /// What stands there now.
    pub new: String,
}

impl Loaded {
    /// The files of the configuration of which some problem has an obvious mend, with as many mends as fit beside each other.
    pub fn mended(&self) -> Vec<MendedFile> {
        let mut by_file: BTreeMap<&Path, Vec<&Mend>> = BTreeMap::new();
        for mend in self.diagnostics.iter().filter_map(|diagnostic| diagnostic.mend.as_ref()) {
            // What came from an environment variable is in no file.
            if self.files.iter().any(|file| file == mend.file.path()) {
                by_file.entry(mend.file.path()).or_default().push(mend);
            }
        }
        by_file.into_values().filter_map(|mends| mended(&mends)).collect()
    }
}

fn mended(mends: &[&Mend]) -> Option<MendedFile> {
    let file = &mends.first()?.file;
    let mut taken: Vec<&Edit> = Vec::new();
    for mend in mends {
        if !mend.edits.iter().any(|edit| taken.iter().any(|other| overlap(edit, other))) {
            taken.extend(&mend.edits);
        }
    }
    let one_by_one = || mends.iter().map(|mend| mend.edits.iter().collect::<Vec<_>>());
    let (edits, after) =
        std::iter::once(taken).chain(one_by_one()).find_map(|edits| applied(file, &edits).map(|after| (edits, after)))?;
    let change = |edit: &&Edit| Change {
        location: file.location(edit.span.start),
        old: file.text()[edit.span.start..edit.span.end].to_owned(),
        new: edit.text.clone(),
    };
    let mut changes: Vec<Change> = edits.iter().map(change).collect();
    changes.sort_by(|one, other| one.location.cmp(&other.location));
    Some(MendedFile { path: file.path().to_owned(), before: Arc::clone(file), after, changes })
}

fn overlap(one: &Edit, other: &Edit) -> bool {
    one.span.start == other.span.start || one.span.start < other.span.end && other.span.start < one.span.end
}

/// The text with these edits, if it is TOML still.
fn applied(file: &SourceFile, edits: &[&Edit]) -> Option<String> {
    let mut text = file.text().to_owned();
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span));
    for edit in edits {
        text.replace_range(edit.span.start..edit.span.end, &edit.text);
    }
    let file = Arc::new(SourceFile::new(file.path(), text));
    parse::parse(&file, &mut Diagnostics::default())?;
    Some(file.text().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::config::load_probes;

    /// A probe with `top` above its steps and `steps` behind its first one, and what becomes of it in so many rounds as it takes.
    fn fixed(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let mut text = text.to_owned();
        for _ in 0..10 {
            std::fs::write(&path, &text).unwrap();
            let mended = load_probes(std::slice::from_ref(&path), None, Vec::new()).mended();
            let Some(file) = mended.into_iter().next() else { return text };
            assert_ne!(file.after, text, "a mend changes something");
            text = file.after;
        }
        panic!("it never ends: {text}");
    }

    const TOP: &str = "name = \"p\"\nowner = \"o\"\nrunbook = \"https://example.com\"\nevery = \"1m\"\ndeadline = \"9s\"\n";

    fn probe(top: &str, step: &str) -> String {
        format!("{TOP}{top}[[step]]\nname = \"read\"\nexpect = [\"status == 200\"]\n{step}")
    }

    #[test]
    fn a_key_below_the_header_of_a_cleanup_moves_above_it_where_that_is_its_step() {
        let get = "http.get = \"https://example.com/\"\n";
        let cleanup = "  [step.cleanup]\n  http.delete = \"https://example.com/\"\n";
        let moved = fixed(&probe("", &format!("{get}\n{cleanup}  repeat = 2 # twice\n  guard = \"true\"\n")));
        assert_eq!(moved, probe("", &format!("{get}repeat = 2 # twice\nguard = \"true\"\n\n{cleanup}")));
        // The comment of a header stays with it.
        let above = format!("{get}\n# it goes\n# after all\n{cleanup}");
        let moved = fixed(&probe("", &format!("{above}  repeat = 2\n")));
        assert_eq!(moved, probe("", &above.replacen(get, &format!("{get}repeat = 2\n"), 1)));
        // Above this header another table begins, whose key it would become.
        let inner = "[step.http]\nget = \"https://example.com/\"\n";
        for kept in [format!("{inner}{cleanup}  repeat = 2\n"), format!("{get}{cleanup}  matrix = {{ a = [1,\n2] }}\n")] {
            let kept = probe("", &kept);
            assert_eq!(fixed(&kept), kept);
        }
    }

    #[test]
    fn comments_and_what_would_be_there_twice_are_left_to_the_author() {
        let get = "http.get = \"https://example.com/\"\n";
        let kept = [
            // The name is taken.
            probe("deadlin = \"3s\"\n", get),
            // The comment may be about either.
            probe("[matrix]\nsize = [1, # small\n  1]\n", get),
            // The text of the value is not the value.
            probe("overlap = \"sk\\u0070i\"\n", get),
            // Letters of several bytes.
            probe("overlap = \"škip\"\n[devices.é]\n", &format!("device = \"é\"\n{get}")).replace("škip", "ü"),
            // Two names are alike.
            probe("[devices.tablet1]\n[devices.tablet2]\n", &format!("device = \"tablet\"\n{get}")),
        ];
        for kept in kept {
            assert_eq!(fixed(&kept), kept);
        }
    }

    #[test]
    fn a_list_loses_what_it_has_twice_and_a_line_of_words_that_are_of_no_use_goes() {
        let get = "http.get = \"https://example.com/\"\n";
        let before = probe("[matrix]\nsize = [1, 2,\n  1,\n  3, 1]\n", get);
        assert_eq!(fixed(&before), probe("[matrix]\nsize = [1, 2,\n  3]\n", get));
        // Without a service's file no word is known to be of no use, so that here it is mended by its name alone.
        let before = probe("allow = [\"lint::unowned\", \"unownd\"]\n", get);
        assert_eq!(fixed(&before), probe("allow = [\"unowned\"]\n", get));
    }
}
