//! `GET /api/v1/stream`: the overview as it changes, as server-sent events, for programs that show it.
//!
//! It is made at most every two seconds, once for all who ask for the same, and sent as pages are followed (`pages::live`): who is slow
//! misses states and gets the newest one, and who takes too long is cut. Who is cut, or was sent to for a quarter of an hour, asks again,
//! and is told everything anew.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::alert::status::Health;
use crate::web::ApiSlot;
use crate::web::connection_slots::ConnectionState;
use crate::web::model::live::{LiveHead, incidents, probes};
use crate::web::model::overview::{Filter, Seen, encoded, grid};
use crate::web::model::staleness;
use crate::web::model::strip::Axis;
use crate::web::pages::{Following, LiveHub, Part};
use crate::web::secrets::missing_secrets;

use super::runs::short;
use super::{Api, Failure};

/// How far back strips go, in milliseconds.
const HOUR_MS: i64 = 3_600_000;
/// Words that are looked for.
const WORDS: usize = 8;
/// Probes that can be opened at once.
const OPEN: usize = 50;

/// What is followed.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct StreamQuery {
    /// Words that each stand in a canary's id, or in the owner, the summary or a tag of its probe.
    q: Option<String>,
    /// Only canaries that stand so: passing, unknown, muted, suspect, `no_data` or failing.
    standing: Option<String>,
    /// Only this region.
    region: Option<String>,
    /// Probes, or `PROBE/REGION`, of which every canary is told where there are many; separated by blanks.
    open: Option<String>,
}

impl StreamQuery {
    fn filter(&self) -> Result<Filter, Failure> {
        let words = self.q.iter().flat_map(|words| words.split_whitespace()).take(WORDS).map(str::to_lowercase).collect();
        let open = self.open.iter().flat_map(|open| open.split_whitespace()).take(OPEN).map(str::to_owned).collect();
        let health = match self.standing.as_deref() {
            None => None,
            Some(word) => Some(standing(word)?),
        };
        Ok(Filter { words, health, region: self.region.clone(), open })
    }
}

/// The standing that is called so.
pub(super) fn standing(word: &str) -> Result<Health, Failure> {
    Health::ALL.into_iter().find(|each| each.as_str() == word).ok_or_else(|| {
        let known = Health::ALL.map(Health::as_str).join(", ");
        Failure::bad(format!("`{}` is no standing; known are {known}", short(word)))
    })
}

/// The overview as it changes: server-sent events whose data is JSON. `head` comes first and at least every five seconds; `incidents`, a
/// list, and `probes`, a list with the worst first, come at first and whenever they differ. Nothing is left out but by `head.left_out`.
/// A stream ends after a quarter of an hour, and where it is not taken: ask again.
#[utoipa::path(get, path = "/api/v1/stream", tag = "status", params(StreamQuery), responses((
    status = 200,
    description = "Events: `head` with a LiveHead, `incidents` with a list of LiveIncident, `probes` with a list of LiveProbe.",
    content((String = "text/event-stream")),
)))]
pub(in crate::web) async fn stream(
    Extension(slot): Extension<Arc<ApiSlot>>,
    Extension(hub): Extension<Arc<LiveHub>>,
    connection: Option<Extension<Arc<ConnectionState>>>,
    headers: HeaderMap,
    Query(wanted): Query<StreamQuery>,
) -> Result<Response, Failure> {
    let filter = Arc::new(wanted.filter()?);
    let following = Following { headers, connection: connection.map(|Extension(connection)| connection) };
    let render = move || parts(slot.get(), Arc::clone(&filter));
    hub.follow_values(address(&wanted), following, render).ok_or_else(Failure::busy)
}

/// What tells one stream from another.
fn address(wanted: &StreamQuery) -> String {
    let StreamQuery { q, standing, region, open } = wanted;
    let said = [q, standing, region, open].map(|part| encoded(part.as_deref().unwrap_or_default()));
    format!("api/v1/stream?{}", said.join("&"))
}

async fn parts(api: Option<Arc<Api>>, filter: Arc<Filter>) -> Option<Vec<Part>> {
    let api = api?;
    let snapshot = api.snapshots.get(&api).await?;
    api.recent.begun(&api.reader, &api.follower).await;
    let fleet = api.fleet_status().await;
    // It may walk over ten thousand canaries, and others wait for this thread.
    let made = tokio::task::spawn_blocking(move || {
        let axis = Axis::until(snapshot.at_ms, HOUR_MS);
        let marks = api.recent.marks();
        let seen = Seen { marks: &marks, strips: &marks, axis };
        let grid = grid(&api.plan(), &snapshot.status, seen, &filter);
        let mut head = LiveHead::of(snapshot.at_ms, &snapshot.status, &grid, axis);
        head.stale = staleness(&api);
        head.troubles.extend(troubles(&api));
        head.troubles.extend(fleet.iter().flat_map(|fleet| fleet.troubles(snapshot.at_ms)));
        let all = probes(&snapshot.status, grid, seen);
        Some(vec![
            Part::json("head", &head).ok()?,
            Part::json("incidents", &incidents(&snapshot.status)).ok()?,
            Part::json("probes", &all).ok()?,
        ])
    });
    made.await.ok().flatten()
}

/// What the process has trouble with.
fn troubles(api: &Api) -> Vec<String> {
    let mut said = Vec::new();
    if !api.reader.status().writable {
        said.push("the store cannot be written".to_owned());
    }
    if api.recent.is_away() {
        said.push("the store does not answer: strips may be incomplete".to_owned());
    }
    if (api.self_check)() == Some("down") {
        said.push("the self check is down: the network is away".to_owned());
    }
    let missing = missing_secrets(&api.plan(), &api.alerts.secrets()).len();
    if missing > 0 {
        said.push(format!("secrets that cannot be read: {missing}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_the_same_shares_a_stream_and_who_asks_for_something_else_has_another() {
        let of = |q: &str, region: &str| {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            address(&StreamQuery { q: some(q), region: some(region), ..StreamQuery::default() })
        };
        assert_eq!(of("a", ""), of("a", ""));
        assert_ne!(of("a", ""), of("", "a"));
        assert_ne!(of("a&", ""), of("a", "&"));
    }

    #[test]
    fn a_standing_is_one_of_the_words_of_the_list_of_canaries() {
        assert_eq!(standing("no_data").unwrap(), Health::NoData);
        assert!(standing("bad").unwrap_err().message().contains("passing, unknown"));
        let filter = StreamQuery { q: Some("EU  ios".to_owned()), ..StreamQuery::default() }.filter().unwrap();
        assert_eq!(filter.words, ["eu", "ios"]);
    }
}
