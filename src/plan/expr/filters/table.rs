//! `csv`: rows of text (RFC 4180).

use indexmap::IndexMap;
use minijinja::Value;

use super::super::arguments::{Arguments, text_in};
use super::super::budget::Budget;
use super::super::container::{list, map};
use super::super::rule::{Rule, Rules};

pub(super) const CSV_RULES: Rules = &[("delimiter", Rule::Character)];

/// A list of maps by the names in the first row, or, without a header, of lists.
pub(super) fn csv(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let has_header = arguments.value(0).is_none() || arguments.flag(0)?;
    let delimiter = match arguments.value(1) {
        None => b',',
        Some(value) => match Rule::Character.breach("delimiter", value) {
            None => value.as_str().and_then(|text| text.bytes().next()).unwrap_or(b','),
            Some(why) => return Err(why),
        },
    };
    well_quoted(text, delimiter)?;
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let mut records = reader.records();
    let mut columns = None;
    if has_header {
        let first = records.next().ok_or("it is empty, without even a row of names")?.map_err(|error| error.to_string())?;
        columns = Some(names(&first)?);
    }
    let mut width = columns.as_ref().map(Vec::len);
    let mut rows = Vec::new();
    for (number, record) in (usize::from(has_header) + 1..).zip(records) {
        let record = record.map_err(|error| error.to_string())?;
        budget.items(4 + record.len() * 2)?;
        let wanted = *width.get_or_insert(record.len());
        if record.len() != wanted {
            return Err(format!("row {number} has {} fields, and the first row {wanted}", record.len()));
        }
        let fields = record.iter().map(Value::from);
        rows.push(match &columns {
            Some(columns) => map(columns.iter().cloned().zip(fields))?,
            None => list(fields.collect())?,
        });
    }
    list(rows)
}

/// Refuses quotes that RFC 4180 does not know. A reader that guesses would take the rows behind a quote that is never closed for one field.
fn well_quoted(text: &str, delimiter: u8) -> Result<(), String> {
    #[derive(PartialEq)]
    enum At {
        Begin,
        Bare,
        Quoted,
        Closed,
    }
    let (mut at, mut line) = (At::Begin, 1);
    for byte in text.bytes() {
        line += usize::from(byte == b'\n');
        at = match (at, byte) {
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) | (At::Begin | At::Closed, b'"') => At::Quoted,
            (_, b'\n' | b'\r') => At::Begin,
            (_, other) if other == delimiter => At::Begin,
            (At::Begin | At::Bare, other) if other != b'"' => At::Bare,
            _ => return Err(format!("a quote in line {line} is neither at the begin nor at the end of a field")),
        };
    }
    if at == At::Quoted { Err("a quote is never closed, so that the rows behind it are lost".into()) } else { Ok(()) }
}

fn names(record: &csv::StringRecord) -> Result<Vec<Value>, String> {
    let mut seen = IndexMap::new();
    for (at, name) in record.iter().enumerate() {
        if let Some(other) = seen.insert(name, at) {
            return Err(format!("the columns {} and {} are both called {name:?}; `header=false` gives lists", other + 1, at + 1));
        }
    }
    Ok(record.iter().map(Value::from).collect())
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{eval_json, parse_error};

    fn is(source: &str, text: &str, expected: &str) {
        assert_eq!(eval_json(source, &serde_json::json!({ "body": text }).to_string()), expected, "{source}");
    }

    #[test]
    fn quotes_that_no_reader_can_be_sure_of_are_refused() {
        for (text, why) in [
            ("id,state\n1,ok\n2,\"ok\n3,FAILED\n", "a quote is never closed"),
            ("id,state\n1,\"o\"k\n", "a quote in line 2 is neither"),
            ("id,state\n1,o\"k\n", "a quote in line 2 is neither"),
        ] {
            let told = eval_json("body | csv", &serde_json::json!({ "body": text }).to_string());
            assert!(told.contains(why), "{told}");
        }
        is("body | csv(header=false)", "\"a\",\"b\"\"c\",\"\"\r\n", r#"[["a","b\"c",""]]"#);
    }

    #[test]
    fn rows_are_maps_by_the_names_in_the_first() {
        is(
            "body | csv",
            "id,name\r\n1,Ada\r\n2,\"Lovelace, \"\"A\"\"\nline\"\r\n",
            r#"[{"id":"1","name":"Ada"},{"id":"2","name":"Lovelace, \"A\"\nline"}]"#,
        );
        is(
            "body | csv | map(attribute='name') | first",
            "\u{feff}name;n\nAdä;1\n",
            "ERROR `body | csv | map(attribute='name')`: it is undefined for a map",
        );
        is("body | csv(delimiter=';') | map(attribute='name') | first", "\u{feff}name;n\nAdä;1\n", "\"Adä\"");
        is("body | csv(delimiter='\\t') | length", "a\tb\n1\t2\n3\t4", "2");
        is("body | csv", "id,name\n", "[]");
    }

    #[test]
    fn without_a_header_rows_are_lists() {
        is("body | csv(header=false)", "1,2\n3,\n", r#"[["1","2"],["3",""]]"#);
        is("body | csv(false, '|')", "1|2", r#"[["1","2"]]"#);
        is("body | csv(header=false)", "", "[]");
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        is("body | csv", "a,b\n1,2\n1\n", "ERROR `body | csv`: row 3 has 1 fields, and the first row 2");
        is("body | csv", "", "ERROR `body | csv`: it is empty, without even a row of names");
        is(
            "body | csv",
            "a,b,a\n1,2,3\n",
            "ERROR `body | csv`: the columns 1 and 3 are both called \"a\"; `header=false` gives lists",
        );
        is("5 | csv", "", "ERROR `5 | csv`: the number 5 is not a string");
        is(
            "body | csv(delimiter='x' ~ 'y')",
            "",
            "ERROR `body | csv(delimiter='x' ~ 'y')`: `delimiter` is one ASCII character, not the string \"xy\"",
        );
        let error = parse_error("body | csv(delimiter=', ')");
        assert!(error.message.contains("one ASCII character"), "{}", error.message);
        assert_eq!(error.span, 21..25);
        assert!(parse_error("body | csv(headers=false)").message.contains("the nearest is `header`"));
        let large = "1,2\n".repeat(100_000);
        assert!(
            eval_json("body | csv(header=false) | length", &serde_json::json!({ "body": large }).to_string())
                .contains("costs more")
        );
    }
}
