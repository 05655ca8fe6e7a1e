//! Who is in the fleet: the regions, when each was last heard of, and the instances, also those that stand by.
//!
//! It is read when somebody looks, and shared for a moment, so that many who look cost the store as much as one.

use std::sync::Arc;
use std::time::Duration;

use crate::history::{Fleet, InstanceView, LeaseName, LeaseView, ReadError};

use super::instance::InstanceInfo;
use super::lately::Lately;

/// How long what was read is told on.
const FRESH: Duration = Duration::from_secs(2);

/// Of a region of which nothing was heard for so long nobody knows how it is; one that is replaced is forgotten by then.
pub const UNKNOWN_AFTER: Duration = Duration::from_mins(3);

/// A process of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Who it is, from its start to its end.
    pub holder: String,
    /// What it says of itself.
    pub info: InstanceInfo,
    /// Since it last said so.
    pub heard: Duration,
    /// Whether it probes its region; one that does not stands by.
    pub probes: bool,
    /// Whether it evaluates for all.
    pub evaluates: bool,
}

/// A process that probes a region, or was the last to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prober {
    /// The lease under which it does.
    pub lease: LeaseName,
    /// Who.
    pub holder: String,
    /// The regions that it speaks for.
    pub regions: Vec<Arc<str>>,
    /// Since it was last heard of.
    pub heard: Duration,
    /// Whether its lease has not run out.
    pub held: bool,
}

/// Who is in the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// The instances: who evaluates first, then who probes, then who stands by.
    pub instances: Vec<Instance>,
    /// Who probes, or was the last to, in the order of the leases.
    pub probers: Vec<Prober>,
}

impl Roster {
    /// Puts together what was read.
    pub fn of(instances: Vec<InstanceView>, leases: &[LeaseView]) -> Self {
        let holds = |holder: &str, of: fn(&LeaseName) -> bool| {
            leases.iter().any(|lease| lease.held && lease.holder == holder && of(&lease.name))
        };
        let mut instances: Vec<Instance> = instances
            .into_iter()
            .filter_map(|InstanceView { holder, info, heard }| {
                let info = serde_json::from_str(&info).ok()?;
                let probes = holds(&holder, |name| matches!(name, LeaseName::Region(_)));
                let evaluates = holds(&holder, |name| matches!(name, LeaseName::Evaluator));
                Some(Instance { holder, info, heard, probes, evaluates })
            })
            .collect();
        // Of one that was killed nobody needs to know once its region goes on without it.
        let replaced: Vec<bool> = instances.iter().map(|one| one.is_replaced(&instances)).collect();
        let mut replaced = replaced.into_iter();
        instances.retain(|_| !replaced.next().unwrap_or_default());
        instances.sort_by(|one, other| one.place().cmp(&other.place()));
        let probers = leases.iter().filter_map(|lease| match &lease.name {
            LeaseName::Region(_) => {
                let InstanceInfo { regions, .. } = serde_json::from_str(&lease.info).ok()?;
                let (lease, holder, heard, held) = (lease.name.clone(), lease.holder.clone(), lease.renewed, lease.held);
                Some(Prober { lease, holder, regions, heard, held })
            }
            LeaseName::Evaluator => None,
        });
        Self { probers: probers.collect(), instances }
    }

    /// Who probes this region, or was the last to.
    pub fn prober(&self, region: &str) -> Option<&Prober> {
        let of_region = self.probers.iter().filter(|prober| prober.regions.iter().any(|own| **own == *region));
        of_region.min_by_key(|prober| (!prober.held, prober.heard))
    }

    /// Who evaluates for all.
    pub fn evaluator(&self) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.evaluates)
    }

    /// What of an instance differs from who evaluates, or from this process where nobody does; see [`InstanceInfo::differs`].
    pub fn differs(&self, instance: &Instance, own: &str) -> Vec<&'static str> {
        let reference = self.evaluator().or_else(|| self.instances.iter().find(|instance| instance.holder == own));
        reference.map(|reference| instance.info.differs(&reference.info)).unwrap_or_default()
    }
}

