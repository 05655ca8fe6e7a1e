//! How texts are quoted for what reads them: YAML, `PromQL`, and the templates in rules of Prometheus.

use std::time::Duration;

use crate::outcome::visible;

/// A text in double quotes, as YAML, JSON and `PromQL` read it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text of a probe's file as one line in which nothing is a template of Prometheus or Alertmanager, whose labels and annotations
/// are Go templates.
pub(super) fn literal(text: &str) -> String {
    visible(text).replace("{{", "{{ \"{{\" }}")
}

/// A duration as Prometheus writes it, such as `1h30m`; in whole seconds, at least one.
pub(super) fn duration(lasting: Duration) -> String {
    let mut rest = lasting.as_secs().max(1);
    let mut text = String::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest >= seconds {
            text.extend([format!("{}{unit}", rest / seconds)]);
            rest %= seconds;
        }
    }
    text
}

/// Seconds as `/metrics` writes an edge of a histogram.
pub(super) fn edge(bound: Duration) -> String {
    format!("{:?}", bound.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_in_the_units_of_prometheus() {
        for (seconds, expected) in [(0, "1s"), (45, "45s"), (300, "5m"), (8_640, "2h24m"), (259_200, "3d"), (90_061, "1d1h1m1s")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(edge(Duration::from_secs(2)), "2.0");
        assert_eq!(edge(Duration::from_millis(250)), "0.25");
    }

    #[test]
    fn what_a_probe_says_is_neither_a_template_nor_a_second_line() {
        assert_eq!(literal("a {{ $labels.x }}\nb"), "a {{ \"{{\" }} $labels.x }}\\nb");
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
    }
}
