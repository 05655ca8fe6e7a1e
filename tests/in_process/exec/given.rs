//! What a program is given, and what expressions and reports know of it.

use serinus::outcome::{FactValue, Reason, Verdict};

use super::{expecting, journey, observed, received, script};
use crate::again;

#[tokio::test]
async fn the_example_of_the_documentation_works_with_a_program_that_stands_in_for_its_own() {
    let page = std::fs::read_to_string("probes/README.md").unwrap();
    let example = page.split("## Exec\n").nth(1).unwrap().split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("backup-check");
    let says = r#"[ "$*" = "--format json --id b-7" ] && [ -n "$BACKUP_TOKEN" ] && echo '{ "files": 12 }'"#;
    std::fs::write(&program, says).unwrap();
    let example = example.replace("\"/usr/bin/backup-check\"", &format!("\"/bin/sh\", {program:?}"));
    let journey = journey().await.secret("backup", Some("a-token-of-the-backup")).head("[vars]\nbackup = \"b-7\"\n");
    journey.run(&example).await.assert_passed();
}

#[tokio::test]
async fn every_name_of_a_result_has_its_value() {
    let expect = [
        "exit_code == 3",
        "signal is none",
        "stdout == '{\"a\": [1, 2]}\\n'",
        "stderr == 'two\\nlines\\n'",
        "json.a[1] == 2",
        "lines == ['{\"a\": [1, 2]}']",
        "latency < 20",
        "phases.spawn + phases.run <= latency + 0.001",
    ];
    let ran = journey().await.run(&expecting("echo '{\"a\": [1, 2]}'; printf 'two\\nlines\\n' >&2; exit 3", &expect)).await;
    ran.assert_passed();
    let observed = observed(&ran);
    let phases: Vec<&str> = observed.phases.iter().map(|(name, _)| *name).collect();
    assert_eq!((phases, observed.answered), (vec!["spawn", "run"], true));
    let fact = |name: &str| observed.facts.iter().find(|fact| fact.attribute == name).map(|fact| fact.value.clone());
    assert_eq!(fact("process.exit.code"), Some(FactValue::Integer(3)));
    assert_eq!(fact("process.executable.name"), Some(FactValue::Text("sh".into())));
    assert_eq!(fact("process.executable.path"), Some(FactValue::Text("/bin/sh".into())));
    assert!(matches!(fact("process.pid"), Some(FactValue::Integer(2..))));
    assert_eq!(fact("serinus.exec.stdout_bytes"), Some(FactValue::Integer(14)));
}

#[tokio::test]
async fn one_that_a_signal_killed_has_a_signal_and_no_exit_code() {
    let expect = ["signal == 9", "exit_code is none"];
    journey().await.run(&expecting("kill -9 $$", &expect)).await.assert_passed();
    let ran = journey().await.run(&expecting("kill -9 $$", &["exit_code == 0"])).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("killed by signal 9"), "{}", ran.cause().message);
}

#[tokio::test]
async fn output_that_is_no_json_is_told_with_the_exit_code() {
    let ran = journey().await.run(&expecting("echo oh no; exit 4", &["json.files > 0"])).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("exit code 4, is not JSON: "), "{}", ran.cause().message);
    assert_eq!(received(&ran), "[stdout]\noh no\n");
}

