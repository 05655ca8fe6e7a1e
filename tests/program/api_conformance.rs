//! The API against its own description: Schemathesis asks a running service whatever the OpenAPI document allows, and much that it
//! forbids, and holds each answer against the document.

use std::process::Command;

use serde_json::{Value, json};

use crate::cli_support::until;
use crate::service_support::{Double, Service, channel, folder};

/// Requests that it makes up for each operation, the same each time, besides those at the bounds of each parameter.
const EXAMPLES: &str = "8";
/// What each answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      negative_data_rejection,\
                      unsupported_method,allow_header_conformance";

/// The document, with things that there are as examples: whatever is made up is not found.
fn document(service: &Service<'_>, run: &str, incident: &str) -> Value {
    let mut document = service.get("/api/v1/openapi.json");
    for (path, item) in document["paths"].as_object_mut().unwrap() {
        let known = match path.split('/').nth(3) {
            Some("runs") => run,
            Some("incidents") => incident,
            Some("channels") => "hook",
            _ => "p",
        };
        for operation in item.as_object_mut().unwrap().values_mut() {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            for parameter in parameters.into_iter().flatten().filter(|each| each["in"] == "path") {
                parameter["example"] = known.into();
            }
        }
    }
    // A stream has no end that could be waited for.
    document["paths"].as_object_mut().unwrap().remove("/api/v1/stream");
    for request in ["PauseRequest", "TargetRequest"] {
        document["components"]["schemas"][request]["properties"]["target"]["examples"] = json!(["p", "p/eu"]);
    }
    document
}

#[test]
fn whatever_the_api_is_asked_it_answers_as_its_description_says() {
    let (target, receiver) = (Double::start(200, r#"{"state": "broken"}"#), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let incident = receiver.page("ring")["incident"].as_str().unwrap().to_owned();
    let run = until("a failed run is kept", || {
        let runs = service.get("/api/v1/runs?not_passed=true");
        runs["items"][0]["run_id"].as_str().map(str::to_owned)
    });
    let path = folder.path().join("openapi.json");
    std::fs::write(&path, document(&service, &run, &incident).to_string()).unwrap();

    let installed = Command::new("tests/setup/schemathesis").arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/schemathesis")).output();
    let installed = installed.expect("tests/setup/schemathesis can be run");
    assert!(installed.status.success(), "Schemathesis is missing: {}", String::from_utf8_lossy(&installed.stderr));
    let asked = Command::new("python3")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"])
        .arg(&path)
        .args(["--url", &format!("http://{}", service.address), "-H", "Authorization: Bearer sesame-open"])
        .args(["--phases", "examples,coverage,fuzzing", "--checks", CHECKS, "--max-examples", EXAMPLES])
        .args(["--generation-deterministic", "--suppress-health-check", "all"])
        .args(["--continue-on-failure", "--warnings", "off", "--no-color"])
        .env("PYTHONPATH", String::from_utf8(installed.stdout).unwrap().trim())
        .current_dir(folder.path())
        .output()
        .expect("python3 can be run");
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{said}\n{}", String::from_utf8_lossy(&asked.stderr));
    for word in ["Fuzzing", "Coverage", "Examples"] {
        assert!(said.contains(word), "it did not come to {word}: {said}");
    }
    assert_eq!(service.get("/api/v1/status")["store"]["writable"], true);
    assert_eq!(service.stop(), Some(0));
}
