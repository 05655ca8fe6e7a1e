//! `GET /maintenance`: what is quiet on purpose, until when, who said so and why; and what ends that, or begins it.

use std::sync::Arc;
use std::time::SystemTime;

use askama::Template;
use axum::Extension;

use crate::alert::{Mute, Mutes};
use crate::base::time::epoch_ms;
use crate::outcome::{Reason, Verdict};
use crate::schedule::{Pause, PauseTarget};
use crate::web::Api;
use crate::web::model::quiet::{Window, windows};
use crate::web::model::words;

use super::frame::Frame;
use super::moments::{at, relative};
use super::page::{Look, PageResult, html, snapshot};

/// Rows of each kind.
const ROWS: usize = 500;

/// A pause or a mute in force.
struct Quiet {
    /// The probe or the canary.
    target: String,
    href: String,
    /// What of it: `reason timeout`, `subject seg-1`; empty of a pause.
    part: String,
    reason: Option<String>,
    subject: Option<String>,
    since_ms: i64,
    until_ms: Option<i64>,
    by: String,
    why: String,
}

#[derive(Template)]
#[template(path = "maintenance.html", config = "src/web/pages/askama.toml")]
struct MaintenancePage {
    frame: Frame,
    windows: Vec<Window>,
    pauses: Vec<Quiet>,
    mutes: Vec<Quiet>,
    /// Names to choose from.
    probes: Vec<String>,
    reasons: Vec<&'static str>,
    now_ms: i64,
}

/// `GET /maintenance`
pub(super) async fn maintenance(look: Look, Extension(api): Extension<Arc<Api>>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let plan = api.plan();
    let mut pauses: Vec<Quiet> = api.scheduler.pauses().list().iter().take(ROWS).map(of_pause).collect();
    let mut mutes: Vec<Quiet> = api.mutes.in_force().iter().take(ROWS).map(of_mute).collect();
    for list in [&mut pauses, &mut mutes] {
        list.sort_by_key(|quiet| quiet.until_ms.unwrap_or(i64::MAX));
    }
    let may_be_muted = |reason: &&Reason| Verdict::of(**reason) == Verdict::Failed && **reason != Reason::Subject;
    let page = MaintenancePage {
        windows: windows(&plan, SystemTime::now()).into_iter().take(ROWS).collect(),
        pauses,
        mutes,
        probes: plan.probes.iter().map(|probe| probe.name.to_string()).take(1_000).collect(),
        reasons: Reason::ALL.iter().filter(may_be_muted).map(|reason| reason.as_str()).collect(),
        now_ms: snapshot.at_ms,
        frame: look.frame(&api, &snapshot, "Maintenance and mutes"),
    };
    Ok(html(&page))
}

fn of_pause(pause: &Pause) -> Quiet {
    let target = match &pause.target {
        PauseTarget::Probe(probe) => probe.to_string(),
        PauseTarget::Canary(canary) => canary.as_str().to_owned(),
    };
    Quiet {
        href: href(&target),
        target,
        part: String::new(),
        reason: None,
        subject: None,
        since_ms: epoch_ms(pause.since),
        until_ms: pause.until.map(epoch_ms),
        by: words::clip(&pause.by, 80),
        why: words::clip(pause.why.as_deref().unwrap_or_default(), 300),
    }
}

fn of_mute(mute: &Mute) -> Quiet {
    let (reason, subject) = match &mute.mutes {
        Mutes::Reason(reason) => (Some(reason.to_string()), None),
        Mutes::Subject(subject) => (None, Some(subject.to_string())),
    };
    Quiet {
        target: mute.probe.to_string(),
        href: href(&mute.probe),
        part: words::clip(&mute.mutes.to_string(), 200),
        reason,
        subject,
        since_ms: mute.since_ms,
        until_ms: mute.until_ms,
        by: words::clip(&mute.by, 80),
        why: words::clip(mute.why.as_deref().unwrap_or_default(), 300),
    }
}

/// The page of the probe, narrowed to the canary if it is one.
fn href(target: &str) -> String {
    let encoded = crate::web::model::overview::encoded;
    match target.split_once('/') {
        Some((probe, _)) => format!("probes/{}?canary={}", encoded(probe), encoded(target)),
        None => format!("probes/{}", encoded(target)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_a_canary_leads_to_its_probe() {
        assert_eq!(href("p/eu/k=a b"), "probes/p?canary=p%2Feu%2Fk%3Da+b");
        assert_eq!(href("p"), "probes/p");
    }
}
