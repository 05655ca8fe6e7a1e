//! What is printed: the table, and the server's most expensive statements.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Size;
use crate::counters::Counters;
use crate::pages::Pages;
use crate::postgres::Postgres;

/// Statements that are shown.
const SHOWN: usize = 14;

/// The most expensive statements first: how often a second, how long each, how long all a second, and what they read.
const STATEMENTS: &str = "
    SELECT round(calls / $seconds::numeric, 2), round(mean_exec_time::numeric, 2), round(max_exec_time::numeric, 1),
        round((total_exec_time / $seconds)::numeric, 2), round(shared_blks_hit::numeric / calls, 1),
        round(shared_blks_read::numeric / calls, 1), round(rows::numeric / calls, 1),
        left(regexp_replace(replace(query, '|', '/'), '\\s+', ' ', 'g'), 110)
    FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT $shown";

pub(crate) fn statements(server: &Postgres, watched: Duration) -> String {
    let sql = STATEMENTS.replace("$seconds", &watched.as_secs().to_string()).replace("$shown", &SHOWN.to_string());
    let rows = server.ask("serinus", &sql);
    let rows: Vec<String> = rows.lines().map(|line| format!("| {} |", line.replace('|', " | "))).collect();
    let head = "| calls/s | mean ms | max ms | ms/s | blocks in memory | blocks read | rows | statement |\n|---|---|---|---|---|---|---|---|";
    format!("{head}\n{}", rows.join("\n"))
}

/// A row of the table: what it is of each part.
struct Row(&'static str, fn(&Counters) -> String);

const ROWS: [Row; 17] = [
    Row("runs a second, all regions", |part| {
        format!("{:.1}, {:.1} of them failed", part.per_second("runs/all"), part.per_second("runs/failed"))
    }),
    Row("ticks missed; runs dropped before they were written; pages that left before they were", |part| {
        format!("{}; {}; {}", part.get("missed"), part.get("dropped"), part.get("late commits"))
    }),
    Row("transactions a second (rolled back)", |part| {
        format!("{:.1} ({:.2})", part.per_second("commits"), part.per_second("rollbacks"))
    }),
    Row("rows inserted, updated (in place), deleted a second", |part| {
        let [inserted, updated, in_place, deleted] =
            ["inserted/", "updated/", "in place/", "deleted/"].map(|what| rate(part, what));
        format!("{inserted:.0}, {updated:.0} ({in_place:.0}), {deleted:.1}")
    }),
    Row("most of them: in `runs`, `rollups`, `last_ticks`, `facts`, `passes`, `states`", |part| {
        let tables = ["runs", "rollups", "last_ticks", "facts", "passes", "states"];
        let written = |table: &str| {
            ["inserted", "updated", "deleted"].map(|what| part.per_second(&format!("{what}/{table}"))).iter().sum::<f64>()
        };
        tables.map(|table| format!("{:.1}", written(table))).join(", ")
    }),
    Row("WAL a second; of a run", |part| {
        format!("{:.2} MB; {:.0} bytes", part.per_second("wal bytes") / 1e6, of_run(part, "wal bytes"))
    }),
    Row("WAL synced a second", |part| format!("{:.1}", part.per_second("wal syncs"))),
    Row("`runs` with indexes: bytes of a run", |part| format!("{:.0}", part.get("bytes/runs") / part.get("inserted/runs"))),
    Row("the whole database grew by, a second", |part| format!("{:.0} kB", part.per_second("database bytes") / 1e3)),
    Row("queries of leases a second; of facts", |part| {
        format!(
            "{:.1}; {:.1}",
            part.get("queries/lease") / part.took.as_secs_f64(),
            part.get("queries/facts") / part.took.as_secs_f64()
        )
    }),
    Row("connections at the end: all, most of a process", |part| {
        let most = part.of("now connections/").map(|(_, count)| count).fold(0.0, f64::max);
        format!("{}, {most}", part.sum("now connections/"))
    }),
    Row("CPU of PostgreSQL, percent of a core; of a run", |part| {
        format!("{:.1} %; {:.0} µs", rate(part, "cpu/server/") * 100.0, of_all(part, "cpu/server/"))
    }),
    Row("— its backends, WAL writer, autovacuum and other processes that ended", |part| {
        ["backends", "walwriter", "ended"]
            .map(|kind| format!("{:.1} %", part.per_second(&format!("cpu/server/{kind}")) * 100.0))
            .join(", ")
    }),
    Row("CPU of the process that evaluates, percent of a core", |part| format!("{:.1} %", rate(part, "cpu/evaluator/") * 100.0)),
    Row("CPU of each other process: mean, most", |part| {
        let (mean, most) = spread(part, "cpu/others/");
        let seconds = part.took.as_secs_f64();
        format!("{:.1} %, {:.1} %", mean / seconds * 100.0, most / seconds * 100.0)
    }),
    Row("memory: evaluates, most of the others", |part| {
        let most = spread(part, "now resident/others/").1;
        format!("{:.0} MiB, {:.0} MiB", part.sum("now resident/evaluator/") / 1_048_576.0, most / 1_048_576.0)
    }),
    Row("autovacuum runs; dead rows at the end, of live ones", |part| {
        format!("{:.0}; {:.0}, {:.0}", part.sum("vacuumed/"), part.sum("now dead/"), part.sum("now live/"))
    }),
];

/// The sum of these counters a second.
fn rate(part: &Counters, prefix: &str) -> f64 {
    part.sum(prefix) / part.took.as_secs_f64()
}

fn of_run(part: &Counters, name: &str) -> f64 {
    part.get(name) / part.get("runs/all")
}

/// Microseconds of a run.
fn of_all(part: &Counters, prefix: &str) -> f64 {
    part.sum(prefix) / part.get("runs/all") * 1e6
}

/// The mean and the most of these counters.
fn spread(part: &Counters, prefix: &str) -> (f64, f64) {
    let (mut count, mut sum, mut most) = (0.0, 0.0, 0.0_f64);
    for (_, number) in part.of(prefix) {
        count += 1.0;
        sum += number;
        most = most.max(number);
    }
    (if count > 0.0 { sum / count } else { 0.0 }, most)
}

pub(crate) fn table(size: Size, calm: &Counters, failing: &Counters, pages: &Pages) -> String {
    let mut text = format!(
        "| {} regions × {} canaries each minute | calm | 5 % fail everywhere |\n|---|---|---|\n",
        size.regions, size.canaries
    );
    for Row(what, of) in &ROWS {
        writeln!(text, "| {what} | {} | {} |", of(calm), of(failing)).expect("a string takes everything");
    }
    let first = |percent: usize| pages.first.get(pages.first.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0.0);
    let (p50, most, count) = (first(50), first(100), pages.first.len());
    let pages = pages.all;
    writeln!(
        text,
        "| from the failed run's end to the first page of its incident | | p50 {p50:.0} ms, max {most:.0} ms ({count} of {pages} messages) |"
    )
    .expect("a string takes everything");
    text
}
