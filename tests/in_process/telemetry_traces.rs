//! A strict OTLP receiver looks at what arrives, and bad receivers are borne.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus};
use prost::Message as _;
use serinus::outcome::{OutcomeSink as _, Reason, RunReport, SpanId};
use serinus::plan::Plan;
use serinus::telemetry::{Flushed, Metrics, Telemetry, Tracer, TracerConfig};

use crate::report;

const SOON: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    requests: Vec<ExportTraceServiceRequest>,
    headers: Vec<HeaderMap>,
}

impl Receiver {
    fn spans(&self) -> Vec<Span> {
        let received = self.0.lock().expect("no handler panics");
        let scopes = received.requests.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> (StatusCode, Vec<u8>) {
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            let mut kept = receiver.0.lock().expect("no handler panics");
            kept.requests.push(request);
            kept.headers.push(headers);
            (StatusCode::OK, Vec::new())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    }
}

/// A receiver on a runtime and thread of its own, since tracers are stopped from blocking code.
fn receiver() -> (Receiver, SocketAddr) {
    let receiver = Receiver::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("tokio wants it so");
    let address = listener.local_addr().expect("it is bound");
    let app = Router::new().route("/v1/traces", post(take)).with_state(receiver.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            axum::serve(listener, app).await.expect("it serves until the process ends");
        });
    });
    (receiver, address)
}

fn config(address: SocketAddr) -> TracerConfig {
    TracerConfig {
        endpoint: format!("http://{address}/v1/traces"),
        headers: vec![("x-tenant".into(), "canaries".into())],
        timeout: Duration::from_secs(5),
        queue: 1_000,
        sample_passed: 1.0,
        service_name: "serinus".into(),
        resource: vec![("deployment.environment.name".into(), "test".into())],
    }
}

fn plan() -> Plan {
    report::plan(vec![report::probe("sync", vec![report::cell(&[("platform", "ios")])])], &["eu"])
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    match attribute(attributes, key)? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

fn nanos(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos()).expect("before 2554")
}

fn by_id(spans: &[Span], SpanId(id): SpanId) -> &Span {
    spans.iter().find(|span| span.span_id == id.to_be_bytes()).unwrap_or_else(|| panic!("span {id:016x} arrives"))
}

/// What a strict receiver saw of one failed run.
fn of_a_failed_run() -> (RunReport, Vec<Span>, Receiver) {
    let (receiver, address) = receiver();
    let tracer = Tracer::start(config(address)).expect("the configuration is sound");
    let plan = plan();
    let run = report::failed(&plan.canaries[0], SystemTime::now() - Duration::from_mins(1));
    tracer.offer_run(&Arc::new(run.clone()));
    assert_eq!(tracer.stop(SOON), Flushed { exported: 1, lost: 0 });
    let spans = receiver.spans();
    (run, spans, receiver)
}

#[test]
fn a_run_arrives_as_one_trace_with_the_reports_ids_parents_and_times() {
    let (run, spans, _) = of_a_failed_run();
    assert_eq!(spans.len(), 1 + 2 + 3, "root, steps, attempts");
    assert!(spans.iter().all(|span| span.trace_id == run.trace_id.0.to_be_bytes()));
    let root = by_id(&spans, run.span_id);
    assert_eq!((root.name.as_str(), root.parent_span_id.len()), ("probe sync", 0));
    assert_eq!(root.start_time_unix_nano, nanos(run.started));
    assert_eq!(root.end_time_unix_nano, nanos(run.started + run.duration));
    for step in &run.steps {
        let span = by_id(&spans, step.span_id);
        assert_eq!((span.name.as_str(), span.parent_span_id.as_slice()), (&*step.name, &run.span_id.0.to_be_bytes()[..]));
        assert_eq!(span.start_time_unix_nano, nanos(run.started + step.started));
        assert_eq!(span.end_time_unix_nano, nanos(run.started + step.started + step.duration));
        for attempt in &step.attempts {
            let span = by_id(&spans, attempt.span_id);
            assert_eq!(span.parent_span_id, step.span_id.0.to_be_bytes());
            assert_eq!(span.kind, i32::from(SpanKind::Client));
            assert_eq!(span.start_time_unix_nano, nanos(run.started + attempt.started));
        }
    }
}

