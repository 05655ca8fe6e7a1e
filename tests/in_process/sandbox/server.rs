//! The listener: what it refuses, that its state is bounded, and that it stops.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use serinus::sandbox::{FaultName, FaultScope, Sandbox, SandboxConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::Product;

fn listen(address: &str, allow_remote: bool) -> SandboxConfig {
    SandboxConfig { listen: address.parse::<SocketAddr>().unwrap(), allow_remote, ..SandboxConfig::default() }
}

#[tokio::test]
async fn it_listens_beyond_loopback_only_when_told_to() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = Sandbox::start(listen(address, false)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{address}: {refused}");
    }
    let remote = Sandbox::start(listen("0.0.0.0:0", true)).await.unwrap();
    assert_ne!(remote.address().port(), 0);
    remote.shutdown().await;
}

#[tokio::test]
async fn a_speed_that_is_none_is_refused() {
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let refused = Sandbox::start(SandboxConfig { speed, ..SandboxConfig::default() }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{speed}");
    }
}

#[tokio::test]
async fn what_nobody_serves_and_what_nobody_can_read_is_refused_in_json() {
    let Product { sandbox, client } = Product::start().await;
    let unknown = client.get("/v2/anything").await;
    assert_eq!((unknown.status, unknown.code()), (404, "no_such_route"));
    let method = client.delete("/v1/plans").await;
    assert_eq!((method.status, method.code()), (405, "method_not_allowed"));
    for body in ["{", "not json", ""] {
        let answer = client.send_text(Method::POST, "/v1/registrations", body).await;
        assert_eq!((answer.status, answer.code()), (400, "bad_json"), "{body:?}");
    }
    let deep = client.send_text(Method::POST, "/v1/registrations", "[".repeat(100_000)).await;
    assert!([400, 422].contains(&deep.status), "{deep:?}");
    let huge = client.send_text(Method::POST, "/v1/playlists", "x".repeat(3 << 20)).await;
    assert!([401, 413].contains(&huge.status), "{huge:?}");
    let huge = client.send_text(Method::POST, "/v1/sessions", "x".repeat(3 << 20)).await;
    assert_eq!(huge.status, 413);
    assert_eq!(client.get("/healthz").await.json["status"], "ok");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_oldest_entities_are_forgotten_and_the_number_stays_bounded() {
    let config = SandboxConfig { speed: 1_000.0, most: 20, ..SandboxConfig::default() };
    let Product { sandbox, client } = Product::start_with(config).await;
    let credentials = json!({ "user": "ada", "password": SandboxConfig::DEFAULT_PASSWORD });
    let mut firsts = Vec::new();
    for round in 0..100 {
        let keyed = client.with("idempotency-key", &format!("k-{round}"));
        let submission = json!({ "user_id": "u", "plan_id": "premium-canary", "currency": "EUR", "platform": "ios" });
        let registration = keyed.post("/v1/registrations", submission).await;
        let session = client.post("/v1/sessions", credentials.clone()).await;
        let device = client.with("authorization", &format!("Bearer {}", session.text("token")));
        let playlist = device.post("/v1/playlists", json!({ "title": "a", "tracks": [1, 2, 3] })).await;
        let copy = client.post("/v1/segments/seg-sports-north/copy", json!({ "site_group": "east" })).await;
        if round == 0 {
            firsts = vec![
                format!("/v1/registrations/{}", registration.text("registration_id")),
                format!("/v1/playlists/{}", playlist.text("id")),
                format!("/v1/segments/{}", copy.text("segment_id")),
            ];
            assert_eq!(client.get(&firsts[0]).await.status, 200);
        }
        if round == 99 {
            let statuses =
                [device.get(&firsts[0]).await.status, device.get(&firsts[1]).await.status, device.get(&firsts[2]).await.status];
            assert_eq!(statuses, [404; 3]);
        }
    }
    assert!(client.get("/v1/queues").await.json["registrations"].as_u64().unwrap() <= 20);
    let entities = &client.get("/healthz").await.json["entities"];
    assert!(entities["playlists"].as_u64().unwrap() <= 20 * 4, "{entities}");
    assert!(entities["segments"].as_u64().unwrap() <= 12 + 20 + 84, "{entities}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids_and_sizes() {
    let look = async |seed| {
        let Product { sandbox, client } = Product::start_with(SandboxConfig { seed, ..SandboxConfig::default() }).await;
        let submission = json!({ "user_id": "u", "plan_id": "premium-canary", "currency": "EUR", "platform": "ios" });
        let id = client.post("/v1/registrations", submission).await.text("registration_id");
        let size = client.get("/v1/segments/seg-sports-north").await.json["size"].as_u64();
        sandbox.shutdown().await;
        (id, size)
    };
    assert_eq!(look(7).await, look(7).await);
    let (seven, eight) = (look(7).await, look(8).await);
    assert!(seven.0 != eight.0 && seven.1 != eight.1);
}

#[tokio::test]
async fn shutdown_ends_hanging_requests_and_half_sent_ones_and_frees_the_port() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig::default()).await;
    let address = sandbox.address();
    sandbox.faults().set(FaultName::PaymentTimeouts, FaultScope::all().with_delay(Duration::from_hours(1)));
    let submission = json!({ "user_id": "u", "plan_id": "premium-canary", "currency": "EUR", "platform": "ios" });
    let payment = client.post("/v1/registrations", submission).await.text("payment_id");
    let mut hanging = TcpStream::connect(address).await.unwrap();
    hanging.write_all(format!("GET /v1/payments/{payment} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut half_sent = TcpStream::connect(address).await.unwrap();
    half_sent.write_all(b"GET /v1/plans HTT").await.unwrap();
    let http2 = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let of = |path: &str| http2.get(format!("http://{address}{path}")).send();
    of("/healthz").await.unwrap();
    let mut streamed = std::pin::pin!(of(&format!("/v1/payments/{payment}")));
    tokio::select! {
        biased;
        answer = &mut streamed => panic!("it does not hang: {answer:?}"),
        // On the same connection and asked for later: once this is answered, the stream before it hangs.
        answer = of("/healthz") => assert_eq!(answer.unwrap().status(), 200),
    }
    // An answer on a later connection shows that the earlier ones have been accepted.
    assert_eq!(client.get("/healthz").await.status, 200);
    let stopped = tokio::time::timeout(Duration::from_secs(20), sandbox.shutdown());
    let (stopped, streamed) = tokio::join!(stopped, streamed);
    assert!(stopped.is_ok(), "every task is joined");
    assert!(streamed.is_err());
    assert!(TcpStream::connect(address).await.is_err());
}
