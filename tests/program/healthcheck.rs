//! `serinus healthcheck`: what a container's health check sees of a service.

use std::net::TcpListener;
use std::process::Output;

use crate::cli_support::{assert_exit, run, stderr, stdout};
use crate::service_support::Double;

fn checked(url: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["healthcheck", "--url", url])
}

#[test]
fn what_answers_200_is_well_and_whatever_else_is_not() {
    let service = Double::start(200, "degraded: secrets that cannot be read: 1\n");
    let url = format!("http://{}", service.address);
    let well = checked(&url);
    assert_exit(&well, 0);
    assert_eq!(stdout(&well), format!("{url}/readyz answers 200: degraded: secrets that cannot be read: 1\n"));
    assert!(service.received()[0].head.starts_with("GET /readyz HTTP/1.1\r\n"), "{:?}", service.received());
    for (status, body) in [(503, "not ready"), (204, ""), (302, "\u{1b}[2J")] {
        service.answer(status, body);
        let unwell = checked(&format!("{url}/healthz"));
        assert_exit(&unwell, 1);
        let said = stderr(&unwell);
        assert!(said.contains(&format!("{url}/healthz answers {status}")) && !said.contains('\u{1b}'), "{said}");
    }
}

#[test]
fn what_does_not_answer_is_not_well_and_is_not_waited_for() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = checked(&format!("http://{closed}"));
    assert_exit(&refused, 1);
    assert!(stderr(&refused).contains(&format!("http://{closed}/readyz does not answer: ")), "{}", stderr(&refused));
    let silent = Double::start(200, "");
    silent.hang();
    assert_exit(&checked(&format!("http://{}", silent.address)), 1);
    assert_exit(&checked("readyz"), 2);
}
