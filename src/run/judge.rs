//! The strict judge: expectations, contracts and guards against what a step saw.
//!
//! Owns how a judgement becomes a report; how a value is shown there is in `shown`. It must not decide what a failure does to a run. An expectation that cannot be evaluated has failed; every
//! expectation is evaluated, whether an earlier one held or not.

use minijinja::Value;

use crate::outcome::{Cause, ExpectationReport, Held, Reason, Redactor, SeenValue};
use crate::plan::expr::Judgement;
use crate::plan::{Condition, Contract, Guard};

use super::shown::{shown_as, shown_text};
use super::{Detail, list_side};

/// Violations of a contract that are listed.
const VIOLATIONS: usize = 5;

/// What the source of a contract's report begins with. No expression can, as `contract` is a reserved name.
const CONTRACT: &str = "contract ";

/// Judges every expectation, held or not. With [`Detail::Failures`] those that hold keep no values and cost next to nothing.
pub fn judge(expectations: &[Condition], scope: &Value, redactor: &Redactor, detail: Detail) -> Vec<ExpectationReport> {
    expectations.iter().map(|expectation| judge_one(expectation, scope, redactor, detail)).collect()
}

fn judge_one(condition: &Condition, scope: &Value, redactor: &Redactor, detail: Detail) -> ExpectationReport {
    let judgement = match detail {
        Detail::Failures => condition.judge_failing(scope),
        Detail::Everything => Some(condition.judge(scope)),
    };
    let Judgement { held, sides } = judgement.unwrap_or(Judgement { held: Ok(true), sides: Vec::new() });
    let held = match held {
        Ok(true) => Held::Yes,
        Ok(false) => Held::No,
        Err(why) => Held::NotEvaluable(shown_text(&why, redactor)),
    };
    let seen = sides.into_iter().map(|side| SeenValue {
        value: match (&side.value, &side.list) {
            (Ok(value), Some(list)) => list_side::shown(&side.source, value, list, redactor),
            (Ok(value), None) => shown_as(&side.source, value, redactor),
            (Err(why), _) => shown_text(&no_value(&side.source, why), redactor),
        },
        source: side.source,
    });
    ExpectationReport {
        source: condition.shared_source(),
        say: condition.say().cloned(),
        location: condition.location().clone(),
        held,
        seen: seen.collect(),
    }
}

/// Why `source` had no value, to be read after its name.
fn no_value(source: &str, why: &str) -> String {
    let rest = why.strip_prefix('`').and_then(|why| why.strip_prefix(source));
    match (rest.and_then(|rest| rest.strip_prefix("` is undefined")), rest.and_then(|rest| rest.strip_prefix("`: "))) {
        (Some(parent), _) => format!("undefined{parent}"),
        (None, reason) => format!("no value: {}", reason.unwrap_or(why)),
    }
}

/// Judges a body against its JSON Schema; `json` is the parsed body, or why it could not be parsed.
///
/// What was seen lists the first violations: where in the body (a JSON Pointer), and what is wrong there.
pub fn judge_contract(contract: &Contract, json: Result<&serde_json::Value, String>, redactor: &Redactor) -> ExpectationReport {
    let (held, seen) = match json {
        Err(why) => (Held::NotEvaluable(shown_text(&why, redactor)), Vec::new()),
        Ok(json) if contract.schema.is_valid(json) => (Held::Yes, Vec::new()),
        Ok(json) => {
            let violations = contract.schema.iter_errors(json).take(VIOLATIONS).map(|violation| {
                let pointer = violation.instance_path().to_string();
                SeenValue {
                    source: if pointer.is_empty() { "the body".into() } else { shown_text(&pointer, redactor) },
                    value: shown_text(&violation.to_string(), redactor),
                }
            });
            (Held::No, violations.collect())
        }
    };
    let source = [CONTRACT, &contract.name].concat().into();
    ExpectationReport { source, say: None, location: contract.location.clone(), held, seen }
}

