//! The files whose steps a probe uses, and those that they use, read before anything is made of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::{SourceFile, Span};

use super::super::context::ServiceContext;
use super::super::find::{neighbour, without_detours};
use super::super::tree::{Data, Node, SourceSpan, Table};
use super::super::value_kind::FilePath;
use super::super::{Code, Diagnostic, Diagnostics, parse};

/// Uses in one probe.
const MOST_USES: usize = 100;

/// Files around a file, its probe not counted.
const MOST_LEVELS: usize = 4;

/// Bytes of the files that a probe uses, each as often as it does.
const MOST_BYTES: usize = 4 << 20;

/// A use as it was found.
#[derive(Debug)]
pub(in crate::config) struct Gathered {
    /// A file of its own, also where the same path is used twice.
    pub(super) file: Arc<SourceFile>,
    /// The use it stands in; nothing for the probe itself.
    pub(super) parent: Option<usize>,
    /// Where in that file it is written.
    pub(super) at: Span,
}

impl Gathered {
    /// What stands in it; nothing if it is not TOML.
    pub(in crate::config) fn parsed(&self, diagnostics: &mut Diagnostics) -> Option<Table<'_>> {
        parse::parse(&self.file, diagnostics)
    }
}

/// The steps of a document that use a file, and the value that says which.
pub(super) fn uses<'a, 'f>(table: &'a Table<'f>) -> impl Iterator<Item = &'a Node<'f>> {
    let steps = table.get("step").map_or(&[][..], Node::as_list);
    steps.iter().filter_map(used)
}

/// What a step uses.
pub(super) fn used<'a, 'f>(step: &'a Node<'f>) -> Option<&'a Node<'f>> {
    step.as_table()?.get("use").filter(|node| matches!(&node.data, Data::Text(text) if !text.is_empty()))
}

/// Reads all files that a probe uses, in the order in which they are met; one that cannot be had has been reported.
pub(in crate::config) fn gather(
    file: &Arc<SourceFile>,
    table: &Table<'_>,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Vec<Gathered> {
    let mut gatherer = Gatherer { context, diagnostics, found: Vec::new(), bytes: 0, chain: vec![file.path().to_owned()] };
    gatherer.visit(table, None);
    gatherer.found
}

struct Gatherer<'c> {
    context: &'c ServiceContext,
    diagnostics: &'c mut Diagnostics,
    found: Vec<Gathered>,
    bytes: usize,
    /// The files around the one that is read, the probe first.
    chain: Vec<PathBuf>,
}

impl Gatherer<'_> {
    fn visit(&mut self, table: &Table<'_>, parent: Option<usize>) {
        for node in uses(table) {
            let Some(text) = node.as_text() else { continue };
            let path = without_detours(&FilePath { text, span: node.span }.resolved());
            let shared = match self.had(&path, node.span) {
                Ok(shared) => shared,
                Err(problem) => {
                    self.diagnostics.push(*problem);
                    continue;
                }
            };
            self.bytes += shared.text().len();
            let file = Arc::new(SourceFile::new(shared.path(), shared.text()));
            let index = self.found.len();
            self.found.push(Gathered { file: Arc::clone(&file), parent, at: node.span.range });
            // What is wrong with it is told where it is read.
            if let Some(table) = parse::parse(&file, &mut Diagnostics::default()) {
                self.chain.push(path);
                self.visit(&table, Some(index));
                self.chain.pop();
            }
        }
    }

    /// The file, unless there are too many of them or it is around itself.
    fn had(&self, path: &Path, at: SourceSpan<'_>) -> Result<Arc<SourceFile>, Box<Diagnostic>> {
        let same = |one: &Path, other: &Path| {
            one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
        };
        if let Some(begin) = self.chain.iter().position(|known| same(known, path)) {
            let circle: Vec<String> = self.chain[begin..].iter().map(|path| shown(path)).chain([shown(path)]).collect();
            let message = match &circle[..] {
                [own, _] => format!("{own} uses itself"),
                _ => format!("these files use each other in a circle: {}", circle.join(" → ")),
            };
            return Err(Box::new(Diagnostic::at(Code::UseCircle, at, message).help("take out the use that goes the other way")));
        }
        let too_many = |message: String, help: &str| Err(Box::new(Diagnostic::at(Code::TooMany, at, message).help(help)));
        if self.chain.len() > MOST_LEVELS {
            let chain: Vec<String> = self.chain.iter().map(|path| shown(path)).collect();
            let message = format!("files are used more than {MOST_LEVELS} levels deep: {}", chain.join(" → "));
            return too_many(message, "use the file in the probe itself");
        }
        if self.found.len() == MOST_USES {
            return too_many(format!("the probe uses more than {MOST_USES} files"), "make several probes of it");
        }
        let shared = self.context.shared_steps(path).map_err(|problem| placed(problem, path, at))?;
        if self.bytes + shared.text().len() > MOST_BYTES {
            let message = format!("the files that the probe uses have more than {} MiB together", MOST_BYTES >> 20);
            return too_many(message, "long lists and bodies go into files of their own");
        }
        Ok(shared)
    }
}

/// The problem of a file that cannot be read, where it is used.
fn placed(problem: Diagnostic, path: &Path, at: SourceSpan<'_>) -> Box<Diagnostic> {
    if problem.primary.is_some() {
        return Box::new(problem.related(at, "used here"));
    }
    let near = neighbour(path).map(|near| format!("did you mean `{near}`?"));
    let help = near.unwrap_or_else(|| "paths are relative to the file they are written in".to_owned());
    Box::new(Diagnostic::at(problem.code, at, problem.message).help(help))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
