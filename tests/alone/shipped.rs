//! The shipped probes, made to run sooner than anybody would want.

use regex::Regex;

/// A shipped probe with another interval and shorter waits; steps, expectations and rules are as they are.
pub(crate) fn hastened(text: &str, every: &str, deadline: &str, within: &str) -> String {
    let changes = [
        (r#"(?m)^every( *)= "[^"]*""#, format!("every$1= \"{every}\"")),
        (r#"(?m)^deadline( *)= "[^"]*""#, format!("deadline$1= \"{deadline}\"")),
        (r#"within = "[^"]*", poll = "[^"]*", since"#, format!(r#"within = "{within}", poll = "100ms", since"#)),
    ];
    changes.into_iter().fold(text.to_owned(), |text, (pattern, by)| {
        let pattern = Regex::new(pattern).unwrap();
        assert!(pattern.is_match(&text), "{pattern}");
        pattern.replace_all(&text, by).into_owned()
    })
}
