//! What is a valid expression and yet most likely a mistake, as what a step sees has known kinds and units.
//!
//! One more is an arm of [`hint`]. Nothing here changes how an expression is judged.

use std::ops::Range;

use minijinja::Value;

use super::number::{Number, Operator};
use super::syntax::{Comparison, Node, NodeKind};

/// From here on, a bound in seconds was more likely meant in milliseconds.
const LONG_SECONDS: f64 = 60.0;

/// Hints for `node` and all below: byte ranges in `source` and what to write instead.
pub(super) fn find(source: &str, node: &Node, found: &mut Vec<(Range<usize>, String)>) {
    match hint(source, node) {
        Some(hint) => found.push((node.span.clone(), hint)),
        None => node.each_child(&mut |child| find(source, child, found)),
    }
}

fn hint(source: &str, node: &Node) -> Option<String> {
    let text = |node: &Node| &source[node.span.clone()];
    match &node.kind {
        NodeKind::Compare(comparison, left, right) => {
            compared(*comparison, left, right, text).or_else(|| compared(mirrored(*comparison)?, right, left, text))
        }
        NodeKind::Attribute(inner, name) if is_name(inner, "headers") => upper_case(name),
        NodeKind::Index(inner, index) if is_name(inner, "headers") => upper_case(literal(index)?.as_str()?),
        NodeKind::Arithmetic(Operator::Subtract, ..) => {
            let name = text(node).strip_prefix("headers.")?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            is_name.then(|| format!("`{}` is a subtraction; write `headers['{}']`", text(node), name.to_ascii_lowercase()))
        }
        NodeKind::Literal(value) if value.as_str().is_some_and(|text| text.contains("{{") && text.contains("}}")) => {
            Some(format!(
                "{} is a text as it stands, braces and all; an expression reads a name without them and without quotes",
                text(node)
            ))
        }
        _ => None,
    }
}

fn compared<'s>(comparison: Comparison, left: &Node, right: &Node, text: impl Fn(&Node) -> &'s str) -> Option<String> {
    let is_status = is_name(left, "status");
    if !is_status && !is_seconds(left) {
        return None;
    }
    if let Some(string) = text_beside(right) {
        let (left, right) = (text(left), text(string));
        return Some(if is_status {
            format!("`{left}` is a number, never the string {right}; write it without quotes")
        } else {
            format!("`{left}` is a number of seconds, never the string {right}; write the number without quotes or unit")
        });
    }
    let seconds = match Number::of(literal(right)?)? {
        Number::Float(seconds) => seconds >= LONG_SECONDS,
        Number::Whole(seconds) => seconds >= 60,
    };
    let is_bound = matches!(comparison, Comparison::Less | Comparison::LessOrEqual);
    (!is_status && is_bound && seconds).then(|| format!("`{}` is in seconds; {} of them is a long time", text(left), text(right)))
}

/// The comparison with its sides swapped, if there is one.
fn mirrored(comparison: Comparison) -> Option<Comparison> {
    match comparison {
        Comparison::Equal | Comparison::NotEqual => Some(comparison),
        Comparison::Less => Some(Comparison::Greater),
        Comparison::LessOrEqual => Some(Comparison::GreaterOrEqual),
        Comparison::Greater => Some(Comparison::Less),
        Comparison::GreaterOrEqual => Some(Comparison::LessOrEqual),
        Comparison::In | Comparison::NotIn => None,
    }
}

/// A string that is written out, alone or in a list.
fn text_beside(node: &Node) -> Option<&Node> {
    match &node.kind {
        NodeKind::List(items) => items.iter().find(|item| literal(item).is_some_and(|value| value.as_str().is_some())),
        _ => literal(node)?.as_str().map(|_| node),
    }
}

fn upper_case(header: &str) -> Option<String> {
    let lower = header.to_ascii_lowercase();
    (lower != header).then(|| format!("names of headers are lower-case here; write `headers['{lower}']`"))
}

fn is_seconds(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Name(name) => &**name == "latency",
        NodeKind::Attribute(inner, _) => is_name(inner, "phases"),
        NodeKind::Index(inner, index) => is_name(inner, "phases") && literal(index).is_some(),
        _ => false,
    }
}

fn is_name(node: &Node, wanted: &str) -> bool {
    matches!(&node.kind, NodeKind::Name(name) if &**name == wanted)
}

fn literal(node: &Node) -> Option<&Value> {
    match &node.kind {
        NodeKind::Literal(value) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Condition;
    use super::super::testing::here;

    #[test]
    fn likely_mistakes_are_pointed_at_with_what_to_write() {
        for (source, part, advice) in [
            ("status == '200'", "status == '200'", "without quotes"),
            ("ok and '200' != status", "'200' != status", "without quotes"),
            ("status in [200, '204']", "status in [200, '204']", "'204'"),
            ("headers['Content-Type'] == 'a'", "headers['Content-Type']", "`headers['content-type']`"),
            ("'x' in (headers.Location | lower)", "headers.Location", "`headers['location']`"),
            ("headers.content-type == 'a'", "headers.content-type", "`headers['content-type']`"),
            ("headers.X-request-id == 'a'", "headers.X-request-id", "`headers['x-request-id']`"),
            ("latency < '1s'", "latency < '1s'", "seconds"),
            ("phases.dns <= '5'", "phases.dns <= '5'", "seconds"),
            ("latency < 500", "latency < 500", "`latency` is in seconds"),
            ("1000.0 >= phases['first_byte']", "1000.0 >= phases['first_byte']", "is in seconds"),
        ] {
            let hints = Condition::parse(source, here()).unwrap().hints();
            assert_eq!(hints.len(), 1, "{source}: {hints:?}");
            assert_eq!(&source[hints[0].0.clone()], part, "{source}");
            assert!(hints[0].1.contains(advice), "{source}: {}", hints[0].1);
        }
    }

    #[test]
    fn what_is_meant_as_it_stands_gets_no_hint() {
        for source in [
            "status == 200 and status in [200, 204]",
            "headers['content-type'] == 'Text/HTML' and headers.location == 'X'",
            "json.headers['Content-Type'] == 'a'",
            "headers.age | int - offset < 5",
            "latency < 59.5 and phases.dns < 0.1",
            "latency > 60",
            "json.latency < 500 and json.status == '200'",
            "tls.expires_in > 604800",
        ] {
            assert_eq!(Condition::parse(source, here()).unwrap().hints(), [], "{source}");
        }
    }
}
