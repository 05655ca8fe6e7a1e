//! User and password of a URL, as they are sent.

use url::Url;

/// Whether there are any.
pub(super) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// User and password, without the escapes that the URL needs.
pub(super) fn user_info(url: &Url) -> Option<(String, String)> {
    has_user_info(url).then(|| (percent_decoded(url.username()), percent_decoded(url.password().unwrap_or_default())))
}

fn percent_decoded(text: &str) -> String {
    // The form parser decodes percent signs. The characters that only mean something in forms are escaped first.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}
