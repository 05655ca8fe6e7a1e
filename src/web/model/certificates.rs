//! The certificates that probes met, the one that ends first on top, and how urgent each is.

use std::cmp::Reverse;

use super::words;

const DAY_MS: i64 = 86_400_000;
/// Days within which somebody should look at one.
const SOON: i64 = 14;
/// Days within which somebody must.
const NOW: i64 = 3;

/// What is known of the certificate of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::web) struct Certificate {
    /// The host.
    pub(in crate::web) host: String,
    /// Its port.
    pub(in crate::web) port: u16,
    /// Whom it names.
    pub(in crate::web) subject: String,
    /// Who issued it.
    pub(in crate::web) issuer: String,
    /// When it ends, milliseconds since the epoch.
    pub(in crate::web) not_after_ms: i64,
    /// Its digest.
    pub(in crate::web) fingerprint: String,
    /// The probes that met it.
    pub(in crate::web) probes: Vec<String>,
    /// When it was met last, milliseconds since the epoch.
    pub(in crate::web) seen_ms: i64,
}

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::web) enum Urgency {
    /// It lasts.
    Lasts,
    /// It ends within two weeks.
    Soon,
    /// It ends within three days.
    Now,
    /// It has ended.
    Over,
}

impl Urgency {
    /// Colour and glyph, the glyph being another one for each.
    pub(in crate::web) fn glyph(self) -> (&'static str, &'static str) {
        match self {
            Self::Lasts => ("", "●"),
            Self::Soon => ("warned", "!"),
            Self::Now => ("bad", "✕"),
            Self::Over => ("bad", "■"),
        }
    }
}

impl Certificate {
    /// How urgent it is now.
    pub(in crate::web) fn urgency(&self, now_ms: i64) -> Urgency {
        match self.not_after_ms.saturating_sub(now_ms) {
            ..=0 => Urgency::Over,
            left if left < NOW * DAY_MS => Urgency::Now,
            left if left < SOON * DAY_MS => Urgency::Soon,
            _ => Urgency::Lasts,
        }
    }

    /// `ends in 12 d 4 h`, `ended 2 h ago`.
    pub(in crate::web) fn ends(&self, now_ms: i64) -> String {
        let verb = if self.urgency(now_ms) == Urgency::Over { "ended" } else { "ends" };
        format!("{verb} {}", words::relative(self.not_after_ms, now_ms))
    }

    /// `pay.example.com`, with the port where it is not the usual one.
    pub(in crate::web) fn place(&self) -> String {
        let host = words::clip(&self.host, 253);
        if self.port == 443 { host } else { format!("{host}:{}", self.port) }
    }
}

/// The one that ends first on top.
pub(in crate::web) fn sorted(mut all: Vec<Certificate>) -> Vec<Certificate> {
    all.sort_by(|one, other| {
        (one.not_after_ms, &one.host, one.port, Reverse(one.seen_ms)).cmp(&(
            other.not_after_ms,
            &other.host,
            other.port,
            Reverse(other.seen_ms),
        ))
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(host: &str, days: i64) -> Certificate {
        Certificate { host: host.to_owned(), port: 443, not_after_ms: days * DAY_MS, ..Certificate::default() }
    }

    #[test]
    fn what_ends_first_is_on_top_and_says_how_urgent_it_is() {
        let all = sorted(vec![certificate("d", 90), certificate("c", 13), certificate("a", -1), certificate("b", 2)]);
        let said: Vec<_> = all.iter().map(|one| (one.host.as_str(), one.urgency(0), one.ends(0))).collect();
        assert_eq!(
            said,
            [
                ("a", Urgency::Over, "ended 1 d ago".to_owned()),
                ("b", Urgency::Now, "ends in 2 d".to_owned()),
                ("c", Urgency::Soon, "ends in 13 d".to_owned()),
                ("d", Urgency::Lasts, "ends in 90 d".to_owned()),
            ]
        );
    }

    #[test]
    fn the_port_is_told_where_it_is_not_the_usual_one_and_no_date_is_too_far() {
        let odd = Certificate { port: 8443, not_after_ms: i64::MAX, ..certificate("a", 0) };
        assert_eq!((odd.place().as_str(), odd.urgency(i64::MIN)), ("a:8443", Urgency::Lasts));
        assert_eq!(certificate("a", 0).place(), "a");
    }
}
