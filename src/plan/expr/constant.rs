//! Conditions that are the same whatever a step sees, and parts in the place of a truth value that never are one.
//!
//! Known are the kinds and ranges of a step's own names (a status is a number from 100 to 999, a latency is not negative), what
//! filters yield, and that a thing is equal to itself. Nothing here changes how a condition is judged.

use std::ops::Range;

use minijinja::Value;

use super::number::Number;
use super::syntax::{Comparison, Node, NodeKind};

/// Hints: byte ranges in the source and what is the matter there.
type Hints = Vec<(Range<usize>, String)>;

/// Looks for parts of a condition that always or never hold.
pub(super) fn find(source: &str, root: &Node, found: &mut Hints) {
    let mut constant = Constant { source, found };
    constant.look(root);
    constant.kinds(root);
}

struct Constant<'s, 'f> {
    source: &'s str,
    found: &'f mut Hints,
}

impl<'s> Constant<'s, '_> {
    fn text(&self, node: &Node) -> &'s str {
        &self.source[node.span.clone()]
    }

    fn look(&mut self, node: &Node) {
        let before = self.found.len();
        match &node.kind {
            NodeKind::And(left, right) | NodeKind::Or(left, right) => {
                self.operand(left);
                self.operand(right);
            }
            NodeKind::Not(inner) => self.operand(inner),
            NodeKind::Compare(..) if self.truth(node).is_some() => {}
            _ => node.each_child(&mut |child| self.look(child)),
        }
        let compared = matches!(node.kind, NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Compare(..));
        if let (true, Some(truth)) = (compared && self.found.len() == before, self.truth(node)) {
            let how = if truth { "always holds" } else { "never holds" };
            self.found.push((node.span.clone(), format!("`{}` {how}, whatever the answer is", self.text(node))));
        }
    }

    /// One side of `and` or `or`, or what `not` stands before.
    fn operand(&mut self, node: &Node) {
        match literal(node).and_then(|value| bool::try_from(value.clone()).ok()) {
            Some(truth) => {
                let how = if truth { "always holds" } else { "never holds" };
                self.found.push((node.span.clone(), format!("`{truth}` {how}, whatever the answer is: take it out")));
            }
            None => self.look(node),
        }
    }

    /// What a condition is in any case.
    fn truth(&self, node: &Node) -> Option<bool> {
        match &node.kind {
            NodeKind::Literal(value) => bool::try_from(value.clone()).ok(),
            NodeKind::Not(inner) => self.truth(inner).map(|truth| !truth),
            NodeKind::And(left, right) => match (self.truth(left), self.truth(right)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ if self.excludes(left, right, Comparison::Equal) => Some(false),
                _ => None,
            },
            NodeKind::Or(left, right) => match (self.truth(left), self.truth(right)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ if self.excludes(left, right, Comparison::NotEqual) => Some(true),
                _ => None,
            },
            NodeKind::Compare(comparison, left, right) => self.compared(*comparison, left, right),
            _ => None,
        }
    }

    /// Whether a part of a chain compares in this way what another part compares with something else: `a == 1 and a == 2`, or
    /// `a != 1 or a != 2`.
    fn excludes(&self, left: &Node, right: &Node, comparison: Comparison) -> bool {
        let Some((name, value)) = self.fixed(right, comparison) else { return false };
        let mut at = left;
        loop {
            let (further, last) = match (&at.kind, comparison) {
                (NodeKind::And(further, last), Comparison::Equal) | (NodeKind::Or(further, last), Comparison::NotEqual) => {
                    (Some(&**further), &**last)
                }
                _ => (None, at),
            };
            if self.fixed(last, comparison).is_some_and(|(known, other)| known == name && other != value) {
                return true;
            }
            let Some(further) = further else { return false };
            at = further;
        }
    }

    /// What is compared with a literal, and with which.
    fn fixed<'n>(&self, node: &'n Node, wanted: Comparison) -> Option<(&'s str, &'n Value)> {
        let NodeKind::Compare(comparison, left, right) = &node.kind else { return None };
        let value = literal(right).filter(|_| *comparison == wanted && !calls(left))?;
        Some((self.text(left), value))
    }

    fn compared(&self, comparison: Comparison, left: &Node, right: &Node) -> Option<bool> {
        let same = self.text(left) == self.text(right) && !calls(left);
        let (low, high) = match comparison {
            Comparison::In | Comparison::NotIn => {
                let empty = matches!(&right.kind, NodeKind::List(items) if items.is_empty());
                return empty.then_some(comparison == Comparison::NotIn);
            }
            Comparison::Equal | Comparison::LessOrEqual | Comparison::GreaterOrEqual if same => return Some(true),
            Comparison::NotEqual | Comparison::Less | Comparison::Greater if same => return Some(false),
            Comparison::Greater | Comparison::GreaterOrEqual => (range(right)?, range(left)?),
            Comparison::Less | Comparison::LessOrEqual | Comparison::Equal | Comparison::NotEqual => {
                (range(left)?, range(right)?)
            }
        };
        match comparison {
            Comparison::Less | Comparison::Greater if low.1 < high.0 => Some(true),
            Comparison::Less | Comparison::Greater if low.0 >= high.1 => Some(false),
            Comparison::LessOrEqual | Comparison::GreaterOrEqual if low.1 <= high.0 => Some(true),
            Comparison::LessOrEqual | Comparison::GreaterOrEqual if low.0 > high.1 => Some(false),
            Comparison::Equal | Comparison::NotEqual if low.1 < high.0 || high.1 < low.0 => {
                Some(comparison == Comparison::NotEqual)
            }
            _ => None,
        }
    }

    /// Looks for what stands where a truth value must, and is of another kind.
    fn kinds(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::And(left, right) | NodeKind::Or(left, right) => {
                self.kinds(left);
                self.kinds(right);
            }
            NodeKind::Not(inner) => self.kinds(inner),
            _ => {
                // What can be told from the text alone is reported already.
                if let Some(kind) = kind(node).filter(|_| !node.is_never_a_bool()) {
                    let text = self.text(node);
                    let hint = format!("`{text}` is {kind}, never true or false, so this never holds: compare it with something");
                    self.found.push((node.span.clone(), hint));
                }
            }
        }
    }
}

