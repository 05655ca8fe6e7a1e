//! The context of a channel's templates: the message's fields and `secret`.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};

use crate::alert::message::Message;
use crate::outcome::{Secret, Secrets};
use crate::plan::Template;
use crate::plan::expr::{Destination, from_json};

/// A template or a secret has no value. The message has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(in crate::alert) struct NoValue {
    /// Which one, and why.
    pub(in crate::alert) message: String,
    /// Whether a secret is missing, which may be there later.
    pub(in crate::alert) is_secret: bool,
}

/// The context for a message; without one it has only `secret`.
pub(in crate::alert) fn context(message: Option<&Message>, secrets: &Arc<Secrets>) -> Value {
    let fields = message.map(|message| serde_json::to_value(message).expect("a message has only text and numbers in it"));
    Value::from_object(TemplateContext { fields: fields.map(|fields| from_json(&fields)), secrets: Arc::clone(secrets) })
}

/// The context of what is about no message: `secret`, and `region`.
pub(in crate::alert) fn of_region(region: &str, secrets: &Arc<Secrets>) -> Value {
    let fields = from_json(&serde_json::json!({ "region": region }));
    Value::from_object(TemplateContext { fields: Some(fields), secrets: Arc::clone(secrets) })
}

/// A template's text.
pub(in crate::alert) fn render(
    template: &Template,
    place: Destination,
    context: &Value,
    secrets: &Secrets,
) -> Result<String, NoValue> {
    template.render(context, place).map_err(|error| {
        let message = format!("the template at {} has no value: {error}", template.location());
        NoValue {
            message: secrets.redactor().redact(&message).into_owned(),
            is_secret: template.names().iter().any(|name| name == "secret"),
        }
    })
}

/// A secret by name.
pub(super) fn secret(name: &str, secrets: &Secrets) -> Result<Secret, NoValue> {
    let missing = |message: String| NoValue { message, is_secret: true };
    match secrets.get(name) {
        Some(Ok(secret)) => Ok(secret.clone()),
        Some(Err(why)) => Err(missing(why.to_string())),
        None => Err(missing(format!("the secret `{name}` is not configured; declare it under [secrets]"))),
    }
}

#[derive(Debug)]
struct TemplateContext {
    fields: Option<Value>,
    secrets: Arc<Secrets>,
}

impl Object for TemplateContext {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("secret") {
            return Some(Value::from_object(SecretLookup(Arc::clone(&self.secrets))));
        }
        self.fields.as_ref()?.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// `secret.NAME`.
#[derive(Debug)]
struct SecretLookup(Arc<Secrets>);

impl Object for SecretLookup {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match secret(key.as_str()?, &self.0) {
            Ok(secret) => Some(Value::from(secret.expose())),
            Err(missing) => Some(Value::from(minijinja::Error::new(minijinja::ErrorKind::UndefinedError, missing.message))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}
