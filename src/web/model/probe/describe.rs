//! What a probe checks, in words: each step in a sentence, and its rules.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::plan::{
    Action, Cadence, Canary, Condition, Eventually, LatencyOf, Loop, MaintenanceTime, PageRule, Plan, Probe, Slo, Step, Template,
};
use crate::web::model::words;

/// Characters of a URL or a command that are shown.
const SHOWN: usize = 200;

/// A step in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct StepWords {
    /// Its name.
    pub(in crate::web) name: String,
    /// What it does: `POST {{ api }}/v1/registrations`.
    pub(in crate::web) does: String,
    /// What is expected, and for how long it is waited.
    pub(in crate::web) then: String,
    /// Whether it is one of several that are released together.
    pub(in crate::web) is_inner: bool,
}

/// A probe in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::web) struct Description {
    /// Its steps in their order.
    pub(in crate::web) steps: Vec<StepWords>,
    /// What else it says of itself: a word, and a sentence.
    pub(in crate::web) facts: Vec<(&'static str, String)>,
}

/// A probe in words; its regions are those of the plan.
pub(in crate::web) fn described(plan: &Plan, probe: &Probe) -> Description {
    let mut facts = vec![("runs", cadence(probe)), ("where", places(plan, probe))];
    facts.push(("deadline", format!("{} for the whole run", lasting(probe.deadline))));
    facts.push(("pages", rule(probe)));
    facts.push(("critical", critical(probe)));
    facts.push(("well again", format!("after {}", passes(probe.alert.resolve_after.get()))));
    if let Some(slo) = &probe.slo {
        facts.push(("promises", promise(slo)));
    }
    let windows: Vec<String> = probe
        .maintenance
        .iter()
        .map(|window| match &window.when {
            MaintenanceTime::Once { .. } => window.name.to_string(),
            MaintenanceTime::Recurring { cron, timezone, lasts } => {
                format!("{} ({cron} {timezone}, {})", window.name, lasting(*lasts))
            }
        })
        .collect();
    if !windows.is_empty() {
        facts.push(("maintenance", words::list(&windows)));
    }
    let mut steps = Vec::new();
    for step in probe.steps.iter() {
        steps.push(step_words(step, false));
        steps.extend(step.action.entries().iter().map(|entry| step_words(entry, true)));
    }
    Description { steps, facts }
}

/// Which canaries of a plan are of a probe.
pub(super) fn canaries<'p>(plan: &'p Plan, probe: &'p str) -> impl Iterator<Item = &'p std::sync::Arc<Canary>> {
    plan.canaries.iter().filter(move |canary| *canary.probe.name == *probe)
}

/// `5 min`, `1.5 s`: a setting as exactly as it was written.
pub(in crate::web) fn lasting(time: Duration) -> String {
    // Of 110 s the words of a time that goes by would say a minute.
    let is_whole = time.subsec_nanos() == 0 && (time.as_secs() < 60 || time.as_secs().is_multiple_of(60));
    let short =
        || if time.as_secs() < 600 && time.subsec_nanos() == 0 { format!("{} s", time.as_secs()) } else { words::took(time) };
    if is_whole { words::lasting(time) } else { short() }
}

/// `every 5 min, 3 runs spread evenly over it`.
pub(super) fn cadence(probe: &Probe) -> String {
    let when = match &probe.cadence {
        Cadence::Every(interval) => format!("every {}", lasting(*interval)),
        Cadence::Cron { cron, timezone, .. } => format!("at {cron} ({timezone})"),
    };
    if probe.runs > 1 { format!("{when}, {} runs spread evenly", probe.runs) } else { when }
}

fn places(plan: &Plan, probe: &Probe) -> String {
    let mut regions: Vec<&str> = canaries(plan, &probe.name).map(|canary| &*canary.region.name).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut keys: Vec<(&str, Vec<String>)> = Vec::new();
    for (key, value) in probe.cells.iter().flat_map(|cell| &cell.0) {
        let value = value.to_string();
        match keys.iter_mut().find(|(known, _)| *known == &**key) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => keys.push((key, vec![value])),
        }
    }
    let keys: Vec<String> = keys.iter().map(|(key, values)| format!("{key} {}", words::list(values))).collect();
    let canaries = words::count(canaries(plan, &probe.name).count(), "canary", "canaries");
    let cells = if keys.is_empty() { String::new() } else { format!(", for {}", words::list(&keys)) };
    format!("from {}{cells}: {canaries}", words::list(&regions))
}

