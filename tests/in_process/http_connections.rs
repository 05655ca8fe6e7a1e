//! What a connection left open may do to the next request: nothing a target left on it becomes an answer, and its closing is no
//! failure of the target.

use std::time::Duration;

use serinus::outcome::Reason;
use serinus::plan::{Connections, DeviceSettings, HttpVersion, TlsSettings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::http_client::{SHORT, device, get, post, send, send_within};
use crate::http_frames::{Act, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, fine, goaway, h2_target, reset};
use crate::http_pki::{Authority, server};
use crate::http_server::{Target, Visit, answer, raw, read_request};

/// How often each of the four cases of surplus is tried; `SERINUS_SURPLUS_RUNS=2500` makes it 10,000 runs in all.
fn runs(usually: usize) -> usize {
    std::env::var("SERINUS_SURPLUS_RUNS").map_or(usually, |runs| runs.parse().expect("SERINUS_SURPLUS_RUNS is a number"))
}

/// When an answer nobody asked for is written.
#[derive(Debug, Clone, Copy)]
enum Surplus {
    WithTheAnswer,
    SoonAfter,
    Later,
    /// When the next request has begun to arrive.
    UnderTheNextRequest,
}

const ALL: [Surplus; 4] = [Surplus::WithTheAnswer, Surplus::SoonAfter, Surplus::Later, Surplus::UnderTheNextRequest];

/// A target that answers `/good` well and adds an answer nobody asked for, and all else with a failure.
async fn babbling(tls: Option<TlsAcceptor>, surplus: Surplus) -> Target {
    raw(tls, move |visit| Box::pin(babble(visit, surplus))).await
}

async fn babble(mut visit: Visit, surplus: Surplus) {
    let (good, bad) = (answer(200, &[], "fine"), answer(500, &[], "broken"));
    while let Some(request) = read_request(&mut visit.stream).await {
        let whole = match (request.path(), surplus) {
            ("/good", Surplus::WithTheAnswer) => [&*good, &*good].concat(),
            ("/good", _) => good.clone(),
            _ => bad.clone(),
        };
        if visit.stream.write_all(&whole).await.is_err() {
            return;
        }
        if request.path() != "/good" {
            continue;
        }
        let surplus = match surplus {
            Surplus::WithTheAnswer => continue,
            Surplus::SoonAfter => &good,
            Surplus::Later => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                &good
            }
            Surplus::UnderTheNextRequest => {
                if visit.stream.read(&mut [0]).await.is_ok_and(|read| read == 0) {
                    return;
                }
                &good
            }
        };
        if visit.stream.write_all(surplus).await.is_err() {
            return;
        }
    }
}

