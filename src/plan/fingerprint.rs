//! Short texts that are the same where two processes have the same configuration, and differ where it differs.
//!
//! They are compared between processes of one version alone: what they are made of may change with every version. They tell nothing of
//! what they are made of.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256};

use super::{Alerting, Plan, Probe};

/// Bytes of a fingerprint.
const BYTES: usize = 8;

/// The fingerprints of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Of channels, routes, the settings around them, and the regions there are: what whoever evaluates goes by for all.
    pub alerting: String,
    /// Of the probes, also those that run elsewhere.
    pub probes: String,
}

impl Fingerprints {
    /// Those of what is probed and of who is told. It takes some microseconds a probe.
    pub fn of(plan: &Plan, alerting: &Alerting) -> Self {
        let Alerting { channels, routes, origin: _, blind, flapping, public_url, trace_url, escalate_after } = alerting;
        let settings = (channels, routes, blind, flapping, public_url, trace_url, escalate_after);
        let mut of_alerting = Fingerprint::new();
        of_alerting.add(&format!("{settings:?} {:?} {:?}", plan.known_regions, plan.maintenance));
        let mut of_probes = Fingerprint::new();
        for probe in &plan.probes {
            of_probes.add(&text(probe));
        }
        Self { alerting: of_alerting.end(), probes: of_probes.end() }
    }
}

/// What a probe does and promises, without what depends on where it runs and on where its file lies.
fn text(probe: &Probe) -> String {
    let Probe {
        name,
        summary,
        owner,
        runbook,
        users_per_hour,
        tags,
        cadence,
        runs,
        confirm,
        overlap,
        deadline,
        elsewhere: _,
        cells,
        vars,
        origins,
        private: _,
        devices,
        steps,
        unjournalled,
        slo,
        alert,
        needs,
        maintenance,
        redact,
        location,
    } = probe;
    let about = (name, summary, owner, runbook, users_per_hour, tags);
    let when = (cadence, runs, confirm, overlap, deadline, cells, maintenance);
    let what = (vars, origins, devices, steps, unjournalled, redact);
    let text = format!("{about:?} {when:?} {what:?} {:?}", (slo, alert, needs));
    // Places within the file remain.
    match location.path.parent().and_then(|folder| folder.to_str()).filter(|folder| !folder.is_empty()) {
        Some(folder) => text.replace(&format!("{folder}/"), ""),
        None => text,
    }
}

struct Fingerprint(Context);

impl Fingerprint {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    fn end(self) -> String {
        let digest = self.0.finish();
        digest.as_ref().iter().take(BYTES).fold(String::new(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    const SETTINGS: &str = "regions = [\"eu\", \"us\"]\nprobes = [\"probe.toml\"]\nnotify.none = true\n\
        [secrets]\na = { env = \"A\" }\nb = { env = \"B\" }\nc = { env = \"C\" }\n";
    const PROBE: &str = "name = \"p\"\nevery = \"1m\"\ndeadline = \"9s\"\n\
        vars = { one = \"{{ secret.a }}\", two = \"{{ secret.b }}\", three = \"{{ secret.c }}\", four = \"{{ three }}\" }\n\
        [[step]]\nname = \"read\"\nhttp.get = \"http://127.0.0.1/{{ region }}\"\nhttp.headers = { x = \"{{ one }}{{ two }}{{ four }}\" }\n\
        expect = [\"status == 200\", \"(json.text | regex('a+')) == 'aa'\"]\n";

    /// The fingerprints of what stands in a folder of its own, as the process of a region has it.
    fn of(region: &str, settings: &str, probe: &str) -> Fingerprints {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("probe.toml"), probe).unwrap();
        let config = folder.path().join("serinus.toml");
        std::fs::write(&config, format!("region = \"{region}\"\n{settings}")).unwrap();
        let loaded = load(&config, Vec::new());
        let service = loaded.service.unwrap_or_else(|| panic!("{}", loaded.diagnostics.brief(false, "check")));
        Fingerprints::of(&service.plan, &service.alerting)
    }

    #[test]
    fn the_same_configuration_has_the_same_fingerprints_wherever_it_lies_and_is_run() {
        let eu = of("eu", SETTINGS, PROBE);
        for _ in 0..3 {
            assert_eq!(of("us", SETTINGS, PROBE), eu);
        }
        assert!(eu.alerting.len() == 2 * BYTES && eu.alerting != eu.probes, "{eu:?}");
    }

    #[test]
    fn what_differs_shows_in_its_own_fingerprint_alone() {
        let before = of("eu", SETTINGS, PROBE);
        let other = of("eu", SETTINGS, &PROBE.replace("status == 200", "status == 201"));
        assert!(other.alerting == before.alerting && other.probes != before.probes);
        for settings in [
            SETTINGS.replace("[\"eu\", \"us\"]", "[\"eu\", \"us\", \"ap\"]"),
            SETTINGS.replace("[secrets]", "alerting.public_url = \"https://prober.example.com\"\n[secrets]"),
        ] {
            let other = of("eu", &settings, PROBE);
            assert!(other.alerting != before.alerting && other.probes == before.probes, "{settings}");
        }
    }
}
