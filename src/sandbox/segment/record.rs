//! An audience segment and the job that fills it.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::super::origin::Origin;

/// A set of users, of which only the number is kept.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) id: Arc<str>,
    pub(super) name: String,
    pub(super) site_group: &'static str,
    pub(super) kind: SegmentKind,
    /// Users in it now.
    pub(super) size: u64,
    pub(super) made_from: Option<MadeFrom>,
    /// Belongs to the product, not to who asked for it: cannot be deleted, is filled anew again and again.
    pub(super) standing: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// What a copy or lookalike was made from, by its last job.
#[derive(Debug, Clone)]
pub(super) struct MadeFrom {
    pub(super) source: Arc<str>,
    /// Users in the source when the job read it.
    pub(super) source_size: u64,
    /// Users the job should have produced.
    pub(super) expected_size: u64,
    pub(super) job: Arc<str>,
    pub(super) status: JobStatus,
}

/// Where a segment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SegmentKind {
    /// Collected from visitors.
    Source,
    /// Copied from another site group.
    Copy,
    /// Users who resemble those of another segment.
    Lookalike,
}

/// How far a job is. A job of this product never fails: one that lost its users has succeeded, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStatus {
    Queued,
    Running,
    Succeeded,
}

/// A copy or lookalike job.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: Arc<str>,
    pub(super) segment: Arc<str>,
    pub(super) source: Arc<str>,
    pub(super) work: JobKind,
    pub(super) origin: Origin,
    pub(super) status: JobStatus,
    pub(super) created_at: DateTime<Utc>,
    pub(super) finished_at: Option<DateTime<Utc>>,
}

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum JobKind {
    /// Copy all users.
    Copy,
    /// Find `ratio` times as many users as the source has.
    Lookalike {
        /// From 0.1 to 10.
        ratio: f64,
    },
}

impl SegmentKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Copy => "copy",
            Self::Lookalike => "lookalike",
        }
    }
}

impl JobStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
        }
    }
}

impl JobKind {
    pub(super) fn kind(self) -> SegmentKind {
        match self {
            Self::Copy => SegmentKind::Copy,
            Self::Lookalike { .. } => SegmentKind::Lookalike,
        }
    }

    /// Users it makes of a source of this size.
    pub(super) fn expected(self, source_size: u64) -> u64 {
        match self {
            Self::Copy => source_size,
            #[expect(clippy::cast_precision_loss, reason = "sizes are in the millions, far below 2^52")]
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a ratio is positive and at most 10")]
            Self::Lookalike { ratio } => (source_size as f64 * ratio).round() as u64,
        }
    }
}

impl Segment {
    pub(super) fn ready(&self) -> bool {
        self.made_from.as_ref().is_none_or(|made| made.status == JobStatus::Succeeded)
    }

    pub(super) fn to_json(&self) -> Value {
        let made = self.made_from.as_ref();
        json!({
            "id": *self.id,
            "name": self.name,
            "site_group": self.site_group,
            "kind": self.kind.as_str(),
            "size": self.size,
            "standing": self.standing,
            "source_id": made.map(|made| &*made.source),
            "source_size": made.map(|made| made.source_size),
            "expected_size": made.map(|made| made.expected_size),
            "job_id": made.map(|made| &*made.job),
            "job_status": made.map(|made| made.status.as_str()),
            "created_at": time(self.created_at),
            "updated_at": time(self.updated_at),
        })
    }
}

impl Job {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "job_id": *self.id,
            "kind": self.work.kind().as_str(),
            "status": self.status.as_str(),
            "segment_id": *self.segment,
            "source_id": *self.source,
            "created_at": time(self.created_at),
            "finished_at": self.finished_at.map(time),
            "error": null,
        })
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
