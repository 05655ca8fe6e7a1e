//! Steps, in the order of the journey, with their loops.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU8;
use std::sync::Arc;

use crate::plan::{Action, Condition, Consistently, Contract, Device, Eventually, Expression, Loop, Retry, Step};

use super::super::context::ServiceContext;
use super::super::diagnostic::{did_you_mean, list, suggestion};
use super::super::keys::{ExpectationKeys, RetryKeys, StepItem, StepKeys};
use super::super::scope::{CARRIED, COLLECTED, DeclaredName, NameScope, Stage};
use super::super::section::{Either, Field, Item};
use super::super::tree::{Node, SourceSpan, TableEntry};
use super::super::value_kind::FilePath;
use super::super::{Code, Diagnostic, value};
use super::{carry, dns, exec, request, tcp};

/// Steps of one probe, without those inside others.
const MOST_STEPS: usize = 1_000;

/// Reads all steps of a probe. A step without a required key has been reported and is left out.
pub(super) fn steps<'f>(
    written: &[StepItem<'f>],
    devices: &BTreeMap<Arc<str>, Device>,
    context: &ServiceContext,
    scope: &mut NameScope<'_, 'f>,
) -> Vec<Step> {
    let mut reader = Reader { devices, context, scope, names: HashMap::new(), before: Vec::new() };
    if let Some(item) = written.get(MOST_STEPS) {
        reader.scope.diagnostics.push(
            Diagnostic::at(Code::TooMany, item.node.span, format!("the probe has more than {MOST_STEPS} steps"))
                .help("make several probes, or a step with `repeat` or `for_each`"),
        );
        return Vec::new();
    }
    for item in written {
        reader.announce(&item.value);
    }
    let mut steps = Vec::with_capacity(written.len());
    for item in written {
        steps.extend(reader.step(item));
        let finished = item.value.with_parallel().filter_map(|step| *step.name);
        reader.before.extend(finished.map(str::to_owned));
    }
    tcp::connections(written, reader.scope.diagnostics);
    steps
}

struct Reader<'r, 'b, 'f> {
    devices: &'r BTreeMap<Arc<str>, Device>,
    context: &'r ServiceContext,
    scope: &'r mut NameScope<'b, 'f>,
    /// Names of all steps so far, also of those inside others.
    names: HashMap<String, SourceSpan<'f>>,
    /// Steps that have ended when the one being read begins.
    before: Vec<String>,
}

impl<'f> Reader<'_, '_, 'f> {
    /// Records what a step will capture, so that a use before the capture is not reported as a misspelling.
    fn announce(&mut self, keys: &StepKeys<'f>) {
        for entry in keys.with_parallel().flat_map(|step| step.capture.entries()) {
            self.scope.later.push(DeclaredName { name: entry.key.to_string(), span: entry.key_span, what: "capture" });
        }
        for step in keys.with_parallel() {
            let named = step.carry.entries().map(|entry| (entry, CARRIED));
            for (entry, what) in named.chain(step.collect.entries().map(|entry| (entry, COLLECTED))) {
                self.scope.later.push(DeclaredName { name: entry.key.to_string(), span: entry.key_span, what });
            }
        }
    }

    fn step(&mut self, item: &StepItem<'f>) -> Option<Step> {
        let keys = &item.value;
        let looping = self.looping(keys);
        let was_in_loop = std::mem::replace(&mut self.scope.in_loop, looping.is_some());
        let name = self.loop_name(keys);
        let visible = self.scope.visible.len();
        if let Some((name, span)) = &name {
            self.scope.declare(name, *span, "loop's name");
        }
        if keys.parallel.entry.is_none() {
            carry::needs_attempts(item, self.scope);
        }
        let carried = carry::begin(keys, self.scope);
        let action = if keys.parallel.entry.is_some() { Some(Action::Parallel(self.parallel(keys))) } else { self.action(item) };
        let at_once = self.at_once(item, looping.is_some());
        let subject = keys.subject.map(|node| self.before_attempts(keys, |scope| scope.template(node, Stage::BeforeStep)));
        let common = self.common(item, (carried, action), None);
        if name.is_some() {
            self.scope.visible.remove(visible);
        }
        self.scope.in_loop = was_in_loop;
        Some(Step { looping, at_once, subject, ..common? })
    }

