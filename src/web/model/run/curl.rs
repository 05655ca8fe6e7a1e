//! A request as a command for a POSIX shell.
//!
//! Everything in it may come from a target: each argument stands in single quotes, nothing that steers a terminal is in it, and
//! no argument can be an option or the name of a file to curl.

use std::fmt::Write as _;

use crate::outcome::{Redactor, visible, visible_block};

use super::details::{Exchange, Http};

/// Headers that curl makes itself, or that belong to the run's trace.
const OWN: [&str; 5] = ["content-length", "host", "connection", "traceparent", "tracestate"];

/// The command, with comments on what it lacks; nothing where the request is not known.
pub(super) fn command(http: &Http, exchange: Option<&Exchange>) -> Option<String> {
    if http.url.is_empty() {
        return None;
    }
    let mut arguments = vec!["--globoff".to_owned(), "--path-as-is".to_owned()];
    match http.method.as_str() {
        "HEAD" => arguments.push("--head".to_owned()),
        method => arguments.push(format!("--request {}", quoted(&visible(method)))),
    }
    arguments.push(format!("--url {}", quoted(&visible(&http.url))));
    if let Some(exchange) = exchange {
        let headers = exchange.request_headers.iter().filter(|(name, _)| is_header(name));
        for (name, value) in headers.clone() {
            // Without a value curl would leave the header out.
            let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
            arguments.push(format!("--header {}", quoted(&visible(&header))));
        }
        if !exchange.request_body.is_empty() {
            if !headers.clone().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                arguments.push("--header 'content-type:'".to_owned());
            }
            arguments.push(format!("--data-raw {}", quoted(&visible_block(&exchange.request_body))));
        }
    }
    let command = format!("curl {}", arguments.join(" \\\n  "));
    let mut text = String::new();
    if command.contains(Redactor::MASK) {
        let _ = writeln!(text, "# {} stands for a secret, which is not kept: put it in.", Redactor::MASK);
    }
    match exchange {
        None => text.push_str("# Headers and body of this request were not kept.\n"),
        Some(exchange) if exchange.truncated => text.push_str("# Something of this exchange was cut off when it was kept.\n"),
        Some(_) => {}
    }
    Some(text + &command)
}

fn is_header(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token) && !OWN.contains(&name.to_ascii_lowercase().as_str())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn http(method: &str, url: &str) -> Http {
        Http { method: method.to_owned(), url: url.to_owned(), ..Http::default() }
    }

    /// What curl is given by a shell.
    fn given(command: &str) -> Vec<String> {
        let script = format!("curl() {{ for each; do printf '%s\\0' \"$each\"; done; }}\n{command}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    #[test]
    fn a_shell_gives_curl_what_the_request_was_however_hostile_it_is() {
        let hostile = "'; touch /tmp/x; echo '$(id) `id` \\ \"\n#!&|<>*?[]{}~ ü";
        let exchange = Exchange {
            request_headers: vec![
                ("x-a".to_owned(), "it's".to_owned()),
                ("x-empty".to_owned(), String::new()),
                ("content-length".to_owned(), "3".to_owned()),
                ("@/etc/passwd".to_owned(), "x".to_owned()),
            ],
            request_body: hostile.to_owned(),
            ..Exchange::default()
        };
        let command = command(&http("POST", "-o/etc/x'; ls"), Some(&exchange)).unwrap();
        let expected = [
            "--globoff",
            "--path-as-is",
            "--request",
            "POST",
            "--url",
            "-o/etc/x'; ls",
            "--header",
            "x-a: it's",
            "--header",
            "x-empty;",
            "--header",
            "content-type:",
            "--data-raw",
            hostile,
        ];
        assert_eq!(given(&command), expected);
    }

    #[test]
    fn what_steers_a_terminal_is_spelled_out_and_what_is_masked_or_missing_is_said() {
        let exchange = Exchange {
            request_headers: vec![("authorization".to_owned(), format!("Bearer {}", Redactor::MASK))],
            request_body: "a\0b\u{202e}\x1b[2J".to_owned(),
            truncated: true,
            ..Exchange::default()
        };
        let text = command(&http("PUT\nrm -rf", "http://a/\r\n"), Some(&exchange)).unwrap();
        assert!(!text.chars().any(|sign| sign != '\n' && crate::outcome::is_steering(sign)), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with('#')).count(), 2, "{text}");
        assert!(given(&text).contains(&"a\\u0000b\\u202e\\u001b[2J".to_owned()));
        assert!(command(&http("GET", "http://a"), None).unwrap().starts_with("# Headers and body"));
        assert_eq!(command(&http("GET", ""), None), None);
    }
}
