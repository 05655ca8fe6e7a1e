//! Members that do not page: without data, muted or explained. Those with the same reason share a line.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use crate::cli::client::{ago, list, moment, plural, word};
use crate::cli::style::{Style, printable};

use super::StatusLines;

/// Says it for a whole status.
pub(super) fn apart(lines: &mut StatusLines, status: &Value, now: SystemTime, style: Style) {
    for (what, list_of, why) in [
        ("no data", "without_data", no_data as fn(&Value) -> String),
        ("muted", "muted", muted),
        ("explained", "explained", explained),
    ] {
        let members = list(status, list_of);
        for (said, group) in groups(members, why) {
            let since = ago(oldest(&group), now);
            lines.say(what, &format!("{} since {since}: {said}", who(&group)), |text| style.odd(text));
        }
        let total = status[format!("{list_of}_total")].as_u64().unwrap_or(0);
        if let Some(more) = total.checked_sub(members.len() as u64).filter(|more| *more > 0) {
            lines.say("", &format!("… and {more} more"), str::to_owned);
        }
    }
}

/// Members of the same probe (or region) of which the same is said, in the order in which they came.
fn groups(members: &[Value], why: fn(&Value) -> String) -> Vec<(String, Vec<&Value>)> {
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut groups: Vec<(String, Vec<&Value>)> = Vec::new();
    for member in members {
        let said = why(member);
        let place = *places.entry((word(member, "probe"), said.clone())).or_insert_with(|| {
            groups.push((said, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(member);
    }
    groups
}

/// One by its name, several by their probe and number.
fn who(group: &[&Value]) -> String {
    match group {
        [one] => word(one, "name"),
        several => {
            let canaries = several.iter().all(|member| member["canary"].is_string());
            let (one, many) = if canaries { ("canary", "canaries") } else { ("member", "members") };
            format!("{}: {}", word(several[0], "probe"), plural(several.len() as u64, one, many))
        }
    }
}

fn oldest<'v>(group: &[&'v Value]) -> &'v Value {
    group.iter().map(|member| &member["since_ms"]).min_by_key(|since| since.as_u64()).unwrap_or(&Value::Null)
}

fn no_data(member: &Value) -> String {
    if member["reason"].is_string() { word(member, "reason") } else { "no run at all".to_owned() }
}

fn explained(member: &Value) -> String {
    let by: Vec<String> =
        list(&member["why"], "by").iter().filter_map(Value::as_str).map(|by| printable(by).into_owned()).collect();
    format!("because of {}", by.join(", "))
}

fn muted(member: &Value) -> String {
    let why = &member["why"];
    let mut said = match &*word(why, "what") {
        "reason" => format!("the reason {} is muted", word(member, "reason")),
        "subject" => "it is muted".to_owned(),
        "maintenance" => "under maintenance".to_owned(),
        other => other.to_owned(),
    };
    for by in list(why, "by").iter().filter_map(Value::as_str) {
        said.extend([" by ", &printable(by)]);
    }
    if why["until_ms"].is_number() {
        said.extend([" until ", &moment(&why["until_ms"])]);
    }
    if why["because"].is_string() {
        said.extend([": ", &word(why, "because")]);
    }
    said
}
