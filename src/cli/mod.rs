//! The commands: a file each, but for short ones that belong together.
//!
//! Owns what a user types and reads: arguments, exit codes, and every byte on standard output. It decides nothing about
//! probing; it calls `app` and renders. A new command is a variant in [`args::Command`], an arm of `obey`, a file beside this one
//! unless it is short, a line in `README.md` and a test in `tests/program`.

mod ack;
mod annotate;
mod args;
mod check;
mod client;
mod config;
mod demo;
mod demo_result;
mod exit;
mod export;
mod export_args;
mod fix;
mod grid;
mod healthcheck;
mod incidents;
mod leaks;
mod logs;
mod mute;
mod notify_test;
mod printer;
mod progress;
mod report;
mod run;
mod runs;
mod runs_follow;
mod runtime;
mod sandbox;
mod select;
mod slo;
mod status;
mod status_page;
mod store;
mod store_args;
mod store_setup;
mod style;
mod sweep;
mod test;
mod top;
mod trigger;
mod trigger_wait;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use crate::run::step::run_guard;

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
        Command::Top(args) => on_runtime(top::top(printer, config.as_deref(), args)),
        Command::Status(args) => on_runtime(status::status(printer, config.as_deref(), &args)),
        Command::Healthcheck(args) => on_runtime(healthcheck::healthcheck(printer, config.as_deref(), &args)),
        Command::Runs(args) => on_runtime(runs::runs(printer, config.as_deref(), &args)),
        Command::Incidents(args) => on_runtime(incidents::incidents(printer, config.as_deref(), &args)),
        Command::Pause(args) => on_runtime(verbs::pause(printer, config.as_deref(), &args)),
        Command::Resume(args) => on_runtime(verbs::resume(printer, config.as_deref(), &args)),
        Command::Ack(args) => on_runtime(ack::ack(printer, config.as_deref(), &args)),
        Command::Close(args) => on_runtime(ack::close(printer, config.as_deref(), &args)),
        Command::Note(args) => on_runtime(annotate::note(printer, config.as_deref(), &args)),
        Command::Annotate(args) => on_runtime(annotate::annotate(printer, config.as_deref(), &args)),
        Command::Mute(args) => on_runtime(mute::mute(printer, config.as_deref(), &args)),
        Command::Unmute(args) => on_runtime(mute::unmute(printer, config.as_deref(), &args)),
        Command::Slo(args) => on_runtime(slo::slo(printer, config.as_deref(), &args)),
        Command::Leaks(args) => on_runtime(leaks::leaks(printer, config.as_deref(), &args)),
        Command::Trigger(args) => on_runtime(trigger::trigger(printer, config.as_deref(), &args)),
        Command::Reload(args) => on_runtime(verbs::reload(printer, config.as_deref(), &args)),
        Command::Sweep(args) => on_runtime(sweep::sweep(printer, config.as_deref(), &args)),
        Command::Store(args) => on_runtime(store::store(printer, config.as_deref(), &args)),
        Command::Export(args) => export::export(printer, config.as_deref(), &args.what),
        Command::ExecGuard => {
            run_guard(std::io::stdin().lock());
            Ok(Exit::Well)
        }
        Command::Completions { shell } => Ok(export::completions(printer, shell)),
    }
}
