//! The shipped probes on the real engine, against a sandbox that works and against one that is broken.
//!
//! Where a probe must pass it runs as it is shipped; where it must fail its windows are shortened. The sandbox runs faster
//! than the clock and the probes' bounds do not, so that a slow machine fails nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use serde_json::{Value, json};
use serinus::outcome::{Ledger, LedgerEnd, Reason, StepResult};
use serinus::plan::Canary;
use serinus::run::Sweeper;
use serinus::sandbox::{FaultName, FaultScope, Incident, Sandbox};

use crate::book::Book;
use crate::fleet::{Fleet, Ran, Shortened};
use crate::notice::{Notice, is_affected, notice};

/// Product time per wall time.
const SPEED: f64 = 20.0;

/// For runs that are to fail: a fault is noticed when a window ends.
const FOR_FAILURES: Shortened<'static> = &[("within", "4s"), ("poll", "100ms"), ("timeout", "1s")];

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// Fails unless the run failed as the fault is to be noticed.
fn assert_noticed(fault: FaultName, ran: &Ran) {
    let Notice { step, reason, expectation, .. } = notice(fault);
    let cause = ran.report.cause.as_ref().unwrap_or_else(|| panic!("{fault} was not noticed by {}", ran.report.canary.id));
    let noticed = (cause.step.as_deref(), cause.reason, cause.expectation.as_deref());
    assert_eq!(noticed, (Some(step), reason, expectation), "{fault}: {}", ran.problem());
    assert!(ran.clean(), "{}", ran.problem());
}

/// Makes one run of each, so many at once; in whatever order they end.
async fn run_all(fleet: &Fleet, canaries: impl IntoIterator<Item = &Arc<Canary>>, at_once: usize) -> Vec<Ran> {
    futures::stream::iter(canaries).map(|canary| fleet.run(canary)).buffer_unordered(at_once).collect().await
}

fn assert_all_passed(ran: &[Ran]) {
    assert!(!ran.is_empty());
    let bad: Vec<_> = ran.iter().filter(|ran| !ran.passed() || !ran.clean()).map(Ran::problem).collect();
    assert!(bad.is_empty(), "{} of {} runs: {bad:#?}", bad.len(), ran.len());
}

/// Asks the sandbox beside the probes.
async fn ask(sandbox: &Sandbox, path: &str) -> Value {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client can be built");
    let answer = client.get(format!("http://{}{path}", sandbox.address())).send().await.expect("the sandbox answers");
    serde_json::from_slice(&answer.bytes().await.expect("it answers in full")).expect("it speaks JSON")
}

/// What probes left in the sandbox: registrations, playlists, sessions, segments that are not standing.
async fn left_behind(sandbox: &Sandbox) -> Value {
    let entities = ask(sandbox, "/healthz").await["entities"].clone();
    let segments = ask(sandbox, "/v1/segments?standing=false").await;
    json!([entities["registrations"], entities["playlists"], entities["sessions"], segments["segments"]])
}

#[test]
fn the_default_configuration_and_every_shipped_probe_load_without_a_warning() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = [("CANARY_PASSWORD".to_owned(), "canary".to_owned())];
    let loaded = serinus::config::load(&root.join("config/serinus.toml"), environment);
    let problems: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(loaded.service.unwrap().plan.probes.len(), crate::fleet::shipped().len());
}

