//! Where the database is, and connections to it.
//!
//! A connection over a network is encrypted, and the server's certificate is verified with its name, unless the URL says
//! `sslmode=disable`; a mode that would fall back to plain text is refused.

use std::path::PathBuf;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

/// How long a connection may take to be made, and how long a question waits for one that is free.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long a server that is gone goes unnoticed on a connection that waits for an answer.
const GONE_AFTER: Duration = Duration::from_secs(10);

/// Why a URL names no database.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is none that the driver understands.
    #[error("it is no URL of a database")]
    Driver(#[from] tokio_postgres::Error),
    /// It is no URL at all.
    #[error("it is no URL")]
    Url(#[from] url::ParseError),
    /// An `sslmode` that this program does not offer.
    #[error("`sslmode={0}` is none of \"verify-full\", which is the default over a network, and \"disable\"")]
    Mode(String),
    /// The certificates that are to be trusted cannot be read.
    #[error("the certificates in `{path}` cannot be read")]
    Roots {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// It has no host, no database or no user.
    #[error("it names no {0}: write it as in \"postgres://USER@HOST/DATABASE\"")]
    Missing(&'static str),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Where the database is.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    tls: Option<ClientConfig>,
    label: String,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration has the password.
        f.debug_tuple("Connector").field(&self.label).finish()
    }
}

impl Connector {
    /// Reads a URL as libpq does, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the parameters of the driver, `sslmode` and
    /// `sslrootcert` (a file of certificates in PEM that are trusted besides the machine's).
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let mut url = Url::parse(text)?;
        let mut mode = None;
        let mut roots = None;
        let others: Vec<(String, String)> = url
            .query_pairs()
            .into_owned()
            .filter(|(key, value)| match &**key {
                "sslmode" => {
                    mode = Some(value.clone());
                    false
                }
                "sslrootcert" => {
                    roots = Some(PathBuf::from(value));
                    false
                }
                _ => true,
            })
            .collect();
        url.set_query(None);
        if !others.is_empty() {
            url.query_pairs_mut().extend_pairs(others);
        }
        let mut config: Config = url.as_str().parse()?;
        for (is_missing, what) in [
            (config.get_hosts().is_empty(), "host"),
            (config.get_user().is_none(), "user"),
            (config.get_dbname().is_none(), "database"),
        ] {
            if is_missing {
                return Err(UrlError::Missing(what));
            }
        }
        let is_remote = config.get_hosts().iter().any(|host| !is_here(host));
        let tls = match mode.as_deref() {
            None if !is_remote => None,
            Some("disable") => None,
            None | Some("verify-full") => Some(client_config(roots)?),
            Some(other) => return Err(UrlError::Mode(other.to_owned())),
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        config.connect_timeout(CONNECT_WITHIN).tcp_user_timeout(GONE_AFTER).keepalives_idle(GONE_AFTER);
        if config.get_application_name().is_none() {
            config.application_name("serinus");
        }
        let label = label(&config);
        Ok(Self { config, tls, label })
    }

    /// Its hosts and its database, without a password.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// So many connections at most, which are made when they are needed, on the runtime that asks for them.
    pub(super) fn pool(&self, connections: usize) -> Result<Pool, deadpool_postgres::BuildError> {
        // One that was closed is known to be so; asking the server each time would double the round trips.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.tls {
            Some(tls) => Manager::from_config(self.config.clone(), MakeRustlsConnect::new(tls.clone()), recycling),
            None => Manager::from_config(self.config.clone(), NoTls, recycling),
        };
        Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_WITHIN))
            .create_timeout(Some(CONNECT_WITHIN))
            .build()
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

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

fn client_config(roots: Option<PathBuf>) -> Result<ClientConfig, UrlError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = roots {
        let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        store.add_parsable_certificates(read.map_err(|source| UrlError::Roots { path, source })?);
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

fn label(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(folder) => format!("{}:{port}", folder.display()),
        }
    });
    format!("postgres://{}/{}", hosts.collect::<Vec<_>>().join(","), config.get_dbname().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_over_a_network_is_verified_unless_its_url_says_otherwise() {
        let is_encrypted = |url: &str| Connector::parse(url).unwrap().tls.is_some();
        assert!(is_encrypted("postgres://u@db.example.com/serinus"));
        assert!(is_encrypted("postgresql://u:p@192.0.2.1:5433/serinus?sslmode=verify-full"));
        assert!(!is_encrypted("postgres://u@db.example.com/serinus?sslmode=disable"));
        assert!(!is_encrypted("postgres://u@127.0.0.1/serinus"));
        assert!(!is_encrypted("postgres://u@%2Fvar%2Frun%2Fpostgresql/serinus"));
        assert!(is_encrypted("postgres://u@localhost/serinus?sslmode=verify-full"));
        for mode in ["prefer", "allow", "require", "verify-ca", ""] {
            let found = Connector::parse(&format!("postgres://u@h/d?sslmode={mode}"));
            assert!(matches!(found, Err(UrlError::Mode(_))), "{mode}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_and_the_password_never() {
        for (url, what) in [("postgres:///d?user=u", "host"), ("postgres://h/d", "user"), ("postgres://u@h", "database")] {
            assert!(matches!(Connector::parse(url), Err(UrlError::Missing(missing)) if missing == what), "{url}");
        }
        assert!(matches!(Connector::parse("postgres://u@h/d?colour=blue"), Err(UrlError::Driver(_))));
        assert!(matches!(Connector::parse("postgres://u@h:x/d"), Err(UrlError::Url(_))));
        let missing = Connector::parse("postgres://u@h/d?sslrootcert=%2Fnowhere");
        assert!(matches!(missing, Err(UrlError::Roots { .. })));
        let connector = Connector::parse("postgres://u:geheim@h:5433/d?sslmode=disable").unwrap();
        assert_eq!(connector.label(), "postgres://h:5433/d");
        assert!(!format!("{connector:?}").contains("geheim"));
    }
}
