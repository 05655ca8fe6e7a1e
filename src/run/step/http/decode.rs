//! Decompresses answers. reqwest does not do it, because it does not tell which encoding failed and lets a few bytes of zstd ask
//! for a window of 128 MiB.

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncBufRead, AsyncRead};

/// What requests say they accept.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// Binary logarithm of the largest window of zstd: 8 MiB (RFC 9659, section 3).
const ZSTD_WINDOW: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// RFC 1952.
    Gzip,
    /// The zlib format (RFC 1950), as RFC 9110 section 8.4.1.2 says.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// What `content-encoding` says. `None` for bodies that are not compressed, or in a way that no request asked for: these are
    /// read as they are.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = headers.get(header::CONTENT_ENCODING)?.to_str().ok()?.trim();
        let known = [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, encoding)| encoding)
    }

    /// As it is written in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Reads what `compressed` unpacks to.
    pub(super) fn unpack<'a>(self, compressed: impl AsyncBufRead + Send + Unpin + 'a) -> Box<dyn AsyncRead + Send + Unpin + 'a> {
        match self {
            Self::Gzip => Box::new(GzipDecoder::new(compressed)),
            Self::Deflate => Box::new(ZlibDecoder::new(compressed)),
            Self::Brotli => Box::new(BrotliDecoder::new(compressed)),
            Self::Zstd => {
                let mut decoder = ZstdDecoder::with_params(compressed, &[DParameter::window_log_max(ZSTD_WINDOW)]);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        }
    }
}
