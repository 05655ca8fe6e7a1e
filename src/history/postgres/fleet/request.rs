//! Requests: what one process asks of whoever has a lease, all by the clock of the server.
//!
//! A request is taken in one statement before anything of it is done, by one who has the lease at that moment, so that it is done at most
//! once. Who asks for what is there locks nothing that others wait for.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::super::reader::{Value, all, number, text};
use super::super::text::plain;
use crate::base::time::signed_millis;
use crate::history::{LeaseName, REQUESTS, Request, RequestState, TakenRequest};

const ASK: &str = "INSERT INTO requests (id, lease, json, made, until)
    SELECT id, lease, json, clock_timestamp(), clock_timestamp() + $4 * interval '1 millisecond'
    FROM unnest($1::text[], $2::text[], $3::text[]) AS given (id, lease, json)";

/// Those that another one is just taking are passed over.
const TAKE: &str = "WITH due AS (
        SELECT asked.id FROM requests AS asked JOIN leases AS own ON own.name = asked.lease
        WHERE asked.holder IS NULL AND asked.lease = ANY ($1) AND asked.until >= clock_timestamp()
            AND own.holder = $2 AND own.until >= clock_timestamp()
        ORDER BY asked.id LIMIT $3 FOR UPDATE OF asked SKIP LOCKED
    )
    UPDATE requests AS taken SET holder = $2 FROM due WHERE taken.id = due.id RETURNING taken.id, taken.json";

/// What was done under a lease that another one has by now may not hold, and counts as not answered.
const ANSWER: &str = "UPDATE requests AS done SET answer = $3 FROM leases AS own
    WHERE done.id = $1 AND done.holder = $2 AND done.answer IS NULL AND own.name = done.lease AND own.holder = $2
    RETURNING done.id";

const ANSWERS: &str = "SELECT found.id IS NOT NULL, found.holder IS NOT NULL, found.answer
    FROM unnest($1::text[]) WITH ORDINALITY AS wanted (id, at) LEFT JOIN requests AS found USING (id) ORDER BY wanted.at";

const WITHDRAW: &str = "DELETE FROM requests WHERE id = ANY ($1) AND holder IS NULL";

fn texts(texts: Vec<String>) -> Value {
    (Box::new(texts), Type::TEXT_ARRAY)
}

/// Asks all of these at once.
pub(super) async fn ask(client: &Client, requests: &[Request], lasts: Duration) -> Result<(), Error> {
    let ids: Vec<String> = requests.iter().map(|request| request.id.clone()).collect();
    let leases: Vec<String> = requests.iter().map(|request| request.to.to_string()).collect();
    let jsons: Vec<String> = requests.iter().map(|request| plain(&request.json).into_owned()).collect();
    let values = vec![texts(ids), texts(leases), texts(jsons), number(signed_millis(lasts))];
    all(client, ASK, values, |_| Ok(())).await.map(drop)
}

/// Takes what is asked of those who have these leases, as far as `holder` has them.
pub(super) async fn take(client: &Client, of: &[LeaseName], holder: &str) -> Result<Vec<TakenRequest>, Error> {
    let leases: Vec<String> = of.iter().map(ToString::to_string).collect();
    let limit = i64::try_from(REQUESTS).unwrap_or(i64::MAX);
    let values = vec![texts(leases), text(holder), number(limit)];
    let mut taken = all(client, TAKE, values, |row| Ok(TakenRequest { id: row.try_get(0)?, json: row.try_get(1)? })).await?;
    taken.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(taken)
}

/// Answers what `holder` has taken. Returns whether that stands.
pub(super) async fn answer(client: &Client, id: &str, holder: &str, json: &str) -> Result<bool, Error> {
    let answered = all(client, ANSWER, vec![text(id), text(holder), text(json)], |_| Ok(())).await?;
    Ok(!answered.is_empty())
}

/// What became of these.
pub(super) async fn answers(client: &Client, ids: Vec<String>) -> Result<Vec<RequestState>, Error> {
    all(client, ANSWERS, vec![texts(ids)], state).await
}

fn state(row: &Row) -> Result<RequestState, Error> {
    Ok(match (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?) {
        (false, ..) => RequestState::Gone,
        (true, false, _) => RequestState::Waiting,
        (true, true, None) => RequestState::Taken,
        (true, true, Some(answer)) => RequestState::Answered(answer),
    })
}

/// Removes those that nobody has taken.
pub(super) async fn withdraw(client: &Client, ids: Vec<String>) -> Result<(), Error> {
    all(client, WITHDRAW, vec![texts(ids)], |_| Ok(())).await.map(drop)
}