/// What a step's guards said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded {
    /// All are true: go on.
    Open,
    /// One is exactly false: the run is blocked.
    Blocked(Cause),
    /// One could not be asked: a failure like any other.
    Failed(Cause),
}

/// Asks every guard. A guard that is false blocks. One that cannot be evaluated is a failure and outweighs guards that block,
/// because a broken guard must not keep a canary quiet.
pub fn judge_guards(guards: &[Guard], scope: &Value, redactor: &Redactor, detail: Detail) -> (Vec<ExpectationReport>, Guarded) {
    let reports = judge(guards, scope, redactor, detail);
    let with = |wanted: fn(&Held) -> bool| reports.iter().find(|report| wanted(&report.held)).and_then(cause_of);
    let guarded = if let Some(cause) = with(|held| matches!(held, Held::NotEvaluable(_))) {
        Guarded::Failed(cause)
    } else if let Some(cause) = with(|held| matches!(held, Held::No)) {
        Guarded::Blocked(Cause { reason: Reason::Guard, message: format!("a guard said no: {}", cause.message), ..cause })
    } else {
        Guarded::Open
    };
    (reports, guarded)
}

/// The cause of the first expectation that did not hold. The caller fills in step, subject and attempts.
pub fn first_failure(reports: &[ExpectationReport]) -> Option<Cause> {
    reports.iter().find_map(cause_of)
}

fn cause_of(report: &ExpectationReport) -> Option<Cause> {
    let source = &report.source;
    let is_contract = source.starts_with(CONTRACT);
    let (reason, message) = match &report.held {
        Held::Yes => return None,
        Held::No if is_contract => (Reason::Contract, format!("the body breaks the {source}")),
        Held::No => (Reason::Expectation, report.message()),
        Held::NotEvaluable(why) if is_contract => (Reason::NotEvaluable, format!("the {source} could not be checked: {why}")),
        Held::NotEvaluable(_) => (Reason::NotEvaluable, report.message()),
    };
    let violations: Vec<String> = report.seen.iter().map(|seen| format!("{}: {}", seen.source, seen.value)).collect();
    let message = match &report.held {
        Held::No if is_contract && !violations.is_empty() => format!("{message}: {}", violations.join("; ")),
        Held::Yes | Held::No | Held::NotEvaluable(_) => message,
    };
    Some(Cause {
        reason,
        message,
        step: None,
        subject: None,
        attempts: 0,
        expectation: Some(source.to_string()),
        location: Some(report.location.clone()),
        seen: report.seen.clone(),
    })
}

