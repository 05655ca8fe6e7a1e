//! The fleet: each region with when it was last heard of, the instances that stand by, and what differs between instances.

use std::time::SystemTime;

use serde_json::Value;

use crate::cli::client::{ago, list, word};
use crate::cli::style::{Style, printable};
use crate::fleet::differing;

use super::StatusLines;

/// Regions and instances that are named.
const NAMED: usize = 20;

/// Says it for a whole status; nothing where the service is part of none.
pub(super) fn fleet(lines: &mut StatusLines, status: &Value, now: SystemTime, style: Style) {
    let fleet = &status["fleet"];
    if fleet["trouble"].is_string() {
        lines.say("fleet", &word(fleet, "trouble"), |text| style.odd(text));
    }
    let (regions, instances) = (list(fleet, "regions"), list(fleet, "instances"));
    // What is unknown first.
    let unknown = |region: &&Value| region["is_unknown"] == true;
    for region in regions.iter().filter(unknown).chain(regions.iter().filter(|region| !unknown(region))).take(NAMED) {
        let is_unknown = region["is_unknown"] == true;
        let heard = if region["heard_ms"].is_number() {
            format!("last heard {}", ago(&region["heard_ms"], now))
        } else {
            "never heard of".to_owned()
        };
        let on = instances.iter().find(|one| one["instance"] == region["instance"]).filter(|_| !is_unknown);
        let on = on.map(|one| format!(", on {}{}", word(one, "host"), evaluates(one))).unwrap_or_default();
        let unknown = if is_unknown { "unknown, " } else { "" };
        let said = format!("{}: {unknown}{heard}{on}", word(region, "region"));
        lines.say("region", &said, |text| if is_unknown { style.bad(text) } else { text.to_owned() });
    }
    more(lines, regions.len());
    let others: Vec<&Value> =
        instances.iter().filter(|one| one["role"] == "stands by" || !list(one, "differs").is_empty()).collect();
    for one in others.iter().take(NAMED) {
        let differs: Vec<&str> = list(one, "differs").iter().filter_map(Value::as_str).map(differing).collect();
        let mut said = vec![word(one, "role")];
        if !differs.is_empty() {
            said.push(format!("has {} (version {}); who evaluates goes by its own", differs.join(" and "), word(one, "version")));
        }
        let regions: Vec<String> =
            list(one, "regions").iter().filter_map(Value::as_str).map(|region| printable(region).into_owned()).collect();
        let this = if one["is_this"] == true { " (this one)" } else { "" };
        let said = format!("{} on {}{this}: {}", regions.join("+"), word(one, "host"), said.join(", "));
        lines.say("instance", &said, |text| if differs.is_empty() { text.to_owned() } else { style.odd(text) });
    }
    more(lines, others.len());
}

fn evaluates(instance: &Value) -> &'static str {
    if instance["role"] == "evaluates" { ", evaluates" } else { "" }
}

fn more(lines: &mut StatusLines, all: usize) {
    if let Some(more) = all.checked_sub(NAMED).filter(|more| *more > 0) {
        lines.say("", &format!("… and {more} more"), str::to_owned);
    }
}
