//! What people do on pages: forms in, the API's own verbs, and back to the page with what was done.
//!
//! Nothing is decided here: each action is the route of the API by the same name, with the caller's name, and what that answers
//! in words. A new one is a handler here and a route in `acting`.

use std::sync::Arc;

use axum::extract::Path;
use axum::response::Response;
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::time::now_ms;
use crate::web::Api;
use crate::web::access::{Base, Form, own_page};
use crate::web::api::audit::Who;
use crate::web::api::operations::TestAnswer;
use crate::web::api::{Body, Failure, annotations, incidents, mutes, operations, verbs, verify, withdraw};
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::said::Said;

/// What forms say; each uses some of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Fields {
    /// The page to go back to.
    #[serde(default)]
    from: String,
    /// A probe's name or a canary's id.
    #[serde(default)]
    target: String,
    /// For how long: `30m`, `2h`; for ever if empty.
    #[serde(default, rename = "for")]
    lasting: String,
    /// Why, or what.
    #[serde(default)]
    why: String,
    /// The reason that is muted.
    #[serde(default)]
    reason: String,
    /// The subject that is muted.
    #[serde(default)]
    subject: String,
    /// Whether a note is for everybody: `yes`.
    #[serde(default)]
    public: String,
}

type Handles = Extension<Arc<Api>>;
type Bases = Extension<Base>;

/// `POST /incidents/{id}/ack`
pub(super) async fn acknowledge(api: Handles, base: Bases, Path(id): Path<String>, form: Form<Fields>) -> Response {
    let asked = json!({ "reason": some(&form.fields.why) });
    let answer = async { incidents::acknowledge(api.clone(), Path(id), Who::of(&form.caller), request(asked)?).await }.await;
    let done = |answer: &Value| {
        let members = usize::try_from(answer["members"].as_u64().unwrap_or(0)).unwrap_or(0);
        match answer["already"]["by"].as_str() {
            Some(first) if members == 0 => format!("{first} has it already; nothing new was acknowledged."),
            _ => format!(
                "Acknowledged: {}. Nobody is rung for them any more; what fails anew rings.",
                words::count(members, "member", "members")
            ),
        }
    };
    back(&api, &base, &form.fields, answer, done).await
}

/// `POST /incidents/{id}/close`
pub(super) async fn close(api: Handles, base: Bases, Path(id): Path<String>, form: Form<Fields>) -> Response {
    let asked = json!({ "why": form.fields.why });
    let answer = async { incidents::close(api.clone(), Path(id), Who::of(&form.caller), request(asked)?).await }.await;
    back(&api, &base, &form.fields, answer, |_| "Closed.".to_owned()).await
}

/// `POST /pause`
pub(super) async fn pause(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let Fields { target, lasting, why, .. } = &form.fields;
    let answer = async {
        let asked = json!({ "target": target, "for_seconds": seconds(lasting)?, "why": some(why) });
        verbs::pause(api.clone(), Who::of(&form.caller), request(asked)?).await
    }
    .await;
    let until =
        if lasting.trim().is_empty() { "until somebody resumes it".to_owned() } else { format!("for {}", lasting.trim()) };
    back(&api, &base, &form.fields, answer, |_| format!("{target} is paused {until}: it is not run and rings nobody.")).await
}

/// `POST /resume`
pub(super) async fn resume(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let target = &form.fields.target;
    let asked = json!({ "target": target });
    let answer = async { verbs::resume(api.clone(), Who::of(&form.caller), request(asked)?).await }.await;
    back(&api, &base, &form.fields, answer, |answer| match answer["still_paused_by"].as_str() {
        Some(other) => format!("{target} is resumed, but {other} is paused too, so that it is not run."),
        None => format!("{target} is run again."),
    })
    .await
}

/// `POST /mute`
pub(super) async fn mute(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let Fields { target, lasting, why, reason, subject, .. } = &form.fields;
    let answer = async {
        let asked = json!({
            "probe": target, "reason": some(reason), "subject": some(subject),
            "for_seconds": seconds(lasting)?, "why": some(why),
        });
        mutes::mute(api.clone(), Who::of(&form.caller), request(asked)?).await
    }
    .await;
    let what = some(reason).or(some(subject)).unwrap_or_default();
    back(&api, &base, &form.fields, answer, |_| format!("{what} of {target} is muted: it is run, and rings nobody.")).await
}

