//! Where a request came from, and where its links lead: what is settled before it is known who asks.
//!
//! The word of a proxy is taken only if the connection comes from one that `listen.trusted_proxies` lists.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};

use crate::web::hosts::PublicUrl;

use super::state::AccessState;

/// How a connection reached the listener, which puts it into the extensions of every request on it.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Arrival {
    /// Who is at its other end.
    pub(in crate::web) peer: IpAddr,
    /// Whether it is encrypted up to here.
    pub(in crate::web) tls: bool,
}

/// What pages write into `<base href>`, and cookies into `Path`: begins and ends with a slash, such as `/` or `/serinus/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Base(pub(in crate::web) String);

/// Who is at the other end of all, as far as can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// His address.
    pub(super) address: IpAddr,
    /// Whether he speaks TLS with us or the trusted proxy.
    pub(super) secure: bool,
    /// Whether a trusted proxy is between.
    pub(super) by_proxy: bool,
}

impl Client {
    /// Whose request this is.
    fn of(access: &AccessState, arrival: Option<&Arrival>, headers: &HeaderMap) -> Self {
        let Some(Arrival { peer, tls }) = arrival.copied() else {
            return Self { address: Ipv6Addr::UNSPECIFIED.into(), secure: false, by_proxy: false };
        };
        let peer = peer.to_canonical();
        if !access.trusts(peer) {
            return Self { address: peer, secure: tls, by_proxy: false };
        }
        let secure = last(headers, "x-forwarded-proto").map_or(tls, |scheme| scheme.eq_ignore_ascii_case("https"));
        Self { address: forwarded_for(access, headers).unwrap_or(peer), secure, by_proxy: true }
    }
}

/// The address nearest to us in `X-Forwarded-For` that is no trusted proxy's. What is further away anybody may have written.
fn forwarded_for(access: &AccessState, headers: &HeaderMap) -> Option<IpAddr> {
    let lines = headers.get_all("x-forwarded-for").iter().rev().filter_map(|line| line.to_str().ok());
    let mut addresses = lines.flat_map(|line| line.rsplit(',')).map_while(|each| each.trim().parse::<IpAddr>().ok());
    addresses.find(|address| !access.trusts(address.to_canonical())).map(|address| address.to_canonical())
}

/// The last item of a header, which the nearest proxy wrote.
fn last<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// Runs before the routes are looked at: takes the path of `alerting.public_url` from the beginning of the request's, if it is
/// there, and notes [`Base`] and where the request came from.
pub(in crate::web) async fn arrive(State(access): State<Arc<AccessState>>, mut request: Request, next: Next) -> Response {
    let client = Client::of(&access, request.extensions().get::<Arrival>(), request.headers());
    let public = access.hosts().public();
    if let Some(uri) = public.as_ref().and_then(|public| without(request.uri(), &public.path)) {
        *request.uri_mut() = uri;
    }
    let asked = super::origin::host(request.uri(), request.headers());
    let base = Base(base(public.as_deref(), asked, client.by_proxy));
    let secure = client.secure || is_called_secure(public.as_deref(), asked, client.by_proxy);
    let client = Client { secure, ..client };
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(base);
    next.run(request).await
}

/// The same without the prefix, if it has that.
fn without(uri: &Uri, prefix: &str) -> Option<Uri> {
    let path = uri.path().strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
    if !(path.is_empty() || path.starts_with('/')) {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

/// Where pages are for who asked for this host.
fn base(public: Option<&PublicUrl>, asked: Option<&str>, by_proxy: bool) -> String {
    let is_public = |public: &&PublicUrl| by_proxy || asked.is_some_and(|asked| public.is_called(asked));
    public.filter(is_public).map_or_else(|| "/".to_owned(), |public| format!("{}/", public.path))
}

/// Whether who asked for this host came by the public URL, and that is one of `https`: what ends TLS before us need not say so.
fn is_called_secure(public: Option<&PublicUrl>, asked: Option<&str>, by_proxy: bool) -> bool {
    public.is_some_and(|public| {
        public.origin.starts_with("https:") && (by_proxy || asked.is_some_and(|asked| public.is_called(asked)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_taken_off_where_it_is_there_and_only_as_a_whole() {
        let without = |uri: &str, prefix| without(&uri.parse().unwrap(), prefix).map(|uri| uri.to_string());
        assert_eq!(without("/serinus/runs/1?a=b", "/serinus").as_deref(), Some("/runs/1?a=b"));
        assert_eq!(without("/serinus", "/serinus").as_deref(), Some("/"));
        assert_eq!(without("/serinus?x", "/serinus").as_deref(), Some("/?x"));
        for (uri, prefix) in [("/serinus2/runs", "/serinus"), ("/runs/1", "/serinus"), ("/runs/1", "")] {
            assert_eq!(without(uri, prefix), None, "{uri}");
        }
    }

    #[test]
    fn links_have_the_prefix_for_who_came_by_the_public_name_or_the_proxy() {
        let public = PublicUrl::read("https://ops.example.com/serinus").unwrap();
        let base = |asked, by_proxy| base(Some(&public), asked, by_proxy);
        assert_eq!(base(Some("ops.example.com"), false), "/serinus/");
        assert_eq!(base(Some("OPS.example.com:8443"), false), "/serinus/");
        assert_eq!(base(Some("127.0.0.1:9464"), false), "/");
        assert_eq!(base(Some("127.0.0.1:9464"), true), "/serinus/");
        assert_eq!(super::base(None, Some("127.0.0.1"), true), "/");
        let secure = |asked, by_proxy| is_called_secure(Some(&public), asked, by_proxy);
        assert!(secure(Some("ops.example.com"), false) && secure(None, true));
        assert!(!secure(Some("127.0.0.1:9464"), false) && !is_called_secure(None, Some("127.0.0.1"), true));
    }

    fn client(trusted: &[&str], peer: &str, headers: &[(&'static str, &str)]) -> (String, bool, bool) {
        let access = super::super::state::testing::trusting(trusted);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let client = Client::of(&access, Some(&Arrival { peer: peer.parse().unwrap(), tls: false }), &map);
        (client.address.to_string(), client.secure, client.by_proxy)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_wrote_itself() {
        let said = [("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.9, 203.0.113.5, 10.0.0.2")];
        assert_eq!(client(&[], "10.0.0.1", &said), ("10.0.0.1".to_owned(), false, false));
        assert_eq!(client(&["10.0.0.0/24"], "10.1.0.1", &said), ("10.1.0.1".to_owned(), false, false));
        assert_eq!(client(&["10.0.0.0/24"], "10.0.0.1", &said), ("203.0.113.5".to_owned(), true, true));
        assert_eq!(client(&["10.0.0.1"], "::ffff:10.0.0.1", &said), ("10.0.0.2".to_owned(), true, true));
        let odd = [("x-forwarded-proto", "https, http"), ("x-forwarded-for", "192.0.2.9, nobody")];
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &odd), ("10.0.0.1".to_owned(), false, true));
    }
}
