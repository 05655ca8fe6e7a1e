//! TLS of every kind: client settings made from a device's [`TlsSettings`], and what expressions can know of a connection.
//!
//! Owns which roots are trusted, that no session is resumed, and the names of the facts. Who keeps settings, and for how long, is
//! the kind's to say.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::HEXLOWER;
use minijinja::Value;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme};

use crate::outcome::{PeerCertificate, Redactor, visible};
use crate::plan::{MinTls, Pem, TlsSettings};

/// TLS settings that cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TlsSetupError {
    /// A PEM file cannot be read.
    #[error("cannot read {what} from `{path}`: {error}")]
    Pem {
        /// What it should hold.
        what: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        error: String,
    },
    /// The pieces do not fit together.
    #[error("cannot use the TLS settings: {0}")]
    Unfit(String),
}

/// The crypto provider everything uses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The machine's roots and the extra ones, read once a process.
pub(super) fn machine_roots(extra: &[std::path::PathBuf]) -> Result<Arc<RootCertStore>, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    // Broken files among the machine's certificates are common and harmless: those that can be read are trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in extra {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| pem_error("a root certificate", path, &error))?;
        }
    }
    Ok(Arc::new(roots))
}

/// A client configuration for these settings, which speaks one of `protocols` (ALPN). `begins` is called when a handshake begins.
pub(super) fn client_config(
    settings: &TlsSettings,
    protocols: impl IntoIterator<Item: AsRef<[u8]>>,
    machine: &Arc<RootCertStore>,
    begins: fn(),
) -> Result<ClientConfig, TlsSetupError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match settings.min_version {
        MinTls::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        MinTls::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| TlsSetupError::Unfit(error.to_string()))?;
    let builder = if settings.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        let roots = match &settings.ca {
            Some(ca) => Arc::new(roots_from(&ca.0)?),
            None => Arc::clone(machine),
        };
        builder.with_root_certificates(roots)
    };
    let mut config = match &settings.client {
        Some((chain, key)) => {
            let key_path = &key.0;
            let key =
                PrivateKeyDer::from_pem_file(key_path.as_path()).map_err(|error| pem_error("a private key", key_path, &error))?;
            builder
                .with_client_auth_cert(certificates(&chain.0)?, key)
                .map_err(|error| TlsSetupError::Unfit(format!("the client certificate: {error}")))?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::store(Arc::new(NoSessions { begins }));
    config.alpn_protocols = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
    Ok(config)
}

/// Modification times of the PEM files in `settings`, so that renewed certificates are noticed. Most devices have none.
pub(super) fn stamps(settings: &TlsSettings) -> Vec<Option<SystemTime>> {
    let client = settings.client.iter().flat_map(|(chain, key)| [chain, key]);
    let files = settings.ca.iter().chain(client);
    files.map(|Pem(path)| std::fs::metadata(path.as_path()).and_then(|meta| meta.modified()).ok()).collect()
}

/// What a peer showed in a handshake.
#[derive(Debug)]
pub(super) struct TlsPeer {
    /// The host and port that were connected to.
    at: (String, u16),
    /// Its certificate in DER; empty if it showed none.
    certificate: Vec<u8>,
    version: &'static str,
    /// The protocol that ALPN agreed on.
    pub(super) alpn: Option<String>,
}

impl TlsPeer {
    /// The peer of a session whose handshake is over.
    pub(super) fn of(session: &rustls::ClientConnection, at: (String, u16)) -> Self {
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            Some(_) | None => "unknown",
        };
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        Self {
            at,
            certificate: certificate.map(|der| der.to_vec()).unwrap_or_default(),
            version,
            alpn: session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        }
    }

    /// What expressions can know of it.
    pub(super) fn facts(&self) -> Option<TlsFacts> {
        TlsFacts::of(&self.certificate, self.version)
    }

    /// Its certificate, for those who list what probes met.
    pub(super) fn certificate(&self, redactor: &Redactor) -> Option<PeerCertificate> {
        let (host, port) = &self.at;
        certificate_of(&self.certificate, host, *port, redactor)
    }
}

/// The certificate, in DER, that this host showed; nothing if it cannot be read.
pub(super) fn certificate_of(der: &[u8], host: &str, port: u16, redactor: &Redactor) -> Option<PeerCertificate> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    let name = |text: &str| visible(&redactor.redact(text)).chars().take(PeerCertificate::NAME).collect();
    let validity = certificate.validity();
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    Some(PeerCertificate {
        host: name(host),
        port,
        subject: name(&certificate.subject().to_string()),
        issuer: name(&certificate.issuer().to_string()),
        not_before_ms: validity.not_before.timestamp().saturating_mul(1_000),
        not_after_ms: validity.not_after.timestamp().saturating_mul(1_000),
        fingerprint: HEXLOWER.encode(digest.as_ref()),
    })
}

/// What expressions can know of a TLS connection.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// End of the certificate's validity.
    pub not_after: SystemTime,
    /// Its issuer's distinguished name.
    pub issuer: String,
    /// Its subject's distinguished name.
    pub subject: String,
}

impl TlsFacts {
    /// What the peer's certificate says, in DER; nothing if it cannot be read.
    pub(super) fn of(certificate: &[u8], version: &'static str) -> Option<Self> {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or_default();
        Some(Self {
            version,
            not_after: UNIX_EPOCH + Duration::from_secs(seconds),
            issuer: certificate.issuer().to_string(),
            subject: certificate.subject().to_string(),
        })
    }

    /// The end of the certificate's validity, as RFC 3339 writes it.
    pub(super) fn not_after(&self) -> String {
        DateTime::<Utc>::from(self.not_after).to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// The names that expressions know them by, and their values at `now`.
    pub(super) fn pairs(&self, now: SystemTime) -> Vec<(&'static str, Value)> {
        let expires_in = match self.not_after.duration_since(now) {
            Ok(left) => left.as_secs_f64(),
            Err(past) => -past.duration().as_secs_f64(),
        };
        vec![
            ("version", Value::from(self.version)),
            ("not_after", Value::from(self.not_after())),
            ("expires_in", Value::from(expires_in)),
            ("issuer", Value::from(&*self.issuer)),
            ("subject", Value::from(&*self.subject)),
        ]
    }
}

fn roots_from(path: &Path) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|error| pem_error("a root certificate", path, &error))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let what = "certificates";
    let read = CertificateDer::pem_file_iter(path).map_err(|error| pem_error(what, path, &error))?;
    let all: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| pem_error(what, path, &error))?;
    if all.is_empty() {
        return Err(pem_error(what, path, &"there is none in it"));
    }
    Ok(all)
}

fn pem_error(what: &'static str, path: &Path, error: &dyn std::fmt::Display) -> TlsSetupError {
    TlsSetupError::Pem { what, path: path.display().to_string(), error: error.to_string() }
}

/// Stores no sessions: each connection makes a full handshake, as a new user's does. rustls asks for a hint when a handshake
/// begins and gives no other sign of that, so `begins` is called then.
#[derive(Debug)]
struct NoSessions {
    begins: fn(),
}

impl ClientSessionStore for NoSessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        (self.begins)();
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// Accepts any certificate, for `tls.verify = false`.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
