//! The API described as `OpenAPI` 3.1, made of the handlers: each has its own words in `#[utoipa::path]`, and its types theirs.
//!
//! What all routes have in common (who may ask, how they refuse) is added here. A new handler is a line of `paths`.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::web::access;
use crate::web::model::live::{LiveHead, LiveIncident, LiveProbe};
use crate::web::model::slo::SloBy;
use crate::web::problem::{MEDIA_TYPE, Problem};
use crate::web::status_page;

use super::table::Format;
use super::{
    annotations, audit, certificates, fleet, incidents, leaks, maintenance, mutes, operations, probes, runs, slo, status, stream,
    verbs, verify, withdraw,
};

/// The description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Serinus",
        description = "What a running service knows and what it can be asked to do. Times that end in `_ms` are milliseconds since the \
                       epoch. Fields may be added; none changes its meaning."
    ),
    paths(
        status::status,
        fleet::fleet,
        status_page::shown,
        status::canaries,
        stream::stream,
        probes::one,
        runs::list,
        runs::written,
        runs::one,
        runs::beside,
        runs::artifacts,
        verbs::trigger,
        incidents::list,
        incidents::one,
        incidents::analysis,
        incidents::acknowledge,
        incidents::close,
        annotations::note,
        withdraw::withdraw,
        verify::shown,
        verify::start,
        audit::list,
        annotations::list,
        annotations::annotate,
        certificates::list,
        leaks::list,
        slo::slo,
        maintenance::list,
        mutes::list,
        mutes::mute,
        mutes::end,
        verbs::pause,
        verbs::resume,
        operations::sweep,
        operations::test_channel,
        verbs::reload,
        access::login_code,
        description,
    ),
    components(schemas(Problem, Format, SloBy, LiveHead, LiveIncident, LiveProbe)),
    security(("token" = [])),
    modifiers(&Common)
)]
struct Description;

/// What all routes have in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("One of `listen.token`.")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(token));
        for (path, item) in &mut document.paths.paths {
            let names_something = path.contains('{') || ["/runs", "/status-page", "/slo"].iter().any(|end| path.ends_with(end));
            if let Some(operation) = &mut item.get {
                refuse(operation, &[400, 401, 403, 429, 503]);
                refuse(operation, if names_something { &[404] } else { &[] });
                let unchanged =
                    ResponseBuilder::new().description("The caller has this answer already (`If-None-Match`).").build();
                operation.responses.responses.insert("304".to_owned(), RefOr::T(unchanged));
            }
            if let Some(operation) = &mut item.post {
                refuse(operation, &[400, 401, 403, 404, 409, 413, 415, 422, 429, 503, 504]);
            }
        }
    }
}

fn refuse(operation: &mut Operation, statuses: &[u16]) {
    for status in statuses {
        operation.responses.responses.insert(status.to_string(), RefOr::T(refusal(*status)));
    }
}

fn refusal(status: u16) -> Response {
    let why = match status {
        400 | 422 => "What was asked makes no sense.",
        401 => "No token, or a wrong one.",
        403 => "It is not allowed: the token may only look, or nobody has allowed the host's name.",
        404 => "There is no such thing.",
        409 => "It cannot be as things stand.",
        413 => "The body is longer than 64 KiB.",
        415 => "The body is not JSON.",
        429 => "Too many tokens were wrong; `Retry-After` says how long nobody listens.",
        504 => "Another process of the fleet was asked and did not say in time what came of it: it may have been done.",
        _ => {
            "The service starts or stops, its store does not answer, or another process of the fleet was asked and did not answer: \
             nothing was done."
        }
    };
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(why).content(MEDIA_TYPE, content).build()
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let document = Description::openapi();
    document.to_json().expect("names and texts have a JSON spelling")
});

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)))]
pub(super) async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::web::ROUTES;

    fn document() -> Value {
        serde_json::from_str(&DOCUMENT).unwrap()
    }

    #[test]
    fn every_route_is_described_and_every_described_route_exists() {
        let document = document();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
            .collect();
        let known = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(described, known);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_refusal_is_a_problem() {
        fn walk(of: &Value, see: &mut dyn FnMut(&str)) {
            match of {
                Value::Object(map) => map.iter().for_each(|(key, value)| match value {
                    Value::String(to) if key == "$ref" => see(to),
                    value => walk(value, see),
                }),
                Value::Array(values) => values.iter().for_each(|value| walk(value, see)),
                _ => {}
            }
        }
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        walk(&document, &mut |to| assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to}"));
        for (path, item) in document["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let is_problem = response["content"][MEDIA_TYPE].is_object();
                    assert_eq!(is_problem, status.starts_with(['4', '5']), "{path} {status}");
                }
            }
        }
    }

    #[test]
    fn parameters_are_described_once() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let names: Vec<&Value> =
                    operation["parameters"].as_array().into_iter().flatten().map(|parameter| &parameter["name"]).collect();
                let once: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
                assert_eq!(once.len(), names.len(), "{path}: {names:?}");
                assert_eq!(
                    names.iter().filter(|name| path.contains(&format!("{{{}}}", name.as_str().unwrap()))).count(),
                    path.matches('{').count()
                );
            }
        }
    }
}