/// `POST /unmute`
pub(super) async fn unmute(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let Fields { target, reason, subject, .. } = &form.fields;
    let asked = json!({ "probe": target, "reason": some(reason), "subject": some(subject) });
    let answer = async { mutes::end(api.clone(), Who::of(&form.caller), request(asked)?).await }.await;
    let what = some(reason).or(some(subject)).unwrap_or_default();
    back(&api, &base, &form.fields, answer, |_| format!("{what} of {target} is not muted any more.")).await
}

/// `POST /trigger`: leads to where the runs can be watched.
pub(super) async fn trigger(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let asked = json!({ "target": form.fields.target });
    let answer = async { verbs::trigger(api.clone(), Who::of(&form.caller), request(asked)?).await }.await;
    let done = |answer: &Value| {
        let started = answer["started"].as_array().map_or(0, Vec::len);
        let refused: Vec<String> = answer["refused"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| format!("{}: {}", one["canary"].as_str().unwrap_or(""), one["why"].as_str().unwrap_or("")))
            .collect();
        let but = if refused.is_empty() { String::new() } else { format!(" Not started: {}.", words::list(&refused)) };
        format!("Started {}.{but}", words::count(started, "run", "runs"))
    };
    let since = answer.as_ref().ok().map(|Json(answer)| answer.since_ms);
    let watched = since.map(|since| format!("watch?target={}&since={since}", encoded(&form.fields.target)));
    let fields = Fields { from: watched.unwrap_or(form.fields.from), ..form.fields };
    back(&api, &base, &fields, answer, done).await
}

