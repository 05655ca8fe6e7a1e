//! What outlives an attempt: open connections of a device by name, and TLS settings that the process prepares once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::{ClientConfig, RootCertStore};

use crate::outcome::Reason;
use crate::plan::DeviceSettings;
use crate::run::dns::Dns;
use crate::run::step::TransportError;
use crate::run::step::tls::{self, TlsSetupError};

use super::connection::Connection;
use super::request::TlsRequest;

/// What the process keeps for TCP. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::run::step) struct TcpPool {
    roots: Arc<RootCertStore>,
    pub(super) dns: Dns,
    prepared: Arc<Mutex<HashMap<TlsRequest, PreparedTls>>>,
}

/// TLS settings that were made, and the modification times of the PEM files they were made from.
#[derive(Debug, Clone)]
struct PreparedTls {
    stamps: Vec<Option<SystemTime>>,
    config: Result<Arc<ClientConfig>, TlsSetupError>,
}

impl TcpPool {
    /// One that trusts these roots and looks names up there.
    pub(in crate::run::step) fn new(roots: &Arc<RootCertStore>, dns: &Dns) -> Self {
        Self { roots: Arc::clone(roots), dns: dns.clone(), prepared: Arc::default() }
    }

    /// Forgets what was prepared; what is asked for again is made again.
    pub(in crate::run::step) fn retire(&self) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A client configuration, made once for each different request.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub(super) fn tls(&self, request: &TlsRequest) -> Result<Arc<ClientConfig>, TransportError> {
        let stamps = tls::stamps(&request.settings);
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(request).cloned();
        let config = if let Some(known) = known.filter(|known| known.stamps == stamps) {
            known.config
        } else {
            // Files are read without holding up who asks for other settings.
            let config = tls::client_config(&request.settings, &request.alpn, &self.roots, || {}).map(Arc::new);
            let prepared = PreparedTls { stamps, config: config.clone() };
            self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(request.clone(), prepared);
            config
        };
        config.map_err(|error| TransportError::unsent(Reason::Secret, error.to_string()))
    }
}

/// The connections of one device in one run. Dropping it closes them.
#[derive(Debug)]
pub(in crate::run::step) struct TcpDevice {
    pub(super) pool: TcpPool,
    pub(super) settings: Arc<DeviceSettings>,
    connections: Mutex<HashMap<String, Arc<tokio::sync::Mutex<NamedConnection>>>>,
}

/// What is under a connection's name. Whoever has the lock has the connection for itself.
#[derive(Debug, Default)]
pub(super) enum NamedConnection {
    /// No step has opened it.
    #[default]
    Nothing,
    Open(Connection),
    /// An attempt took it and has not given it back: it is under way, or was cut.
    Taken,
    /// An attempt over it failed.
    Lost(TransportError),
    /// A step closed it.
    Closed,
}

impl TcpDevice {
    /// One without a connection.
    pub(in crate::run::step) fn new(pool: &TcpPool, settings: &Arc<DeviceSettings>) -> Self {
        Self { pool: pool.clone(), settings: Arc::clone(settings), connections: Mutex::default() }
    }

    /// What is kept under a name.
    pub(super) fn connection(&self, name: &str) -> Arc<tokio::sync::Mutex<NamedConnection>> {
        let mut kept = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(name) {
            Some(known) => Arc::clone(known),
            None => Arc::clone(kept.entry(name.to_owned()).or_default()),
        }
    }

    /// Notes why an attempt did not give its connection back, unless another attempt has taken it already.
    pub(super) fn lost(&self, name: &str, failure: &TransportError) {
        if let Ok(mut kept) = self.connection(name).try_lock()
            && matches!(*kept, NamedConnection::Taken)
        {
            *kept = NamedConnection::Lost(failure.clone());
        }
    }
}

impl NamedConnection {
    /// Why there is no connection to be taken up.
    pub(super) fn unavailable(&self, name: &str) -> TransportError {
        let unsent = |reason, why: &str| TransportError::unsent(reason, format!("the connection `{name}` {why}"));
        match self {
            Self::Nothing | Self::Open(_) => {
                unsent(Reason::NotEvaluable, "was not opened by a step of this device before; open it with `tcp.connect`")
            }
            Self::Taken => unsent(Reason::Connect, "is gone: the attempt that had it was cut"),
            Self::Lost(TransportError { reason, message, got_byte, .. }) => {
                let message = format!("the connection `{name}` is gone since an earlier attempt failed: {message}");
                TransportError { reason: *reason, message, sent: false, got_byte: *got_byte }
            }
            Self::Closed => unsent(Reason::NotEvaluable, "was closed by a step before"),
        }
    }
}
