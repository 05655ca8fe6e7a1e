//! Credentials that are not configured as secrets, because the target issues them during a run. They are recognised by their
//! names.
//!
//! Owns these names and how values under them are masked in a text. A token with another name is not recognised. One more name is
//! a word in [`WORDS`].

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::Redactor;

/// What the name of a credential ends with, in any case, as a regular expression.
const WORDS: &str =
    "(?:token|password|passwd|passphrase|secret|credentials?|(?:api|access|private)[-_]?key|jwt|authorization|cookie)";

/// Whether a value under this name is a credential. The name may be a path or an index, such as `headers['x-api-key']`.
pub fn is_credential(name: &str) -> bool {
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(&format!("(?i){WORDS}$")).expect("it is a regular expression"));
    NAME.is_match(name.trim_end_matches(['\'', '"', ']', ')', ' ']))
}

/// The text with the values of credentials masked where it is JSON, a form or a URL's query; also values that were cut off.
pub fn mask_credentials(text: &str) -> Cow<'_, str> {
    static JSON: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r#"(?i)("[^"\\]*{WORDS}"\s*:\s*)(?:"(?:[^"\\]|\\.)*"?|[0-9][0-9.]*)"#))
            .expect("it is a regular expression")
    });
    static FORM: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(&format!(r#"(?i)(^|[?&])([^=&?\s"]*{WORDS}=)[^&#\s"]+"#)).expect("it is a regular expression")
    });
    let mask = Redactor::MASK;
    match JSON.replace_all(text, format!("${{1}}\"{mask}\"")) {
        Cow::Borrowed(text) => FORM.replace_all(text, format!("${{1}}${{2}}{mask}")),
        Cow::Owned(text) => Cow::Owned(FORM.replace_all(&text, format!("${{1}}${{2}}{mask}")).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_with_what_they_are() {
        for name in [
            "token",
            "accessToken",
            "json.user.password",
            "headers['x-api-key']",
            "Set-Cookie",
            "client_secret",
            "json[\"apiKey\"]",
        ] {
            assert!(is_credential(name), "{name}");
        }
        for name in ["token_type", "tokens_left", "json.token | length", "secretary", "key", "playlist", ""] {
            assert!(!is_credential(name), "{name}");
        }
    }

    #[test]
    fn values_are_masked_by_their_names_and_nothing_else_is() {
        for (text, masked) in [
            (r#"{"id":1,"accessToken" : "a\"b","kind":"x"}"#, r#"{"id":1,"accessToken" : "•••","kind":"x"}"#),
            (r#"{"password":1234,"next":5}"#, r#"{"password":"•••","next":5}"#),
            (r#"{"token":null,"token_type":"bearer"}"#, r#"{"token":null,"token_type":"bearer"}"#),
            (r#"{"secret":"cut off he"#, r#"{"secret":"•••""#),
            ("user=ada&password=lovelace&x=1", "user=ada&password=•••&x=1"),
            ("https://example.com/a?b=1&access_token=xyz#there", "https://example.com/a?b=1&access_token=•••#there"),
            ("the token is here", "the token is here"),
        ] {
            assert_eq!(mask_credentials(text), masked);
        }
    }
}
