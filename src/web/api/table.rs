//! Lists as they are answered: a page of JSON, or the same page as CSV (RFC 4180) for spreadsheets.
//!
//! Either says in a `Link` where the next page is. What a program would take for a formula is marked as text, since names and notes
//! come from anywhere. A list that is a table implements [`Row`], and its handler answers with [`Listing`].

use std::convert::Infallible;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::alert::status::CanaryStatus;
use crate::history::{EventView, IncidentView, Page, RunView};

use super::Failure;
use super::certificates::CertificateView;
use super::mutes::MuteView;

/// The two forms of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum Format {
    /// A page of JSON.
    Json,
    /// A table.
    Csv,
}

/// What may be asked of a list that has no pages.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct FormatQuery {
    /// The form of the answer, whatever the request accepts.
    pub(super) format: Option<Format>,
}

/// A row of a table.
pub(super) trait Row: Serialize {
    /// What the file is called.
    const FILE: &'static str;
    /// The fields that are columns, in this order; `a.b` is the field `b` of `a`, and is called `b`.
    const COLUMNS: &'static [&'static str];
}

impl Row for RunView {
    const FILE: &'static str = "runs";
    const COLUMNS: &'static [&'static str] = &[
        "run_id",
        "canary",
        "probe",
        "region",
        "due_ms",
        "slot",
        "started_ms",
        "duration_us",
        "verdict",
        "reason",
        "degraded",
        "trace_id",
        "counted",
    ];
}

impl Row for CanaryStatus {
    const FILE: &'static str = "canaries";
    const COLUMNS: &'static [&'static str] = &[
        "canary",
        "probe",
        "region",
        "cell",
        "standing",
        "since_ms",
        "failures",
        "paging",
        "last_verdict",
        "last_ms",
        "step",
        "incident",
    ];
}

impl Row for IncidentView {
    const FILE: &'static str = "incidents";
    const COLUMNS: &'static [&'static str] =
        &["id", "scope", "probe", "severity", "opened_ms", "resolved_ms", "details.title", "details.members_total"];
}

impl Row for EventView {
    const FILE: &'static str = "events";
    const COLUMNS: &'static [&'static str] = &["id", "at_ms", "kind", "probe", "incident", "by", "what", "text"];
}

impl Row for CertificateView {
    const FILE: &'static str = "certificates";
    const COLUMNS: &'static [&'static str] =
        &["host", "port", "subject", "issuer", "not_before_ms", "not_after_ms", "fingerprint", "probes", "seen_ms"];
}

impl Row for MuteView {
    const FILE: &'static str = "mutes";
    const COLUMNS: &'static [&'static str] = &["probe", "reason", "subject", "since_ms", "until_ms", "by", "why"];
}

/// How a list is asked for, apart from what is wanted of it.
#[derive(Debug, Default)]
pub(in crate::web) struct Asked {
    /// Whether the caller would rather have CSV.
    prefers_csv: bool,
    /// The query as it came.
    query: String,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { prefers_csv: prefers_csv(&parts.headers), query: parts.uri.query().unwrap_or_default().to_owned() })
    }
}

/// Whether an `Accept` gives CSV a greater weight than JSON.
fn prefers_csv(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<(String, f64)> = lines.flat_map(|line| line.split(',')).map(weighed).collect();
    let weight = |names: &[&str]| {
        let found = names.iter().find_map(|name| ranges.iter().find(|(range, _)| range == name));
        found.map_or(0.0, |(_, weight)| *weight)
    };
    weight(&["text/csv", "text/*"]) > weight(&["application/json", "application/*", "*/*"])
}

fn weighed(range: &str) -> (String, f64) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
    (name, weight)
}

/// The answer of a list.
#[derive(Debug)]
pub(in crate::web) struct Listing<T> {
    page: Page<T>,
    is_csv: bool,
    next: Option<String>,
}

impl<T> Listing<T> {
    /// A page in the form that is wanted: the one that the query names goes before what the caller accepts.
    pub(super) fn of(page: Page<T>, format: Option<Format>, asked: &Asked) -> Self {
        let next = page.next.as_deref().map(|next| link(&asked.query, next));
        let is_csv = format.map_or(asked.prefers_csv, |format| format == Format::Csv);
        Self { page, is_csv, next }
    }

    /// All there are of something that has no pages.
    pub(super) fn all(items: Vec<T>, format: Option<Format>, asked: &Asked) -> Self {
        Self::of(Page { items, next: None }, format, asked)
    }
}

/// `<?probe=p&after=CURSOR>; rel="next"`, relative to what was asked.
fn link(query: &str, next: &str) -> String {
    let kept = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key != "after");
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("after", next).finish();
    format!("<?{query}>; rel=\"next\"")
}

