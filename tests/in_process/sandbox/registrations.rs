//! The registration pipeline.

use futures::future::join_all;
use serde_json::{Value, json};
use serinus::sandbox::{FaultName, FaultScope, SandboxConfig};

use super::client::{Answer, Client, Product};

fn submission(platform: &str) -> Value {
    json!({ "user_id": "u-1", "plan_id": "premium-canary", "currency": "EUR", "platform": platform })
}

async fn submit(client: &Client, platform: &str) -> Answer {
    let answer = client.post("/v1/registrations", submission(platform)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

fn path_of(registration: &Answer) -> String {
    format!("/v1/registrations/{}", registration.text("registration_id"))
}

fn warehouse_of(registration: &Answer) -> String {
    format!("/v1/warehouse/registrations/{}", registration.text("registration_id"))
}

/// Submits one and waits until its row is loaded.
async fn complete(client: &Client, platform: &str) -> (Answer, Value) {
    let registration = submit(client, platform).await;
    let loaded = client.until(&warehouse_of(&registration), |answer| answer.json["rows"][0].is_object()).await;
    (registration, loaded.json["rows"][0].clone())
}

#[tokio::test]
async fn a_healthy_registration_reaches_the_warehouse_with_every_field_of_the_contract() {
    let Product { sandbox, client } = Product::start().await;
    let plan = client.get("/v1/plans/premium-canary").await;
    assert_eq!((plan.status, &plan.json["billable"]), (200, &json!(false)));
    let registration = submit(&client, "ios").await;
    assert_eq!(registration.json["status"], "initiated");
    assert_eq!(registration.json["correlation_id"], registration.json["registration_id"]);
    assert_eq!(registration.headers["x-correlation-id"], registration.text("registration_id"));

    let activated = client.until(&path_of(&registration), |answer| answer.json["status"] == "activated").await;
    let history: Vec<&str> = activated.json["history"].as_array().unwrap().iter().filter_map(|h| h["status"].as_str()).collect();
    assert_eq!(history, ["initiated", "authorized", "captured", "activated"]);
    let of = |id: &str| registration.text(id);
    let payment = client.get(&format!("/v1/payments/{}", of("payment_id"))).await;
    assert_eq!((payment.status, &payment.json["status"]), (200, &json!("captured")));
    assert_eq!(payment.json["test_mode"], true);
    let account = client.get(&format!("/v1/accounts/{}", of("account_id"))).await;
    assert_eq!((account.status, &account.json["status"]), (200, &json!("active")));
    client.until(&format!("/v1/receipts/{}", of("receipt_id")), |answer| answer.json["status"] == "issued").await;

    let loaded = client.until(&warehouse_of(&registration), |answer| answer.json["rows"][0].is_object()).await;
    let rows = loaded.json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1);
    let texts = ["registration_id", "user_id", "plan_id", "currency", "created_at", "event_type", "source", "correlation_id"];
    for field in texts.into_iter().chain(["external_transaction_id", "status"]) {
        assert!(rows[0][field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {rows:?}");
    }
    assert_eq!(rows[0]["amount"].as_u64(), Some(1_099));
    assert_eq!(rows[0]["correlation_id"], registration.json["registration_id"]);
    assert_eq!((&rows[0]["region"], &rows[0]["platform"]), (&json!("eu"), &json!("ios")));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_repeated_idempotency_key_gives_the_same_registration_and_another_submission_is_refused() {
    let Product { sandbox, client } = Product::start().await;
    let keyed = client.with("idempotency-key", "k-1");
    let (first, again) = (submit(&keyed, "ios").await, submit(&keyed, "ios").await);
    assert_eq!(first.json["registration_id"], again.json["registration_id"]);
    assert_eq!(
        (&first.headers["idempotent-replayed"], &again.headers["idempotent-replayed"]),
        (&"false".parse().unwrap(), &"true".parse().unwrap())
    );
    let other = keyed.post("/v1/registrations", submission("web")).await;
    assert_eq!((other.status, other.code()), (422, "invalid"));
    let without = submit(&client, "ios").await;
    assert_ne!(without.json["registration_id"], first.json["registration_id"]);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_a_declined_token_fails_the_payment() {
    let Product { sandbox, client } = Product::start().await;
    let change = |key: &str, value: Value| {
        let mut body = submission("ios");
        body[key] = value;
        body
    };
    for (key, value) in [
        ("plan_id", json!("premium-free")),
        ("currency", json!("XXX")),
        ("platform", json!("toaster")),
        ("user_id", json!("")),
        ("user_id", json!("x".repeat(1_000))),
        ("region", json!("")),
        ("payment_token", json!("4242")),
        ("plan", json!("premium-canary")),
        ("amount", json!(-1)),
    ] {
        let refused = client.post("/v1/registrations", change(key, value)).await;
        assert_eq!((refused.status, refused.code()), (422, "invalid"), "{key}");
    }
    let declined = client.post("/v1/registrations", change("payment_token", json!("tok_test_declined"))).await;
    client.until(&path_of(&declined), |answer| answer.json["status"] == "failed").await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_test_registration_can_be_deleted_and_a_billable_one_cannot() {
    let Product { sandbox, client } = Product::start().await;
    let (registration, _) = complete(&client, "web").await;
    assert_eq!(client.delete(&path_of(&registration)).await.status, 204);
    assert_eq!(client.delete(&path_of(&registration)).await.status, 404);
    assert_eq!(client.get(&warehouse_of(&registration)).await.status, 404);
    let mut billable = submission("web");
    billable["plan_id"] = json!("premium-monthly");
    let billable = client.post("/v1/registrations", billable).await;
    assert_eq!(client.delete(&path_of(&billable)).await.status, 409);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn registrations_stop_after_payment_while_every_call_says_200_and_only_in_the_faults_scope() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::RegistrationStopsAfterPayment, FaultScope::all().in_region("eu").on_platform("ios"));
    let hit = submit(&client, "ios").await;
    client.until(&path_of(&hit), |answer| answer.json["status"] == "captured").await;
    client.until("/v1/queues", |answer| answer.json["queues"][1]["waiting"] == 0).await;
    // One worker handles the queue in turn: once these are through, the first has been handled too.
    complete(&client, "web").await;
    complete(&client.from("us", "ios"), "ios").await;
    for (path, member, stuck) in [
        (path_of(&hit), "status", json!("captured")),
        (format!("/v1/payments/{}", hit.text("payment_id")), "status", json!("captured")),
        (format!("/v1/accounts/{}", hit.text("account_id")), "status", json!("pending")),
        (format!("/v1/receipts/{}", hit.text("receipt_id")), "status", json!("pending")),
        (warehouse_of(&hit), "rows", json!([])),
    ] {
        let answer = client.get(&path).await;
        assert_eq!((answer.status, &answer.json[member]), (200, &stuck), "{path}");
    }
    sandbox.faults().clear(FaultName::RegistrationStopsAfterPayment);
    complete(&client, "ios").await;
    assert_eq!(client.get(&path_of(&hit)).await.json["status"], "captured", "what was lost stays lost");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_stopped_consumer_keeps_a_backlog_that_drains_when_it_recovers() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::StoppedConsumer, FaultScope::all().in_region("eu"));
    let waiting = [submit(&client, "ios").await, submit(&client, "web").await, submit(&client, "android").await];
    for registration in &waiting {
        client.until(&path_of(registration), |answer| answer.json["status"] == "captured").await;
    }
    // Those of another region pass by the ones that wait, more than once.
    for _ in 0..3 {
        complete(&client.from("us", "web"), "web").await;
    }
    assert_eq!(client.get("/v1/queues").await.json["queues"][1]["waiting"], 3);
    sandbox.faults().clear(FaultName::StoppedConsumer);
    for registration in &waiting {
        client.until(&warehouse_of(registration), |answer| answer.json["rows"][0].is_object()).await;
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn payment_errors_are_500s_and_payments_go_on_when_they_end() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::PaymentErrors, FaultScope::all().in_region("eu"));
    let registration = submit(&client, "ios").await;
    let payment = format!("/v1/payments/{}", registration.text("payment_id"));
    assert_eq!(client.get(&payment).await.status, 500);
    complete(&client.from("us", "web"), "web").await;
    assert_eq!(client.get(&path_of(&registration)).await.json["status"], "initiated");
    sandbox.faults().clear(FaultName::PaymentErrors);
    client.until(&payment, |answer| answer.status == 200 && answer.json["status"] == "captured").await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn payment_timeouts_hang_for_their_delay_and_then_say_504() {
    let Product { sandbox, client } = Product::start().await;
    let delay = std::time::Duration::from_secs(10);
    sandbox.faults().set(FaultName::PaymentTimeouts, FaultScope::all().with_delay(delay));
    let registration = submit(&client, "ios").await;
    let payment = format!("/v1/payments/{}", registration.text("payment_id"));
    let asked = std::time::Instant::now();
    let answer = client.get(&payment).await;
    assert_eq!((answer.status, answer.code()), (504, "payment_timeout"));
    assert!(asked.elapsed() >= delay / 50, "it hung for {:?}", asked.elapsed());
    sandbox.faults().clear(FaultName::PaymentTimeouts);
    client.until(&payment, |answer| answer.json["status"] == "captured").await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn warehouse_lag_holds_rows_back_until_it_ends() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::WarehouseLag, FaultScope::all().on_platform("ios"));
    let late = submit(&client, "ios").await;
    client.until(&format!("/v1/receipts/{}", late.text("receipt_id")), |answer| answer.json["status"] == "issued").await;
    complete(&client, "web").await;
    let rows = client.get(&warehouse_of(&late)).await;
    assert_eq!((rows.status, &rows.json["rows"]), (200, &json!([])));
    sandbox.faults().clear(FaultName::WarehouseLag);
    client.until(&warehouse_of(&late), |answer| answer.json["rows"][0].is_object()).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn warehouse_lag_of_a_short_delay_passes_by_itself() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::WarehouseLag, FaultScope::all().with_delay(std::time::Duration::from_secs(20)));
    let (registration, row) = complete(&client, "ios").await;
    let issued = client.get(&format!("/v1/receipts/{}", registration.text("receipt_id"))).await.text("issued_at");
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    let lag = time(row["loaded_at"].as_str().unwrap()) - time(&issued);
    assert!(lag.num_milliseconds() >= 400, "20 s of product time at speed 50, but {lag}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_renamed_field_is_gone_from_rows_loaded_while_the_fault_is_on() {
    let Product { sandbox, client } = Product::start().await;
    sandbox.faults().set(FaultName::RenamedField, FaultScope::all());
    let (_, broken) = complete(&client, "ios").await;
    assert_eq!((broken.get("plan_id"), &broken["plan"]), (None, &json!("premium-canary")));
    sandbox.faults().clear(FaultName::RenamedField);
    let (_, healthy) = complete(&client, "ios").await;
    assert_eq!((healthy.get("plan"), &healthy["plan_id"]), (None, &json!("premium-canary")));
    sandbox.shutdown().await;
}

/// Which of 40 registrations' payments answer 500 with a share of 40 %.
async fn failing_payments(seed: u64) -> Vec<bool> {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { speed: 50.0, seed, ..SandboxConfig::default() }).await;
    sandbox.faults().set(FaultName::PaymentErrors, FaultScope::all().with_share(0.4).unwrap());
    let mut failing = Vec::new();
    for _ in 0..40 {
        let registration = submit(&client, "ios").await;
        let payment = client.get(&format!("/v1/payments/{}", registration.text("payment_id"))).await;
        assert!([200, 500].contains(&payment.status), "{payment:?}");
        failing.push(payment.status == 500);
    }
    sandbox.shutdown().await;
    failing
}

#[tokio::test]
async fn a_share_of_the_registrations_is_hit_and_the_seed_says_which() {
    let first = failing_payments(1).await;
    let count = first.iter().filter(|&&failing| failing).count();
    assert!((8..=24).contains(&count), "about 40 % of 40, but {count}");
    assert_eq!(first, failing_payments(1).await);
    assert_ne!(first, failing_payments(2).await);
}

#[tokio::test]
async fn a_flood_is_refused_with_503_and_passes() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { most: 5, ..SandboxConfig::default() }).await;
    sandbox.faults().set(FaultName::PaymentErrors, FaultScope::all());
    let flood = join_all((0..100).map(|_| client.post("/v1/registrations", submission("ios")))).await;
    let overloaded = flood.iter().filter(|answer| answer.status == 503 && answer.code() == "overloaded").count();
    let accepted = flood.iter().filter(|answer| answer.status == 201).count();
    assert!(overloaded > 0 && accepted > 0 && overloaded + accepted == 100, "{accepted} accepted, {overloaded} refused");
    // What the store has forgotten leaves the queue as well.
    client.until("/v1/queues", |answer| answer.json["queues"][0]["waiting"].as_u64().is_some_and(|waiting| waiting <= 5)).await;
    submit(&client, "ios").await;
    sandbox.shutdown().await;
}
