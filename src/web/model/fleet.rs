//! The fleet as it is told: each region with when it was last heard of, each instance with what it runs, and what differs.
//!
//! Pure; whoever asks has read the roster.

use serde::Serialize;
use utoipa::ToSchema;

use crate::base::time::signed_millis;
use crate::fleet::{Instance, InstanceInfo, Roster, UNKNOWN_AFTER, differing};
use crate::plan::Plan;

use super::words;

/// Instances and regions that are told.
const TOLD: usize = 500;

/// The processes that share this store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct FleetStatus {
    /// The regions of this process's configuration, in its order, and others that somebody probes.
    pub(in crate::web) regions: Vec<RegionStatus>,
    /// The processes: who evaluates first, then who probes, then who stands by; at most 500.
    pub(in crate::web) instances: Vec<InstanceStatus>,
    /// Why who is there cannot be read now, or that this process is alone; the rest is empty then.
    pub(in crate::web) trouble: Option<String>,
}

/// A region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct RegionStatus {
    /// Its name.
    pub(in crate::web) region: String,
    /// The instance that probes it, or was the last to; absent if none ever did.
    pub(in crate::web) instance: Option<String>,
    /// When that was last heard of, milliseconds since the epoch by this process's clock.
    pub(in crate::web) heard_ms: Option<i64>,
    /// Whether nobody knows how it is: it was not heard of for three minutes.
    pub(in crate::web) is_unknown: bool,
    /// Whether `regions` of this process's configuration has it.
    pub(in crate::web) is_declared: bool,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct InstanceStatus {
    /// Who it is, from its start to its end.
    pub(in crate::web) instance: String,
    /// The machine's name.
    pub(in crate::web) host: String,
    /// The regions that it probes from, or would.
    pub(in crate::web) regions: Vec<String>,
    /// Of the program.
    pub(in crate::web) version: String,
    /// When it began by its own clock, milliseconds since the epoch.
    pub(in crate::web) started_ms: i64,
    /// When it was last heard of by this process's clock, likewise.
    pub(in crate::web) heard_ms: i64,
    /// "evaluates" (and probes), "probes", "stands by", or "gone" for one that was not heard of for three minutes.
    pub(in crate::web) role: &'static str,
    /// Whether it is the one that answers.
    pub(in crate::web) is_this: bool,
    /// What is not as at who evaluates: "version", "alerting" (channels, routes or regions), "probes".
    pub(in crate::web) differs: Vec<&'static str>,
}

impl FleetStatus {
    /// As a process with this plan and of this name sees it.
    pub(in crate::web) fn of(roster: &Roster, plan: &Plan, own: &str, now_ms: i64) -> Self {
        let mut names: Vec<String> = plan.known_regions.iter().map(ToString::to_string).collect();
        for region in roster.probers.iter().filter(|prober| prober.heard < UNKNOWN_AFTER).flat_map(|prober| &prober.regions) {
            if !names.iter().any(|name| *name == **region) {
                names.push(region.to_string());
            }
        }
        let regions = names.into_iter().take(TOLD).map(|name| {
            let prober = roster.prober(&name);
            RegionStatus {
                instance: prober.map(|prober| prober.holder.clone()),
                heard_ms: prober.map(|prober| now_ms - signed_millis(prober.heard)),
                is_unknown: prober.is_none_or(|prober| prober.heard >= UNKNOWN_AFTER),
                is_declared: plan.known_regions.iter().any(|known| **known == *name),
                region: name,
            }
        });
        let instances = roster.instances.iter().take(TOLD).map(|one| instance(one, roster, own, now_ms));
        Self { regions: regions.collect(), instances: instances.collect(), trouble: None }
    }

    /// Nobody is reached.
    pub(in crate::web) fn alone() -> Self {
        let trouble =
            "the database of the fleet does not answer: this process tells by itself what fails in its region".to_owned();
        Self { regions: Vec::new(), instances: Vec::new(), trouble: Some(trouble) }
    }

    /// Who is there cannot be read.
    pub(in crate::web) fn unread(why: &str) -> Self {
        let trouble = Some(format!("which instances are there cannot be read: {}", words::clip(why, 200)));
        Self { regions: Vec::new(), instances: Vec::new(), trouble }
    }

    /// That the process that answers stands by, and who probes its region; nothing where it probes itself.
    pub(in crate::web) fn standby(&self) -> Option<String> {
        let this = self.instances.iter().find(|one| one.is_this && one.role == STANDS_BY)?;
        let region = self.regions.iter().find(|region| this.regions.contains(&region.region));
        let prober = region.and_then(|region| region.instance.as_ref());
        let prober = self.instances.iter().find(|one| Some(&one.instance) == prober && one.role != GONE);
        let regions = words::clip(&words::list(&this.regions), 80);
        Some(match prober {
            Some(prober) => format!("This instance stands by: {regions} is probed by another one, on {}.", prober.machine()),
            None => format!("This instance stands by: it takes {regions} over, which nobody probes just now."),
        })
    }

    /// What is not as it should be, a sentence each: regions that are unknown first, then instances that differ.
    pub(in crate::web) fn troubles(&self, now_ms: i64) -> Vec<String> {
        let unknown = self.regions.iter().filter(|region| region.is_unknown && region.is_declared);
        let unknown = unknown.map(|region| format!("region {}: {}", region.region, region.heard(now_ms)));
        let differing = self.instances.iter().filter(|one| !one.differs.is_empty() && one.role != GONE);
        let differing = differing.map(|one| format!("{} has {}", one.name(), one.differences()));
        self.trouble.iter().cloned().chain(unknown).chain(differing).collect()
    }
}

