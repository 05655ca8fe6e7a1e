//! Whether a request was made by a page of ours, or by another site in the same browser.

use http::{HeaderMap, Uri, header};

use crate::web::hosts::PublicUrl;

/// The host that a request asks for, with the port where it names one.
pub(super) fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    let said = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    uri.authority().map(http::uri::Authority::as_str).or_else(said)
}

/// Whether a page of ours made this request: its `Origin`, or `Referer` where there is none, is the host that it asks for or that of
/// `alerting.public_url`, and the browser does not say that another site is behind it.
pub(super) fn is_own(uri: &Uri, headers: &HeaderMap, public: Option<&PublicUrl>) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let Some(from) = text("origin").or_else(|| text("referer")) else { return false };
    let Ok(from) = url::Url::parse(from) else { return false };
    if !matches!(from.scheme(), "http" | "https") {
        return false;
    }
    // What is asked for has no scheme. A port that is its scheme's own is in neither.
    let is_asked = |asked: &str| {
        let asked = url::Url::parse(&format!("{}://{asked}", from.scheme()));
        asked.is_ok_and(|asked| asked.origin() == from.origin())
    };
    public.is_some_and(|public| public.origin == from.origin().ascii_serialization()) || host(uri, headers).is_some_and(is_asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_own(said: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1:9464".parse().unwrap());
        for (name, value) in said {
            headers.insert(*name, value.parse().unwrap());
        }
        let public = PublicUrl::read("https://ops.example.com/serinus").unwrap();
        super::is_own(&Uri::from_static("/x"), &headers, Some(&public))
    }

    #[test]
    fn a_page_of_ours_is_known_by_its_origin_or_else_its_referer() {
        assert!(is_own(&[("origin", "http://127.0.0.1:9464")]));
        assert!(is_own(&[("origin", "https://127.0.0.1:9464"), ("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[("referer", "http://127.0.0.1:9464/incidents/1?a=b")]));
        assert!(is_own(&[("origin", "https://ops.example.com")]) && is_own(&[("host", "Ops:80"), ("origin", "http://ops")]));
    }

    #[test]
    fn another_site_is_not_ours_whatever_it_says_besides() {
        for said in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://evil.example")],
            &[("origin", "http://127.0.0.1:9465")],
            &[("origin", "http://127.0.0.1:9464.evil.example")],
            &[("origin", "http://evil.example"), ("referer", "http://127.0.0.1:9464/")],
            &[("origin", "http://127.0.0.1:9464"), ("sec-fetch-site", "cross-site")],
            &[("origin", "http://127.0.0.1:9464"), ("sec-fetch-site", "same-site")],
            &[("referer", "file:///127.0.0.1:9464")],
            &[("origin", "https://ops.example.com:8443")],
        ] {
            assert!(!is_own(said), "{said:?}");
        }
    }
}
