//! `GET /channels`: how each way to tell somebody is: when it last took something, what it is owed, what waits, and a test.

use std::sync::Arc;

use askama::Template;
use axum::Extension;

use crate::alert::status::ChannelStatus;
use crate::web::Api;
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::frame::Frame;
use super::moments::{at, relative};
use super::page::{Look, PageResult, html, snapshot};

/// A channel.
struct ChannelRow {
    name: String,
    kind: &'static str,
    wakes: bool,
    class: &'static str,
    sign: &'static str,
    /// How it is, in words.
    state: String,
    trouble: String,
    taken_ms: Option<i64>,
    owed: String,
    waiting: String,
    /// Where a test is asked for.
    test: String,
}

/// An incident that a channel was not told of.
struct OwedRow {
    channel: String,
    scope: String,
    href: String,
    since_ms: i64,
}

#[derive(Template)]
#[template(path = "channels.html", config = "src/web/pages/askama.toml")]
struct ChannelsPage {
    frame: Frame,
    rows: Vec<ChannelRow>,
    owed: Vec<OwedRow>,
    more_owed: usize,
    /// Whether no channel wakes anybody.
    is_silent: bool,
    now_ms: i64,
}

/// Incidents that are owed that are shown.
const OWED: usize = 50;

/// `GET /channels`
pub(super) async fn channels(look: Look, Extension(api): Extension<Arc<Api>>) -> PageResult {
    let snapshot = snapshot(&api, &look).await?;
    let status = &snapshot.status;
    let owed = status.owed.iter().take(OWED).map(|owed| OwedRow {
        channel: words::clip(&owed.channel, 80),
        scope: words::clip(&owed.scope, 200),
        href: format!("incidents/{}", encoded(&owed.incident)),
        since_ms: owed.since_ms,
    });
    let page = ChannelsPage {
        rows: status.channels.iter().map(|channel| row(channel, snapshot.at_ms)).collect(),
        owed: owed.collect(),
        more_owed: status.owed.len().saturating_sub(OWED),
        is_silent: !status.channels.iter().any(|channel| channel.wakes),
        now_ms: snapshot.at_ms,
        frame: look.live(&api, &snapshot, "Channels"),
    };
    Ok(html(&page))
}

fn row(channel: &ChannelStatus, now_ms: i64) -> ChannelRow {
    let (class, sign, state) = match (&channel.trouble, channel.owed, channel.tries, channel.taken_ms) {
        (Some(_), ..) => ("bad", "✕", "takes nothing"),
        (None, 1.., ..) => ("warned", "!", "is owed something"),
        (None, 0, 1.., _) => ("warned", "!", "has not answered yet"),
        (None, 0, 0, None) => ("muted", "○", "never used"),
        (None, 0, 0, Some(_)) => ("", "●", "takes what it is sent"),
    };
    let since = channel.owed_since_ms.map(|since| format!(", since {} UTC", words::when(since, now_ms))).unwrap_or_default();
    ChannelRow {
        name: words::clip(&channel.channel, 120),
        kind: channel.kind,
        wakes: channel.wakes,
        class,
        sign,
        state: state.to_owned(),
        trouble: words::clip(channel.trouble.as_deref().unwrap_or_default(), 400),
        taken_ms: channel.taken_ms,
        owed: if channel.owed == 0 {
            "nothing".to_owned()
        } else {
            format!("{}{since}", words::count(channel.owed, "incident", "incidents"))
        },
        waiting: if channel.tries == 0 { "nothing".to_owned() } else { words::count(channel.tries, "message", "messages") },
        test: format!("channels/{}/test", encoded(&channel.channel)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_says_in_words_how_it_is_and_the_worst_wins() {
        let well = ChannelStatus { channel: "a/b".to_owned(), kind: "slack", taken_ms: Some(1), ..ChannelStatus::default() };
        assert_eq!((row(&well, 0).state.as_str(), row(&well, 0).test.as_str()), ("takes what it is sent", "channels/a%2Fb/test"));
        let owed = ChannelStatus { owed: 2, owed_since_ms: Some(0), ..well.clone() };
        assert_eq!(
            (row(&owed, 0).state.as_str(), row(&owed, 0).owed.as_str()),
            ("is owed something", "2 incidents, since 00:00:00 UTC")
        );
        let trouble = ChannelStatus { trouble: Some("<b>500</b>".repeat(900)), ..owed };
        assert_eq!(row(&trouble, 0).state, "takes nothing");
        assert!(row(&trouble, 0).trouble.chars().count() <= 401);
        let unused = ChannelStatus { taken_ms: None, ..well };
        assert_eq!(row(&unused, 0).state, "never used");
    }
}
