//! What to do: probes, their steps, and the canaries they expand into.
//!
//! Everything here is immutable, shared by `Arc` and checked: `config` builds it once from TOML, and from then on nothing
//! re-checks it and nothing in it can be invalid. No I/O, and serde only for the policy of a probe, which travels to other processes. A new step kind is a new variant of [`Action`] and
//! [`StepKind`] with its own file; a new policy is a field of [`Step`] or [`Probe`] with a type that can only hold what makes sense.

mod alert;
mod alerting;
mod cadence;
mod calendar;
mod canary;
pub mod chance;
mod database_url;
mod dns;
mod exec;
pub mod expr;
mod files;
mod fingerprint;
mod fleet;
mod http;
mod kind;
mod listen;
mod maintenance;
mod names;
mod only;
mod policy;
mod probe;
mod redaction;
mod service;
mod severity;
mod slo;
mod status_page;
mod step;
mod store_place;
mod tcp;
#[cfg(test)]
pub(crate) mod testing;
mod texts;
mod walk;

pub use alert::{AcrossPolicy, AlertPolicy, CriticalRule, PageRule, SubjectGone};
pub use alerting::{
    Alerting, BlindRule, Bodies, Channel, ChannelKind, FlapRule, FleetSettings, Heartbeat, ReceiverKind, Retention, Route,
    SelfCheckSettings, SmtpTls, StoreSettings,
};
pub use cadence::{Cadence, Overlap};
pub(crate) use calendar::Calendar;
pub use canary::{Canary, CanaryId, Cell, CellValue, Region};
pub use database_url::{DatabaseTls, DatabaseUrl, DatabaseUrlError};
pub use dns::{DnsAction, DnsTransport, dns_name, dns_server};
pub use exec::ExecAction;
pub use expr::{Condition, Expression, Template};
pub use files::FileShares;
pub use fingerprint::Fingerprints;
pub use http::{
    Auth, Body, ClientCredentials, Connections, DeviceSettings, Field, FieldValue, HttpAction, HttpVersion, JsonTemplate, MinTls,
    Part, PartContent, Pem, Redirects, RequestDefaults, Resolve, TlsSettings, is_safe,
};
pub use kind::StepKind;
pub use listen::{Listen, ListenTls, ListenToken, Network, NoNetwork, Proxies, Role};
pub use maintenance::{Maintenance, MaintenanceTime, Period};
pub use names::{KEPT_NAMES, LABEL_NAMES, MESSAGE_NAMES, RUN_NAMES, is_result_name};
pub use only::{Excerpt, excerpt_for};
pub use policy::ProbePolicy;
pub use probe::{Device, Plan, Probe, Runbook};
pub use redaction::{JsonPath, Level, Progress, Redaction};
pub use service::{Limits, LogFormat, SecretSource, Service, Traces};
pub use severity::Severity;
pub use slo::{LatencyOf, LatencySlo, Slo};
pub use status_page::{StatusComponent, StatusPage, StatusPlace};
pub use step::{Action, Carry, Consistently, Contract, Eventually, Guard, Loop, Retry, Step, Unjournalled, warns};
pub use store_place::{StorePlace, StorePlaceError};
pub use tcp::{Payload, StartTls, TcpAction, TcpTarget, TlsChanges, Until};
pub use walk::{Visit, find, journey, walk};
