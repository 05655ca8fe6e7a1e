//! An OTLP receiver that fails in every way loses no trace as long as it comes back, and what is lost is counted.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use serinus::plan::Plan;
use serinus::telemetry::{Flushed, Format, Metrics, Telemetry, Tracer, TracerConfig};

use crate::report;

const SOON: Duration = Duration::from_mins(1);

/// What the receiver does with one request.
#[derive(Debug, Clone)]
enum Does {
    /// Answers with a status and headers.
    Says(&'static str),
    /// Closes without an answer.
    Closes,
    /// Closes in the middle of its answer.
    BreaksOff,
    /// Says nothing until the client has gone.
    Hangs,
    /// Takes it, but for so many spans.
    Rejects(i64, &'static str),
    /// Takes it.
    Takes,
}

/// A receiver that follows a script and then takes everything.
struct Receiver {
    address: SocketAddr,
    /// When each request came, and its traces if it was taken.
    requests: mpsc::Receiver<(Instant, Option<Vec<Vec<u8>>>)>,
}

impl Receiver {
    fn start(script: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::on(listener, script)
    }

    fn on(listener: TcpListener, script: impl IntoIterator<Item = Does>) -> Self {
        let address = listener.local_addr().expect("it is bound");
        let script = Arc::new(Mutex::new(script.into_iter().collect::<VecDeque<Does>>()));
        let (tell, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, tell) = (Arc::clone(&script), tell.clone());
                std::thread::spawn(move || {
                    let does = || script.lock().expect("no thread panics with it").pop_front().unwrap_or(Does::Takes);
                    answer(stream, does, &tell)
                });
            }
        });
        Self { address, requests }
    }

    /// The next request.
    fn next(&self) -> (Instant, Option<Vec<Vec<u8>>>) {
        self.requests.recv_timeout(SOON).expect("a request comes")
    }
}

/// Reads one request from a connection and answers it.
fn answer(
    mut stream: TcpStream,
    does: impl FnOnce() -> Does,
    tell: &mpsc::Sender<(Instant, Option<Vec<Vec<u8>>>)>,
) -> Option<()> {
    let mut got = Vec::new();
    let mut buffer = [0; 16 << 10];
    let body = loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        got.extend_from_slice(&buffer[..read]);
        let Some(end) = got.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&got[..end]).to_ascii_lowercase();
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
        if got.len() >= end + 4 + length {
            break got[end + 4..].to_vec();
        }
    };
    let does = does();
    let request = ExportTraceServiceRequest::decode(&*body).expect("it is OTLP");
    let spans = request.resource_spans.iter().flat_map(|spans| &spans.scope_spans).flat_map(|spans| &spans.spans);
    let traces: Vec<Vec<u8>> = spans.filter(|span| span.parent_span_id.is_empty()).map(|span| span.trace_id.clone()).collect();
    let taken = matches!(does, Does::Takes | Does::Rejects(..)).then_some(traces);
    let mut send = |head: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        // A client that has gone is part of what is tested.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
    };
    match does {
        Does::Says(head) => send(head, b"try\nagain"),
        Does::Closes => drop(stream),
        Does::BreaksOff => drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")),
        Does::Hangs => drop(stream.read(&mut buffer)),
        Does::Rejects(rejected_spans, message) => {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() };
            send("200 OK", &ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec());
        }
        Does::Takes => send("200 OK", b""),
    }
    tell.send((Instant::now(), taken)).ok()
}

fn config(address: SocketAddr) -> TracerConfig {
    TracerConfig {
        endpoint: format!("http://{address}/v1/traces"),
        headers: Vec::new(),
        timeout: Duration::from_secs(2),
        queue: 10,
        sample_passed: 1.0,
        service_name: "serinus".into(),
        resource: Vec::new(),
    }
}

fn plan() -> Plan {
    report::plan(vec![report::probe("sync", vec![report::cell(&[("platform", "ios")])])], &["eu"])
}

/// Offers so many failed runs and gives their traces' ids.
fn offer(tracer: &Tracer, runs: usize) -> Vec<Vec<u8>> {
    let plan = plan();
    let runs = (0..runs).map(|_| Arc::new(report::failed(&plan.canaries[0], SystemTime::now())));
    runs.map(|run| {
        tracer.offer_run(&run);
        run.trace_id.0.to_be_bytes().to_vec()
    })
    .collect()
}

fn sorted(mut traces: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    traces.sort();
    traces
}

