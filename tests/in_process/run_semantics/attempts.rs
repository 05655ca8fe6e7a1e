//! Each attempt of `eventually`, `consistently` and `retry` renders its request anew.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serinus::outcome::{LedgerEnd, Reason, Verdict};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

use super::ok;
use crate::book::Book;
use crate::dns_server::{DnsServer, Say};
use crate::http_server::raw;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn every_attempt_of_an_http_step_is_rendered_anew_with_its_number_and_fresh_random_values() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"n":{}}}"#, seen.nth + 1))).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [devices.phone]
            headers = { x-attempt = "{{ attempt }}" }
            [[step]]
            name = "read"
            device = "phone"
            http.post = "{{ api }}/x"
            http.query = { fresh = "{{ uuid() }}", attempt = "{{ attempt }}" }
            http.json = { attempt = "{{ attempt }}", drawn = "{{ random_hex(16) }}" }
            eventually = { within = "20s", poll = "20ms" }
            consistently = { for = "60ms", poll = "20ms" }
            expect = ["json.n == attempt", "attempt >= 3"]
            capture = { needed = "attempt" }
            [[step]]
            name = "later"
            device = "phone"
            http.get = "{{ api }}/y"
            http.query = { needed = "{{ needed }}" }
            expect = ["attempt == 1"]
            "#,
        )
        .await;
    ran.assert_passed();
    let seen = target.seen();
    let (polls, later) = seen.split_at(seen.len() - 1);
    assert!(polls.len() >= 4, "three until it held and one that it still did");
    let mut drawn = HashSet::new();
    for (number, poll) in (1..).zip(polls) {
        assert!(poll.query.ends_with(&format!("&attempt={number}")), "{}", poll.query);
        assert!(poll.body.starts_with(&format!(r#"{{"attempt":{number},"drawn":""#)), "{}", poll.body);
        assert_eq!(poll.header("x-attempt"), number.to_string());
        drawn.extend([poll.query.clone(), poll.body.clone()]);
    }
    assert_eq!(drawn.len(), polls.len() * 2);
    assert_eq!((later[0].query.as_str(), later[0].header("x-attempt")), (&*format!("needed={}", polls.len()), "1"));
}

#[tokio::test]
async fn a_retry_after_a_transport_error_is_rendered_anew_and_the_barrier_of_a_parallel_counts_the_first_attempt_only() {
    let target = raw(None, |mut visit| {
        Box::pin(async move {
            let mut line = String::new();
            visit.stream.read_line(&mut line).await.unwrap();
            let number = line.split("n=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
            // Whoever asks for the first or second time is hung up on.
            if number == "3" {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{number}", number.len());
                visit.stream.write_all(answer.as_bytes()).await.unwrap();
            }
        })
    })
    .await;
    let entry = |name: &str| {
        format!(
            "[[step.parallel]]\nname = \"{name}\"\nhttp.get = \"http://{{{{ api }}}}/?n={{{{ attempt }}}}\"\n\
             retry = {{ attempts = 3, backoff = \"1ms\" }}\nexpect = [\"body == '3'\", \"attempt == 3\"]\n"
        )
    };
    let steps = format!("[[step]]\nname = \"both\"\n{}{}", entry("left"), entry("right"));
    Journey::at(&target.address.to_string()).run(&steps).await.assert_passed();
}

#[tokio::test]
async fn every_attempt_of_a_question_of_an_exchange_and_of_a_program_is_rendered_anew() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = DnsServer::start(move |name, _| {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        assert_eq!(name, format!("h{number}.test"));
        Say::Addresses(if number < 3 { Vec::new() } else { vec!["127.0.0.1".parse().unwrap()] })
    })
    .await;
    let echo = raw(None, |mut visit| {
        Box::pin(async move {
            let mut line = String::new();
            while visit.stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                visit.stream.write_all(line.as_bytes()).await.unwrap();
                line.clear();
            }
        })
    })
    .await;
    let eventually = "eventually = { within = \"20s\", poll = \"10ms\" }";
    let steps = format!(
        r#"
        [[step]]
        name = "ask"
        dns.name = "h{{{{ attempt }}}}.test"
        dns.type = "A"
        dns.server = "127.0.0.1:{}"
        {eventually}
        expect = ["values == ['127.0.0.1']"]
        [[step]]
        name = "say"
        tcp.connect = "{{{{ api }}}}"
        tcp.send = "{{{{ attempt }}}}\n"
        tcp.read = {{ until = "\n" }}
        {eventually}
        expect = ["received | trim | int == 3", "attempt == 3"]
        [[step]]
        name = "run"
        exec.command = ["/bin/echo", "{{{{ attempt }}}}"]
        {eventually}
        expect = ["stdout | trim == '3'"]
        "#,
        server.names().port
    );
    let ran = Journey::at(&echo.address.to_string()).run(&steps).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps.iter().map(|step| step.attempts_made).collect::<Vec<_>>(), [3, 3, 3]);
}

