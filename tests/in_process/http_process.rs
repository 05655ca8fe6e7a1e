//! Proxies, and the process that requests are sent from: its environment and its limits.

use std::sync::Arc;

use serinus::outcome::Reason;
use serinus::plan::{DeviceSettings, Resolve};
use serinus::run::step::http::{HttpDevice, HttpRequest, HttpResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::again;
use crate::http_client::{SOON, device, get, post, send};
use crate::http_server::{Target, Visit, answer, answering, raw};

async fn fine() -> Target {
    answering(None, |_| answer(200, &[], "ok")).await
}

async fn ok(device: &HttpDevice, request: &HttpRequest) -> Arc<HttpResponse> {
    send(device, request).await.result.expect("the target answers")
}

#[tokio::test]
async fn a_plain_proxy_is_asked_with_the_whole_url_and_the_environment_s_is_not() {
    let target = fine().await;
    let proxy = answering(None, |_| answer(200, &[], "from the proxy")).await;
    let settings = DeviceSettings { proxy: Some(proxy.url("/").parse().unwrap()), ..DeviceSettings::default() };
    let response = ok(&device(settings), &get(&target.url("/x"))).await;
    assert_eq!(response.text(), "from the proxy");
    assert_eq!(proxy.seen()[0].path(), target.url("/x"));
    assert!(target.seen().is_empty());
    // The environment of a process can only be set for a child: this test runs itself once more.
    let mut child = again::command(&[], module_path!(), "child_ignores_the_environment");
    child.env("TARGET", target.url("/"));
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, proxy.url("/"));
    }
    let waiting = tokio::task::spawn_blocking(move || child.output());
    let output = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((target.seen().len(), proxy.seen().len()), (1, 1));
}

#[tokio::test]
#[ignore = "run by another test, in a process with proxy variables"]
async fn child_ignores_the_environment() {
    ok(&device(DeviceSettings::default()), &get(&std::env::var("TARGET").unwrap())).await;
}

#[tokio::test]
async fn a_process_out_of_files_says_so() {
    let target = fine().await;
    // Enough to start a runtime; the child takes the rest away itself.
    let few_files = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"];
    let mut child = again::command(&few_files, module_path!(), "child_runs_out_of_files");
    child.env("TARGET", target.url("/"));
    let waiting = tokio::task::spawn_blocking(move || child.output());
    let output = tokio::time::timeout(SOON, waiting).await.unwrap().unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
#[ignore = "run by another test, in a process that may open few files"]
async fn child_runs_out_of_files() {
    let device = device(DeviceSettings::default());
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
        assert!(held.len() < 1_000, "the limit on files does not hold");
    }
    for url in [std::env::var("TARGET").unwrap(), "http://localhost:1/".to_owned()] {
        let failure = send(&device, &post(&url)).await.result.unwrap_err();
        assert_eq!(failure.reason, Reason::Resources, "{failure:?}");
        assert!(!failure.sent);
    }
}

#[tokio::test]
async fn socks_5_is_spoken_and_names_are_resolved_here() {
    let target = fine().await;
    let there = target.address;
    let proxy = raw(None, move |mut visit: Visit| {
        Box::pin(async move {
            let mut greeting = [0; 3];
            visit.stream.read_exact(&mut greeting).await.unwrap();
            visit.stream.write_all(&[5, 0]).await.unwrap();
            let mut connect = [0; 10];
            visit.stream.read_exact(&mut connect).await.unwrap();
            assert_eq!(connect[..8], [5, 1, 0, 1, 127, 0, 0, 1], "an IPv4 address");
            visit.stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let mut onward = tokio::net::TcpStream::connect(there).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut visit.stream, &mut onward).await;
        })
    })
    .await;
    let settings = DeviceSettings {
        proxy: Some(format!("socks5://{}", proxy.address).parse().unwrap()),
        resolve: vec![Resolve { host: "api.test".to_owned(), address: there }],
        ..DeviceSettings::default()
    };
    let device = device(settings);
    for url in [target.url("/"), "http://api.test/".to_owned()] {
        assert_eq!(ok(&device, &get(&url)).await.text(), "ok");
    }
    assert_eq!((proxy.connections(), target.connections()), (2, 2));
}
