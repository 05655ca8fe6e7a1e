//! The one walk over the steps of a probe.
//!
//! Owns the order in which steps are met and what lies inside a step: first the step itself, then the entries of its `parallel`
//! in their order, then the steps of its `cleanup` in theirs. All code that visits steps goes
//! through [`walk`] or [`journey`], so a new way to hold steps is added only here.

use std::slice::from_ref;

use super::Step;

/// A step that is met on the walk, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// The step.
    pub step: &'a Step,
    /// How many steps lie around it: none around a step of the probe itself.
    pub depth: usize,
    /// The `parallel` it is an entry of.
    pub group: Option<&'a Step>,
    /// The step whose `cleanup` it belongs to.
    pub undoes: Option<&'a Step>,
}

/// All steps, those of cleanups included.
pub fn walk(steps: &[Step]) -> impl Iterator<Item = Visit<'_>> {
    Walk { left: visits(steps, 0, None, None), into_cleanups: true }
}

/// The steps that runs make one after the other or side by side, without those of cleanups.
pub fn journey(steps: &[Step]) -> impl Iterator<Item = &Step> {
    Walk { left: visits(steps, 0, None, None), into_cleanups: false }.map(|visit| visit.step)
}

impl Step {
    /// The step and, if it is a `parallel`, its entries.
    pub fn with_entries(&self) -> impl Iterator<Item = &Self> {
        journey(from_ref(self))
    }
}

/// The step of that name. A cleanup's is not looked for: nothing but its own step refers to it.
pub fn find<'a>(steps: &'a [Step], name: &str) -> Option<&'a Step> {
    journey(steps).find(|step| *step.name == *name)
}

struct Walk<'a> {
    /// What is still to be met, the next one last.
    left: Vec<Visit<'a>>,
    into_cleanups: bool,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Visit<'a>;

    fn next(&mut self) -> Option<Visit<'a>> {
        let visit = self.left.pop()?;
        let Visit { step, depth, undoes, .. } = visit;
        if self.into_cleanups {
            self.left.extend(visits(&step.cleanup, depth + 1, None, Some(step)));
        }
        self.left.extend(visits(step.action.entries(), depth + 1, Some(step), undoes));
        Some(visit)
    }
}

/// Visits of steps that stand side by side, the first one last.
fn visits<'a>(steps: &'a [Step], depth: usize, group: Option<&'a Step>, undoes: Option<&'a Step>) -> Vec<Visit<'a>> {
    steps.iter().rev().map(|step| Visit { step, depth, group, undoes }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Action, testing};

    fn step(name: &str, entries: Vec<Step>, cleanup: Vec<Step>) -> Step {
        Step { action: Action::Parallel(entries), cleanup, ..testing::step(name) }
    }

    fn alone(name: &str) -> Step {
        step(name, Vec::new(), Vec::new())
    }

    #[test]
    fn steps_are_met_in_their_order_with_what_is_inside_them_and_where_they_stand() {
        let both = step("both", vec![step("left", Vec::new(), vec![alone("undo left")]), alone("right")], Vec::new());
        let steps = [step("create", Vec::new(), vec![alone("undo 1"), alone("undo 2")]), both, alone("read")];
        let met: Vec<_> = walk(&steps)
            .map(|visit| {
                let name = |step: Option<&Step>| step.map_or(String::new(), |step| step.name.to_string());
                format!("{} {} {}>{}", visit.depth, visit.step.name, name(visit.group), name(visit.undoes))
            })
            .collect();
        let expected = [
            "0 create >",
            "1 undo 1 >create",
            "1 undo 2 >create",
            "0 both >",
            "1 left both>",
            "2 undo left >left",
            "1 right both>",
            "0 read >",
        ];
        assert_eq!(met, expected);
        let made: Vec<&str> = journey(&steps).map(|step| &*step.name).collect();
        assert_eq!(made, ["create", "both", "left", "right", "read"]);
        assert_eq!(steps[1].with_entries().count(), 3);
        assert!(find(&steps, "right").is_some() && find(&steps, "undo 1").is_none());
    }
}
