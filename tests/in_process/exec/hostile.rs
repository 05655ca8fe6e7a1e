//! Programs that write without end, a byte at a time, garbage or nothing, and read what they like.

use std::time::{Duration, Instant};

use serinus::outcome::{Reason, Verdict};

use super::{all_gone, expecting, journey, observed, pids, received, script};
use crate::self_check::network_down;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_on_either_output_is_cut_and_its_program_killed() {
    let folder = tempfile::tempdir().unwrap();
    for (at, (to, stream)) in [("", "standard output"), (" >&2", "standard error")].into_iter().enumerate() {
        let file = folder.path().join(at.to_string());
        let source = format!("trap '' TERM; echo $$ > {}; yes{to}", file.display());
        let ran = journey().await.run(&expecting(&source, &["exit_code == 0"])).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::ResponseTooLarge));
        assert!(
            ran.cause().message.contains(&format!("its {stream} is larger than the 4194304 bytes")),
            "{}",
            ran.cause().message
        );
        assert!(received(&ran).contains("y\ny\n") && observed(&ran).transcript.as_ref().unwrap().truncated);
        all_gone(&pids(&file, 1).await).await;
    }
}

#[tokio::test]
async fn much_goes_in_and_out_at_once_whoever_reads_first() {
    let step = |source: &str, expect: &str| {
        let keys = format!("exec.stdin = \"{{{{ 'x' * 1000000 }}}}\"\nexpect = [\"exit_code == 0\", \"{expect}\"]");
        script(source, &keys)
    };
    for (source, expect) in [
        ("cat", "stdout | length == 1000000"),
        ("cat >&2", "stderr | length == 1000000"),
        ("head -c 1000000 /dev/zero; cat >&2", "stdout | length + (stderr | length) == 2000000"),
        ("true", "stdout == ''"),
        ("exec <&-; echo closed", "stdout == 'closed\\n'"),
        ("head -c 10", "stdout == 'x' * 10"),
    ] {
        journey().await.run(&step(source, expect)).await.assert_passed();
    }
}

#[tokio::test]
async fn all_that_was_written_before_the_end_is_there() {
    // More than a pipe holds, and a last word right before the end.
    let source = "head -c 300000 /dev/zero | tr '\\0' x; printf end";
    for _ in 0..20 {
        let ran = journey().await.run(&expecting(source, &["stdout | length == 300003", "stdout is endingwith 'xend'"])).await;
        ran.assert_passed();
    }
}

#[tokio::test]
async fn a_byte_at_a_time_garbage_and_no_line_break_are_output_too() {
    let source = "for byte in a b c d; do printf $byte; sleep 0.01; done; printf '\\377\\000z'; true";
    let keys = r#"expect = ["stdout == 'abcd\uFFFD\u0000z'", "lines | length == 1"]"#;
    let ran = journey().await.run(&script(source, keys)).await;
    ran.assert_passed();
    let ran = journey().await.run(&expecting("yes | head -n 10001", &["lines | length > 0"])).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("more than 10000 lines"), "{}", ran.cause().message);
}

#[tokio::test]
async fn one_that_never_ends_is_cut_by_its_timeout_which_tells_what_had_come() {
    let keys = "timeout = \"300ms\"\nexpect = [\"exit_code == 0\"]";
    let began = Instant::now();
    let ran = journey().await.run(&script("echo begun; echo hm >&2; sleep 300", keys)).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Timeout));
    let told = "no end within 300ms: waiting for the program's end (6 bytes of its standard output and 3 of its standard error had come)";
    assert!(ran.cause().message.contains(told), "{}", ran.cause().message);
    assert_eq!(received(&ran), "[stdout]\nbegun\n[stderr]\nhm\n");
    assert_eq!(observed(&ran).phases.len(), 1, "it never ended");
    // One that is stopped reads no signal but the last.
    let ran = journey().await.run(&script("kill -STOP $$", keys)).await;
    assert_eq!(ran.reason(), Reason::Timeout);
}

#[tokio::test]
async fn silence_is_excused_while_the_network_of_the_prober_is_down_and_a_word_is_not() {
    let check = network_down();
    let keys = "timeout = \"300ms\"\nexpect = [\"exit_code == 0\"]";
    for (source, reason) in [
        ("sleep 300", Reason::SelfCheck),
        ("echo asking; sleep 300", Reason::Timeout),
        ("echo 'no network' >&2; exit 1", Reason::Expectation),
    ] {
        assert_eq!(journey().await.self_check(&check).run(&script(source, keys)).await.reason(), reason, "{source}");
    }
    check.stop();
}
