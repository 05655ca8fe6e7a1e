//! Files for an existing stack, made from the probes that run: rules of Prometheus, routes of Alertmanager, dashboards of Grafana.
//!
//! Pure functions from a [`Service`](crate::plan::Service) to text: the same configuration gives the same text, so that a file on
//! disk can be held against it ([`difference`]). No secret is in any of them, since a plan has none. What a probe's file says is
//! foreign to the formats that it goes into and is quoted in [`text`] alone.
//!
//! One more rule is a function in [`rules`], one more panel of a dashboard an entry in [`grafana`], one more kind of file a module
//! here and a variant in `cli/export_args.rs`. A test in `tests/in_process/exports` runs each query against a real Prometheus.

mod alertmanager;
mod check;
mod grafana;
mod rules;
mod text;

pub use alertmanager::alertmanager;
pub use check::{Difference, difference};
pub use grafana::{Dashboard, grafana_dashboard};
pub use rules::prometheus_rules;
