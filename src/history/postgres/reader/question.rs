//! Questions as they are sent: values with their types, and columns as readers want them.

use std::pin::pin;

use futures::TryStreamExt as _;
use tokio_postgres::types::{FromSql, ToSql, Type, accepts};
use tokio_postgres::{Client, Error, IsolationLevel, Row, RowStream, Transaction};

use super::super::text::plain;

/// A value with its type.
pub(in super::super) type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// A text. One from outside may have a zero byte; what was written with one is found by it.
pub(in super::super) fn text(value: &str) -> Value {
    (Box::new(plain(value).into_owned()), Type::TEXT)
}

/// A text, if there is one.
pub(super) fn maybe_text(value: Option<&str>) -> Value {
    (Box::new(value.map(|value| plain(value).into_owned())), Type::TEXT)
}

/// A number of any column of whole numbers: it is compared with smaller ones as it is.
pub(in super::super) fn number(value: i64) -> Value {
    (Box::new(value), Type::INT8)
}

/// A number, if there is one.
pub(super) fn maybe_number(value: Option<i64>) -> Value {
    (Box::new(value), Type::INT8)
}

/// A number of things.
pub(super) fn count(value: usize) -> Value {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The id of a run.
pub(super) fn id(value: ulid::Ulid) -> Value {
    (Box::new(value.0.to_be_bytes().to_vec()), Type::BYTEA)
}

/// The values of a question that is put together, in the order of their numbers.
#[derive(Default)]
pub(super) struct Values(pub(super) Vec<Value>);

impl Values {
    /// One value more. Returns what stands for it in the question.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.0.push(value);
        format!("${}", self.0.len())
    }
}

/// That all of these hold.
pub(super) fn all_of(conditions: &[String]) -> String {
    if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") }
}

/// 16 bytes as a number, as ids of runs and traces are kept.
pub(in super::super) struct Id(pub(in super::super) u128);

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(raw.try_into()?)))
    }

    accepts!(BYTEA);
}

/// A number that is never below zero, from a `bigint`.
pub(super) fn unsigned(row: &Row, at: usize) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<_, i64>(at)?).unwrap_or(0))
}

/// The same, from an `integer`.
pub(in super::super) fn small(row: &Row, at: usize) -> Result<u32, Error> {
    Ok(u32::try_from(row.try_get::<_, i32>(at)?).unwrap_or(0))
}

/// Sends a question. The rows come as they are wanted.
pub(super) async fn stream(client: &Client, sql: &str, values: Vec<Value>) -> Result<RowStream, Error> {
    client.query_typed_raw(sql, values).await
}

/// Asks, and reads each row as it comes.
pub(in super::super) async fn all<T>(
    client: &Client,
    sql: &str,
    values: Vec<Value>,
    mut each: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut rows = pin!(stream(client, sql, values).await?);
    let mut found = Vec::new();
    while let Some(row) = rows.try_next().await? {
        found.push(each(&row)?);
    }
    Ok(found)
}

/// Asks for one row.
pub(super) async fn first<T>(
    client: &Client,
    sql: &str,
    values: Vec<Value>,
    each: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    Ok(all(client, sql, values, each).await?.into_iter().next())
}

/// A transaction in which all questions see the same state. It ends when it is dropped.
pub(in super::super) async fn picture(client: &mut Client) -> Result<Transaction<'_>, Error> {
    client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await
}
