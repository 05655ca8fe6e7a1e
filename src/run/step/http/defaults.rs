//! What a device adds to a request: where a path is asked for, and keys of the query and the form.
//!
//! A device may be chosen by a loop, so that all of this is known only when a request is filled in.

use minijinja::Value;
use reqwest::Url;

use crate::plan::expr::{Destination, EvalError};
use crate::plan::{Field, Template};

/// The URL of a request. A path that begins with `/` is joined to the device's `base`: it follows the base's own path, which it
/// cannot leave.
///
/// # Errors
/// If a template has no value, or what comes of it is no URL of http or https.
pub(super) fn absolute(written: &Template, base: Option<&Template>, scope: &Value) -> Result<Url, EvalError> {
    let text = written.render(scope, Destination::Url)?;
    if !text.starts_with('/') {
        return parsed(&text, "it must be absolute, or a path that begins with `/`");
    }
    let Some(base) = base else {
        return Err(EvalError { message: format!("the path `{text}` leads nowhere: the device has no `base` to join it to") });
    };
    let base = base.render(scope, Destination::Url)?;
    let cannot = |why: &str| EvalError { message: format!("the `base` `{base}` of the device cannot be used: {why}") };
    let within = parsed(&base, "it must be absolute").map_err(|error| cannot(&error.message))?;
    if within.query().is_some() || within.fragment().is_some() {
        return Err(cannot("paths are joined to it, so that it has neither `?` nor `#`"));
    }
    let prefix = within.path().trim_end_matches('/');
    let joined = parsed(&format!("{}{text}", base.trim_end_matches('/')), "")?;
    match joined.path().strip_prefix(prefix) {
        Some(rest) if rest.starts_with('/') => Ok(joined),
        _ => Err(EvalError { message: format!("the path `{text}` leads out of the `base` `{base}` of the device") }),
    }
}

fn parsed(text: &str, advice: &str) -> Result<Url, EvalError> {
    let cannot = |why: &dyn std::fmt::Display| EvalError { message: format!("the URL `{text}` cannot be used: {why}") };
    let url = Url::parse(text).map_err(|error| match advice {
        "" => cannot(&error),
        advice => cannot(&format!("{error}; {advice}")),
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        _ => Err(cannot(&"its scheme is neither http nor https")),
    }
}

/// The keys that are sent: the device's, as far as the step has none of the name, and then the step's. `has` tells of further names
/// that the step has.
pub(super) fn under<'a>(defaults: &'a [Field], own: &'a [Field], has: impl Fn(&str) -> bool) -> Vec<&'a Field> {
    let is_own = |field: &&Field| has(&field.name) || own.iter().any(|own| own.name == field.name);
    defaults.iter().filter(|field| !is_own(field)).chain(own).collect()
}
