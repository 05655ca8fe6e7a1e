//! `[redact]`: what is personal, by where it stands in JSON and by what it looks like.
//!
//! Owns the messages about paths and patterns that cannot be used. What a path is, is the plan's business.

use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::plan::{JsonPath, Redaction};

use super::keys::RedactKeys;
use super::section::Item;
use super::tree::SourceSpan;
use super::{Code, Diagnostic, Diagnostics};

/// Bytes that a pattern may take once it is compiled: ten times what a list of all country codes does.
const COMPILED: usize = 1 << 20;

/// What `base` names and what `[redact]` adds.
pub(super) fn read(
    base: Option<&Arc<Redaction>>,
    keys: &RedactKeys<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<Redaction>> {
    if keys.json.is_empty() && keys.patterns.is_empty() {
        return base.cloned();
    }
    let mut all = base.map(|base| (**base).clone()).unwrap_or_default();
    for item in keys.json.iter() {
        all.paths.extend(path(item, diagnostics).filter(|path| !all.paths.contains(path)));
    }
    for item in keys.patterns.iter() {
        all.patterns.extend(pattern(item, diagnostics));
    }
    (!all.is_empty()).then(|| Arc::new(all))
}

fn path(item: &Item<'_, &str>, diagnostics: &mut Diagnostics) -> Option<JsonPath> {
    let text = item.value;
    match JsonPath::parse(text) {
        Ok(path) => Some(path),
        Err((at, why)) => {
            let message = format!("`{text}` is no path, from `{}` on", text.get(at..).unwrap_or_default());
            diagnostics.push(Diagnostic::at(Code::InvalidValue, item.node.span, message).help(why));
            None
        }
    }
}

fn pattern(item: &Item<'_, &str>, diagnostics: &mut Diagnostics) -> Option<Regex> {
    let pattern = compiled(item.value, item.node.span, "'\\+49[0-9]+'", diagnostics)?;
    if pattern.is_match(b"") {
        diagnostics.push(
            Diagnostic::at(Code::InvalidValue, item.node.span, "this pattern matches nothing at all, and so everywhere")
                .help("make it need a character: `+` instead of `*`"),
        );
        return None;
    }
    Some(pattern)
}

/// A compiled regular expression. A text that is none is reported.
pub(super) fn compiled(text: &str, span: SourceSpan<'_>, example: &str, diagnostics: &mut Diagnostics) -> Option<Regex> {
    let (message, help) = match RegexBuilder::new(text).size_limit(COMPILED).build() {
        Ok(pattern) => return Some(pattern),
        // The last line says what is wrong, those before show where.
        Err(regex::Error::Syntax(why)) => (
            format!("this is no regular expression: {}", why.lines().last().unwrap_or_default().trim_start_matches("error: ")),
            format!("write it as the Rust crate `regex` reads it, in single quotes: {example}"),
        ),
        Err(why) => (format!("this pattern cannot be used: {why}"), "make it several simpler ones".to_owned()),
    };
    diagnostics.push(Diagnostic::at(Code::InvalidValue, span, message).help(help));
    None
}
