//! HTTP clients: prepared once per distinct device settings, made anew for each connection.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use http::HeaderValue;
use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use url::Position;

use crate::outcome::Reason;
use crate::plan::{self, DeviceSettings, HttpVersion, Limits, Pem, Redirects};
use crate::run::dns::{Dns, NameSources};

use super::connections::Connections;
use super::cookies::Cookies;
use super::marks::OneConnection;
use super::oauth::Tokens;
use super::remembered::{Remembered, Remembering};
use super::resolver::{Lead, Resolver};
use super::tls::{self, TlsSetupError};
use crate::run::step::TransportError;

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
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    roots: Arc<RootCertStore>,
    dns: Dns,
    prepared: RwLock<HashMap<Arc<DeviceSettings>, Arc<Prepared>>>,
}

/// What devices with equal settings share.
#[derive(Debug)]
struct Prepared {
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

    /// The same, and looks names up as `names` says.
    ///
    /// # Errors
    /// If an extra root file of the configuration cannot be read.
    pub fn with_names(limits: &Limits, names: NameSources) -> Result<Self, HttpSetupError> {
        // reqwest asks for the process's provider where a client has none of its own; a second call is harmless.
        let _ = tls::provider().as_ref().clone().install_default();
        let roots = tls::machine_roots(&limits.extra_roots).map_err(HttpSetupError::Roots)?;
        Ok(Self { shared: Arc::new(Shared { roots, dns: Dns::new(names), prepared: RwLock::default() }) })
    }

    /// A device's own cookies and connections, for one run.
    pub fn device(&self, settings: &Arc<DeviceSettings>) -> HttpDevice {
        HttpDevice {
            prepared: self.prepared(settings),
            jar: Arc::default(),
            connections: Connections::default(),
            remembered: Remembered::default(),
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

    /// The look-ups of this process.
    pub(in crate::run::step) fn dns(&self) -> &Dns {
        &self.shared.dns
    }

    /// The roots that every connection trusts.
    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.shared.roots
    }

    fn prepared(&self, settings: &Arc<DeviceSettings>) -> Arc<Prepared> {
        let stamps = stamps(settings);
        {
            let prepared = self.shared.prepared.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = prepared.get(settings).filter(|known| known.stamps == stamps) {
                return Arc::clone(known);
            }
        }
        let fresh = Arc::new(Prepared {
            tls: tls::client_config(&settings.tls, spoken(settings), &self.shared.roots),
            resolver: resolver(settings, self.shared.dns.clone()),
            settings: Arc::clone(settings),
            stamps,
        });
        let mut prepared = self.shared.prepared.write().unwrap_or_else(PoisonError::into_inner);
        prepared.insert(Arc::clone(settings), Arc::clone(&fresh));
        fresh
    }
}

/// Modification times of the PEM files in `settings`, so that renewed certificates are noticed. Most devices have none.
fn stamps(settings: &DeviceSettings) -> Vec<Option<SystemTime>> {
    let client = settings.tls.client.iter().flat_map(|(chain, key)| [chain, key]);
    let files = settings.tls.ca.iter().chain(client);
    files.map(|Pem(path)| std::fs::metadata(path.as_path()).and_then(|meta| meta.modified()).ok()).collect()
}

/// Which HTTP is spoken. Under `tls.server_name` HTTP/2 would ask for that name also as authority, and the target would answer for
/// a host that was not asked for; it is spoken only if demanded.
fn spoken(settings: &DeviceSettings) -> HttpVersion {
    match settings.version {
        HttpVersion::Auto if settings.tls.server_name.is_some() => HttpVersion::Http1,
        version => version,
    }
}

fn resolver(settings: &DeviceSettings, dns: Dns) -> Resolver {
    let leads = settings.resolve.iter().map(|resolve| (resolve.host.clone(), Lead::Address(resolve.address)));
    Resolver::new(leads.collect(), dns)
}

/// One device of one run: its cookies, connections and tokens.
#[derive(Debug)]
pub struct HttpDevice {
    prepared: Arc<Prepared>,
    jar: Arc<Cookies>,
    pub(super) connections: Connections,
    pub(super) remembered: Remembered,
    pub(super) tokens: Tokens,
}

/// How a URL is asked for, given that reqwest takes the name in TLS and the port from the URL.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) url: reqwest::Url,
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

    /// The way to `url` under `tls.server_name` and `resolve`.
    ///
    /// # Errors
    /// If `tls.server_name` cannot be a host.
    pub(super) fn route(&self, url: &reqwest::Url) -> Result<Route, TransportError> {
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
                return Err(unusable("`tls.server_name`", &"a proxy resolves names itself, and would lead elsewhere"));
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
    pub(super) fn speaks_http1(&self, url: &reqwest::Url) -> bool {
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
            (Some(name), Some(host)) => self.prepared.resolver.with(name, Lead::Host(host.to_ascii_lowercase())),
            _ => self.prepared.resolver.clone(),
        };
        // By the name that is asked for: under `tls.server_name` it leads to another host for each client.
        let remembered = if stands_for.is_some() { Remembered::default() } else { self.remembered.clone() };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls.clone())
            .tls_info(true)
            .dns_resolver(Remembering { remembered, resolver })
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
