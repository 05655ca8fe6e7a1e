//! A test that runs a test of its own binary once more, in a process of its own: with other limits, another environment, a
//! network of its own, or only so that it shares nothing.

use std::process::Command;

/// Runs one test and nothing else, ignored or not, and lets its words through. `module` is the `module_path!()` of the test.
/// `through` are words of a program that becomes another one, or none.
pub(crate) fn command(through: &[&str], module: &str, test: &str) -> Command {
    let binary = std::env::current_exe().expect("a test has a file");
    // The harness names tests without the crate.
    let (_, module) = module.split_once("::").expect("a test lies in a module");
    let mut command = match through {
        [] => Command::new(binary),
        [first, others @ ..] => {
            let mut command = Command::new(first);
            command.args(others).arg(binary);
            command
        }
    };
    command.args(["--exact", &format!("{module}::{test}"), "--include-ignored", "--nocapture"]);
    command
}
