//! Keys of the service's file.

use super::super::shape::{Key, Kind, Rule, Section};
use super::alert::MAINTENANCE;
use super::alerting::{ALERTING, HEARTBEAT, NOTIFY, SELF_CHECK, STORE};
use super::http::DEVICE;
use super::probe::REDACT;

/// The service's file.
pub(crate) static SERVICE: Section = Section {
    id: "service",
    title: "the service's configuration",
    keys: &[
        Key::new("region", Kind::Slug, "The one region this process probes from; a metric label value.")
            .default("all of `regions`; \"local\" without any"),
        Key::new(
            "regions",
            Kind::Regions(&REGION),
            "The regions there are: a list of names, or `[regions.NAME]` tables. Without `region` this process runs all of them.",
        ),
        Key::new("probes", Kind::List(&Kind::Glob), "The probe files.").default("[]"),
        Key::new("vars", Kind::Names(&Kind::Json), "Constants that the probes' expressions use by name."),
        Key::new("secrets", Kind::Names(&Kind::Table(&SECRET)), "Where secrets come from; expressions use `secret.NAME`."),
        Key::new("redact", Kind::Table(&REDACT), "What is personal in the runs of every probe."),
        Key::new("http", Kind::Table(&DEVICE), "What every device of every probe begins with."),
        Key::new("listen", Kind::Table(&LISTEN), "The HTTP listener."),
        Key::new("traces", Kind::Table(&TRACES), "Export of traces over OTLP.").default("none are exported"),
        Key::new("alerting", Kind::Table(&ALERTING), "When and where pages go."),
        Key::new("notify", Kind::Table(&NOTIFY), "The channels pages go out by."),
        Key::new("maintenance", Kind::OneOrMore(&MAINTENANCE), "Windows in which probes are not run."),
        Key::new("store", Kind::Table(&STORE), "Where runs, incidents and what is still to be done are kept."),
        Key::new("self_check", Kind::Table(&SELF_CHECK), "How the prober tells its own outage from the targets'.")
            .default("nothing is excused"),
        Key::new("heartbeat", Kind::Table(&HEARTBEAT), "A dead-man's switch that notices when this service is gone."),
        Key::new("limits", Kind::Table(&LIMITS), "Bounds that hold for every run."),
        Key::new("log_format", Kind::Choice(&["human", "json"]), "Shape of the log lines.").default("\"human\""),
    ],
    rules: &[],
    later: &["observe", "databases", "metrics"],
};

static REGION: Section = Section {
    id: "region",
    title: "a region",
    keys: &[Key::new("vars", Kind::Names(&Kind::Json), "Constants that differ here; they replace those of `[vars]`.")],
    rules: &[],
    later: &[],
};

static SECRET: Section = Section {
    id: "secret",
    title: "a secret",
    keys: &[
        Key::new("env", Kind::Text, "The environment variable that holds it."),
        Key::new("file", Kind::File, "The file that holds it; one line break at its end is not part of it."),
    ],
    rules: &[Rule::ExactlyOne(&["env", "file"])],
    later: &[],
};

static LISTEN: Section = Section {
    id: "listen",
    title: "`listen`",
    keys: &[
        Key::new("address", Kind::SocketAddress, "Where `/metrics` and the health routes are served.")
            .default("\"127.0.0.1:9464\""),
        Key::new(
            "token",
            Kind::Slug,
            "Name of the secret that callers send as bearer token; needed unless the address is loopback.",
        ),
        Key::new(
            "hosts",
            Kind::List(&Kind::Text),
            "Names that requests may call it by, beside addresses, `localhost` and the host of `alerting.public_url`.",
        )
        .default("[]"),
    ],
    rules: &[],
    later: &[],
};

static TRACES: Section = Section {
    id: "traces",
    title: "`traces`",
    keys: &[
        Key::new(
            "endpoint",
            Kind::Url(&["http://", "https://"]),
            "URL of the OTLP receiver's traces, such as \"http://127.0.0.1:4318/v1/traces\".",
        )
        .required(),
        Key::new("headers", Kind::Map(&Kind::Template), "Headers of the export requests; `secret.NAME` is in scope."),
        Key::new("sample_passed", Kind::Share, "Share of passed runs that is exported; runs that did not pass always are.")
            .default("1"),
        Key::new("timeout", Kind::Duration, "Bound on one export request.").default("\"10s\""),
        Key::new(
            "queue",
            Kind::Integer { min: 1, max: 1_000_000 },
            "Runs that may wait for export before newer ones are dropped and counted.",
        )
        .default("2048"),
    ],
    rules: &[],
    later: &[],
};

static LIMITS: Section = Section {
    id: "limits",
    title: "`limits`",
    keys: &[
        Key::new("concurrent_runs", Kind::Integer { min: 1, max: 1_000_000 }, "Runs in flight at once, all probes together.")
            .default("1000"),
        Key::new("step_timeout", Kind::Duration, "Bound on one attempt where the step says nothing.").default("\"30s\""),
        Key::new("response_bytes", Kind::Size, "Body bytes read, after decompression, before an attempt fails.")
            .default("\"4MiB\""),
        Key::new("cleanup", Kind::Duration, "Budget of a run's cleanup.").default("\"30s\""),
        Key::new("shutdown_grace", Kind::Duration, "How long running runs may go on at shutdown.").default("\"30s\""),
        Key::new("min_interval", Kind::Duration, "Smallest interval a probe may have.").default("\"1s\""),
        Key::new("extra_roots", Kind::List(&Kind::File), "PEM files of roots that every device trusts beside the machine's.")
            .default("[]"),
        Key::new("exec", Kind::Bool, "Whether probes may run programs on this machine, with the rights of this service.")
            .default("false"),
    ],
    rules: &[],
    later: &[],
};
