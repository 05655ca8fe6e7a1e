//! Pauses and mutes that were made on another process of the fleet hold here as well.
//!
//! Each process looks every second which of them are in the store. What differs from the look before was changed by somebody since, and
//! is done here: what this process has not written yet is in neither look, and stays; what it has written counts as seen. What it cannot do yet is not taken as seen. The
//! journal has a copy, for a start while the store is away.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::fleet::keep_followed;
use crate::history::{FOLLOWED, Fleet, ReadError, RestoredState, Store};
use crate::web::Api;

/// How often a process looks.
const LOOK: Duration = Duration::from_secs(1);

/// Their JSON, by kind and key.
type Followed = BTreeMap<(String, String), String>;

/// The task that looks. It ends when it is dropped.
pub(super) struct Following(JoinHandle<()>);

impl Following {
    /// Looks from now on, on the runtime it is called on.
    pub(super) fn start(fleet: Arc<dyn Fleet>, journal: Option<Arc<dyn Store>>, api: &Arc<Api>) -> Self {
        Self(tokio::spawn(follow(fleet, journal, Arc::downgrade(api))))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn follow(fleet: Arc<dyn Fleet>, journal: Option<Arc<dyn Store>>, api: Weak<Api>) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<Followed> = None;
    let mut kept = Followed::new();
    loop {
        looks.tick().await;
        let Some(written) = api.upgrade().map(|api| api.written.take()) else { return };
        // What this process has written is in the look that follows, unless somebody has changed it since.
        before = has_written(before, written);
        // Whoever keeps the leases says that the store does not answer.
        let Ok(now) = look(&*fleet).await else { continue };
        let Some(api) = api.upgrade() else { return };
        if let Some(journal) = &journal {
            keep_followed(&**journal, changes(&kept, &now));
            kept.clone_from(&now);
        }
        // The first look finds what was there at the start, and what came since.
        let changed = changes(before.as_ref().unwrap_or(&Followed::new()), &now);
        let mut taken = now;
        if !changed.is_empty() {
            for name in api.take_followed(changed) {
                taken.remove(&name);
            }
        }
        before = Some(taken);
    }
}

/// What was there, with what this process has written since.
fn has_written(before: Option<Followed>, written: Vec<(String, String, Option<String>)>) -> Option<Followed> {
    if written.is_empty() {
        return before;
    }
    let mut before = before.unwrap_or_default();
    for (kind, key, json) in written {
        match json {
            Some(json) => before.insert((kind, key), json),
            None => before.remove(&(kind, key)),
        };
    }
    Some(before)
}

async fn look(fleet: &dyn Fleet) -> Result<Followed, ReadError> {
    let states = fleet.states_of(&FOLLOWED).await?;
    Ok(states.into_iter().map(|RestoredState { kind, key, json }| ((kind, key), json)).collect())
}

/// What is there now and was not, or was another, and what is gone.
fn changes(before: &Followed, now: &Followed) -> Vec<(String, String, Option<String>)> {
    let changed = now.iter().filter(|(name, json)| before.get(*name) != Some(*json));
    let changed = changed.map(|((kind, key), json)| (kind.clone(), key.clone(), Some(json.clone())));
    let gone = before.keys().filter(|name| !now.contains_key(*name)).map(|(kind, key)| (kind.clone(), key.clone(), None));
    changed.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_between_two_looks_is_taken() {
        let of = |rows: &[(&str, &str)]| -> Followed {
            rows.iter().map(|(key, json)| (("pause".to_owned(), (*key).to_owned()), (*json).to_owned())).collect()
        };
        let change = |key: &str, json: Option<&str>| ("pause".to_owned(), key.to_owned(), json.map(str::to_owned));
        let (before, now) = (of(&[("a", "1"), ("b", "1"), ("c", "1")]), of(&[("a", "1"), ("b", "2"), ("d", "1")]));
        assert_eq!(changes(&before, &now), [change("b", Some("2")), change("d", Some("1")), change("c", None)]);
        assert_eq!(changes(&now, &now), []);
    }

    #[test]
    fn what_this_process_has_written_and_somebody_has_changed_before_the_next_look_is_taken() {
        let change = |key: &str, json: Option<&str>| ("pause".to_owned(), key.to_owned(), json.map(str::to_owned));
        let now = Followed::from([(("pause".to_owned(), "a".to_owned()), "2".to_owned())]);
        let written = vec![change("a", Some("1")), change("b", Some("1")), change("c", None)];
        let before = has_written(None, written).unwrap();
        assert_eq!(
            changes(&before, &now),
            [change("a", Some("2")), change("b", None)],
            "changed by another, and ended by another"
        );
        let before = has_written(Some(now.clone()), vec![change("a", None)]).unwrap();
        assert_eq!(changes(&before, &now), [change("a", Some("2"))], "ended here, and made again by another");
        assert_eq!(has_written(None, Vec::new()), None);
    }
}
