//! What a user may type.
//!
//! Owns names, defaults and help texts of commands and options; what they do is in the command's own file. A new command is
//! a variant of [`Command`] with its options in a struct here or in `looking`; the rest is in [`cli`](super).

mod looking;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::sandbox::Incident;

use super::export_args::ExportArgs;
use super::store_args::StoreArgs;
pub(crate) use looking::{IncidentsArgs, RunsArgs, SloArgs, TopArgs, TriggerArgs};

/// Synthetic canary prober: walks user journeys end to end and notices when one no longer completes.
#[derive(Debug, Parser)]
#[command(name = "serinus", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Service configuration [default: serinus.toml, config/serinus.toml or /etc/serinus/serinus.toml, the first that exists]
    #[arg(short, long, global = true, env = "SERINUS_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Whether to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all well; 1 a probe failed; 2 bad usage or invalid configuration; \
                          3 the prober itself could not do its work.";

/// Whether output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the service: probe on schedule, serve metrics; SIGTERM stops gracefully
    Run,
    /// Validate and lint: every problem at once, each with its place
    Check(CheckArgs),
    /// Run probes now: a line for what passed, all about what did not; stores nothing, pages nobody
    #[command(after_long_help = concat!("With --output json, each run is one object on a line of its own:\n\n", include_str!("../outcome/json_shape.txt")))]
    Test(TestArgs),
    /// Sandbox, prober and a live view on loopback, nothing to configure
    Demo(DemoArgs),
    /// The simulated product alone
    Sandbox(SandboxArgs),
    /// Send a page that says it is a test to the configured channels, and end it again
    NotifyTest(NotifyTestArgs),
    /// The live table of a running service, the worst first: look into it, acknowledge, verify
    Top(TopArgs),
    /// How a running service stands; exit code 1 while something pages that is neither muted, explained nor acknowledged
    Status(RemoteArgs),
    /// Ask a service whether it is ready, as health checks of containers do; exit code 1 unless it answers 200
    Healthcheck(HealthcheckArgs),
    /// Finished runs of a running service, newest first, or one of them in full
    Runs(RunsArgs),
    /// Incidents of a running service, or one of them with its timeline
    Incidents(IncidentsArgs),
    /// Stop running a probe or a canary for a while; its incidents stay open
    Pause(PauseArgs),
    /// Run a paused probe or canary again
    Resume(TargetArgs),
    /// Say that somebody is at an incident
    Ack(AckArgs),
    /// End an incident of which all that still fails is muted or without data
    Close(CloseArgs),
    /// Write down what is known of an incident, open or over
    Note(NoteArgs),
    /// Write down that something happened, such as a deployment: charts, incidents and pages show it
    Annotate(AnnotateArgs),
    /// Ring nobody for a known bug of a probe: one reason or one subject; it goes on being run
    Mute(MuteArgs),
    /// Ring again for what was muted
    Unmute(UnmuteArgs),
    /// The share of runs that passed, what is left of the error budget and how fast it burns, by week or month
    Slo(SloArgs),
    /// What runs left behind and could not be removed; exit code 1 if something of it was given up
    Leaks(RemoteArgs),
    /// Run a canary now; the run is not counted
    Trigger(TriggerArgs),
    /// Have a running service read its configuration again; exit code 2 if it is broken and the old one stays
    Reload(RemoteArgs),
    /// Delete now what earlier runs left behind, or forget it; exit code 1 if something is left
    Sweep(SweepArgs),
    /// Move what is kept to another store; prepare a PostgreSQL database for it
    Store(StoreArgs),
    /// Print files that other programs read
    Export(ExportArgs),
    /// Started beside the first program that a step runs, to end what is left of them where the service is killed
    #[command(hide = true)]
    ExecGuard,
    /// Print a completion script
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Probe files to check instead of those the configuration names
    pub(crate) paths: Vec<PathBuf>,
    /// Exit with 2 where there are warnings too, as pipelines want; `allow = ["WORD"]` at the top of a file silences a lint there
    #[arg(long)]
    pub(crate) strict: bool,
    /// Mend in the files what has one obvious mend, such as a misspelt key, say what was changed, and check again
    #[arg(long)]
    pub(crate) fix: bool,
    /// With --fix: say what would be changed, and change nothing
    #[arg(long, requires = "fix")]
    pub(crate) dry_run: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Options of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Probe files, or names of probes the configuration knows
    #[arg(required = true, value_name = "PROBE")]
    pub(crate) probes: Vec<String>,
    /// Only cells with this matrix value, such as platform=ios; several must all match
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) cell: Vec<CellFilter>,
    /// Only from this region; several are allowed
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Vec<String>,
    /// Only this step, with the steps that it cannot do without; may be given several times
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Vec<String>,
    /// Runs of each canary, one after the other
    #[arg(long, default_value = "1", value_name = "N")]
    pub(crate) repeat: NonZeroU32,
    /// Canaries that are run at the same time
    #[arg(short, long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000), value_name = "N")]
    pub(crate) jobs: u16,
    /// Run again whenever the probe, the service's file or a file that they include changes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Print everything: the waterfall, every attempt, and every expectation with the values it saw, of passed runs too
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// How to print; json gives one object a line for each run
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: TestOutput,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// After a healthy start, break the sandbox in this way, and tell when it was noticed
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) incident: Option<Incident>,
    /// How to print the incident's timeline
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT", requires = "incident")]
    pub(crate) output: Output,
    /// Makes the sandbox's chances repeatable
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

