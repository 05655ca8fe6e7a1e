//! The registration pipeline over HTTP.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::Utc;

use serde_json::{Value, json};

use super::super::fault::FaultName;
use super::super::origin::Origin;
use super::super::reply::{Body, Refusal};
use super::super::state::AppState;
use super::pipeline::enqueue;
use super::plan::{PLANS, PLATFORMS, Plan};
use super::record::{Registration, Status, Submission, SubmissionBody};
use super::stage::Stage;
use super::store::Submitted;

pub(in crate::sandbox) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/v1/plans", get(plans))
        .route("/v1/plans/{id}", get(plan))
        .route("/v1/registrations", post(submit))
        .route("/v1/registrations/{id}", get(registration).delete(remove))
        .route("/v1/payments/{id}", get(payment))
        .route("/v1/accounts/{id}", get(account))
        .route("/v1/receipts/{id}", get(receipt))
        .route("/v1/warehouse/registrations/{id}", get(warehouse))
        .route("/v1/queues", get(queues))
}

/// Correlation id of the answer: the registration's id, as the product's logs have it.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_TEXT: usize = 128;

async fn plans() -> Json<Value> {
    Json(json!({ "plans": PLANS.iter().map(Plan::to_json).collect::<Vec<_>>() }))
}

async fn plan(Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    Plan::find(&id).map(|plan| Json(plan.to_json())).ok_or_else(|| Refusal::not_found("plan", &id))
}

async fn submit(
    State(state): State<Arc<AppState>>,
    origin: Origin,
    headers: HeaderMap,
    Body(body): Body<SubmissionBody>,
) -> Result<Response, Refusal> {
    let key = idempotency_key(&headers)?;
    let origin = Origin { region: body.region.clone(), platform: Some(body.platform.clone()) }.or(&origin);
    let order = ValidSubmission::check(&body)?;
    let submission = Submission { body, origin, key };
    let (registration, replayed) = match state.registrations.store.submit(&submission, || order.place(&state, &submission)) {
        Submitted::Created(registration) => (registration, "false"),
        Submitted::Replayed(registration) => (registration, "true"),
        Submitted::KeyTaken => {
            return Err(Refusal::invalid("this idempotency key has been used for another submission; use a new one"));
        }
    };
    if replayed == "false" && enqueue(&state, Stage::Payment, &registration.id).is_err() {
        state.registrations.store.remove(&registration.id);
        let message = "too many registrations wait for their payment; try again later";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message));
    }
    let headers = [(CORRELATION_ID, &*registration.id), (HeaderName::from_static("idempotent-replayed"), replayed)];
    Ok((StatusCode::CREATED, headers, Json(registration.to_json())).into_response())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= LONGEST_TEXT => Ok(Some(key.into())),
        _ => Err(Refusal::invalid(format!("an idempotency key has 1 to {LONGEST_TEXT} visible ASCII characters"))),
    }
}

/// A submission that makes sense.
struct ValidSubmission {
    plan: &'static Plan,
    currency: &'static str,
    amount: u64,
    declined: bool,
}

impl ValidSubmission {
    fn check(body: &SubmissionBody) -> Result<Self, Refusal> {
        let is_name = |text: &String| !text.is_empty() && text.len() <= LONGEST_TEXT;
        if !is_name(&body.user_id) {
            return Err(Refusal::invalid(format!("`user_id` has 1 to {LONGEST_TEXT} bytes")));
        }
        if !body.region.as_ref().is_none_or(is_name) {
            return Err(Refusal::invalid(format!("`region` has 1 to {LONGEST_TEXT} bytes")));
        }
        if !PLATFORMS.contains(&&*body.platform) {
            return Err(Refusal::invalid(format!("`platform` is one of {}", PLATFORMS.join(", "))));
        }
        let plan = Plan::find(&body.plan_id)
            .ok_or_else(|| Refusal::invalid(format!("`plan_id` is one of {}", PLANS.map(|plan| plan.id).join(", "))))?;
        let (currency, amount) =
            plan.price(&body.currency).ok_or_else(|| Refusal::invalid("`currency` is one the plan has an amount in"))?;
        let declined = match body.payment_token.as_deref() {
            None | Some("tok_test_ok") => false,
            Some("tok_test_declined") => true,
            Some(_) => return Err(Refusal::invalid("`payment_token` is `tok_test_ok` or `tok_test_declined`")),
        };
        Ok(Self { plan, currency, amount, declined })
    }

    fn place(self, state: &AppState, submission: &Submission) -> Registration {
        let now = Utc::now();
        Registration {
            id: state.registrations.ids.next("reg"),
            user: submission.body.user_id.clone(),
            plan: self.plan,
            currency: self.currency,
            amount: self.amount,
            origin: submission.origin.clone(),
            declined: self.declined,
            created_at: now,
            status: Status::Initiated,
            history: vec![(Status::Initiated, now)],
            receipt_issued_at: None,
            row: None,
            idempotency_key: submission.key.clone(),
        }
    }
}

async fn registration(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    find(&state, "registration", "reg", &id).map(|found| answer(&found, found.to_json()))
}

async fn account(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    find(&state, "account", "acc", &id).map(|found| answer(&found, found.account()))
}

async fn receipt(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    find(&state, "receipt", "rcp", &id).map(|found| answer(&found, found.receipt()))
}

async fn payment(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let found = find(&state, "payment", "pay", &id)?;
    if state.faults.hit(FaultName::PaymentErrors, &found.origin, &found.id).is_some() {
        return Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the payment service has failed"));
    }
    if let Some(hit) = state.faults.hit(FaultName::PaymentTimeouts, &found.origin, &found.id) {
        tokio::time::sleep(state.time_scale.wall(hit.delay)).await;
        let message = "the payment provider did not answer in time";
        return Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "payment_timeout", message));
    }
    Ok(answer(&found, found.payment()))
}

/// Like a query over a warehouse table: a registration without a row is an empty list, not an error.
async fn warehouse(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<Response, Refusal> {
    find(&state, "registration", "reg", &id).map(|found| answer(&found, json!({ "rows": found.rows() })))
}

async fn remove(State(state): State<Arc<AppState>>, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    let found = find(&state, "registration", "reg", &id)?;
    if found.plan.billable {
        let message = "only registrations on a test plan can be deleted";
        return Err(Refusal::new(StatusCode::CONFLICT, "billable", message));
    }
    state.registrations.store.remove(&found.id);
    Ok(StatusCode::NO_CONTENT)
}

async fn queues(State(state): State<Arc<AppState>>) -> Json<Value> {
    let queue = |stage| json!({ "name": Stage::as_str(stage), "waiting": state.registrations.queues.of(stage).len() });
    Json(json!({ "registrations": state.registrations.store.len(), "queues": Stage::ALL.map(queue) }))
}

/// The registration that a `pay_…`, `acc_…`, `rcp_…` or its own id belongs to.
fn find(state: &AppState, what: &str, prefix: &str, id: &str) -> Result<Registration, Refusal> {
    id.strip_prefix(prefix)
        .and_then(|rest| state.registrations.store.get(&format!("reg{rest}")))
        .ok_or_else(|| Refusal::not_found(what, id))
}

fn answer(registration: &Registration, body: Value) -> Response {
    ([(CORRELATION_ID, &*registration.id)], Json(body)).into_response()
}
