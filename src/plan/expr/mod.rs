//! The one expression language: MiniJinja's expressions, compiled once at load and judged strictly.
//!
//! [`Expression`] yields a value, [`Condition`] yields a strict bool with both sides kept for the report, [`Template`] is text
//! with `{{ … }}` in it. Nothing here does I/O; the same source is compiled once for all probes.
//!
//! Grammar, precedences and values are MiniJinja's, and a test holds results against it. Parser and evaluator are our own,
//! because a judge must be strict *inside* brackets and filter arguments, too, must name the part that was undefined, and must
//! know before it allocates: MiniJinja repeats texts and lists up to 100 million times in one instruction, finds unknown
//! filters only when they run, and orders null before numbers. What differs from it:
//!
//! - truth values are bools only: `and`, `or`, `not` and `if` take nothing else;
//! - `<` and its kin take two finite numbers or two strings; `==` is false between different kinds, `true` is not 1, and
//!   numbers compare exactly; comparisons are not chained;
//! - null beside `==` or `!=`, or left of `in`, is an error unless the other side (of `in`, that side) is the literal `none`;
//!   the tests (`is eq`, `selectattr(…, 'equalto', …)`) and null inside lists and maps compare as values do;
//! - undefined is an error but directly before `is defined`, `is undefined` and `default`; a missing parent always is, and so
//!   is a name of what is no map (`json.error is undefined` where `json` is null, a list or a string);
//! - inside text, values have their JSON spelling (`true`, not `True`), and null, lists and maps none at all;
//! - a choice needs its `else`; values have no methods; `(a, b)` is a list; a backslash in a string stands for itself unless
//!   it is an escape of JSON; whole numbers have up to 38 digits;
//! - filters, tests and functions are an allow-list ([`known_filters`], [`known_tests`], [`known_functions`]), looked up while
//!   parsing, with `at`, `difference`, `intersect`, `subset`, `superset`, `regex`, `matching`, `to_unix`, `from_json`, `b64encode`, `b64decode`, `random_int`, `random_hex`,
//!   `uuid`, `csv` and what `signed` and `markup` have added, and a `urlencode` that encodes `/` as well.
//!
//! One more filter, test or function is a row in the table of `filters`, `predicates` or `functions`, and a word in
//! `probes/README.md`, which a test asks for.

mod arguments;
mod budget;
mod compare;
mod condition;
mod constant;
mod container;
mod derived;
mod eval;
mod expression;
mod filters;
mod fuel;
mod functions;
mod given;
mod hints;
mod json_text;
mod lexer;
mod markup;
mod meter;
mod number;
mod parser;
mod predicates;
mod program;
mod rule;
mod sets;
mod signed;
mod syntax;
mod template;
mod value;

pub use condition::{Condition, Judgement, Side};
pub use container::list;
pub use derived::{DERIVED_VALUES, DerivedValues, derived_values};
pub use expression::{EvalError, Expression, Lead, ParseError};
pub use fuel::{spend_bytes, within};
pub use given::Given;
pub use json_text::{JsonText, json_start, json_text};
pub use markup::{NoDocument, html_document, xml_document};
pub use program::Use;
pub use sets::{ListDifference, ListSide, OutOfOrder};
pub use template::{Destination, Template};
pub use value::{from_json, to_json, to_json_within};

/// Names of all filters, sorted.
pub fn known_filters() -> Vec<&'static str> {
    sorted(filters::known())
}

/// Names of all tests (what follows `is`), sorted.
pub fn known_tests() -> Vec<&'static str> {
    sorted(predicates::known())
}

/// Names of all functions, sorted.
pub fn known_functions() -> Vec<&'static str> {
    sorted(functions::FUNCTIONS.iter().map(|function| function.name))
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
pub(crate) mod testing {
    //! Shorthands for the tests of this module.

    use minijinja::Value;

    use super::{Condition, Expression, Judgement, ParseError};
    use crate::source::{Location, SourceFile};

    pub(crate) fn here() -> Location {
        SourceFile::new("probe.toml", "").location(0)
    }

    /// A scope of the names in a JSON object.
    pub(crate) fn scope(json: &str) -> Value {
        super::from_json(&serde_json::from_str(json).unwrap())
    }

    pub(crate) fn eval(source: &str, json: &str) -> Result<Value, String> {
        Expression::parse(source, here()).unwrap().eval(&scope(json)).map_err(|error| error.message)
    }

    /// An expression's value in JSON, or why there is none.
    pub(crate) fn eval_json(source: &str, json: &str) -> String {
        match eval(source, json).and_then(|value| super::to_json(&value)) {
            Ok(json) => json.to_string(),
            Err(why) => format!("ERROR {why}"),
        }
    }

