//! `[alerting]`: what pages begin with, and which of them go where.

use std::sync::Arc;

use crate::plan::{Alerting, BlindRule, Channel, FlapRule, Route, Severity};

use super::nearest::suggestion;
use super::tree::{Node, Table};
use super::world::World;
use super::{Code, Diagnostic, Diagnostics, outside};

/// Everything about pages that is not a probe's own.
pub(super) fn read(table: &Table<'_>, channels: Vec<Arc<Channel>>, world: &World, diagnostics: &mut Diagnostics) -> Alerting {
    let standard = Alerting::default();
    // A process that is told which region it is has others beside it, known to it or not.
    let origin = table.text("region").map(Arc::from);
    let Some(table) = table.table("alerting") else { return Alerting { channels, origin, ..standard } };
    let routes = table.list("route").iter().filter_map(Node::as_table);
    let routes = routes.map(|route| self::route(route, &channels, diagnostics)).collect();
    Alerting {
        routes,
        channels,
        origin,
        blind: table.table("blind").map_or(standard.blind, |blind| self::blind(blind, standard.blind)),
        flapping: table.table("flapping").map_or(standard.flapping, |flapping| self::flapping(flapping, standard.flapping)),
        public_url: table.text("public_url").map(|url| url.trim_end_matches('/').to_owned()),
        trace_url: table.get("trace_url").map(|node| outside::template(node, &["trace_id"], world, diagnostics)),
        escalate_after: table.duration("escalate_after").unwrap_or(standard.escalate_after),
    }
}

fn blind(table: &Table<'_>, standard: BlindRule) -> BlindRule {
    BlindRule {
        page: table.bool("page").unwrap_or(standard.page),
        intervals: table.count("intervals").unwrap_or(standard.intervals),
        at_least: table.duration("at_least").unwrap_or(standard.at_least),
    }
}

fn flapping(table: &Table<'_>, standard: FlapRule) -> FlapRule {
    FlapRule {
        opens: table.count("opens").unwrap_or(standard.opens),
        within: table.duration("within").unwrap_or(standard.within),
        hold: table.duration("hold").unwrap_or(standard.hold),
    }
}

fn route(table: &Table<'_>, channels: &[Arc<Channel>], diagnostics: &mut Diagnostics) -> Route {
    let names =
        |key: &str| -> Vec<Arc<str>> { table.texts(key).into_iter().filter_map(|node| Some(node.as_text()?.into())).collect() };
    let severities: Vec<Severity> =
        table.texts("severity").into_iter().filter_map(|node| Severity::of(node.as_text()?)).collect();
    for node in table.texts("channels") {
        let name = node.as_text().unwrap_or_default();
        match channels.iter().find(|channel| &*channel.name == name) {
            Some(channel) if !severities.is_empty() && severities.iter().all(|severity| *severity < channel.least) => {
                let message =
                    format!("the channel `{name}` takes nothing below {}, and this route has nothing else", channel.least);
                diagnostics.push(
                    Diagnostic::at(Code::BelowLeast, node.spot, message)
                        .help("lower the channel's `least`, or take it out of the route"),
                );
            }
            Some(_) => {}
            None => diagnostics.push(
                Diagnostic::at(Code::UnknownChannel, node.spot, format!("there is no channel `{name}`"))
                    .help("add it, as in `[[notify.slack]]`; its `name` is its kind's unless it is given another")
                    .maybe_help(suggestion(name, channels.iter().map(|channel| &*channel.name))),
            ),
        }
    }
    Route {
        severities,
        owners: names("owner"),
        tags: names("tag"),
        regions: names("region"),
        probes: names("probe"),
        channels: names("channels"),
    }
}
