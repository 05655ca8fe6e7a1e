//! Segments, copies, lookalikes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use serinus::sandbox::{FaultName, FaultScope, SandboxConfig};

use super::client::{Answer, Client, Product};

const SOURCE: &str = "/v1/segments/seg-sports-north";

fn number(answer: &Answer, member: &str) -> u64 {
    answer.json[member].as_u64().unwrap_or_else(|| panic!("`{member}` is no number in {answer:?}"))
}

/// Files a job, waits until it reports success, and reads the segment it filled.
async fn run_job(client: &Client, path: &str, body: Value) -> Answer {
    let filed = client.post(path, body).await;
    assert_eq!(filed.status, 202, "{filed:?}");
    let job = format!("/v1/jobs/{}", filed.text("job_id"));
    assert_eq!(filed.headers["location"], job);
    let job = client.until(&job, |answer| answer.json["status"] == "succeeded").await;
    assert_eq!(job.json["error"], Value::Null);
    let segment = client.get(&format!("/v1/segments/{}", filed.text("segment_id"))).await;
    assert_eq!((segment.status, &segment.json["job_status"]), (200, &json!("succeeded")));
    segment
}

async fn copy(client: &Client, source: &str) -> Answer {
    run_job(client, &format!("{source}/copy"), json!({ "site_group": "south" })).await
}

#[tokio::test]
async fn a_copy_holds_the_whole_source_and_a_lookalike_its_ratio_of_it() {
    let Product { sandbox, client } = Product::start().await;
    let source = number(&client.get(SOURCE).await, "size");
    assert!(source > 1_000_000);
    let near = |size: u64, of: u64| size.abs_diff(of) * 100 <= of;
    let copied = copy(&client, SOURCE).await;
    assert!(near(number(&copied, "size"), source));
    assert_eq!((copied.text("site_group"), copied.text("kind")), ("south".into(), "copy".into()));
    assert_eq!(number(&copied, "size"), number(&copied, "source_size"));
    let lookalike = run_job(&client, &format!("{SOURCE}/lookalike"), json!({ "ratio": 2.5 })).await;
    assert!(near(number(&lookalike, "size") * 2, source * 5));
    assert_eq!(number(&lookalike, "size"), number(&lookalike, "expected_size"));
    let of_copy = run_job(&client, &format!("/v1/segments/{}/lookalike", copied.text("id")), json!({ "ratio": 1 })).await;
    assert_eq!(of_copy.text("site_group"), "south", "a lookalike of a copy lies at the destination");
    for segment in [copied, lookalike, of_copy] {
        let path = format!("/v1/segments/{}", segment.text("id"));
        assert_eq!((client.delete(&path).await.status, client.delete(&path).await.status), (204, 404));
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn jobs_take_their_time_and_a_segment_that_is_not_full_yet_cannot_be_a_source() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { speed: 0.01, ..SandboxConfig::default() }).await;
    let filed = client.post(&format!("{SOURCE}/copy"), json!({ "site_group": "east" })).await;
    let copy = format!("/v1/segments/{}", filed.text("segment_id"));
    let empty = client.get(&copy).await;
    assert_eq!((&empty.json["size"], &empty.json["job_status"]), (&json!(0), &json!("queued")));
    let refused = client.post(&format!("{copy}/lookalike"), json!({ "ratio": 1 })).await;
    assert_eq!((refused.status, refused.code()), (409, "not_ready"));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let Product { sandbox, client } = Product::start().await;
    for (path, body, status) in [
        ("copy", json!({ "site_group": "moon" }), 422),
        ("copy", json!({ "site_group": "north" }), 422),
        ("copy", json!({}), 422),
        ("lookalike", json!({ "ratio": 0 }), 422),
        ("lookalike", json!({ "ratio": 11 }), 422),
    ] {
        assert_eq!(client.post(&format!("{SOURCE}/{path}"), body.clone()).await.status, status, "{path} {body}");
    }
    assert_eq!(client.post("/v1/segments/seg-none/copy", json!({ "site_group": "south" })).await.status, 404);
    assert_eq!(client.delete(SOURCE).await.status, 403);
    assert_eq!(client.get("/v1/jobs/job-none").await.status, 404);
    assert_eq!(client.get("/v1/segments?colour=red").await.status, 400);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn standing_copies_are_listed_and_stay_near_their_sources_through_refreshes() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { speed: 200.0, ..SandboxConfig::default() }).await;
    let groups = client.get("/v1/site-groups").await.json["site_groups"].as_array().unwrap().len();
    assert!(groups >= 2);
    let list = "/v1/segments?standing=true&kind=copy";
    let mut sizes = BTreeSet::new();
    for _ in 0..200 {
        let copies = client.get(list).await;
        for copy in copies.json["segments"].as_array().unwrap() {
            let (size, source_size) = (copy["size"].as_u64().unwrap(), copy["source_size"].as_u64().unwrap());
            let source = number(&client.get(&format!("/v1/segments/{}", copy["source_id"].as_str().unwrap())).await, "size");
            assert!(size == source_size && size > 1_000_000, "{copy}");
            assert!(size.abs_diff(source) * 100 <= source, "{copy}, and the source has {source}");
            assert_eq!(copy["job_status"], "succeeded");
            sizes.insert(size);
        }
        if sizes.len() > 6 {
            return sandbox.shutdown().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("no refresh came by: {sizes:?}");
}

#[tokio::test]
async fn capped_copies_and_empty_lookalikes_come_from_jobs_that_report_success_and_only_in_scope() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::SegmentCopyCapped, FaultScope::all().in_region("eu"));
    sandbox.faults().set(FaultName::LookalikeEmpty, FaultScope::all().in_region("eu"));
    let capped = copy(&client, SOURCE).await;
    assert_eq!((number(&capped, "size"), number(&capped, "source_size") > 1_000_000), (10_000, true));
    let empty = run_job(&client, &format!("{SOURCE}/lookalike"), json!({ "ratio": 2 })).await;
    assert_eq!(number(&empty, "size"), 0);
    let of_empty = run_job(&client, &format!("/v1/segments/{}/copy", empty.text("id")), json!({ "site_group": "south" })).await;
    assert_eq!((number(&of_empty, "size"), number(&of_empty, "expected_size")), (0, 0), "as if nothing were wrong");
    let us = client.from("us", "web");
    assert!(number(&copy(&us, SOURCE).await, "size") > 1_000_000);
    sandbox.faults().clear_all();
    assert!(number(&copy(&client, SOURCE).await, "size") > 1_000_000);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_fault_without_a_region_truncates_the_standing_copies_at_their_next_refresh_and_clearing_heals_them() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { speed: 200.0, ..SandboxConfig::default() }).await;
    let list = "/v1/segments?standing=true&kind=copy";
    let all = |answer: &Answer, holds: &dyn Fn(u64) -> bool| {
        answer.json["segments"].as_array().unwrap().iter().all(|copy| copy["size"].as_u64().is_some_and(holds))
    };
    sandbox.faults().set(FaultName::SegmentCopyCapped, FaultScope::all());
    let truncated = client.until(list, |answer| all(answer, &|size| size == 10_000)).await;
    assert_eq!(truncated.json["segments"][0]["job_status"], "succeeded");
    assert_eq!(truncated.json["segments"].as_array().unwrap().len(), 6);
    sandbox.faults().clear(FaultName::SegmentCopyCapped);
    client.until(list, |answer| all(answer, &|size| size > 1_000_000)).await;
    sandbox.shutdown().await;
}
