//! What templates of a channel can read: the notice's fields and `secret`.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::alert::Notice;
use crate::outcome::{Secret, Secrets};
use crate::plan::Template;
use crate::plan::expr::{Place, from_json};

use super::letter::Trouble;

/// The scope for one message; without a notice only `secret` is there.
pub(in crate::alert) fn scope(notice: Option<&Notice>, secrets: &Arc<Secrets>) -> Value {
    let fields = notice.map(|notice| serde_json::to_value(notice).expect("a notice has only text and numbers in it"));
    Value::from_object(Scope { fields: fields.map(|fields| from_json(&fields)), secrets: Arc::clone(secrets) })
}

/// A template's text. A secret that is not there may be there later, so it is worth another try.
pub(in crate::alert) fn render(template: &Template, place: Place, scope: &Value, secrets: &Secrets) -> Result<String, Trouble> {
    template.render(scope, place).map_err(|error| {
        let message = format!("the template at {} has no value: {error}", template.location());
        Trouble {
            again: template.names().iter().any(|name| name == "secret"),
            ..Trouble::lasting(secrets.redactor().redact(&message))
        }
    })
}

/// A secret by name.
pub(super) fn secret(name: &str, secrets: &Secrets) -> Result<Secret, Trouble> {
    match secrets.get(name) {
        Some(Ok(secret)) => Ok(secret.clone()),
        Some(Err(why)) => Err(Trouble::passing(why.to_string())),
        None => Err(Trouble::passing(format!("the secret `{name}` is not configured; declare it under [secrets]"))),
    }
}

#[derive(Debug)]
struct Scope {
    fields: Option<Value>,
    secrets: Arc<Secrets>,
}

impl Object for Scope {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("secret") {
            return Some(Value::from_object(SecretScope(Arc::clone(&self.secrets))));
        }
        self.fields.as_ref()?.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// `secret.NAME`.
#[derive(Debug)]
struct SecretScope(Arc<Secrets>);

impl Object for SecretScope {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match secret(key.as_str()?, &self.0) {
            Ok(secret) => Some(Value::from(secret.expose())),
            Err(trouble) => Some(Value::from(minijinja::Error::new(minijinja::ErrorKind::UndefinedError, trouble.message))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
