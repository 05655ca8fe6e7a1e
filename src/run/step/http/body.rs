//! Reads a body, within bounds.

use bytes::{Bytes, BytesMut};

use crate::outcome::Reason;

use super::failure::HttpFailure;
use super::marks::Marks;

/// Reads at most `most` bytes, counted in `read` after decompression.
pub(super) async fn read(
    response: &mut reqwest::Response,
    most: usize,
    marks: &Marks,
    read: &mut usize,
) -> Result<Bytes, HttpFailure> {
    let status = response.status().as_u16();
    let too_large = || {
        let message = format!("the answer (status {status}) has a body of more than {most} bytes");
        HttpFailure { reason: Reason::ResponseTooLarge, message, sent: true, got_byte: true }
    };
    // A length that is announced need not be received to be known as too much.
    if response.content_length().is_some_and(|announced| announced > most as u64) {
        return Err(too_large());
    }
    // The usual small answer comes in one piece, which is kept as it is.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpFailure::of(&error, marks, true))? {
        *read += chunk.len();
        if *read > most {
            return Err(too_large());
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&chunk);
        }
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
