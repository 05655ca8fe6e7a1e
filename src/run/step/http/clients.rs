//! HTTP clients: prepared once per distinct device settings, made anew for each connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use http::HeaderValue;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use url::{Position, Url};

use crate::outcome::Reason;
use crate::plan::{self, DeviceSettings, HttpVersion, Limits, Redirects, TlsSettings};
use crate::run::dns::{Dns, NameSources};

use super::connections::Connections;
use super::cookies::Cookies;
use super::oauth::Tokens;
use super::resolver::{AddressCache, CachingResolver, HostOverride, Resolver};
use super::timings::{OneConnection, TimingEvent, note};
use crate::run::step::TransportError;
use crate::run::step::tls::{self, TlsSetupError};

/// Response headers accepted; hyper's own bound on their bytes (about 400 KiB) holds besides.
const MAX_HEADERS: usize = 256;

/// Bytes of response headers accepted over HTTP/2, as much as over HTTP/1.1.
const MAX_HEADER_BYTES: u32 = 400 << 10;

/// Why the clients cannot be made at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The extra roots of the service configuration.
    #[error("cannot load `limits.extra_roots`")]
    Roots(#[source] TlsSetupError),
}

/// Prepared clients of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClients {
    shared: Arc<ClientPool>,
}

#[derive(Debug)]
struct ClientPool {
    roots: Arc<RootCertStore>,
    dns: Dns,
    prepared: RwLock<HashMap<Arc<DeviceSettings>, Arc<PreparedClient>>>,
}

/// What devices with equal settings share.
#[derive(Debug)]
struct PreparedClient {
    settings: Arc<DeviceSettings>,
    /// Modification times of the PEM files it was made from.
    stamps: Vec<Option<SystemTime>>,
    tls: Result<ClientConfig, TlsSetupError>,
    resolver: Resolver,
}

impl HttpClients {
    /// Loads the roots.
    ///
    /// # Errors
    /// If an extra root file of the configuration cannot be read.
    pub fn new(limits: &Limits) -> Result<Self, HttpSetupError> {
        Self::with_names(limits, NameSources::default())
    }

    /// The same, with look-ups from these sources.
    ///
    /// # Errors
    /// If an extra root file of the configuration cannot be read.
    pub fn with_names(limits: &Limits, names: NameSources) -> Result<Self, HttpSetupError> {
        // reqwest asks for the process's provider where a client has none of its own; a second call is harmless.
        let _ = tls::provider().as_ref().clone().install_default();
        let roots = tls::machine_roots(&limits.extra_roots).map_err(HttpSetupError::Roots)?;
        Ok(Self { shared: Arc::new(ClientPool { roots, dns: Dns::new(names), prepared: RwLock::default() }) })
    }

    /// A device's own cookies and connections, for one run.
    pub fn device(&self, settings: &Arc<DeviceSettings>) -> HttpDevice {
        HttpDevice {
            prepared: self.prepared(settings),
            jar: Arc::default(),
            connections: Connections::default(),
            address_cache: AddressCache::default(),
            tokens: Tokens::default(),
        }
    }

    /// Forgets what was prepared for other settings than these.
    pub fn retire_all_but<'a>(&self, used: impl Iterator<Item = &'a DeviceSettings>) {
        let used: HashSet<&DeviceSettings> = used.collect();
        let mut prepared = self.shared.prepared.write().unwrap_or_else(PoisonError::into_inner);
        prepared.retain(|settings, _| used.contains(&**settings));
    }

    /// Distinct settings that something is prepared for.
    pub fn prepared_settings(&self) -> usize {
        self.shared.prepared.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Asks `url` for its headers; any answer will do. Nothing is shared with the connections and look-ups of runs, so that
    /// those cannot keep this one waiting.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn reach(&self, url: &Url) -> Result<(), String> {
        let settings = tls::client_config(&TlsSettings::default(), protocols(HttpVersion::Http1), &self.shared.roots, || {})
            .map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(settings)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        client.head(url.clone()).send().await.map(drop).map_err(|error| super::failure::error_chain(&error))
    }

    /// The roots that every connection trusts.
    pub(in crate::run::step) fn roots(&self) -> &Arc<RootCertStore> {
        &self.shared.roots
    }

    /// The look-ups of this process.
    pub(in crate::run::step) fn dns(&self) -> &Dns {
        &self.shared.dns
    }

    fn prepared(&self, settings: &Arc<DeviceSettings>) -> Arc<PreparedClient> {
        let stamps = tls::stamps(&settings.tls);
        {
            let prepared = self.shared.prepared.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = prepared.get(settings).filter(|known| known.stamps == stamps) {
                return Arc::clone(known);
            }
        }
        let fresh = Arc::new(PreparedClient {
            tls: tls::client_config(&settings.tls, protocols(spoken(settings)), &self.shared.roots, || {
                note(TimingEvent::TlsStart);
            }),
            resolver: resolver(settings, self.shared.dns.clone()),
            settings: Arc::clone(settings),
            stamps,
        });
        let mut prepared = self.shared.prepared.write().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(Arc::clone(settings), Arc::clone(&fresh));
        fresh
    }
}

/// Which HTTP is spoken. Under `tls.server_name` HTTP/2 would ask for that name also as authority, and the target would answer for
/// a host that was not asked for; it is spoken only if demanded.
fn spoken(settings: &DeviceSettings) -> HttpVersion {
    match settings.version {
        HttpVersion::Auto if settings.tls.server_name.is_some() => HttpVersion::Http1,
        version => version,
    }
}

