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

    /// There is no such thing.
    pub(in crate::web) fn unknown(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// It was asked for in a way that makes no sense.
    pub(in crate::web) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// It cannot be done as things stand.
    pub(in crate::web) fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, message: message.into() }
    }

    /// The store did not answer, or was asked for a page that cannot be.
    pub(in crate::web) fn store(error: &ReadError) -> Self {
        match error {
            ReadError::Cursor(_) => Self::bad(error.to_string()),
            ReadError::Defect => Self::internal(),
            ReadError::Unreadable { .. } => {
                tracing::warn!(error = error as &dyn std::error::Error, "a question of the API could not be answered");
                Self { status: StatusCode::SERVICE_UNAVAILABLE, message: error.to_string() }
            }
        }
    }

    /// Too many questions to the store are going, or this one took too long.
    pub(in crate::web) fn busy() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: "the store does not answer in time; try again".to_owned() }
    }

    /// The service is stopping.
    pub(in crate::web) fn stopping() -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: "the service is stopping".to_owned() }
    }

    /// A defect.
    pub(in crate::web) fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "this request made the service panic, which is a defect; its log says where".to_owned(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        problem(self.status, &self.message)
    }
}
