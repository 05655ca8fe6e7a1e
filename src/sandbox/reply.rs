//! What every route answers with when it cannot do what was asked, and how bodies and queries are read.
//!
//! All errors are JSON: `{"error": {"code": "…", "message": "…"}}`. Must not know any product.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    more: Map<String, Value>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), more: Map::new() }
    }

    /// 404 for an entity that is not there (any more).
    pub(super) fn not_found(what: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no {what} `{id}`"))
    }

    /// 422 for a body that is JSON and makes no sense.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// One more member beside `code` and `message`.
    pub(super) fn with(mut self, key: &str, value: Value) -> Self {
        self.more.insert(key.to_owned(), value);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(members) = error.as_object_mut() {
            members.extend(self.more);
        }
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

/// A JSON body: 400 if it is no JSON, 413 if it is too large, 415 without its content type, 422 if its shape is wrong.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Json(value) = Json::<T>::from_request(request, state).await.map_err(|rejection| {
            let code = match &rejection {
                JsonRejection::JsonDataError(_) => "invalid",
                JsonRejection::MissingJsonContentType(_) => "unsupported_media_type",
                JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(_)) => "unreadable_body",
                _ => "bad_json",
            };
            Refusal::new(rejection.status(), code, rejection.body_text())
        })?;
        Ok(Self(value))
    }
}

/// A query string: 400 if it cannot be read.
pub(super) struct Filter<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Filter<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(value) = Query::<T>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Refusal::new(rejection.status(), "bad_query", rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// 404 for a path nobody serves.
pub(super) async fn no_such_route(request: Request) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "no_such_route", format!("nothing is served at `{}`", request.uri().path()))
}

/// 405 for a path that is served for other methods.
pub(super) async fn no_such_method(request: Request) -> Refusal {
    let message = format!("`{}` does not take {}", request.uri().path(), request.method());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
