//! `[alerting]`: what pages begin with, and which of them go where.

use std::sync::Arc;

use crate::plan::{Alerting, BlindRule, Channel, FlapRule, Route, Severity};

use super::context::ServiceContext;
use super::diagnostic::suggestion;
use super::keys::{RouteKeys, ServiceKeys};
use super::section::Item;
use super::{Code, Diagnostic, Diagnostics, service_template, wake_lint};

/// Everything about pages that is not a probe's own.
pub(super) fn read(
    keys: &ServiceKeys<'_>,
    channels: Vec<Arc<Channel>>,
    in_fleet: bool,
    context: &ServiceContext,
    diagnostics: &mut Diagnostics,
) -> Alerting {
    // A process that is told which region it is has others beside it, known to it or not. Those of a fleet have one of them evaluate
    // for all.
    let origin = keys.region.filter(|_| !in_fleet).map(Arc::from);
    let keys = &*keys.alerting;
    let mut routes = Vec::new();
    for Item { value: written, node } in keys.route.items() {
        let route = route(written, &channels, diagnostics);
        let span = written.channels.span().unwrap_or(node.span);
        wake_lint::route(span, &route, &channels, *keys.escalate_after, diagnostics);
        routes.push(route);
    }
    Alerting {
        routes,
        channels,
        origin,
        blind: BlindRule { page: *keys.blind.page, intervals: keys.blind.intervals.get(), at_least: *keys.blind.at_least },
        flapping: FlapRule { opens: keys.flapping.opens.get(), within: *keys.flapping.within, hold: *keys.flapping.hold },
        public_url: keys.public_url.as_ref().map(|url| url.text.trim_end_matches('/').to_owned()),
        trace_url: keys.trace_url.map(|node| service_template::template(node, &["trace_id"], context, diagnostics)),
        escalate_after: *keys.escalate_after,
    }
}

