//! A source text, compiled once for as long as anything uses it.
//!
//! Ten thousand probes with `status == 200` share one tree. The table holds weak references and is swept as it grows, so that
//! reloads leave nothing behind.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::ParseError;
use super::parser::parse;
use super::syntax::{Comparison, Node, NodeKind, Reach};

/// A compiled expression, independent of where it is written.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) source: Arc<str>,
    pub(super) root: Node,
    /// Dotted paths that it reads, sorted; each begins with the name of something in scope.
    pub(super) paths: Vec<String>,
    /// Every use of a name, in the order of the text.
    pub(super) uses: Vec<Use>,
    /// Parts in the place of a truth value that can never be one, and what to write instead.
    pub(super) not_bools: Vec<(Range<usize>, String)>,
}

/// The use of a name: `root`, `root.attribute` or `root['attribute']`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The name.
    pub root: Box<str>,
    /// Where it stands, in bytes of the expression.
    pub span: Range<usize>,
    /// What is asked of it, and where that stands.
    pub attribute: Option<(Box<str>, Range<usize>)>,
    /// Whether it stands alone on the right of `==` or `!=`, in a list, as an index or as a step of `at`, where a text would that lost
    /// its quotes.
    pub compared: bool,
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
        let mut uses = Vec::new();
        collect_uses(source, &root, false, &mut uses);
        uses.sort_by_key(|each| each.span.start);
        let mut not_bools = Vec::new();
        find_not_bools(source, &root, None, &mut not_bools);
        let program = Arc::new(Self { source: source.into(), root, paths: paths.into_iter().collect(), uses, not_bools });

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

/// `compared`: it stands where a text would that lost its quotes.
fn collect_uses(source: &str, node: &Node, compared: bool, uses: &mut Vec<Use>) {
    let mut add = |root: &str, span: &Range<usize>, attribute, compared| {
        // Brackets around a name belong to its span.
        let at = span.start + source[span.clone()].find(root).unwrap_or(0);
        uses.push(Use { root: root.into(), span: at..at + root.len(), attribute, compared });
    };
    match &node.kind {
        NodeKind::Name(name) => add(name, &node.span, None, compared),
        NodeKind::Attribute(inner, attribute) => match &inner.kind {
            NodeKind::Name(name) => {
                let start = node.span.start + source[node.span.clone()].rfind(&**attribute).unwrap_or(0);
                add(name, &inner.span, Some((attribute.clone(), start..start + attribute.len())), false);
            }
            _ => collect_uses(source, inner, false, uses),
        },
        NodeKind::Index(inner, index) => match (&inner.kind, &index.kind) {
            (NodeKind::Name(name), NodeKind::Literal(key)) if key.as_str().is_some() => {
                let quoted = index.span.start + 1..index.span.end.saturating_sub(1);
                add(name, &inner.span, Some((key.as_str().unwrap_or_default().into(), quoted)), false);
            }
            _ => {
                collect_uses(source, inner, false, uses);
                collect_uses(source, index, true, uses);
            }
        },
        NodeKind::Compare(Comparison::Equal | Comparison::NotEqual, left, right) => {
            collect_uses(source, left, false, uses);
            collect_uses(source, right, true, uses);
        }
        NodeKind::List(items) => items.iter().for_each(|item| collect_uses(source, item, true, uses)),
        NodeKind::At(inner, Reach { steps, or }) => {
            collect_uses(source, inner, false, uses);
            for step in steps {
                collect_uses(source, step, true, uses);
            }
            if let Some(or) = or {
                collect_uses(source, or, false, uses);
            }
        }
        _ => node.each_child(&mut |child| collect_uses(source, child, false, uses)),
    }
}

/// `a.b['c']` as `a.b.c`; nothing if it is not a path of names.
fn path_of(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Name(name) => Some(name.to_string()),
        NodeKind::Attribute(inner, name) => path_of(inner).map(|path| format!("{path}.{name}")),
        NodeKind::Index(inner, index) => match &index.kind {
            NodeKind::Literal(key) if key.as_str().is_some_and(|key| !key.contains('.')) => {
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
        NodeKind::Not(inner) => find_not_bools(source, inner, None, found),
        NodeKind::And(left, right) => {
            find_not_bools(source, left, Some((right, "and")), found);
            find_not_bools(source, right, Some((left, "and")), found);
        }
        NodeKind::Or(left, right) => {
            find_not_bools(source, left, Some((right, "or")), found);
            find_not_bools(source, right, Some((left, "or")), found);
        }
        _ if node.is_never_a_bool() => {
            let text = |node: &Node| &source[node.span.clone()];
            let part = text(node);
            let message = match beside.map(|(other, word)| (&other.kind, word)) {
                Some((NodeKind::Compare(Comparison::Equal, left, right), "or")) if node.is_literal() => {
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
    fn every_use_of_a_name_is_known_with_its_place() {
        let source = "secret.token ~ cell['os'] ~ 'secret.not' ~ {'a': {'b': (here)}}[missing] ~ (a).b.c | default(d, true)";
        let program = Program::compile(source).unwrap();
        let found: Vec<_> = program
            .uses
            .iter()
            .map(|each| {
                (&*each.root, each.attribute.as_ref().map(|(name, span)| (&**name, &source[span.clone()])), each.compared)
            })
            .collect();
        let expected = [
            ("secret", Some(("token", "token")), false),
            ("cell", Some(("os", "os")), false),
            ("here", None, false),
            ("missing", None, true),
            ("a", Some(("b", "b")), false),
            ("d", None, false),
        ];
        assert_eq!(found, expected);
        assert!(program.uses.iter().all(|each| source[each.span.clone()] == *each.root), "{:?}", program.uses);
    }

    #[test]
    fn paths_go_as_deep_as_names_do() {
        let program =
            Program::compile("secret.token ~ cell['platform'] ~ json.a[0].b ~ ([x] | map(attribute='y') | first)").unwrap();
        assert_eq!(program.paths, ["cell.platform", "json.a", "secret.token", "x"]);
        assert_eq!(program.names(), ["cell", "json", "secret", "x"]);
    }
}
