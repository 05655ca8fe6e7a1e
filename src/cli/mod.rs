//! The commands, one file each.
//!
//! Owns what a user types and reads: arguments, exit codes, and every byte on standard output. It decides nothing about
//! probing; it calls `app` and renders. A new command is a variant in [`args::Command`] and a file here.

mod args;
mod check;
mod completions;
mod config;
mod demo;
mod exit;
mod export;
mod grid;
mod logs;
mod notify_test;
mod printer;
mod progress;
mod report;
mod run;
mod runtime;
mod sandbox;
mod select;
mod story;
mod style;
mod test;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};
use config::config_path;
use exit::{Exit, Failure};
use printer::Printer;
use runtime::on_runtime;

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Well.into() };
        }
    };
    let printer = Printer::new(cli.color);
    let exit = obey(&printer, cli).unwrap_or_else(|failure| {
        printer.error(&failure.message);
        failure.exit
    });
    if let Some(failure) = printer.failure() {
        printer.error(&format!("cannot write the output: {failure}"));
        return Exit::Prober.into();
    }
    exit.into()
}

fn obey(printer: &Printer, cli: Cli) -> Result<Exit, Failure> {
    let config = config_path(cli.config);
    match cli.command {
        Command::Sandbox(args) => on_runtime(sandbox::sandbox(printer, args)),
        Command::Run => on_runtime(run::run(printer, config.as_deref())),
        Command::Check(args) => check::check(printer, config.as_deref(), &args),
        Command::Test(args) => on_runtime(test::test(printer, config.as_deref(), &args)),
        Command::Demo(args) => on_runtime(demo::demo(printer, &args)),
        Command::NotifyTest(args) => on_runtime(notify_test::notify_test(printer, config.as_deref(), &args)),
        Command::Export(args) => Ok(export::export(printer, args.what)),
        Command::Completions { shell } => Ok(completions::completions(printer, shell)),
    }
}