#[test]
fn attributes_follow_the_conventions_and_say_what_was_expected_and_seen() {
    let (run, spans, receiver) = of_a_failed_run();
    let root = by_id(&spans, run.span_id);
    let run_id = run.run_id.to_string();
    for (key, expected) in [
        ("serinus.probe", "sync"),
        ("serinus.region", "eu"),
        ("serinus.cell.platform", "ios"),
        ("serinus.verdict", "failed"),
        ("serinus.reason", "expectation"),
        ("error.type", "expectation"),
        ("serinus.run.id", run_id.as_str()),
        ("serinus.expectation", "json.status == 'activated'"),
        ("serinus.expectation.location", "probes/sync.toml:7:3"),
    ] {
        assert_eq!(text(&root.attributes, key), Some(expected), "{key}");
    }
    let message = &run.cause.as_ref().expect("it failed").message;
    let status = root.status.as_ref().expect("a status");
    assert_eq!((status.code, &status.message), (i32::from(SpanStatus::Error), message));

    let step = by_id(&spans, run.steps[1].span_id);
    assert_eq!(step.events.len(), 1, "only the expectation that failed is an event");
    assert_eq!(text(&step.events[0].attributes, "serinus.expectation"), Some("json.status == 'activated'"));
    let Some(Value::ArrayValue(seen)) = attribute(&step.events[0].attributes, "serinus.seen") else { panic!("{step:?}") };
    assert_eq!(seen.values, [AnyValue { value: Some(Value::StringValue("json.status = \"pending\"".into())) }]);
    let passed = by_id(&spans, run.steps[0].span_id).status.as_ref().expect("a status").code;
    assert_eq!(passed, i32::from(SpanStatus::Ok));

    let attempt = &by_id(&spans, run.steps[1].attempts[1].span_id);
    assert_eq!(attempt.name, "GET");
    assert_eq!(text(&attempt.attributes, "http.request.method"), Some("GET"));
    assert_eq!(text(&attempt.attributes, "url.full"), Some("http://shop.example:8080/v1/playlists?x=1"));
    assert_eq!(text(&attempt.attributes, "server.address"), Some("shop.example"));
    assert_eq!(attribute(&attempt.attributes, "server.port"), Some(&Value::IntValue(8080)));
    assert_eq!(attribute(&attempt.attributes, "http.response.status_code"), Some(&Value::IntValue(200)));
    assert_eq!(attribute(&attempt.attributes, "serinus.attempt"), Some(&Value::IntValue(2)));

    let kept = receiver.0.lock().expect("no handler panics");
    assert_eq!(kept.headers[0]["x-tenant"], "canaries");
    let resource = kept.requests[0].resource_spans[0].resource.as_ref().expect("a resource");
    assert_eq!(text(&resource.attributes, "service.name"), Some("serinus"));
    assert_eq!(text(&resource.attributes, "deployment.environment.name"), Some("test"));
}

#[test]
fn a_degraded_run_is_well_and_has_an_event_for_what_did_not_hold() {
    let (receiver, address) = receiver();
    let plan = plan();
    let telemetry = Telemetry::new(Metrics::new(&plan), Some(Tracer::start(config(address)).expect("the configuration is good")));
    let [degraded, well] = [report::degraded, report::passed].map(|make| Arc::new(make(&plan.canaries[0], SystemTime::now())));
    telemetry.run_finished(&degraded);
    telemetry.run_finished(&well);
    telemetry.stop(SOON);
    let spans = receiver.spans();
    let root = by_id(&spans, degraded.span_id);
    assert!(matches!(attribute(&root.attributes, "serinus.degraded"), Some(Value::BoolValue(true))), "{root:?}");
    assert_eq!(root.status.as_ref().map(|status| status.code), Some(SpanStatus::Ok as i32));
    assert!(attribute(&by_id(&spans, well.span_id).attributes, "serinus.degraded").is_none());
    let read = by_id(&spans, degraded.steps[1].span_id);
    let [event] = read.events.as_slice() else { panic!("{read:?}") };
    assert_eq!((&*event.name, text(&event.attributes, "serinus.say")), ("warning", Some("the read drags")));
    assert_eq!(text(&event.attributes, "serinus.expectation"), Some("latency < 0.3"));
    assert_eq!(read.status.as_ref().map(|status| status.code), Some(SpanStatus::Ok as i32));
}

#[test]
fn a_cleanup_hangs_below_its_runs_root_and_a_leak_is_an_error() {
    let (receiver, address) = receiver();
    let tracer = Tracer::start(config(address)).expect("the configuration is sound");
    let plan = plan();
    let run = Arc::new(report::failed(&plan.canaries[0], SystemTime::now()));
    let cleanup = Arc::new(report::cleanup(&run, run.cause.clone().into_iter().collect()));
    tracer.offer_run(&run);
    tracer.offer_cleanup(&cleanup);
    assert_eq!(tracer.stop(SOON), Flushed { exported: 2, lost: 0 });
    let spans = receiver.spans();
    let span = spans.iter().find(|span| span.name == "cleanup").expect("it arrives");
    assert_eq!(span.parent_span_id, run.span_id.0.to_be_bytes());
    assert_eq!(span.status.as_ref().expect("a status").code, i32::from(SpanStatus::Error));
    assert_eq!(by_id(&spans, cleanup.steps[0].span_id).parent_span_id, span.span_id);
}

