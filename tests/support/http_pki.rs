//! A certificate authority for one test, and servers' TLS settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use serinus::plan::Pem;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    folder: tempfile::TempDir,
}

/// A certificate and its key.
pub(crate) struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test Authority");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), certificate: der, pem, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_until(names, 2090)
    }

    /// Valid until the end of January of that year.
    pub(crate) fn leaf_until(&self, names: &[&str], year: i32) -> Leaf {
        self.leaf_within(names, 2000, year)
    }

    /// Valid from the beginning of a year to the end of January of another.
    pub(crate) fn leaf_within(&self, names: &[&str], first: i32, last: i32) -> Leaf {
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 31);
        params.distinguished_name.push(DnType::CommonName, "Test Leaf");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }

    /// The authority's certificate as a file.
    pub(crate) fn pem(&self) -> Pem {
        self.file("ca.pem", &self.pem)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> Pem {
        write(&self.path(name), text)
    }

    /// Certificate and key of `leaf` as files.
    pub(crate) fn identity(&self, leaf: &Leaf) -> (Pem, Pem) {
        (self.file("client.pem", &leaf.pem), self.file("client.key", &leaf.key.serialize_pem()))
    }

    /// A server that wants a client certificate of this authority.
    pub(crate) fn strict_server(&self, leaf: &Leaf) -> TlsAcceptor {
        acceptor(leaf, rustls::ALL_VERSIONS, Some(self), &[b"http/1.1"])
    }
}

/// Writes a PEM file.
pub(crate) fn write(path: &Path, text: &str) -> Pem {
    std::fs::write(path, text).unwrap();
    Pem(Arc::new(path.to_owned()))
}

/// The PEM text of an authority.
pub(crate) fn pem_text(authority: &Authority) -> &str {
    &authority.pem
}

/// A server with `leaf`, any version of TLS and HTTP/1.1.
pub(crate) fn server(leaf: &Leaf) -> TlsAcceptor {
    acceptor(leaf, rustls::ALL_VERSIONS, None, &[b"http/1.1"])
}

pub(crate) fn acceptor(
    leaf: &Leaf,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Authority>,
    alpn: &[&[u8]],
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(leaf.chain.clone(), key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// A certificate that nobody but itself vouches for.
pub(crate) fn self_signed(names: &[&str]) -> Leaf {
    let params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Leaf { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
}
