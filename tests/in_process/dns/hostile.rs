//! Name servers that are silent, slow, broken or lying. Each ends in a reason, in time, and says what was tried.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{RData, Record};
use serinus::outcome::{Reason, Transcripts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::{ASK, at, run};
use crate::dns_server::{DnsServer, Say};
use crate::journey::Ran;

/// The longest that any of these may take, far above the bounds that are set.
const IN_TIME: Duration = Duration::from_secs(10);

/// Ends a server with its test.
struct Serving(SocketAddr, JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.1.abort();
    }
}

/// Answers each question over UDP with these datagrams.
async fn over_udp(answer: impl Fn(Message) -> Vec<Vec<u8>> + Send + 'static) -> Serving {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            for datagram in answer(Message::from_vec(&bytes[..length]).unwrap()) {
                let _ = socket.send_to(&datagram, from).await;
            }
        }
    });
    Serving(address, serving)
}

/// Does this with each connection, once its question was read.
async fn over_tcp<F>(serve: impl Fn(TcpStream, Message) -> F + Send + 'static) -> Serving
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut bytes).await.unwrap();
            tokio::spawn(serve(stream, Message::from_vec(&bytes).unwrap()));
        }
    });
    Serving(address, serving)
}

/// A whole message over TCP.
fn framed(message: &Message) -> Vec<u8> {
    let bytes = message.to_vec().unwrap();
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes.as_slice()].concat()
}

fn answered(question: Message) -> Message {
    let mut answer = question.into_response();
    let name = answer.queries[0].name().clone();
    answer.add_answer(Record::from_rdata(name, 60, RData::A("192.0.2.7".parse().unwrap())));
    answer
}

/// Asks what listens there, over `transport` and within a second.
async fn ask(address: SocketAddr, transport: &str) -> Ran {
    let keys = format!("dns.server = \"{{{{ ns }}}}\"\ndns.transport = \"{transport}\"\ntimeout = \"1s\"\n");
    let journey = at(address).await;
    let began = Instant::now();
    let ran = journey.run(&format!("{ASK}{keys}expect = [\"values == ['192.0.2.7']\"]\n")).await;
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    ran
}

/// Its reason, and whether a byte came; its message has these words.
fn failed(ran: &Ran, words: &str) -> (Reason, bool) {
    assert!(ran.cause().message.contains(words), "{}", ran.cause().message);
    (ran.reason(), ran.report.steps[0].attempts[0].detail.as_ref().unwrap().is_answered())
}

#[tokio::test]
async fn one_that_never_answers_times_out() {
    let udp = over_udp(|_| Vec::new()).await;
    let ran = ask(udp.0, "udp").await;
    let told = format!("A host.test. at {} over udp: no answer within 1s: waiting for the answer", udp.0);
    assert_eq!(failed(&ran, &told), (Reason::Timeout, false));
    let tcp = over_tcp(|stream, _| async move {
        tokio::time::sleep(IN_TIME).await;
        drop(stream);
    })
    .await;
    let ran = ask(tcp.0, "tcp").await;
    assert_eq!(failed(&ran, "over tcp: no answer within 1s: waiting for the answer"), (Reason::Timeout, false));
}

#[tokio::test]
async fn the_machines_own_patience_ends_before_a_longer_bound() {
    let server = DnsServer::start(|_, _| Say::Nothing).await;
    server.write_resolv_conf("nameserver 127.0.0.1\nnameserver 127.0.0.53\noptions timeout:1 attempts:1\n");
    let ran = run(&server, &format!("{ASK}timeout = \"15s\"\nexpect = [\"rcode == 'NOERROR'\"]\n")).await;
    let port = server.names().port;
    let told = format!("127.0.0.1:{port}: no answer: it was waited for 1s; 127.0.0.53:{port}: it cannot be asked: ");
    assert_eq!(failed(&ran, &told), (Reason::Connect, false));
    server.write_resolv_conf("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n");
    let ran = run(&server, &format!("{ASK}timeout = \"15s\"\nexpect = [\"rcode == 'NOERROR'\"]\n")).await;
    assert_eq!(failed(&ran, "over udp: no answer: it was waited for 1s, 2 times"), (Reason::Timeout, false));
}

#[tokio::test]
async fn a_port_on_which_nobody_listens_is_told_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for transport in ["udp", "tcp"] {
        let ran = ask(closed, transport).await;
        assert_eq!(failed(&ran, "it cannot be asked: Connection refused"), (Reason::Connect, false));
    }
}