#[test]
fn sampling_drops_passed_runs_only_and_what_was_not_made_has_no_trace() {
    let (receiver, address) = receiver();
    let tracer = Tracer::start(TracerConfig { sample_passed: 0.0, ..config(address) }).expect("the configuration is sound");
    let plan = plan();
    let now = SystemTime::now();
    let failed = report::failed(&plan.canaries[0], now);
    for run in [
        report::passed(&plan.canaries[0], now),
        failed.clone(),
        report::ended(&plan.canaries[0], now, Reason::Overload),
        report::ended(&plan.canaries[0], now, Reason::Paused),
    ] {
        tracer.offer_run(&Arc::new(run));
    }
    assert_eq!(tracer.stop(SOON), Flushed { exported: 1, lost: 0 });
    assert!(receiver.spans().iter().all(|span| span.trace_id == failed.trace_id.0.to_be_bytes()));
    assert_eq!(tracer.dropped(), 0, "what nobody wanted was not lost");
}

#[test]
fn a_receiver_that_never_answers_costs_traces_and_nothing_else() {
    // The kernel accepts connections; nobody ever reads from them.
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = hanging.local_addr().expect("it is bound");
    let tracer = Tracer::start(TracerConfig { queue: 10, timeout: Duration::from_mins(10), ..config(address) })
        .expect("the receiver need not answer");
    let plan = plan();
    let telemetry = Telemetry::new(Metrics::new(&plan), Some(tracer));
    let run = Arc::new(report::failed(&plan.canaries[0], SystemTime::now()));
    // Ten minutes' worth of waiting for the receiver, if any of these waited for it once.
    for _ in 0..2_000 {
        telemetry.run_finished(&run);
    }
    let asked = Instant::now();
    let flushed = telemetry.stop(Duration::from_millis(300));
    assert!(asked.elapsed() < Duration::from_mins(1), "stopping is bounded by its deadline, not by the receiver");
    assert_eq!(flushed.exported, 0);
    assert!((1..=10 + 256).contains(&flushed.lost), "what waited and what was on its way is lost: {flushed:?}");
    let metrics = telemetry.metrics().encode(serinus::telemetry::Format::Prometheus);
    let full = metrics.lines().find_map(|line| line.strip_prefix("serinus_traces_dropped_total{why=\"queue_full\"} "));
    let full: u64 = full.and_then(|count| count.parse().ok()).expect("a count");
    assert!(full >= 1_000, "the rest was dropped at the door and counted: {full}");
}

#[test]
fn a_receiver_that_is_not_there_loses_traces_that_are_counted_as_such() {
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port nobody listens on");
    let tracer =
        Tracer::start(TracerConfig { timeout: Duration::from_secs(1), ..config(gone) }).expect("it need not be there yet");
    let plan = plan();
    for _ in 0..5 {
        tracer.offer_run(&Arc::new(report::failed(&plan.canaries[0], SystemTime::now())));
    }
    assert_eq!(tracer.stop(SOON), Flushed { exported: 0, lost: 5 });
    assert_eq!((tracer.exported(), tracer.dropped()), (0, 5));
}

#[test]
fn every_offered_run_is_either_exported_or_counted_as_dropped() {
    let (receiver, address) = receiver();
    let tracer = Tracer::start(TracerConfig { queue: 64, ..config(address) }).expect("the configuration is sound");
    let plan = plan();
    let run = Arc::new(report::passed(&plan.canaries[0], SystemTime::now()));
    for _ in 0..5_000 {
        tracer.offer_run(&run);
    }
    tracer.stop(SOON);
    assert_eq!(tracer.exported() + tracer.dropped(), 5_000);
    let roots = receiver.spans().iter().filter(|span| span.parent_span_id.is_empty()).count();
    assert_eq!(u64::try_from(roots).expect("few"), tracer.exported());
}

#[tokio::test]
async fn a_tracer_may_be_started_and_stopped_from_inside_a_runtime() {
    let (_receiver, address) = receiver();
    let tracer = tokio::task::spawn_blocking(move || Tracer::start(config(address))).await.expect("no panic").expect("sound");
    let plan = plan();
    tracer.offer_run(&Arc::new(report::passed(&plan.canaries[0], SystemTime::now())));
    let flushed = tokio::task::spawn_blocking(move || tracer.stop(SOON)).await.expect("no panic");
    assert_eq!(flushed, Flushed { exported: 1, lost: 0 });
}

#[test]
fn a_configuration_that_cannot_work_is_refused_and_no_secret_is_told() {
    let address = "127.0.0.1:1".parse().expect("an address");
    let headers = vec![("authorization".into(), "secret\nsecret".into())];
    let error = Tracer::start(TracerConfig { headers, ..config(address) }).expect_err("a header has no line break");
    assert!(error.to_string().contains("authorization") && !error.to_string().contains("secret"), "{error}");
    let endpoint = "not a url".into();
    assert!(Tracer::start(TracerConfig { endpoint, ..config(address) }).is_err());
}