#[tokio::test]
async fn it_has_no_environment_directory_input_or_file_but_what_is_named() {
    let steps = r#"
        [[step]]
        name = "environment"
        exec.command = ["/usr/bin/env"]
        exec.env = { A = "1 $HOME; {{ run.id }}" }
        exec.inherit = ["SERINUS_NEVER_SET", "PATH"]
        expect = ["lines | sort == ['A=1 $HOME; ' ~ run.id, 'PATH=' ~ path]"]
        [[step]]
        name = "nothing at all"
        exec.command = ["/usr/bin/env"]
        expect = ["stdout == ''", "exit_code == 0"]
        [[step]]
        name = "where"
        exec.command = ["/bin/pwd"]
        expect = ["stdout == '/\n'"]
        [[step]]
        name = "elsewhere"
        exec.command = ["/bin/pwd"]
        exec.directory = "/usr/{{ 'bin' }}"
        expect = ["stdout == '/usr/bin\n'"]
        [[step]]
        name = "input"
        exec.command = ["/bin/cat"]
        expect = ["stdout == ''", "exit_code == 0"]
        [[step]]
        name = "found"
        exec.command = ["cat", "-"]
        exec.env = { PATH = "/nowhere:/bin" }
        exec.stdin = "{{ run.id }}"
        expect = ["stdout == run.id"]
        [[step]]
        name = "words"
        exec.command = ["/usr/bin/printf", "<%s>", "a b", "", "*", "'; exit 1 #", "{{ run.id }}"]
        expect = ["stdout == \"<a b><><*><'; exit 1 #><\" ~ run.id ~ '>'"]
    "#;
    let path = format!("[vars]\npath = {:?}\n", std::env::var("PATH").unwrap());
    journey().await.head(&path).run(steps).await.assert_passed();
}

#[tokio::test]
async fn it_gets_no_open_file_of_this_process_nor_what_that_was_started_with() {
    let with_files = ["sh", "-c", "exec 7</etc/passwd 8>/dev/null; exec \"$@\"", "sh"];
    let mut child = again::command(&with_files, module_path!(), "child_runs_a_program");
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[tokio::test]
#[ignore = "run by another test, with more open files"]
async fn child_runs_a_program() {
    assert!(std::path::Path::new("/proc/self/fd/7").exists(), "this test is run by another one");
    // Its own listing is the fourth.
    let held: Vec<_> = (0..20).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let ran = journey().await.run(&expecting("ls /proc/self/fd", &["lines == ['0', '1', '2', '3']"])).await;
    ran.assert_passed();
    drop(held);
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_a_failure_that_says_why() {
    for (command, told) in [
        (r#"["/nowhere/tool"]"#, "No such file or directory"),
        (r#"["/etc/passwd"]"#, "Permission denied"),
        (r#"["/etc"]"#, "Permission denied"),
        (r#"["tool"]"#, "there is no program `tool`"),
        (r#"["{{ 'bin/tool' }}"]"#, "is not absolute"),
    ] {
        let step = format!(
            "[[step]]\nname = \"run\"\nexec.command = {command}\nexec.env = {{ PATH = \"/bin\" }}\nexpect = [\"exit_code == 0\"]\n"
        );
        let ran = journey().await.run(&step).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable), "{command}");
        assert!(ran.cause().message.contains(told), "{command}: {}", ran.cause().message);
    }
    let ran = journey().await.run(&script("exit 0", "exec.directory = \"/nowhere\"\nexpect = [\"exit_code == 0\"]")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("`/nowhere` cannot be entered"), "{}", ran.cause().message);
}

#[tokio::test]
async fn secrets_are_in_no_text_of_a_run() {
    let step = r#"
        [[step]]
        name = "run"
        exec.command = ["/bin/sh", "-c", "cat; echo $1 $TOKEN; echo $TOKEN >&2; exit 1", "sh", "{{ secret.key }}"]
        exec.env = { TOKEN = "{{ secret.key }}", PATH = "/bin" }
        exec.stdin = "in {{ secret.key }}\n"
        expect = ["stdout == secret.key", "exit_code == 0"]
    "#;
    let ran = journey().await.secret("key", Some("hunter2-hunter2")).run(step).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    let everything = format!("{:?}", ran.report.steps) + &ran.cause().message;
    assert!(!everything.contains("hunter2"), "{everything}");
    assert_eq!(received(&ran), "[stdout]\nin •••\n••• •••\n[stderr]\n•••\n");
    let sent = &observed(&ran).transcript.as_ref().unwrap().sent;
    assert_eq!(sent, "TOKEN=•••\nPATH=/bin\n\nin •••\n");
    assert!(observed(&ran).asked.ends_with("sh •••"), "{}", observed(&ran).asked);
}