fn literal(node: &Node) -> Option<&Value> {
    match &node.kind {
        NodeKind::Literal(value) => Some(value),
        _ => None,
    }
}

/// Whether a function is called in it, which may give another value each time.
fn calls(node: &Node) -> bool {
    let mut found = matches!(node.kind, NodeKind::Call(..));
    node.each_child(&mut |child| found |= calls(child));
    found
}

/// The name, or the name before the first `.` or `[`.
fn root(node: &Node) -> Option<(&str, bool)> {
    match &node.kind {
        NodeKind::Name(name) => Some((name, false)),
        NodeKind::Attribute(inner, _) | NodeKind::Index(inner, _) => match &inner.kind {
            NodeKind::Name(name) => Some((name, true)),
            _ => None,
        },
        _ => None,
    }
}

/// The least and the greatest that a number can be.
fn range(node: &Node) -> Option<(f64, f64)> {
    let from = |least: f64| Some((least, f64::INFINITY));
    match &node.kind {
        NodeKind::Literal(value) => Number::of(value).map(|number| (number.float(), number.float())),
        NodeKind::Negate(inner) => literal(inner).and_then(Number::of).map(|number| (-number.float(), -number.float())),
        NodeKind::Filter(filter, ..) if matches!(filter.name, "length" | "count") => from(0.0),
        _ => match root(node)? {
            ("status", false) => Some((100.0, 999.0)),
            ("latency" | "redirects", false) | ("phases", true) => from(0.0),
            ("round" | "attempt", false) => from(1.0),
            _ => None,
        },
    }
}

