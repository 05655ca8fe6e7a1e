//! Charts: geometry of lines, stacked bars, maps and shares, in the units of a view box.
//!
//! Pure functions from numbers over time to places. The template `chart.html` draws a [`Chart`]: shapes lie in a view box of
//! [`WIDTH`] × [`HEIGHT`] that is stretched, and texts beside it are not. A quantile that is lost is a gap in its line and a red mark
//! at the top. Every chart has its numbers as a table, and a sentence for those who do not see it. A new kind of chart is a
//! function here that fills a [`Chart`].

#![expect(clippy::cast_precision_loss, reason = "they become places on a screen")]

use std::fmt::Write as _;

use crate::web::model::overview::encoded;
use crate::web::model::probe::{BinMark, Bins, Budget, Course, CourseBin, Quantile, ReasonBins, RegionBins};
use crate::web::model::strip::{Axis, WIDTH};
use crate::web::model::words;

/// Height of the view box.
pub(super) const HEIGHT: u32 = 120;
/// How far a bound may lie over all values and still be drawn.
const FAR: u64 = 4;
/// The marks of lost quantiles, one upon the other.
const LOST: f64 = 5.0;

/// A line or an outline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// As the style sheet knows it.
    pub(super) class: &'static str,
    /// The data of a path.
    pub(super) path: String,
}

/// A bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    /// As the style sheet knows it.
    pub(super) class: &'static str,
    /// Its left edge.
    pub(super) x: f64,
    /// Its upper edge.
    pub(super) y: f64,
    /// How wide it is.
    pub(super) width: f64,
    /// How high it is.
    pub(super) height: f64,
}

/// What a class means.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// As the style sheet knows it.
    pub(super) class: &'static str,
    /// Whether it is a bar.
    pub(super) is_bar: bool,
    /// What it means.
    pub(super) text: String,
}

/// A horizontal line and what it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    /// Where it is.
    pub(super) y: f64,
    /// What it stands for.
    pub(super) text: String,
}

impl Level {
    /// Where its text is, in pixels of the whole drawing.
    pub(super) fn text_y(&self) -> f64 {
        self.y + 11.0
    }
}

/// What is said under the pointer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tip {
    /// Its left edge.
    pub(super) x: f64,
    /// How wide it is.
    pub(super) width: f64,
    /// What is said.
    pub(super) text: String,
}

/// A chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Chart {
    /// Unique on its page.
    pub(super) id: &'static str,
    /// Whether it has the one axis of the page, so that what happened is drawn through it.
    pub(super) is_on_axis: bool,
    /// What it shows.
    pub(super) title: String,
    /// What there is to say of it.
    pub(super) note: String,
    /// The same for those who do not see it.
    pub(super) label: String,
    /// What the classes mean.
    pub(super) keys: Vec<Key>,
    /// Lines, the first beneath.
    pub(super) lines: Vec<Shape>,
    /// Bars.
    pub(super) bars: Vec<Bar>,
    /// Horizontal lines.
    pub(super) levels: Vec<Level>,
    /// Labels of the axis of time: a place in percent, the anchor, a text.
    pub(super) times: Vec<(f64, &'static str, String)>,
    /// Values under the pointer.
    pub(super) tips: Vec<Tip>,
    /// Heads of its numbers.
    pub(super) head: Vec<String>,
    /// Its numbers.
    pub(super) rows: Vec<Vec<String>>,
    /// What is said instead of it; empty where there is something.
    pub(super) empty: String,
}

/// A bound of an objective: its words, and microseconds.
pub(super) type Bound = (String, u64);

/// The classes of the 50th, 95th and 99th percentile, and what they are called.
const LINES: [(&str, &str); 3] = [("line two", "p50"), ("line", "p95"), ("line three", "p99")];

