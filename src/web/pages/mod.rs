//! The dashboard: pages rendered by the server.
//!
//! Every page is HTML from a compiled template in `templates`, readable without JavaScript. The style sheet and the small script
//! are in `assets`. A page reads through [`Api`](super::Api) and `web::model`, never by asking the store for each canary, and it
//! never acts: what acts is a `POST` in `actions`. Parts that change while somebody looks stand between `<!--live:ID-->` and
//! `<!--/live-->`; `live` renders the page again and sends those that differ.
//!
//! A new page is a file here with its handler and its template, a route in [`reading`], and where it is one of the bar, a line of
//! `frame::NAV`. Geometry and classes only: no `style` attribute and no inline script passes the content security policy.

mod assets;
mod card;
mod frame;
mod overview;
mod page;
mod run;
mod runs;

use axum::Router;
use axum::routing::get;

/// Routes that show something.
pub(super) fn reading<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/run", get(run::by_tick))
        .route("/runs", get(runs::runs))
        .route("/runs/{id}", get(run::run))
        .route("/runs/{id}/artifacts/{name}", get(run::artifact))
}

/// Routes that everybody may ask for.
pub(super) fn open<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(assets::asset))
}
