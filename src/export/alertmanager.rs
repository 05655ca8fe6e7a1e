//! Routes and inhibitions for Alertmanager 0.25 or newer, for the exported rules and for what Serinus sends by itself.
//!
//! Owners come from the probes. Receivers are named after them and are empty: who is told how is not known here, and a secret must
//! not be in a file that is printed.

use std::collections::BTreeSet;

use crate::plan::Service;

use super::text::quoted;

const HEAD: &str = "\
# Routes for Alertmanager 0.25 or newer, made by `serinus export alertmanager` from the owners of the probes that run. They serve the
# alerts of `serinus export prometheus-rules` and those that Serinus sends by itself (`[notify.alertmanager]`).
#
# Fill in the receivers at the end, in a copy or in what merges this into your own file: each owner has one for what wakes somebody
# (severity page and critical) and one for what can wait for the day (warn). For example:
#
#   - name: \"music-sync-page\"
#     pagerduty_configs:
#       - routing_key_file: /etc/alertmanager/secrets/music-sync
#
# `serinus export alertmanager --check FILE` says whether a file still is what is exported; of receivers only the names are compared.
";

const ROUTE: &str = "
route:
  receiver: \"default-page\"
  # One notification for all that is known of a probe. Each further ring of Serinus is told at the group's next look.
  group_by: [probe]
  group_wait: 10s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    # What is about no probe: the prober, its regions, its channels.
    - matchers: [ 'probe=\"\"', 'severity=\"warn\"' ]
      receiver: \"default-warn\"
      group_by: [alertname, region, scope, channel]
    - matchers: [ 'probe=\"\"' ]
      receiver: \"default-page\"
      group_by: [alertname, region, scope, channel]
";

const INHIBIT: &str = "
inhibit_rules:
  # What is critical says all that a page says, and a page all that a warning says, of alerts of Serinus alone. Rings of Serinus
  # have the label `ring` and stay open with the labels they began with until their incident ends, so one that was critical must not
  # keep a later page quiet.
  - source_matchers: [ 'alertname=~\"Serinus.*\"', 'severity=\"critical\"', 'ring=\"\"' ]
    target_matchers: [ 'alertname=~\"Serinus.*\"', 'severity=~\"page|warn\"', 'ring=\"\"' ]
    equal: [alertname, probe, region, scope]
  - source_matchers: [ 'alertname=~\"Serinus.*\"', 'severity=\"page\"', 'ring=\"\"' ]
    target_matchers: [ 'alertname=~\"Serinus.*\"', 'severity=\"warn\"', 'ring=\"\"' ]
    equal: [alertname, probe, region, scope]
  # Regions that share no store: that several fail says all that each of them says.
  - source_matchers: [ 'alertname=\"SerinusProbeFailing\"', 'kind=\"regions\"' ]
    target_matchers: [ 'alertname=\"SerinusProbeFailing\"', 'kind=\"probe\"', 'ring=\"\"' ]
    equal: [probe]
  # What Serinus sends by itself, the rules on its alert state need not repeat. Of what is about no probe the ring names the scope.
  - source_matchers: [ 'alertname=~\"Serinus.*\"', 'probe!=\"\"', 'ring!=\"\"' ]
    target_matchers: [ 'alertname=~\"Serinus.*\"', 'kind!=\"\"', 'kind!=\"regions\"', 'ring=\"\"' ]
    equal: [alertname, probe]
  - source_matchers: [ 'alertname=~\"Serinus.*\"', 'probe=\"\"', 'ring!=\"\"' ]
    target_matchers: [ 'alertname=~\"Serinus.*\"', 'kind!=\"\"', 'ring=\"\"' ]
    equal: [alertname, scope]
  - source_matchers: [ 'alertname=\"SerinusAbsent\"' ]
    target_matchers: [ 'alertname=\"SerinusRegionAbsent\"' ]
";

/// The configuration as YAML.
pub fn alertmanager(service: &Service) -> String {
    let owners: BTreeSet<&str> = service.plan.probes.iter().filter_map(|probe| probe.owner.as_deref()).collect();
    let mut text = format!("{HEAD}{ROUTE}");
    for owner in &owners {
        let matches = yaml(&format!("owner={}", quoted(owner)));
        text.extend([format!(
            "    - matchers: [ {matches}, 'severity=\"warn\"' ]\n      receiver: {}\n",
            receiver(owner, "warn")
        )]);
        text.extend([format!("    - matchers: [ {matches} ]\n      receiver: {}\n", receiver(owner, "page"))]);
    }
    text += "    # Probes without an owner.\n    - matchers: [ 'severity=\"warn\"' ]\n      receiver: \"default-warn\"\n";
    text += INHIBIT;
    text += "\nreceivers:\n";
    for owner in ["default"].into_iter().chain(owners.into_iter().filter(|owner| *owner != "default")) {
        for level in ["page", "warn"] {
            text.extend([format!("  - name: {}\n", receiver(owner, level))]);
        }
    }
    text
}

fn receiver(owner: &str, level: &str) -> String {
    quoted(&format!("{owner}-{level}"))
}

/// A text in single quotes of YAML.
fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels that are absent on both sides count as equal, so a matcher of the severity alone would hit everybody's alerts.
    #[test]
    fn only_alerts_of_serinus_keep_each_other_quiet() {
        let of_serinus = |line: &str| line.contains("alertname=") || line.contains("ring!=");
        let matchers: Vec<&str> = INHIBIT.lines().filter(|line| line.contains("_matchers:")).collect();
        assert!(matchers.len() >= 12 && matchers.len().is_multiple_of(2), "{matchers:?}");
        for line in matchers {
            assert!(of_serinus(line), "{line}");
        }
    }
}
