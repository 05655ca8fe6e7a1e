//! The style sheet, the script and the icons, which are part of the program.
//!
//! Their names carry a digest of what they say, so that a browser may keep them for ever and never shows an old one. The icons
//! are small enough to be asked for by plain names.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::digest;

use crate::web::gzip;

/// What a browser keeps, named by what it says.
pub(super) struct Asset {
    name: String,
    media_type: &'static str,
    plain: &'static str,
    gzip: Option<Bytes>,
}

/// The style sheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("assets/style.css")));
/// What the address of the style sheet ends with, for pages that have no frame.
pub(in crate::web) fn style_name() -> &'static str {
    STYLE.name()
}

/// The script.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("live", "js", "text/javascript; charset=utf-8", include_str!("assets/live.js")));

impl Asset {
    fn new(stem: &str, extension: &str, media_type: &'static str, plain: &'static str) -> Self {
        let hash = digest::digest(&digest::SHA256, plain.as_bytes());
        let hash = BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..9]);
        // What cannot be compressed is sent as it is.
        Self { name: format!("{stem}-{hash}.{extension}"), media_type, plain, gzip: gzip::compressed(plain.as_bytes()).ok() }
    }

    /// The name that the address ends with.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// `GET /assets/{name}`; open to everybody, since there is nothing of anybody's in it.
pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Some(colour) = icon_colour(&name) {
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"{colour}\"/>{}</svg>",
            icon_form(&name)
        );
        return ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=3600")], body).into_response();
    }
    // Pages that stand alone, such as the one to log in on, ask for the style sheet by a plain name.
    let is_plain = name == "style.css";
    let Some(asset) = [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.name == name || is_plain) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kept = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, if is_plain { "public, max-age=60" } else { "public, max-age=31536000, immutable" }),
        (header::VARY, "accept-encoding"),
    ];
    match &asset.gzip {
        Some(small) if gzip::is_accepted(&headers) => (kept, [(header::CONTENT_ENCODING, "gzip")], small.clone()).into_response(),
        Some(_) | None => (kept, asset.plain).into_response(),
    }
}

fn icon_colour(name: &str) -> Option<&'static str> {
    match name {
        "icon-well.svg" => Some("#8a949e"),
        "icon-warn.svg" => Some("#e6b450"),
        "icon-page.svg" | "icon-critical.svg" => Some("#c2182b"),
        "icon-stale.svg" => Some("#6b3fa0"),
        _ => None,
    }
}

/// Each icon has a form of its own, so that it is told apart without colour.
fn icon_form(name: &str) -> &'static str {
    match name {
        "icon-well.svg" => "<rect x=\"3\" y=\"9\" width=\"10\" height=\"3\" fill=\"#fff\"/>",
        "icon-warn.svg" => "<rect x=\"6\" y=\"7\" width=\"4\" height=\"6\" fill=\"#16191d\"/>",
        "icon-page.svg" => "<rect x=\"6\" y=\"3\" width=\"4\" height=\"10\" fill=\"#fff\"/>",
        "icon-critical.svg" => {
            "<rect x=\"3\" y=\"3\" width=\"4\" height=\"10\" fill=\"#fff\"/><rect x=\"9\" y=\"3\" width=\"4\" height=\"10\" fill=\"#fff\"/>"
        }
        _ => "<path d=\"M3 8h10\" stroke=\"#fff\" stroke-width=\"2\" stroke-dasharray=\"2 2\"/>",
    }
}
