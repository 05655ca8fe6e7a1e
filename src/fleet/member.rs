//! Who this process is in its fleet, and the lease of its region.

use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant, SystemTime};

use crate::history::{Epoch, Fleet, LeaseAnswer, LeaseName, ReadError};
use crate::plan::{Fingerprints, FleetSettings};

use super::instance::{Announcing, InstanceInfo};
use super::watch::LeaseWatch;

/// How often a process asks for a lease that another one has.
pub(super) const ASK: Duration = Duration::from_secs(1);

/// Of the time within which a holder is replaced, the part that is left to whoever notices that its lease ran out.
const TO_NOTICE: Duration = Duration::from_secs(3);

/// A process of a fleet.
#[derive(Clone)]
pub struct Member {
    pub(super) fleet: Arc<dyn Fleet>,
    /// Unique for each start of a process.
    pub(super) holder: String,
    info: InstanceInfo,
    /// The fingerprints of the configuration that is in force.
    in_force: Arc<RwLock<Fingerprints>>,
    pub(super) name: Arc<str>,
    /// How long a lease lasts after each renewal.
    pub(super) lasts: Duration,
}

impl Member {
    /// A process that has started, and that shares a store with others.
    pub fn new(
        fleet: Arc<dyn Fleet>,
        settings: &FleetSettings,
        regions: Vec<Arc<str>>,
        in_force: Arc<RwLock<Fingerprints>>,
    ) -> Self {
        Self {
            fleet,
            holder: ulid::Ulid::generate().to_string(),
            info: InstanceInfo::of_this(regions),
            in_force,
            name: Arc::clone(&settings.member),
            lasts: settings.lease.saturating_sub(TO_NOTICE),
        }
    }

    /// Who it is, from its start to its end.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Says from now on that it is there, also while it stands by.
    pub fn announce(&self) -> Announcing {
        let (info, in_force) = (self.info.clone(), Arc::clone(&self.in_force));
        Announcing::start(Arc::clone(&self.fleet), self.holder.clone(), move || info.json(&in_force))
    }

    /// A watch of a lease that is taken by this process.
    pub fn watch(&self) -> LeaseWatch {
        LeaseWatch::new(self.lasts)
    }

    /// The name of its region's lease.
    pub(super) fn region(&self) -> LeaseName {
        LeaseName::Region(Arc::clone(&self.name))
    }

    /// Waits until this process has its region's lease, and writes under it from then on. While another process has it, this one stands
    /// by, which begins with `stands_by`.
    ///
    /// # Errors
    /// Where the store has not answered for so long: nobody knows then whether another process is there.
    pub async fn wait_for_region(&self, patience: Duration, stands_by: impl FnOnce()) -> Result<Epoch, ReadError> {
        let mut stands_by = Some(stands_by);
        let mut failing: Option<Instant> = None;
        loop {
            let asked = (Instant::now(), SystemTime::now());
            match self.take(self.region()).await {
                Ok((LeaseAnswer::Held(epoch), _)) => {
                    self.fleet.hold_region(epoch);
                    tracing::info!(region = &*self.name, epoch = epoch.0, after = ?asked.0.elapsed(), "this process probes its region");
                    return Ok(epoch);
                }
                Ok((LeaseAnswer::HeldBy { holder, .. }, _)) => {
                    failing = None;
                    if let Some(stands_by) = stands_by.take() {
                        tracing::info!(region = &*self.name, holder, "another instance probes this region; this one stands by");
                        stands_by();
                    }
                }
                Err(error) if failing.is_some_and(|since| since.elapsed() >= patience) => return Err(error),
                Err(error) => {
                    failing.get_or_insert_with(Instant::now);
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the lease of the region cannot be asked for; it is tried again"
                    );
                }
            }
            tokio::time::sleep(ASK).await;
        }
    }

    /// Asks for a lease: the answer, and the time by the clock of the store.
    pub(super) async fn take(&self, name: LeaseName) -> Result<(LeaseAnswer, i64), ReadError> {
        let reply = self.fleet.take_lease(name, self.holder.clone(), self.info.json(&self.in_force), self.lasts).await?;
        Ok((reply.answer, reply.server_ms))
    }

    /// Lets its leases run out, so that others need not wait for that, and is there no more.
    pub async fn leave(&self) {
        for name in [LeaseName::Evaluator, self.region()] {
            if let Err(error) = self.fleet.release_lease(name, self.holder.clone()).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "a lease could not be given up; it runs out by itself");
            }
        }
        // Where that does not arrive either, others see that nothing is heard of it any more.
        let _asked = self.fleet.depart(self.holder.clone()).await;
    }
}