/// `POST /incidents/{id}/verify`: leads to the incident, which shows how the runs go.
pub(super) async fn verify(api: Handles, base: Bases, Path(id): Path<String>, form: Form<Fields>) -> Response {
    let answer = async { verify::start(api.clone(), Path(id), Who::of(&form.caller), request(json!({}))?).await }.await;
    let answer = match answer {
        Ok(Json(answer)) if answer.started == 0 => {
            let why = answer.canaries.iter().find_map(|run| run.why.as_deref()).unwrap_or("nothing in it fails");
            Err(Failure::conflict(format!("no run was started: {why}")))
        }
        answer => answer,
    };
    let shown = answer.as_ref().ok();
    let shown = shown.map(|Json(answer)| format!("incidents/{}?verified={}#by-hand", encoded(&answer.incident), answer.since_ms));
    let fields = Fields { from: shown.unwrap_or(form.fields.from), ..form.fields };
    let done = |answer: &Value| {
        let runs = answer["canaries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = runs.iter().filter_map(|run| run["next_tick_ms"].as_i64()).min();
        let next = next.map(|next| format!(" The next tick that counts comes at {} UTC.", words::when(next, now_ms())));
        let refused: Vec<&str> = runs.iter().filter_map(|run| run["why"].as_str()).collect();
        let but =
            refused.first().map(|why| format!(" {} could not be started, such as: {why}.", words::thousands(refused.len())));
        let number = |key: &str| usize::try_from(answer[key].as_u64().unwrap_or(0)).unwrap_or(0);
        let (started, all) = (number("started"), number("canaries_total"));
        let of = if started < all { format!(" of the {} canaries that fail", words::thousands(all)) } else { String::new() };
        format!(
            "{} started now{of}, which do not count; how each goes stands below.{}{}",
            words::count(started, "run", "runs"),
            next.unwrap_or_default(),
            but.unwrap_or_default()
        )
    };
    back(&api, &base, &fields, answer, done).await
}

/// `POST /incidents/{id}/notes`
pub(super) async fn note(api: Handles, base: Bases, Path(id): Path<String>, form: Form<Fields>) -> Response {
    let asked = json!({ "text": form.fields.why, "public": form.fields.public == "yes" });
    let answer = async { annotations::note(api.clone(), Path(id), Who::of(&form.caller), request(asked)?).await }.await;
    back(&api, &base, &form.fields, answer, |_| "Noted.".to_owned()).await
}

/// `POST /incidents/{id}/notes/{note}/withdraw`
pub(super) async fn withdraw(api: Handles, base: Bases, path: Path<(String, String)>, form: Form<Fields>) -> Response {
    let answer = async { withdraw::withdraw(api.clone(), path, Who::of(&form.caller), request(json!({}))?).await }.await;
    back(&api, &base, &form.fields, answer, |_| "Withdrawn: within half a minute it is off the status page.".to_owned()).await
}

/// `POST /annotations`
pub(super) async fn annotate(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let Fields { target, why, .. } = &form.fields;
    let asked = json!({ "text": why, "probe": some(target), "what": "note" });
    let answer = async { annotations::annotate(api.clone(), Who::of(&form.caller), request(asked)?).await }.await;
    back(&api, &base, &form.fields, answer, |_| "Written down: it stands on charts and in incidents from now on.".to_owned())
        .await
}

/// `POST /sweep`
pub(super) async fn sweep(api: Handles, base: Bases, form: Form<Fields>) -> Response {
    let answer = async { operations::sweep(api.clone(), Who::of(&form.caller), request(json!({}))?).await }.await;
    let done = |answer: &Value| format!("Swept: {} gone, {} left.", answer["gone"], answer["left"]);
    back(&api, &base, &form.fields, answer, done).await
}

/// `POST /channels/{name}/test`
pub(super) async fn test_channel(api: Handles, base: Bases, Path(name): Path<String>, form: Form<Fields>) -> Response {
    let channel = Path(name.clone());
    let answer = async { operations::test_channel(api.clone(), channel, Who::of(&form.caller), request(json!({}))?).await }.await;
    let answer = match answer {
        Ok(Json(TestAnswer { error: Some(why), .. })) => {
            let said = Said::no(format!("{name} did not say that it took the test page, and may have: {why}"));
            return said.at(&format!("{}channels", base.0.0));
        }
        answer => answer,
    };
    back(&api, &base, &form.fields, answer, |_| format!("{name} took a test page; it was ended at once.")).await
}

/// What the API's route is asked with.
fn request<T: DeserializeOwned>(asked: Value) -> Result<Body<T>, Failure> {
    serde_json::from_value(asked).map(Body).map_err(|error| Failure::bad(format!("this form cannot be used: {error}")))
}

fn some(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// How long something is to last; for ever if nothing is said.
fn seconds(text: &str) -> Result<Option<f64>, Failure> {
    let Some(text) = some(text) else { return Ok(None) };
    humantime::parse_duration(text)
        .map(|lasting| Some(lasting.as_secs_f64()))
        .map_err(|_| Failure::bad(format!("`{}` is no length of time; write 30m, 2h or 1d", words::clip(text, 40))))
}

/// What is added where the store did not take it.
const NOT_KEPT: &str = " The store does not take it just now: a restart would forget it.";

/// Back to the page that the form came from, which says what became of it.
async fn back(
    api: &Api,
    Extension(base): &Bases,
    fields: &Fields,
    answer: Result<Json<impl Serialize>, Failure>,
    done: impl FnOnce(&Value) -> String,
) -> Response {
    let said = match answer {
        Ok(Json(answer)) => {
            // The page that follows shows what was changed.
            api.snapshots.forget().await;
            let answer = serde_json::to_value(answer).unwrap_or_default();
            let kept = if answer["kept"] == false { NOT_KEPT } else { "" };
            Said::yes(format!("{}{kept}", done(&answer)))
        }
        Err(failure) if failure.may_be_done() => Said::no(format!("It may have been done: {}", failure.message())),
        Err(failure) => Said::no(format!("Nothing was done: {}", failure.message())),
    };
    said.at(&format!("{}{}", base.0, own(&fields.from)))
}

/// A page of ours, relative to the base, and a part of it; the overview for everything else.
fn own(from: &str) -> String {
    let from = from.strip_prefix("./").unwrap_or(from);
    let (page, part) = from.split_once('#').unwrap_or((from, ""));
    let is_part = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let part = if is_part { format!("#{part}") } else { String::new() };
    format!("{}{part}", own_page(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_our_own_pages_only() {
        for from in ["incidents/01X?key=a", "?q=a%20b", "probes/a%2Fb", "incidents/01X?verified=1#by-hand"] {
            assert_eq!(own(from), from);
        }
        for from in ["//evil.example", "https://evil.example", "/\\evil", "\\\\evil", "a\r\nset-cookie: x", "javascript:alert(1)"]
        {
            assert_eq!(own(from), "", "{from}");
        }
    }

    #[test]
    fn a_length_of_time_is_read_or_refused() {
        assert_eq!(seconds(" 30m ").unwrap(), Some(1_800.0));
        assert_eq!(seconds("").unwrap(), None);
        assert!(seconds("soon").is_err());
    }
}
