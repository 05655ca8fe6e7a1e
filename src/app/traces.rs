//! From the configuration of traces to the exporter's: header templates rendered with the secrets of the day.

use std::net::SocketAddr;

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
pub(super) fn exporter(
    traces: &Traces,
    plan: &Plan,
    secrets: &Secrets,
    address: SocketAddr,
) -> Result<TracerConfig, HeaderError> {
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
        resource: resource(host_name().as_deref(), address),
    })
}

/// What tells this process from others: its machine, and its listener there, by which a scraper calls it too.
fn resource(host: Option<&str>, address: SocketAddr) -> Vec<(String, String)> {
    let instance = match host {
        Some(host) => format!("{host}:{}", address.port()),
        None => address.to_string(),
    };
    let host = host.map(|host| ("host.name".to_owned(), host.to_owned()));
    [("service.instance.id".to_owned(), instance)].into_iter().chain(host).collect()
}

/// The name of the machine, or of the container; nothing where it has none.
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().trim().to_owned();
    Some(name).filter(|name| !name.is_empty() && name != "(none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_called_by_its_machine_and_port_or_else_by_its_address() {
        let address: SocketAddr = "127.0.0.1:9464".parse().unwrap();
        let named = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(resource(Some("node-7"), address), named(&[("service.instance.id", "node-7:9464"), ("host.name", "node-7")]));
        assert_eq!(resource(None, address), named(&[("service.instance.id", "127.0.0.1:9464")]));
    }
}
