//! What to say of a name that nobody knows, and of one that nobody may give.

use crate::plan::{RUN_NAMES, StepKind, is_result_name};

use super::nearest::did_you_mean;
use super::scope::{ALWAYS, Scope, VARIABLE, When};
use super::tree::Spot;
use super::{Code, Diagnostic};

impl<'f> Scope<'_, 'f> {
    /// The problem of a name that means nothing at this place.
    pub(super) fn unknown(&self, name: &str, spot: Spot<'f>, when: When, bare: bool) -> Diagnostic {
        if let Some(later) = self.later.iter().find(|later| later.name == name) {
            let unknown = Diagnostic::at(Code::NotYetKnown, spot, format!("`{name}` is not known here yet"));
            return if later.what == VARIABLE {
                unknown
                    .related(later.spot, "it is defined here")
                    .help("variables are evaluated in the order of `[vars]`: define it above the one that uses it")
            } else {
                unknown
                    .related(later.spot, "it is captured here")
                    .help("a capture can be used by the steps after the one that makes it")
            };
        }
        let unknown = Diagnostic::at(Code::UnknownName, spot, format!("nothing here is called `{name}`"));
        if is_result_name(name) {
            return unknown.help(match when {
                When::Before => format!("`{name}` is known of a step's own result: in `expect`, `guard` and `capture`"),
                When::Result(own) => of_others(name, own, StepKind::knowing(name)),
            });
        }
        match name {
            "round" => unknown.help("`round` counts the iterations of `repeat` and `for_each`"),
            "env" => unknown.help("the environment is not in scope; name the variable in `[secrets]` and use `secret.NAME`"),
            "vars" => unknown.help("variables are used by their own names"),
            "probe" | "device" | "subject" => unknown.help("write it out: expressions do not see it"),
            _ => unknown.help(self.what_to_do(name, when, bare)),
        }
    }

    fn what_to_do(&self, name: &str, when: When, bare: bool) -> String {
        let own = self.visible.iter().map(|declared| declared.name.as_str());
        let known = own.chain(self.world.var_names()).chain(ALWAYS).chain(when.result_names().map(|name| -> &str { name }));
        if self.cell_keys.iter().any(|key| key == name) {
            return format!("values of the matrix are used as `cell.{name}`");
        }
        match (did_you_mean(name, known), bare) {
            (Some(question), true) => format!("text is quoted: '{name}'; or {question}"),
            (None, true) => format!("text is quoted: '{name}'; a name is declared in `[vars]` or captured in an earlier step"),
            (Some(question), false) => question,
            (None, false) => "declare it in `[vars]` of the probe or of the service, or capture it in an earlier step".to_owned(),
        }
    }
}

/// What to say of a name that only results of steps of other kinds have.
fn of_others(name: &str, own: Option<StepKind>, others: impl Iterator<Item = StepKind>) -> String {
    let keys: Vec<String> = others.map(|kind| format!("`{}`", kind.key())).collect();
    let own = own.map_or_else(String::new, |own| format!("; this is a step of `{}`", own.key()));
    format!("`{name}` is known of the result of a step of {}{own}", keys.join(" or "))
}

/// The problem of a name that the program keeps for itself.
pub(super) fn reserved(name: &str, spot: Spot<'_>, what: &str) -> Option<Diagnostic> {
    let why = if RUN_NAMES.contains(&name) {
        "is there in every run"
    } else if is_result_name(name) {
        "is a part of every step's result"
    } else if matches!(name, "true" | "false" | "none" | "and" | "or" | "not" | "in" | "is" | "if" | "else") {
        "is a word of the expression language"
    } else {
        return None;
    };
    let message = format!("the {what} cannot be called `{name}`: it {why}");
    Some(Diagnostic::at(Code::ReservedName, spot, message).help("give it another name"))
}

/// The problem of a secret that nobody declared.
pub(super) fn unknown_secret<'k>(name: &str, spot: Spot<'_>, known: impl IntoIterator<Item = &'k str>) -> Diagnostic {
    let help = did_you_mean(name, known)
        .unwrap_or_else(|| format!("declare it in the service's configuration: `[secrets]` `{name} = {{ env = \"…\" }}`"));
    Diagnostic::at(Code::UnknownSecret, spot, format!("there is no secret `{name}`")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_other_kinds_is_told_with_the_kinds_that_have_it() {
        let told = of_others("status", Some(StepKind::Http), StepKind::knowing("status"));
        assert_eq!(told, "`status` is known of the result of a step of `http`; this is a step of `http`");
        assert_eq!(of_others("status", None, [StepKind::Http; 2].into_iter()).matches("`http`").count(), 2);
        assert!(StepKind::knowing("rows").next().is_none() && is_result_name("rows"), "it is kept for what comes");
    }
}