/// Quantiles over time with an objective.
pub(super) fn quantiles(id: &'static str, title: String, bins: Bins, course: &Course, bound: Option<&Bound>) -> Chart {
    if course.is_empty() {
        return Chart { title, empty: "No run of this time is counted.".to_owned(), ..Chart::default() };
    }
    let values = course.bins.iter().flat_map(|bin| bin.quantiles).filter_map(|quantile| match quantile {
        Some(Quantile::Us(us)) => Some(us),
        Some(Quantile::Lost) | None => None,
    });
    let most = values.max().unwrap_or(0);
    let drawn = bound.filter(|(_, us)| most == 0 || *us <= most.saturating_mul(FAR));
    let top = nice(most.max(drawn.map_or(0, |(_, us)| *us)).max(1));
    let y = |us: u64| f64::from(HEIGHT) * (1.0 - float(us) / float(top));
    let room = f64::from(WIDTH) / bins.count().max(1) as f64;
    let mut lines: Vec<Shape> = [2, 0, 1].into_iter().map(|at| line(course, at, room, y)).collect();
    lines.extend(drawn.map(|(_, us)| Shape { class: "bound", path: format!("M0 {:.1}H{WIDTH}", y(*us)) }));
    let note = match bound {
        Some((said, _)) if drawn.is_some() => format!("objective {said}, dotted"),
        Some((said, _)) => format!("objective {said}, far above"),
        None => String::new(),
    };
    let lost: u64 = course.bins.iter().map(|bin| bin.lost).sum();
    let whole: Vec<String> =
        LINES.iter().zip(course.whole).map(|((_, name), quantile)| format!("{name} {}", said(quantile))).collect();
    let lost_said = if lost > 0 { format!("; {lost} lost") } else { String::new() };
    Chart {
        id,
        is_on_axis: true,
        label: format!("{title}: {} over all of this time{lost_said}. {note}", words::list(&whole)),
        note,
        keys: keys(lost),
        lines,
        bars: course.bins.iter().enumerate().filter_map(|(at, bin)| lost_mark(at, bin, room)).collect(),
        // Where all is lost there is nothing to measure by.
        levels: if most == 0 && drawn.is_none() { Vec::new() } else { levels(top) },
        times: times(bins.axis()),
        tips: course.bins.iter().enumerate().filter_map(|(at, bin)| tip(at, bin, bins, room)).collect(),
        head: ["from (UTC)", "p50", "p95", "p99", "runs", "lost"].map(str::to_owned).to_vec(),
        rows: course.bins.iter().filter(|bin| bin.runs > 0).map(quantile_row).collect(),
        title,
        empty: String::new(),
    }
}

fn keys(lost: u64) -> Vec<Key> {
    let lines = LINES.iter().map(|(class, name)| Key { class, is_bar: false, text: (*name).to_owned() });
    let lost = (lost > 0).then(|| Key { class: "lost", is_bar: true, text: "lost".to_owned() });
    lines.chain(lost).collect()
}

/// A line through the middles of bins, with a gap wherever there is no value. What stands alone is a dash.
fn line(course: &Course, which: usize, room: f64, y: impl Fn(u64) -> f64) -> Shape {
    let value = |bin: Option<&CourseBin>| match bin.and_then(|bin| bin.quantiles[which]) {
        Some(Quantile::Us(us)) => Some(us),
        Some(Quantile::Lost) | None => None,
    };
    let mut path = String::new();
    for (at, bin) in course.bins.iter().enumerate() {
        let Some(us) = value(Some(bin)) else { continue };
        let before = at.checked_sub(1).and_then(|before| value(course.bins.get(before)));
        let middle = (at as f64 + 0.5) * room;
        let _ = if before.is_some() {
            write!(path, "L{middle:.1} {:.1}", y(us))
        } else if value(course.bins.get(at + 1)).is_some() {
            write!(path, "M{middle:.1} {:.1}", y(us))
        } else {
            write!(path, "M{:.1} {:.1}h{:.1}", middle - room * 0.3, y(us), room * 0.6)
        };
    }
    Shape { class: LINES[which].0, path }
}

/// A red mark at the top: the higher, the more of the three quantiles are lost.
fn lost_mark(at: usize, bin: &CourseBin, room: f64) -> Option<Bar> {
    let lost = bin.quantiles.iter().filter(|quantile| **quantile == Some(Quantile::Lost)).count();
    let bar = Bar { class: "lost", x: at as f64 * room, y: 0.0, width: (room * 0.84).max(2.0), height: LOST * lost as f64 };
    (lost > 0).then_some(bar)
}

fn tip(at: usize, bin: &CourseBin, bins: Bins, room: f64) -> Option<Tip> {
    let [p50, p95, p99] = bin.quantiles.map(said);
    let lost = if bin.lost > 0 { format!(", {} lost", bin.lost) } else { String::new() };
    let runs = words::count(usize::try_from(bin.runs).unwrap_or(usize::MAX), "run", "runs");
    let text = format!("{} UTC · p50 {p50} · p95 {p95} · p99 {p99} · {runs}{lost}", moment(bins, bin.start_ms));
    (bin.runs > 0).then_some(Tip { x: at as f64 * room, width: room, text })
}

fn quantile_row(bin: &CourseBin) -> Vec<String> {
    let quantiles = bin.quantiles.map(said);
    let mut row = vec![words::moment(bin.start_ms)];
    row.extend(quantiles);
    row.extend([bin.runs.to_string(), bin.lost.to_string()]);
    row
}

