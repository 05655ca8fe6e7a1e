//! `multipart/form-data` bodies (RFC 7578, names escaped as the WHATWG HTML standard says). Contents are shared with the plan and
//! not copied.

use bytes::Bytes;

use super::upload::Content;

/// One part with everything filled in.
#[derive(Debug)]
pub(super) struct PartBody {
    pub(super) name: String,
    pub(super) content: Bytes,
    pub(super) filename: Option<String>,
    pub(super) content_type: Option<String>,
}

/// The content type and the body.
pub(super) fn encode(parts: Vec<PartBody>) -> (String, Content) {
    let boundary = format!("serinus-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    let mut separator = "";
    for part in parts {
        let mut head = format!("{separator}--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", escaped(&part.name));
        if let Some(filename) = &part.filename {
            head = format!("{head}; filename=\"{}\"", escaped(filename));
        }
        if let Some(kind) = &part.content_type {
            head = format!("{head}\r\nContent-Type: {kind}");
        }
        head.push_str("\r\n\r\n");
        pieces.extend([head.into(), part.content]);
        separator = "\r\n";
    }
    pieces.push(format!("{separator}--{boundary}--\r\n").into());
    (format!("multipart/form-data; boundary={boundary}"), pieces.into_iter().collect())
}

fn escaped(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
