//! What a redirect asks for. Followed here and not by reqwest, so that each hop is measured, `tls.server_name` and `resolve`
//! hold for each hop's own host, and one client serves requests with any redirect policy.

use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use reqwest::Url;

use super::upload::Content;

/// One request of an exchange.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Content,
}

/// What says who is asking, and which host is asked: not for another origin.
const PERSONAL: [HeaderName; 4] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION, header::HOST];

/// What describes a body.
const OF_BODY: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::TRANSFER_ENCODING];

impl Hop {
    /// Where an answer to this request leads, by the rules of the Fetch standard (section "HTTP-redirect fetch"). `None` if the
    /// answer is final: no redirect, or one that leads nowhere HTTP can go.
    pub(super) fn after(&self, status: StatusCode, answer: &HeaderMap) -> Option<Self> {
        let to_get = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => !matches!(self.method, Method::GET | Method::HEAD),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return None,
        };
        let location = std::str::from_utf8(answer.get(header::LOCATION)?.as_bytes()).ok()?;
        let mut url = self.url.join(location).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        if url.fragment().is_none() {
            url.set_fragment(self.url.fragment());
        }
        // Whoever redirects does not decide on credentials.
        url.set_username("").and_then(|()| url.set_password(None)).ok()?;
        let mut next = Self { url, ..self.clone() };
        if to_get {
            next.method = Method::GET;
            next.body = Content::default();
            remove(&mut next.headers, &OF_BODY);
        }
        if next.url.origin() != self.url.origin() {
            remove(&mut next.headers, &PERSONAL);
        }
        Some(next)
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
