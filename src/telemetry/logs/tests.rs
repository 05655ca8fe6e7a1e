//! What lines look like, and what happens when nobody takes them.

use std::io::Write;
use std::sync::mpsc;

use super::*;

/// Takes what the writing thread writes.
#[derive(Clone, Default)]
struct Captured(Arc<std::sync::Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics with the lock").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(format: LogFormat, filter: &str, log: impl FnOnce()) -> String {
    let out = Captured::default();
    let (guard, lines) = writer::start(Box::new(out.clone())).expect("the thread starts");
    let filter = EnvFilter::new(format!("{QUIET},{filter}"));
    tracing::subscriber::with_default(subscriber(format, filter, lines), log);
    assert!(guard.stop(std::time::Duration::from_secs(10)), "everything is written");
    let bytes = out.0.lock().expect("no test panics with the lock").clone();
    String::from_utf8(bytes).expect("lines are UTF-8")
}

#[test]
fn a_json_line_is_one_object_with_its_fields() {
    let text = logged(LogFormat::Json, "info", || tracing::warn!(run_id = "01R", trace_id = "ab", "it \"broke\"\nhere"));
    let line: serde_json::Value = serde_json::from_str(text.trim_end()).expect("the line is JSON");
    assert_eq!((&line["run_id"], &line["trace_id"]), (&"01R".into(), &"ab".into()), "{text}");
    assert_eq!((&line["message"], &line["level"]), (&"it \"broke\"\nhere".into(), &"WARN".into()), "{text}");
}

#[test]
fn a_human_line_is_plain_text_with_its_fields() {
    let text = logged(LogFormat::Human, "info", || tracing::info!(canary = "sync/eu", "hello"));
    assert!(text.contains("INFO") && text.contains("hello") && text.contains("canary=\"sync/eu\""), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour codes: {text:?}");
}

#[test]
fn nothing_that_is_logged_forges_a_line_or_steers_a_terminal_and_json_stays_exact() {
    let evil = "a\n2026-01-01T00:00:00Z ERROR forged\r\x1b[2J\u{202e}\u{200b}\u{9b}\u{7f}";
    let log = || tracing::warn!(subject = evil, error = %evil, "{evil}");
    let text = logged(LogFormat::Human, "info", log);
    let (first, rest) = text.split_once('\n').expect("it ends its line");
    assert!(first.contains("WARN") && !first.contains(crate::outcome::is_steering), "{text:?}");
    for further in rest.lines() {
        assert!(further.starts_with("  | ") && !further.contains(crate::outcome::is_steering), "{text:?}");
    }
    let text = logged(LogFormat::Json, "info", log);
    assert!(text.ends_with('\n') && !text.trim_end().contains(crate::outcome::is_steering), "{text:?}");
    let line: serde_json::Value = serde_json::from_str(&text).expect("the line is JSON");
    assert_eq!(line["subject"], evil);
}

#[test]
fn the_http_crates_are_quiet_unless_they_are_asked_for() {
    let talk = || tracing::error!(target: "hyper::client", "noise");
    assert_eq!(logged(LogFormat::Human, "trace", talk), "");
    assert!(logged(LogFormat::Human, "info,hyper=error", talk).contains("noise"));
}

#[test]
fn a_filter_that_is_none_is_an_error_that_names_it() {
    let error = init(LogFormat::Human, "serinus=loud").expect_err("there is no level called loud");
    assert!(error.to_string().contains("serinus=loud"), "{error}");
}

/// Standard error as a pipe that nobody reads: blocks until the test lets go.
struct Stuck(mpsc::Receiver<()>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Disconnected means that the test let go.
        let _ = self.0.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn logging_to_a_pipe_nobody_reads_blocks_no_one_and_stops_in_time() {
    let (let_go, stuck) = mpsc::channel();
    let (guard, lines) = writer::start(Box::new(Stuck(stuck))).expect("the thread starts");
    let sent = 3 * 8_192;
    tracing::subscriber::with_default(subscriber(LogFormat::Human, EnvFilter::new("info"), Arc::clone(&lines)), || {
        for _ in 0..sent {
            tracing::warn!("a line");
        }
    });
    assert!(lines.waiting() <= 8_192, "memory stays bounded");
    assert!(!guard.stop(std::time::Duration::from_millis(50)), "not everything was written, and it says so");
    drop(let_go);
    assert!(guard.stop(std::time::Duration::from_secs(10)), "what fitted is written once the pipe is read");
}

#[test]
fn an_error_does_not_wait_for_other_lines() {
    let (queue, lines) = (writer::queue(), |queue: &Arc<LineQueue>| queue.waiting_now());
    for log in [|| tracing::error!("it ends"), || tracing::warn!("it may end")] {
        tracing::subscriber::with_default(subscriber(LogFormat::Human, EnvFilter::new("info"), Arc::clone(&queue)), || {
            tracing::info!("a run");
            log();
        });
        assert_eq!(lines(&queue), 2);
    }
}
