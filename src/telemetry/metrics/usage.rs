//! What the process itself uses of the machine, under the names that every client library of Prometheus gives them.
//!
//! Owns reading `/proc` (see `man 5 proc`); where there is none, there are no such series. Read at each scrape and never by a
//! timer. The crate `metrics-process` was looked at and left out: it counts CPU in whole seconds, and brings `procfs` along for a few
//! numbers.

use std::fs;
use std::sync::OnceLock;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use super::exposition::{Exposition, MetricType};
use super::labels::NoLabels;

/// What `/proc/self/stat` says. Times are in clock ticks.
#[derive(Debug, PartialEq, Eq)]
struct SelfStat {
    /// In user and kernel mode, all threads together.
    cpu: u64,
    threads: u64,
    /// Since the machine's boot.
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl SelfStat {
    /// Reads the line; `None` if it is none.
    fn parse(line: &str) -> Option<Self> {
        // The program's name in parentheses comes second and may have anything in it. What follows begins with field 3.
        let fields: Vec<&str> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)?.checked_add(field(15)?)?,
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// Writes what can be found out.
pub(super) fn write(body: &mut Exposition) {
    if let Some(stat) = fs::read_to_string("/proc/self/stat").ok().and_then(|line| SelfStat::parse(&line)) {
        body.family("process_cpu_seconds_total", MetricType::Counter, "Time on processors, in user and kernel mode.");
        body.float(&NoLabels, seconds(stat.cpu));
        body.family("process_resident_memory_bytes", MetricType::Gauge, "Memory that is in RAM.");
        body.integer(&NoLabels, stat.resident_pages.saturating_mul(page_size() as u64));
        body.family("process_virtual_memory_bytes", MetricType::Gauge, "Memory that is mapped.");
        body.integer(&NoLabels, stat.virtual_bytes);
        body.family("process_threads", MetricType::Gauge, "Threads of the operating system.");
        body.integer(&NoLabels, stat.threads);
        if let Some(start) = start(&stat) {
            body.family("process_start_time_seconds", MetricType::Gauge, "When the process started, in seconds since 1970.");
            body.float(&NoLabels, start);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        body.family("process_open_fds", MetricType::Gauge, "Open files and connections.");
        // One of them is that of the listing itself.
        body.integer(&NoLabels, (open.count() as u64).saturating_sub(1));
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        body.family("process_max_fds", MetricType::Gauge, "Files and connections that may be open.");
        body.integer(&NoLabels, most);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a process has no 2⁵² ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

/// When the process started. Looked up once: the time of boot moves when the wall clock is set.
fn start(stat: &SelfStat) -> Option<f64> {
    static START: OnceLock<Option<f64>> = OnceLock::new();
    *START.get_or_init(|| {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(boot + seconds(stat.started))
    })
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Format;
    use super::*;

    #[test]
    fn the_line_of_a_program_with_an_awkward_name_is_read() {
        let line = "4711 (a) R (b) S 1 4711 4711 0 -1 4194560 9000 0 12 0 250 50 0 0 20 0 7 0 123456 1000000 2000 18446744073709551615\n";
        let stat = SelfStat { cpu: 300, threads: 7, started: 123_456, virtual_bytes: 1_000_000, resident_pages: 2_000 };
        assert_eq!(SelfStat::parse(line), Some(stat));
        for broken in
            ["", "4711 (a) S 1", "4711 (a) S 1 4711 4711 0 -1 4194560 9000 0 12 0 x 50 0 0 20 0 7 0 123456 1000000 2000"]
        {
            assert_eq!(SelfStat::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_process_sees_itself_as_the_system_does() {
        let mut body = Exposition::new(Format::Prometheus, 0);
        write(&mut body);
        let text = body.finish();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} in {text}")).parse().expect("a number")
        };
        let now =
            std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        assert!((now - 86_400.0..=now + 2.0).contains(&value("process_start_time_seconds")), "{text}");
        assert!(value("process_threads") >= 2.0, "the harness and this test: {text}");
        assert!((1e6..1e12).contains(&value("process_resident_memory_bytes")), "{text}");
        assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"), "{text}");
        assert!((3.0..=value("process_max_fds")).contains(&value("process_open_fds")), "{text}");
        assert!(value("process_cpu_seconds_total") >= 0.0, "{text}");
    }
}
