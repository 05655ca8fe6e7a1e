//! The steps of a file in the place of the step that uses it.

use std::sync::Arc;

use crate::plan::Template;
use crate::plan::expr::Given;
use crate::source::SourceFile;

use super::super::constant::constant;
use super::super::context::ServiceContext;
use super::super::diagnostic::{nearest, suggestion};
use super::super::keys::{self, LibraryKeys, UseKeys};
use super::super::scope::reserved;
use super::super::section::DeclaredSection as _;
use super::super::step_defaults;
use super::super::tree::{Data, Node, SourceSpan, Table, first_line};
use super::super::{Code, Diagnostic, Diagnostics, check, value};
use super::gather::{Gathered, used};
use super::rename::{self, Prefix};
use super::{OF_PROBES, Use, Uses};

/// A probe with all of its steps.
pub(in crate::config) struct Spliced<'f> {
    pub(in crate::config) table: Table<'f>,
    pub(in crate::config) uses: Uses<'f>,
    /// Whether steps are missing, because a file cannot be used.
    pub(in crate::config) lacks_steps: bool,
}

/// Puts the steps of all files in. `files` are those that [`gather`](super::gather()) found, `tables` what stands in them.
pub(in crate::config) fn splice<'f>(
    table: &'f Table<'f>,
    files: &'f [Gathered],
    tables: &'f [Option<Table<'f>>],
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Spliced<'f> {
    let exports = exports(files, tables);
    let mut splicer = Splicer { files, tables, exports, context, diagnostics, uses: Vec::new(), lacks_steps: false };
    let steps = splicer.steps(steps_of(table), None, &Around::default());
    let mut table = table.clone();
    for entry in table.entries.iter_mut().filter(|entry| entry.key == "step") {
        entry.value.data = Data::List(steps.clone());
    }
    Spliced { table, uses: Uses(splicer.uses), lacks_steps: splicer.lacks_steps }
}

/// The steps of a document.
fn steps_of<'a, 'f>(table: &'a Table<'f>) -> &'a [Node<'f>] {
    table.get("step").map_or(&[], Node::as_list)
}

/// The names that the steps of each file give, as those around the file see them without its own `as`.
fn exports(files: &[Gathered], tables: &[Option<Table<'_>>]) -> Vec<Vec<String>> {
    let mut found: Vec<Vec<String>> = vec![Vec::new(); files.len()];
    // Files that a file uses come after it.
    for (index, table) in tables.iter().enumerate().rev() {
        let steps = table.as_ref().and_then(|table| table.get("step")).map_or(&[][..], Node::as_list);
        for step in steps {
            let Some(node) = used(step) else {
                found[index].extend(rename::names(step).into_iter().map(str::to_owned));
                continue;
            };
            let inner = files.iter().position(|each| each.parent == Some(index) && each.at == node.span.range);
            let word = step.as_table().and_then(|table| table.text("as"));
            let prefix = Prefix::default().within(word).name;
            let names: Vec<String> =
                inner.map_or_else(Vec::new, |inner| found[inner].iter().map(|name| format!("{prefix}{name}")).collect());
            found[index].extend(names);
        }
    }
    found
}

/// What holds for the steps of a use because of those around it.
#[derive(Default)]
struct Around<'f> {
    prefix: Prefix,
    device: Option<Node<'f>>,
    given: Option<Arc<Given>>,
}

struct Splicer<'f, 'd> {
    files: &'f [Gathered],
    tables: &'f [Option<Table<'f>>],
    exports: Vec<Vec<String>>,
    context: &'d ServiceContext,
    diagnostics: &'d mut Diagnostics,
    uses: Vec<Use<'f>>,
    lacks_steps: bool,
}