impl<T: Row> IntoResponse for Listing<T> {
    fn into_response(self) -> Response {
        let next = self.next.map(|next| [(header::LINK, next)]);
        if !self.is_csv {
            return (next, Json(self.page)).into_response();
        }
        let Ok(text) = csv(&self.page.items) else { return Failure::internal().into_response() };
        let kind = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"serinus-{}.csv\"", T::FILE)),
        ];
        (next, kind, text).into_response()
    }
}

fn csv<T: Row>(rows: &[T]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(T::COLUMNS.iter().map(|column| column.rsplit('.').next().unwrap_or(column)))?;
    for row in rows {
        let row = serde_json::to_value(row).map_err(std::io::Error::from)?;
        writer.write_record(T::COLUMNS.iter().map(|column| cell(column.split('.').fold(&row, |value, key| &value[key]))))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A value as text. What begins like a formula gets an apostrophe, as OWASP has it; a number is one and stays it.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => harmless(text.clone()),
        Value::Array(values) => harmless(values.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(_) => harmless(value.to_string()),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(what: &str, text: &str) -> EventView {
        EventView {
            id: "01A".to_owned(),
            at_ms: -5,
            kind: "annotation",
            probe: None,
            incident: None,
            by: Some("ann, \"the\" one".to_owned()),
            what: what.to_owned(),
            text: text.to_owned(),
        }
    }

    fn text<T: Row>(rows: &[T]) -> String {
        String::from_utf8(csv(rows).unwrap()).unwrap()
    }

    #[test]
    fn a_table_is_quoted_where_that_is_needed_and_its_lines_end_as_the_rfc_says() {
        assert_eq!(
            text(&[event("deploy", "one\ntwo")]),
            "id,at_ms,kind,probe,incident,by,what,text\r\n01A,-5,annotation,,,\"ann, \"\"the\"\" one\",deploy,\"one\ntwo\"\r\n"
        );
        assert_eq!(text::<EventView>(&[]), "id,at_ms,kind,probe,incident,by,what,text\r\n");
    }

    #[test]
    fn what_begins_like_a_formula_is_text_and_a_number_stays_a_number() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            let said = text(&[event(formula, "x")]);
            assert!(said.contains(&format!("'{formula}")), "{said:?}");
            assert!(said.contains(",-5,"), "{said:?}");
        }
        assert!(!text(&[event("a=b", "x")]).contains('\''));
        assert_eq!(cell(&serde_json::json!(["-a", "b"])), "'-a, b");
    }

    #[test]
    fn every_column_is_a_field() {
        fn columns<T: Row>(row: &T) {
            let row = serde_json::to_value(row).unwrap();
            for column in T::COLUMNS {
                let first = column.split('.').next().unwrap();
                assert!(row.get(first).is_some(), "{}: {column}", T::FILE);
            }
        }
        columns(&event("a", "b"));
        columns(&CertificateView::default());
        let incident = IncidentView {
            id: String::new(),
            scope: String::new(),
            probe: None,
            severity: String::new(),
            opened_ms: 0,
            resolved_ms: None,
            details: serde_json::json!({ "title": "-x" }),
        };
        columns(&incident);
        assert!(text(&[incident]).ends_with(",,'-x,\r\n"));
    }

    #[test]
    fn csv_is_what_is_wanted_more_than_json() {
        for (accept, expected) in [
            ("text/csv", true),
            ("Text/CSV;q=0.5, */*;q=0.1", true),
            ("text/*", true),
            ("text/csv, application/json", false),
            ("text/csv;q=0.5, application/json", false),
            ("application/json", false),
            ("*/*", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("text/csv;q=0", false),
            ("text/csv;q=many", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(prefers_csv(&headers), expected, "{accept}");
        }
        assert!(!prefers_csv(&HeaderMap::new()));
    }

    #[test]
    fn the_next_page_is_asked_for_with_the_same_words() {
        assert_eq!(link("probe=a%20b&after=x&limit=2", "c/d\r\n"), "<?probe=a+b&limit=2&after=c%2Fd%0D%0A>; rel=\"next\"");
        let page = Page { items: vec![event("a", "b")], next: Some("c".to_owned()) };
        let asked = Asked { prefers_csv: true, query: "kind=note".to_owned() };
        let answer = Listing::of(page.clone(), None, &asked).into_response();
        assert_eq!(answer.headers()[header::LINK], "<?kind=note&after=c>; rel=\"next\"");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
        assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"serinus-events.csv\"");
        let answer = Listing::of(page, Some(Format::Json), &asked).into_response();
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json");
    }
}
