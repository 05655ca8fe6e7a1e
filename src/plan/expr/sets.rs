//! Lists held against each other as bags of items: `difference`, `intersect`, the tests `subset` and `superset`, and what a report
//! tells of two lists that are not what they should be to each other.
//!
//! Items are looked up by a text that is the same for equal values (`identity`), so that all of it takes time in proportion to the
//! two lists, which the [`Budget`] pays for. The order of the left list is kept, and so are its duplicates.

use std::collections::{HashMap, HashSet};

use minijinja::Value;

use super::budget::Budget;
use super::compare::identity;
use super::value::sequence;

/// Items of each kind of difference that are named.
const NAMED: usize = 5;

/// What was wanted of a list, beside another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The same items, as often and in the same order.
    Same,
    /// Nothing that the other does not have.
    NothingElse,
    /// All that the other has.
    AllOfIt,
}

/// What there is to say of one of two lists that were compared.
#[derive(Debug, Clone, PartialEq)]
pub enum ListSide {
    /// It is not what was wanted: this is wrong with it.
    Differs(ListDifference),
    /// It is what the other one was compared with.
    Beside,
}

/// How a list differs from what was wanted of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListDifference {
    /// The first items that should be there and are not, in the order of the other list.
    pub missing: Vec<Value>,
    /// How many there are of those.
    pub missing_count: usize,
    /// The first items that should not be there, in the order of this list.
    pub unexpected: Vec<Value>,
    /// How many there are of those.
    pub unexpected_count: usize,
    /// Where nothing is missing and nothing unexpected: the first place where the order is another one.
    pub out_of_order: Option<OutOfOrder>,
}

/// An item that stands where another one should.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfOrder {
    /// Its index.
    pub at: usize,
    /// The item.
    pub found: Value,
    /// The one that should be there.
    pub wanted: Value,
}

impl Wanted {
    /// What is wanted of the other list, then.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Same => Self::Same,
            Self::NothingElse => Self::AllOfIt,
            Self::AllOfIt => Self::NothingElse,
        }
    }
}

