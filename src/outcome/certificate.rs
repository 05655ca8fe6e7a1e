//! The certificate that a peer showed when a connection was made.
//!
//! It travels with the report of the attempt and is kept per host by whoever listens to finished runs, never in the stored run.

/// A certificate, and where it was met. Every text is redacted, one line and bounded when it is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The host that was asked for, as URLs write it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The subject's distinguished name.
    pub subject: String,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// Begin of its validity, milliseconds since the epoch.
    pub not_before_ms: i64,
    /// End of its validity, milliseconds since the epoch.
    pub not_after_ms: i64,
    /// SHA-256 of the certificate in DER, in small hexadecimal digits.
    pub fingerprint: String,
}

impl PeerCertificate {
    /// The most characters of a name in it.
    pub const NAME: usize = 300;
}
