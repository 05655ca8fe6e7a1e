//! HTTP clients: prepared once per distinct device settings, made anew per run and device.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use reqwest::cookie::Jar;
use reqwest::redirect::{Attempt, Policy};
use rustls::{ClientConfig, RootCertStore};

use crate::plan::{Connections, DeviceSettings, HttpVersion, Limits, Pem, Redirects};

use super::marks::{MarkConnect, note_redirect};
use super::oauth::Tokens;
use super::resolver::{Lead, Resolver};
use super::tls::{self, TlsSetupError};

/// Response headers accepted; hyper's own bound on their bytes (about 400 KiB) holds besides.
const MAX_HEADERS: usize = 256;

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
        // reqwest asks for the process's provider where a client has none of its own; a second call is harmless.
        let _ = tls::provider().as_ref().clone().install_default();
        let roots = tls::machine_roots(&limits.extra_roots).map_err(HttpSetupError::Roots)?;
        Ok(Self { shared: Arc::new(Shared { roots, prepared: RwLock::default() }) })
    }

    /// A device's own cookies and connections, for one run.
    pub fn device(&self, settings: &Arc<DeviceSettings>) -> HttpDevice {
        HttpDevice {
            prepared: self.prepared(settings),
            jar: Arc::new(Jar::default()),
            clients: Mutex::default(),
            tokens: Tokens::default(),
        }
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
            tls: tls::client_config(&settings.tls, settings.version, &self.shared.roots),
            resolver: resolver(settings),
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

fn resolver(settings: &DeviceSettings) -> Resolver {
    let leads = settings.resolve.iter().map(|resolve| (resolve.host.clone(), Lead::Address(resolve.address)));
    Resolver::new(leads.collect())
}

/// One device of one run: its cookies, connections and tokens.
#[derive(Debug)]
pub struct HttpDevice {
    prepared: Arc<Prepared>,
    jar: Arc<Jar>,
    /// One client for each way of treating redirects; they share the cookies. The host is the one that
    /// `tls.server_name` stands in for.
    clients: Mutex<Vec<(Redirects, Option<String>, reqwest::Client)>>,
    pub(super) tokens: Tokens,
}

impl HttpDevice {
    /// The redirect policy where a request names none.
    pub(super) fn redirects(&self) -> Redirects {
        self.prepared.settings.redirects
    }

    /// The name that stands in for URLs' hosts in TLS.
    pub(super) fn server_name(&self) -> Option<&str> {
        self.prepared.settings.tls.server_name.as_deref()
    }

    /// The client for this redirect policy; `stands_for` is the host behind `tls.server_name`.
    ///
    /// # Errors
    /// If the TLS settings or the client cannot be made, with why.
    pub(super) fn client(&self, redirects: Redirects, stands_for: Option<&str>) -> Result<reqwest::Client, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., client)) = clients.iter().find(|(known, host, _)| *known == redirects && host.as_deref() == stands_for) {
            return Ok(client.clone());
        }
        let client = self.build(redirects, stands_for)?;
        clients.push((redirects, stands_for.map(str::to_owned), client.clone()));
        Ok(client)
    }

    fn build(&self, redirects: Redirects, stands_for: Option<&str>) -> Result<reqwest::Client, String> {
        let settings = &self.prepared.settings;
        let tls = self.prepared.tls.as_ref().map_err(ToString::to_string)?;
        let resolver = match (&settings.tls.server_name, stands_for) {
            (Some(name), Some(host)) => self.prepared.resolver.with(name, Lead::Host(host.to_ascii_lowercase())),
            _ => self.prepared.resolver.clone(),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls.clone())
            .tls_info(true)
            .dns_resolver(resolver)
            .connector_layer(MarkConnect)
            .redirect(policy(redirects))
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_max_headers(MAX_HEADERS)
            .no_proxy();
        if settings.cookies {
            builder = builder.cookie_provider(Arc::clone(&self.jar));
        }
        builder = match settings.version {
            HttpVersion::Auto => builder,
            HttpVersion::Http1 => builder.http1_only(),
            HttpVersion::Http2 => builder.http2_prior_knowledge(),
        };
        if settings.connections == Connections::Fresh {
            builder = builder.pool_max_idle_per_host(0);
        }
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

fn policy(redirects: Redirects) -> Policy {
    match redirects {
        Redirects::Off => Policy::none(),
        Redirects::Follow(most) => Policy::custom(move |attempt: Attempt<'_>| {
            if attempt.previous().len() > most as usize {
                return attempt.error(TooManyRedirects(most));
            }
            note_redirect();
            attempt.follow()
        }),
    }
}

/// Redirects went on past their bound.
#[derive(Debug, thiserror::Error)]
#[error("redirected more than {0} times")]
pub(super) struct TooManyRedirects(u32);
