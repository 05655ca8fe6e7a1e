//! Every key there is, with type, default and meaning. Nothing else lists keys.

mod alert;
mod alerting;
mod dns;
mod exec;
mod http;
mod library;
mod probe;
mod service;
mod status_page;
mod step;
mod tcp;

#[cfg(test)]
pub(super) use alert::Alert;
pub(super) use alert::{AlertKeys, MaintenanceKeys, WindowKeys};
pub(super) use alerting::{AlertmanagerKeys, Common, EmailKeys, FleetKeys, HeartbeatKeys, NotifyKeys, PagerdutyKeys, RouteKeys};
pub(super) use alerting::{SelfCheckKeys, SlackKeys, StoreKeys, WebhookKeys};
pub(super) use dns::DnsKeys;
pub(super) use exec::ExecKeys;
pub(super) use http::{BasicKeys, DeviceKeys, HttpKeys, Oauth2Keys, PartKeys, TlsKeys};
pub(super) use library::{Library, LibraryKeys, Use, UseKeys, of_steps_only};
pub(super) use probe::{LatencyKeys, Probe, ProbeKeys, RedactKeys, SloKeys};
pub(super) use service::{LimitsKeys, ListenKeys, ListenTlsKeys, SecretKeys, Service, ServiceKeys, TokenKeys, TracesKeys};
pub(super) use status_page::{ComponentKeys, StatusPageKeys};
pub(super) use step::{ExpectationKeys, Expectations, RetryKeys, StepItem, StepKeys};
pub(super) use tcp::{TcpKeys, TcpReadKeys, TcpSendKeys, TcpTlsKeys};

use super::declaration::{Key, Section};
use super::section::DeclaredSection;

/// A key and where it may stand, for the reference documentation.
#[derive(Debug, Clone, Copy)]
pub struct Reference {
    /// "probe" or "service".
    pub document: &'static str,
    /// The section it stands in.
    pub section: &'static Section,
    /// The key.
    pub key: &'static Key,
}

/// Every key of the probe files and of the service's file, each section once.
pub fn reference() -> Vec<Reference> {
    let mut found = Vec::new();
    for (document, roots) in [("probe", &[Probe::SECTION, Library::SECTION][..]), ("service", &[Service::SECTION])] {
        let mut sections = roots.to_vec();
        let mut at = 0;
        while let Some(&section) = sections.get(at) {
            at += 1;
            for key in section.keys {
                found.push(Reference { document, section, key });
                for inner in key.kind.section().into_iter().chain(key.kind.other_section()) {
                    if !sections.iter().any(|known| known.id == inner.id) {
                        sections.push(inner);
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::context::ServiceContext;
    use super::super::declaration::Rule;
    use super::super::{Diagnostics, alert as alert_rules, alerting as alerting_rules, check, device, parse, service, tree};
    use super::*;
    use crate::plan::{AlertPolicy, Alerting, DeviceSettings, Limits, Redirects};
    use crate::source::SourceFile;

    /// The value of a default, where it is one and no words.
    fn default_of(key: &Key) -> Option<toml::Value> {
        let document = format!("key = {}", key.default);
        toml::from_str::<toml::Table>(&document).ok().and_then(|mut table| table.remove("key"))
    }

    #[test]
    fn every_default_fits_its_kind_and_every_rule_is_about_keys_that_there_are() {
        let mut values = 0;
        for Reference { section, key, .. } in reference() {
            for name in section.rules.iter().flat_map(names_in) {
                assert!(section.key(name).is_some(), "{} has no key `{name}`", section.id);
            }
            if default_of(key).is_none() {
                continue;
            }
            values += 1;
            let one = Section { id: "one", title: "one", keys: std::slice::from_ref(key), rules: &[], later: &[] };
            let file = Arc::new(SourceFile::new("a.toml", format!("{} = {}", key.name, key.default)));
            let mut diagnostics = Diagnostics::default();
            let table = parse::parse(&file, &mut diagnostics).unwrap();
            check::document(&table, Box::leak(Box::new(one)), table.entries[0].key_span, &mut diagnostics);
            assert!(diagnostics.is_empty(), "{}", diagnostics.render(false));
        }
        assert!(values > 60, "{values}");
    }

    fn names_in(rule: &Rule) -> Vec<&'static str> {
        match rule {
            Rule::ExactlyOne(names) | Rule::AtMostOne(names) => names.to_vec(),
            Rule::Needs(one, other) => vec![one, other],
            Rule::Excludes(one, others) => std::iter::once(one).chain(*others).copied().collect(),
        }
    }

    /// A table of all defaults of a section that are values.
    fn defaults(section: &'static Section) -> Arc<SourceFile> {
        let lines = section.keys.iter().filter(|key| default_of(key).is_some());
        let text: String = lines.map(|key| [key.name, " = ", key.default, "\n"].concat()).collect();
        Arc::new(SourceFile::new("a.toml", text))
    }

    #[test]
    fn what_is_laid_over_the_defaults_of_the_plan_finds_there_the_defaults_that_are_declared() {
        let mut diagnostics = Diagnostics::default();
        let file = defaults(http::Device::SECTION);
        let table = parse::parse(&file, &mut diagnostics).unwrap();
        let other = DeviceSettings { cookies: false, redirects: Redirects::Off, ..DeviceSettings::default() };
        let declared = device::settings(&other, &http::Device::keys(&table), &mut diagnostics);
        assert_eq!(declared, DeviceSettings::default());
        let file = defaults(Alert::SECTION);
        let table = parse::parse(&file, &mut diagnostics).unwrap();
        let declared = alert_rules::read(&alert_rules::Alert::default(), &Alert::keys(&table), &mut diagnostics);
        assert_eq!(declared.policy, AlertPolicy::default());
        let nothing = tree::Table::default();
        let service = Service::keys(&nothing);
        assert_eq!(service::limits(&service.limits, &mut diagnostics), Limits::default());
        let context = ServiceContext::new(Vec::new(), Vec::new(), BTreeMap::default(), Limits::default());
        let declared = alerting_rules::read(&service, Vec::new(), false, &context, &mut diagnostics);
        assert_eq!(format!("{declared:?}"), format!("{:?}", Alerting::default()));
        assert!(diagnostics.is_empty());
    }

    #[test]
    fn every_key_says_what_it_does_and_is_listed_once() {
        let all = reference();
        assert!(all.len() > 80);
        for (at, entry) in all.iter().enumerate() {
            assert!(entry.key.doc.ends_with('.'), "{}.{}", entry.section.id, entry.key.name);
            let again = all[at + 1..].iter().find(|other| {
                other.document == entry.document && other.section.id == entry.section.id && other.key.name == entry.key.name
            });
            assert!(again.is_none(), "{}.{}", entry.section.id, entry.key.name);
        }
    }
}