/// The items of `left` that are in `right` (or that are not), in their order and as often as they are there.
pub(super) fn kept(left: &Value, right: &Value, in_both: bool, budget: &mut Budget) -> Result<Vec<Value>, String> {
    let left = sequence(left, budget)?;
    let right = identities(&sequence(right, budget)?, budget)?.into_iter().collect::<HashSet<_>>();
    let mut kept = Vec::new();
    for item in left {
        if right.contains(&identity(&item, budget)?) == in_both {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// Whether each item of `left` is in `right`. How often does not matter.
pub(super) fn is_subset(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, String> {
    kept(left, right, false, budget).map(|others| others.is_empty())
}

/// How `list` differs from what was wanted of it beside `other`. Lists that must be the same have each item equally often; otherwise one
/// is as good as many.
pub(super) fn compared(list: &Value, other: &Value, wanted: Wanted, budget: &mut Budget) -> Result<ListDifference, String> {
    let (list, other) = (sequence(list, budget)?, sequence(other, budget)?);
    let (own, others) = (identities(&list, budget)?, identities(&other, budget)?);
    let each_counts = wanted == Wanted::Same;
    let mut difference = ListDifference::default();
    if wanted != Wanted::AllOfIt {
        (difference.unexpected, difference.unexpected_count) = beyond(&list, &own, &others, each_counts);
    }
    if wanted != Wanted::NothingElse {
        (difference.missing, difference.missing_count) = beyond(&other, &others, &own, each_counts);
    }
    if wanted == Wanted::Same && difference.missing_count == 0 && difference.unexpected_count == 0 {
        let at = own.iter().zip(&others).position(|(own, other)| own != other);
        difference.out_of_order = at.map(|at| OutOfOrder { at, found: list[at].clone(), wanted: other[at].clone() });
    }
    Ok(difference)
}

/// The first items that `others` does not have, and how many there are of those. `each_counts`: also those that it has less often;
/// otherwise each is named once.
fn beyond(items: &[Value], own: &[String], others: &[String], each_counts: bool) -> (Vec<Value>, usize) {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for other in others {
        *left.entry(other).or_default() += 1;
    }
    let mut named = HashSet::new();
    let (mut first, mut count) = (Vec::new(), 0);
    for (item, own) in items.iter().zip(own) {
        match left.get_mut(&**own) {
            Some(0) | None => {
                if each_counts || named.insert(own) {
                    count += 1;
                    first.extend((first.len() < NAMED).then(|| item.clone()));
                }
            }
            Some(times) => *times -= usize::from(each_counts),
        }
    }
    (first, count)
}

fn identities(items: &[Value], budget: &mut Budget) -> Result<Vec<String>, String> {
    items.iter().map(|item| identity(item, budget)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{eval_json, judge};
    use super::*;

    const SCOPE: &str = r#"{"json": {"ids": ["b", "a", "b", "c", "a"], "rows": [{"n": 1, "t": []}, {"t": [], "n": 2.0}], "text": "ab"},
        "wanted": ["c", "d", "b"], "five": 5}"#;

    #[test]
    fn what_one_list_has_beside_another_keeps_its_order_and_its_duplicates() {
        for (source, value) in [
            ("json.ids | difference(wanted)", r#"["a","a"]"#),
            ("json.ids | intersect(wanted)", r#"["b","b","c"]"#),
            ("wanted | difference(json.ids)", r#"["d"]"#),
            ("json.ids | difference([])", r#"["b","a","b","c","a"]"#),
            ("json.ids | intersect(other=[])", "[]"),
            ("[] | difference(json.ids) | length", "0"),
            ("[1, '1', 1.0, true, none] | difference([1, none])", r#"["1",true]"#),
            ("json.rows | intersect([{'n': 1.0, 't': []}])", r#"[{"n":1,"t":[]}]"#),
            ("json.rows | difference([{'n': 2, 't': []}]) | map(attribute='n') | list", "[1]"),
            ("json.ids | difference(range(3))", r#"["b","a","b","c","a"]"#),
        ] {
            assert_eq!(eval_json(source, SCOPE), value, "{source}");
        }
        for (source, why) in [
            ("json.text | difference([1])", "the string \"ab\" is no list"),
            ("json.ids | intersect(json.text)", "the string \"ab\" is no list"),
            ("json.ids | difference(none)", "null is no list"),
            ("json.ids | difference(json.missing)", "`json.missing` is undefined"),
        ] {
            assert!(eval_json(source, SCOPE).contains(why), "{source}: {}", eval_json(source, SCOPE));
        }
    }

    #[test]
    fn a_subset_has_nothing_that_the_other_does_not_have_however_often() {
        for holds in [
            "['b', 'b', 'c'] is subset json.ids",
            "json.ids is superset(['c', 'a'])",
            "[] is subset []",
            "[] is subset(wanted) and wanted is superset []",
            "json.ids is not subset wanted",
            "not (json.ids is superset(wanted))",
            "[[1, {'a': 2}]] is subset [1, [1.0, {'a': 2}]]",
            "[['c'], ['a']] | select('subset', json.ids) | length == 2",
        ] {
            assert_eq!(judge(holds, SCOPE).held, Ok(true), "{holds}");
        }
        assert_eq!(judge("json.ids is subset wanted", SCOPE).held, Ok(false));
        assert_eq!(judge("['b'] is not subset wanted", SCOPE).held, Ok(false));
        for no_lists in
            ["five is subset wanted", "wanted is superset five", "wanted is subset json.missing", "'a' is subset 'ab'"]
        {
            judge(no_lists, SCOPE).held.expect_err(no_lists);
        }
    }

    #[test]
    fn large_lists_cost_what_their_items_do_and_no_more() {
        let both = "range(10000) | difference(range(5000, 10000)) | length == 5000 and range(10000) is superset range(9999)";
        assert_eq!(judge(both, "{}").held, Ok(true));
        let large = Value::from_pairs([("body", Value::from("x".repeat(4 << 20)))]);
        let often = vec!["body"; 100].join(", ");
        for source in [format!("[{often}] | difference([1]) == []"), format!("[{often}] is subset [1]")] {
            let condition = super::super::Condition::parse(&source, super::super::testing::here()).unwrap();
            assert!(condition.judge(&large).held.is_err(), "{}", &source[..20]);
        }
    }

    fn difference(source: &str) -> ListDifference {
        match judge(source, SCOPE).sides.into_iter().next().unwrap().list {
            Some(ListSide::Differs(difference)) => difference,
            other => panic!("{source}: {other:?}"),
        }
    }

    fn told(difference: &ListDifference) -> (String, usize, String, usize) {
        let text = |items: &[Value]| items.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
        (text(&difference.missing), difference.missing_count, text(&difference.unexpected), difference.unexpected_count)
    }

    #[test]
    fn lists_that_should_be_the_same_tell_what_is_missing_and_what_is_unexpected() {
        for (source, missing, unexpected) in [
            ("json.ids == wanted", ("d", 1), ("a b a", 3)),
            ("wanted == json.ids", ("a b a", 3), ("d", 1)),
            ("['a', 'b', 'x'] == json.ids", ("x", 1), ("b c a", 3)),
            ("wanted == ['c', 'd', 'b', 'b']", ("b", 1), ("", 0)),
            ("wanted == []", ("", 0), ("c d b", 3)),
            ("range(20) == range(10, 20)", ("", 0), ("0 1 2 3 4", 10)),
            ("json.ids is subset wanted", ("", 0), ("a", 1)),
            ("json.ids is superset wanted", ("d", 1), ("", 0)),
            ("['a', 'x', 'x'] is subset json.ids", ("x", 1), ("", 0)),
        ] {
            let (missing_items, missing_count, unexpected_items, unexpected_count) = told(&difference(source));
            assert_eq!((&*missing_items, missing_count), missing, "{source}");
            assert_eq!((&*unexpected_items, unexpected_count), unexpected, "{source}");
        }
    }

    #[test]
    fn lists_of_the_same_items_tell_where_the_order_is_another_one() {
        let difference = difference("wanted == ['c', 'b', 'd']");
        assert_eq!(told(&difference), (String::new(), 0, String::new(), 0));
        assert_eq!(difference.out_of_order, Some(OutOfOrder { at: 1, found: "d".into(), wanted: "b".into() }));
    }

    #[test]
    fn only_lists_that_are_not_what_they_should_be_are_told_of_in_this_way() {
        let lists = |source: &str| judge(source, SCOPE).sides.into_iter().map(|side| side.list).collect::<Vec<_>>();
        assert!(matches!(&*lists("json.ids == wanted"), [Some(ListSide::Differs(_)), Some(ListSide::Beside)]));
        assert!(matches!(&*lists("json.ids == [1]"), [Some(ListSide::Differs(_))]));
        for source in ["json.ids != json.ids", "json.ids == five", "five == 6", "'a' in wanted", "not (wanted == wanted)"] {
            assert!(lists(source).iter().all(Option::is_none), "{source}");
        }
        let twice = lists("json.ids == [1] or json.ids == [2] or json.ids == five");
        assert!(matches!(&*twice, [Some(ListSide::Differs(_)), Some(ListSide::Differs(_)), None]), "{twice:?}");
    }
}
