//! What a service reads of its store before it probes, and after: counted, because times say nothing on a busy machine.

use std::fs;
use std::path::Path;

use crate::cli_support::{assert_exit, run, stderr, until};
use crate::service_support::{Double, Service, folder};

/// Bytes of a store that is large enough to be told from what a start reads otherwise.
const LARGE: u64 = 64 << 20;

/// Bytes that the process has read so far, by whatever means.
fn has_read(service: &Service<'_>) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", service.running.pid())).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// Makes the store of a service that has ended large.
fn grow(store: &Path) {
    let connection = rusqlite::Connection::open(store).unwrap();
    connection.execute_batch("CREATE TABLE ballast (bytes BLOB)").unwrap();
    for _ in 0..64 {
        connection.execute_batch("INSERT INTO ballast VALUES (randomblob(1 << 20))").unwrap();
    }
    drop(connection);
    assert!(fs::metadata(store).unwrap().len() > LARGE);
}

/// Waits for a run.
fn a_run(service: &Service<'_>) {
    until("a run", || service.get("/api/v1/runs?limit=1")["items"].get(0).cloned());
}

#[test]
fn a_large_store_is_looked_through_only_after_a_crash() {
    let target = Double::start(200, r#"{"state": "ok"}"#);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    a_run(&service);
    assert_eq!(service.stop(), Some(0));
    grow(&folder.path().join("serinus.db"));

    let service = Service::start(folder.path());
    a_run(&service);
    let read = has_read(&service);
    assert!(read < LARGE / 4, "{read} bytes were read after a good end");
    // Killed.
    drop(service);

    let service = Service::start(folder.path());
    a_run(&service);
    until("all of it is read after a crash", || (has_read(&service) > LARGE).then_some(()));
    until("it is known to be whole", || {
        fs::read_dir(format!("/proc/{}/task", service.running.pid()))
            .unwrap()
            .all(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default().trim() != "store check")
            .then_some(())
    });
    assert_eq!(service.stop(), Some(0));

    let service = Service::start(folder.path());
    a_run(&service);
    let read = has_read(&service);
    assert!(read < LARGE / 4, "{read} bytes were read after a good end");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_store_that_names_a_file_of_somebody_else_is_a_mistake_of_the_configuration() {
    let target = Double::start(200, "{}");
    let folder = folder(&target, "[notify]\nnone = true\n[store]\nurl = \"sqlite:notes\"\n");
    fs::write(folder.path().join("notes"), "what I must not forget").unwrap();
    for command in ["run", "sweep"] {
        let output = run(folder.path(), &[command]);
        assert_exit(&output, 2);
        assert!(stderr(&output).contains("is no database"), "{}", stderr(&output));
    }
    assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap(), "what I must not forget");
    let asides = fs::read_dir(folder.path()).unwrap().filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("damaged")
    });
    assert_eq!(asides.count(), 0);
}
