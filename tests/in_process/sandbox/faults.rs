//! The switches over HTTP and from Rust.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use serinus::sandbox::{FaultName, FaultScope, Incident};

use super::client::Product;

#[tokio::test]
async fn every_fault_is_listed_and_can_be_switched_over_http() {
    let Product { sandbox, client } = Product::start().await;
    let listed = client.get("/faults").await;
    let names: Vec<&str> = listed.json["faults"].as_array().unwrap().iter().filter_map(|fault| fault["name"].as_str()).collect();
    assert_eq!(names, FaultName::ALL.map(FaultName::as_str));
    for name in names {
        let path = format!("/faults/{name}");
        assert_eq!(client.get(&path).await.json["active"], false);
        let on = client.put(&path, json!({ "share": 0.25, "region": "eu", "platform": "ios" })).await;
        assert_eq!((on.status, &on.json["active"]), (200, &json!(true)));
        assert_eq!(on.json["scope"], json!({ "share": 0.25, "region": "eu", "platform": "ios", "delay": null }));
        assert_eq!(client.delete(&path).await.status, 204);
        assert_eq!(client.delete(&path).await.status, 204, "off stays off");
    }
    assert!(sandbox.faults().active().is_empty());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_rust_handle_and_http_switch_the_same_faults() {
    let Product { sandbox, client } = Product::start().await;
    assert_eq!(client.send(Method::PUT, "/faults/warehouse-lag", None).await.status, 200, "no body means everything");
    assert_eq!(sandbox.faults().active(), [(FaultName::WarehouseLag, FaultScope::all())]);
    client.put("/faults/warehouse-lag", json!({ "delay": "90s" })).await;
    let scope = FaultScope::all().with_delay(Duration::from_secs(90));
    assert_eq!(sandbox.faults().active(), [(FaultName::WarehouseLag, scope)]);
    sandbox.faults().set(FaultName::PaymentErrors, FaultScope::all());
    assert_eq!(client.get("/faults/payment-errors").await.json["active"], true);
    assert_eq!(client.delete("/faults").await.status, 204);
    assert!(sandbox.faults().active().is_empty());
    sandbox.shutdown().await;
}

#[tokio::test]
async fn an_unknown_fault_is_a_404_that_names_the_known_ones() {
    let Product { sandbox, client } = Product::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = client.send(method, "/faults/payment-eror", None).await;
        assert_eq!((answer.status, answer.code()), (404, "unknown_fault"));
        assert_eq!(answer.json["error"]["known"], json!(FaultName::ALL.map(FaultName::as_str)));
    }
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_scope_that_makes_no_sense_is_refused_and_switches_nothing() {
    let Product { sandbox, client } = Product::start().await;
    for (scope, status) in [
        (json!({ "share": 1.5 }), 422),
        (json!({ "share": -0.5 }), 422),
        (json!({ "share": "all" }), 400),
        (json!({ "delay": "soon" }), 422),
        (json!({ "delay": "5s" }), 422),
        (json!({ "regions": ["eu"] }), 400),
        (json!({ "region": "" }), 422),
        (json!([1]), 400),
    ] {
        let answer = client.put("/faults/payment-errors", scope.clone()).await;
        assert_eq!(answer.status, status, "{scope}: {answer:?}");
    }
    assert_eq!(client.send_text(Method::PUT, "/faults/payment-errors", "{").await.status, 400);
    assert!(sandbox.faults().active().is_empty());
    sandbox.shutdown().await;
}

#[test]
fn every_incident_has_faults_and_a_shipped_probe_that_must_notice_it() {
    for incident in Incident::ALL {
        assert_eq!(incident.as_str().parse(), Ok(incident));
        assert!(!incident.faults().is_empty());
        let scope = incident.scope("eu");
        assert_eq!((scope.region(), scope.share()), (Some("eu"), 1.0));
        let file = format!("probes/{}.toml", incident.probe().replace('-', "_"));
        let probe: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        assert_eq!(probe["name"].as_str(), Some(incident.probe()), "{file}");
        if let Some((key, value)) = incident.cell() {
            let values = probe["matrix"][key].as_array().unwrap();
            assert!(values.iter().any(|known| known.as_str() == Some(value)), "{file} has no cell {key}={value}");
            assert_eq!(scope.platform(), Some(value));
        }
    }
    let unknown = "segments-lost".parse::<Incident>().unwrap_err();
    assert!(unknown.to_string().contains("segments-truncated"));
}