impl<'f> Splicer<'f, '_> {
    /// The steps of a file, in which others take the place of those that use a file.
    fn steps(&mut self, steps: &'f [Node<'f>], parent: Option<usize>, around: &Around<'f>) -> Vec<Node<'f>> {
        let mut spliced = Vec::with_capacity(steps.len());
        for step in steps {
            // One that names no file has been reported.
            if let Some(table) = step.as_table().filter(|table| table.entry("use").is_some()) {
                let file = used(step).and_then(|node| {
                    let index = self.files.iter().position(|each| each.parent == parent && each.at == node.span.range)?;
                    Some((index, node.span))
                });
                match file {
                    Some((index, at)) => spliced.extend(self.used(index, table, at, around)),
                    None => self.lacks_steps = true,
                }
                continue;
            }
            let mut step = step.clone();
            rename::rename(&mut step, &around.prefix);
            if let Some(device) = &around.device {
                step_defaults::device(&mut step, device);
            }
            spliced.push(step);
        }
        spliced
    }

    fn used(&mut self, index: usize, table: &'f Table<'f>, at: SourceSpan<'f>, around: &Around<'f>) -> Vec<Node<'f>> {
        let (files, tables) = (self.files, self.tables);
        let file = &files[index].file;
        let place = self.uses.len();
        self.uses.push(Use { file, at, given: Arc::default(), parameters: Vec::new(), arguments: Vec::new(), when: None });
        let Some(document) = tables[index].as_ref().filter(|document| self.is_library(document, file, at)) else {
            self.lacks_steps = true;
            return Vec::new();
        };
        let top = SourceSpan { file, range: first_line(file.text()) };
        check::explained(document, keys::Library::SECTION, top, keys::of_steps_only, self.diagnostics);
        let (library, own) = (keys::Library::keys(document), keys::Use::keys(table));
        let word = own.word.filter(|word| self.is_word(word, own.word.span().unwrap_or(at)));
        let prefix = around.prefix.within(word);
        self.long_names(document, &prefix, own.word.span().unwrap_or(at));
        let (given, arguments) = self.given(index, (&own, at), &library, around, &prefix);
        let given = Arc::new(given);
        self.uses[place] = Use {
            file,
            at,
            given: Arc::clone(&given),
            parameters: library.parameters.entries().map(|entry| (&*entry.key, entry.key_span)).collect(),
            arguments,
            when: own.when.node().cloned(),
        };
        let device = own.device.node().cloned().or_else(|| around.device.clone());
        self.steps(steps_of(document), Some(index), &Around { prefix, device, given: Some(given) })
    }

    /// Reports a probe where a library is wanted.
    fn is_library(&mut self, document: &Table<'_>, file: &Arc<SourceFile>, at: SourceSpan<'_>) -> bool {
        let Some(key) = OF_PROBES.iter().find_map(|key| document.entry(key)) else { return true };
        let message = format!("{} is a probe, and no library of steps", file.path().display());
        self.diagnostics.push(
            Diagnostic::at(Code::NoLibrary, at, message)
                .related(key.key_span, "only probes have this key")
                .help("move the steps into a file of their own, which has only `parameters` and `step`"),
        );
        false
    }

    fn is_word(&mut self, word: &str, at: SourceSpan<'_>) -> bool {
        let is_one = value::is_identifier(word);
        if !is_one {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, at, format!("expressions cannot use names that begin with `{word}_`"))
                    .help("it is letters, digits and `_`, and does not begin with a digit"),
            );
        }
        is_one
    }

    /// Reports names of steps that are too long with what `as` puts before them.
    fn long_names(&mut self, document: &Table<'_>, prefix: &Prefix, at: SourceSpan<'_>) {
        let names = steps_of(document).iter().filter_map(|step| step.as_table()?.text("name"));
        let names = names.filter(|_| !prefix.title.is_empty()).map(|name| format!("{}{name}", prefix.title));
        if let Some(name) = names.into_iter().find(|name| value::title(name).is_err()) {
            self.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, at, format!("the name `{name}` is too long"))
                    .help("names of steps have at most 100 characters: make the word shorter"),
            );
        }
    }

    /// What names stand for in a file, and what is given for its parameters.
    fn given(
        &mut self,
        index: usize,
        (own, at): (&UseKeys<'f>, SourceSpan<'f>),
        library: &LibraryKeys<'f>,
        around: &Around<'f>,
        prefix: &Prefix,
    ) -> (Given, Vec<Node<'f>>) {
        let mut given = Given::default();
        let path = self.files[index].file.path().display();
        for argument in
            own.with.items().iter().filter(|argument| library.parameters.entries().all(|entry| entry.key != argument.entry.key))
        {
            let known = library.parameters.entries().map(|entry| &*entry.key);
            let message = format!("{path} has no parameter `{}`", argument.name());
            let help = suggestion(argument.name(), known).unwrap_or_else(|| "it has none: leave `with` out".to_owned());
            self.diagnostics.push(Diagnostic::at(Code::UnknownParameter, argument.entry.key_span, message).help(help));
        }
        let mut arguments = Vec::new();
        for parameter in library.parameters.items() {
            let name = parameter.name();
            self.free(name, parameter.entry.key_span, index);
            let argument = own.with.items().iter().find(|argument| argument.name() == name);
            let default = parameter.value.as_ref().and_then(|keys| *keys.default);
            let value = match (argument, default) {
                (Some(argument), _) => {
                    arguments.push(argument.entry.value.clone());
                    template(&argument.entry.value, around.given.as_ref())
                }
                (None, Some(default)) => fixed(default, self.diagnostics),
                (None, None) => {
                    let misspelt = own.with.items().iter().any(|each| {
                        library.parameters.entries().all(|entry| entry.key != each.entry.key)
                            && nearest(each.name(), [name]).is_some()
                    });
                    if !misspelt {
                        self.diagnostics.push(
                            Diagnostic::at(Code::MissingParameter, at, format!("{path} needs the parameter `{name}`"))
                                .related(parameter.entry.key_span, "it has no default")
                                .help(format!("give it: `with = {{ {name} = … }}`")),
                        );
                    }
                    None
                }
            };
            // What stands for nothing has been reported, and is not reported as unknown as well.
            given.value(name, value.unwrap_or_else(|| empty(at)));
        }
        for name in self.exports[index].iter().filter(|_| !prefix.name.is_empty()) {
            if !given.has(name) {
                given.name(name, &format!("{}{name}", prefix.name));
            }
        }
        (given, arguments)
    }

    /// Reports a parameter whose name means something else already.
    fn free(&mut self, name: &str, at: SourceSpan<'_>, index: usize) {
        let taken = if self.context.has_var(name) {
            "of a variable of the service"
        } else if self.exports[index].iter().any(|known| known == name) {
            "of something that a step of this file captures"
        } else {
            self.diagnostics.extend(reserved(name, at, "parameter"));
            return;
        };
        self.diagnostics.push(
            Diagnostic::at(Code::ShadowedName, at, format!("the parameter `{name}` has the name {taken}"))
                .help("give it another name: each name means one thing in a file"),
        );
    }
}

/// A value as a template; nothing if it is none, which is reported where the value is checked.
fn template(node: &Node<'_>, given: Option<&Arc<Given>>) -> Option<Template> {
    let Some(text) = node.as_text() else { return fixed(node, &mut Diagnostics::default()) };
    let template = Template::parse(text, node.span.location()).ok()?;
    Some(match given {
        Some(given) => template.with_given(given),
        None => template,
    })
}

/// A value in which nothing is evaluated.
fn fixed(node: &Node<'_>, diagnostics: &mut Diagnostics) -> Option<Template> {
    let value = constant(node, diagnostics);
    Template::parse(&format!("{{{{ {value} }}}}"), node.span.location()).ok()
}

fn empty(at: SourceSpan<'_>) -> Template {
    Template::parse("", at.location()).expect("an empty text is a template")
}