/// `1.9 s`, `lost`, or a dash where there is none.
pub(super) fn said(quantile: Option<Quantile>) -> String {
    match quantile {
        Some(Quantile::Us(us)) => words::took_us(us),
        Some(Quantile::Lost) => "lost".to_owned(),
        None => "–".to_owned(),
    }
}

/// Failures by reason as stacked bars.
pub(super) fn stacked(title: String, bins: Bins, reasons: &[ReasonBins]) -> Chart {
    let sums: Vec<u64> = (0..bins.count()).map(|bin| reasons.iter().map(|reason| reason.bins[bin]).sum()).collect();
    let most = sums.iter().copied().max().unwrap_or(0);
    if most == 0 {
        return Chart { title, empty: "Nothing failed in this time.".to_owned(), ..Chart::default() };
    }
    let top = nice_count(most);
    let room = f64::from(WIDTH) / bins.count().max(1) as f64;
    let classes = shades(reasons);
    let mut bars = Vec::new();
    for bin in 0..bins.count() {
        let mut below = f64::from(HEIGHT);
        for (reason, class) in reasons.iter().zip(&classes).filter(|(reason, _)| reason.bins[bin] > 0) {
            let height = f64::from(HEIGHT) * float(reason.bins[bin]) / float(top);
            below -= height;
            bars.push(Bar { class, x: bin as f64 * room, y: below, width: (room * 0.84).max(2.0), height });
        }
    }
    let tip = |(bin, sum): (usize, &u64)| {
        let of: Vec<String> = reasons
            .iter()
            .filter(|reason| reason.bins[bin] > 0)
            .map(|reason| format!("{} {}", reason.bins[bin], reason.reason))
            .collect();
        let text = format!("{} UTC · {}", moment(bins, bins.start(bin)), words::list(&of));
        (*sum > 0).then_some(Tip { x: bin as f64 * room, width: room, text })
    };
    let all: Vec<String> = reasons.iter().map(|reason| format!("{} {}", reason.total, reason.reason)).collect();
    let key = |(reason, class): (&ReasonBins, &&'static str)| Key {
        class,
        is_bar: true,
        text: format!("{} {}", reason.reason, reason.total),
    };
    let row = |bin: usize| {
        let mut row = vec![words::moment(bins.start(bin))];
        row.extend(reasons.iter().map(|reason| reason.bins[bin].to_string()));
        row
    };
    Chart {
        id: "reasons",
        is_on_axis: true,
        label: format!("{title}: {}.", words::list(&all)),
        keys: reasons.iter().zip(&classes).map(key).collect(),
        bars,
        levels: count_levels(top),
        times: times(bins.axis()),
        tips: sums.iter().enumerate().filter_map(tip).collect(),
        head: std::iter::once("from (UTC)".to_owned()).chain(reasons.iter().map(|reason| reason.reason.clone())).collect(),
        rows: (0..bins.count()).filter(|bin| sums[*bin] > 0).map(row).collect(),
        title,
        ..Chart::default()
    }
}

/// Reasons of one verdict have one colour in several shades.
fn shades(reasons: &[ReasonBins]) -> Vec<&'static str> {
    const FAILED: [&str; 5] = ["bar-f", "bar-f b2", "bar-f b3", "bar-f b4", "bar-f b4"];
    const ERRORED: [&str; 3] = ["bar-e", "bar-e b2", "bar-e b3"];
    const MISSED: [&str; 3] = ["bar-m", "bar-m b2", "bar-m b3"];
    let mut used = [0_usize; 3];
    let mut next = |which: usize, of: &[&'static str]| {
        used[which] += 1;
        of[(used[which] - 1).min(of.len() - 1)]
    };
    reasons
        .iter()
        .map(|reason| match reason.class {
            "f" => next(0, &FAILED),
            "e" => next(1, &ERRORED),
            "m" => next(2, &MISSED),
            _ => "bar-p",
        })
        .collect()
}

