//! Forms of pages: what one brings, and that it was sent by a page of ours which the same person looked at.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::base::signing::SigningKey;
use crate::web::problem::problem;

use super::arrival::Base;
use super::caller::Caller;
use super::identify::Now;
use super::refusal::refused;
use super::state::AccessState;
use super::{origin, refusal};

/// The hidden field that carries the token.
const FIELD: &str = "form";

const SECONDS_A_DAY: u64 = 86_400;

/// What a page writes into the hidden field `form` of each of its forms; empty for who may send none. It is good for this caller,
/// today and tomorrow. The guard puts it into a request's extensions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::web) struct FormToken(pub(in crate::web) String);

impl FormToken {
    /// The token of a day for somebody.
    pub(super) fn of(key: &SigningKey, owner: &str, now: u64) -> Self {
        let signature = key.sign(&[owner, &(now / SECONDS_A_DAY).to_string()]);
        Self(BASE64_URL_SAFE_NO_PAD.encode(&signature[..16]))
    }

    fn is_good(offered: &str, key: &SigningKey, owner: &str, now: u64) -> bool {
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(offered) else { return false };
        let today = now / SECONDS_A_DAY;
        [today, today.saturating_sub(1)].iter().any(|day| key.verifies(&[owner, &day.to_string()], &signature))
    }
}

/// Whose forms a caller sends.
#[derive(Debug, Clone)]
pub(super) struct FormOwner(pub(super) String);

/// The fields of a form, from somebody who may act and sent it from a page of ours. Whatever is wrong is answered with a page, or in
/// JSON for who does not read pages.
#[derive(Debug)]
pub(in crate::web) struct Form<T> {
    /// Who sent it.
    pub(in crate::web) caller: Caller,
    /// What it says.
    pub(in crate::web) fields: T,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Response;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, Response> {
        let parts = request.extract_parts::<Parts>().await.unwrap_or_else(|never| match never {});
        // The body is as long as the routes allow.
        let body = Bytes::from_request(request, &())
            .await
            .map_err(|_| refuse(&parts, StatusCode::PAYLOAD_TOO_LARGE, "the form is too long, or did not arrive"))?;
        let (caller, fields) =
            verified(&parts, &body, Now::read().seconds()).map_err(|(status, why)| refuse(&parts, status, why))?;
        let fields = serde_urlencoded::from_str(&fields)
            .map_err(|error| refuse(&parts, StatusCode::UNPROCESSABLE_ENTITY, &format!("this form cannot be read: {error}")))?;
        Ok(Self { caller, fields })
    }
}

fn refuse(parts: &Parts, status: StatusCode, why: &str) -> Response {
    let base = parts.extensions.get::<Base>().cloned().unwrap_or_else(|| Base("/".to_owned()));
    if refusal::is_for_people(&parts.headers) { refused(status, why, &base, &parts.headers) } else { problem(status, why) }
}

/// Who sent a form, and its fields without the token.
fn verified(parts: &Parts, body: &[u8], now: u64) -> Result<(Caller, String), (StatusCode, &'static str)> {
    let (Some(access), Some(caller)) = (parts.extensions.get::<Arc<AccessState>>(), parts.extensions.get::<Caller>()) else {
        return Err((StatusCode::UNAUTHORIZED, "log in first"));
    };
    if !caller.may_act() {
        return Err((
            StatusCode::FORBIDDEN,
            "this changes something, and you may only look: log in with a token of the role \"act\"",
        ));
    }
    if !origin::is_own(&parts.uri, &parts.headers, access.hosts().public().as_deref()) {
        return Err((StatusCode::FORBIDDEN, "this form was not sent by a page of this service, so nothing was done"));
    }
    let is_form = |value: &[u8]| value.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded");
    if !parts.headers.get(header::CONTENT_TYPE).is_some_and(|value| is_form(value.as_bytes())) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "this is no form"));
    }
    let mut fields = url::form_urlencoded::Serializer::new(String::new());
    let mut token = None;
    for (name, value) in url::form_urlencoded::parse(body) {
        if name == FIELD {
            token = Some(value);
        } else {
            fields.append_pair(&name, &value);
        }
    }
    let owner = parts.extensions.get::<FormOwner>();
    let is_good = |token: &str| owner.is_some_and(|FormOwner(owner)| FormToken::is_good(token, &access.forms(), owner, now));
    if token.is_some_and(|token| is_good(&token)) {
        Ok((caller.clone(), fields.finish()))
    } else {
        Err((
            StatusCode::FORBIDDEN,
            "the page with this form is too old, or you logged in anew since: load it again, and nothing was done",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_owner_today_and_tomorrow() {
        let key = SigningKey::new(&[7; 32]);
        let token = FormToken::of(&key, "session a", 10 * SECONDS_A_DAY).0;
        let is_good = |owner, day| FormToken::is_good(&token, &key, owner, day * SECONDS_A_DAY + 5);
        assert!(is_good("session a", 10) && is_good("session a", 11));
        assert!(!is_good("session a", 12) && !is_good("session a", 9) && !is_good("session b", 10));
        for odd in ["", "x", &token[1..]] {
            assert!(!FormToken::is_good(odd, &key, "session a", 10 * SECONDS_A_DAY), "{odd}");
        }
    }
}
