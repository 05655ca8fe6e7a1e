//! Requests whose URL an answer told: a link to the next page, a location, the address of an upload.
//!
//! Owns that nothing private goes to an origin that only an answer named. Whoever answers could otherwise have the credentials of the
//! canary sent wherever they like. The origins of a probe are those that its operator wrote into any of its URLs. What redirects may take
//! along is in `redirect`.

use crate::outcome::is_credential;
use crate::plan::expr::EvalError;
use crate::plan::{HttpAction, Template};
use crate::run::step::kind::Setting;

use super::request::HttpRequest;

/// # Errors
/// The request goes to an origin that is not the probe's own, and something in it is made of a secret or is a credential.
pub(super) fn check(action: &HttpAction, setting: &Setting<'_>, request: &HttpRequest) -> Result<(), EvalError> {
    if action.url.has_own_origin() {
        return Ok(());
    }
    let Some(what) = private(action, setting, request) else { return Ok(()) };
    let to = request.url.origin();
    let own: Vec<String> = setting.origins.iter().filter_map(|url| own_origin(url, setting)).collect();
    if own.contains(&to.ascii_serialization()) {
        return Ok(());
    }
    let known =
        if own.is_empty() { "the probe names no origin itself".to_owned() } else { format!("those are {}", own.join(" and ")) };
    Err(EvalError {
        message: format!(
            "the URL leads to {}, which only an answer named, and {what} is made of a secret or is a credential: that goes to the probe's \
             own origins alone ({known}). If it is to go there, write that origin into a URL of the probe; if not, let a device without \
             it ask",
            to.ascii_serialization()
        ),
    })
}

/// What of a request must not go anywhere else.
fn private(action: &HttpAction, setting: &Setting<'_>, request: &HttpRequest) -> Option<String> {
    let header = request.headers.iter().map(|(name, _)| name);
    let is_private = |name: &&http::HeaderName| request.private.headers.contains(name) || is_credential(name.as_str());
    let mut fields = action.query.iter().chain(&setting.device.requests.query);
    let query = fields.find(|field| field.value.templates().iter().any(Template::is_private));
    if request.auth.is_some() {
        Some("`authorization`".to_owned())
    } else if let Some(name) = header.clone().find(is_private) {
        Some(format!("the header `{name}`"))
    } else if let Some(field) = query {
        Some(format!("the key `{}` of the query", field.name))
    } else if action.url.adds_private() {
        Some("a part of the URL".to_owned())
    } else {
        request.private.body.then(|| "the body".to_owned())
    }
}

fn own_origin(url: &Template, setting: &Setting<'_>) -> Option<String> {
    let start = url.render_origin(setting.scope).ok()?;
    Some(reqwest::Url::parse(&start).ok()?.origin().ascii_serialization())
}
