//! Keys of steps, wherever a step may stand.

use super::super::check::misspelt;
use super::super::declaration::{Key, Rule, Section};
use super::super::section::{
    DeclaredSection, Field, Item, List, Names, OneOrMore, Table, TableOr, TableOrFalse, Tables, part, section, sentence,
};
use super::super::tree::TableEntry;
use super::super::value_kind::{
    Bool, Condition, Default, Duration, Expression, File, ForEach, Integer, Saying, Template, Title, Value,
};
use super::dns::Dns;
use super::exec::Exec;
use super::http::Http;
use super::tcp::Tcp;

/// Step kinds and features that come with later versions.
const LATER: &[&str] = &["observe", "sql", "tls", "grpc", "websocket", "browser", "prometheus"];

section! {
    /// A step of the journey.
    Step as StepKeys: "step", "a step" {
        /// Its name, unique in the probe; a metric label value.
        name: Title [required],
        /// The device it acts on; may be chosen by a loop.
        device: Template [over "default"],
        /// The HTTP request it makes.
        http: Table<Http>,
        /// The question that it asks a name server.
        dns: Table<Dns>,
        /// What it sends and reads over a TCP connection.
        tcp: Table<Tcp>,
        /// The program it runs; only where `limits.exec` of the service allows it.
        exec: Table<Exec>,
        /// Steps released together at a barrier; instead of an action of its own.
        parallel: Tables<Parallel>,
        /// Do it once for each item of a list: "NAME in EXPRESSION".
        for_each: ForEach,
        /// Do it so many times; `round` counts from 1.
        repeat: Integer<1, 1_000>,
        /// How many rounds of the loop are made side by side.
        at_once: Integer<1, 64> = 1,
        /// What this iteration is about. It has a result and an incident of its own; its failure ends neither the loop nor the run.
        subject: Template,
        /// An empty `for_each` list is no failure.
        allow_empty: Bool = false,
        /// The step is left out unless this is true.
        when: Condition,
        /// Bound on one attempt.
        timeout: Duration [default "`limits.step_timeout`"],
        /// New attempts after transport errors; not beside `eventually`, which polls anyway.
        retry: TableOrFalse<Retry>,
        /// Polls until the expectations hold.
        eventually: Table<Eventually>,
        /// Once the expectations hold, they must go on holding.
        consistently: Table<Consistently>,
        /// Conditions that are looked at before the expectations. One that is false ends the run as `blocked`, not as `failed`.
        guard: List<Condition>,
        /// What must be true of the result; each a condition, or one with its author's words.
        expect: List<TableOr<Expectation, Condition>>,
        /// What should be true of it, written as in `expect`. One that is not marks a run that passes as degraded, and fails nothing.
        warn: List<TableOr<Expectation, Condition>>,
        /// A JSON Schema the body must match.
        contract: File,
        /// Values for later steps, by name.
        capture: Names<Expression>,
        /// Values that are handed from answer to answer, by name: the request of each attempt sees them, and so do later steps.
        carry: Names<Table<Carry>>,
        /// Lists that grow by the answer of each attempt, by name; for `expect` and later steps.
        collect: Names<Expression>,
        /// A failure is recorded and does not end the run.
        allow_failure: Bool = false,
        /// Undoes what the step created, after any verdict.
        cleanup: OneOrMore<Cleanup>,
        /// Says of an answer that it created nothing, so that there is nothing to undo. An answer 4xx always means that.
        unless_created: Condition,
    }
    rules: &[
        Rule::ExactlyOne(&["http", "dns", "tcp", "exec", "parallel"]),
        Rule::AtMostOne(&["for_each", "repeat"]),
        Rule::AtMostOne(&["retry", "eventually"]),
        Rule::AtMostOne(&["subject", "parallel"]),
        Rule::Needs("subject", "for_each"),
        Rule::Needs("allow_empty", "for_each"),
        Rule::Needs("unless_created", "cleanup"),
        Rule::Excludes(
            "parallel",
            &[
                "device",
                "timeout",
                "retry",
                "eventually",
                "consistently",
                "guard",
                "expect",
                "warn",
                "contract",
                "capture",
                "carry",
                "collect",
                "cleanup",
                "unless_created",
            ],
        ),
    ];
    later: LATER;
}

