//! Where somebody goes on to after he logged in: to a page of ours, and nowhere else.

use http::Uri;

/// Letters of it.
const LONGEST: usize = 1_000;

/// A path and query that are read relative to the base, cleaned of everything that could lead elsewhere; empty for the overview.
pub(in crate::web) fn safe(next: &str) -> &str {
    let path = next.strip_prefix('/').unwrap_or(next);
    let is_plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '\\' | '"' | '<' | '>' | '#');
    let leads_elsewhere = path.starts_with('/') || path.split(['?', '/']).next().is_some_and(|first| first.contains(':'));
    // Browsers read an encoded dot in a path as a dot.
    let climbs = path.split(['?', '/']).any(|part| part.to_ascii_lowercase().replace("%2e", ".") == "..");
    if next.len() <= LONGEST && path.chars().all(is_plain) && !leads_elsewhere && !climbs { path } else { "" }
}

/// What was asked for, for after logging in.
pub(super) fn of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |asked| safe(asked.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_ours_is_gone_on_to() {
        for (next, path) in [
            ("incidents/1", "incidents/1"),
            ("/incidents/1?a=b&c=%20d", "incidents/1?a=b&c=%20d"),
            ("", ""),
            ("/", ""),
            ("probes/a:b?x=http://y", "probes/a:b?x=http://y"),
        ] {
            assert_eq!(safe(next), path);
        }
        assert_eq!(of(&"/runs/1?x=y".parse().unwrap()), "runs/1?x=y");
    }

    #[test]
    fn nothing_leads_to_another_site() {
        for next in [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "\u{a0}//evil.example",
            "../other",
            "%2e%2e/other",
            "a/.%2E/b",
            "a/../../b",
            "a\r\nset-cookie: x=y",
            "a#b",
            &"a".repeat(2_000),
        ] {
            assert_eq!(safe(next), "", "{next:?}");
        }
    }
}
