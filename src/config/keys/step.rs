//! Keys of steps, wherever a step may stand.

use super::super::shape::{Key, Kind, Rule, Section};
use super::exec::EXEC;
use super::http::HTTP;

/// Step kinds and features that come with later versions.
const LATER: &[&str] = &["observe", "sql", "dns", "tcp", "tls", "grpc", "websocket", "browser", "prometheus"];

const DEVICE: Key = Key::new("device", Kind::Template, "The device it acts on; may be chosen by a loop.").default("\"default\"");
const HTTP_KEY: Key = Key::new("http", Kind::Table(&HTTP), "The HTTP request it makes.");
const EXEC_KEY: Key =
    Key::new("exec", Kind::Table(&EXEC), "The program it runs; only where `limits.exec` of the service allows it.");
const WHEN: Key = Key::new("when", Kind::Condition, "It is done only if this is true.");
const TIMEOUT: Key = Key::new("timeout", Kind::Duration, "Bound on one attempt.").default("`limits.step_timeout`");
const RETRY_KEY: Key =
    Key::new("retry", Kind::Table(&RETRY), "New attempts after transport errors; not beside `eventually`, which polls anyway.");
const GUARD: Key = Key::new("guard", Kind::List(&Kind::Condition), "Asked of the result first: exactly false blocks the run.");
const EXPECT: Key = Key::new("expect", Kind::List(&Kind::Condition), "What must be true of the result.");
const CONTRACT: Key = Key::new("contract", Kind::File, "A JSON Schema the body must match.");
const EVENTUALLY_KEY: Key = Key::new("eventually", Kind::Table(&EVENTUALLY), "Poll until the expectations hold.");
const CONSISTENTLY_KEY: Key =
    Key::new("consistently", Kind::Table(&CONSISTENTLY), "Once the expectations hold, they must go on holding.");
const CAPTURE: Key = Key::new("capture", Kind::Names(&Kind::Expression), "Values for later steps, by name.");
const ALLOW_FAILURE: Key =
    Key::new("allow_failure", Kind::Bool, "A failure is recorded and does not end the run.").default("false");
const CLEANUP_KEY: Key = Key::new("cleanup", Kind::OneOrMore(&CLEANUP), "Undoes what the step created, after any verdict.");
const UNLESS_CREATED: Key = Key::new(
    "unless_created",
    Kind::Condition,
    "An answer for which this is true created nothing, so that nothing is undone; one with a 4xx never does.",
);

/// A step of the journey.
pub(crate) static STEP: Section = Section {
    id: "step",
    title: "a step",
    keys: &[
        Key::new("name", Kind::Title, "Its name, unique in the probe; a metric label value.").required(),
        DEVICE,
        HTTP_KEY,
        EXEC_KEY,
        Key::new("parallel", Kind::Tables(&PARALLEL), "Steps released together at a barrier; instead of an action of its own."),
        Key::new("for_each", Kind::ForEach, "Do it once for each item of a list: \"NAME in EXPRESSION\"."),
        Key::new("repeat", Kind::Integer { min: 1, max: 1_000 }, "Do it so many times; `round` counts from 1."),
        Key::new("at_once", Kind::Integer { min: 1, max: 64 }, "How many rounds of the loop are made side by side.").default("1"),
        Key::new(
            "subject",
            Kind::Template,
            "Names what this iteration is about: its own result, and neither the loop nor the run ends when it fails.",
        ),
        Key::new("allow_empty", Kind::Bool, "An empty `for_each` list is no failure.").default("false"),
        WHEN,
        TIMEOUT,
        RETRY_KEY,
        EVENTUALLY_KEY,
        CONSISTENTLY_KEY,
        GUARD,
        EXPECT,
        CONTRACT,
        CAPTURE,
        ALLOW_FAILURE,
        CLEANUP_KEY,
        UNLESS_CREATED,
    ],
    rules: &[
        Rule::ExactlyOne(&["http", "exec", "parallel"]),
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
                "contract",
                "capture",
                "cleanup",
                "unless_created",
            ],
        ),
    ],
    later: LATER,
};

/// One of the steps of `parallel`.
static PARALLEL: Section = Section {
    id: "parallel",
    title: "a parallel step",
    keys: &[
        Key::new("name", Kind::Title, "Its name, unique in the probe; a metric label value.").required(),
        DEVICE,
        HTTP_KEY,
        EXEC_KEY,
        WHEN,
        TIMEOUT,
        RETRY_KEY,
        EVENTUALLY_KEY,
        CONSISTENTLY_KEY,
        GUARD,
        EXPECT,
        CONTRACT,
        CAPTURE,
        ALLOW_FAILURE,
        CLEANUP_KEY,
        UNLESS_CREATED,
    ],
    rules: &[
        Rule::ExactlyOne(&["http", "exec"]),
        Rule::AtMostOne(&["retry", "eventually"]),
        Rule::Needs("unless_created", "cleanup"),
    ],
    later: LATER,
};

/// A step that undoes another one.
static CLEANUP: Section = Section {
    id: "cleanup",
    title: "a cleanup",
    keys: &[
        Key::new("name", Kind::Title, "Its name, unique in the probe.").default("the step's name and \"cleanup\""),
        Key::new("device", Kind::Template, "The device it acts on.").default("the device of the step it undoes"),
        HTTP_KEY,
        EXEC_KEY,
        WHEN,
        TIMEOUT,
        RETRY_KEY,
        EXPECT,
        Key::new("capture", Kind::Names(&Kind::Expression), "Values for the cleanups after it; only in `[[step.cleanup]]`."),
    ],
    rules: &[Rule::ExactlyOne(&["http", "exec"])],
    later: LATER,
};

static EVENTUALLY: Section = Section {
    id: "eventually",
    title: "`eventually`",
    keys: &[
        Key::new(
            "within",
            Kind::Duration,
            "An attempt holds only if its answer is there this soon after the end of the step named by `since`.",
        )
        .required(),
        Key::new("poll", Kind::Duration, "Pause between attempts.").default("\"500ms\""),
        Key::new("since", Kind::Title, "The step from whose end `within` counts and convergence is measured.")
            .default("the step before"),
    ],
    rules: &[],
    later: &[],
};

static CONSISTENTLY: Section = Section {
    id: "consistently",
    title: "`consistently`",
    keys: &[
        Key::new("for", Kind::Duration, "For how long they must go on holding.").required(),
        Key::new("poll", Kind::Duration, "Pause between attempts.").default("\"100ms\""),
    ],
    rules: &[],
    later: &[],
};

static RETRY: Section = Section {
    id: "retry",
    title: "`retry`",
    keys: &[
        Key::new("attempts", Kind::Integer { min: 2, max: 100 }, "Attempts in all.").required(),
        Key::new("backoff", Kind::Duration, "Pause before the second attempt, doubled for each further one.")
            .default("\"100ms\""),
    ],
    rules: &[],
    later: &[],
};