#[tokio::test]
async fn an_attempt_that_cannot_be_rendered_has_failed_and_the_next_one_may_hold() {
    let target = Target::start(ok("{}")).await;
    let step = |expression: &str, keys: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/{{{{ {expression} }}}}\"\n\
             eventually = {{ within = \"1s\", poll = \"20ms\" }}\n{keys}\n"
        )
    };
    let second_is_none = "['a', none, 'c'][[attempt - 1, 2] | min]";
    let holds = step(second_is_none, "expect = [\"url | urlencode is endingwith 'c'\"]").replace("1s", "20s");
    let ran = Journey::new(&target).run(&holds).await;
    ran.assert_passed();
    assert_eq!(target.lines(), ["GET /a", "GET /c"]);
    let [_, refused, _] = &ran.report.steps[0].attempts[..] else { panic!("{:#?}", ran.report.steps) };
    let (reason, message) = refused.failure.as_ref().unwrap();
    assert_eq!((*reason, refused.detail.is_none()), (Reason::NotEvaluable, true));
    assert!(message.starts_with("the request could not be evaluated: "), "{message}");

    // What cannot be rendered at all was never an attempt, and one that cannot be to the end says so.
    let ran = Journey::new(&target).run(&step("[1][attempt]", "expect = [\"status == 200\"]")).await;
    assert_eq!((ran.reason(), ran.report.steps[0].attempts_made), (Reason::NotEvaluable, 0));
    let ran = Journey::new(&target).run(&step("['a'][attempt - 1]", "expect = [\"status == 201\"]")).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable));
    assert!(ran.cause().message.contains("it did not hold within 1s; at last: the request"), "{}", ran.cause().message);
}

#[tokio::test]
async fn an_attempt_that_was_never_sent_created_nothing() {
    let target = Target::start(|_| Answer::json(422, "{}")).await;
    let book = Arc::new(Book::default());
    let ran = Journey::new(&target)
        .ledger(&book)
        .run(
            "[[step]]\nname = \"create\"\nhttp.put = \"{{ api }}/x/a\"\nhttp.headers = { x-n = \"{{ ['a'][attempt - 1] }}\" }\n\
             eventually = { within = \"100ms\", poll = \"20ms\" }\nexpect = [\"status == 201\"]\n\
             [step.cleanup]\nhttp.delete = \"{{ api }}/x/a\"\nexpect = [\"status == 200\"]\n",
        )
        .await;
    assert!(ran.cleanup.is_none(), "the only one that was sent was refused");
    assert_eq!((target.lines().len(), book.ends()), (1, vec![LedgerEnd::Gone]));
}

#[tokio::test]
async fn a_retry_that_cannot_be_rendered_does_not_hide_why_one_was_needed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let step = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/{{ ['a'][attempt - 1] }}\"\n\
                retry = { attempts = 3, backoff = \"1ms\" }\nexpect = [\"status == 200\"]\n";
    let ran = Journey::at(&api).run(step).await;
    let cause = ran.cause();
    assert_eq!((cause.reason, cause.attempts), (Reason::Connect, 2), "{}", cause.message);
    assert!(cause.message.contains("; attempt 2 could not be sent: the request could not be evaluated"), "{}", cause.message);
    assert_eq!(ran.report.steps[0].attempts[1].failure.as_ref().unwrap().0, Reason::NotEvaluable);
}
