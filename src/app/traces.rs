//! From the configuration of traces to the exporter's: header templates rendered with the secrets of the day.

use minijinja::Value;

use crate::outcome::Secrets;
use crate::plan::expr::{Destination, EvalError};
use crate::plan::{Plan, Template, Traces};
use crate::telemetry::TracerConfig;

/// Why the exporter has no headers.
#[derive(Debug, thiserror::Error)]
#[error("the header `{header}` of [traces] cannot be made; check the secret it uses")]
pub struct HeaderError {
    header: String,
    source: EvalError,
}

/// What the exporter needs to know.
pub(super) fn exporter(traces: &Traces, plan: &Plan, secrets: &Secrets) -> Result<TracerConfig, HeaderError> {
    let known = plan.secrets.keys().filter_map(|name| Some((name.to_string(), secrets.get(name)?.as_ref().ok()?.expose())));
    let scope = Value::from_pairs([("secret", Value::from_pairs(known))]);
    let render = |(name, value): &(String, Template)| {
        let value = value.render(&scope, Destination::Header).map_err(|source| HeaderError { header: name.clone(), source })?;
        Ok((name.clone(), value))
    };
    Ok(TracerConfig {
        endpoint: traces.endpoint.clone(),
        headers: traces.headers.iter().map(render).collect::<Result<_, HeaderError>>()?,
        timeout: traces.timeout,
        queue: traces.queue,
        sample_passed: traces.sample_passed,
        service_name: "serinus".to_owned(),
        resource: vec![("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())],
    })
}
