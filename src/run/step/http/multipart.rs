//! `multipart/form-data` bodies (RFC 7578, names escaped as the WHATWG HTML standard says). Written whole, so that a body can be
//! sent again after a redirect.

use bytes::Bytes;

/// One part with everything filled in.
#[derive(Debug)]
pub(super) struct PartBody {
    pub(super) name: String,
    pub(super) content: Bytes,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
}

/// The content type and the body.
pub(super) fn encode(parts: &[PartBody]) -> (String, Bytes) {
    let boundary = format!("serinus-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut body = Vec::with_capacity(parts.iter().map(|part| part.content.len() + 256).sum::<usize>() + 64);
    for part in parts {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", escaped(&part.name));
        if let Some(filename) = &part.filename {
            head = format!("{head}; filename=\"{}\"", escaped(filename));
        }
        if let Some(kind) = &part.content_type {
            head = format!("{head}\r\nContent-Type: {kind}");
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.into())
}

fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