fn passes(number: u32) -> String {
    if number == 1 { "one pass".to_owned() } else { format!("{number} passes in a row") }
}

fn rule(probe: &Probe) -> String {
    let one = match probe.alert.rule {
        PageRule::Consecutive(failures) if failures.get() == 1 => "a canary fails once".to_owned(),
        PageRule::Consecutive(failures) => format!("a canary fails {failures} times in a row"),
        PageRule::Window { failures, of } => format!("{failures} of the last {of} runs of a canary fail"),
    };
    let across = probe.alert.across.map_or_else(String::new, |across| {
        format!(", or {} of the last {} runs of all of its canaries fail", across.failures, across.of)
    });
    let confirmed = probe
        .confirm
        .map_or_else(String::new, |after| format!("; a failure is tried again after {} before it counts", lasting(after)));
    let who = if probe.alert.page { "when" } else { "never; worth a look by day when" };
    format!("{who} {one}{across}{confirmed}")
}

fn critical(probe: &Probe) -> String {
    match probe.alert.critical {
        Some(rule) if probe.alert.page => format!("when {} regions fail within {}", rule.regions, lasting(rule.within)),
        Some(_) | None => "never".to_owned(),
    }
}

/// `99.9 % of runs pass, 95 of 100 take 2 s at most, over 7 d`.
pub(in crate::web) fn promise(slo: &Slo) -> String {
    let mut said = Vec::new();
    if let Some(success) = slo.success {
        said.push(format!("{} of runs pass", share(success)));
    }
    if let Some(degraded) = slo.degraded {
        said.push(format!("at most {} of them degraded", share(degraded)));
    }
    if let Some(latency) = &slo.latency {
        let what = match (latency.of, &latency.step) {
            (LatencyOf::Convergence, Some(step)) => format!("waiting for “{step}” takes"),
            (LatencyOf::Convergence, None) => "what is waited for takes".to_owned(),
            (LatencyOf::Duration, Some(step)) => format!("“{step}” takes"),
            (LatencyOf::Duration, None) => "a run takes".to_owned(),
        };
        let bounds = [(latency.mean, "on average"), (latency.p95, "95 times of 100"), (latency.p99, "99 times of 100")];
        let bounds = bounds.iter().filter_map(|(bound, often)| Some(format!("at most {} {often}", lasting((*bound)?))));
        said.push(format!("{what} {}", words::list(&bounds.collect::<Vec<_>>())));
    }
    format!("{}, over {}", words::list(&said), words::lasting(slo.window))
}