/// What is known of the kind of a value that is no truth value.
fn kind(node: &Node) -> Option<&'static str> {
    match &node.kind {
        NodeKind::Call(..) => Some("what a function made"),
        NodeKind::Filter(filter, ..) if !filter.may_be_bool => Some("what a filter made"),
        _ => match root(node)? {
            ("status" | "latency" | "redirects" | "round" | "attempt", false) | ("phases", true) => Some("a number"),
            ("body" | "url" | "version" | "region", false) | ("headers" | "run" | "secret", true) => Some("text"),
            ("xml" | "html", false) => Some("a document"),
            ("headers" | "phases" | "tls" | "run" | "cell", false) => Some("a map"),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::super::testing::here;

    fn hints(source: &str) -> Vec<(String, String)> {
        let hints = Condition::parse(source, here()).unwrap().hints();
        hints.into_iter().map(|(range, why)| (source[range].to_owned(), why)).collect()
    }

    #[test]
    fn what_always_or_never_holds_is_pointed_at() {
        for (source, part, how) in [
            ("status == 200 or true", "true", "always holds"),
            ("status == 200 and false", "false", "never holds"),
            ("status == 200 and not (true)", "(true)", "always holds"),
            ("json.x == json.x", "json.x == json.x", "always holds"),
            ("status == 200 and json.x | length != json.x | length", "json.x | length != json.x | length", "never holds"),
            ("latency >= 0", "latency >= 0", "always holds"),
            ("0 > latency", "0 > latency", "never holds"),
            ("json.tracks | length >= 0", "json.tracks | length >= 0", "always holds"),
            ("json.tracks | length > -1", "json.tracks | length > -1", "always holds"),
            ("phases.dns < 0", "phases.dns < 0", "never holds"),
            ("status < 1000 and json.ok", "status < 1000", "always holds"),
            ("status == 2", "status == 2", "never holds"),
            ("status != 20", "status != 20", "always holds"),
            ("json.x in []", "json.x in []", "never holds"),
            ("status == 200 and json.ok and status == 204", "status == 200 and json.ok and status == 204", "never holds"),
            ("json.s != 'a' or json.s != 'b'", "json.s != 'a' or json.s != 'b'", "always holds"),
        ] {
            let found = hints(source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert_eq!(found[0].0, part, "{source}");
            assert!(found[0].1.contains(how), "{source}: {}", found[0].1);
        }
    }

    #[test]
    fn what_is_no_truth_value_by_its_kind_is_pointed_at() {
        for (source, part, kind) in [
            ("status", "status", "a number"),
            ("status == 200 and body", "body", "text"),
            ("not headers['x-ok']", "headers['x-ok']", "text"),
            ("json.tracks | length", "json.tracks | length", "filter"),
            ("json.ok or (latency)", "(latency)", "a number"),
        ] {
            let found = hints(source);
            assert_eq!(found.len(), 1, "{source}: {found:?}");
            assert_eq!(found[0].0, part, "{source}");
            assert!(found[0].1.contains(kind), "{source}: {}", found[0].1);
        }
    }

    #[test]
    fn what_depends_on_the_answer_gets_no_hint() {
        for source in [
            "json",
            "json.ok",
            "json.ok == true and not json.failed",
            "json.ok | default(true)",
            "json.flags | first",
            "latency > 0 and latency <= 0.5 and status >= 200",
            "status < 500 and status != 404 and status != 410",
            "status == 200 or status == 204",
            "json.a == 1 and json.b == 2",
            "json.a == 1 and json.a == 1.0",
            "json.tracks | length > 0",
            "random_int(1, 6) == random_int(1, 6) or json.x == 1",
            "json.x == (true if json.y else false)",
            "cell.on and run.id == json.id",
        ] {
            assert_eq!(hints(source), [], "{source}");
        }
    }
}
