//! TLS client settings, made once per distinct [`TlsSettings`] and version of HTTP.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, NamedGroup, RootCertStore, SignatureScheme};

use crate::plan::{HttpVersion, MinTls, TlsSettings};

use super::marks::{Mark, note};

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
    // Broken files among the machine's certificates are common and harmless: what can be read is trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in extra {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| pem_error("a root certificate", path, &error))?;
        }
    }
    Ok(Arc::new(roots))
}

/// A client configuration for these settings.
pub(super) fn client_config(
    settings: &TlsSettings,
    version: HttpVersion,
    machine: &Arc<RootCertStore>,
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
    config.resumption = Resumption::store(Arc::new(NoSessions));
    config.alpn_protocols = match version {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
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

/// Remembers nothing: each connection makes a full handshake, as a new user's does. Being asked for a hint is the one sign
/// that a handshake begins that rustls gives, so the mark is set here.
#[derive(Debug)]
struct NoSessions;

impl ClientSessionStore for NoSessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        note(Mark::TlsStart);
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
