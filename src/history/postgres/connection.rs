//! Connections to the database.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::plan::{DatabaseTls, DatabaseUrl};

/// How long a connection may take to be made, and how long a question waits for one that is free.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long a server that is gone goes unnoticed on a connection that waits for an answer.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// Why no connection could ever be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The certificates that are to be trusted cannot be read.
    #[error("the certificates in `{path}` (`sslrootcert`) cannot be read")]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    /// A pool cannot be made.
    #[error("connections cannot be kept")]
    Pool(#[from] deadpool_postgres::BuildError),
}

/// Makes connections.
pub(super) struct Connector {
    config: Config,
    tls: Option<ClientConfig>,
}

impl Connector {
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, ConnectorError> {
        let tls = match &url.tls {
            DatabaseTls::Disabled => None,
            DatabaseTls::Verified { roots } => Some(client_config(roots.as_ref())?),
        };
        let mut config = url.config.clone();
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(CONNECT_WITHIN).tcp_user_timeout(GONE_AFTER).keepalives_idle(GONE_AFTER);
        if config.get_application_name().is_none() {
            config.application_name("serinus");
        }
        Ok(Self { config, tls })
    }

    /// So many connections at most, which are made when they are needed, on the runtime that asks for them.
    pub(super) fn pool(&self, connections: usize) -> Result<Pool, ConnectorError> {
        // One that was closed is known to be so; asking the server each time would double the round trips.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.tls {
            Some(tls) => Manager::from_config(self.config.clone(), MakeRustlsConnect::new(tls.clone()), recycling),
            None => Manager::from_config(self.config.clone(), NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_WITHIN))
            .create_timeout(Some(CONNECT_WITHIN));
        Ok(pool.build()?)
    }
}

/// A connection of a pool, which it goes back to when it is dropped.
pub(super) type Connection = Object;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    #[error("there is no connection to it")]
    Connect(#[from] PoolError),
    #[error("it refused a statement, or the connection broke")]
    Statement(#[from] tokio_postgres::Error),
}

fn client_config(roots: Option<&PathBuf>) -> Result<ClientConfig, ConnectorError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = roots {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        store.add_parsable_certificates(read.map_err(|source| ConnectorError::Roots { path: path.clone(), source })?);
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
