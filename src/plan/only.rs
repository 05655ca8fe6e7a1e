//! The part of a probe that is needed to make some of its steps.
//!
//! Owns what counts as needed. To a step belongs what gives it the names that it or its cleanup reads, the step from whose end its
//! waiting is measured, every step before it that waits for what it reads as well, every guard before it, and what before it may have prepared its device (signed it in, written, connected):
//! cookies and data are nowhere declared, so that a step that changes something on the same device counts. And a step that deletes by a name
//! that one of these captured, so that nothing is left behind. Reading steps that nothing depends on are what is saved.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::iter::once;
use std::sync::Arc;

use super::{Action, Canary, Condition, Loop, Plan, Probe, Step, find, journey};

/// The name of the device of a step that names none.
const DEFAULT_DEVICE: &str = "default";

/// Names of the steps of a probe that are made, and of those that are left out, both in the order of the probe. A `parallel` of which
/// some entry is made is among the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What is made.
    pub made: Vec<Arc<str>>,
    /// What is not.
    pub left_out: Vec<Arc<str>>,
}

/// A step that does something, and the one it stands in, if that is a `parallel`.
struct Place<'a> {
    step: &'a Step,
    group: Option<&'a Step>,
}

impl Place<'_> {
    fn is_called(&self, name: &str) -> bool {
        *self.step.name == *name || self.group.is_some_and(|group| *group.name == *name)
    }

    /// Every name that the step, its cleanup and the loop around it read.
    fn names_read(&self) -> BTreeSet<String> {
        let names = RefCell::new(BTreeSet::new());
        let note = |name: &str| {
            names.borrow_mut().insert(name.to_owned());
            false
        };
        for step in once(self.step).chain(&self.step.cleanup) {
            step.reads(&note);
        }
        let mut names = names.into_inner();
        // Not what the steps beside it read.
        if let Some(group) = self.group {
            names.extend(group.when.iter().flat_map(Condition::names));
            if let Some(Loop::ForEach { items, .. }) = &group.looping {
                names.extend(items.names());
            }
        }
        names
    }
}

/// The part that is needed for these steps, which the probe must have.
pub fn excerpt_for(probe: &Probe, wanted: &[&str]) -> Excerpt {
    let places: Vec<Place<'_>> = probe.steps.iter().flat_map(places).collect();
    let captured: BTreeSet<&str> = places.iter().flat_map(|place| place.step.captured_names()).map(|name| &**name).collect();
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    let mut open: Vec<usize> = (0..places.len()).filter(|&at| wanted.iter().any(|name| places[at].is_called(name))).collect();
    while !open.is_empty() {
        while let Some(at) = open.pop() {
            if needed.insert(at) {
                let mut read = places[at].names_read();
                read.retain(|name| captured.contains(name.as_str()));
                open.extend((0..at).filter(|&before| is_needed(probe, &places, (before, at), &read)));
            }
        }
        open.extend((0..places.len()).filter(|at| !needed.contains(at) && deletes_for(&places, *at, &needed)));
    }
    let is_made = |step: &Step| {
        let inside = |at: &usize| places[*at].is_called(&step.name);
        needed.iter().any(inside)
    };
    let (made, left_out): (Vec<&Step>, Vec<&Step>) = journey(&probe.steps).partition(|step| is_made(step));
    let names = |steps: Vec<&Step>| steps.into_iter().map(|step| Arc::clone(&step.name)).collect();
    Excerpt { made: names(made), left_out: names(left_out) }
}

fn places(step: &Step) -> Vec<Place<'_>> {
    match step.action.kind() {
        Some(_) => vec![Place { step, group: None }],
        None => step.action.entries().iter().map(|entry| Place { step: entry, group: Some(step) }).collect(),
    }
}

