//! This process as PID 1, as in a container: orphans become its children.

use std::process::Command;
use std::time::Duration;

use super::{journey, pids};
use crate::again;
use crate::waiting::until;

#[tokio::test]
async fn as_pid_1_it_reaps_orphans_and_takes_no_status_that_somebody_waits_for() {
    let id = Command::new("id").arg("-u").output().unwrap();
    let alone: &[&str] = if id.stdout == b"0\n" { &[] } else { &["--user", "--map-root-user"] };
    let through = [&["unshare"][..], alone, &["--pid", "--fork", "--mount-proc", "--kill-child"]].concat();
    let mut child = again::command(&through, module_path!(), "child_is_pid_1");
    let waiting = tokio::task::spawn_blocking(move || child.output());
    let output = tokio::time::timeout(Duration::from_mins(2), waiting).await.unwrap().unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by another test, as PID 1"]
async fn child_is_pid_1() {
    assert_eq!(std::process::id(), 1, "this test is run by another one");
    let mut other = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    // Each leaves an orphan in its group, which is killed, and one that has left it and ends by itself.
    let steps = format!(
        r#"
        [[step]]
        name = "many"
        for_each = "code in range(30)"
        at_once = 10
        exec.command = ["/bin/sh", "-c", 'sleep 300 & echo $! >> {0}; setsid sleep 0.3 & echo $! >> {0}; exit $1', "sh", "{{{{ code }}}}"]
        exec.inherit = ["PATH"]
        expect = ["exit_code == code"]
        "#,
        file.display()
    );
    journey().await.run(&steps).await.assert_passed();
    let orphans = pids(&file, 60).await;
    let is_there = |pid: &i32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    // The engine is gone with its journey: who reaps is another one's, which a program begins.
    let journey = journey().await;
    let engine = journey.engine();
    let request = || serinus::run::RunRequest {
        trigger: serinus::outcome::Trigger::Test,
        tick: serinus::outcome::Tick { due: std::time::SystemTime::now(), slot: 0, order: 0 },
        detail: serinus::run::Detail::Failures,
        cancel: journey.cancel.clone(),
    };
    let canary = journey.canary("[[step]]\nname = \"x\"\nexec.command = [\"/bin/true\"]\nexpect = [\"exit_code == 0\"]\n");
    engine.run(canary, request()).await;
    until("the end of all orphans", || async { (!orphans.iter().any(is_there)).then_some(()) }).await;
    assert_eq!(other.wait().unwrap().code(), Some(7), "its status was left for who waits for it");
}