impl Instance {
    fn is_replaced(&self, by: &[Self]) -> bool {
        let goes_on =
            |other: &Self| other.holder != self.holder && other.heard < UNKNOWN_AFTER && other.info.regions == self.info.regions;
        self.heard >= UNKNOWN_AFTER && by.iter().any(goes_on)
    }

    fn place(&self) -> (bool, bool, &[Arc<str>], i64) {
        (!self.evaluates, !self.probes, &self.info.regions, self.info.started_ms)
    }
}

/// Reads who is in the fleet, for several who look.
pub struct RosterReader {
    fleet: Arc<dyn Fleet>,
    lately: Lately<Roster>,
}

impl RosterReader {
    /// Has read nothing yet.
    pub fn new(fleet: Arc<dyn Fleet>) -> Self {
        Self { fleet, lately: Lately::new(FRESH) }
    }

    /// Who is in the fleet, at most two seconds old.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn get(&self) -> Result<Arc<Roster>, ReadError> {
        self.lately.get(read(&*self.fleet)).await
    }
}

/// Reads it now.
pub(super) async fn read(fleet: &dyn Fleet) -> Result<Roster, ReadError> {
    let instances = fleet.instances().await?;
    Ok(Roster::of(instances, &fleet.leases().await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Epoch;

    const SECOND: Duration = Duration::from_secs(1);

    fn info(region: &str, version: &str) -> String {
        format!(r#"{{"regions":["{region}"],"version":"{version}","host":"h"}}"#)
    }

    fn instance(holder: &str, region: &str, heard: Duration) -> InstanceView {
        InstanceView { holder: holder.to_owned(), info: info(region, "1"), heard }
    }

    fn lease(name: LeaseName, holder: &str, region: &str, renewed: Duration) -> LeaseView {
        let held = renewed < SECOND * 15;
        LeaseView { name, holder: holder.to_owned(), epoch: Epoch(1), info: info(region, "1"), renewed, held }
    }

    fn region(name: &str) -> LeaseName {
        LeaseName::Region(name.into())
    }

    #[test]
    fn who_evaluates_comes_first_then_who_probes_and_one_that_was_replaced_is_forgotten() {
        let long = UNKNOWN_AFTER * 2;
        let instances = vec![
            instance("A", "ap", SECOND),
            instance("B", "eu", SECOND),
            instance("C", "eu", SECOND),
            instance("D", "eu", long),
            instance("E", "us", long),
        ];
        let leases = [
            lease(LeaseName::Evaluator, "C", "eu", SECOND),
            lease(region("ap"), "A", "ap", SECOND),
            lease(region("eu"), "C", "eu", SECOND),
            lease(region("us"), "E", "us", long),
        ];
        let roster = Roster::of(instances, &leases);
        let seen: Vec<_> = roster.instances.iter().map(|one| (&*one.holder, one.evaluates, one.probes)).collect();
        assert_eq!(seen, [("C", true, true), ("A", false, true), ("B", false, false), ("E", false, false)]);
        let us = roster.prober("us").unwrap();
        assert_eq!((us.heard, us.held), (long, false));
        assert_eq!(roster.prober("eu").map(|prober| &*prober.holder), Some("C"));
        assert_eq!(roster.prober("xx"), None);
    }

    #[test]
    fn instances_are_compared_with_who_evaluates() {
        let other = InstanceView { info: info("ap", "2"), ..instance("A", "ap", SECOND) };
        let leases = [lease(LeaseName::Evaluator, "B", "eu", SECOND)];
        let roster = Roster::of(vec![other, instance("B", "eu", SECOND)], &leases);
        let differs: Vec<_> = roster.instances.iter().map(|one| roster.differs(one, "A")).collect();
        assert_eq!(differs, [vec![], vec!["version"]]);
        let roster = Roster {
            instances: roster.instances.into_iter().map(|one| Instance { evaluates: false, ..one }).collect(),
            ..roster
        };
        let differs: Vec<_> = roster.instances.iter().map(|one| roster.differs(one, "A")).collect();
        assert_eq!(differs, [vec!["version"], vec![]], "nobody evaluates");
    }
}
