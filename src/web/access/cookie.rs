//! The cookie of a session, as headers.

use http::{HeaderMap, HeaderValue, header};

/// Its name.
const NAME: &str = "serinus_session";

/// Cookies of the name that are looked at; a browser sends one for each path.
const MOST: usize = 4;

/// The values that a request brings.
pub(super) fn values(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value).take(MOST)
}

/// The header that sets it for so many seconds; no seconds end it.
pub(super) fn set(value: &str, path: &str, seconds: u64, secure: bool) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    // The path is that of a parsed URL, and ends no attribute.
    let path: String = path.chars().filter(|letter| *letter != ';' && !letter.is_control()).collect();
    HeaderValue::try_from(format!("{NAME}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_among_others_and_set_so_that_no_script_and_no_other_site_has_it() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=b; serinus_session=one.1; xserinus_session=no".parse().unwrap());
        headers.append("cookie", "serinus_session=two".parse().unwrap());
        assert_eq!(values(&headers).collect::<Vec<_>>(), ["one.1", "two"]);
        let set = set("v", "/serinus/", 60, true).unwrap();
        assert_eq!(set, "serinus_session=v; Path=/serinus/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    }
}