/// A share as it was written: `99.95 %`.
pub(in crate::web) fn share(share: f64) -> String {
    let percent = format!("{:.4}", share * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

fn step_words(step: &Step, is_inner: bool) -> StepWords {
    let does = words::clip(&does(&step.action), SHOWN);
    let mut then = Vec::new();
    match &step.looping {
        Some(Loop::Repeat(times)) => then.push(format!("{times} times")),
        Some(Loop::ForEach { name, items }) => {
            then.push(format!("for each {name} of {}", words::clip(items.source(), SHOWN)));
        }
        None => {}
    }
    if !step.when.is_empty() {
        let conditions: Vec<&str> = step.when.iter().map(Condition::source).collect();
        then.push(format!("only if {}", words::clip(&words::list(&conditions), SHOWN)));
    }
    if !step.guard.is_empty() {
        then.push(format!("the run stops unless {}", words::count(step.guard.len(), "guard holds", "guards hold")));
    }
    if !step.expect.is_empty() {
        then.push(words::count(step.expect.len(), "expectation", "expectations"));
    }
    if let Some(contract) = &step.contract {
        then.push(format!("the contract {}", contract.name));
    }
    if !step.warn.is_empty() {
        then.push(words::count(step.warn.len(), "warning", "warnings"));
    }
    if let Some(eventually) = &step.eventually {
        then.push(waiting(eventually));
    }
    if let Some(consistently) = step.consistently {
        then.push(format!("and must go on to hold for {}", lasting(consistently.lasting)));
    }
    if !step.cleanup.is_empty() {
        then.push("cleaned up after the run".to_owned());
    }
    if step.allow_failure {
        then.push("its failure does not end the run".to_owned());
    }
    StepWords { name: step.name.to_string(), does, then: then.join(" · "), is_inner }
}

fn waiting(eventually: &Eventually) -> String {
    let since = eventually.since.as_deref().map_or_else(String::new, |since| format!(" of “{since}”"));
    format!("asked every {} until they hold, within {}{since}", lasting(eventually.poll), lasting(eventually.within))
}

fn does(action: &Action) -> String {
    match action {
        Action::Http(http) => format!("{} {}", http.method, http.url.source()),
        Action::Dns(dns) => format!("asks for {} of {}", dns.record, dns.name.source()),
        Action::Tcp(tcp) => match (&tcp.connect, &tcp.connection) {
            (Some(target), _) => format!("connects to {}", target.source()),
            (None, Some(connection)) => format!("goes on with the connection {}", connection.source()),
            (None, None) => "goes on with a connection".to_owned(),
        },
        Action::Exec(exec) => {
            let words: Vec<&str> = std::iter::once(&exec.program).chain(&exec.arguments).map(Template::source).collect();
            format!("runs {}", words.join(" "))
        }
        Action::Parallel(entries) => format!("{} at the same moment", words::count(entries.len(), "step", "steps")),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use super::*;
    use crate::plan::{AlertPolicy, LatencySlo, testing};

    fn fact<'a>(described: &'a Description, name: &str) -> &'a str {
        described.facts.iter().find(|(known, _)| *known == name).map(|(_, said)| said.as_str()).unwrap_or_default()
    }

    #[test]
    fn its_rules_are_said_in_sentences() {
        let latency = LatencySlo {
            step: Some("read".into()),
            of: LatencyOf::Convergence,
            mean: None,
            p95: Some(Duration::from_mins(2)),
            p99: None,
        };
        let slo = Slo { success: Some(0.9995), degraded: None, latency: Some(latency), window: Duration::from_hours(168) };
        let probe = Probe { runs: 3, slo: Some(slo), cells: testing::cells(&["ios", "web"]), ..testing::probe("p") };
        let plan = testing::plan(vec![probe], &["eu", "us"]);
        let said = described(&plan, &plan.probes[0]);
        assert_eq!(fact(&said, "runs"), "every 1 min, 3 runs spread evenly");
        assert_eq!(fact(&said, "where"), "from eu and us, for platform ios and web: 4 canaries");
        assert_eq!(fact(&said, "pages"), "when a canary fails 2 times in a row");
        assert_eq!(fact(&said, "critical"), "when 2 regions fail within 10 min");
        let promise = "99.95 % of runs pass and waiting for “read” takes at most 2 min 95 times of 100, over 7 d";
        assert_eq!(fact(&said, "promises"), promise);
    }

    #[test]
    fn a_probe_that_never_pages_says_so() {
        let rule = PageRule::Window { failures: NonZeroU32::new(3).unwrap(), of: NonZeroU32::new(5).unwrap() };
        let alert = AlertPolicy { page: false, rule, ..AlertPolicy::default() };
        let plan = testing::plan(vec![Probe { alert, ..testing::probe("p") }], &["eu"]);
        let said = described(&plan, &plan.probes[0]);
        assert_eq!(fact(&said, "pages"), "never; worth a look by day when 3 of the last 5 runs of a canary fail");
        assert_eq!((fact(&said, "critical"), fact(&said, "where")), ("never", "from eu: 1 canary"));
    }

    #[test]
    fn a_step_says_what_it_does_how_long_it_waits_and_what_it_holds() {
        let eventually =
            Eventually { within: Duration::from_secs(110), poll: Duration::from_millis(500), since: Some("submit".into()) };
        let inner = Step { allow_failure: true, ..testing::step("<script>") };
        let both = Step { action: Action::Parallel(vec![inner]), eventually: Some(eventually), ..testing::step("both") };
        let plan = testing::plan(vec![Probe { steps: vec![both].into(), ..testing::probe("p") }], &["eu"]);
        let steps = described(&plan, &Arc::clone(&plan.probes[0])).steps;
        assert_eq!(steps[0].does, "1 step at the same moment");
        assert_eq!(steps[0].then, "asked every 500 ms until they hold, within 110 s of “submit”");
        assert_eq!((steps[1].name.as_str(), steps[1].is_inner), ("<script>", true));
    }
}
