//! How a request of the API can fail.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::history::ReadError;
use crate::web::problem::problem;

/// A status and a sentence.
#[derive(Debug)]
pub(in crate::web) struct Failure {
    status: StatusCode,
    message: String,
    /// Whether what was asked for may have been done all the same.
    may_be_done: bool,
}

impl Failure {
    /// The status of the answer.
    pub(in crate::web) fn status(&self) -> StatusCode {
        self.status
    }

    /// What is said of it.
    pub(in crate::web) fn message(&self) -> &str {
        &self.message
    }

    /// Whether what was asked for may have been done all the same.
    pub(in crate::web) fn may_be_done(&self) -> bool {
        self.may_be_done
    }

    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), may_be_done: false }
    }

    /// Another process of the fleet refused it.
    pub(in crate::web) fn of(status: u16, message: String) -> Self {
        Self::new(StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), message)
    }

    /// Another process of the fleet was asked and did not do it, so that a proxy may ask another one.
    pub(in crate::web) fn unanswered(message: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// Another process of the fleet was asked, and nobody knows whether it did it.
    pub(in crate::web) fn uncertain(message: String) -> Self {
        Self { may_be_done: true, ..Self::new(StatusCode::GATEWAY_TIMEOUT, message) }
    }

    /// There is no such thing.
    pub(in crate::web) fn unknown(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// It was asked for in a way that makes no sense.
    pub(in crate::web) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// It cannot be done as things stand.
    pub(in crate::web) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The store did not answer, or was asked for a page that cannot be.
    pub(in crate::web) fn store(error: &ReadError) -> Self {
        match error {
            ReadError::Cursor(_) => Self::bad(error.to_string()),
            ReadError::Defect => Self::internal(),
            ReadError::Unreadable { .. } => {
                tracing::warn!(error = error as &dyn std::error::Error, "a question of the API could not be answered");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        }
    }

    /// Too many questions to the store are going, or this one took too long.
    pub(in crate::web) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer in time; try again")
    }

    /// The service is stopping.
    pub(in crate::web) fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the service is stopping")
    }

    /// How things stand is not known to a process that asks the store of its fleet for it.
    pub(in crate::web) fn unread() -> Self {
        let why = "how things stand is not known: the database of the fleet does not answer, or the service is stopping";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    /// A defect.
    pub(in crate::web) fn internal() -> Self {
        let why = "this request made the service panic, which is a defect; its log says where";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, why)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        problem(self.status, &self.message)
    }
}
