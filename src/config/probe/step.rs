//! Steps, in the order of the journey.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::{Action, Condition, Consistently, Contract, Device, Eventually, Expression, Retry, Step, StepKind};

use super::super::check::misspelt;
use super::super::keys::STEP;
use super::super::nearest::{did_you_mean, suggestion};
use super::super::scope::{Scope, When};
use super::super::steps::{cleanups, tables, with_entries};
use super::super::tree::{Node, Spot, Table};
use super::super::world::World;
use super::super::{Code, Diagnostic, device};
use super::{exec, looping, request};

/// Between two attempts of `eventually`, where nothing is said.
pub(in crate::config) const POLL: Duration = Duration::from_millis(500);
/// Between two attempts of `consistently`, where nothing is said.
pub(in crate::config) const CONSISTENT_POLL: Duration = Duration::from_millis(100);
const BACKOFF: Duration = Duration::from_millis(100);

/// Steps of one probe, without those inside others.
const MOST_STEPS: usize = 1_000;

/// Reads all steps of a probe.
pub(super) fn steps<'f>(
    probe: &Table<'f>,
    devices: &BTreeMap<Arc<str>, Device>,
    world: &World,
    scope: &mut Scope<'_, 'f>,
) -> Vec<Step> {
    let mut reader = Reader { devices, world, scope, names: HashMap::new(), before: Vec::new() };
    let nodes: Vec<(&Node<'f>, &Table<'f>)> = tables(probe.list("step"));
    if let Some((node, _)) = nodes.get(MOST_STEPS) {
        reader.scope.diagnostics.push(
            Diagnostic::at(Code::TooMany, node.spot, format!("the probe has more than {MOST_STEPS} steps"))
                .help("make several probes, or a step with `repeat` or `for_each`"),
        );
        return Vec::new();
    }
    for (_, table) in &nodes {
        reader.announce(table);
    }
    let mut steps = Vec::with_capacity(nodes.len());
    for (node, table) in nodes {
        steps.push(reader.step(node, table));
        let finished = with_entries(table).filter_map(|step| step.text("name"));
        reader.before.extend(finished.map(str::to_owned));
    }
    steps
}

struct Reader<'r, 'b, 'f> {
    devices: &'r BTreeMap<Arc<str>, Device>,
    world: &'r World,
    scope: &'r mut Scope<'b, 'f>,
    /// Names of all steps so far, also of those inside others.
    names: HashMap<String, Spot<'f>>,
    /// Steps that have ended when the one being read begins.
    before: Vec<String>,
}

impl<'f> Reader<'_, '_, 'f> {
    /// Remembers what a step will capture, so that an earlier use can be told from a misspelling.
    fn announce(&mut self, table: &Table<'f>) {
        for step in with_entries(table) {
            for entry in step.entries_of("capture") {
                let declared =
                    super::super::scope::Declared { name: entry.key.to_string(), spot: entry.key_spot, what: "capture" };
                self.scope.later.push(declared);
            }
        }
    }

    fn step(&mut self, node: &Node<'f>, table: &Table<'f>) -> Step {
        let looping = looping::read(table, self.scope);
        let was_in_loop = std::mem::replace(&mut self.scope.in_loop, looping.is_some());
        let item = looping::item(table, self.scope);
        let visible = self.scope.visible.len();
        if let Some((name, spot)) = &item {
            self.scope.declare(name, *spot, "loop's name");
        }
        let action =
            if table.get("parallel").is_some() { Action::Parallel(self.parallel(table)) } else { self.action(node, table) };
        let at_once = self.at_once(table, looping.is_some());
        let subject = self.template(table, "subject");
        let step = Step { looping, at_once, subject, ..self.common(node, table, action, None) };
        if item.is_some() {
            self.scope.visible.remove(visible);
        }
        self.scope.in_loop = was_in_loop;
        step
    }

