//! Values that are small to write and huge to spell out: lists that share their items.

use std::fmt::Write as _;

use serinus::outcome::{Reason, Verdict};

use super::ok;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

/// Variables of which each is a list of twice the one before.
fn vars(count: usize) -> String {
    let mut head = "[vars]\nv0 = \"{{ ['x', 'x'] }}\"\n".to_owned();
    for at in 1..count {
        writeln!(head, "v{at} = \"{{{{ [v{0}, v{0}] }}}}\"", at - 1).expect("a string takes everything");
    }
    head
}

/// Bytes of everything a report holds.
fn size(ran: &Ran) -> usize {
    format!("{:?}", ran.report.steps).len() + format!("{:?} {:?}", ran.report.vars, ran.report.cause).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_list_made_of_itself_twenty_five_times_is_refused_where_it_is_made() {
    let target = Target::start(ok("{}")).await;
    let read = ("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 500\"]").to_owned();
    let ran = Journey::new(&target).head(&vars(25)).run(&read).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(
        ran.cause().message.contains("var `v2") && ran.cause().message.contains("all levels together"),
        "{}",
        ran.cause().message
    );
    assert!(target.lines().is_empty());
    assert!(size(&ran) < 64 << 10, "{} bytes", size(&ran));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_place_that_shows_a_huge_value_shows_its_beginning() {
    let target = Target::start(ok("{}")).await;
    let read = (r#"
        [[step]]
        name = "read"
        http.get = "{{ api }}/x"
        capture = { again = "v19" }
        expect = ["v19 == v18", "v18 in v19 and status == 500", "(v19 | length) == 3"]
        "#)
    .to_owned();
    let ran = Journey::new(&target).head(&vars(20)).run(&read).await;
    assert_eq!(ran.report.verdict, Verdict::Failed);
    assert_eq!(ran.report.vars.len(), 20);
    assert!(ran.report.vars.iter().all(|(_, shown)| shown.chars().count() <= 513));
    assert!(ran.report.vars[19].1.starts_with("[[[[") && ran.report.vars[19].1.ends_with('…'));
    assert!(size(&ran) < 64 << 10, "{} bytes", size(&ran));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_is_written_up_to_its_bound_and_no_further() {
    let target = Target::start(|seen| Answer::json(200, if seen.body.len() > 4 << 20 { r#"{"all": true}"# } else { "{}" })).await;
    let send = |json: &str| {
        format!("[[step]]\nname = \"send\"\nhttp.post = \"{{{{ api }}}}/x\"\nhttp.json = {json}\nexpect = [\"json.all\"]")
    };
    let once = Journey::new(&target).head(&vars(20)).run(&send("{ a = \"{{ v19 }}\" }")).await;
    once.assert_passed();
    let thrice = Journey::new(&target).head(&vars(20)).run(&send("{ a = \"{{ v19 }}\", b = [\"{{ v19 }}\", 1] }")).await;
    assert_eq!(thrice.reason(), Reason::NotEvaluable);
    assert!(thrice.cause().message.contains("larger than 8388608 bytes"), "{}", thrice.cause().message);
    assert_eq!(target.lines().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_message_quotes_of_a_huge_text_is_cut() {
    let target = Target::start(ok("{}")).await;
    let read = ("[[step]]\nname = \"read\"\nhttp.get = \"{{ 'x' * 500000 }}\"\nexpect = [\"status == 200\"]").to_owned();
    let ran = Journey::new(&target).run(&read).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    let message = &ran.cause().message;
    assert!(message.contains("the URL `xxx") && message.len() < 5_000, "{} bytes", message.len());
}
