//! What conditions hold, what they refuse, and what they report.

use proptest::prelude::*;

use super::super::testing::{here, judge, scope};
use super::super::value::describe;
use super::*;

const ANSWER: &str = r#"{"status": 200, "json": {"status": "pending", "n": 5, "none": null, "text": "abc", "ok": true, "tracks": [1, 2],
    "big": 12345678901234567890, "bigger": 12345678901234567891, "map": {"a": [1, {"b": 2.0}]}, "zero": "007"}, "cell": {"tracks": 3}}"#;

fn shown(judgement: &Judgement) -> Vec<String> {
    judgement
        .sides
        .iter()
        .map(|side| format!("{} = {}", side.source, side.value.as_ref().map_or("?".into(), ToString::to_string)))
        .collect()
}

#[track_caller]
fn holds(source: &str) {
    assert_eq!(judge(source, ANSWER).held, Ok(true), "{source}");
}

#[track_caller]
fn holds_not(source: &str) {
    assert_eq!(judge(source, ANSWER).held, Ok(false), "{source}");
}

#[track_caller]
fn cannot_be_evaluated(source: &str) -> String {
    judge(source, ANSWER).held.expect_err(source)
}

#[test]
fn a_comparison_reports_both_sides_with_the_values_seen() {
    let judgement = judge("json.status == 'activated'", ANSWER);
    assert_eq!(judgement.held, Ok(false));
    assert_eq!(shown(&judgement), ["json.status = pending"]);
    let judgement = judge("json.tracks | length == cell.tracks", ANSWER);
    assert_eq!(judgement.held, Ok(false));
    assert_eq!(shown(&judgement), ["json.tracks | length = 2", "cell.tracks = 3"]);
}

#[test]
fn only_what_decided_is_reported() {
    assert_eq!(shown(&judge("status == 200 and json.n == 6", ANSWER)), ["json.n = 5"]);
    assert_eq!(shown(&judge("status == 201 and json.n == 6", ANSWER)), ["status = 200"]);
    assert_eq!(shown(&judge("status == 201 or json.n == 6", ANSWER)), ["status = 200", "json.n = 5"]);
    assert_eq!(shown(&judge("status == 201 or json.n == 5", ANSWER)), ["json.n = 5"]);
    assert_eq!(shown(&judge("not (json.text is matching '^a')", ANSWER)), ["json.text = abc"]);
}

#[test]
fn only_a_bool_is_an_answer() {
    for source in ["status", "json.text", "json.none", "json.tracks", "json.tracks | length", "not status", "json.ok and status"]
    {
        assert!(cannot_be_evaluated(source).contains("neither true nor false"), "{source}");
    }
    holds("json.ok");
    holds("json.ok == true");
}

#[test]
fn a_bare_literal_beside_or_is_never_an_answer() {
    for answer in [ANSWER, r#"{"status": 500}"#] {
        assert!(judge("status == 200 or 204", answer).held.unwrap_err().contains("`status in [200, 204]`"));
    }
    let hints = Condition::parse("status == 200 or 204", here()).unwrap().hints();
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].0, 17..20);
    let of = |source| Condition::parse(source, here()).unwrap().hints().len();
    assert_eq!(of("status == 200 and 'x'"), 1);
    assert_eq!(of("1 == 1"), 1);
    assert_eq!(of("status == 200 or status == 204"), 0);
}

#[test]
fn order_is_of_two_finite_numbers_or_two_strings() {
    for source in [
        "json.none < 5",
        "5 > json.none",
        "json.text > 5",
        "json.ok < 2",
        "json.tracks < [3]",
        "json.map > 1",
        "'5' >= 5",
        "nan > -3",
        "nan < 1",
        "inf > 1",
    ] {
        let scope = Value::from_pairs([
            ("nan", Value::from(f64::NAN)),
            ("inf", Value::from(f64::INFINITY)),
            ("json", scope(ANSWER).get_attr("json").unwrap()),
        ]);
        let held = Condition::parse(source, here()).unwrap().judge(&scope).held;
        assert!(held.clone().is_err_and(|why| why.contains("no order")), "{source}: {held:?}");
    }
    holds("json.n < 5.5 and json.n >= 5.0 and 'abc' < 'abd' and -1 < 0");
}

#[test]
fn values_of_different_kinds_are_different() {
    holds_not("json.n == '5'");
    holds("json.n != '5'");
    holds_not("json.ok == 1");
    holds("json.none == none");
    holds_not("json.zero == 7");
    holds("json.zero == '007'");
    holds("json.n == 5.0");
    holds("json.map == {'a': [1, {'b': 2}]}");
    holds_not("json.map == {'a': [true, {'b': 2}]}");
    holds_not("json.tracks == [1, 2, 3]");
}