/// Whether the step at `before` is needed by the one at `at`, which reads these captured names.
fn is_needed(probe: &Probe, places: &[Place<'_>], (before, at): (usize, usize), read: &BTreeSet<String>) -> bool {
    let (step, before) = (places[at].step, &places[before]);
    let waits_for_the_same = || before.step.eventually.is_some() && before.names_read().iter().any(|name| read.contains(name));
    if together(before.group, places[at].group) {
        return false;
    }
    !before.step.guard.is_empty()
        || before.step.captured_names().any(|name| read.contains(&**name))
        || waits_for_the_same()
        || waits_for(probe, &places[at], before)
        || before.step.action.prepares() && may_be_one_device(before.step, step)
}

/// Whether the step at `at` deletes by a name that a step before it among these captured, which made something.
fn deletes_for(places: &[Place<'_>], at: usize, made: &BTreeSet<usize>) -> bool {
    let deletes = matches!(&places[at].step.action, Action::Http(action) if action.method == http::Method::DELETE);
    deletes && {
        let read = places[at].names_read();
        let makes =
            |before: &Place<'_>| before.step.action.prepares() && before.step.captured_names().any(|name| read.contains(&**name));
        made.range(..at).any(|before| makes(&places[*before]))
    }
}

fn together(one: Option<&Step>, other: Option<&Step>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.name == other.name)
}

/// Whether the waiting of this step is measured from this one: from that which it names or, without a name, from the one before.
fn waits_for(probe: &Probe, place: &Place<'_>, before: &Place<'_>) -> bool {
    let Some(eventually) = &place.step.eventually else { return false };
    if let Some(since) = &eventually.since {
        return before.is_called(since);
    }
    let own = place.group.unwrap_or(place.step);
    let position = probe.steps.iter().position(|step| step.name == own.name);
    let previous = position.and_then(|position| probe.steps.get(position.checked_sub(1)?));
    previous.is_some_and(|previous| before.is_called(&previous.name))
}

/// Whether both may act on the same device. A device that a loop chooses may be any.
fn may_be_one_device(one: &Step, other: &Step) -> bool {
    let name = |step: &'_ Step| match &step.device {
        None => Some(DEFAULT_DEVICE.to_owned()),
        Some(device) if device.names().is_empty() => Some(device.source().to_owned()),
        Some(_) => None,
    };
    name(one).zip(name(other)).is_none_or(|(one, other)| one == other)
}

impl Plan {
    /// The same with only this part of each probe; probes of which nothing is made have no canaries.
    ///
    /// # Panics
    /// If somebody else holds the plan's probes: they are made anew, and must be the only ones.
    #[must_use]
    pub fn only(self: Arc<Self>, part: impl Fn(&Probe) -> Option<Excerpt>) -> Arc<Self> {
        const ALONE: &str = "nobody else holds a plan that was just loaded";
        let mut plan = Arc::into_inner(self).expect(ALONE);
        let canaries = std::mem::take(&mut plan.canaries).into_iter().map(|canary| {
            let Canary { id, probe, region, cell } = Arc::into_inner(canary).expect(ALONE);
            (id, Arc::clone(&probe.name), region, cell)
        });
        let canaries: Vec<_> = canaries.collect();
        let probes = std::mem::take(&mut plan.probes).into_iter().filter_map(|probe| {
            let part = part(&probe)?;
            let mut probe = Arc::into_inner(probe).expect(ALONE);
            keep(Arc::get_mut(&mut probe.steps).expect(ALONE), &part.made);
            Some(Arc::new(probe))
        });
        plan.probes = probes.collect();
        let of = |name: &str| plan.probes.iter().find(|probe| *probe.name == *name).cloned();
        let made_anew = canaries
            .into_iter()
            .filter_map(|(id, name, region, cell)| Some(Arc::new(Canary { id, probe: of(&name)?, region, cell })));
        plan.canaries = made_anew.collect();
        Arc::new(plan)
    }
}

fn keep(steps: &mut Vec<Step>, made: &[Arc<str>]) {
    steps.retain(|step| made.contains(&step.name));
    for step in steps {
        if let Action::Parallel(entries) = &mut step.action {
            keep(entries, made);
        }
    }
}