/// What is offered by ALPN to speak it.
pub(super) fn protocols(version: HttpVersion) -> &'static [&'static str] {
    match version {
        HttpVersion::Auto => &["h2", "http/1.1"],
        HttpVersion::Http1 => &["http/1.1"],
        HttpVersion::Http2 => &["h2"],
    }
}

fn resolver(settings: &DeviceSettings, dns: Dns) -> Resolver {
    let overrides = settings.resolve.iter().map(|resolve| (resolve.host.clone(), HostOverride::Address(resolve.address)));
    Resolver::new(overrides.collect(), dns)
}

/// One device of one run: its cookies, connections and tokens.
#[derive(Debug)]
pub struct HttpDevice {
    prepared: Arc<PreparedClient>,
    jar: Arc<Cookies>,
    pub(super) connections: Connections,
    pub(super) address_cache: AddressCache,
    pub(super) tokens: Tokens,
}

/// How a URL is asked for, given that reqwest takes the name in TLS and the port from the URL.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) url: Url,
    /// What to send as `Host`, where the URL no longer says it.
    pub(super) host: Option<HeaderValue>,
    /// The host that the URL's name stands in for.
    pub(super) stands_for: Option<String>,
}

impl HttpDevice {
    /// The redirect policy where a request names none.
    pub(super) fn redirects(&self) -> Redirects {
        self.prepared.settings.redirects
    }

    /// How to ask for `url` under `tls.server_name` and `resolve`.
    ///
    /// # Errors
    /// If `tls.server_name` cannot be a host.
    pub(super) fn route(&self, url: &Url) -> Result<Route, TransportError> {
        let settings = &self.prepared.settings;
        let host = url.host_str().unwrap_or_default();
        let name = settings.tls.server_name.as_deref().filter(|name| url.scheme() == "https" && !name.eq_ignore_ascii_case(host));
        let port = settings.resolve.iter().any(|resolve| resolve.host == host && resolve.address.port() != 0);
        if name.is_none() && (!port || url.port().is_none()) {
            return Ok(Route { url: url.clone(), host: None, stands_for: None });
        }
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        let unusable = |what: &str, error: &dyn std::fmt::Display| {
            TransportError::unsent(Reason::NotEvaluable, format!("{what} cannot be used: {error}"))
        };
        let authority = HeaderValue::from_str(authority).map_err(|error| unusable("the URL's host", &error))?;
        let mut route = Route { url: url.clone(), host: Some(authority), stands_for: None };
        if let Some(name) = name {
            if settings.proxy.as_ref().is_some_and(|proxy| proxy.scheme().starts_with("http")) {
                return Err(unusable("`tls.server_name`", &"a proxy resolves names itself, and would target elsewhere"));
            }
            route.url.set_host(Some(name)).map_err(|error| unusable(&format!("`tls.server_name` `{name}`"), &error))?;
            route.stands_for = Some(host.trim_matches(['[', ']']).to_owned());
        }
        if port {
            // Only URLs without a host refuse this.
            let _ = route.url.set_port(None);
        }
        Ok(route)
    }

    /// Whether a connection may serve more than one request.
    pub(super) fn keeps_connections(&self) -> bool {
        self.prepared.settings.connections == plan::Connections::Reuse
    }

    /// Whether it is known beforehand that `url` is asked over HTTP/1.1.
    pub(super) fn speaks_http1(&self, url: &Url) -> bool {
        match spoken(&self.prepared.settings) {
            HttpVersion::Auto => url.scheme() == "http",
            HttpVersion::Http1 => true,
            HttpVersion::Http2 => false,
        }
    }

    /// A client with a connection yet to be made; `stands_for` is the host behind `tls.server_name`.
    ///
    /// # Errors
    /// If the TLS settings or the client cannot be made, with why.
    pub(super) fn client(&self, stands_for: Option<&str>) -> Result<reqwest::Client, TransportError> {
        self.build(stands_for).map_err(|why| TransportError::unsent(Reason::Secret, why))
    }

    fn build(&self, stands_for: Option<&str>) -> Result<reqwest::Client, String> {
        let settings = &self.prepared.settings;
        let tls = self.prepared.tls.as_ref().map_err(ToString::to_string)?;
        let resolver = match (&settings.tls.server_name, stands_for) {
            (Some(name), Some(host)) => self.prepared.resolver.with(name, HostOverride::Host(host.to_ascii_lowercase())),
            _ => self.prepared.resolver.clone(),
        };
        // The cache goes by name. Under `tls.server_name` the same name leads to another host for each client, so it is not used.
        let cache = if stands_for.is_some() { AddressCache::default() } else { self.address_cache.clone() };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls.clone())
            .tls_info(true)
            .dns_resolver(CachingResolver { cache, resolver })
            .connector_layer(OneConnection::default())
            .redirect(Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            // `connections` looks for what was idle for long; no timer is needed.
            .pool_idle_timeout(None)
            .http1_max_headers(MAX_HEADERS)
            .http2_max_header_list_size(MAX_HEADER_BYTES)
            .no_proxy();
        if settings.cookies {
            builder = builder.cookie_provider(Arc::clone(&self.jar));
        }
        builder = match spoken(settings) {
            HttpVersion::Auto => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        if let Some(proxy) = &settings.proxy {
            builder =
                builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(|error| format!("cannot use the proxy: {error}"))?);
        }
        if let Some(timeout) = settings.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(address) = settings.local_address {
            builder = builder.local_address(address);
        }
        builder.build().map_err(|error| format!("cannot make an HTTP client: {error}"))
    }
}
