//! One registration with everything the stages write down about it.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::origin::Origin;
use super::plan::Plan;

/// A registration, its payment, account, receipt and warehouse row: they share the part of their ids after the `_`.
#[derive(Debug, Clone)]
pub(super) struct Registration {
    pub(super) id: Arc<str>,
    pub(super) user: String,
    pub(super) plan: &'static Plan,
    pub(super) currency: &'static str,
    pub(super) amount: u64,
    /// Region and platform, by which faults are limited; the platform is always known.
    pub(super) origin: Origin,
    /// A test token that the payment provider declines.
    pub(super) declined: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) status: Status,
    pub(super) history: Vec<(Status, DateTime<Utc>)>,
    pub(super) receipt_issued_at: Option<DateTime<Utc>>,
    pub(super) row: Option<WarehouseRow>,
    pub(super) idempotency_key: Option<Arc<str>>,
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Status {
    Initiated,
    Authorized,
    Captured,
    Activated,
    Failed,
}

/// A loaded warehouse row.
#[derive(Debug, Clone, Copy)]
pub(super) struct WarehouseRow {
    pub(super) loaded_at: DateTime<Utc>,
    /// Written by the loader that calls `plan_id` something else.
    pub(super) renamed: bool,
}

impl Status {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Registration {
    /// Moves on to `status` and writes down when.
    pub(super) fn advance(&mut self, status: Status) {
        self.status = status;
        self.history.push((status, Utc::now()));
    }

    pub(super) fn to_json(&self) -> Value {
        let history: Vec<Value> =
            self.history.iter().map(|&(status, at)| json!({ "status": status.as_str(), "at": time(at) })).collect();
        json!({
            "registration_id": *self.id,
            "correlation_id": *self.id,
            "user_id": self.user,
            "plan_id": self.plan.id,
            "billable": self.plan.billable,
            "currency": self.currency,
            "amount": self.amount,
            "platform": self.origin.platform,
            "region": self.origin.region,
            "status": self.status.as_str(),
            "created_at": time(self.created_at),
            "history": history,
            "payment_id": self.sibling("pay"),
            "account_id": self.sibling("acc"),
            "receipt_id": self.sibling("rcp"),
        })
    }

    pub(super) fn payment(&self) -> Value {
        let status = match self.status {
            Status::Activated => Status::Captured,
            other => other,
        };
        json!({
            "payment_id": self.sibling("pay"),
            "registration_id": *self.id,
            "correlation_id": *self.id,
            "status": status.as_str(),
            "currency": self.currency,
            "amount": self.amount,
            "test_mode": !self.plan.billable,
            "external_transaction_id": self.transaction(),
        })
    }

    pub(super) fn account(&self) -> Value {
        let status = if self.status == Status::Activated { "active" } else { "pending" };
        json!({
            "account_id": self.sibling("acc"),
            "registration_id": *self.id,
            "correlation_id": *self.id,
            "user_id": self.user,
            "plan_id": self.plan.id,
            "status": status,
        })
    }

    pub(super) fn receipt(&self) -> Value {
        json!({
            "receipt_id": self.sibling("rcp"),
            "registration_id": *self.id,
            "correlation_id": *self.id,
            "status": if self.receipt_issued_at.is_some() { "issued" } else { "pending" },
            "issued_at": self.receipt_issued_at.map(time),
            "currency": self.currency,
            "amount": self.amount,
        })
    }

    /// The rows the warehouse has of it: none until the loader came by.
    pub(super) fn rows(&self) -> Value {
        let Some(row) = self.row else { return json!([]) };
        let plan_key = if row.renamed { "plan" } else { "plan_id" };
        let source = self.origin.platform.as_deref().map(|platform| format!("{platform}-checkout"));
        json!([{
            "registration_id": *self.id,
            "user_id": self.user,
            (plan_key): self.plan.id,
            "currency": self.currency,
            "amount": self.amount,
            "created_at": time(self.created_at),
            "event_type": "premium_registration",
            "source": source,
            "correlation_id": *self.id,
            "external_transaction_id": self.transaction(),
            "account_id": self.sibling("acc"),
            "platform": self.origin.platform,
            "region": self.origin.region,
            "status": self.status.as_str(),
            "loaded_at": time(row.loaded_at),
        }])
    }

    fn transaction(&self) -> Option<String> {
        self.history.iter().any(|&(status, _)| status == Status::Authorized).then(|| self.sibling("txn"))
    }

    fn sibling(&self, prefix: &str) -> String {
        match self.id.split_once('_') {
            Some((_, suffix)) => format!("{prefix}_{suffix}"),
            None => format!("{prefix}_{}", self.id),
        }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// What a client sends to register.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmissionBody {
    pub(super) user_id: String,
    pub(super) plan_id: String,
    pub(super) currency: String,
    pub(super) platform: String,
    pub(super) region: Option<String>,
    pub(super) payment_token: Option<String>,
}

/// A submission as it was received. A repeated idempotency key must come with the same one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Submission {
    pub(super) body: SubmissionBody,
    pub(super) origin: Origin,
    pub(super) key: Option<Arc<str>>,
}

impl Submission {
    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}