#[test]
fn a_receiver_that_fails_and_comes_back_gets_every_trace_once_it_takes_them() {
    for trouble in [
        Does::Says("429 Too Many Requests"),
        Does::Says("502 Bad Gateway"),
        Does::Says("503 Service Unavailable"),
        Does::Says("504 Gateway Timeout"),
        Does::Closes,
        Does::BreaksOff,
        Does::Hangs,
    ] {
        let receiver = Receiver::start([trouble.clone()]);
        let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
        let offered = offer(&tracer, 3);
        assert_eq!(receiver.next().1, None, "{trouble:?}");
        let taken = receiver.next().1.unwrap_or_else(|| panic!("{trouble:?}: it takes the second try"));
        assert_eq!(sorted(taken), sorted(offered), "{trouble:?}");
        assert_eq!((tracer.stop(SOON).lost, tracer.exported(), tracer.dropped()), (0, 3, 0), "{trouble:?}");
    }
}

#[test]
fn a_receiver_that_is_restarted_gets_what_was_offered_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let tracer = Tracer::start(config(address)).expect("it need not be there yet");
    let mut offered = offer(&tracer, 2);
    // Time for a first try, at which nobody listens; without it the test is only an easier one.
    std::thread::sleep(Duration::from_millis(800));
    offered.extend(offer(&tracer, 2));
    let receiver = Receiver::on(TcpListener::bind(address).expect("the port is still free"), []);
    let mut taken = Vec::new();
    while taken.len() < 4 {
        taken.extend(receiver.next().1.expect("it takes everything"));
    }
    assert_eq!(sorted(taken), sorted(offered));
    assert_eq!((tracer.stop(SOON).lost, tracer.exported(), tracer.dropped()), (0, 4, 0));
}

#[test]
fn the_receiver_says_when_to_come_back() {
    let receiver = Receiver::start([Does::Says("503 Service Unavailable\r\nretry-after: 3")]);
    let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
    offer(&tracer, 1);
    let (first, second) = (receiver.next().0, receiver.next().0);
    assert!(second - first >= Duration::from_millis(2_900), "without it the pause is a second at most: {:?}", second - first);
    assert_eq!(tracer.stop(SOON).lost, 0);
}

#[test]
fn what_is_refused_for_good_is_not_sent_again_and_counted() {
    for refusal in [
        "400 Bad Request",
        "401 Unauthorized",
        "404 Not Found",
        "500 Internal Server Error",
        "308 Permanent Redirect\r\nlocation: /x",
    ] {
        let receiver = Receiver::start([Does::Says(refusal)]);
        let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
        offer(&tracer, 2);
        assert_eq!(receiver.next().1, None, "{refusal}");
        offer(&tracer, 1);
        assert_eq!(receiver.next().1.map(|traces| traces.len()), Some(1), "{refusal}: only what came later is sent");
        assert_eq!((tracer.stop(SOON).lost, tracer.exported(), tracer.dropped()), (0, 1, 2), "{refusal}");
    }
}

#[test]
fn spans_that_a_receiver_takes_only_in_part_are_counted_and_not_sent_again() {
    let receiver = Receiver::start([Does::Rejects(4, "too many attributes")]);
    let plan = plan();
    let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
    let telemetry = Telemetry::new(Metrics::new(&plan), None);
    let rejected = || {
        let metrics = telemetry.metrics().encode(Format::Prometheus);
        let count = metrics.lines().find_map(|line| line.strip_prefix("serinus_trace_spans_rejected_total "));
        count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
    };
    offer(&tracer, 2);
    assert_eq!(receiver.next().1.map(|traces| traces.len()), Some(2));
    assert_eq!((tracer.stop(SOON).lost, tracer.exported(), tracer.dropped()), (0, 2, 0));
    assert_eq!(rejected(), 4, "no other test has any rejected");
    assert!(receiver.requests.try_recv().is_err(), "the request was made once");
}

#[test]
fn what_does_not_fit_while_a_receiver_is_away_is_dropped_and_counted() {
    let receiver = Receiver::start([(); 3].map(|()| Does::Says("503 Service Unavailable")));
    let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
    offer(&tracer, 1);
    receiver.next();
    // One request waits to be made again; ten runs fit the queue behind it.
    let offered = offer(&tracer, 50);
    assert_eq!(tracer.dropped(), 40);
    receiver.next();
    receiver.next();
    let mut taken = receiver.next().1.expect("the fourth try");
    assert_eq!(taken.len(), 1);
    taken = receiver.next().1.expect("what waited");
    assert_eq!(sorted(taken), sorted(offered[..10].to_vec()));
    assert_eq!((tracer.stop(SOON).lost, tracer.exported(), tracer.dropped()), (0, 11, 40));
}

#[test]
fn at_the_end_of_the_process_nobody_waits_for_a_pause_to_be_over() {
    let receiver = Receiver::start([Does::Says("503 Service Unavailable\r\nretry-after: 250")]);
    let tracer = Tracer::start(config(receiver.address)).expect("the configuration is sound");
    offer(&tracer, 1);
    receiver.next();
    assert_eq!(tracer.stop(SOON), Flushed { exported: 1, lost: 0 }, "it is tried again at once");
    assert!(receiver.next().1.is_some());
}
