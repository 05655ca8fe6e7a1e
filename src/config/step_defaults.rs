//! `[defaults]` of a probe: keys that hold for its steps where they do not say otherwise.
//!
//! They are put into the steps before anything of those is read, so that a step that has a key by default is like one that has it written.

use super::tree::{Data, Node, Table, TableEntry};

/// Puts the defaults of a probe into its steps.
pub(super) fn apply(table: &mut Table<'_>) {
    let Some(defaults) = table.table("defaults").cloned().filter(|defaults| !defaults.entries.is_empty()) else { return };
    for entry in table.entries.iter_mut().filter(|entry| entry.key == "step") {
        each(&mut entry.value, &mut |step| fill(step, &defaults, false));
    }
}

/// Puts a device into a step that names none.
pub(super) fn device<'f>(step: &mut Node<'f>, device: &Node<'f>) {
    let Data::Table(table) = &mut step.data else { return };
    let entry = TableEntry { key: "device".into(), key_span: device.span, value: device.clone() };
    fill(table, &Table { entries: vec![entry] }, false);
}

fn each<'f>(node: &mut Node<'f>, visit: &mut dyn FnMut(&mut Table<'f>)) {
    match &mut node.data {
        Data::Table(table) => visit(table),
        Data::List(items) => items.iter_mut().for_each(|item| each(item, visit)),
        _ => {}
    }
}

fn fill<'f>(step: &mut Table<'f>, defaults: &Table<'f>, is_cleanup: bool) {
    // A `parallel` does nothing itself.
    if let Some(entry) = step.entries.iter_mut().find(|entry| entry.key == "parallel") {
        each(&mut entry.value, &mut |step| fill(step, defaults, is_cleanup));
        return;
    }
    for default in &defaults.entries {
        let means_nothing = match &*default.key {
            // A cleanup is made on the device of its step.
            "device" => is_cleanup,
            "retry" => step.entry("eventually").is_some() || goes_on(step),
            "timeout" => false,
            // It is no default, which has been reported.
            _ => true,
        };
        if !means_nothing && step.entry(&default.key).is_none() {
            step.entries.push(default.clone());
        }
    }
    for entry in step.entries.iter_mut().filter(|entry| entry.key == "cleanup") {
        each(&mut entry.value, &mut |step| fill(step, defaults, true));
    }
}

/// Whether it goes on with a connection that an earlier step opened, which is gone after a failure.
fn goes_on(step: &Table<'_>) -> bool {
    step.table("tcp").is_some_and(|tcp| tcp.entry("connect").is_none())
}