    pub(crate) fn judge(source: &str, json: &str) -> Judgement {
        Condition::parse(source, here()).unwrap().judge(&scope(json))
    }

    pub(crate) fn parse_error(source: &str) -> ParseError {
        Expression::parse(source, here()).expect_err(source)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use minijinja::{Environment, UndefinedBehavior, Value};
    use proptest::prelude::*;

    use super::testing::{eval, eval_json, parse_error, scope};

    const SCOPE: &str = r#"{
        "status": 200, "name": "Ada", "latency": 0.25, "none_yet": null, "ok": true, "zero": 0,
        "items": [{"id": "a", "n": 3, "tags": ["x"]}, {"id": "b", "n": 1, "tags": []}, {"id": "c", "n": 2, "tags": ["x", "y"]}],
        "words": ["b", "a", "c", "a"], "numbers": [3, 1.5, 2, 1], "map": {"k": 1, "l": {"m": "deep"}}, "text": "one two  three"
    }"#;

    fn minijinja(source: &str) -> Value {
        static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
            let mut environment = Environment::new();
            environment.set_undefined_behavior(UndefinedBehavior::Strict);
            environment
        });
        ENVIRONMENT.compile_expression(source).unwrap().eval(scope(SCOPE)).unwrap_or_else(|error| panic!("{source}: {error:?}"))
    }

    #[test]
    fn what_minijinja_evaluates_has_the_same_value_here() {
        for source in [
            "1 + 2 * 3 - 4",
            "7 // 2 ~ '-' ~ 7 % 3",
            "-7 // 2",
            "-7 % 3",
            "7.5 // 2",
            "-7.5 % 2",
            "2 ** 3 ** 2",
            "-2 ** 2",
            "1 / 4",
            "10 - 3 - 2",
            "1 ~ 2 + '3'",
            "'a' ~ 1 ~ 1.5",
            "'ab' * 3",
            "[1, 2] * 2",
            "[1] + [2, 3]",
            "name ~ ' ' ~ status",
            "items[0].id",
            "items[-1]['id']",
            "items.1.tags",
            "words[1:3]",
            "words[::2]",
            "words[-2:]",
            "name[1:]",
            "name[0]",
            "{'a': status, 'b': [1]}['b'][0]",
            "not ok or status == 200",
            "not ok and missing",
            "ok or missing",
            "status in [200, 204] and 'd' in name",
            "'k' in map and 'z' not in map",
            "none_yet == none and status != none and none in [none_yet] and none not in words",
            "[none_yet] == [none] and none_yet is eq(none) and none_yet is ne(1)",
            "'yes' if status == 200 else 'no'",
            "'a' if not ok else 'b' if zero == 1 else 'c'",
            "status is divisibleby 100",
            "status is divisibleby(3)",
            "name is string and status is number and none_yet is none",
            "items is sequence and map is mapping and latency is float",
            "missing is defined",
            "missing is not defined",
            "map.z is undefined",
            "missing | default('x')",
            "map.z | default(1) + 1",
            "none_yet | default('x', true)",
            "words | unique | sort | join(', ')",
            "words | sort(reverse=true) | first",
            "items | map(attribute='id') | list",
            "items | map(attribute='n') | sum",
            "items | sum(attribute='n')",
            "items | sort(attribute='n') | map(attribute='id') | join",
            "items | selectattr('n', 'gt', 1) | map(attribute='id') | list",
            "items | rejectattr('id', 'eq', 'a') | list | length",
            "items | map(attribute='tags') | map('length') | list",
            "words | map('upper') | list",
            "numbers | min",
            "numbers | max",
            "numbers | select('gt', 1.75) | list",
            "numbers | reject('eq', 1) | list",
            "words | reverse | list",
            "words | last",
            "map | items | list",
            "map | list",
            "map | length",
            "text | split | length",
            "text | split(' ') | length",
            "text | title",
            "'hELLO wORLD' | capitalize",
            "'  x ' | trim",
            "'xxaxx' | trim('x')",
            "'a-b-c' | replace('-', '+')",
            "'a\nb' | lines",
            "'42' | int + 1",
            "3.9 | int",
            "'1.5' | float",
            "2.345 | round(2)",
            "2.5 | round",
            "-3 | abs",
            "12 | string ~ '!'",
            "range(3) | list",
            "range(1, 10, 4) | list",
            "'ab' | list",
            "'Ada' | lower | length",
            "'abc' is startingwith 'ab'",
            "'abc' is endingwith('bc')",
            "3 is odd and 4 is even",
            "0x1F + 1_000",
            "1e3 + 1.5e-1",
            "'\\u00e9\\n' ~ \"it's\"",
            "((status))",
            "- (status + 1)",
        ] {
            let theirs = super::to_json(&minijinja(source)).unwrap();
            let ours = super::to_json(&eval(source, SCOPE).unwrap()).unwrap();
            assert_eq!(ours, theirs, "{source}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_is_found_while_parsing_with_the_nearest_one() {
        for (source, nearest, at) in [
            ("json.x | lenght", "`length`", 9..15),
            ("json.x is defind", "`defined`", 10..16),
            ("x | map('uper')", "`upper`", 8..14),
            ("x | select('matchin', 'a')", "`matching`", 11..20),
            ("rnge(3)", "`range`", 0..4),
            ("x | sort(revers=true)", "`reverse`", 9..15),
        ] {
            let error = parse_error(source);
            assert!(error.message.contains(nearest), "{source}: {}", error.message);
            assert_eq!(error.span, at, "{source}");
        }
    }

    #[test]
    fn spellings_of_other_languages_are_refused_with_the_right_one() {
        for (source, advice) in [
            ("status = 200", "`==`"),
            ("status === 200", "`==`"),
            ("a && b", "`and`"),
            ("a || b", "`or`"),
            ("!a", "`not`"),
            ("a !== b", "`!=`"),
            ("a == null", "`none`"),
            ("a < b < c", "and"),
            ("a == “x”", "straight quotes"),
            ("a == “x”", "`“`"),
            ("name.lower()", "filters"),
            ("{{ status }} == 201", "this is already an expression: write it without `{{ }}`"),
            ("{{ json.id }}", "this is already an expression: write it without `{{ }}`"),
            ("ok and {{json.id}} == 1", "without `{{ }}`"),
            ("{% if ok %}", "only `{{ }}` is syntax"),
            ("len(words) == 2", "`value | length`"),
            ("words | size", "`| length`"),
            ("words | len == 1", "`| length`"),
            ("now() > 1", "`run.started`"),
            ("name contains 'o'", "`'o' in name`"),
            ("ok and (json.name | lower contains 'o')", "`'o' in json.name | lower`"),
            ("name startswith 'o'", "`name is startingwith 'o'`"),
            ("name endswith 'o'", "`name is endingwith 'o'`"),
            ("name matches '^o'", "`name is matching '^o'`"),
            ("name contains", "`… in name`"),
            ("name.startswith('o')", "is startingwith"),
            ("name.contains('o')", "`… in name`"),
            ("name =~ '^o'", "`is matching`"),
            ("$.state == 'a'", "`json.state`"),
            ("$[0].id == 'a'", "`json[0].id`"),
            ("$state", "without `$`"),
            ("[STATUS] == 201", "`status`"),
            ("[BODY].id == 201", "`json`"),
            ("length(x)", "| length"),
            ("latency < 5s", "seconds"),
            ("'x", "not closed"),
            ("a if b", "else"),
            ("", "missing"),
            ("a b", "operator"),
            ("(a", "`)`"),
            ("a[", "value"),
            ("x | regex('(')", "regular expression"),
            ("x | regex(y)", "written out"),
            ("x | default", "needs `value`"),
            ("x | lower(1)", "no arguments"),
        ] {
            let error = parse_error(source);
            assert!(error.message.contains(advice), "{source}: {}", error.message);
            assert!(error.span.start <= error.span.end && error.span.end <= source.len(), "{source}: {:?}", error.span);
        }
    }

    #[test]
    fn deep_and_long_sources_are_parse_errors_and_exhaust_no_stack() {
        let deep = |open: &str, close: &str| open.repeat(10_000) + "1" + &close.repeat(10_000);
        for source in [deep("(", ")"), deep("[", "]"), deep("-", ""), deep("not ", ""), deep("{'a': ", "}"), deep("x[", "]")] {
            assert!(parse_error(&source).message.contains("more than"), "{}", &source[..10]);
        }
        let chain = vec!["a"; 5_000];
        for operator in [" + ", " or ", " | lower | ", ".", " if a else "] {
            assert!(parse_error(&chain.join(operator)).message.contains("more than"), "{operator}");
        }
    }

    #[test]
    fn filters_for_web_answers_work_as_documented() {
        for (source, expected) in [
            ("text | regex('t(\\w+)')", "\"wo\""),
            ("text | regex('t\\w+')", "\"two\""),
            ("text | regex('x+') | default('none')", "\"none\""),
            ("text is matching '^one'", "true"),
            ("words | select('matching', '[ab]') | length", "3"),
            ("'a/b c?ü' | urlencode", "\"a%2Fb%20c%3F%C3%BC\""),
            ("'a%2fb%20c+%C3%BC' | urldecode", "\"a/b c+ü\""),
            ("'Tom & <Jerry> \"x\"' | xml_escape", "\"Tom &amp; &lt;Jerry&gt; &quot;x&quot;\""),
            ("'käse' | b64encode", "\"a8Okc2U=\""),
            ("'a8Okc2U' | b64decode", "\"käse\""),
            ("'eyJpZCI6MX0' | b64decode | from_json", "{\"id\":1}"),
            ("map | tojson", "\"{\\\"k\\\":1,\\\"l\\\":{\\\"m\\\":\\\"deep\\\"}}\""),
            ("'2024-03-18T10:44:00.5Z' | to_unix", "1710758640.5"),
            ("'2024-03-18T11:44:00+01:00' | to_unix", "1710758640.0"),
            ("map | keys", "[\"k\",\"l\"]"),
            ("map | values | first", "1"),
            ("random_int(5, 5)", "5"),
            ("random_hex(8) is matching '^[0-9a-f]{8}$'", "true"),
            ("uuid() is matching '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'", "true"),
            ("[1, 1.0, true, '1'] | unique", "[1,true,\"1\"]"),
            ("'true' | bool", "true"),
            ("items | map(attribute='tags.0', default='-')", "[\"x\",\"-\",\"x\"]"),
        ] {
            assert_eq!(eval_json(source, SCOPE), expected, "{source}");
        }
    }

    #[test]
    fn a_filter_says_what_it_was_given_where_it_cannot_work() {
        for (source, why) in [
            ("'x' | int", "the string \"x\" is no whole number"),
            ("none_yet | length", "null has no length"),
            ("[1, 'a'] | sort", "no order"),
            ("[1, none] | max", "no order"),
            ("[] | first", "is undefined"),
            ("words | sum", "cannot be added up"),
            ("items | map(attribute='x')", "undefined"),
            ("'!' | b64decode", "not base64"),
            ("'{' | from_json", "not JSON"),
            ("'soon' | to_unix", "RFC 3339"),
            ("status | lower", "not a string"),
            ("map.l.x.y", "`map.l.x` is undefined"),
            ("map.l.n", "has no `n`"),
            ("map.kk", "but `k`"),
            ("none_yet.id", "`none_yet` is null and has no `id`"),
            ("[1][5]", "is undefined"),
            ("1 / 0", "no finite result"),
            ("10.0 ** 400", "no finite result"),
            ("true + 1", "not defined for"),
            ("name ~ map", "no place inside text"),
            ("1 if name else 2", "neither true nor false"),
        ] {
            assert!(eval_json(source, SCOPE).contains(why), "{source}: {}", eval_json(source, SCOPE));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn arithmetic_agrees_with_minijinja(source in arithmetic()) {
            let theirs = minijinja_or_none(&source);
            let ours = eval(&source, SCOPE).ok().and_then(|value| super::to_json(&value).ok());
            prop_assert_eq!(ours, theirs, "{}", source);
        }

        #[test]
        fn parsing_never_panics_and_points_into_the_text(source in "[a-z0-9'\"(){}\\[\\]|.,:<>=!&~+*/% \\\\-]{0,40}|\\PC{0,20}") {
            if let Err(error) = super::Expression::parse(&source, super::testing::here()) {
                prop_assert!(source.get(error.span.clone()).is_some(), "{:?} in {:?}", error.span, source);
            }
        }

        #[test]
        fn templates_never_panic_and_point_into_the_text(source in "(\\{\\{|\\}\\}|\\{%|[a-z'\"{}ü |]){0,12}") {
            if let Err(error) = super::Template::parse(&source, super::testing::here()) {
                prop_assert!(source.get(error.span.clone()).is_some(), "{:?} in {:?}", error.span, source);
            }
        }
    }

    fn minijinja_or_none(source: &str) -> Option<serde_json::Value> {
        let value = Environment::new().compile_expression(source).unwrap().eval(()).ok()?;
        super::to_json(&value).ok()
    }

    fn arithmetic() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![(0_i64..50).prop_map(|n| n.to_string()), (1_u32..40).prop_map(|n| format!("{n}.5"))];
        leaf.prop_recursive(4, 24, 3, |inner| {
            let operator = prop::sample::select(vec!["+", "-", "*", "/", "//", "%"]);
            prop_oneof![
                (inner.clone(), operator, inner.clone()).prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
                inner.clone().prop_map(|inner| format!("({inner})")),
                inner.prop_map(|inner| format!("-({inner})")),
            ]
        })
    }
}
