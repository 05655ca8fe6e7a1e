//! Connections to ask on, for questions that are bounded as a whole.
//!
//! Where an answer does not come in time, or nobody waits for it any more, its connection is closed, so that the next question does not
//! wait behind it.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::time::timeout;
use tokio_postgres::{Client, Error};

use super::connection::{Connection, QueryError};
use crate::history::ReadError;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("it did not answer within {} seconds", .0.as_secs())]
    Late(Duration),
}

/// A connection with a question under way. It is closed when it is dropped, as whoever got it next would wait behind that question.
struct Asked(Option<Connection>);

impl Asked {
    /// The answer is there: the connection goes back.
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}

/// Asks, on a bounded number of connections.
#[derive(Debug)]
pub(super) struct Asker {
    pool: Pool,
    /// Which store it is, for errors.
    label: String,
    /// How long a question may take as a whole, with the wait for a connection.
    within: Duration,
}

impl Asker {
    pub(super) fn new(pool: Pool, label: String, within: Duration) -> Self {
        Self { pool, label, within }
    }

    /// Asks within the time that there is, on a connection that others asked on before.
    pub(super) async fn ask<T>(&self, question: impl AsyncFnOnce(&mut Client) -> Result<T, Error>) -> Result<T, ReadError> {
        let answer = async {
            let mut asked = Asked(None);
            let connection = asked.0.insert(self.pool.get().await.map_err(QueryError::from)?);
            let answer = question(connection).await;
            asked.answered();
            Ok(answer.map_err(QueryError::Statement)?)
        };
        let answered = timeout(self.within, answer).await.unwrap_or(Err(AskError::Late(self.within)));
        answered.map_err(|source| ReadError::Unreadable { store: self.label.clone(), source: source.into() })
    }
}