impl ValueEnum for Incident {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()).help(summary(*self)))
    }
}

/// Options of `sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// Allow an address that others can reach: the sandbox has no access control
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// How many times faster than life its pipelines run
    #[arg(long, default_value_t = 1.0, value_parser = positive, value_name = "FACTOR")]
    pub(crate) speed: f64,
    /// Makes its chances repeatable
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
}

/// Options of `notify-test`.
#[derive(Debug, Args)]
pub(crate) struct NotifyTestArgs {
    /// Only this channel, by its name
    pub(crate) channel: Option<String>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Which service is asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServiceArgs {
    /// The service [default: where the configuration says that it listens]
    #[arg(long, env = "SERINUS_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Its token [default: the one that the configuration names, if the service is not named by --url]
    #[arg(long, env = "SERINUS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

/// Which service is asked, and how it is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct RemoteArgs {
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// Options of `healthcheck`.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckArgs {
    /// What is asked; without a path its /readyz [default: where the configuration says that the service listens]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// Options of `pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// A probe's name or a canary's id
    pub(crate) target: String,
    /// For how long, such as 2h [default: until it is resumed]
    #[arg(long = "for", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) lasting: Option<std::time::Duration>,
    /// Why, for whoever wonders
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of commands about one probe or canary.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// A probe's name or a canary's id, such as playlist-sync/eu/platform=mobile
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `ack`.
#[derive(Debug, Args)]
pub(crate) struct AckArgs {
    /// The incident's id
    pub(crate) incident: String,
    /// Who is at it
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// What they do about it, for whoever wonders
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `close`.
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The incident's id
    pub(crate) incident: String,
    /// Who says that it is over
    #[arg(long, env = "USER", required = true, value_name = "NAME")]
    pub(crate) by: String,
    /// Why; everybody who was rung is told
    #[arg(long, required = true, value_name = "TEXT")]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `annotate`.
#[derive(Debug, Args)]
pub(crate) struct AnnotateArgs {
    /// What happened, such as "checkout 4711"
    pub(crate) text: String,
    /// The probe that it concerns [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) probe: Option<String>,
    /// What it was, in a word
    #[arg(long, default_value = "deploy", value_name = "WORD")]
    pub(crate) what: String,
    /// When, such as 2026-11-28T22:00:00Z, or how long ago, such as 10m [default: now]
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) at: Option<std::time::SystemTime>,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `note`.
#[derive(Debug, Args)]
pub(crate) struct NoteArgs {
    /// The incident's id
    pub(crate) incident: String,
    /// What there is to say, for whoever reads of the incident later
    #[arg(required_unless_present = "withdraw")]
    pub(crate) text: Option<String>,
    /// For everybody: it stands on the public status page, until it is withdrawn
    #[arg(long)]
    pub(crate) public: bool,
    /// Say nothing, and take this public note off the status page; it stays among the incident's own
    #[arg(long, value_name = "NOTE", conflicts_with_all = ["text", "public"])]
    pub(crate) withdraw: Option<String>,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// What of a probe is muted.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PartArgs {
    /// Canaries whose latest failed run has this reason, such as timeout
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: Option<String>,
    /// The subject of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: Option<String>,
}

/// Options of `mute`.
#[derive(Debug, Args)]
pub(crate) struct MuteArgs {
    /// The probe's name
    pub(crate) probe: String,
    #[command(flatten)]
    pub(crate) part: PartArgs,
    /// For how long, such as 2h [default: until it is unmuted]
    #[arg(long = "for", value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) lasting: Option<std::time::Duration>,
    /// Who says so
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Why, for whoever wonders, such as the number of a ticket
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `unmute`.
#[derive(Debug, Args)]
pub(crate) struct UnmuteArgs {
    /// The probe's name
    pub(crate) probe: String,
    #[command(flatten)]
    pub(crate) part: PartArgs,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `sweep`.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// Only list what is left behind
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete nothing, and forget this entry: somebody has removed by hand what it stands for; may be given several times
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    pub(crate) forget: Vec<String>,
    /// Delete nothing, and forget every entry that was given up
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) forget_given_up: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Output,
}

/// How a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
}

/// How `test` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TestOutput {
    /// For people
    #[default]
    Human,
    /// One JSON object a line for each run
    Json,
    /// One XML document for CI servers
    Junit,
}

/// One `KEY=VALUE` of `--cell`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CellFilter {
    /// The matrix key.
    pub(crate) key: String,
    /// Its value as text.
    pub(crate) value: String,
}

