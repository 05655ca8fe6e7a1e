//! What names stand for in a text that several probes share: a template of whoever uses it, or another name.
//!
//! An expression keeps its text, its places and its shared program; what its names mean is looked up when it is evaluated, and
//! whoever asks which names it reads is told those that the templates read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Template;

/// Meanings of names. A name that has none is the run's own.
#[derive(Debug, Default)]
pub struct Given(HashMap<Box<str>, Meaning>);

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The value of a template in the same scope.
    Value(Template),
    /// The value of another name.
    Name(Box<str>),
}

impl Given {
    /// Has `name` stand for the value of a template, which draws no values.
    pub fn value(&mut self, name: &str, value: Template) {
        self.0.insert(name.into(), Meaning::Value(value));
    }

    /// Has `name` stand for another one.
    pub fn name(&mut self, name: &str, other: &str) {
        self.0.insert(name.into(), Meaning::Name(other.into()));
    }

    /// Whether nothing stands for anything else.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `name` stands for anything else.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Root names that are read by whoever reads `name`, sorted.
    pub fn behind(&self, name: &str) -> Vec<String> {
        self.names(&[name.to_owned()])
    }

    /// The name that `name` stands for: itself, if there is no other one.
    pub fn renamed<'n>(&'n self, name: &'n str) -> &'n str {
        match self.0.get(name) {
            Some(Meaning::Name(other)) => other,
            Some(Meaning::Value(_)) | None => name,
        }
    }

    pub(super) fn meaning(&self, name: &str) -> Option<&Meaning> {
        self.0.get(name)
    }

    /// What is really read by whoever reads these dotted paths, sorted.
    pub(super) fn paths(&self, read: &[String]) -> Vec<String> {
        self.resolved(read, Template::paths)
    }

    /// The same of root names.
    pub(super) fn names(&self, read: &[String]) -> Vec<String> {
        self.resolved(read, Template::names)
    }

    fn resolved(&self, read: &[String], of: impl Fn(&Template) -> Vec<String>) -> Vec<String> {
        let mut found = BTreeSet::new();
        for path in read {
            let (root, rest) = path.split_once('.').map_or((&**path, None), |(root, rest)| (root, Some(rest)));
            match self.0.get(root) {
                None => drop(found.insert(path.clone())),
                Some(Meaning::Value(template)) => found.extend(of(template)),
                Some(Meaning::Name(other)) => {
                    found.insert(rest.map_or_else(|| other.to_string(), |rest| format!("{other}.{rest}")));
                }
            }
        }
        found.into_iter().collect()
    }
}

/// What the names of an expression stand for, if anything.
pub(super) type MaybeGiven = Option<Arc<Given>>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{here, scope};
    use super::super::{Condition, Destination, Expression, to_json};
    use super::*;

    fn given() -> Arc<Given> {
        let mut outer = Given::default();
        outer.value("who", Template::parse("{{ user }}", here()).unwrap());
        let mut given = Given::default();
        given.value("name", Template::parse("canary-{{ who }}", here()).unwrap().with_given(&Arc::new(outer)));
        given.value("size", Template::parse("{{ sizes[1] + 1 }}", here()).unwrap());
        given.value("absent", Template::parse("{{ nobody }}", here()).unwrap());
        given.value("token", Template::parse("{{ secret.pass }}", here()).unwrap());
        given.name("id", "phone_id");
        Arc::new(given)
    }

    const SCOPE: &str =
        r#"{"user": "ann", "sizes": [1, 2], "phone_id": {"n": 7}, "id": "wrong", "secret": {"pass": "x"}, "status": 200}"#;

    fn expression(source: &str) -> Expression {
        Expression::parse(source, here()).unwrap().with_given(&given())
    }

    #[test]
    fn a_name_has_the_value_of_what_it_stands_for() {
        for (source, value) in [
            ("name", "\"canary-ann\""),
            ("size", "3"),
            ("[size, id.n, status]", "[3,7,200]"),
            ("absent is defined", "false"),
            ("absent | default('x')", "\"x\""),
            ("sizes | map('string') | list", "[\"1\",\"2\"]"),
        ] {
            assert_eq!(to_json(&expression(source).eval(&scope(SCOPE)).unwrap()).unwrap().to_string(), value, "{source}");
        }
        assert_eq!(expression("absent").eval(&scope(SCOPE)).unwrap_err().message, "`absent` is undefined");
        let template = Template::parse("/{{ name }}/{{ id.n }}", here()).unwrap().with_given(&given());
        assert_eq!(template.render(&scope(SCOPE), Destination::Text).unwrap(), "/canary-ann/7");
        let judged = Condition::parse("size == status", here()).unwrap().with_given(&given()).judge(&scope(SCOPE));
        assert_eq!(judged.held, Ok(false));
        assert_eq!(judged.sides[0].source, "size", "it is shown as it is written");
    }

    #[test]
    fn what_is_read_is_told_by_the_names_of_the_run() {
        let all = expression("[name, size, id.n, token, status]");
        assert_eq!(all.names(), ["phone_id", "secret", "sizes", "status", "user"]);
        assert_eq!(all.paths(), ["phone_id.n", "secret.pass", "sizes", "status", "user"]);
        let mut template = Template::parse("{{ token }}", here()).unwrap().with_given(&given());
        template.with_private(|_| false);
        assert!(template.is_private());
    }

    #[test]
    fn what_is_given_costs_what_it_costs_wherever_it_is_used() {
        let mut given = Given::default();
        given.value("many", Template::parse("{{ range(9000) | list }}", here()).unwrap());
        let uses = vec!["many"; 100].join(", ");
        let expression = Expression::parse(&format!("[{uses}]"), here()).unwrap().with_given(&Arc::new(given));
        assert!(expression.eval(&scope("{}")).is_err(), "one evaluation has one budget");
    }
}
