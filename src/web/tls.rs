//! TLS of the listener: a certificate and its key, read again when their files change.
//!
//! A renewed certificate is used for the next connection. Files that cannot be used leave the former ones in force, and the log
//! says so once.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::plan::ListenTls;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is no PEM of its kind.
    #[error("cannot read {what} in {path}: {why}")]
    Pem {
        /// Which of both.
        what: &'static str,
        /// Where.
        path: String,
        /// Why not.
        why: String,
    },
    /// They do not belong together, or the key is of no kind that is known.
    #[error("the certificate and the key of [listen.tls] cannot be used together")]
    Pair(#[source] rustls::Error),
}

/// What connections are accepted with.
#[derive(Debug)]
pub(crate) struct ListenerTls {
    files: ListenTls,
    active: Mutex<Active>,
}

#[derive(Debug)]
struct Active {
    config: Arc<ServerConfig>,
    /// When the files were changed last, as of the last reading.
    stamps: Stamps,
}

/// When each file was changed; none for one that is not there.
type Stamps = [Option<SystemTime>; 2];

impl ListenerTls {
    /// Reads both files.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub(crate) fn read(files: &ListenTls) -> Result<Self, TlsError> {
        let stamps = stamps(files);
        let active = Mutex::new(Active { config: config(files)?, stamps });
        Ok(Self { files: files.clone(), active })
    }

    /// What accepts the next connection. Looks at the files' times, and reads them if they are others.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.files);
        if now != active.stamps {
            active.stamps = now;
            match config(&self.files) {
                Ok(config) => {
                    active.config = config;
                    tracing::info!("the listener uses the certificate that was renewed");
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the listener goes on with its former certificate");
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&active.config))
    }
}

fn stamps(files: &ListenTls) -> Stamps {
    [&files.certificate, &files.key].map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn config(files: &ListenTls) -> Result<Arc<ServerConfig>, TlsError> {
    let unread = |what: &'static str, path: &Path| {
        let path = path.display().to_string();
        move |error: rustls::pki_types::pem::Error| TlsError::Pem { what, path, why: error.to_string() }
    };
    let (certificate, key) = (&files.certificate, &files.key);
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(unread("the certificate", certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unread("the private key", key))?;
    // One that another part of the process installed is the same.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(TlsError::Pair)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    fn write(files: &ListenTls, names: [&str; 2], at: SystemTime) {
        let [of_certificate, of_key] = names.map(|name| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap());
        std::fs::write(&files.certificate, of_certificate.cert.pem()).unwrap();
        // A key of another certificate, where the names differ.
        let key = if names[0] == names[1] { of_certificate.signing_key } else { of_key.signing_key };
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        for path in [&files.certificate, &files.key] {
            File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_damaged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = ListenTls { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
        assert!(matches!(ListenerTls::read(&files), Err(TlsError::Pem { what: "the certificate", .. })));
        let begin = SystemTime::now();
        write(&files, ["a", "b"], begin);
        assert!(matches!(ListenerTls::read(&files), Err(TlsError::Pair(_))));
        write(&files, ["a", "a"], begin);
        let tls = ListenerTls::read(&files).unwrap();
        let config = |tls: &ListenerTls| Arc::clone(tls.acceptor().config());
        let first = config(&tls);
        assert!(Arc::ptr_eq(&first, &config(&tls)), "nothing is read again without need");
        write(&files, ["c", "d"], begin + Duration::from_secs(1));
        assert!(Arc::ptr_eq(&first, &config(&tls)), "the key does not fit yet");
        write(&files, ["c", "c"], begin + Duration::from_secs(2));
        assert!(!Arc::ptr_eq(&first, &config(&tls)));
    }
}
