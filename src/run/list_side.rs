//! Lists that are not what they should be to each other, for people: what is missing and what is unexpected, instead of both in full.
//!
//! Owns the words and the bounds of that. Each item is redacted as a value of its own, before it is cut.

use minijinja::Value;

use crate::outcome::Redactor;
use crate::plan::expr::{ListDifference, ListSide};

use super::shown::shown_as;

/// Characters of an item that are shown.
const ITEM: usize = 80;

/// One of the two lists, which `source` is the text of.
pub(super) fn shown(source: &str, list: &Value, side: &ListSide, redactor: &Redactor) -> String {
    let length = match list.len() {
        Some(0) => "an empty list".to_owned(),
        Some(length) => format!("a list of {length}"),
        None => "a list".to_owned(),
    };
    match side {
        ListSide::Beside => length,
        ListSide::Differs(difference) => format!("{length} ({})", told(source, difference, redactor)),
    }
}

fn told(source: &str, difference: &ListDifference, redactor: &Redactor) -> String {
    let item = |value: &Value| {
        let text = shown_as(source, value, redactor);
        match text.char_indices().nth(ITEM) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    if let Some(order) = &difference.out_of_order {
        let (found, wanted) = (item(&order.found), item(&order.wanted));
        return format!("the same items in another order: at index {} {found} instead of {wanted}", order.at);
    }
    let named = |what: &str, items: &[Value], count: usize| {
        let rest = count.saturating_sub(items.len());
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let items: Vec<String> = items.iter().map(item).collect();
        (count > 0).then(|| format!("{what} {}{more}", items.join(", ")))
    };
    let missing = named("missing", &difference.missing, difference.missing_count);
    let unexpected = named("unexpected", &difference.unexpected, difference.unexpected_count);
    missing.into_iter().chain(unexpected).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::Detail;
    use super::super::judge::{first_failure, judge};
    use super::*;
    use crate::outcome::Secret;
    use crate::plan::Condition;
    use crate::plan::expr::from_json;
    use crate::source::SourceFile;

    fn message(source: &str, scope: &serde_json::Value, redactor: &Redactor) -> String {
        let condition = Condition::parse(source, SourceFile::new("probe.toml", "").location(0)).unwrap();
        first_failure(&judge(&[condition], &from_json(scope), redactor, Detail::Failures)).unwrap().message
    }

    #[test]
    fn a_comparison_of_lists_tells_what_differs_and_neither_list_in_full() {
        let scope = serde_json::json!({"json": {"ids": ["a", "b", "x"], "none": []}, "wanted": ["a", "c", "d", "b"]});
        let told = |source: &str| message(source, &scope, &Redactor::default());
        assert_eq!(
            told("json.ids == wanted"),
            "`json.ids == wanted` does not hold: \
             `json.ids` was a list of 3 (missing \"c\", \"d\"; unexpected \"x\"), `wanted` was a list of 4"
        );
        assert_eq!(
            told("json.ids == ['b', 'x', 'a']"),
            "`json.ids == ['b', 'x', 'a']` does not hold: \
             `json.ids` was a list of 3 (the same items in another order: at index 0 \"a\" instead of \"b\")"
        );
        assert!(told("json.none == [1]").ends_with("`json.none` was an empty list (missing 1)"));
        assert!(
            told("json.ids is subset wanted").contains("`json.ids` was a list of 3 (unexpected \"x\"), `wanted` was a list of 4")
        );
        assert!(told("json.ids == range(1000)").contains("(missing 0, 1, 2, 3, 4 and 995 more; unexpected \"a\", \"b\", \"x\")"));
        assert!(told("json.ids != json.ids").ends_with("`json.ids` was [\"a\",\"b\",\"x\"]"));
    }

    #[test]
    fn long_items_are_cut_and_many_are_counted() {
        let long: Vec<String> = (0..1_000).map(|number| format!("{number}{}", "é".repeat(500))).collect();
        let scope = serde_json::json!({"json": {"ids": long}});
        let told = message("json.ids == []", &scope, &Redactor::default());
        assert!(told.chars().count() < 600 && told.contains(" and 995 more)"), "{told}");
    }

    #[test]
    fn secrets_in_items_are_masked_before_they_are_cut() {
        let secret = "s3cret-".repeat(20);
        let redactor = Redactor::new([&Secret::new(&*secret)]);
        for padding in [0, 60, 78, 79, 80, 500] {
            let item = format!("{}{secret}", "x".repeat(padding));
            let scope = serde_json::json!({"json": {"ids": [{"deep": item}], "password": [item, 7]}});
            for source in ["json.ids == []", "[] == json.ids", "[1] is superset json.ids", "json.ids == [json.ids, 1]"] {
                let told = message(source, &scope, &redactor);
                assert!(!told.contains("s3c"), "{source}, {padding}: {told}");
            }
            let told = message("json.password == []", &scope, &redactor);
            assert!(told.ends_with("`json.password` was a list of 2 (unexpected •••, •••)"), "{told}");
        }
    }
}
