//! Where a database is: a URL as libpq has it, parsed.

use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::Host;
use url::form_urlencoded;

/// Why a URL names no database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// The driver does not understand it, or it has a parameter that there is not.
    #[error("{0}")]
    Driver(String),
    /// An `sslmode` that this program does not offer.
    #[error("`sslmode` is \"verify-full\", which is the default over a network, or \"disable\", and not \"{0}\"")]
    Mode(String),
    /// It has no host, no database or no user.
    #[error("it names no {0}")]
    Missing(&'static str),
}

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseTls {
    /// Not at all: it does not leave the machine, or the URL says so.
    Disabled,
    /// The server's certificate is verified with its name.
    Verified {
        /// Certificates that are trusted besides the machine's, a file in PEM.
        roots: Option<PathBuf>,
    },
}

/// Where a database is. Neither its debug text nor its label has the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// Hosts, user, password and database, as the driver has them.
    pub config: Config,
    /// How connections are protected.
    pub tls: DatabaseTls,
}

impl DatabaseUrl {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETERS` with the parameters of the driver, `sslmode` and `sslrootcert`.
    /// Over a network a connection is protected unless `sslmode=disable`; what would fall back to plain text is refused.
    ///
    /// # Errors
    /// See [`DatabaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let mut others = form_urlencoded::Serializer::new(String::new());
        let (mut mode, mut roots) = (None, None);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" => roots = Some(PathBuf::from(&*value)),
                _ => drop(others.append_pair(&key, &value)),
            }
        }
        // The driver reads `+` as itself.
        let address = format!("{address}?{}", others.finish().replace('+', "%20"));
        let config: Config = address.parse().map_err(|error: tokio_postgres::Error| {
            let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            DatabaseUrlError::Driver(why)
        })?;
        for (is_missing, what) in [
            (config.get_hosts().is_empty(), "host"),
            (config.get_user().is_none(), "user"),
            (config.get_dbname().is_none(), "database"),
        ] {
            if is_missing {
                return Err(DatabaseUrlError::Missing(what));
            }
        }
        let tls = match mode.as_deref() {
            None if config.get_hosts().iter().all(is_here) => DatabaseTls::Disabled,
            Some("disable") => DatabaseTls::Disabled,
            None | Some("verify-full") => DatabaseTls::Verified { roots },
            Some(other) => return Err(DatabaseUrlError::Mode(other.to_owned())),
        };
        Ok(Self { config, tls })
    }

    /// Its hosts and its database.
    pub fn label(&self) -> String {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        });
        format!("postgres://{}/{}", hosts.collect::<Vec<_>>().join(","), self.config.get_dbname().unwrap_or_default())
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        Host::Unix(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_over_a_network_is_verified_unless_its_url_says_otherwise() {
        let is_verified = |url: &str| DatabaseUrl::parse(url).unwrap().tls != DatabaseTls::Disabled;
        assert!(is_verified("postgres://u@db.example.com/serinus"));
        assert!(is_verified(
            "postgresql://u:p@192.0.2.1:5433,db2:5434/serinus?sslmode=verify-full&target_session_attrs=read-write"
        ));
        assert!(is_verified("postgres://u@127.0.0.1,db.example.com/serinus"));
        assert!(!is_verified("postgres://u@db.example.com/serinus?sslmode=disable"));
        assert!(!is_verified("postgres://u@127.0.0.1/serinus"));
        assert!(!is_verified("postgres://u@%2Fvar%2Frun%2Fpostgresql/serinus"));
        assert!(is_verified("postgres://u@localhost/serinus?sslmode=verify-full"));
        for mode in ["prefer", "allow", "require", "verify-ca", ""] {
            let found = DatabaseUrl::parse(&format!("postgres://u@h/d?sslmode={mode}"));
            assert!(matches!(found, Err(DatabaseUrlError::Mode(_))), "{mode}");
        }
        let url = DatabaseUrl::parse("postgres://u@h/d?sslrootcert=%2Fetc%2Fca.pem&application_name=a%20b").unwrap();
        assert_eq!(url.tls, DatabaseTls::Verified { roots: Some("/etc/ca.pem".into()) });
        assert_eq!(url.config.get_application_name(), Some("a b"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_and_the_password_never() {
        for (url, what) in [("postgres:///d?user=u", "host"), ("postgres://h/d", "user"), ("postgres://u@h", "database")] {
            assert!(matches!(DatabaseUrl::parse(url), Err(DatabaseUrlError::Missing(missing)) if missing == what), "{url}");
        }
        for wrong in ["postgres://u@h/d?colour=blue", "postgres://u@h:x/d", "postgres"] {
            assert!(matches!(DatabaseUrl::parse(wrong), Err(DatabaseUrlError::Driver(_))), "{wrong}");
        }
        let url = DatabaseUrl::parse("postgres://u:geheim@h:5433/d?sslmode=disable").unwrap();
        assert_eq!(url.label(), "postgres://h:5433/d");
        assert!(!format!("{url:?}").contains("geheim"));
    }
}