    /// What steps, parallel steps and cleanups have in common. The order is that of a run.
    fn common(&mut self, node: &Node<'f>, table: &Table<'f>, action: Action, default_name: Option<String>) -> Step {
        let name = table.owned("name").or(default_name).unwrap_or_default();
        let at = table.get("name").map_or(node.spot, |name| name.spot);
        self.unique(&name, at);
        let device = self.template(table, "device");
        self.known_device(table);
        let when = table.get("when").map(|node| self.scope.condition(node, When::Before));
        let result = When::Result(action.kind());
        let guard = self.conditions(table, "guard", result);
        let expect = self.conditions(table, "expect", result);
        let contract = table.get("contract").and_then(|node| self.contract(node));
        let unless_created = table.get("unless_created").map(|node| self.scope.condition(node, result));
        let capture = self.captures(table, result);
        let cleanup = self.cleanup(table, &name);
        Step {
            name: name.into(),
            device,
            action,
            looping: None,
            at_once: NonZeroU8::MIN,
            subject: None,
            when,
            guard,
            timeout: table.duration("timeout"),
            retry: retry(table),
            eventually: self.eventually(table),
            consistently: self.consistently(table),
            expect,
            contract,
            capture,
            allow_failure: table.bool("allow_failure").unwrap_or(false),
            allow_empty: table.bool("allow_empty").unwrap_or(false),
            cleanup,
            unless_created,
            location: at.location(),
        }
    }

    /// What a step does: its kind is the key it has. The rules of the keys see to it that it has exactly one.
    fn action(&mut self, node: &Node<'f>, table: &Table<'f>) -> Action {
        let empty = Table::default();
        let kind = StepKind::ALL.iter().copied().find(|kind| table.get(kind.key()).is_some()).unwrap_or(StepKind::Http);
        let own = table.table(kind.key()).unwrap_or(&empty);
        match kind {
            StepKind::Http => Action::Http(Box::new(request::read(own, node.spot, self.world, self.scope))),
            StepKind::Exec => Action::Exec(Box::new(exec::read(own, table, node.spot, self.scope))),
        }
    }

    fn template(&mut self, table: &Table<'f>, key: &str) -> Option<crate::plan::Template> {
        table.get(key).map(|node| self.scope.template(node, When::Before))
    }

    fn conditions(&mut self, table: &Table<'f>, key: &str, when: When) -> Vec<Condition> {
        table.list(key).iter().map(|node| self.scope.condition(node, when)).collect()
    }