/// How many of `runs` runs, of a good step and a bad one each, got a good answer to the bad one.
async fn false_passes(target: &Target, settings: &DeviceSettings, scheme: &str, runs: usize) -> usize {
    let url = |path: &str| format!("{scheme}://localhost:{}{path}", target.address.port());
    let (good, bad) = (get(&url("/good")), get(&url("/bad")));
    let clients = serinus::run::step::http::HttpClients::new(&serinus::plan::Limits::default()).unwrap();
    let settings = std::sync::Arc::new(settings.clone());
    let mut passes = 0;
    for _ in 0..runs {
        let device = clients.device(&settings);
        assert_eq!(send(&device, &good).await.result.expect("the good one is answered").status, 200);
        passes += usize::from(send(&device, &bad).await.result.is_ok_and(|response| response.status == 200));
    }
    passes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_nobody_asked_for_never_becomes_that_of_the_next_request() {
    for surplus in ALL {
        let target = babbling(None, surplus).await;
        let runs = runs(200);
        let passes = false_passes(&target, &DeviceSettings::default(), "http", runs).await;
        assert_eq!(passes, 0, "{surplus:?}: of {runs} runs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_nobody_asked_for_never_becomes_that_of_the_next_request_under_tls() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let tls = TlsSettings { ca: Some(authority.pem()), ..TlsSettings::default() };
    let settings = DeviceSettings { tls, ..DeviceSettings::default() };
    for surplus in ALL {
        // Handshakes take their time where nothing is optimised.
        let runs = runs(20);
        let target = babbling(Some(server(&leaf)), surplus).await;
        let passes = false_passes(&target, &settings, "https", runs).await;
        assert_eq!(passes, 0, "{surplus:?}: of {runs} runs");
    }
}

fn http2(connections: Connections) -> DeviceSettings {
    DeviceSettings { version: HttpVersion::Http2, connections, ..DeviceSettings::default() }
}

#[tokio::test]
async fn a_connection_of_http_2_serves_the_run_unless_fresh_ones_are_asked_for() {
    for (connections, made) in [(Connections::Reuse, 1), (Connections::Fresh, 3)] {
        let target = h2_target(|_, stream| Act::Say(fine(stream))).await;
        let device = device(http2(connections));
        for round in 1..=3 {
            let phases = send(&device, &post(&target.url("/"))).await.result.unwrap().phases;
            assert_eq!(phases.reused, made == 1 && round > 1);
            assert_eq!(phases.connect.is_none(), phases.reused);
        }
        assert_eq!(target.connections(), made);
    }
}

/// A target whose first connection answers one request and does `second` at the next; all others answer.
async fn once_kept(second: fn(u32) -> Act) -> Target {
    h2_target(move |connection, stream| if connection == 1 && stream > 1 { second(stream) } else { Act::Say(fine(stream)) }).await
}

#[tokio::test]
async fn a_request_that_may_be_sent_twice_is_made_anew_when_a_kept_connection_is_closed_under_it() {
    let target = once_kept(|_| Act::Close(Vec::new())).await;
    let device = device(http2(Connections::Reuse));
    assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
    let response = send(&device, &get(&target.url("/"))).await.result.expect("it is made anew");
    assert!(!response.phases.reused && response.phases.connect.is_some());
    assert!(response.phases.each().map(|(_, took)| took).sum::<Duration>() <= response.latency);
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn a_post_whose_kept_connection_is_closed_under_it_is_not_sent_twice() {
    let target = once_kept(|_| Act::Close(Vec::new())).await;
    let device = device(http2(Connections::Reuse));
    assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
    let failure = send(&device, &post(&target.url("/"))).await.result.unwrap_err();
    assert_eq!(failure.reason, Reason::Protocol);
    assert!(failure.sent && !failure.got_byte, "{failure:?}");
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_request_that_a_closing_target_did_not_act_on_is_made_anew_whatever_its_method() {
    for refusal in [|_| Act::Close(goaway(1, NO_ERROR)), |stream| Act::Say(reset(stream, REFUSED_STREAM))] {
        let target = once_kept(refusal).await;
        let device = device(http2(Connections::Reuse));
        assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
        let response = send(&device, &post(&target.url("/"))).await.result.expect("it is made anew");
        assert!(!response.phases.reused);
        assert_eq!(target.connections(), 2);
    }
}

#[tokio::test]
async fn a_kept_connection_that_was_closed_meanwhile_is_replaced() {
    let target = h2_target(|_, stream| Act::Close(fine(stream))).await;
    let device = device(http2(Connections::Reuse));
    for made in 1..=3 {
        assert!(!send(&device, &get(&target.url("/"))).await.result.expect("it is answered").phases.reused);
        assert_eq!(target.connections(), made);
    }
}

#[tokio::test]
async fn what_a_target_says_of_the_request_itself_is_its_failure_also_over_a_kept_connection() {
    let target = once_kept(|stream| Act::Say(reset(stream, INTERNAL_ERROR))).await;
    let device = device(http2(Connections::Reuse));
    assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
    assert_eq!(send(&device, &get(&target.url("/"))).await.result.unwrap_err().reason, Reason::Protocol);
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_under_its_first_request_is_the_target_s_failure() {
    let target = h2_target(|_, _| Act::Close(Vec::new())).await;
    let failure = send(&device(http2(Connections::Reuse)), &get(&target.url("/"))).await.result.unwrap_err();
    assert_eq!(failure.reason, Reason::Protocol);
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_post_does_not_trust_a_connection_that_was_idle_for_over_two_seconds() {
    let target = h2_target(|_, stream| Act::Say(fine(stream))).await;
    let device = device(http2(Connections::Reuse));
    assert!(send(&device, &post(&target.url("/"))).await.result.is_ok());
    // No race is hidden here: being idle is what is tested.
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    assert!(send(&device, &get(&target.url("/"))).await.result.unwrap().phases.reused);
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    assert!(!send(&device, &post(&target.url("/"))).await.result.unwrap().phases.reused);
    assert_eq!(target.connections(), 2);
}

#[tokio::test]
async fn after_a_time_out_over_a_kept_connection_the_next_attempt_makes_its_own() {
    let target = once_kept(|_| Act::Say(Vec::new())).await;
    let device = device(http2(Connections::Reuse));
    assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
    assert_eq!(send_within(&device, &get(&target.url("/")), SHORT).await.result.unwrap_err().reason, Reason::Timeout);
    assert!(send(&device, &get(&target.url("/"))).await.result.is_ok());
    assert_eq!(target.connections(), 2);
}
