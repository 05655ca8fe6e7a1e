//! What an action has to say, on the page that it leads to.
//!
//! It travels in a cookie of a minute that pages read and take away, and not in the address, where a link of somebody else's could
//! put words into our mouth.

use std::fmt::Write as _;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::outcome::visible;
use crate::web::model::words;

/// What takes the cookie away.
const GONE: &str = "serinus_said=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax";
const NAME: &str = "serinus_said=";
/// Characters that are said.
const MOST: usize = 600;

/// What an action has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// Whether it was done.
    pub(super) done: bool,
    /// One or two sentences.
    pub(super) text: String,
}

impl Said {
    /// It was done.
    pub(super) fn yes(text: impl Into<String>) -> Self {
        Self { done: true, text: text.into() }
    }

    /// It was not, and why.
    pub(super) fn no(text: impl Into<String>) -> Self {
        Self { done: false, text: text.into() }
    }

    /// The class in the style sheet.
    pub(super) fn class(&self) -> &'static str {
        if self.done { "yes" } else { "no" }
    }

    /// The answer that leads to a page and says it there.
    pub(super) fn at(&self, to: &str) -> Response {
        let mut value = if self.done { "y".to_owned() } else { "n".to_owned() };
        for byte in words::clip(&visible(&self.text), MOST).bytes() {
            let _ = write!(value, "{byte:02x}");
        }
        let cookie = format!("{NAME}{value}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax");
        (StatusCode::SEE_OTHER, [(header::LOCATION, to.to_owned()), (header::SET_COOKIE, cookie)]).into_response()
    }
}

/// What the request brings.
pub(super) fn read(headers: &HeaderMap) -> Option<Said> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let value = cookies.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(NAME))?;
    let (done, digits) = value.split_at_checked(1).filter(|(_, digits)| digits.len().is_multiple_of(2))?;
    let bytes: Option<Vec<u8>> =
        digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let text = words::clip(&visible(&String::from_utf8(bytes?).ok()?), MOST);
    (!text.is_empty()).then(|| Said { done: done == "y", text })
}

/// Takes away what a page has said.
pub(super) async fn once(request: Request, next: Next) -> Response {
    let is_said = request.method() == Method::GET && read(request.headers()).is_some();
    let mut response = next.run(request).await;
    if is_said {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(GONE));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_comes_back_from_its_cookie_and_what_is_none_says_nothing() {
        let said = Said::no("„nö“ <b>; x=1");
        let answer = said.at("./");
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        let with = |cookie: &str| HeaderMap::from_iter([(header::COOKIE, format!("a=b; {cookie}").parse().unwrap())]);
        assert_eq!(read(&with(&cookie)), Some(said));
        for odd in ["serinus_said=", "serinus_said=y", "serinus_said=yzz", "serinus_said=y0", "serinus_said=yff", "other=y61"] {
            assert_eq!(read(&with(odd)), None, "{odd}");
        }
    }
}