    fn unique(&mut self, name: &str, spot: Spot<'f>) {
        if let Some(first) = self.names.get(name).filter(|_| !name.is_empty()) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::DuplicateStep, spot, format!("there is a step `{name}` already"))
                    .related(*first, "the first is here")
                    .help("names of steps are unique in a probe, also those of parallel steps and cleanups"),
            );
        }
        self.names.entry(name.to_owned()).or_insert(spot);
    }

    fn known_device(&mut self, table: &Table<'f>) {
        let Some(node) = table.get("device") else { return };
        let Some(name) = node.as_text().filter(|name| !name.contains("{{")) else { return };
        if !self.devices.contains_key(name) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::UnknownDevice, node.spot, format!("there is no device `{name}`"))
                    .help(format!("declare it with `[devices.{name}]`"))
                    .maybe_help(did_you_mean(name, self.devices.keys().map(|name| &**name))),
            );
        }
    }

    fn captures(&mut self, table: &Table<'f>, when: When) -> Vec<(Arc<str>, Expression)> {
        let mut captures = Vec::new();
        for entry in table.entries_of("capture") {
            let expression = self.scope.expression(&entry.value, when);
            self.scope.holds(&entry.key, &expression);
            captures.push((entry.key.as_ref().into(), expression));
            self.scope.declare(&entry.key, entry.key_spot, "capture");
        }
        captures
    }

    fn contract(&mut self, node: &Node<'f>) -> Option<Contract> {
        let name = node.as_text()?;
        match self.world.contracts.get(&device::beside(node.spot, name)) {
            Ok(schema) => Some(Contract { name: name.to_owned(), schema, location: node.spot.location() }),
            Err(broken) => {
                let mut diagnostic = Diagnostic::at(Code::InvalidContract, node.spot, format!("`{name}` cannot be a contract"))
                    .help("a contract is a file with a JSON Schema, relative to this one, without references to other documents");
                match &broken.place {
                    Some((file, span)) => diagnostic = diagnostic.related(Spot { file, span: *span }, broken.message),
                    None => diagnostic = diagnostic.label(broken.message),
                }
                self.scope.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Steps that begin together: none sees what another captures, the steps after them see all of it.
    fn parallel(&mut self, table: &Table<'f>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut captured = Vec::new();
        for (node, inner) in tables(table.list("parallel")) {
            let visible = self.scope.visible.len();
            let action = self.action(node, inner);
            steps.push(self.common(node, inner, action, None));
            let own = self.scope.visible.split_off(visible);
            self.scope.taken.extend(own.iter().cloned());
            captured.extend(own);
        }
        self.scope.taken.retain(|taken| captured.iter().all(|own| own.name != taken.name));
        self.scope.visible.extend(captured);
        if let ([_], Some(entry)) = (steps.as_slice(), table.entry("parallel")) {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, entry.key_spot, "one step alone cannot be parallel")
                    .help("add a second `[[step.parallel]]`, or make it a step of its own"),
            );
        }
        steps
    }

    /// Cleanups see everything their step knows and captured; what they capture is seen by the cleanups after them alone.
    fn cleanup(&mut self, table: &Table<'f>, step: &str) -> Vec<Step> {
        let visible = self.scope.visible.len();
        let nodes = tables(cleanups(table));
        let alone = table.get("cleanup").is_some_and(|node| node.as_table().is_some());
        let many = nodes.len() > 1;
        let mut steps = Vec::new();
        for (at, (node, inner)) in nodes.into_iter().enumerate() {
            let name = if many { format!("{step} cleanup {}", at + 1) } else { format!("{step} cleanup") };
            if let Some(entry) = inner.entry("capture").filter(|_| alone) {
                let line = node.spot.location().line;
                self.scope.diagnostics.push(
                    Diagnostic::at(Code::MisplacedKey, entry.key_spot, "no cleanup comes after this one to use the capture")
                        .related(node.spot, "what follows this line belongs to the cleanup")
                        .help(format!("to capture from the step, move it above line {line}, where its cleanup begins")),
                );
            }
            let action = self.action(node, inner);
            steps.push(self.common(node, inner, action, Some(name)));
        }
        self.scope.visible.truncate(visible);
        steps
    }

    fn eventually(&mut self, table: &Table<'f>) -> Option<Eventually> {
        let inner = table.table("eventually")?;
        if let Some(node) = inner.get("since") {
            let name = node.as_text().unwrap_or_default();
            if !self.before.iter().any(|before| before == name) {
                let message = format!("no step before this one is called `{name}`");
                let known: Vec<&str> = self.before.iter().map(String::as_str).collect();
                self.scope.diagnostics.push(
                    Diagnostic::at(Code::UnknownStep, node.spot, message)
                        .help("`since` names the step whose end convergence is measured from")
                        .maybe_help(suggestion(name, known)),
                );
            }
        }
        self.needs_expectation(table, "eventually", "has nothing to wait for", "it is what must hold in the end");
        Some(Eventually {
            within: inner.duration("within").unwrap_or_default(),
            poll: inner.duration("poll").unwrap_or(POLL),
            since: inner.text("since").map(Into::into),
        })
    }

    fn consistently(&mut self, table: &Table<'f>) -> Option<Consistently> {
        let inner = table.table("consistently")?;
        self.needs_expectation(table, "consistently", "has nothing that could stop holding", "it is what must go on holding");
        let poll = inner.duration("poll").unwrap_or(CONSISTENT_POLL);
        Some(Consistently { lasting: inner.duration("for").unwrap_or_default(), poll })
    }

    fn at_once(&mut self, table: &Table<'f>, in_loop: bool) -> NonZeroU8 {
        if let Some(entry) = table.entry("at_once").filter(|_| !in_loop)
            && !["for_each", "repeat"].iter().any(|key| table.get(key).is_some() || misspelt(table, &STEP, key))
        {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::NeedsKey, entry.key_spot, "`at_once` has no effect without a loop")
                    .help("add `for_each` or `repeat`, or take it out"),
            );
        }
        table.count("at_once").and_then(|rounds| u8::try_from(rounds).ok()).and_then(NonZeroU8::new).unwrap_or(NonZeroU8::MIN)
    }

    fn needs_expectation(&mut self, table: &Table<'f>, key: &str, lack: &str, purpose: &str) {
        if table.list("expect").is_empty()
            && table.get("contract").is_none()
            && !["expect", "contract"].iter().any(|key| misspelt(table, &STEP, key))
            && let Some(entry) = table.entry(key)
        {
            self.scope.diagnostics.push(
                Diagnostic::at(Code::NeedsKey, entry.key_spot, format!("`{key}` {lack}"))
                    .help(format!("add `expect`: {purpose}")),
            );
        }
    }
}

fn retry(table: &Table<'_>) -> Option<Retry> {
    let inner = table.table("retry")?;
    Some(Retry { attempts: inner.count("attempts").unwrap_or(2), backoff: inner.duration("backoff").unwrap_or(BACKOFF) })
}
