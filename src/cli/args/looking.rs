//! Options of the commands that look into a running service: `top`, `runs`, `incidents`, `slo`, and `trigger`, which may wait.

use clap::{Args, ValueEnum};

use super::{CellFilter, RemoteArgs, ServiceArgs, moment};

/// Options of `top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Words to begin with that each must stand in a canary's id, or in the owner, the summary or a tag of its probe
    pub(crate) words: Vec<String>,
    /// Who acknowledges and verifies
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
}

/// Options of `runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// A probe's name, a canary's id, or a run's id
    pub(crate) what: Option<String>,
    /// Only runs that did not pass
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only passed runs of which a `warn` did not hold
    #[arg(long, conflicts_with = "failed")]
    pub(crate) degraded: bool,
    /// Only runs that were due at or after this moment, such as 2026-11-28T22:00:00Z, or so long ago, such as 2h
    #[arg(long, value_parser = moment, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) since: Option<std::time::SystemTime>,
    /// Only runs that were due before this moment
    #[arg(long, value_parser = moment, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<std::time::SystemTime>,
    /// Only runs that ended so: passed, failed, errored, missed, blocked or skipped
    #[arg(long, value_name = "WORD")]
    pub(crate) verdict: Option<String>,
    /// Only runs that did not pass for this reason, such as timeout
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: Option<String>,
    /// Only this region
    #[arg(long, value_name = "NAME")]
    pub(crate) region: Option<String>,
    /// Only cells with this matrix value, such as platform=ios; several must all match
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) cell: Vec<CellFilter>,
    /// Print the last ones, the oldest first, and then each new one as it comes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The most that are listed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500), value_name = "N")]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `incidents`.
#[derive(Debug, Args)]
pub(crate) struct IncidentsArgs {
    /// An incident's id, for its timeline
    pub(crate) id: Option<String>,
    /// Resolved ones too
    #[arg(long)]
    pub(crate) all: bool,
    /// Those that were opened at or after this moment, such as 2026-11-28T22:00:00Z, or so long ago, such as 2d; resolved ones too
    #[arg(long, value_parser = moment, value_name = "TIME", conflicts_with = "id")]
    pub(crate) since: Option<std::time::SystemTime>,
    /// The most that are listed
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500), value_name = "N")]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// Options of `slo`.
#[derive(Debug, Args)]
pub(crate) struct SloArgs {
    /// Only these probes, by their names
    #[arg(value_name = "PROBE")]
    pub(crate) probes: Vec<String>,
    /// How long a period is: weeks begin on Mondays, and all times are UTC
    #[arg(long, value_enum, default_value_t, value_name = "PERIOD")]
    pub(crate) by: SloBy,
    /// How many periods, the one that goes on among them
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=26), value_name = "N")]
    pub(crate) periods: u8,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// How long a period of `slo` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SloBy {
    /// A week of ISO 8601
    #[default]
    Week,
    /// A month of the calendar
    Month,
}

impl SloBy {
    /// The word of the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// Options of `trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArgs {
    /// A probe's name or a canary's id, such as playlist-sync/eu/platform=mobile
    pub(crate) target: String,
    /// Wait until the runs have ended, and print them; exit code 1 if one failed, 3 if one neither passed nor failed
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
