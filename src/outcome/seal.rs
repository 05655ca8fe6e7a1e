//! Makes every text of a report safe to show, before anybody else gets it.
//!
//! Owns which texts of a report come from outside: all but the closed words. It is called once for a report, by the code that
//! made it. A new text of a report is a line here.

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    AttemptDetail, AttemptReport, Cause, CleanupReport, CleanupResult, Exchange, ExpectationReport, FactValue, Held, HttpDetail,
    Observed, Redactor, RunReport, SeenValue, StepReport, StepResult, visible, visible_block,
};

impl RunReport {
    /// The report as it may leave the run.
    #[must_use]
    pub fn sealed(mut self, redactor: &Redactor) -> Self {
        let seal = Seal(redactor);
        self.cause.iter_mut().for_each(|cause| seal.cause(cause));
        self.steps.iter_mut().for_each(|step| seal.step(step));
        seal.pairs(&mut self.vars);
        self
    }
}

impl CleanupReport {
    /// The report as it may leave the run.
    #[must_use]
    pub fn sealed(mut self, redactor: &Redactor) -> Self {
        let seal = Seal(redactor);
        self.steps.iter_mut().for_each(|step| seal.step(step));
        match &mut self.result {
            CleanupResult::Clean => {}
            CleanupResult::Leaked(causes) => causes.iter_mut().for_each(|cause| seal.cause(cause)),
        }
        self
    }
}

impl Cause {
    /// The cause as it may leave the run.
    #[must_use]
    pub fn sealed(mut self, redactor: &Redactor) -> Self {
        Seal(redactor).cause(&mut self);
        self
    }
}

struct Seal<'r>(&'r Redactor);

impl Seal<'_> {
    fn line(&self, text: &mut String) {
        if let Some(sealed) = self.changed(text, visible) {
            *text = sealed;
        }
    }

    fn shared(&self, text: &mut Arc<str>) {
        if let Some(sealed) = self.changed(text, visible) {
            *text = sealed.into();
        }
    }

    fn block(&self, text: &mut String) {
        if let Some(sealed) = self.changed(text, visible_block) {
            *text = sealed;
        }
    }

    /// The text made safe, unless it is already.
    fn changed(&self, text: &str, clean: impl Fn(&str) -> Cow<'_, str>) -> Option<String> {
        match self.0.redact_late(text) {
            Cow::Borrowed(text) => match clean(text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(text) => Some(text),
            },
            Cow::Owned(text) => Some(clean(&text).into_owned()),
        }
    }

    fn pairs(&self, pairs: &mut [(Arc<str>, String)]) {
        for (_, text) in pairs {
            self.line(text);
        }
    }

    fn cause(&self, cause: &mut Cause) {
        let Cause { reason: _, message, step: _, subject, attempts: _, expectation, location: _, seen } = cause;
        self.line(message);
        subject.iter_mut().chain(expectation).for_each(|text| self.line(text));
        self.seen(seen);
    }

    fn seen(&self, seen: &mut [SeenValue]) {
        for SeenValue { source, value } in seen {
            self.line(source);
            self.line(value);
        }
    }

    fn step(&self, step: &mut StepReport) {
        step.subject.iter_mut().for_each(|subject| self.line(subject));
        step.attempts.iter_mut().for_each(|attempt| self.attempt(attempt));
        step.expectations.iter_mut().chain(&mut step.warnings).for_each(|expectation| self.expectation(expectation));
        self.pairs(&mut step.captures);
        match &mut step.result {
            StepResult::Failed(cause) | StepResult::Blocked(cause) => self.cause(cause),
            StepResult::Passed | StepResult::NotNeeded => {}
        }
    }

    fn expectation(&self, expectation: &mut ExpectationReport) {
        self.shared(&mut expectation.source);
        expectation.say.iter_mut().for_each(|say| self.shared(say));
        match &mut expectation.held {
            Held::NotEvaluable(why) => self.line(why),
            Held::Yes | Held::No => {}
        }
        self.seen(&mut expectation.seen);
    }

    fn attempt(&self, attempt: &mut AttemptReport) {
        if let Some((_, message)) = &mut attempt.failure {
            self.line(message);
        }
        match &mut attempt.detail {
            Some(AttemptDetail::Http(http)) => self.http(http),
            Some(AttemptDetail::Other(observed)) => self.observed(observed),
            None => {}
        }
    }

    fn http(&self, HttpDetail { answer, exchange }: &mut HttpDetail) {
        self.line(&mut answer.method);
        self.line(&mut answer.url);
        answer.withheld.iter_mut().for_each(|withheld| self.line(&mut withheld.to));
        if let Some(exchange) = exchange {
            let Exchange { request_headers, request_body, response_headers, response_body, truncated: _ } = &mut **exchange;
            request_headers.iter_mut().chain(response_headers).for_each(|(_, value)| self.line(value));
            self.block(request_body);
            self.block(response_body);
        }
    }

    fn observed(&self, Observed { kind: _, asked, answered: _, facts, phases: _, transcript }: &mut Observed) {
        self.line(asked);
        for fact in facts {
            match &mut fact.value {
                FactValue::Text(Cow::Owned(text)) => self.line(text),
                // What the program itself says is closed words.
                FactValue::Text(Cow::Borrowed(_)) | FactValue::Integer(_) | FactValue::Bool(_) => {}
            }
        }
        if let Some(transcript) = transcript {
            self.block(&mut transcript.sent);
            self.block(&mut transcript.received);
        }
    }
}
