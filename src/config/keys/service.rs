//! Keys of the service's file.

use crate::plan::{LogFormat, Role};

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{
    DeclaredSection, Field, List, Map, Names, OneOrMore, Regions, Table, TablesOrOne, schemes, section, sentence, words,
};
use super::super::value_kind::{
    Bool, Choice, Default, Duration, File, Glob, Integer, Json, Lint, Schemes, Share, Size, Slug, SocketAddress, Template,
};
use super::super::value_kind::{Text, Url, Value, Words};
use super::alert::Maintenance;
use super::alerting::{Alerting, Fleet, Heartbeat, Notify, SelfCheck, Store};
use super::http::Device;
use super::probe::Redact;
use super::status_page::StatusPage;

section! {
    /// The service's file.
    Service as ServiceKeys: "service", "the service's configuration" {
        /// The one region this process probes from; a metric label value.
        region: Slug [default "all of `regions`; \"local\" without any"],
        /// The regions there are: a list of names, or `[regions.NAME]` tables. Without `region` this process runs all of them.
        regions: Regions<Region>,
        /// The probe files.
        probes: List<Glob> = [],
        /// Constants that the probes' expressions use by name.
        vars: Names<Json>,
        /// Where secrets come from; expressions use `secret.NAME`.
        secrets: Names<Table<Secret>>,
        /// Personal data in the runs of every probe.
        redact: Table<Redact> [always],
        /// Defaults for every device of every probe.
        http: Table<Device>,
        /// The HTTP listener.
        listen: Table<Listen> [always],
        /// Export of traces over OTLP.
        traces: Table<Traces> [default "none are exported"],
        /// When and where pages go.
        alerting: Table<Alerting> [always],
        /// The channels that pages go out by.
        notify: Table<Notify> [always],
        /// Windows in which probes are not run.
        maintenance: OneOrMore<Maintenance>,
        /// Where runs, incidents and what is still owed are kept.
        store: Table<Store> [always],
        /// How the processes that share a store work together; only with a store in PostgreSQL.
        fleet: Table<Fleet> [always],
        /// How the prober tells its own outage from the targets'.
        self_check: Table<SelfCheck> [default "nothing is excused"],
        /// A dead-man's switch that notices when this service is gone.
        heartbeat: Table<Heartbeat>,
        /// A page that everybody may see, of chosen probes.
        status_page: Table<StatusPage>,
        /// Bounds that hold for every run.
        limits: Table<Limits> [always],
        /// Shape of the log lines.
        log_format: Choice<LogFormat> = "human",
        /// Lints of `serinus check` that were looked at and are silent in this file, each by its word, such as "maintenance-over".
        allow: List<Lint> = [],
    }
    later: &["observe", "databases", "metrics"];
}

section! {
    /// A region.
    Region as RegionKeys: "region", "a region" {
        /// Constants that differ here; they replace those of `[vars]`.
        vars: Names<Json>,
    }
}

section! {
    /// A secret.
    Secret as SecretKeys: "secret", "a secret" {
        /// The environment variable that holds it.
        env: Text,
        /// The file that holds it; one line break at its end is not part of it.
        file: File,
    }
    rules: &[Rule::ExactlyOne(&["env", "file"])];
}

section! {
    /// `listen`.
    Listen as ListenKeys: "listen", "`listen`" {
        /// Where `/metrics` and the health routes are served.
        address: SocketAddress = "127.0.0.1:9464",
        /// Who may ask, as `[[listen.token]]` tables, or the name of a secret, which is then the only token and may act; needed unless the address is loopback.
        token: TablesOrOne<Token, Slug>,
        /// Name of the secret that signs sessions and the links of pages, at least 32 characters; the same on all instances.
        key: Slug [default "a key that is made at the first start and kept in the store"],
        /// Names that requests may call it by, beside addresses, `localhost` and the host of `alerting.public_url`.
        hosts: List<Text> = [],
        /// Addresses or networks of the proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and user header are believed.
        trusted_proxies: List<Text> = [],
        /// The header in which trusted proxies say who asks, such as "x-forwarded-user"; they must take it from everybody else.
        user_header: Text,
        /// What whoever the proxies name may do.
        user_role: Choice<Role> = "read",
        /// The certificate that the listener proves itself with; it speaks plain HTTP without.
        tls: Table<ListenTls>,
    }
    rules: &[Rule::Needs("user_header", "trusted_proxies"), Rule::Needs("user_role", "user_header")];
}

section! {
    /// `listen.token`.
    Token as TokenKeys: "token", "a token" {
        /// Who uses it; the audit log shows it.
        name: Slug [required],
        /// Name of the secret that is the token's value.
        secret: Slug [default "the token's `name`"],
        /// What it allows: to look, or to change something as well.
        role: Choice<Role> = "read",
    }
}

section! {
    /// `listen.tls`.
    ListenTls as ListenTlsKeys: "listen_tls", "`listen.tls`" {
        /// PEM file of the certificate, and of those between it and a root.
        certificate: File [required],
        /// PEM file of its private key.
        key: File [required],
    }
}

section! {
    /// `traces`.
    Traces as TracesKeys: "traces", "`traces`" {
        /// URL of the OTLP receiver's traces, such as "http://127.0.0.1:4318/v1/traces".
        #[expect(clippy::doc_markdown, reason = "the schema shows it as TOML writes it")]
        endpoint: Url<Receiver> [required],
        /// Headers of the export requests; `secret.NAME` is in scope.
        headers: Map<Template>,
        /// Share of passed runs that is exported; runs that did not pass always are.
        sample_passed: Share = 1,
        /// Bound on one export request.
        timeout: Duration = "10s",
        /// Runs that may wait for export before newer ones are dropped and counted.
        queue: Integer<1, 1_000_000> = 2048,
    }
}

section! {
    /// `limits`.
    Limits as LimitsKeys: "limits", "`limits`" {
        /// Runs in flight at once, all probes together.
        concurrent_runs: Integer<1, 1_000_000> = 1000,
        /// Bound on one attempt of a step without `timeout`.
        step_timeout: Duration = "30s",
        /// Body bytes read, after decompression, before an attempt fails.
        response_bytes: Size = "4MiB",
        /// Budget of a run's cleanup.
        cleanup: Duration = "30s",
        /// How long running runs may go on at shutdown.
        shutdown_grace: Duration = "30s",
        /// Smallest interval a probe may have.
        min_interval: Duration = "1s",
        /// PEM files of roots that every device trusts beside the machine's.
        extra_roots: List<File> = [],
        /// Whether probes may run programs on this machine, with the rights of this service.
        exec: Bool = false,
    }
}

words! {
    Role { "read" => Read, "act" => Act }
}

words! {
    LogFormat { "human" => Human, "json" => Json }
}

schemes! {
    /// Those of a receiver of traces.
    Receiver: "http://", "https://";
}
