//! Is it me? Real endpoints on loopback: there, closed, or swallowing what they are sent.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serinus::outcome::{Reason, Verdict};

use super::ok;
use crate::journey::Journey;
use crate::self_check::{closed, network_down, self_check};
use crate::target::{Answer, Target};

/// A listener that takes connections and says nothing.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, format!("http://{address}/"))
}

/// A step that asks a port on which nothing listens.
fn unreachable() -> String {
    format!("[[step]]\nname = \"read\"\nhttp.get = \"http://{}/\"\nexpect = [\"status == 200\"]\n", closed())
}

const READ: &str = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\ntimeout = \"200ms\"\nexpect = [\"status == 200\"]\n";

#[tokio::test]
async fn a_run_without_an_answer_is_the_probers_fault_while_its_own_network_is_down() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let check = network_down();
    for step in [unreachable().as_str(), READ] {
        let ran = Journey::new(&target).self_check(&check).run(step).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::SelfCheck));
        assert!(ran.cause().message.contains("own network"), "{}", ran.cause().message);
    }
    let cut = READ.replace("timeout = \"200ms\"\n", "");
    let ran = Journey::new(&target).self_check(&check).deadline("300ms").run(&cut).await;
    assert_eq!(ran.reason(), Reason::SelfCheck, "the deadline cut an attempt that had no byte");
    check.stop();
}

#[tokio::test]
async fn a_run_without_an_answer_failed_while_the_network_is_up() {
    let target = Target::start(ok("{}")).await;
    let check = self_check(&[target.url(), target.url().replace("http", "tcp")]);
    let ran = Journey::new(&target).self_check(&check).run(&unreachable()).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Connect));
    assert!(!check.is_down());
    check.stop();
}

#[tokio::test]
async fn one_endpoint_of_two_that_is_away_is_its_own_affair() {
    let target = Target::start(ok("{}")).await;
    let check = self_check(&[target.url(), format!("tcp://{}", closed())]);
    let ran = Journey::new(&target).self_check(&check).run(&unreachable()).await;
    assert_eq!(ran.reason(), Reason::Connect);
    check.stop();
}

#[tokio::test]
async fn endpoints_that_are_away_excuse_no_answer() {
    let check = network_down();
    let wrong = Target::start(|_| Answer::json(500, "{}")).await;
    let ran = Journey::new(&wrong).self_check(&check).run(READ).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Expectation));
    // The deadline of a poll that got answers until just before.
    let poll = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\neventually = { within = \"10s\", poll = \"10ms\" }\nexpect = [\"status == 200\"]\n";
    let ran = Journey::new(&wrong).self_check(&check).deadline("300ms").run(poll).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    // One of two that are made together was answered.
    let together = format!(
        "[[step]]\nname = \"both\"\n{}{}",
        unreachable().replace("[[step]]", "[[step.parallel]]"),
        READ.replace("[[step]]", "[[step.parallel]]").replace("\"read\"", "\"other\"")
    );
    let ran = Journey::new(&wrong).self_check(&check).run(&together).await;
    assert_eq!(ran.reason(), Reason::Connect);
    check.stop();
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_an_answer() {
    let check = network_down();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            open.push(stream);
        }
    });
    let target = Target::start(ok("{}")).await;
    let timeout = READ.replace("{{ api }}", &url);
    let ran = Journey::new(&target).self_check(&check).run(&timeout).await;
    assert_eq!(ran.reason(), Reason::Timeout);
    let ran = Journey::new(&target).self_check(&check).deadline("300ms").run(&timeout.replace("timeout = \"200ms\"\n", "")).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    serving.abort();
    check.stop();
}

#[tokio::test]
async fn subjects_that_all_got_no_answer_are_excused_together() {
    let target = Target::start(ok("{}")).await;
    let check = network_down();
    let url = format!("http://{}/", closed());
    let step = format!(
        "[[step]]\nname = \"each\"\nfor_each = \"it in ['a', 'b']\"\nsubject = \"{{{{ it }}}}\"\nhttp.get = \"{url}\"\nexpect = [\"status == 200\"]\n"
    );
    let ran = Journey::new(&target).self_check(&check).run(&step).await;
    assert_eq!(ran.reason(), Reason::SelfCheck);
    check.stop();
}

#[tokio::test]
async fn many_who_ask_at_once_share_the_rounds_and_a_cut_network_is_known_before_they_are_told() {
    let (_first, first) = silent();
    let (_second, second) = silent();
    let check = self_check(&[first, second]);
    let asked = Instant::now();
    let answers = futures::future::join_all((0..1_000).map(|_| check.excuses(asked, asked))).await;
    assert!(answers.into_iter().all(|excused| excused));
    assert!(check.is_down());
    check.stop();
}

#[tokio::test]
async fn a_network_that_is_back_excuses_what_was_tried_before_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let check = self_check(&[format!("tcp://{address}"), format!("tcp://{}", closed()), format!("tcp://{address}")]);
    let before = Instant::now();
    assert!(check.excuses(before, Instant::now()).await);
    let _back = TcpListener::bind(address).unwrap();
    assert!(check.excuses(before, Instant::now()).await, "what was tried while it was down failed by that");
    let now = Instant::now();
    assert!(!check.excuses(now, now).await);
    assert!(!check.is_down());
    check.stop();
}

#[tokio::test]
async fn a_check_that_was_stopped_excuses_nothing() {
    let check = network_down();
    check.stop();
    assert!(!check.excuses(Instant::now(), Instant::now() + Duration::from_mins(1)).await);
}