    /// What steps, parallel steps and cleanups have in common. The order is that of a run.
    fn common(
        &mut self,
        item: &StepItem<'f>,
        (carried, action): (Vec<Option<Expression>>, Option<Action>),
        default_name: Option<&str>,
    ) -> Option<Step> {
        let keys = &item.value;
        let name = keys.name.or(default_name);
        let at = keys.name.span().unwrap_or(item.node.span);
        if let Some(name) = name {
            self.unique(name, at);
        }
        let device = keys.device.map(|node| self.before_attempts(keys, |scope| scope.template(node, Stage::BeforeStep)));
        self.known_device(keys);
        let when = keys.when.map(|node| self.before_attempts(keys, |scope| scope.condition(node, Stage::BeforeStep)));
        let result = Stage::AfterStep(action.as_ref().and_then(Action::kind));
        let collect = carry::collect(keys, result, self.scope);
        let carry = carry::finish(keys, carried, result, self.scope);
        let guard = self.conditions(&keys.guard, result);
        let expect = self.expectations(keys, result);
        let contract = keys.contract.and_then(|file| self.contract(file));
        let unless_created = keys.unless_created.map(|node| self.scope.condition(node, result));
        let capture = self.captures(keys, result);
        let cleanup = self.cleanup(keys, name.unwrap_or_default());
        super::creation::check(item, &cleanup, self.scope.diagnostics);
        let (eventually, consistently) = (self.eventually(item), self.consistently(item));
        Some(Step {
            name: name?.into(),
            device,
            action: action?,
            looping: None,
            at_once: NonZeroU8::MIN,
            subject: None,
            when,
            guard,
            timeout: *keys.timeout,
            retry: keys.retry.as_ref().and_then(retry),
            eventually,
            consistently,
            expect,
            contract,
            capture,
            carry,
            collect,
            allow_failure: *keys.allow_failure,
            allow_empty: *keys.allow_empty,
            cleanup,
            unless_created,
            location: at.location(),
        })
    }

    /// Reads what is evaluated once, before the first attempt: what attempts hand on means nothing there.
    fn before_attempts<T>(&mut self, keys: &StepKeys<'f>, read: impl FnOnce(&mut NameScope<'_, 'f>) -> T) -> T {
        let carries = |declared: &DeclaredName<'f>| keys.carry.entries().any(|entry| *entry.key == *declared.name);
        let visible = std::mem::take(&mut self.scope.visible);
        let (hidden, visible) = visible.into_iter().partition(|declared| declared.what == CARRIED && carries(declared));
        self.scope.visible = visible;
        let value = read(self.scope);
        self.scope.visible.extend::<Vec<_>>(hidden);
        value
    }

    /// What a step does: its kind is the key it has. The rules of the keys see to it that it has exactly one.
    fn action(&mut self, item: &StepItem<'f>) -> Option<Action> {
        if let Some(question) = item.value.dns.as_ref() {
            return dns::read(question, &item.value, self.scope).map(|question| Action::Dns(Box::new(question)));
        }
        if let Some(exchange) = item.value.tcp.as_ref() {
            return Some(Action::Tcp(Box::new(tcp::read(exchange, item, self.scope))));
        }
        if let Some(program) = item.value.exec.as_ref() {
            return exec::read(program, item.value.exec.entry, self.scope).map(|program| Action::Exec(Box::new(program)));
        }
        let http = item.value.http.as_ref()?;
        request::read(http, self.context, self.scope).map(|request| Action::Http(Box::new(request)))
    }

    fn conditions(&mut self, written: &Field<'f, Option<Vec<Item<'f, &'f Node<'f>>>>>, stage: Stage) -> Vec<Condition> {
        written.items().iter().map(|item| self.scope.condition(item.value, stage)).collect()
    }

    fn expectations(&mut self, keys: &StepKeys<'f>, stage: Stage) -> Vec<Condition> {
        let mut read = Vec::with_capacity(keys.expect.items().len());
        for item in keys.expect.items() {
            read.extend(match &item.value {
                Either::Value(node) => Some(self.scope.condition(node, stage)),
                Either::Table(ExpectationKeys { that, say }) => {
                    let condition = that.map(|node| self.scope.condition(node, stage));
                    condition.map(|condition| match **say {
                        Some(words) => condition.saying(words),
                        None => condition,
                    })
                }
            });
        }
        read
    }

