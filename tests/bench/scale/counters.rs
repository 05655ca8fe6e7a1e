//! What is counted: by the server of its tables and its log, by each process of itself, and by the kernel of both.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::postgres::Postgres;
use crate::process::{cpu, resident};

/// What the server counts. The partitions of `runs` are one.
const SERVER: &str = "
    SELECT 'commits', xact_commit FROM pg_stat_database WHERE datname = 'serinus'
    UNION ALL SELECT 'rollbacks', xact_rollback FROM pg_stat_database WHERE datname = 'serinus'
    UNION ALL SELECT 'wal bytes', wal_bytes FROM pg_stat_wal
    UNION ALL SELECT 'wal syncs', wal_sync FROM pg_stat_wal
    UNION ALL SELECT 'database bytes', pg_database_size('serinus')
    UNION ALL SELECT 'queries/' || what, coalesce(sum(calls), 0) FROM (VALUES ('lease', '%leases%'), ('facts', '%facts%')) AS of (what, words)
        LEFT JOIN pg_stat_statements ON query LIKE words GROUP BY what
    UNION ALL SELECT what || '/' || name, value FROM
        (SELECT regexp_replace(relname, '^runs_.*', 'runs') AS name, sum(n_tup_ins) AS inserted, sum(n_tup_upd) AS updated,
            sum(n_tup_hot_upd) AS in_place, sum(n_tup_del) AS deleted, sum(autovacuum_count) AS vacuumed, sum(n_dead_tup) AS dead,
            sum(seq_tup_read) AS scanned, sum(n_live_tup) AS live, sum(pg_total_relation_size(relid)) AS bytes
         FROM pg_stat_user_tables GROUP BY 1) AS tables
        CROSS JOIN LATERAL (VALUES ('inserted', inserted), ('updated', updated), ('in place', in_place), ('deleted', deleted),
            ('vacuumed', vacuumed), ('now dead', dead), ('now live', live), ('scanned', scanned), ('bytes', bytes)) AS of (what, value)
    UNION ALL SELECT 'now connections/' || application_name, count(*) FROM pg_stat_activity
        WHERE datname = 'serinus' AND application_name LIKE 'r%' GROUP BY 1";

/// Numbers by what they count. What begins with `now ` does not only grow, and is as it is at the end.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    at: Option<Instant>,
    /// Between the two readings, of a difference.
    pub(crate) took: Duration,
    numbers: BTreeMap<String, f64>,
}

impl Counters {
    pub(crate) fn read(server: &Postgres, fleet: &Fleet) -> Self {
        let mut counters = Self { at: Some(Instant::now()), ..Self::default() };
        // Each process of the server says what it counted within a second or so.
        for line in server.ask("serinus", SERVER).lines() {
            let (name, number) = line.split_once('|').expect("each row has two columns");
            counters.add(name, number.parse().expect("a number"));
        }
        for (name, time) in server_cpu(server) {
            counters.add(&format!("cpu/server/{name}"), time.as_secs_f64());
        }
        let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client can be built");
        for instance in &fleet.0 {
            let metrics = instance.metrics(&client);
            let role = if sum(&metrics, "serinus_fleet_evaluates", "") > 0.0 { "evaluator" } else { "others" };
            counters.add(&format!("cpu/{role}/{}", instance.region), cpu(instance.pid()).as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "far less memory than a float has digits")]
            counters.add(&format!("now resident/{role}/{}", instance.region), resident(instance.pid()) as f64);
            counters.add("runs/passed", sum(&metrics, "serinus_runs_total", "verdict=\"passed\""));
            counters.add("runs/failed", sum(&metrics, "serinus_runs_total", "verdict=\"failed\""));
            counters.add("runs/all", sum(&metrics, "serinus_runs_total", ""));
            counters.add("missed", sum(&metrics, "serinus_ticks_missed_total", ""));
            counters.add("late commits", sum(&metrics, "serinus_store_late_commits_total", ""));
            counters.add("dropped", sum(&metrics, "serinus_store_dropped_total", ""));
        }
        counters
    }

    fn add(&mut self, name: &str, number: f64) {
        *self.numbers.entry(name.to_owned()).or_default() += number;
    }

    /// What was counted between an earlier reading and this one.
    pub(crate) fn since(self, before: &Self) -> Self {
        let took = self.at.zip(before.at).map_or(Duration::ZERO, |(now, then)| now.duration_since(then));
        let numbers = self.numbers.into_iter().map(|(name, number)| {
            let earlier = if name.starts_with("now ") { 0.0 } else { before.get(&name) };
            (name, number - earlier)
        });
        Self { at: None, took, numbers: numbers.collect() }
    }

    pub(crate) fn get(&self, name: &str) -> f64 {
        self.numbers.get(name).copied().unwrap_or(0.0)
    }

    pub(crate) fn per_second(&self, name: &str) -> f64 {
        self.get(name) / self.took.as_secs_f64()
    }

    /// All whose name begins so, without that.
    pub(crate) fn of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.numbers.iter().filter_map(move |(name, number)| Some((name.strip_prefix(prefix)?, *number)))
    }

    /// The sum of all whose name begins so.
    pub(crate) fn sum(&self, prefix: &str) -> f64 {
        self.of(prefix).map(|(_, number)| number).sum()
    }
}

/// The sum of the samples of a family that have this in their labels.
fn sum(metrics: &str, family: &str, label: &str) -> f64 {
    let samples = metrics
        .lines()
        .filter(|line| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label));
    samples
        .map(|line| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok()).expect("a sample has a value"))
        .sum()
}

/// CPU times of the server's processes, by what they do; of those that have ended as `ended`.
fn server_cpu(server: &Postgres) -> Vec<(String, Duration)> {
    let folder = server.socket().parent().expect("a socket lies in a folder").to_path_buf();
    let file = std::fs::read_to_string(folder.join("data/postmaster.pid")).expect("the server runs");
    let main: u32 = file.lines().next().and_then(|pid| pid.parse().ok()).expect("its first line is a process");
    let children = std::fs::read_to_string(format!("/proc/{main}/task/{main}/children")).expect("the server runs");
    let mut times = vec![("main".to_owned(), cpu(main)), ("ended".to_owned(), ended(main))];
    for child in children.split_whitespace() {
        // It may have ended since.
        let Ok(words) = std::fs::read_to_string(format!("/proc/{child}/cmdline")) else { continue };
        let kind = words.trim_end_matches('\0').strip_prefix("postgres: ").unwrap_or("other");
        let kind = if kind.starts_with("postgres serinus") { "backends" } else { kind.trim() };
        times.push((kind.to_owned(), child.parse().map_or(Duration::ZERO, cpu)));
    }
    times
}

/// CPU time of the children of a process that have ended.
fn ended(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    let after = stat.rsplit_once(')').expect("the name is in parentheses").1;
    let ticks: u64 = after.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}