/// A step and where it is written.
pub(in crate::config) type StepItem<'t> = Item<'t, StepKeys<'t>>;

impl StepKeys<'_> {
    /// It and the steps it releases together.
    pub(in crate::config) fn with_parallel(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.parallel.items().iter().map(|item| &item.value))
    }
}

impl<'t> StepKeys<'t> {
    /// Where new attempts are asked for.
    pub(in crate::config) fn retries(&self) -> Option<&'t TableEntry<'t>> {
        self.retry.entry.filter(|_| self.retry.value.as_ref().is_none_or(Option::is_some))
    }
}

impl StepItem<'_> {
    /// What of it does something itself: the step, or else those it releases together.
    pub(in crate::config) fn doing(&self) -> &[Self] {
        if self.value.parallel.entry.is_some() { self.value.parallel.items() } else { std::slice::from_ref(self) }
    }

    /// Whether a key is there under a name that nobody knows and that suggests it.
    pub(in crate::config) fn misspells(&self, key: &str) -> bool {
        self.node.as_table().is_some_and(|table| misspelt(table, Step::SECTION, key))
    }
}

part! {
    /// One of the steps of `parallel`.
    Parallel of Step: "parallel", "a parallel step" {
        name, device, http, dns, tcp, exec, when, timeout, retry, eventually, consistently, guard, expect, warn, contract, capture,
        carry, collect, allow_failure, cleanup, unless_created,
    }
    rules: &[
        Rule::ExactlyOne(&["http", "dns", "tcp", "exec"]),
        Rule::AtMostOne(&["retry", "eventually"]),
        Rule::Needs("unless_created", "cleanup"),
    ];
    later: LATER;
}

part! {
    /// A step that undoes another one.
    Cleanup of Step: "cleanup", "a cleanup" {
        name { required: false, default: "the step's name and \"cleanup\"", doc: "Its name, unique in the probe." },
        device { default: "the device of the step it undoes", doc: "The device it acts on." },
        http, dns, tcp, exec, when, timeout, retry, expect,
        capture { doc: "Values for the cleanups after it; only in `[[step.cleanup]]`." },
    }
    rules: &[Rule::ExactlyOne(&["http", "dns", "tcp", "exec"])];
    later: LATER;
}

section! {
    /// One of `expect` with its author's words.
    Expectation as ExpectationKeys: "expectation", "an expectation" {
        /// What must be true of the result.
        that: Condition [required],
        /// What is said first where it is not.
        say: Saying [required],
    }
}

/// What `expect` and `warn` are read from.
pub(in crate::config) type Expectations<'t> = Field<'t, Option<<List<TableOr<Expectation, Condition>> as Value>::Of<'t>>>;

section! {
    /// `eventually`.
    Eventually as EventuallyKeys: "eventually", "`eventually`" {
        /// The time in which it must hold, from the end of the step named by `since`. An answer that comes later does not count.
        within: Duration [required],
        /// Pause between attempts.
        poll: Duration = "500ms",
        /// The step from whose end `within` counts and convergence is measured.
        since: Title [default "the step before"],
    }
}

section! {
    /// `consistently`.
    Consistently as ConsistentlyKeys: "consistently", "`consistently`" {
        /// For how long they must go on holding.
        lasting @ "for": Duration [required],
        /// Pause between attempts.
        poll: Duration = "100ms",
    }
}

section! {
    /// `carry.NAME`.
    Carry as CarryKeys: "carry", "`carry`" {
        /// Its value for the first attempt.
        from: Expression [required],
        /// Its value after an answer, which is looked at; the old one stays where this leads to nothing.
        next: Expression [required],
    }
}

section! {
    /// `retry`.
    Retry as RetryKeys: "retry", "`retry`" {
        /// Attempts in all.
        attempts: Integer<2, 100> [required],
        /// Pause before the second attempt, doubled for each further one.
        backoff: Duration = "100ms",
    }
}
