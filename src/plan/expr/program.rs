//! A source text, compiled once for as long as anything uses it.
//!
//! Ten thousand probes with `status == 200` share one tree. The table holds weak references and is swept as it grows, so that
//! reloads leave nothing behind.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::ParseError;
use super::parser::parse;
use super::syntax::{Comparison, Kind, Node};

/// A compiled expression, independent of where it is written.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) source: Arc<str>,
    pub(super) root: Node,
    /// Dotted paths that it reads, sorted; each begins with the name of something in scope.
    pub(super) paths: Vec<String>,
    /// Parts in the place of a truth value that can never be one, and what to write instead.
    pub(super) not_bools: Vec<(Range<usize>, String)>,
}

static PROGRAMS: LazyLock<Mutex<Programs>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Programs {
    by_source: HashMap<Arc<str>, Weak<Program>>,
    sweep_at: usize,
}

impl Program {
    /// The program of `source`, new or shared.
    pub(super) fn compile(source: &str) -> Result<Arc<Self>, ParseError> {
        let known = |programs: &Programs| programs.by_source.get(source).and_then(Weak::upgrade);
        if let Some(program) = known(&PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(program);
        }
        let root = parse(source)?;
        let mut paths = BTreeSet::new();
        collect_paths(&root, &mut paths);
        let mut not_bools = Vec::new();
        find_not_bools(source, &root, None, &mut not_bools);
        let program = Arc::new(Self { source: source.into(), root, paths: paths.into_iter().collect(), not_bools });

        let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
        if programs.by_source.len() >= programs.sweep_at {
            programs.by_source.retain(|_, program| program.strong_count() > 0);
            programs.sweep_at = (programs.by_source.len() * 2).max(64);
        }
        programs.by_source.insert(Arc::clone(&program.source), Arc::downgrade(&program));
        Ok(program)
    }

    /// Names of what it reads, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.paths.iter().map(|path| path.split('.').next().unwrap_or(path).to_owned()).collect();
        names.dedup();
        names
    }

    /// The text of a part.
    pub(super) fn text(&self, span: &Range<usize>) -> &str {
        &self.source[span.clone()]
    }
}

fn collect_paths(node: &Node, paths: &mut BTreeSet<String>) {
    match path_of(node) {
        Some(path) => {
            paths.insert(path);
        }
        None => node.each_child(&mut |child| collect_paths(child, paths)),
    }
}

/// `a.b['c']` as `a.b.c`; nothing if it is not a path of names.
fn path_of(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Name(name) => Some(name.to_string()),
        Kind::Attribute(inner, name) => path_of(inner).map(|path| format!("{path}.{name}")),
        Kind::Index(inner, index) => match &index.kind {
            Kind::Literal(key) if key.as_str().is_some_and(|key| !key.contains('.')) => {
                path_of(inner).map(|path| format!("{path}.{}", key.as_str().unwrap_or_default()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Looks for `status == 200 or 204`; `beside` is the other side of the `or` or `and`.
fn find_not_bools(source: &str, node: &Node, beside: Option<(&Node, &str)>, found: &mut Vec<(Range<usize>, String)>) {
    match &node.kind {
        Kind::Not(inner) => find_not_bools(source, inner, None, found),
        Kind::And(left, right) => {
            find_not_bools(source, left, Some((right, "and")), found);
            find_not_bools(source, right, Some((left, "and")), found);
        }
        Kind::Or(left, right) => {
            find_not_bools(source, left, Some((right, "or")), found);
            find_not_bools(source, right, Some((left, "or")), found);
        }
        _ if node.is_never_a_bool() => {
            let text = |node: &Node| &source[node.span.clone()];
            let part = text(node);
            let message = match beside.map(|(other, word)| (&other.kind, word)) {
                Some((Kind::Compare(Comparison::Equal, left, right), "or")) if node.is_literal() => {
                    format!("`{part}` is no truth value; did you mean `{} in [{}, {part}]`?", text(left), text(right))
                }
                Some((_, word)) => format!("`{part}` is no truth value, and both sides of `{word}` must be"),
                None => format!("`{part}` is no truth value"),
            };
            found.push((node.span.clone(), message));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sources_share_one_program_while_it_is_in_use() {
        let first = Program::compile("interning_test == 1").unwrap();
        let second = Program::compile("interning_test == 1").unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[test]
    fn sources_out_of_use_do_not_pile_up() {
        for number in 0..10_000 {
            Program::compile(&format!("swept_{number}")).unwrap();
        }
        let held = PROGRAMS.lock().unwrap().by_source.keys().filter(|source| source.starts_with("swept_")).count();
        assert!(held < 5_000, "{held} are still held");
    }

    #[test]
    fn paths_go_as_deep_as_names_do() {
        let program =
            Program::compile("secret.token ~ cell['platform'] ~ json.a[0].b ~ ([x] | map(attribute='y') | first)").unwrap();
        assert_eq!(program.paths, ["cell.platform", "json.a", "secret.token", "x"]);
        assert_eq!(program.names(), ["cell", "json", "secret", "x"]);
    }
}
