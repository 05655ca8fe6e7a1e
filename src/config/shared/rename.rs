//! What `as` puts before the names of a file's steps and of what they capture, so that a probe can use the file twice.

use std::borrow::Cow;

use super::super::tree::{Data, Node, Table};

/// What a use is called.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefix {
    /// Before names of steps: `phone: `.
    pub(super) title: String,
    /// Before names that expressions use: `phone_`.
    pub(super) name: String,
}

impl Prefix {
    /// That of a use within this one.
    pub(super) fn within(&self, word: Option<&str>) -> Self {
        match word {
            None => self.clone(),
            Some(word) => Self { title: format!("{}{word}: ", self.title), name: format!("{}{word}_", self.name) },
        }
    }
}

/// Tables of a step whose keys are names that steps behind it use.
const NAMING: [&str; 3] = ["capture", "carry", "collect"];

/// Names that a step gives to what it finds, those of its entries and cleanups included.
pub(super) fn names<'a>(step: &'a Node<'_>) -> Vec<&'a str> {
    let Some(table) = step.as_table() else { return Vec::new() };
    let own = NAMING.iter().flat_map(|key| table.entries_of(key)).map(|entry| &*entry.key);
    own.chain(inner(table).flat_map(names)).collect()
}

/// Steps inside of a step.
fn inner<'a, 'f>(table: &'a Table<'f>) -> impl Iterator<Item = &'a Node<'f>> {
    ["parallel", "cleanup"].into_iter().filter_map(|key| table.get(key)).flat_map(|node| match &node.data {
        Data::List(items) => &items[..],
        _ => std::slice::from_ref(node),
    })
}

/// Puts the prefix before the names in a step.
pub(super) fn rename(step: &mut Node<'_>, prefix: &Prefix) {
    let Data::Table(table) = &mut step.data else { return };
    for entry in &mut table.entries {
        match (&*entry.key, &mut entry.value.data) {
            ("name", Data::Text(name)) => before(name, &prefix.title),
            ("eventually", Data::Table(eventually)) => {
                for since in eventually.entries.iter_mut().filter(|entry| entry.key == "since") {
                    if let Data::Text(name) = &mut since.value.data {
                        before(name, &prefix.title);
                    }
                }
            }
            (key, Data::Table(named)) if NAMING.contains(&key) => {
                named.entries.iter_mut().for_each(|entry| before(&mut entry.key, &prefix.name));
            }
            ("parallel" | "cleanup", Data::List(steps)) => steps.iter_mut().for_each(|step| rename(step, prefix)),
            ("cleanup", Data::Table(_)) => rename(&mut entry.value, prefix),
            _ => {}
        }
    }
}

fn before(text: &mut Cow<'_, str>, prefix: &str) {
    if !prefix.is_empty() {
        *text = Cow::Owned(format!("{prefix}{text}"));
    }
}