impl Probe {
    /// Whether it makes a step of that name by itself, which those of cleanups are not.
    pub fn has_step(&self, name: &str) -> bool {
        find(&self.steps, name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_probes;

    /// A journey with a guard, two devices, a read that nobody depends on, a parallel, and a search by what was only sent.
    const JOURNEY: &str = r#"
name = "p"
owner = "o"
runbook = "https://example.com"
every = "1m"
deadline = "20s"
[devices.phone]
[devices.tablet]

[[step]]
name = "is a test"
http.get = "http://h/plan"
guard = ["json.billable == false"]
expect = ["status == 200"]

[[step]]
name = "sign in"
for_each = "device in ['phone', 'tablet']"
device = "{{ device }}"
http.post = "http://h/sessions"
expect = ["status == 200"]

[[step]]
name = "look around"
device = "phone"
http.get = "http://h/"
expect = ["status == 200"]

[[step]]
name = "settings"
device = "tablet"
http.get = "http://h/settings"
expect = ["status == 200"]
capture = { zone = "json.zone" }

[[step]]
name = "create"
device = "phone"
http.post = "http://h/lists"
expect = ["status == 201"]
capture = { made = "json.id" }
[step.cleanup]
http.delete = "http://h/lists/{{ made }}?zone={{ zone | urlencode }}"
expect = ["status == 204"]

[[step]]
name = "read"
device = "tablet"
http.get = "http://h/lists/{{ made }}"
eventually = { within = "2s", poll = "100ms", since = "create" }
expect = ["status == 200"]

[[step]]
name = "history"
device = "tablet"
http.get = "http://h/lists/{{ made }}/history"
expect = ["status == 200"]

[[step]]
name = "both"
[[step.parallel]]
name = "left"
device = "phone"
http.get = "http://h/lists/{{ made }}/left"
expect = ["status == 200"]
[[step.parallel]]
name = "right"
http.get = "http://h/right"
expect = ["status == 200"]

[[step]]
name = "search"
http.get = "http://h/search"
eventually = { within = "2s", poll = "100ms" }
expect = ["status == 200"]
"#;

    fn plan() -> Arc<Plan> {
        plan_of(JOURNEY)
    }

    fn plan_of(text: &str) -> Arc<Plan> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        std::fs::write(&path, text).unwrap();
        let loaded = load_probes(&[path], None, []);
        let problems = loaded.diagnostics.render(false);
        loaded.service.expect(&problems).plan
    }

    fn part(wanted: &[&str]) -> (String, String) {
        let Excerpt { made, left_out } = excerpt_for(&plan().probes[0], wanted);
        (made.join(", "), left_out.join(", "))
    }

    #[test]
    fn a_step_has_what_it_reads_what_its_cleanup_reads_what_prepares_its_device_and_every_guard_before_it() {
        let (made, left_out) = part(&["read"]);
        assert_eq!(made, "is a test, sign in, settings, create, read");
        assert_eq!(left_out, "look around, history, both, left, right, search");
        assert_eq!(part(&["is a test"]).0, "is a test");
        assert_eq!(part(&["look around"]).0, "is a test, sign in, look around");
        // Without the wait for what was made it would come too early.
        assert_eq!(part(&["history"]).0, "is a test, sign in, settings, create, read, history");
    }

    #[test]
    fn an_entry_of_a_parallel_is_made_without_those_beside_it_and_the_parallel_with_all() {
        // The device of `right` is the default one, which a loop over devices might choose.
        assert_eq!(part(&["right"]).0, "is a test, sign in, both, right");
        assert_eq!(part(&["left"]).0, "is a test, sign in, settings, create, read, both, left");
        assert!(part(&["both"]).0.ends_with("both, left, right"));
    }

    #[test]
    fn a_step_that_waits_without_saying_since_when_has_the_step_before_it() {
        assert!(part(&["search"]).0.ends_with("create, read, both, left, right, search"));
    }

    #[test]
    fn a_step_that_deletes_what_another_made_comes_with_it() {
        let deleting = "http.delete = \"http://h/lists/{{ made }}\"\ndevice = \"tablet\"\nexpect = [\"status == 204\"]\n";
        let text = format!(
            "{JOURNEY}\n[[step]]\nname = \"delete\"\n{deleting}[[step]]\nname = \"other\"\n{}",
            deleting.replace("{{ made }}", "x")
        );
        let plan = plan_of(&text);
        let probe = &plan.probes[0];
        let made = excerpt_for(probe, &["create"]).made.join(", ");
        assert_eq!(made, "is a test, sign in, settings, create, read, delete");
        assert_eq!(excerpt_for(probe, &["look around"]).made.join(", "), "is a test, sign in, look around");
    }

    #[test]
    fn a_plan_of_a_part_has_its_steps_alone_and_the_same_canaries() {
        let plan = plan();
        let (id, steps) = (plan.canaries[0].id.clone(), plan.probes[0].steps.len());
        let part_of = |probe: &Probe| probe.has_step("left").then(|| excerpt_for(probe, &["left"]));
        let narrowed = plan.only(part_of);
        assert_eq!((narrowed.canaries.len(), &narrowed.canaries[0].id), (1, &id));
        let made: Vec<&str> = journey(&narrowed.canaries[0].probe.steps).map(|step| &*step.name).collect();
        assert_eq!(made, ["is a test", "sign in", "settings", "create", "read", "both", "left"]);
        assert_eq!((steps, narrowed.probes[0].steps.len()), (9, 6));
        assert!(narrowed.only(|_| None).canaries.is_empty());
    }
}
