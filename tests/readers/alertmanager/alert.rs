//! Alerts as Alertmanager reads and keeps them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// What an alert is known by.
pub(crate) type Labels = BTreeMap<String, String>;

/// How long an alert without `endsAt` fires (`resolve_timeout`).
const RESOLVE_TIMEOUT: Duration = Duration::from_mins(5);

/// An alert as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Alert {
    pub(super) labels: Labels,
    annotations: Labels,
    pub(super) starts: Duration,
    ends: Duration,
    /// Its end was not said but is that of the time-out.
    timeout: bool,
}

impl Alert {
    /// Reads one as it is posted.
    pub(super) fn read(posted: &Value, now: Duration) -> Result<Self, String> {
        let posted = posted.as_object().ok_or_else(|| format!("`{posted}` is no alert"))?;
        let known = ["labels", "annotations", "startsAt", "endsAt", "generatorURL"];
        if let Some(stranger) = posted.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("no field is called `{stranger}`"));
        }
        let labels = texts(posted.get("labels"))?;
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        if let Some(name) = labels.keys().find(|name| !is_name(name)) {
            return Err(format!("invalid label name `{name}`"));
        }
        let (starts, said_end) = (moment(posted.get("startsAt"))?, moment(posted.get("endsAt"))?);
        let starts = starts.or(said_end).unwrap_or(now);
        let ends = said_end.unwrap_or(now + RESOLVE_TIMEOUT);
        if ends < starts {
            return Err("start time must be before end time".to_owned());
        }
        Ok(Self { labels, annotations: texts(posted.get("annotations"))?, starts, ends, timeout: said_end.is_none() })
    }

    /// Whether it is over.
    pub(super) fn ended(&self, now: Duration) -> bool {
        self.ends <= now
    }

    /// Whether another of the same labels is a later word on the same alert.
    pub(super) fn overlaps(&self, fresh: &Self) -> bool {
        let within = |time: Duration| time > self.starts && time < self.ends;
        within(fresh.ends) || within(fresh.starts)
    }

    /// What is known of it after a later word.
    pub(super) fn merged(&self, fresh: &Self, now: Duration) -> Self {
        let mut merged = fresh.clone();
        merged.starts = self.starts.min(fresh.starts);
        let later = self.ends > fresh.ends;
        let keeps = if fresh.ended(now) { self.ended(now) } else { !self.timeout };
        if later && keeps {
            merged.ends = self.ends;
        }
        merged
    }

    /// What a reader sees of it.
    pub(super) fn shown(&self) -> Value {
        json!({ "labels": self.labels, "annotations": self.annotations, "starts_ms": millis(self.starts), "ends_ms": millis(self.ends) })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An RFC 3339 time, since the epoch.
pub(crate) fn time(text: &str) -> Option<Duration> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(time.timestamp_millis()).ok().map(Duration::from_millis)
}

fn moment(posted: Option<&Value>) -> Result<Option<Duration>, String> {
    let Some(posted) = posted else { return Ok(None) };
    posted.as_str().and_then(time).map(Some).ok_or_else(|| format!("`{posted}` is no time"))
}

/// Names with their texts; those without a text are as good as absent.
fn texts(posted: Option<&Value>) -> Result<Labels, String> {
    let Some(posted) = posted else { return Ok(Labels::new()) };
    let object = posted.as_object().ok_or_else(|| format!("`{posted}` is no object"))?;
    let text = |(name, value): (&String, &Value)| match value.as_str() {
        Some(value) => Ok((name.clone(), value.to_owned())),
        None => Err(format!("`{name}` is no text: {value}")),
    };
    let all: Labels = object.iter().map(text).collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

/// Whether Alertmanager 0.25 takes it as a label's name.
fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