/// As many runs as a canary has ticks in an hour, of every canary of a probe in one region.
async fn an_hour_of(probe: &str) {
    let sandbox = crate::fleet::sandbox(SPEED, 1).await;
    let fleet = Fleet::shipped(&sandbox, &[]);
    let canaries: Vec<_> = fleet.of(probe).filter(|canary| &*canary.region.name == "eu").collect();
    let ticks = Duration::from_hours(1).div_duration_f64(crate::fleet::spacing(&canaries[0].probe));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an hour has a few dozen ticks")]
    let runs = canaries.len() * ticks.round() as usize;
    assert_all_passed(&run_all(&fleet, canaries.iter().copied().cycle().take(runs), 24).await);
    assert_eq!(left_behind(&sandbox).await, json!([0, 0, 0, []]));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_hour_of_registrations_on_a_healthy_product_is_silent_and_leaves_nothing_behind() {
    an_hour_of("premium-registration").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_playlists_on_a_healthy_product_is_silent_and_leaves_nothing_behind() {
    an_hour_of("playlist-sync").await;
}

#[tokio::test]
async fn an_hour_of_segments_on_a_healthy_product_is_silent_and_leaves_nothing_behind() {
    an_hour_of("segment-copy").await;
}

/// One run of each shipped probe, after which the process is gone: what it made is found by what is in the ledger.
async fn a_crash(book: Book) {
    let sandbox = crate::fleet::sandbox(SPEED, 1).await;
    let fleet = Fleet::shipped(&sandbox, &[]);
    let forgets = book.forgets;
    let book = Arc::new(book);
    let crashing = fleet.engine.clone().with_ledger(Arc::clone(&book) as Arc<dyn Ledger>);
    for probe in &fleet.plan.probes {
        let canary = fleet.of(&probe.name).next().expect("each probe has a canary");
        let finished = fleet.start(&crashing, canary).await;
        assert!(finished.cleanup.is_some(), "{:?}", finished.report.cause);
    }
    let left = left_behind(&sandbox).await;
    assert_eq!(
        (&left[0], &left[1], &left[2], left[3].as_array().map_or(0, Vec::len)),
        (&json!(1), &json!(4), &json!(2), 2),
        "{left}"
    );
    let sweeper = Sweeper::new(fleet.next_engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    let swept = sweeper.sweep_all(&fleet.plan, book.entries()).await;
    // Where the answer is not known, the creation may still come.
    let well = if forgets { LedgerEnd::Again } else { LedgerEnd::Gone };
    let bad: Vec<_> = swept.iter().filter(|swept| swept.end != well).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(left_behind(&sandbox).await, json!([0, 0, 0, []]));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn after_a_crash_before_the_cleanup_nothing_is_left_behind() {
    a_crash(Book::default()).await;
}

#[tokio::test]
async fn after_a_crash_before_the_answers_came_nothing_is_left_behind_either() {
    a_crash(Book { forgets: true, ..Book::default() }).await;
}

/// Each fault of the incident by itself: the first run of each canary in its cell fails by what was expected, every other
/// canary passes, every service said "success", and once the fault is off all pass.
async fn an_incident(incident: Incident) {
    let sandbox = crate::fleet::sandbox(SPEED, 1).await;
    let fleet = Fleet::shipped(&sandbox, FOR_FAILURES);
    let (affected, others): (Vec<_>, Vec<_>) = fleet.plan.canaries.iter().partition(|canary| is_affected(canary, incident, "eu"));
    assert!(!affected.is_empty() && others.iter().any(|canary| &*canary.probe.name == incident.probe()));
    for &fault in incident.faults() {
        assert_eq!(notice(fault).probe, incident.probe());
        sandbox.faults().set(fault, incident.scope("eu"));
        let (failed, passed) =
            futures::join!(run_all(&fleet, affected.iter().copied(), 8), run_all(&fleet, others.iter().copied(), 16));
        assert_eq!(failed.len(), affected.len());
        for ran in &failed {
            assert_noticed(fault, ran);
            assert_every_service_said_success(fault, ran);
        }
        assert_all_passed(&passed);
        sandbox.faults().clear(fault);
        assert_all_passed(&run_all(&fleet, affected.iter().copied(), 8).await);
    }
    sandbox.shutdown().await;
}

/// The incidents' point. The one answer that is none is that a playlist is not there on the device that reads it, which a
/// healthy product also says until it is.
fn assert_every_service_said_success(fault: FaultName, ran: &Ran) {
    let answers = ran.report.steps.iter().flat_map(|step| &step.attempts).filter_map(|attempt| attempt.http());
    let answers: Vec<_> = answers.map(|answer| (&*answer.method, answer.status.unwrap_or_default())).collect();
    assert!(answers.len() > 2, "{answers:?}");
    let playlists = [FaultName::PlaylistNotSynced, FaultName::PlaylistLostEdits].contains(&fault);
    let unread = |answer: &(&str, u16)| playlists && *answer == ("GET", 404);
    assert!(answers.iter().all(|answer| (200..300).contains(&answer.1) || unread(answer)), "{fault}: {answers:?}");
}

#[tokio::test]
async fn registrations_that_stop_after_their_payment_are_noticed_by_the_first_run_in_their_region_and_platform_alone() {
    an_incident(Incident::RegistrationsSilent).await;
}

#[tokio::test]
async fn playlists_that_lose_edits_or_are_not_synced_are_noticed_by_the_first_run_in_their_region_and_platform_alone() {
    an_incident(Incident::PlaylistsUnsynced).await;
}

#[tokio::test]
async fn segments_that_lose_users_are_noticed_by_the_first_run_in_their_region_alone() {
    an_incident(Incident::SegmentsTruncated).await;
}

#[tokio::test]
async fn every_fault_of_the_sandbox_is_noticed_by_one_probe_and_by_no_other() {
    let work = FaultName::ALL.into_iter().map(async |fault| {
        let sandbox = crate::fleet::sandbox(SPEED, 1).await;
        let fleet = Fleet::shipped(&sandbox, FOR_FAILURES);
        // From one region: the refresh of the standing segments comes from none and stays whole.
        sandbox.faults().set(fault, FaultScope::all().in_region("eu"));
        for ran in run_all(&fleet, fleet.plan.canaries.iter().filter(|canary| &*canary.region.name == "eu"), 8).await {
            if &*ran.report.canary.probe.name == notice(fault).probe {
                assert_noticed(fault, &ran);
            } else {
                assert!(ran.passed(), "{fault}: {}", ran.problem());
            }
        }
        sandbox.shutdown().await;
    });
    // Not all at once: what is well must converge in its window on a machine that has more to do.
    futures::stream::iter(work).buffer_unordered(3).collect::<()>().await;
}

/// What the two bugs of the incident do to a run of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// Copies that customers use were truncated.
    Standing,
    /// The probe's own copy is.
    Copy,
    /// The probe's own lookalike is empty.
    Lookalike,
}

/// The standing copies, if all of them are truncated, or none.
async fn standing_copies(sandbox: &Sandbox, truncated: bool) -> Option<Vec<Value>> {
    let copies =
        ask(sandbox, "/v1/segments?standing=true&kind=copy").await["segments"].as_array().expect("a list of segments").clone();
    copies.iter().all(|copy| (copy["size"].as_u64().expect("a segment has a size") <= 10_000) == truncated).then_some(copies)
}

/// One run of the segments' probe while these do harm.
async fn harmed(sandbox: &Sandbox, fleet: &Fleet, harms: &[Harm]) -> Ran {
    let canary = fleet.of("segment-copy").next().expect("each probe has a canary");
    if harms.contains(&Harm::Lookalike) {
        sandbox.faults().set(FaultName::LookalikeEmpty, FaultScope::all());
    }
    let standing = harms.contains(&Harm::Standing);
    let began = Instant::now();
    loop {
        if standing {
            sandbox.faults().set(FaultName::SegmentCopyCapped, FaultScope::all());
            until(async || standing_copies(sandbox, true).await.is_some()).await;
        }
        if harms.contains(&Harm::Copy) {
            // What refreshes the standing copies comes from no region.
            let scope = if standing { FaultScope::all() } else { FaultScope::all().in_region(&*canary.region.name) };
            sandbox.faults().set(FaultName::SegmentCopyCapped, scope);
        } else {
            sandbox.faults().clear(FaultName::SegmentCopyCapped);
        }
        let ran = fleet.run(canary).await;
        // The sandbox fills the standing copies once in three seconds, also in the middle of a run.
        if standing_copies(sandbox, standing).await.is_some() {
            return ran;
        }
        assert!(began.elapsed() < PATIENCE, "no run fell between two refreshes");
    }
}

#[tokio::test]
async fn every_pair_of_harms_to_segments_is_noticed_in_one_run_and_none_hides_the_other() {
    use Harm::{Copy, Lookalike, Standing};
    let pairs: [&[Harm]; 4] = [&[Standing, Copy], &[Standing, Lookalike], &[Copy, Lookalike], &[Standing, Copy, Lookalike]];
    let work = pairs.into_iter().map(async |harms| {
        let sandbox = crate::fleet::sandbox(SPEED, 1).await;
        let ran = harmed(&sandbox, &Fleet::shipped(&sandbox, FOR_FAILURES), harms).await;
        let failed = ran.report.steps.iter().filter(|step| matches!(step.result, StepResult::Failed(_)));
        let noticed: BTreeSet<Harm> = failed
            .filter_map(|step| match &*step.name {
                "standing copy is whole" => Some(Standing),
                "copy holds the whole source" => Some(Copy),
                "lookalike is not empty" => Some(Lookalike),
                "nobody is lost" => None,
                other => panic!("{harms:?}: {other} failed, {}", ran.problem()),
            })
            .collect();
        assert_eq!(noticed, harms.iter().copied().collect(), "{}", ran.problem());
        let cause = ran.report.cause.as_ref().unwrap();
        assert_eq!(cause.reason, Reason::Expectation, "the probe's own failure opens its incident: {}", ran.problem());
        assert_eq!(cause.message.contains("6 of 6 subjects failed"), harms.contains(&Standing), "{}", ran.problem());
        assert!(ran.clean(), "{}", ran.problem());
        sandbox.shutdown().await;
    });
    futures::future::join_all(work).await;
}

#[tokio::test]
async fn standing_copies_that_were_truncated_fail_one_by_one_until_they_are_filled_anew() {
    let sandbox = crate::fleet::sandbox(SPEED, 1).await;
    let fleet = Fleet::shipped(&sandbox, &[]);
    let canary = fleet.of("segment-copy").next().unwrap();
    let ran = harmed(&sandbox, &fleet, &[Harm::Standing]).await;
    let cause = ran.report.cause.as_ref().unwrap();
    assert_eq!((cause.reason, cause.step.as_deref()), (Reason::Subject, Some("standing copy is whole")), "{}", ran.problem());
    let failed = ran.report.steps.iter().filter(|step| matches!(step.result, StepResult::Failed(_)));
    let failed: Vec<_> = failed.filter_map(|step| step.subject.as_deref()).collect();
    let copies = ask(&sandbox, "/v1/segments?standing=true&kind=copy").await["segments"].clone();
    let copies = copies.as_array().unwrap().iter().map(|copy| copy["id"].as_str().unwrap());
    assert_eq!(failed.iter().copied().collect::<BTreeSet<_>>(), copies.collect());
    assert_eq!(failed.len(), 6);
    assert!(ran.report.steps.iter().any(|step| &*step.name == "lookalike is not empty"), "the journey went on");
    until(async || standing_copies(&sandbox, false).await.is_some()).await;
    assert_all_passed(&[fleet.run(canary).await]);
    sandbox.shutdown().await;
}

/// Polls until it is so; gives up after a while.
async fn until(so: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "it never became so");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_example_of_the_documentation_passes() {
    let sandbox = crate::fleet::sandbox(SPEED, 1).await;
    let fleet = Fleet::load(&sandbox, &[include_str!("../support/example.toml").to_owned()]);
    let ran = run_all(&fleet, &fleet.plan.canaries, 8).await;
    assert_eq!(ran.len(), 12);
    assert_all_passed(&ran);
    let steps: Vec<_> = ran[0].report.steps.iter().map(|step| Arc::clone(&step.name)).collect();
    assert_eq!(steps.iter().filter(|name| name.ends_with("adds")).count(), 10);
    sandbox.shutdown().await;
}
