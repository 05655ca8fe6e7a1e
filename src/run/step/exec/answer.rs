//! A program that ended, and the names expressions know it by. What is costly to know is worked out when it is first asked for.

use std::sync::OnceLock;
use std::time::Duration;

use minijinja::{Error, ErrorKind, Value};

use crate::plan::expr::from_json;
use crate::run::step::kind::{Answer, Creation};

use super::program::Exit;

/// Lines that `lines` gives at most, as many as any filter makes.
const MOST_LINES: usize = 10_000;

/// How a program ended and what it said. Times are net of stalls.
#[derive(Debug)]
pub(super) struct ExecAnswer {
    pub(super) exit: Exit,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) latency: Duration,
    pub(super) phases: Vec<(&'static str, Duration)>,
    parsed: ParsedOutput,
}

/// The output in the forms that were asked for so far.
#[derive(Debug, Default)]
struct ParsedOutput {
    json: OnceLock<Result<serde_json::Value, String>>,
    json_value: OnceLock<Option<Value>>,
    stdout: OnceLock<Value>,
    stderr: OnceLock<Value>,
    lines: OnceLock<Value>,
}

impl ExecAnswer {
    pub(super) fn new(
        exit: Exit,
        (stdout, stderr): (Vec<u8>, Vec<u8>),
        latency: Duration,
        phases: Vec<(&'static str, Duration)>,
    ) -> Self {
        Self { exit, stdout, stderr, latency, phases, parsed: ParsedOutput::default() }
    }

    fn json(&self) -> Result<&serde_json::Value, String> {
        let parse = || serde_json::from_slice(&self.stdout).map_err(|error| error.to_string());
        self.parsed.json.get_or_init(parse).as_ref().map_err(Clone::clone)
    }

    /// Its output line by line, without the breaks.
    fn lines(&self) -> Value {
        let text = String::from_utf8_lossy(&self.stdout);
        if text.lines().nth(MOST_LINES).is_some() {
            let why = format!("stdout has more than {MOST_LINES} lines, and `lines` no more than that; look at `stdout`");
            return Value::from(Error::new(ErrorKind::InvalidOperation, why));
        }
        text.lines().map(Value::from).collect()
    }
}

impl Answer for ExecAnswer {
    fn lookup(&self, name: &str) -> Option<Value> {
        let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
        match name {
            "exit_code" => Some(self.exit.code.map_or(Value::from(()), Value::from)),
            "signal" => Some(self.exit.signal.map_or(Value::from(()), Value::from)),
            "stdout" => Some(self.parsed.stdout.get_or_init(|| text(&self.stdout)).clone()),
            "stderr" => Some(self.parsed.stderr.get_or_init(|| text(&self.stderr)).clone()),
            "json" => self.parsed.json_value.get_or_init(|| self.json().ok().map(from_json)).clone(),
            "lines" => Some(self.parsed.lines.get_or_init(|| self.lines()).clone()),
            "latency" => Some(Value::from(self.latency.as_secs_f64())),
            "phases" => Some(Value::from_pairs(self.phases.iter().map(|(name, took)| (*name, took.as_secs_f64())))),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        self.stdout.len() + self.stderr.len()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn document(&self) -> Result<&serde_json::Value, String> {
        self.json()
    }

    fn remark(&self) -> Option<String> {
        let killed = self.exit.signal.map(|signal| format!("the program was killed by signal {signal}, so it has no exit code"));
        let json = self.parsed.json.get().and_then(|json| json.as_ref().err());
        let json = json.map(|why| {
            let code = self.exit.code.map_or_else(String::new, |code| format!(" of the program, exit code {code},"));
            format!("the standard output{code} is not JSON: {why}")
        });
        let remarks: Vec<String> = killed.into_iter().chain(json).collect();
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    fn creation(&self) -> Creation {
        // An exit code says nothing of what was done before it; `unless_created` can.
        Creation::Possible
    }
}
