//! Who evaluates says in the log which instances are not as it is: another version, or another configuration.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::history::ReadError;

use super::instance::differing;
use super::member::Member;
use super::roster::{self, UNKNOWN_AFTER};

/// How often it is looked. A roll-out passes through this, and is named once.
const LOOK: Duration = Duration::from_secs(10);

/// What was said already.
#[derive(Debug, Default)]
pub(super) struct Differing {
    looked: Option<Instant>,
    said: BTreeSet<(String, &'static str)>,
}

impl Differing {
    /// Looks, if it is time, and says what was not said yet.
    pub(super) async fn look(&mut self, member: &Member) -> Result<(), ReadError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let roster = roster::read(&*member.fleet).await?;
        let mut found = BTreeSet::new();
        for instance in roster.instances.iter().filter(|instance| instance.heard < UNKNOWN_AFTER) {
            for word in roster.differs(instance, &member.holder) {
                let key = (instance.holder.clone(), word);
                if !self.said.contains(&key) {
                    tracing::warn!(
                        instance = instance.holder,
                        host = instance.info.host,
                        regions = instance.info.regions.join("+"),
                        version = instance.info.version,
                        "an instance has {}: this process, which evaluates, goes by its own",
                        differing(word)
                    );
                }
                found.insert(key);
            }
        }
        // One that differs again after it did not is said again.
        self.said = found;
        Ok(())
    }
}
