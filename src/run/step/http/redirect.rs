//! What a redirect asks for. Followed here and not by reqwest, so that each hop is measured, `tls.server_name` and `resolve`
//! hold for each hop's own host, and one client serves requests with any redirect policy.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Url;

use crate::outcome::{Reason, Redactor, Withheld, is_credential};

use super::upload::Content;
use crate::run::step::TransportError;

/// One request of an exchange.
#[derive(Debug, Clone)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Content,
}

/// What of a request is known to be made of a secret or of a credential, by the names its templates read.
#[derive(Debug, Clone, Default)]
pub(super) struct Private {
    pub(super) headers: Vec<HeaderName>,
    pub(super) body: bool,
    /// Whether files are in the body. Their bytes are the operator's own and may be many, so they are not searched.
    pub(super) files: bool,
}

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
        // A redirect must not set credentials.
        url.set_username("").and_then(|()| url.set_password(None)).ok()?;
        let mut next = Self { url, ..self.clone() };
        if to_get {
            next.method = Method::GET;
            next.body = Content::default();
            remove(&mut next.headers, &OF_BODY);
        }
        Some(next)
    }

    /// Removes what may not leave the origin of `from`, whose answer with `status` led here as redirect number `redirect`. An
    /// origin is scheme, host and port, so what went over https never goes over http. What was removed is not sent again, even if
    /// a later redirect leads back to the first origin.
    ///
    /// # Errors
    /// If the body is to go along and a secret is in it: without its body the request would be another one.
    pub(super) fn keep_home(
        &mut self,
        from: &Self,
        status: StatusCode,
        redirect: u32,
        private: &Private,
        redactor: &Redactor,
    ) -> Result<Option<Withheld>, TransportError> {
        if self.url.origin() == from.url.origin() {
            return Ok(None);
        }
        let to = self.url.origin().ascii_serialization();
        let holds_secret = |bytes: &[u8]| redactor.holds_secret(&String::from_utf8_lossy(bytes));
        if !self.body.is_empty() && (private.body || !private.files && holds_secret(&self.body.start(usize::MAX))) {
            let from = from.url.origin().ascii_serialization();
            let message = format!(
                "redirect {redirect} (status {}) from {from} to {to} wants the body to go there, and a secret is in it; have the \
                 step ask the final URL, or set `http.redirects = false`",
                status.as_u16()
            );
            return Err(TransportError { reason: Reason::Redirects, message, sent: true, got_byte: true });
        }
        // It names the host that was asked.
        self.headers.remove(header::HOST);
        let is_private = |name: &HeaderName, value: &HeaderValue| {
            private.headers.contains(name) || is_credential(name.as_str()) || holds_secret(value.as_bytes())
        };
        let mut names: Vec<HeaderName> =
            self.headers.iter().filter(|(name, value)| is_private(name, value)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        remove(&mut self.headers, &names);
        let headers: Vec<String> = names.iter().map(ToString::to_string).collect();
        Ok((!headers.is_empty()).then_some(Withheld { redirect, to, headers }))
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}