/// How the budget went over the window of its objective.
pub(super) fn burn_down(title: String, budget: &Budget, now_ms: i64) -> Chart {
    let Some((from_ms, _)) = budget.course.first() else { return Chart::default() };
    let axis = Axis { from_ms: *from_ms, to_ms: now_ms };
    let place = |(at, left): &(i64, f64)| (axis.x(*at), f64::from(HEIGHT) * (1.0 - left));
    let mut path = String::new();
    let mut tips = Vec::new();
    let mut last = 0.0;
    for (at, point) in budget.course.iter().enumerate() {
        let (x, y) = place(point);
        let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { "M" } else { "L" });
        let text = format!("{} UTC · {} left", words::moment(point.0), words::percent(point.1));
        tips.push(Tip { x: last, width: x - last, text });
        last = x;
    }
    let left = budget.left.map(words::percent).unwrap_or_default();
    let level = |share: f64, text: &str| Level { y: f64::from(HEIGHT) * (1.0 - share), text: text.to_owned() };
    Chart {
        id: "budget",
        label: format!("{title}: {left} is left."),
        lines: vec![Shape { class: "line", path }],
        levels: vec![level(1.0, "100 % left"), level(0.5, "50 %"), level(0.0, "")],
        times: times(axis),
        tips,
        head: ["at (UTC)", "left"].map(str::to_owned).to_vec(),
        rows: budget.course.iter().map(|(at, left)| vec![words::moment(*at), words::percent(*left)]).collect(),
        title,
        ..Chart::default()
    }
}

/// A region's row of the map of failures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MapRow {
    /// The region.
    pub(super) region: String,
    /// A mark for each bin with runs: the higher, the more of them failed.
    pub(super) marks: Vec<BinMark>,
    /// How many of all failed.
    pub(super) failed: String,
}

/// Regions × time: which share of runs failed.
pub(super) fn map(probe: &str, bins: Bins, regions: &[RegionBins]) -> Vec<MapRow> {
    let room = f64::from(WIDTH) / bins.count().max(1) as f64;
    let row = |region: &RegionBins| {
        let mark = |bin: usize| {
            let (start, end) = (bins.start(bin), bins.start(bin + 1));
            let share = 1.0 - region.bins[bin].success()?;
            let (class, height) = if share > 0.0 { ("f", (share * 18.0).max(3.0)) } else { ("p", 2.0) };
            let (x, width, y) = (bins.axis().x(start), (room * 0.84).max(2.0), 20.0 - height);
            Some(BinMark {
                class,
                path: format!("M{x:.1} {y:.1}h{width:.1}v{height:.1}h-{width:.1}z"),
                href: format!("runs?probe={}&region={}&since={start}&until={end}", encoded(probe), encoded(&region.region)),
                tip: format!(
                    "{} UTC · {}: {} failed ({})",
                    moment(bins, start),
                    region.region,
                    words::percent(share),
                    words::counts(region.bins[bin])
                ),
            })
        };
        let failed = region.count.success().map_or_else(|| "–".to_owned(), |success| words::percent(1.0 - success));
        MapRow { region: region.region.clone(), marks: (0..bins.count()).filter_map(mark).collect(), failed }
    };
    regions.iter().map(row).collect()
}

/// Labels of the axis, their places in percent.
fn times(axis: Axis) -> Vec<(f64, &'static str, String)> {
    axis.labels().into_iter().map(|(x, anchor, text)| (x * 100.0 / f64::from(WIDTH), anchor, text)).collect()
}

fn moment(bins: Bins, ms: i64) -> String {
    if bins.bin_ms >= 86_400_000 { words::day(ms) } else { words::moment(ms) }
}

fn levels(top: u64) -> Vec<Level> {
    let level = |us: u64, text: String| Level { y: f64::from(HEIGHT) * (1.0 - float(us) / float(top)), text };
    vec![level(top, round(top)), level(top / 2, round(top / 2)), level(0, String::new())]
}

fn count_levels(top: u64) -> Vec<Level> {
    let level = |count: u64, text: String| Level { y: f64::from(HEIGHT) * (1.0 - float(count) / float(top)), text };
    let mut levels = vec![level(top, top.to_string()), level(0, String::new())];
    if top.is_multiple_of(2) {
        levels.push(level(top / 2, (top / 2).to_string()));
    }
    levels
}

/// `2.5 s`, `1 min 30 s`: a level of an axis without digits that say nothing.
fn round(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", trimmed(float(us) / 1e3)),
        1_000_000..60_000_000 => format!("{} s", trimmed(float(us) / 1e6)),
        _ => format!("{} min", trimmed(float(us) / 6e7)),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The next duration that is a round one: 1, 2 or 5 of a power of ten, or of minutes.
fn nice(us: u64) -> u64 {
    const MINUTE: u64 = 60_000_000;
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300];
    if us > MINUTE / 2 {
        return steps.iter().map(|step| step * MINUTE).find(|top| *top >= us).unwrap_or(us);
    }
    nice_count(us)
}

/// The next 1, 2 or 5 of a power of ten.
fn nice_count(count: u64) -> u64 {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    let mut all = powers.flat_map(|power| [1, 2, 5].map(|step: u64| power.saturating_mul(step)));
    all.find(|top| *top >= count).unwrap_or(count)
}

fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
