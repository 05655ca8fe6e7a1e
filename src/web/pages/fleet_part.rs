//! The fleet at the foot of the overview: who probes which region, when each was last heard of, and what differs.

use crate::web::model::fleet::{FleetStatus, InstanceStatus};
use crate::web::model::words;

/// A line of it: an instance, or a region that no instance speaks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FleetRow {
    pub(super) regions: String,
    pub(super) host: String,
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    /// What it does, in words.
    pub(super) role: String,
    pub(super) heard: String,
    pub(super) version: String,
    /// What is not as at who evaluates; empty where nothing is.
    pub(super) differs: String,
}

/// The part of the page.
#[derive(Debug)]
pub(super) struct FleetPart {
    pub(super) rows: Vec<FleetRow>,
    /// Why nothing is known.
    pub(super) trouble: Option<String>,
}

impl FleetPart {
    pub(super) fn of(fleet: FleetStatus, now_ms: i64) -> Self {
        let spoken_for = |region: &str| fleet.instances.iter().any(|one| one.regions.iter().any(|own| own == region));
        let silent =
            fleet.regions.iter().filter(|region| region.is_declared && !spoken_for(&region.region)).map(|region| FleetRow {
                regions: region.region.clone(),
                host: String::new(),
                class: "bad",
                sign: "?",
                role: "unknown: no instance".to_owned(),
                heard: region.heard(now_ms),
                version: String::new(),
                differs: String::new(),
            });
        let rows = silent.chain(fleet.instances.iter().map(|one| row(one, now_ms))).collect();
        Self { rows, trouble: fleet.trouble }
    }
}

fn row(one: &InstanceStatus, now_ms: i64) -> FleetRow {
    let (class, sign, role) = match one.role {
        "gone" => ("bad", "?", "unknown: not heard of"),
        "evaluates" => ("", "●", "probes and evaluates"),
        "stands by" => ("muted", "○", "stands by"),
        other => ("", "●", other),
    };
    FleetRow {
        regions: words::clip(&one.regions.join(", "), 80),
        host: if one.is_this { format!("{} (this one)", one.host) } else { one.host.clone() },
        class,
        sign,
        role: role.to_owned(),
        heard: one.heard(now_ms),
        version: one.version.clone(),
        differs: one.differences(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::model::fleet::RegionStatus;

    #[test]
    fn a_region_that_no_instance_speaks_for_is_named_first_and_an_instance_says_what_it_does() {
        let region = |region: &str, heard_ms| RegionStatus {
            region: region.to_owned(),
            instance: None,
            heard_ms,
            is_unknown: true,
            is_declared: true,
        };
        let instance = InstanceStatus {
            instance: "A".to_owned(),
            host: "node-1".to_owned(),
            regions: vec!["eu".to_owned()],
            version: "1".to_owned(),
            started_ms: 0,
            heard_ms: 8_000,
            role: "stands by",
            is_this: true,
            differs: vec!["probes"],
        };
        let regions = vec![region("ap", None), region("eu", Some(0))];
        let part = FleetPart::of(FleetStatus { regions, instances: vec![instance], trouble: None }, 10_000);
        let said: Vec<_> = part.rows.iter().map(|row| (&*row.regions, &*row.role, &*row.heard, &*row.differs)).collect();
        assert_eq!(
            said,
            [("ap", "unknown: no instance", "never heard of", ""), ("eu", "stands by", "last heard 2 s ago", "other probes")]
        );
        assert_eq!(part.rows[1].host, "node-1 (this one)");
    }
}
