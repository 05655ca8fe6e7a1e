//! The program of an exec step, and warnings about values that a shell would interpret.

use crate::plan::{ExecAction, Template};

use super::super::keys::ExecKeys;
use super::super::scope::{NameScope, Stage};
use super::super::tree::{Node, SourceSpan, TableEntry};
use super::super::{Code, Diagnostic, Diagnostics};

/// Reads the keys of `exec`, which stands at `entry`; nothing comes of a command without a program.
pub(super) fn read<'f>(keys: &ExecKeys<'f>, entry: Option<&TableEntry<'f>>, scope: &mut NameScope<'_, 'f>) -> Option<ExecAction> {
    allowed(entry, scope);
    if let Some(diagnostic) = program(keys) {
        scope.diagnostics.push(diagnostic);
    }
    let mut words = Vec::new();
    for item in keys.command.items() {
        words.push(word(item.node, scope));
    }
    let stdin = keys.stdin.map(|node| scope.template(node, Stage::Request));
    let (env, inherit) = (env(keys, scope), inherit(keys, scope));
    let directory = keys.directory.map(|node| directory(node, scope));
    let mut words = words.into_iter();
    Some(ExecAction { program: words.next()?, arguments: words.collect(), stdin, env, inherit, directory })
}

/// Reports the first program of a probe where the service lets probes run none.
fn allowed(entry: Option<&TableEntry<'_>>, scope: &mut NameScope<'_, '_>) {
    let is_told = scope.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::ExecOff);
    if let Some(entry) = entry.filter(|_| !scope.context.limits.exec && !is_told) {
        scope.diagnostics.push(
            Diagnostic::at(Code::ExecOff, entry.key_span, "probes of this service may not run programs").help(
                "a program runs on the prober's machine with the prober's rights: where whoever writes probes may do that, say \
                 `exec = true` in `[limits]` of the service's configuration",
            ),
        );
    }
}

/// What is wrong with the program's name, as far as it is written out.
fn program(keys: &ExecKeys<'_>) -> Option<Diagnostic> {
    let node = keys.command.node()?;
    if node.is_empty_list() {
        return Some(
            Diagnostic::at(Code::InvalidValue, node.span, "a command without a program runs nothing").help(
                "the first item is the program, such as \"/usr/bin/backup-check\", and each argument is an item of its own",
            ),
        );
    }
    let first = keys.command.items().first()?.node;
    let name = first.as_text().filter(|name| !name.contains("{{"))?;
    let invalid = |message: &str, help: &str| Some(Diagnostic::at(Code::InvalidValue, first.span, message).help(help));
    let is_path = name.contains('/');
    if name.is_empty() {
        return invalid("the program has no name", "the first item of `command` is the program");
    }
    if name.contains(" -") || (!is_path && name.contains(char::is_whitespace)) {
        return invalid(
            "this is a whole command line, and would be taken for the name of one program",
            "no shell takes it apart: write each word as an item of its own, such as [\"df\", \"-h\"]",
        );
    }
    if is_path && !name.starts_with('/') {
        let help = "write it from `/` on, or as a name that is looked for in the program's `PATH`";
        return invalid("the path of a program is absolute", help);
    }
    let has_path = keys.env.entries().any(|entry| entry.key == "PATH") || keys.inherit.iter().any(|item| item.value == "PATH");
    (!is_path && !has_path).then(|| {
        Diagnostic::at(
            Code::NeedsKey,
            first.span,
            format!("`{name}` would be looked for in `PATH`, which the program does not get"),
        )
        .help("write its absolute path, or pass the prober's `PATH` on: `exec.inherit = [\"PATH\"]`")
    })
}

fn env<'f>(keys: &ExecKeys<'f>, scope: &mut NameScope<'_, 'f>) -> Vec<(String, Template)> {
    let mut env = Vec::new();
    for entry in keys.env.entries() {
        variable(&entry.key, entry.key_span, scope.diagnostics);
        env.push((entry.key.to_string(), word(&entry.value, scope)));
    }
    env
}

fn inherit(keys: &ExecKeys<'_>, scope: &mut NameScope<'_, '_>) -> Vec<String> {
    let mut names = Vec::new();
    for item in keys.inherit.iter() {
        let (name, span) = (item.value, item.node.span);
        variable(name, span, scope.diagnostics);
        if let Some(entry) = keys.env.entries().find(|entry| entry.key == name) {
            scope.diagnostics.push(
                Diagnostic::at(Code::Repeated, span, format!("`{name}` has a value in `env` already"))
                    .related(entry.key_span, "the value is here")
                    .help("take one of them out"),
            );
        }
        names.push(name.to_owned());
    }
    names
}

/// Reports a name that no variable can have.
fn variable(name: &str, span: SourceSpan<'_>, diagnostics: &mut Diagnostics) {
    if name.is_empty() || name.contains(['=', '\0']) {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, span, "this cannot be the name of a variable of an environment")
                .help("names are not empty and have no `=`, such as `LANG`"),
        );
    }
}

fn directory<'f>(node: &Node<'f>, scope: &mut NameScope<'_, 'f>) -> Template {
    if node.as_text().is_some_and(|text| !text.starts_with('/') && !text.starts_with("{{")) {
        scope.diagnostics.push(
            Diagnostic::at(Code::InvalidValue, node.span, "the directory of a program is an absolute path")
                .help("write it from `/` on, so that it is the same wherever the service is started"),
        );
    }
    word(node, scope)
}

/// A template whose text must hold no zero byte, because the system ends the text there.
fn word<'f>(node: &Node<'f>, scope: &mut NameScope<'_, 'f>) -> Template {
    let template = scope.template(node, Stage::Request);
    let zero = template.literals().find_map(|(at, text)| Some(at + text.find('\0')?));
    if let Some(at) = zero {
        scope.diagnostics.push(
            Diagnostic::at(
                Code::InvalidValue,
                node.span.within(at..at + 1),
                "a program cannot be given the character '\\0' here",
            )
            .help("arguments, paths and variables end where it stands; what can hold it is `stdin`"),
        );
    }
    template
}
