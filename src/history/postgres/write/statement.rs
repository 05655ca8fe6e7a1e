//! Statements that leave together and are answered together.

use futures::future::{BoxFuture, FutureExt as _};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

/// A statement with its values.
pub(in super::super) struct Statement<'a> {
    sql: &'static str,
    values: Vec<(Box<dyn ToSql + Sync + Send + 'a>, Type)>,
}

impl<'a> Statement<'a> {
    pub(in super::super) fn new(sql: &'static str) -> Self {
        Self { sql, values: Vec::new() }
    }

    /// With one value more, of this type.
    pub(in super::super) fn with(mut self, value: impl ToSql + Sync + Send + 'a, of: Type) -> Self {
        self.values.push((Box::new(value), of));
        self
    }

    async fn ask(&self, client: &Client) -> Result<Vec<Row>, Error> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect();
        client.query_typed(self.sql, &values).await
    }
}

/// Sends all of these in this order before the first is answered. The first error is returned; the transaction is over then, too.
pub(in super::super) async fn send(
    client: &Client,
    begin: &str,
    statements: &[Statement<'_>],
    end: &str,
) -> Result<Vec<Vec<Row>>, Error> {
    let simple = |text| async move { client.batch_execute(text).await.map(|()| Vec::new()) }.boxed();
    let mut asked: Vec<BoxFuture<'_, Result<Vec<Row>, Error>>> = vec![simple(begin)];
    asked.extend(statements.iter().map(|statement| statement.ask(client).boxed()));
    asked.push(simple(end));
    // A request is sent when it is polled first, so the order is kept whatever the answers' order is.
    let mut first = Vec::with_capacity(asked.len());
    for each in &mut asked {
        first.push(futures::poll!(each));
    }
    let mut answers = Vec::with_capacity(asked.len());
    for (each, polled) in asked.into_iter().zip(first) {
        answers.push(match polled {
            std::task::Poll::Ready(answer) => answer,
            std::task::Poll::Pending => each.await,
        });
    }
    let mut answers: Vec<Vec<Row>> = answers.into_iter().collect::<Result<_, _>>()?;
    answers.pop();
    answers.remove(0);
    Ok(answers)
}
