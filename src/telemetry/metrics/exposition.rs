//! Writing samples in the two text formats scrapers ask for.
//!
//! Owns what differs between Prometheus text 0.0.4 and OpenMetrics 1.0.0: names in `# TYPE` lines, exemplars and the end mark.
//! It must not know what is measured. The formats: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.
//!
//! `prometheus-client` was measured and left out: its encoder writes OpenMetrics only, takes exemplars from no histogram but
//! its own, and its families share one set of bucket edges, where each probe needs its own.

use std::fmt::Write as _;

use super::histogram::Snapshot;
use super::labels::{LabelText, Labels};

/// A format a scraper can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4, understood by everything.
    Prometheus,
    /// OpenMetrics 1.0.0, the only one of the two with exemplars.
    OpenMetrics,
}

impl Format {
    /// The format for an `Accept` header: OpenMetrics if it is named with a weight above zero that is not below that of
    /// `text/plain`, Prometheus text otherwise (also without a header, as for a person with curl).
    pub fn negotiate(accept: Option<&str>) -> Self {
        let weight = |kind: &str| {
            accept
                .unwrap_or_default()
                .split(',')
                .filter(|range| range.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(kind)))
                .map(quality)
                .fold(0.0, f64::max)
        };
        let open_metrics = weight("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= weight("text/plain") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The value of the answer's `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The weight of one media range: its `q`, 1 if it has none, 0 if that is no number.
fn quality(range: &str) -> f64 {
    let q = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    q.map_or(1.0, |q| q.trim().parse().unwrap_or(0.0))
}

/// The type of a metric, as in `# TYPE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricType {
    /// Only ever grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
    /// How often and how much in all.
    Summary,
}

/// A run that stands for the bucket its duration fell into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar<L> {
    /// The bucket's index.
    pub(super) bucket: usize,
    /// What it links to.
    pub(super) labels: L,
    /// The observed value, seconds.
    pub(super) value: f64,
    /// When it was observed, seconds since the epoch.
    pub(super) at: f64,
}

/// A body in the making: families one after the other, each with all of its samples.
#[derive(Debug)]
pub(super) struct Exposition {
    text: String,
    format: Format,
    family: &'static str,
    labels: LabelText,
}

impl Exposition {
    /// An empty body with room for `capacity` bytes.
    pub(super) fn new(format: Format, capacity: usize) -> Self {
        Self { text: String::with_capacity(capacity), format, family: "", labels: LabelText::default() }
    }

    /// Whether exemplars can be told.
    pub(super) fn has_exemplars(&self) -> bool {
        self.format == Format::OpenMetrics
    }

    /// Begins a family; its samples follow. `name` is that of the samples, so a counter's ends in `_total`.
    pub(super) fn family(&mut self, name: &'static str, kind: MetricType, help: &str) {
        let (shown, word) = match (kind, self.format) {
            (MetricType::Counter, Format::OpenMetrics) => (name.strip_suffix("_total").unwrap_or(name), "counter"),
            (MetricType::Counter, Format::Prometheus) => (name, "counter"),
            (MetricType::Gauge, _) => (name, "gauge"),
            (MetricType::Histogram, _) => (name, "histogram"),
            (MetricType::Summary, _) => (name, "summary"),
        };
        self.text.extend(["# HELP ", shown, " ", help, "\n# TYPE ", shown, " ", word, "\n"]);
        self.family = name;
    }

    /// A sample with a whole number.
    pub(super) fn integer(&mut self, labels: &impl Labels, value: u64) {
        self.labels.set(labels);
        self.sample("", value);
    }

    /// A sample with a number that need not be whole.
    pub(super) fn float(&mut self, labels: &impl Labels, value: f64) {
        self.labels.set(labels);
        self.sample("", format_args!("{value:?}"));
    }

    /// All samples of one histogram: each bucket with its exemplar, the count and the sum.
    pub(super) fn histogram<L: Labels>(&mut self, labels: &impl Labels, seen: &Snapshot<'_>, exemplars: &[Exemplar<L>]) {
        self.labels.set(labels);
        let mut cumulative = 0;
        for (bucket, count) in seen.counts.iter().enumerate() {
            cumulative += count;
            let Self { text, family, labels: LabelText(inside), .. } = self;
            let comma = if inside.is_empty() { "" } else { "," };
            text.extend([family, "_bucket{", inside, comma, "le=\"", seen.edges.text(bucket), "\"} "]);
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, "{cumulative}");
            if let Some(exemplar) = exemplars.iter().find(|exemplar| exemplar.bucket == bucket) {
                let mut link = LabelText::default();
                link.set(&exemplar.labels);
                let _ = write!(text, " # {{{}}} {:?} {:.3}", link.0, exemplar.value, exemplar.at);
            }
            text.push('\n');
        }
        self.sample("_count", cumulative);
        self.sample("_sum", format_args!("{:?}", seen.sum));
    }

    /// Both samples of one summary.
    pub(super) fn summary(&mut self, labels: &impl Labels, count: u64, sum: f64) {
        self.labels.set(labels);
        self.sample("_count", count);
        self.sample("_sum", format_args!("{sum:?}"));
    }

    /// Takes over families that are already written in Prometheus text.
    pub(super) fn append_prometheus_text(&mut self, text: &str) {
        match self.format {
            Format::Prometheus => self.text.extend(text.lines().filter(|line| !line.is_empty()).flat_map(|line| [line, "\n"])),
            Format::OpenMetrics => super::process::to_open_metrics(text, &mut self.text),
        }
    }

    /// The whole body.
    pub(super) fn finish(mut self) -> String {
        match self.format {
            Format::Prometheus => {}
            Format::OpenMetrics => self.text.push_str("# EOF\n"),
        }
        self.text
    }

    fn sample(&mut self, suffix: &str, value: impl std::fmt::Display) {
        let Self { text, family, labels: LabelText(inside), .. } = self;
        let (open, close) = if inside.is_empty() { ("", " ") } else { ("{", "} ") };
        text.extend([family, suffix, open, inside, close]);
        let _ = writeln!(text, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_open_metrics_only_where_it_weighs_at_least_as_much_as_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (Some(prometheus), Format::OpenMetrics),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text; q=1"), Format::OpenMetrics),
            (Some("text/plain, application/openmetrics-text;q=0.5"), Format::Prometheus),
            (Some("application/openmetrics-text;q=0"), Format::Prometheus),
            (Some("application/openmetrics-text;q=nonsense"), Format::Prometheus),
            (Some("text/html,*/*"), Format::Prometheus),
            (None, Format::Prometheus),
        ] {
            assert_eq!(Format::negotiate(accept), expected, "{accept:?}");
        }
    }
}
