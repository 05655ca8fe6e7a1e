//! What large bodies cost: each is held once, whatever is shown of it. Measured as the process's peak of resident memory, so it is
//! measured in a process of its own.

use bytes::Bytes;
use serinus::outcome::Redactor;
use serinus::plan::{Body, DeviceSettings, HttpAction, Part, PartContent};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::again;
use crate::http_client::{action, device, rendered, send};
use crate::http_server::{Target, Visit, answer, raw};

const MIB: usize = 1 << 20;

/// Buffers of the kernel's doing, of hyper and of the allocator.
const SLACK: usize = 6 * MIB;

/// Resident memory now and at its peak, in bytes.
fn resident() -> (usize, usize) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// By how much the peak of `work` is above what was resident before.
async fn peak<T>(work: impl Future<Output = T>) -> (T, usize) {
    // Forgets the peak so far (proc_pid_clear_refs(5)).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, _) = resident();
    let result = work.await;
    (result, resident().1.saturating_sub(before))
}

/// A target that answers with `MIB * size` bytes, announced or in chunks, written in small pieces.
async fn sending(size: usize, announced: bool) -> Target {
    raw(None, move |mut visit: Visit| {
        Box::pin(async move {
            crate::http_server::read_request(&mut visit.stream).await;
            let framing = if announced { format!("content-length: {}", size * MIB) } else { "connection: close".to_owned() };
            let _ = visit.stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes()).await;
            for _ in 0..size * 16 {
                if visit.stream.write_all(&vec![b'x'; MIB / 16]).await.is_err() {
                    return;
                }
            }
            let _ = visit.stream.shutdown().await;
        })
    })
    .await
}

/// A target that reads a whole upload and keeps nothing of it.
async fn receiving() -> Target {
    raw(None, |mut visit: Visit| {
        Box::pin(async move {
            let mut line = String::new();
            let mut length = 0_u64;
            while visit.stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                let lower = line.to_ascii_lowercase();
                length = lower.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
                line.clear();
            }
            tokio::io::copy(&mut (&mut visit.stream).take(length), &mut tokio::io::sink()).await.unwrap();
            let _ = visit.stream.write_all(&answer(200, &[], length.to_string())).await;
        })
    })
    .await
}

#[test]
fn a_large_body_is_held_once_whichever_way_it_travels() {
    let output = again::command(&[], module_path!(), "child_measures_large_bodies").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "run by another test, in a process of its own"]
async fn child_measures_large_bodies() {
    let device = device(DeviceSettings::default());
    let redactor = Redactor::new([&serinus::outcome::Secret::new("not in there")]);
    // The program's own code is resident once it has run, and is no cost of a body.
    let small = sending(1, true).await;
    let request = rendered(&action("GET", &small.url("/")));
    assert!(send(&device, &request).await.exchange(&request, &redactor).truncated);
    for announced in [true, false] {
        let target = sending(10, announced).await;
        let request = rendered(&HttpAction { response_bytes: Some(12 * MIB), ..action("GET", &target.url("/")) });
        let (attempt, cost) = peak(async {
            let attempt = send(&device, &request).await;
            assert!(attempt.exchange(&request, &redactor).truncated);
            attempt
        })
        .await;
        assert_eq!(attempt.result.unwrap().body.len(), 10 * MIB);
        eprintln!("answer announced={announced}: {} KiB", cost >> 10);
        assert!(cost < 10 * MIB + SLACK, "an answer of 10 MiB, announced: {announced}, cost {} KiB", cost >> 10);
    }
    let file = Bytes::from(vec![b'x'; 50 * MIB]);
    let part = |content| Part { name: "f".to_owned(), content: PartContent::File(content), filename: None, content_type: None };
    let bodies = [
        ("a file", Body::File { name: "f".to_owned(), content: file.clone() }),
        ("a part", Body::Multipart(vec![part(file.clone())])),
    ];
    for (name, body) in bodies {
        let target = receiving().await;
        let action = HttpAction { body, ..action("POST", &target.url("/")) };
        let (taken, cost) = peak(Box::pin(async {
            let request = rendered(&action);
            let attempt = send(&device, &request).await;
            assert!(attempt.exchange(&request, &redactor).truncated);
            attempt.result.unwrap().text()
        }))
        .await;
        assert!(taken.parse::<usize>().unwrap() >= 50 * MIB);
        eprintln!("upload of {name}: {} KiB", cost >> 10);
        assert!(cost < SLACK, "an upload of 50 MiB as {name}, which is held by the plan, cost {} KiB", cost >> 10);
    }
}