#[test]
fn null_equals_nothing_by_chance() {
    for source in [
        "json.none == json.none",
        "json.none == json.n",
        "json.n == json.none",
        "json.none != 'failed'",
        "'failed' != json.none",
        "json.none == 0",
        "json.none == false",
        "not (json.none == false)",
        "json.none == [none]",
        "[json.none == 1] == [false]",
        "('a' if json.none != 1 else 'b') == 'a'",
    ] {
        let why = cannot_be_evaluated(source);
        assert_eq!(why, "`json.none` is null; compare with `none` if null is meant", "{source}");
    }
    for source in ["json.none in [1]", "json.none not in [1, none]", "json.none in json.tracks", "json.none not in 'abc'"] {
        let why = cannot_be_evaluated(source);
        assert_eq!(why, "`json.none` is null; `json.none is none` asks for null", "{source}");
    }
    holds("json.none == none and none == json.none and json.none == None and none == none");
    holds("json.n != none and none != json.n and none not in json.tracks and none in [1, json.none]");
    holds_not("json.none != none");
    holds("[json.none] == [none] and [json.none] != [1] and {'a': json.none} == {'a': none}");
    holds("json.none is eq none and json.none is ne 1 and json.none is none");
    holds("[{'n': json.none}] | selectattr('n', 'equalto', 1) | length == 0");
}