    fn unique(&mut self, name: &str, span: SourceSpan<'f>) {
        if let Some(first) = self.names.get(name) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::DuplicateStep, span, format!("there is a step `{name}` already"))
                    .related(*first, "the first is here")
                    .help("names of steps are unique in a probe, also those of parallel steps and cleanups"),
            );
        }
        self.names.entry(name.to_owned()).or_insert(span);
    }

    fn known_device(&mut self, keys: &StepKeys<'f>) {
        let Some(node) = *keys.device else { return };
        let Some(name) = node.as_text().filter(|name| !name.contains("{{")) else { return };
        if !self.devices.contains_key(name) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::UnknownDevice, node.span, format!("there is no device `{name}`"))
                    .help(format!("declare it with `[devices.{name}]`"))
                    .maybe_help(did_you_mean(name, self.devices.keys().map(|name| &**name))),
            );
        }
    }

    fn captures(&mut self, keys: &StepKeys<'f>, stage: Stage) -> Vec<(Arc<str>, Expression)> {
        let mut captures = Vec::new();
        for entry in keys.capture.entries() {
            let expression = self.scope.expression(&entry.value, stage);
            self.scope.holds(&entry.key, &expression);
            captures.push((entry.key.as_ref().into(), expression));
            self.scope.declare(&entry.key, entry.key_span, "capture");
        }
        captures
    }

    fn contract(&mut self, file: FilePath<'f>) -> Option<Contract> {
        let FilePath { text: name, span } = file;
        match self.context.contracts.get(&file.resolved()) {
            Ok(schema) => Some(Contract { name: name.to_owned(), schema, location: span.location() }),
            Err(error) => {
                let mut diagnostic = Diagnostic::at(Code::InvalidContract, span, format!("`{name}` cannot be a contract"))
                    .help("a contract is a file with a JSON Schema, relative to this one, without references to other documents");
                match &error.place {
                    Some((file, range)) => diagnostic = diagnostic.related(SourceSpan { file, range: *range }, error.message),
                    None => diagnostic = diagnostic.label(error.message),
                }
                self.scope.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Steps that begin together. None of them sees another's captures; the steps after them see all.
    fn parallel(&mut self, keys: &StepKeys<'f>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut captured = Vec::new();
        for item in keys.parallel.items() {
            let visible = self.scope.visible.len();
            carry::needs_attempts(item, self.scope);
            let carried = carry::begin(&item.value, self.scope);
            let action = self.action(item);
            steps.extend(self.common(item, (carried, action), None));
            let own = self.scope.visible.split_off(visible);
            self.scope.taken.extend(own.iter().cloned());
            captured.extend(own);
        }
        self.scope.taken.retain(|taken| captured.iter().all(|own| own.name != taken.name));
        self.scope.visible.extend(captured);
        if let ([_], Some(entry)) = (keys.parallel.items(), keys.parallel.entry) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_span, "one step alone cannot be parallel")
                    .help("add a second `[[step.parallel]]`, or make it a step of its own"),
            );
        }
        steps
    }

    /// Cleanups see everything their step sees and captured. Only later cleanups of the step see what a cleanup captures.
    fn cleanup(&mut self, keys: &StepKeys<'f>, step: &str) -> Vec<Step> {
        let visible = self.scope.visible.len();
        let alone = keys.cleanup.node().is_some_and(|node| node.as_table().is_some());
        let many = keys.cleanup.items().len() > 1;
        let mut steps = Vec::new();
        for (at, item) in keys.cleanup.items().iter().enumerate() {
            let name = if many { format!("{step} cleanup {}", at + 1) } else { format!("{step} cleanup") };
            if let Some(entry) = item.value.capture.entry.filter(|_| alone) {
                let line = item.node.span.location().line;
                self.scope.diagnostics.push(
                    Diagnostic::at(Code::MisplacedKey, entry.key_span, "no cleanup comes after this one to use the capture")
                        .related(item.node.span, "what follows this line belongs to the cleanup")
                        .help(format!("to capture from the step, move it above line {line}, where its cleanup begins")),
                );
            }
            let action = self.action(item);
            steps.extend(self.common(item, (Vec::new(), action), Some(&name)));
        }
        self.scope.visible.truncate(visible);
        steps
    }

    fn eventually(&mut self, item: &StepItem<'f>) -> Option<Eventually> {
        let keys = item.value.eventually.as_ref()?;
        if let (Some(name), Some(span)) = (*keys.since, keys.since.span())
            && !self.before.iter().any(|before| before == name)
        {
            let message = format!("no step before this one is called `{name}`");
            let known: Vec<&str> = self.before.iter().map(String::as_str).collect();
            self.scope.diagnostics.push(
                Diagnostic::at(Code::UnknownStep, span, message)
                    .help("`since` names the step whose end convergence is measured from")
                    .maybe_help(suggestion(name, known)),
            );
        }
        let entry = item.value.eventually.entry?;
        self.needs_expectation(item, entry, "has nothing to wait for", "it is what must hold in the end");
        Some(Eventually { within: keys.within.value?, poll: *keys.poll, since: keys.since.map(Into::into) })
    }

    fn consistently(&mut self, item: &StepItem<'f>) -> Option<Consistently> {
        let keys = item.value.consistently.as_ref()?;
        let entry = item.value.consistently.entry?;
        self.needs_expectation(item, entry, "has nothing that could stop holding", "it is what must go on holding");
        Some(Consistently { lasting: keys.lasting.value?, poll: *keys.poll })
    }

    fn needs_expectation(&mut self, item: &StepItem<'f>, entry: &TableEntry<'f>, lack: &str, purpose: &str) {
        let keys = &item.value;
        if keys.expect.node().is_none_or(|node| node.as_list().is_empty())
            && keys.contract.entry.is_none()
            && !["expect", "contract"].iter().any(|key| item.misspells(key))
        {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::NeedsKey, entry.key_span, format!("`{}` {lack}", entry.key))
                    .help(format!("add `expect`: {purpose}")),
            );
        }
    }

    /// The loop of a step, if it has one.
    fn looping(&mut self, keys: &StepKeys<'f>) -> Option<Loop> {
        if let Some(times) = *keys.repeat {
            return Some(Loop::Repeat(times.get()));
        }
        let node = keys.for_each.value?;
        let Some((name, offset)) = for_each(node.as_text()?) else {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.span, "this does not say over what to go")
                    .help("write it as \"NAME in EXPRESSION\", such as \"segment in segments\""),
            );
            return None;
        };
        let items = self.scope.expression_at(node, offset, Stage::BeforeStep);
        self.scope.holds(name, &items);
        Some(Loop::ForEach { name: name.into(), items })
    }

    /// What the item of a `for_each` is called, and where.
    fn loop_name(&mut self, keys: &StepKeys<'f>) -> Option<(String, SourceSpan<'f>)> {
        let node = keys.for_each.value?;
        let text = node.as_text()?;
        let (name, _) = for_each(text)?;
        let start = text.len() - text.trim_start().len();
        let span = node.span.within(start..start + name.len());
        if !value::is_identifier(name) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, span, format!("expressions cannot use the name `{name}`"))
                    .help(format!("names are letters, digits and `_`; {} are not possible", list(&["a, b in …", "a.b in …"]))),
            );
        }
        Some((name.to_owned(), span))
    }

    fn at_once(&mut self, item: &StepItem<'f>, in_loop: bool) -> NonZeroU8 {
        let keys = &item.value;
        if let Some(entry) = keys.at_once.entry.filter(|_| !in_loop)
            && [keys.for_each.entry, keys.repeat.entry].iter().all(Option::is_none)
            && !["for_each", "repeat"].iter().any(|key| item.misspells(key))
        {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::NeedsKey, entry.key_span, "`at_once` has no effect without a loop")
                    .help("add `for_each` or `repeat`, or take it out"),
            );
        }
        (*keys.at_once).try_into().expect("the declared range fits into a byte")
    }
}

/// The name before `in`, and where the expression after it begins.
fn for_each(text: &str) -> Option<(&str, usize)> {
    let (name, rest) = text.split_once(" in ")?;
    let items = rest.trim_start();
    (!name.trim().is_empty() && !items.is_empty()).then(|| (name.trim(), text.len() - items.len()))
}

fn retry(keys: &RetryKeys<'_>) -> Option<Retry> {
    Some(Retry { attempts: keys.attempts.value?.get(), backoff: *keys.backoff })
}
