//! The host names that the listener answers to.
//!
//! A page in somebody's browser reaches this machine by a name of its own that leads here (DNS rebinding), and then reads what is
//! meant for this machine only. It cannot choose what `Host` says, so a name that nobody has allowed is refused, on every route.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use http::{HeaderMap, StatusCode, Uri, Version, header};
use url::Url;

/// The names that are answered to.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    listed: Vec<String>,
    public: RwLock<Option<Arc<PublicUrl>>>,
}

/// `alerting.public_url`, as far as requests are held against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicUrl {
    /// Its host, in lower case, without a dot at its end; an IPv6 address in brackets.
    host: String,
    /// As browsers write it, such as `https://ops.example.com`.
    pub(super) origin: String,
    /// Its path without a slash at its end; empty for most.
    pub(super) path: String,
    /// The whole, without a slash at its end.
    pub(super) whole: String,
}

impl PublicUrl {
    /// Reads it; nothing if it is no URL with a host.
    pub(super) fn read(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        let (origin, path) = (url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned());
        Some(Self { host, whole: format!("{origin}{path}"), origin, path })
    }

    /// Whether a request for this host and port is for its host.
    pub(super) fn is_called(&self, asked: &str) -> bool {
        name_of(asked) == self.host
    }
}

impl Hosts {
    /// The names of `listen.hosts`, in lower case, and the host of `alerting.public_url`.
    pub(crate) fn new(listed: Vec<String>, public_url: Option<&str>) -> Self {
        Self { listed, public: RwLock::new(public_url.and_then(PublicUrl::read).map(Arc::new)) }
    }

    /// What `alerting.public_url` says from now on.
    pub(crate) fn set_public(&self, public_url: Option<&str>) {
        *self.public.write().unwrap_or_else(PoisonError::into_inner) = public_url.and_then(PublicUrl::read).map(Arc::new);
    }

    /// What `alerting.public_url` says.
    pub(super) fn public(&self) -> Option<Arc<PublicUrl>> {
        self.public.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a request may be answered; if not, with which status and why.
    pub(super) fn admit(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), (StatusCode, String)> {
        let mut said = headers.get_all(header::HOST).iter();
        let host = match (said.next(), said.next()) {
            (Some(_), Some(_)) => return Err((StatusCode::BAD_REQUEST, "the request has more than one `Host`".to_owned())),
            (Some(host), None) => Some(host.to_str().unwrap_or_default()),
            (None, _) => None,
        };
        // A target that names an authority outranks the header, as RFC 9112 has it.
        let Some(host) = uri.authority().map(http::uri::Authority::as_str).or(host) else {
            // No browser leaves it out; what checks health over HTTP/1.0 does.
            if version == Version::HTTP_10 {
                return Ok(());
            }
            return Err((StatusCode::BAD_REQUEST, "the request has no `Host`".to_owned()));
        };
        if self.knows(host) {
            return Ok(());
        }
        let host: String = host.chars().take(200).collect();
        let why = format!(
            "this service does not answer by the name `{host}`: ask by address or as `localhost`, or add the name to `listen.hosts`"
        );
        Err((StatusCode::FORBIDDEN, why))
    }

    fn knows(&self, host: &str) -> bool {
        let name = name_of(host);
        let inside = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if inside.unwrap_or(&name).parse::<IpAddr>().is_ok() {
            return true;
        }
        name == "localhost" || self.listed.contains(&name) || self.public().is_some_and(|public| public.host == name)
    }
}

/// The name in a host with or without a port, in lower case.
fn name_of(host: &str) -> String {
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, version: Version, uri: &str, said: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for host in said {
            headers.append(header::HOST, host.parse().unwrap());
        }
        hosts.admit(version, &uri.parse().unwrap(), &headers).map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn addresses_localhost_and_the_names_of_the_configuration_are_answered_to_and_no_others() {
        let hosts = Hosts::new(vec!["prober.internal".to_owned()], Some("https://Serinus.example.com:8443/base"));
        let ask = |host| status(&hosts, Version::HTTP_11, "/metrics", &[host]);
        for good in [
            "127.0.0.1",
            "10.1.2.3:9464",
            "[::1]:9464",
            "[fe80::1]",
            "localhost",
            "LocalHost:9464",
            "localhost.",
            "prober.internal:80",
            "PROBER.internal",
            "serinus.example.com",
            "serinus.example.com:8443",
        ] {
            assert_eq!(ask(good), 200, "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:9464",
            "xprober.internal",
            "user@localhost",
            "localhost:80:80",
            "",
            "*",
            "[localhost]",
        ] {
            assert_eq!(ask(bad), 403, "{bad}");
        }
        hosts.set_public(Some("https://moved.example.com"));
        assert_eq!((ask("moved.example.com"), ask("serinus.example.com")), (200, 403), "a reload may change it");
    }

    #[test]
    fn the_authority_of_the_target_outranks_the_header_and_the_header_must_be_there_once() {
        let hosts = Hosts::default();
        assert_eq!(status(&hosts, Version::HTTP_11, "http://evil.example/metrics", &["localhost"]), 403);
        assert_eq!(status(&hosts, Version::HTTP_11, "http://localhost/metrics", &["evil.example"]), 200);
        assert_eq!(status(&hosts, Version::HTTP_11, "/metrics", &[]), 400);
        assert_eq!(status(&hosts, Version::HTTP_10, "/metrics", &[]), 200);
        assert_eq!(status(&hosts, Version::HTTP_10, "/metrics", &["evil.example"]), 403);
        assert_eq!(status(&hosts, Version::HTTP_11, "/metrics", &["localhost", "evil.example"]), 400);
    }

    #[test]
    fn a_refusal_names_the_key_that_would_allow_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "evil.example".parse().unwrap());
        let (_, why) = Hosts::default().admit(Version::HTTP_11, &Uri::from_static("/"), &headers).unwrap_err();
        assert!(why.contains("`listen.hosts`") && why.contains("evil.example"), "{why}");
    }
}