#[test]
fn only_a_map_has_names() {
    for body in ["null", "[]", "\"x\"", "5", "true"] {
        let scope = format!("{{\"json\": {body}}}");
        for source in [
            "json.error is undefined",
            "json.error is not defined",
            "json.error is defined",
            "json['error'] is undefined",
            "json.error | default(none) is none",
            "json.error == 1",
        ] {
            let held = judge(source, &scope).held;
            let what = describe(&super::super::testing::scope(&scope).get_attr("json").unwrap());
            assert!(held.clone().is_err_and(|why| why.contains(&what)), "{source} of {body}: {held:?}");
        }
    }
    assert_eq!(judge("json.error is undefined", r#"{"json": null}"#).held.unwrap_err(), "`json` is null and has no `error`");
    assert!(judge("json[0] is undefined", r#"{"json": null}"#).held.is_err());
    assert_eq!(judge("json.error is undefined and json['error'] is undefined", r#"{"json": {}}"#).held, Ok(true));
    assert_eq!(judge("json[0] is undefined and json | length == 0", r#"{"json": []}"#).held, Ok(true));
}

#[test]
fn what_is_not_there_is_told_from_what_makes_no_sense() {
    let lacks = |source: &str| Condition::parse(source, here()).unwrap().lacks_a_value(&scope(ANSWER));
    for source in [
        "json.id == 1",
        "json.map.x.y == 1",
        "json.tracks[7] == 1",
        "json.map.a[1].c > 2",
        "[] | first == 1",
        "[] | max > 2",
        "[json.map] | map(attribute='x') | list == [1]",
        "[json.map] | sum(attribute='x') == 1",
        "'a' in [json.map] | join(', ', attribute='x')",
        "[json.map] | sort(attribute='x') | first == json.map",
        "json | at('map', 'a', 7) == 1",
        "status == 200 and json.id > 5",
    ] {
        assert!(lacks(source), "{source}");
    }
    for source in [
        "json.n == 5",
        "json.n == 6",
        "json | at('n', 'x', or=1) == 1",
        "[json.n] | sum(attribute=5) == 1",
        "json.none < 5",
        "json.text > 5",
        "nothing == 1",
        "status",
        "json.id == 1 or 204",
    ] {
        assert!(!lacks(source), "{source}");
    }
}

#[test]
fn large_whole_numbers_compare_exactly() {
    holds("json.big == 12345678901234567890");
    holds("json.big < json.bigger");
    holds_not("json.big == json.bigger");
    holds_not("json.bigger == 12345678901234567890.0");
    holds("9007199254740993 > 9007199254740992.0");
    holds("9007199254740993 != 9007199254740992.0");
    holds("170141183460469231731687303715884105727 < 1e39 and -1e39 < -170141183460469231731687303715884105727");
}

#[test]
fn undefined_is_an_error_and_no_value() {
    for source in [
        "json.x",
        "missing",
        "json.x == 1",
        "json.x != 1",
        "json.x == missing",
        "json.x in [1]",
        "not json.x",
        "json.x.y is defined",
    ] {
        assert!(cannot_be_evaluated(source).contains("is undefined"), "{source}");
    }
    holds("json.x is undefined and json.x is not defined and json.n is defined");
    holds("json.x | default(5) == 5");
    holds("missing | default(none) is none");
}

#[test]
fn what_is_decided_early_looks_no_further() {
    holds_not("false and missing");
    holds("true or missing");
    holds("status == 200 or missing == 1");
    cannot_be_evaluated("missing and false");
    cannot_be_evaluated("missing or true");
    cannot_be_evaluated("true and missing");
}

#[test]
fn only_strings_lists_and_maps_contain() {
    holds("'b' in json.text and 2 in json.tracks and 'a' in json.map and 'z' not in json.map");
    holds_not("'2' in json.tracks");
    holds_not("true in json.tracks");
    holds("status in (200, 204)");
    for source in ["1 in json.n", "1 in json.none", "1 in json.text", "1 not in json.ok", "1 in json.map"] {
        cannot_be_evaluated(source);
    }
}

#[test]
fn comparisons_inside_brackets_and_filters_are_as_strict() {
    cannot_be_evaluated("(json.none < 5) == true");
    cannot_be_evaluated("[json.none < 5] == [true]");
    cannot_be_evaluated("'a' == ('a' if json.none < 5 else 'b')");
    cannot_be_evaluated("[none] | select('lt', 5) | length == 1");
    cannot_be_evaluated("[{'n': none}] | selectattr('n', 'lt', 5) | length == 1");
    holds_not("[true] | select('eq', 1) | length == 1");
}

#[test]
fn precedence_is_or_and_not_comparison() {
    holds("true or false and false");
    holds("not false and true");
    holds("not json.n == 6");
    holds_not("not (false or true)");
    holds("1 + 1 == 2 and 'a' ~ 'b' == 'ab'");
    holds("json.ok if status == 200 else missing");
}

#[test]
fn a_condition_that_holds_costs_no_report() {
    let condition = Condition::parse("status == 200", here()).unwrap();
    assert_eq!(condition.judge_failing(&scope(ANSWER)), None);
    assert!(condition.judge_failing(&scope(r#"{"status": 500}"#)).is_some());
}

#[derive(Debug, Clone)]
enum Logic {
    Known(bool),
    Undefined,
    Not(Box<Logic>),
    And(Box<Logic>, Box<Logic>),
    Or(Box<Logic>, Box<Logic>),
}

impl Logic {
    fn source(&self) -> String {
        match self {
            Self::Known(true) => "yes".into(),
            Self::Known(false) => "no".into(),
            Self::Undefined => "missing".into(),
            Self::Not(inner) => format!("not {}", inner.source()),
            Self::And(left, right) => format!("({} and {})", left.source(), right.source()),
            Self::Or(left, right) => format!("({} or {})", left.source(), right.source()),
        }
    }

    fn reference(&self) -> Option<bool> {
        match self {
            Self::Known(truth) => Some(*truth),
            Self::Undefined => None,
            Self::Not(inner) => inner.reference().map(|truth| !truth),
            Self::And(left, right) => {
                if left.reference()? {
                    right.reference()
                } else {
                    Some(false)
                }
            }
            Self::Or(left, right) => {
                if left.reference()? {
                    Some(true)
                } else {
                    right.reference()
                }
            }
        }
    }
}

fn logic() -> impl Strategy<Value = Logic> {
    let leaf = prop_oneof![4 => any::<bool>().prop_map(Logic::Known), 1 => Just(Logic::Undefined)];
    leaf.prop_recursive(5, 32, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Logic::Not(Box::new(inner))),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Logic::And(Box::new(left), Box::new(right))),
            (inner.clone(), inner).prop_map(|(left, right)| Logic::Or(Box::new(left), Box::new(right))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn logic_is_that_of_the_reference(logic in logic()) {
        let held = judge(&logic.source(), r#"{"yes": true, "no": false}"#).held;
        prop_assert_eq!(held.ok(), logic.reference(), "{}", logic.source());
    }

    #[test]
    fn there_is_no_order_across_kinds(
        left in 0_usize..6, right in 0_usize..6, operator in prop::sample::select(vec!["<", "<=", ">", ">="]),
    ) {
        const VALUES: [&str; 6] = ["1", "'1'", "none", "true", "[1]", "{'a': 1}"];
        let held = judge(&format!("{} {operator} {}", VALUES[left], VALUES[right]), "{}").held;
        let comparable = left == right && left < 2;
        prop_assert_eq!(held.is_ok(), comparable);
    }
}
