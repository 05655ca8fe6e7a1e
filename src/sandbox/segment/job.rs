//! The job worker, and the refresh that fills the standing copies anew.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::super::fault::FaultName;
use super::super::origin::Origin;
use super::super::queue::Full;
use super::super::state::AppState;
use super::catalogue::source_size;
use super::record::{Job, JobKind, JobStatus, MadeFrom, Segment, SegmentKind};
use super::store::Tables;

/// Users the broken copy stops at.
const CAP: u64 = 10_000;

/// From the request to the start of a job, in product time.
const QUEUED: Duration = Duration::from_millis(200);

/// Users a job handles in a second of product time.
const USERS_A_SECOND: u64 = 4_000_000;

/// Between two refreshes of the standing copies, in product time.
const REFRESH: Duration = Duration::from_mins(1);

/// Shortest wall time between two refreshes, however fast the sandbox runs.
const SHORTEST_REFRESH: Duration = Duration::from_millis(250);

/// Files a job and puts it into the queue; `Err` if too many wait.
pub(super) fn file(
    state: &AppState,
    tables: &mut Tables,
    source: &Segment,
    segment: Arc<str>,
    work: JobKind,
    origin: Origin,
) -> Result<Job, Full> {
    let job = Job {
        id: state.segments.job_ids.next("job"),
        segment,
        source: Arc::clone(&source.id),
        work,
        origin,
        status: JobStatus::Queued,
        created_at: Utc::now(),
        finished_at: None,
    };
    state.segments.queue.push(Instant::now() + state.time_scale.wall(QUEUED), Arc::clone(&job.id))?;
    tables.add_job(job.clone());
    Ok(job)
}

/// The worker of the job queue; runs until it is dropped. Jobs overlap: it starts and ends them, and does not wait.
pub(in crate::sandbox) async fn work(state: Arc<AppState>) {
    loop {
        let id = state.segments.queue.next().await;
        let Some(takes) = step(&state, &id) else { continue };
        if state.segments.queue.push(Instant::now() + state.time_scale.wall(takes), Arc::clone(&id)).is_err() {
            tracing::warn!(job = &*id, "queue full, job lost");
        }
    }
}

/// Starts a queued job, which then takes the returned time, or ends a running one.
fn step(state: &AppState, id: &str) -> Option<Duration> {
    let mut tables = state.segments.store.lock();
    let job = tables.jobs.get(id)?.clone();
    match job.status {
        JobStatus::Queued => {
            let users = job.work.expected(tables.get(&job.source)?.size);
            tables.jobs.get_mut(id)?.status = JobStatus::Running;
            set_status(&mut tables, &job, JobStatus::Running);
            Some(Duration::from_millis(300 + users * 1_000 / USERS_A_SECOND))
        }
        JobStatus::Running => {
            finish(state, &mut tables, &job);
            None
        }
        JobStatus::Succeeded => None,
    }
}

/// Fills the job's segment and reports success. What a fault does to the users, the job does not notice.
fn finish(state: &AppState, tables: &mut Tables, job: &Job) {
    if let Some(source_size) = tables.get(&job.source).map(|source| source.size) {
        let expected_size = job.work.expected(source_size);
        let hit = |fault| state.faults.hit(fault, &job.origin, &job.segment).is_some();
        let size = match job.work {
            JobKind::Copy if hit(FaultName::SegmentCopyCapped) => expected_size.min(CAP),
            JobKind::Lookalike { .. } if hit(FaultName::LookalikeEmpty) => 0,
            JobKind::Copy | JobKind::Lookalike { .. } => expected_size,
        };
        if let Some(segment) = tables.get_mut(&job.segment) {
            segment.size = size;
            segment.updated_at = Utc::now();
            segment.made_from = Some(MadeFrom {
                source: Arc::clone(&job.source),
                source_size,
                expected_size,
                job: Arc::clone(&job.id),
                status: JobStatus::Succeeded,
            });
        }
    }
    if let Some(job) = tables.jobs.get_mut(&job.id) {
        job.status = JobStatus::Succeeded;
        job.finished_at = Some(Utc::now());
    }
}

/// Shows a job's progress on its segment, unless the segment is full already and only being filled anew.
fn set_status(tables: &mut Tables, job: &Job, status: JobStatus) {
    if let Some(made) = tables.get_mut(&job.segment).and_then(|segment| segment.made_from.as_mut())
        && made.job == job.id
    {
        made.status = status;
    }
}

/// Lets the sources' sizes drift and copies them to the standing copies again, for ever.
pub(in crate::sandbox) async fn refresh(state: Arc<AppState>) {
    for round in 1_u64.. {
        tokio::time::sleep(state.time_scale.wall(REFRESH).max(SHORTEST_REFRESH)).await;
        let mut tables = state.segments.store.lock();
        for source in tables.standing_mut().filter(|segment| segment.kind == SegmentKind::Source) {
            source.size = source_size(state.seed, &source.name, round);
            source.updated_at = Utc::now();
        }
        let copies: Vec<(Arc<str>, Segment)> = tables
            .segments()
            .filter(|segment| segment.standing)
            .filter_map(|copy| Some((Arc::clone(&copy.id), tables.get(&copy.made_from.as_ref()?.source)?.clone())))
            .collect();
        for (copy, source) in copies {
            // A refresh comes from no region: only a fault without a region hits it.
            if file(&state, &mut tables, &source, copy, JobKind::Copy, Origin::default()).is_err() {
                tracing::warn!("job queue full, standing copies are not refreshed this time");
            }
        }
    }
}