fn route(keys: &RouteKeys<'_>, channels: &[Arc<Channel>], diagnostics: &mut Diagnostics) -> Route {
    let severities: Vec<Severity> = keys.severity.items().iter().map(|item| item.value).collect();
    for Item { value: name, node } in keys.channels.items() {
        match channels.iter().find(|channel| &*channel.name == *name) {
            Some(channel) if !severities.is_empty() && severities.iter().all(|severity| *severity < channel.least) => {
                let message =
                    format!("the channel `{name}` takes nothing below {}, and this route has nothing else", channel.least);
                diagnostics.push(
                    Diagnostic::at(Code::BelowLeast, node.span, message)
                        .help("lower the channel's `least`, or take it out of the route"),
                );
            }
            Some(_) => {}
            None => diagnostics.push(
                Diagnostic::at(Code::UnknownChannel, node.span, format!("there is no channel `{name}`"))
                    .help("add it, as in `[[notify.slack]]`; its `name` is its kind's unless it is given another")
                    .mend_name(name, channels.iter().map(|channel| &*channel.name))
                    .maybe_help(suggestion(name, channels.iter().map(|channel| &*channel.name))),
            ),
        }
    }
    Route {
        severities,
        owners: keys.owner.texts(),
        tags: keys.tag.texts(),
        regions: keys.region.texts(),
        probes: keys.probe.texts(),
        channels: keys.channels.texts(),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::StorePlace;
    use std::time::{Duration, SystemTime};

    use crate::config::{Loaded, load};
    use crate::plan::{ChannelKind, MaintenanceTime, Service, Severity, SmtpTls, expr::Destination};

    const SERVICE: &str = r#"
region = "eu"
regions = ["eu", "us"]
probes = ["probe.toml"]

[secrets]
key = { env = "KEY" }

[[notify.alertmanager]]
urls = ["http://one:9093/", "http://two:9093"]
headers = { authorization = "Bearer {{ secret.key }}" }
labels = { team = "shop" }
[notify.pagerduty]
routing_key = "key"
[notify.slack]
name = "chat"
url = "key"
least = "critical"
[notify.webhook]
url = "{{ secret.key }}"
body = '{"text": "{{ title }} {{ severity }}"}'
timeout = "3s"
[notify.email]
host = "smtp.example.com"
tls = "implicit"
user = "serinus"
password = "key"
from = "Serinus <serinus@example.com>"
to = "on-call@example.com"

[alerting]
blind = { page = false }
flapping.opens = 5
public_url = "https://serinus.example.com/"
trace_url = "https://traces.example.com/{{ trace_id }}"
escalate_after = "1m"
defaults.page_after = 3
[[alerting.route]]
severity = ["page", "critical"]
owner = "shop"
channels = ["pagerduty", "chat"]
[[alerting.route]]
channels = []

[store]
url = "sqlite:///var/lib/serinus/s.db"
[self_check]
endpoints = ["https://a.example.com", "tcp://192.0.2.1:53"]
[heartbeat]
url = "https://beat.example.com/{{ secret.key }}"

[[maintenance]]
name = "move"
from = "2036-11-28T23:00"
until = "2036-11-29T02:00"
timezone = "Europe/Berlin"
tags = "money"
"#;

    const PROBE: &str = r#"
name = "shop"
owner = "shop"
runbook = "https://runbooks.example.com/shop"
tags = ["money"]
every = "1m"
deadline = "20s"
[maintenance]
name = "nightly"
cron = "0 2 * * *"
lasts = "1h"
[[step]]
name = "read"
http.get = "https://shop.example.com"
expect = ["status == 200"]
"#;

    fn loaded(service: &str, probe: &str, more: &[(&str, &str)]) -> Loaded {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("serinus.toml"), service).unwrap();
        std::fs::write(folder.path().join("probe.toml"), probe).unwrap();
        let environment = [("KEY", "value")].iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&folder.path().join("serinus.toml"), environment.collect::<Vec<_>>())
    }

    fn service(text: &str, more: &[(&str, &str)]) -> Service {
        let loaded = loaded(text, PROBE, more);
        assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
        loaded.service.unwrap()
    }

    #[test]
    fn channels_are_read_with_their_names_least_severities_and_secrets() {
        let service = service(SERVICE, &[]);
        let channels: Vec<_> =
            service.alerting.channels.iter().map(|channel| (&*channel.name, channel.kind.as_str(), channel.least)).collect();
        let expected = [
            ("alertmanager", "alertmanager", Severity::Warn),
            ("pagerduty", "pagerduty", Severity::Page),
            ("chat", "slack", Severity::Critical),
            ("webhook", "webhook", Severity::Warn),
            ("email", "email", Severity::Warn),
        ];
        assert_eq!(channels, expected);
        let [alertmanager, pagerduty, chat, webhook, email] = service.alerting.channels.as_slice() else { panic!("five") };
        assert!(matches!(&alertmanager.kind, ChannelKind::Alertmanager { urls, resend, .. }
            if *urls == ["http://one:9093", "http://two:9093"] && *resend == Duration::from_mins(1)));
        assert!(matches!(&pagerduty.kind, ChannelKind::PagerDuty { routing_key, url }
            if &**routing_key == "key" && url == "https://events.pagerduty.com"));
        assert!(matches!(&chat.kind, ChannelKind::Slack { url, channel: None } if &**url == "key"));
        assert_eq!(webhook.timeout, Duration::from_secs(3));
        let ChannelKind::Webhook { body: Some(body), .. } = &webhook.kind else { panic!("a body") };
        let text = body.render(&minijinja::context! { title => "broken", severity => "page" }, Destination::Text);
        assert_eq!(text.as_deref(), Ok("{\"text\": \"broken page\"}"));
        assert!(matches!(&email.kind, ChannelKind::Email { port: 465, tls: SmtpTls::Implicit, login: Some((user, _)), to, .. }
            if user == "serinus" && to.len() == 1));
    }

    #[test]
    fn pagerduty_and_alertmanager_wake_and_without_them_every_channel_does_unless_it_is_said() {
        let wakes = |notify: &str| -> Vec<bool> {
            let service = service(&format!("probes = [\"probe.toml\"]\nsecrets.key = {{ env = \"KEY\" }}\n{notify}"), &[]);
            service.alerting.channels.iter().map(|channel| channel.wakes).collect()
        };
        let (pagerduty, slack) = ("[notify.pagerduty]\nrouting_key = \"key\"\n", "[notify.slack]\nurl = \"key\"\n");
        let webhook = "[notify.webhook]\nurl = \"{{ secret.key }}\"\n";
        assert_eq!(wakes(&format!("{pagerduty}{slack}")), [true, false]);
        assert_eq!(wakes(&format!("[notify.alertmanager]\nurls = \"http://one:9093\"\n{slack}")), [true, false]);
        assert_eq!(wakes(&format!("{slack}{webhook}")), [true, true]);
        assert_eq!(wakes(&format!("{slack}wakes = false\n{webhook}")), [false, true]);
        assert_eq!(wakes(&format!("{pagerduty}wakes = false\n{slack}wakes = true\n{webhook}")), [false, true, false]);
    }

    #[test]
    fn what_is_not_said_of_pages_keeps_its_default() {
        let service = service(SERVICE, &[]);
        let alerting = &service.alerting;
        assert_eq!((alerting.blind.page, alerting.blind.intervals, alerting.flapping.opens), (false, 3, 5));
        assert_eq!(alerting.flapping.hold, Duration::from_mins(30));
        assert_eq!(alerting.public_url.as_deref(), Some("https://serinus.example.com"));
        assert_eq!(alerting.escalate_after, Duration::from_mins(1));
        assert_eq!(alerting.routes[0].severities, [Severity::Page, Severity::Critical]);
        assert_eq!(alerting.routes[0].owners, ["shop".into()]);
        assert!(alerting.routes[1].channels.is_empty());
        let [probe] = service.plan.probes.as_slice() else { panic!("one probe") };
        assert_eq!(probe.alert.rule, crate::plan::PageRule::Consecutive(3.try_into().unwrap()));
    }

    #[test]
    fn store_self_check_heartbeat_and_windows_are_read() {
        let service = service(SERVICE, &[]);
        let store = service.store.unwrap();
        assert_eq!(store.place, StorePlace::File("/var/lib/serinus/s.db".into()));
        let kept = store.retention;
        assert!(kept.passed < kept.others && kept.others < kept.rollups);
        assert_eq!(service.self_check.unwrap().endpoints[1].port(), Some(53));
        assert_eq!(service.heartbeat.unwrap().every, Duration::from_mins(1));
        let [window] = service.plan.maintenance.as_slice() else { panic!("one window") };
        let begins = SystemTime::UNIX_EPOCH + Duration::from_hours(586_534);
        assert!(matches!(window.when, MaintenanceTime::Once { from, .. } if from == begins));
        assert!(window.selects(&service.plan.canaries[0]));
        let own = &service.plan.probes[0].maintenance[0];
        assert!(matches!(own.when, MaintenanceTime::Recurring { lasts, .. } if lasts == Duration::from_hours(1)));
        assert!(own.selects(&service.plan.canaries[0]));
    }

    #[test]
    fn the_heartbeat_of_a_region_is_for_fleets() {
        let url = "region_url = \"https://beat.example.com/{{ region }}/{{ secret.key }}\"\n";
        let text = SERVICE.replace("[heartbeat]\n", &format!("[heartbeat]\n{url}"));
        let alone = loaded(&text, PROBE, &[]);
        assert!(alone.diagnostics.render(false).contains("does nothing without a fleet"), "{}", alone.diagnostics.render(false));
        assert!(alone.service.unwrap().heartbeat.unwrap().region_url.is_none());
        let shared = [("SERINUS_STORE__URL", "postgres://serinus@db.example.com/serinus"), ("SERINUS_REGION", "eu")];
        let fleet = loaded(&text, PROBE, &shared);
        assert!(!fleet.diagnostics.render(false).contains("region_url"), "{}", fleet.diagnostics.render(false));
        assert!(fleet.service.unwrap().heartbeat.unwrap().region_url.is_some());
        let of_all = loaded(&text.replace("/{{ secret.key }}\"\n\n", "/{{ region }}\"\n\n"), PROBE, &shared);
        assert!(of_all.diagnostics.has_errors(), "`url` is one for all regions");
    }

    #[test]
    fn keys_carry_the_region_only_where_the_process_was_told_which_one_it_is() {
        let one = "region = \"eu\"\nnotify.none = true";
        assert_eq!(service(SERVICE, &[]).alerting.origin.as_deref(), Some("eu"));
        assert_eq!(service(one, &[]).alerting.origin.as_deref(), Some("eu"));
        assert_eq!(service("regions = [\"eu\", \"us\"]", &[]).alerting.origin, None);
        assert_eq!(service("", &[]).alerting.origin, None);
        assert_eq!(service("regions = [\"eu\", \"us\"]", &[("SERINUS_REGION", "us")]).alerting.origin.as_deref(), Some("us"));
    }

    #[test]
    fn environment_variables_override_what_pages_need() {
        let overridden = service(
            SERVICE,
            &[
                ("SERINUS_STORE__URL", "sqlite:other.db"),
                ("SERINUS_STORE__KEEP_PASSED", "1d"),
                ("SERINUS_ALERTING__DEFAULTS__CRITICAL", "false"),
                ("SERINUS_ALERTING__DEFAULTS__PAGE_AFTER", "4"),
                ("SERINUS_ALERTING__BLIND__PAGE", "true"),
                ("SERINUS_NOTIFY__ALERTMANAGER__URLS", "http://three:9093, http://four:9093"),
                ("SERINUS_SELF_CHECK__ENDPOINTS", "https://b.example.com,https://c.example.com"),
                ("SERINUS_HEARTBEAT__EVERY", "30s"),
            ],
        );
        assert_eq!(overridden.store.unwrap().place, StorePlace::File("other.db".into()));
        assert_eq!(overridden.plan.probes[0].alert.critical, None);
        assert_eq!(overridden.plan.probes[0].alert.rule, crate::plan::PageRule::Consecutive(4.try_into().unwrap()));
        assert!(overridden.alerting.blind.page);
        assert!(
            matches!(&overridden.alerting.channels[0].kind, ChannelKind::Alertmanager { urls, .. } if urls[1] == "http://four:9093")
        );
        assert_eq!(overridden.self_check.unwrap().endpoints.len(), 2);
        assert_eq!(overridden.heartbeat.unwrap().every, Duration::from_secs(30));
        let created = service("", &[("SERINUS_NOTIFY__SLACK__URL", "key"), ("SERINUS_SECRETS__KEY__ENV", "KEY")]);
        assert_eq!(created.alerting.channels.len(), 1);
    }

    #[test]
    fn a_probe_that_pages_needs_somebody_to_tell_unless_nobody_is_meant() {
        let service = "probes = [\"probe.toml\"]\n";
        assert!(loaded(service, PROBE, &[]).tells_nobody());
        assert!(!loaded(service, PROBE, &[("SERINUS_NOTIFY__NONE", "true")]).tells_nobody());
        assert!(!loaded(service, &PROBE.replace("every", "alert.page = false\nevery"), &[]).tells_nobody());
        assert!(!loaded(service, &PROBE.replace("every", "enabled = false\nevery"), &[]).tells_nobody());
        assert!(!loaded(SERVICE, PROBE, &[]).tells_nobody());
        assert!(loaded(service, PROBE, &[]).paging_nobody().diagnostics.is_empty());
    }

    #[test]
    fn the_schema_of_the_service_accepts_what_loads() {
        let schema = jsonschema::draft7::new(&crate::config::config_schema()).unwrap();
        let json = |text: &str| toml::from_str::<serde_json::Value>(text).unwrap();
        assert!(schema.is_valid(&json(SERVICE)));
        assert!(!schema.is_valid(&json(&SERVICE.replace("least = \"critical\"", "least = \"fatal\""))));
        assert!(!schema.is_valid(&json(&SERVICE.replace("until =", "til ="))));
        let probe = jsonschema::draft7::new(&crate::config::probe_schema()).unwrap();
        assert!(probe.is_valid(&json(&PROBE.replace("every", "alert.critical = false\nalert.remind = \"4h\"\nevery"))));
        assert!(!probe.is_valid(&json(&PROBE.replace("every", "alert.critical = true\nevery"))));
    }
}
