//! The kinds of panels, and where they stand.

use serde_json::{Value, json};

use super::source;

/// A panel before it has a place.
pub(super) struct Panel {
    width: u32,
    height: u32,
    body: Value,
}

/// A query of a panel.
pub(super) struct Query {
    expr: String,
    legend: String,
    /// Whether only the newest value is asked for.
    instant: bool,
    /// Whether the traces that belong to it are shown.
    exemplars: bool,
    format: &'static str,
}

/// A query over time.
pub(super) fn query(expr: impl Into<String>, legend: impl Into<String>) -> Query {
    Query { expr: expr.into(), legend: legend.into(), instant: false, exemplars: false, format: "time_series" }
}

impl Query {
    pub(super) fn now(self) -> Self {
        Self { instant: true, ..self }
    }

    pub(super) fn with_exemplars(self) -> Self {
        Self { exemplars: true, ..self }
    }

    fn table(self) -> Self {
        Self { format: "table", ..self.now() }
    }

    fn heat(self) -> Self {
        Self { format: "heatmap", ..self }
    }

    fn json(self, at: usize) -> Value {
        let reference = char::from(b'A' + u8::try_from(at).unwrap_or(0)).to_string();
        json!({
            "refId": reference, "datasource": source(), "expr": self.expr, "legendFormat": self.legend, "format": self.format,
            "instant": self.instant, "range": !self.instant, "exemplar": self.exemplars, "editorMode": "code",
        })
    }
}

/// The unit of values, by Grafana's names.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// Numbers of things.
    Count,
    /// Shares, 0 to 1.
    Share,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A second.
    PerSecond,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::Share => "percentunit",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::PerSecond => "ops",
        }
    }
}

fn panel(kind: &str, title: &str, about: &str, queries: Vec<Query>, unit: Unit, options: &Value) -> Panel {
    let targets: Vec<Value> = queries.into_iter().enumerate().map(|(at, query)| query.json(at)).collect();
    let body = json!({
        "type": kind, "title": title, "description": about, "datasource": source(), "targets": targets, "options": options,
        "fieldConfig": { "defaults": { "unit": unit.name(), "custom": {} }, "overrides": [] },
        "transparent": false,
    });
    Panel { width: 12, height: 8, body }
}

/// Curves.
pub(super) fn curves(title: &str, about: &str, unit: Unit, queries: Vec<Query>) -> Panel {
    let options = json!({
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
        "tooltip": { "mode": "multi", "sort": "desc" },
    });
    panel("timeseries", title, about, queries, unit, &options).field("min", &0.into())
}

/// A number that is large.
pub(super) fn number(title: &str, about: &str, unit: Unit, query: Query) -> Panel {
    let options = json!({
        "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
    });
    panel("stat", title, about, vec![query.now()], unit, &options).sized(4, 4)
}

/// States over time, a row each.
pub(super) fn states(title: &str, about: &str, queries: Vec<Query>) -> Panel {
    let options = json!({
        "mergeValues": true, "showValue": "never", "rowHeight": 0.9, "alignValue": "left",
        "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
        "tooltip": { "mode": "single", "sort": "none" },
    });
    panel("state-timeline", title, about, queries, Unit::Count, &options)
}

/// A table of the labels of what is there now.
pub(super) fn table(title: &str, about: &str, query: Query, hidden: &[&str]) -> Panel {
    let excluded: serde_json::Map<String, Value> = hidden.iter().map(|name| ((*name).to_owned(), true.into())).collect();
    let mut panel =
        panel("table", title, about, vec![query.table()], Unit::Count, &json!({ "showHeader": true, "cellHeight": "sm" }));
    panel.body["transformations"] = json!([{ "id": "organize", "options": { "excludeByName": excluded } }]);
    panel
}

/// How values are spread over time, from a histogram's buckets.
pub(super) fn heat(title: &str, about: &str, unit: Unit, query: Query) -> Panel {
    let options = json!({
        "calculate": false, "cellGap": 1, "color": { "mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "orange", "reverse": false },
        "exemplars": { "color": "rgba(255,0,255,0.7)" }, "filterValues": { "le": 1e-9 }, "legend": { "show": true },
        "rowsFrame": { "layout": "auto" }, "showValue": "never", "tooltip": { "mode": "single", "showColorScale": false, "yHistogram": false },
        "yAxis": { "axisPlacement": "left", "reverse": false, "unit": unit.name() },
    });
    panel("heatmap", title, about, vec![query.heat()], unit, &options)
}

/// A heading over what follows.
pub(super) fn heading(title: &str) -> Panel {
    Panel { width: 24, height: 1, body: json!({ "type": "row", "title": title, "collapsed": false, "panels": [] }) }
}

impl Panel {
    /// In columns of 24 and rows of Grafana's grid.
    pub(super) fn sized(self, width: u32, height: u32) -> Self {
        Self { width, height, ..self }
    }

    /// Values with words and colours.
    pub(super) fn with_words(self, words: &[(&str, &str, &str)]) -> Self {
        let options: serde_json::Map<String, Value> = words
            .iter()
            .enumerate()
            .map(|(at, (value, text, color))| ((*value).to_owned(), json!({ "text": text, "color": color, "index": at })))
            .collect();
        self.field("mappings", &json!([{ "type": "value", "options": options }]))
    }

    /// Red from this value on, green below.
    pub(super) fn bad_from(self, value: f64) -> Self {
        self.thresholds(&json!([{ "color": "green", "value": null }, { "color": "red", "value": value }]))
    }

    /// Green from this value on, red below.
    pub(super) fn good_from(self, value: f64) -> Self {
        self.thresholds(&json!([{ "color": "red", "value": null }, { "color": "green", "value": value }]))
    }

    fn thresholds(self, steps: &Value) -> Self {
        self.field("thresholds", &json!({ "mode": "absolute", "steps": steps }))
    }

    /// A link from each series.
    pub(super) fn linked(mut self, title: &str, url: &str) -> Self {
        let links = &mut self.body["fieldConfig"]["defaults"]["links"];
        if links.is_null() {
            *links = json!([]);
        }
        if let Some(links) = links.as_array_mut() {
            links.push(json!({ "title": title, "url": url, "targetBlank": true }));
        }
        self
    }

    /// A share: all of the axis.
    pub(super) fn whole(self) -> Self {
        self.field("max", &1.into())
    }

    fn field(mut self, key: &str, value: &Value) -> Self {
        self.body["fieldConfig"]["defaults"][key] = value.clone();
        self
    }
}

/// Gives each panel its number and its place, in rows from left to right.
pub(super) fn place(panels: Vec<Panel>) -> Vec<Value> {
    let (mut x, mut y, mut tallest) = (0, 0, 0);
    let mut placed = Vec::new();
    for (number, panel) in (1..).zip(panels) {
        if x + panel.width > 24 {
            (x, y, tallest) = (0, y + tallest, 0);
        }
        let mut body = panel.body;
        body["id"] = number.into();
        body["gridPos"] = json!({ "x": x, "y": y, "w": panel.width, "h": panel.height });
        placed.push(body);
        x += panel.width;
        tallest = panel.height.max(tallest);
    }
    placed
}