/// The role of one that was not heard of for long.
const GONE: &str = "gone";

/// The role of one whose region another one probes.
const STANDS_BY: &str = "stands by";

fn instance(one: &Instance, roster: &Roster, own: &str, now_ms: i64) -> InstanceStatus {
    let InstanceInfo { regions, version, host, started_ms, alerting: _, probes: _ } = &one.info;
    let role = match (one.heard >= UNKNOWN_AFTER, one.evaluates, one.probes) {
        (true, ..) => GONE,
        (false, true, _) => "evaluates",
        (false, false, true) => "probes",
        (false, false, false) => STANDS_BY,
    };
    InstanceStatus {
        instance: one.holder.clone(),
        host: words::clip(host, 80),
        regions: regions.iter().map(ToString::to_string).collect(),
        version: words::clip(version, 40),
        started_ms: *started_ms,
        heard_ms: now_ms - signed_millis(one.heard),
        role,
        is_this: one.holder == own,
        differs: roster.differs(one, own),
    }
}

impl RegionStatus {
    /// `last heard 3 min ago`, `never heard of`.
    pub(in crate::web) fn heard(&self, now_ms: i64) -> String {
        self.heard_ms.map_or_else(
            || "never heard of".to_owned(),
            |heard| format!("last heard {}", words::relative(heard.min(now_ms), now_ms)),
        )
    }
}

impl InstanceStatus {
    /// `ap on node-3`.
    pub(in crate::web) fn name(&self) -> String {
        format!("{} on {}", self.regions.join("+"), self.machine())
    }

    fn machine(&self) -> &str {
        if self.host.is_empty() { "a machine without a name" } else { &self.host }
    }

    /// `other channels, routes or regions and other probes`; empty where nothing differs.
    pub(in crate::web) fn differences(&self) -> String {
        self.differs.iter().map(|word| differing(word)).collect::<Vec<_>>().join(" and ")
    }

    /// `last heard 3 s ago`.
    pub(in crate::web) fn heard(&self, now_ms: i64) -> String {
        format!("last heard {}", words::relative(self.heard_ms.min(now_ms), now_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::fleet::Prober;
    use crate::history::LeaseName;
    use crate::plan::testing;

    const NOW: i64 = 1_795_000_000_000;

    fn roster(heard: Duration) -> Roster {
        let info = |region: &str, probes: &str| InstanceInfo {
            regions: vec![region.into()],
            version: "1".to_owned(),
            host: "node-1".to_owned(),
            started_ms: 1,
            alerting: "a".to_owned(),
            probes: probes.to_owned(),
        };
        let instance = |holder: &str, region: &str, probes: &str, evaluates| Instance {
            holder: holder.to_owned(),
            info: info(region, probes),
            heard: if evaluates { Duration::ZERO } else { heard },
            probes: true,
            evaluates,
        };
        let prober = |region: &str, holder: &str, heard| Prober {
            lease: LeaseName::Region(region.into()),
            holder: holder.to_owned(),
            regions: vec![Arc::from(region)],
            heard,
            held: true,
        };
        Roster {
            instances: vec![instance("A", "eu", "p", true), instance("B", "ap", "q", false)],
            probers: vec![prober("ap", "B", heard), prober("eu", "A", Duration::ZERO)],
        }
    }

    #[test]
    fn one_that_stands_by_says_so_and_who_probes_its_region() {
        let standby = |probed_by: Duration| {
            let of_eu = roster(Duration::ZERO);
            let waits = Instance { holder: "C".to_owned(), probes: false, evaluates: false, ..of_eu.instances[0].clone() };
            let instances = of_eu.instances.into_iter().map(|one| Instance { heard: probed_by, ..one }).chain([waits]).collect();
            let roster = Roster { instances, ..of_eu };
            let plan = testing::plan(Vec::new(), &["ap", "eu"]);
            ["A", "C"].map(|own| FleetStatus::of(&roster, &plan, own, NOW).standby())
        };
        let says = |text: &str| [None, Some(text.to_owned())];
        assert_eq!(standby(Duration::ZERO), says("This instance stands by: eu is probed by another one, on node-1."));
        assert_eq!(standby(UNKNOWN_AFTER), says("This instance stands by: it takes eu over, which nobody probes just now."));
    }

    fn shown(heard: Duration, regions: &[&str]) -> FleetStatus {
        FleetStatus::of(&roster(heard), &testing::plan(Vec::new(), regions), "A", NOW)
    }

    #[test]
    fn a_region_says_when_it_was_last_heard_of_and_is_unknown_after_three_minutes() {
        let fresh = shown(Duration::from_secs(4), &["ap", "eu"]);
        assert_eq!(
            fresh.regions.iter().map(|region| region.heard(NOW)).collect::<Vec<_>>(),
            ["last heard 4 s ago", "last heard 0 s ago"]
        );
        assert!(fresh.regions.iter().all(|region| !region.is_unknown));
        let lost = shown(Duration::from_mins(3), &["ap", "eu", "us"]);
        assert_eq!(lost.troubles(NOW), ["region ap: last heard 3 min ago", "region us: never heard of"]);
        assert_eq!(lost.instances[1].role, "gone");
    }

    #[test]
    fn an_instance_that_differs_is_named_with_what_differs() {
        let shown = shown(Duration::from_secs(4), &["eu"]);
        assert_eq!(shown.troubles(NOW), ["ap on node-1 has other probes"]);
        assert_eq!((shown.instances[0].role, shown.instances[0].is_this), ("evaluates", true));
        assert_eq!((shown.regions[1].region.as_str(), shown.regions[1].is_declared), ("ap", false), "nobody declared it here");
    }
}