/// Puts words around the message of a cause, behind those of its expectation's author, which lead it.
pub(super) fn retell(cause: &mut Cause, expectations: &[Condition], words: impl FnOnce(&str) -> String) {
    let missed = expectations.iter().find(|expectation| cause.location.as_ref() == Some(expectation.location()));
    let led = missed.and_then(|missed| {
        let say = missed.say()?;
        Some((say, cause.message.strip_prefix(&**say)?.strip_prefix(": ")?))
    });
    cause.message = match led {
        Some((say, rest)) => format!("{say}: {}", words(rest)),
        None => words(&cause.message),
    };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::shown::{SHOWN, shown};
    use super::*;
    use crate::outcome::Secret;
    use crate::plan::expr::from_json;
    use crate::source::{Location, SourceFile};

    fn here() -> Location {
        SourceFile::new("probe.toml", "expect = []").location(0)
    }

    fn conditions(sources: &[&str]) -> Vec<Condition> {
        sources.iter().map(|source| Condition::parse(source, here()).unwrap()).collect()
    }

    fn scope(json: &serde_json::Value) -> Value {
        from_json(json)
    }

    fn contract(schema: &serde_json::Value) -> Contract {
        let schema = Arc::new(jsonschema::validator_for(schema).unwrap());
        Contract { name: "registration.json".into(), schema, location: here() }
    }

    #[test]
    fn every_expectation_is_evaluated_and_kept_whether_it_held_or_not() {
        let conditions = conditions(&["status == 200", "json.id", "status == 500", "true"]);
        let scope = scope(&serde_json::json!({"status": 200, "json": {}}));
        let reports = judge(&conditions, &scope, &Redactor::default(), Detail::Failures);
        let held: Vec<_> = reports.iter().map(|report| std::mem::discriminant(&report.held)).collect();
        let wanted = [Held::Yes, Held::NotEvaluable(String::new()), Held::No, Held::Yes];
        assert_eq!(held, wanted.iter().map(std::mem::discriminant).collect::<Vec<_>>());
    }

    #[test]
    fn values_are_kept_of_failures_and_where_everything_is_asked_for() {
        let conditions = conditions(&["status == 200"]);
        let judged = |status: u16, detail| {
            let scope = scope(&serde_json::json!({"status": status}));
            judge(&conditions, &scope, &Redactor::default(), detail)[0].seen.len()
        };
        assert_eq!([judged(200, Detail::Failures), judged(200, Detail::Everything), judged(500, Detail::Failures)], [0, 1, 1]);
    }

    #[test]
    fn a_cause_names_the_expectation_and_both_sides() {
        let conditions = conditions(&["status == 200", "json.tracks | length == cell.tracks"]);
        let scope = scope(&serde_json::json!({"status": 200, "json": {"tracks": ["a", "b"]}, "cell": {"tracks": 3}}));
        let cause = first_failure(&judge(&conditions, &scope, &Redactor::default(), Detail::Failures)).unwrap();
        assert_eq!(cause.reason, Reason::Expectation);
        assert_eq!(
            cause.message,
            "`json.tracks | length == cell.tracks` does not hold: `json.tracks | length` was 2, `cell.tracks` was 3"
        );
        assert_eq!(cause.location.unwrap().to_string(), "probe.toml:1:1");
        assert_eq!(cause.seen.len(), 2);
    }

    #[test]
    fn strings_are_shown_in_quotes_so_that_a_number_is_told_from_its_text() {
        let scope = scope(&serde_json::json!({"json": {"n": "5"}}));
        let cause = first_failure(&judge(&conditions(&["json.n == 5"]), &scope, &Redactor::default(), Detail::Failures)).unwrap();
        assert!(cause.message.ends_with("`json.n` was \"5\""), "{}", cause.message);
    }

    #[test]
    fn what_cannot_be_evaluated_is_a_failure_with_its_own_reason() {
        let cause = |source: &str| {
            let scope = scope(&serde_json::json!({"status": 500, "json": {"n": null}}));
            first_failure(&judge(&conditions(&[source]), &scope, &Redactor::default(), Detail::Failures)).unwrap()
        };
        for source in ["json.id == 1", "json.n < 5", "status", "status == 200 or 204"] {
            assert_eq!(cause(source).reason, Reason::NotEvaluable, "{source}");
        }
        assert!(cause("json.n < 5").message.contains("null"));
    }

    #[test]
    fn a_part_without_a_value_is_not_named_twice() {
        let seen = |source: &str| {
            let scope = scope(&serde_json::json!({"json": {"e": "x", "n": null}}));
            judge(&conditions(&[source]), &scope, &Redactor::default(), Detail::Failures)[0].seen[0].clone()
        };
        for (source, part, value) in [
            ("json.billable == true", "json.billable", "undefined: `json` has no `billable`"),
            ("json.billable", "json.billable", "undefined: `json` has no `billable`"),
            ("json.e | int == 1", "json.e | int", "no value: the string \"x\" is no whole number"),
            ("json.n.id == 1", "json.n.id", "no value: `json.n` is null and has no `id`"),
        ] {
            assert_eq!(seen(source), SeenValue { source: part.into(), value: value.into() }, "{source}");
        }
    }

    #[test]
    fn secrets_are_masked_before_a_value_is_cut() {
        let secret = "s3cret-".repeat(20);
        let redactor = Redactor::new([&Secret::new(&*secret)]);
        for padding in [0, 400, 500, 505, 511, 512] {
            let value = Value::from(format!("{}{secret}", "x".repeat(padding)));
            let shown = shown(&value, &redactor);
            assert!(!shown.contains("s3c"), "{padding}: {shown}");
            assert!(shown.chars().count() <= SHOWN + 1);
        }
    }

    #[test]
    fn a_secret_in_an_error_text_is_masked() {
        let redactor = Redactor::new([&Secret::new("hunter22")]);
        let scope = scope(&serde_json::json!({"secret": {"p": "hunter22"}, "json": {"e": "hunter22"}}));
        for source in ["secret.p > 5", "json.e | int == 5", "json.e == 'x'", "json.e"] {
            let reports = judge(&conditions(&[source]), &scope, &redactor, Detail::Failures);
            assert!(!format!("{reports:?}").contains("hunter22"), "{source}");
            assert!(format!("{reports:?}").contains(Redactor::MASK), "{source}");
        }
    }

    #[test]
    fn a_large_value_that_is_mostly_secret_shows_nothing() {
        let redactor = Redactor::new([&Secret::new("0123456789abcdef".repeat(64))]);
        let shown = shown(&Value::from("0123456789abcdef".repeat(64 * 65)), &redactor);
        assert!(!shown.contains("0123"), "{shown}");
    }

    #[test]
    fn long_values_are_cut_on_a_character() {
        let text = shown(&Value::from("ü".repeat(100_000)), &Redactor::default());
        assert_eq!(text.chars().count(), SHOWN + 1);
        assert!(text.ends_with('…'));
        assert_eq!(shown(&Value::from(vec![1, 2]), &Redactor::default()), "[1,2]");
        assert!(shown(&Value::from(f64::NAN), &Redactor::default()).contains("JSON"));
    }

    #[test]
    fn a_contract_lists_the_first_violations_with_their_places() {
        let schema = serde_json::json!({"type": "object", "required": ["id"], "additionalProperties": {"type": "integer"}});
        let contract = contract(&schema);
        let good = serde_json::json!({"id": 1});
        assert_eq!(judge_contract(&contract, Ok(&good), &Redactor::default()).held, Held::Yes);

        let bad = serde_json::json!({"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": "6"});
        let report = judge_contract(&contract, Ok(&bad), &Redactor::default());
        assert_eq!((&report.held, report.seen.len()), (&Held::No, VIOLATIONS));
        assert!(report.seen.iter().any(|seen| seen.source == "/a"), "{:?}", report.seen);
        let cause = first_failure(&[report]).unwrap();
        assert_eq!(cause.reason, Reason::Contract);
        assert!(cause.message.contains("contract registration.json") && cause.message.contains("/a"), "{}", cause.message);
    }

    #[test]
    fn a_body_that_is_no_json_cannot_be_held_against_a_contract() {
        let contract = contract(&serde_json::json!({}));
        let report = judge_contract(&contract, Err("expected value at line 1".into()), &Redactor::default());
        let cause = first_failure(&[report]).unwrap();
        assert_eq!(cause.reason, Reason::NotEvaluable);
        assert!(cause.message.contains("expected value"), "{}", cause.message);
    }

    #[test]
    fn only_exactly_false_blocks_and_what_cannot_be_asked_fails() {
        let guarded = |sources: &[&str]| {
            let scope = scope(&serde_json::json!({"json": {"billable": false, "plan": "test", "owner": null}}));
            judge_guards(&conditions(sources), &scope, &Redactor::default(), Detail::Failures).1
        };
        assert_eq!(guarded(&["json.plan == 'test'"]), Guarded::Open);
        assert_eq!(guarded(&[]), Guarded::Open);
        assert!(matches!(guarded(&["json.billable"]), Guarded::Blocked(cause) if cause.reason == Reason::Guard));
        assert!(matches!(guarded(&["json.missing"]), Guarded::Failed(cause) if cause.reason == Reason::NotEvaluable));
        assert!(matches!(guarded(&["json.plan"]), Guarded::Failed(_)));
        assert!(matches!(guarded(&["json.billable", "json.missing"]), Guarded::Failed(_)));
        assert!(matches!(guarded(&["json.owner == false"]), Guarded::Failed(cause) if cause.reason == Reason::NotEvaluable));
    }
}