#[tokio::test]
async fn what_answers_something_else_is_waited_on_until_the_answer_comes() {
    let server = DnsServer::start(|_, _| Say::AfterNonsense(vec!["192.0.2.7".parse().unwrap()])).await;
    let address = super::address(&server);
    for transport in ["udp", "tcp"] {
        let ran = ask(address, transport).await;
        if transport == "udp" {
            ran.assert_passed();
        } else {
            // Nobody can slip garbage into a connection.
            assert_eq!(failed(&ran, "what came is no answer"), (Reason::Protocol, true));
        }
    }
    let late = over_tcp(|mut stream, question| async move {
        let mut other = answered(question.clone());
        other.metadata.id = other.metadata.id.wrapping_add(1);
        stream.write_all(&[framed(&other), framed(&answered(question))].concat()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(IN_TIME).await;
    })
    .await;
    ask(late.0, "tcp").await.assert_passed();
}

#[tokio::test]
async fn a_flood_of_answers_to_others_is_no_answer() {
    let udp = over_udp(|question| {
        let flood = |number: u16| {
            let mut lie = answered(question.clone());
            lie.metadata.id = lie.metadata.id.wrapping_add(number);
            lie.to_vec().unwrap()
        };
        (1..=2000).map(flood).collect()
    })
    .await;
    let ran = ask(udp.0, "udp").await;
    assert_eq!(failed(&ran, "no answer within 1s"), (Reason::Timeout, false));
    let tcp = over_tcp(|mut stream, question| async move {
        let mut lie = answered(question);
        lie.metadata.id = lie.metadata.id.wrapping_add(1);
        while stream.write_all(&framed(&lie)).await.is_ok() {}
    })
    .await;
    let ran = ask(tcp.0, "tcp").await;
    assert_eq!(failed(&ran, "it answered 16 other questions"), (Reason::Protocol, true));
}

#[tokio::test]
async fn a_message_with_the_right_id_that_cannot_be_read_is_broken() {
    // Cut in the middle of its record, a name that leads to itself, and a record that is longer than the message.
    let breaks: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        |bytes| bytes[..bytes.len() - 2].to_vec(),
        |mut bytes| {
            let at = bytes.len() - 16;
            let pointer = u16::try_from(0xc000 | at).unwrap();
            bytes[at..at + 2].copy_from_slice(&pointer.to_be_bytes());
            bytes
        },
        |mut bytes| {
            let at = bytes.len() - 6;
            bytes[at..at + 2].copy_from_slice(&[0xff, 0xff]);
            bytes
        },
    ];
    for broken in breaks {
        let udp = over_udp(move |question| vec![broken(answered(question).to_vec().unwrap())]).await;
        let ran = ask(udp.0, "udp").await;
        assert_eq!(failed(&ran, "over udp: what came is no answer: "), (Reason::Protocol, true));
        let tcp = over_tcp(move |mut stream, question| async move {
            let bytes = broken(answered(question).to_vec().unwrap());
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            stream.write_all(&[&length, bytes.as_slice()].concat()).await.unwrap();
        })
        .await;
        let ran = ask(tcp.0, "tcp").await;
        assert_eq!(failed(&ran, "over tcp: what came is no answer: "), (Reason::Protocol, true));
    }
}

#[tokio::test]
async fn an_answer_a_byte_at_a_time_is_an_answer_and_one_that_stops_is_none() {
    let slow = over_tcp(|mut stream, question| async move {
        for byte in framed(&answered(question)) {
            stream.write_all(&[byte]).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(IN_TIME).await;
    })
    .await;
    ask(slow.0, "tcp").await.assert_passed();
    let stops = over_tcp(|mut stream, question| async move {
        let bytes = framed(&answered(question));
        stream.write_all(&bytes[..bytes.len() / 2]).await.unwrap();
        tokio::time::sleep(IN_TIME).await;
    })
    .await;
    let ran = ask(stops.0, "tcp").await;
    assert_eq!(failed(&ran, "waiting for the answer's end"), (Reason::Timeout, true));
    // The run's own deadline tells the same of what it cuts.
    let keys = "dns.server = \"{{ ns }}\"\ndns.transport = \"tcp\"\nexpect = [\"rcode == 'NOERROR'\"]\n";
    let ran = at(stops.0).await.deadline("500ms").run(&format!("{ASK}{keys}")).await;
    let told = format!("during attempt 1, A host.test. at {} over tcp, which was waiting for the answer's end", stops.0);
    assert_eq!(failed(&ran, &told), (Reason::Deadline, true));
}

#[tokio::test]
async fn a_connection_that_is_closed_or_reset_in_the_middle_breaks_the_protocol() {
    for at_byte in [0, 1, 2, 9] {
        for resets in [false, true] {
            let cut = over_tcp(move |mut stream, question| async move {
                stream.write_all(&framed(&answered(question))[..at_byte]).await.unwrap();
                if resets {
                    stream.set_zero_linger().unwrap();
                }
            })
            .await;
            let ran = ask(cut.0, "tcp").await;
            let (reason, _) = failed(&ran, "over tcp: ");
            assert_eq!(reason, Reason::Protocol, "{}", ran.cause().message);
            if !resets {
                assert_eq!(failed(&ran, "the connection was closed before the answer's end"), (Reason::Protocol, at_byte > 0));
            }
        }
    }
}

#[tokio::test]
async fn the_largest_answer_is_read_and_little_of_it_is_kept() {
    let large = over_tcp(|mut stream, question| async move {
        let mut answer = answered(question);
        let name = answer.queries[0].name().clone();
        while answer.to_vec().is_ok_and(|bytes| bytes.len() < 64_000) {
            for _ in 0..10 {
                let text = "\u{1b}]0;owned\u{7}".repeat(15);
                answer.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(vec![text]))));
            }
        }
        stream.write_all(&framed(&answer)).await.unwrap();
    })
    .await;
    let keys = "dns.server = \"{{ ns }}\"\ndns.transport = \"tcp\"\nexpect = [\"values == ['192.0.2.7']\", \"answers | length < 300\"]\n";
    let ran = at(large.0).await.run(&format!("{ASK}{keys}")).await;
    assert_eq!(ran.reason(), Reason::Expectation, "{}", ran.cause().message);
    let told = ran.report.steps[0].attempts[0].to_json(Transcripts::Whole);
    let transcript = &told["observed"]["transcript"];
    assert!(transcript["received"].as_str().unwrap().len() <= 4096 && transcript["truncated"] == true, "{transcript}");
    assert!(!told.to_string().contains("\\u001b"), "nothing steers a terminal");
}
