//! The tutorial of `probes/README.md`, as somebody follows it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use crate::cli_support::{Running, assert_exit, serinus, stdout};

/// The fenced TOML blocks of the tutorial, each with the file that its first line names.
fn files() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/README.md")).unwrap();
    let tutorial = page.split("\n## Tutorial\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = tutorial.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| (block.lines().next().unwrap().trim_start_matches("# ").to_owned(), block.to_owned())).collect()
}

/// What `curl -X METHOD` does with a fault.
fn switch(api: &str, method: &str) {
    let host = api.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{method} /faults/playlist-not-synced HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

#[test]
fn the_tutorials_probe_is_valid_passes_and_notices_the_fault_that_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut sandbox = serinus(folder.path());
    sandbox.args(["sandbox", "--listen", "127.0.0.1:0"]);
    let sandbox = Running::start(sandbox);
    let api = sandbox.first_line();
    std::fs::create_dir(folder.path().join("probes")).unwrap();
    let files = files();
    assert_eq!(files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["serinus.toml", "probes/first.toml"]);
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text.replace("http://127.0.0.1:8080", &api)).unwrap();
    }
    let type_in = |arguments: &[&str]| {
        serinus(folder.path()).args(arguments).env("CANARY_PASSWORD", "sandbox-password").output().expect("the program was built")
    };
    assert_exit(&type_in(&["check", "--strict"]), 0);
    let well = type_in(&["test", "probes/first.toml"]);
    assert_exit(&well, 0);
    assert!(stdout(&well).starts_with("✓ passed  first/local "), "{}", stdout(&well));

    switch(&api, "PUT");
    let broken = type_in(&["test", "probes/first.toml"]);
    assert_exit(&broken, 1);
    for part in ["✗ failed  first/local ", "read on the tablet: it did not hold within 5s; at last:"] {
        assert!(stdout(&broken).contains(part), "{part}\n{}", stdout(&broken));
    }
    switch(&api, "DELETE");
    assert_exit(&type_in(&["test", "probes/first.toml"]), 0);
}
