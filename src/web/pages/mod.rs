//! The dashboard: pages rendered by the server.
//!
//! Every page is HTML from a compiled template in `templates`, readable without JavaScript. The style sheet and the small script
//! are in `assets`. A page reads through [`Api`](super::Api) and `web::model`, never by asking the store for each canary, and it
//! never acts: what acts is a `POST` in `actions`. Parts that change while somebody looks stand between `<!--live:ID-->` and
//! `<!--/live-->`; `live` renders the page again and sends those that differ.
//!
//! A new page is a file here with its handler and its template, a route in [`reading`], and where it is one of the bar, a line of
//! `frame::NAV`. Geometry and classes only: no `style` attribute and no inline script passes the content security policy.

mod actions;
mod assets;
mod by_hand;
mod card;
mod certificates;
mod channels;
mod chart;
mod fleet_part;
mod frame;
mod incident;
mod incidents;
mod live;
mod log;
mod maintenance;
mod moments;
mod overview;
mod page;
mod probe;
mod probes;
mod run;
mod runbook;
mod runs;
mod said;

pub(super) use assets::style_name;
pub(super) use live::{Following, LiveHub, Part};

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

/// Routes that show something.
pub(super) fn reading<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/run", get(run::by_tick))
        .route("/watch", get(by_hand::watch))
        .route("/runs", get(runs::runs))
        .route("/runs/{id}", get(run::run))
        .route("/runs/{id}/artifacts/{name}", get(run::artifact))
        .route("/incidents", get(incidents::incidents))
        .route("/incidents/{id}", get(incident::incident))
        .route("/incidents/{id}/postmortem.md", get(incident::export))
        .route("/maintenance", get(maintenance::maintenance))
        .route("/certificates", get(certificates::certificates))
        .route("/channels", get(channels::channels))
        .route("/log", get(log::log))
        .route("/pulse", get(page::pulse))
        .route("/probes", get(probes::probes))
        .route("/probes/{name}", get(probe::probe))
        .layer(middleware::from_fn(said::once))
}

/// Routes that do something, and lead back to a page that says what.
pub(super) fn acting<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/incidents/{id}/ack", post(actions::acknowledge))
        .route("/incidents/{id}/close", post(actions::close))
        .route("/incidents/{id}/verify", post(actions::verify))
        .route("/incidents/{id}/notes", post(actions::note))
        .route("/incidents/{id}/notes/{note}/withdraw", post(actions::withdraw))
        .route("/annotations", post(actions::annotate))
        .route("/sweep", post(actions::sweep))
        .route("/channels/{name}/test", post(actions::test_channel))
        .route("/pause", post(actions::pause))
        .route("/resume", post(actions::resume))
        .route("/mute", post(actions::mute))
        .route("/unmute", post(actions::unmute))
        .route("/trigger", post(actions::trigger))
}

/// What changes on them, while somebody looks.
pub(super) fn following<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/live", get(live::live))
}

/// Routes that everybody may ask for.
pub(super) fn open<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(assets::asset))
}
