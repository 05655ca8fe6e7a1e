//! Personal values in requests and answers, which are masked in every output of a run: by JSON path, or by pattern.
//!
//! Owns the paths and how they are matched, key by key, while a document is read. A path is a part of `JSONPath` (RFC 9535): `$`,
//! then `.NAME`, `['NAME']`, `[3]`, `[*]` and `.*`, each also at any depth behind `..`.

use regex::bytes::Regex;

/// Steps that a path may have: as many as its states have bits.
const STEPS: usize = 32;

/// What is masked in all texts of a run.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// Where personal values stand in JSON bodies.
    pub paths: Vec<JsonPath>,
    /// What personal values look like anywhere.
    pub patterns: Vec<Regex>,
}

impl Redaction {
    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_empty()
    }
}

/// Values of a JSON document, by where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    /// Whether it may be any number of levels further down.
    deep: bool,
    pick: Pick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pick {
    Name(String),
    Index(usize),
    Any,
}

/// One level of the way to a value.
#[derive(Debug, Clone, Copy)]
pub enum Level<'k> {
    /// The key of an object.
    Key(&'k str),
    /// The index in a list, from 0.
    Index(usize),
}

/// How much of a path the way so far may be: a bit for each number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress(u64);

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Says what is wrong, and at which byte.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let Some(mut rest) = text.strip_prefix('$') else {
            return Err((0, "a path begins with `$`, which is the body: write it as in \"$.user.email\"".to_owned()));
        };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let (step, next) = Step::parse(rest).map_err(|why| (at, why))?;
            steps.push(step);
            rest = next;
        }
        if steps.len() > STEPS { Err((0, format!("a path has at most {STEPS} steps"))) } else { Ok(Self(steps)) }
    }

    /// At the document itself.
    pub fn start(&self) -> Progress {
        Progress(1)
    }

    /// One level further down.
    pub fn enter(&self, Progress(progress): Progress, level: Level<'_>) -> Progress {
        let mut next = 0;
        for (at, step) in self.0.iter().enumerate().filter(|(at, _)| progress & (1 << at) != 0) {
            let picked = match (&step.pick, level) {
                (Pick::Any, _) => true,
                (Pick::Name(name), Level::Key(key)) => name == key,
                (Pick::Index(index), Level::Index(here)) => *index == here,
                (Pick::Name(_), Level::Index(_)) | (Pick::Index(_), Level::Key(_)) => false,
            };
            next |= u64::from(picked) << (at + 1) | u64::from(step.deep) << at;
        }
        Progress(next)
    }

    /// Whether the value here is one that the path names.
    pub fn is_there(&self, Progress(progress): Progress) -> bool {
        progress & (1 << self.0.len()) != 0
    }
}

impl Step {
    /// The step at the start of `text`, and what is behind it.
    fn parse(text: &str) -> Result<(Self, &str), String> {
        let (deep, rest) = match text.strip_prefix("..") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(inside) = rest.strip_prefix('[') {
            let (pick, rest) = Pick::in_brackets(inside)?;
            return Ok((Self { deep, pick }, rest));
        }
        let rest = if deep { rest } else { rest.strip_prefix('.').ok_or("a step begins with `.`, `..` or `[`")? };
        if let Some(rest) = rest.strip_prefix('*') {
            return Ok((Self { deep, pick: Pick::Any }, rest));
        }
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '-')).unwrap_or(rest.len());
        if end == 0 {
            return Err("a name is missing; one with other characters is written as in \"$['e-mail address']\"".to_owned());
        }
        Ok((Self { deep, pick: Pick::Name(rest[..end].to_owned()) }, &rest[end..]))
    }
}

impl Pick {
    fn in_brackets(text: &str) -> Result<(Self, &str), String> {
        let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
        if let Some(quote) = quote {
            let (name, rest) = text[1..].split_once(quote).ok_or("the quote is not closed")?;
            let rest = rest.strip_prefix(']').ok_or("a `]` is missing")?;
            return Ok((Self::Name(name.to_owned()), rest));
        }
        let (inside, rest) = text.split_once(']').ok_or("a `]` is missing")?;
        if inside == "*" {
            return Ok((Self::Any, rest));
        }
        let index = inside.parse().map_err(|_| "in brackets stands a name in quotes, an index from 0, or `*`")?;
        Ok((Self::Index(index), rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_there(path: &str, way: &[Level<'_>]) -> bool {
        let path = JsonPath::parse(path).unwrap();
        path.is_there(way.iter().fold(path.start(), |progress, level| path.enter(progress, *level)))
    }

    #[test]
    fn a_path_names_what_stands_there_and_nothing_else() {
        use Level::{Index, Key};
        let way = [Key("users"), Index(2), Key("e-mail")];
        for path in ["$.users[2].e-mail", "$.users[*]['e-mail']", "$..e-mail", "$.*.*.*", "$.users..*", "$..[2][\"e-mail\"]"] {
            assert!(is_there(path, &way), "{path}");
        }
        for path in ["$", "$.users", "$.users[1].e-mail", "$.users.2.e-mail", "$.e-mail", "$..email", "$..users.e-mail"] {
            assert!(!is_there(path, &way), "{path}");
        }
        assert!(is_there("$", &[]));
        assert!(is_there("$..a..b", &[Key("a"), Key("a"), Key("x"), Key("b")]));
    }

    #[test]
    fn what_is_no_path_says_where_and_why() {
        for (path, at) in
            [("user.email", 0), ("$user", 1), ("$.", 1), ("$.a b", 3), ("$.a[", 3), ("$.a['b]", 3), ("$[-1]", 1), ("$[b]", 1)]
        {
            assert_eq!(JsonPath::parse(path).unwrap_err().0, at, "{path}");
        }
        assert!(JsonPath::parse(&format!("${}", ".a".repeat(33))).is_err());
    }
}