impl FromStr for CellFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            Some(_) | None => Err("write it as KEY=VALUE, such as platform=ios".to_owned()),
        }
    }
}

/// What an incident breaks, in the words of its faults.
pub(crate) fn summary(incident: Incident) -> String {
    incident.faults().iter().map(|fault| fault.summary()).collect::<Vec<_>>().join("; ")
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        Ok(_) | Err(_) => Err("a number above 0 is needed".to_owned()),
    }
}

/// A moment, or how long ago it was.
fn moment(text: &str) -> Result<std::time::SystemTime, String> {
    if let Ok(moment) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(moment.into());
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| std::time::SystemTime::now().checked_sub(ago));
    ago.ok_or_else(|| "give a moment such as 2026-11-28T22:00:00Z, or how long ago it was, such as 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cell_filter_needs_a_key_and_may_have_an_equals_sign_in_its_value() {
        assert_eq!("a=b=c".parse(), Ok(CellFilter { key: "a".to_owned(), value: "b=c".to_owned() }));
        assert!("ios".parse::<CellFilter>().is_err());
        assert!("=ios".parse::<CellFilter>().is_err());
    }

    #[test]
    fn a_speed_is_a_positive_number() {
        assert_eq!(positive("20"), Ok(20.0));
        for wrong in ["0", "-1", "inf", "NaN", "fast"] {
            assert!(positive(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_is_a_moment_or_how_long_ago_it_was() {
        let second = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        assert_eq!(moment("1970-01-01T01:00:01+01:00").unwrap(), second);
        let ago = moment("10m").unwrap().elapsed().unwrap().as_secs();
        assert!((600..660).contains(&ago), "{ago:?}");
        for wrong in ["", "yesterday", "2026-11-28"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
