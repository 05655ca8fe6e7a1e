//! Who is told of what expressions make of secrets.
//!
//! A hash of a password or a signature with a key is as good as what it was made of, and no spelling of that tells. So whoever gives
//! a scope to an evaluation may give it a [`DerivedValues`], too, which hears of each such value before anything else can.

use std::fmt::Debug;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;

/// Hears of values that were made of others in a way that cannot be undone.
pub trait DerivedValues: Debug + Send + Sync {
    /// `made` was signed with a key.
    fn signed(&self, made: &str);

    /// `made` was made of `from`, which may hold a secret.
    fn hashed(&self, from: &str, made: &str);
}

#[derive(Debug)]
struct Listener(Arc<dyn DerivedValues>);

impl Object for Listener {}

/// The name under which a scope has its listener. No expression can spell it.
pub const DERIVED_VALUES: &str = "\0derived";

/// The value of [`DERIVED_VALUES`].
pub fn derived_values(listener: Arc<dyn DerivedValues>) -> Value {
    Value::from_object(Listener(listener))
}

/// Calls `tell` with the listener of a scope, if there is one.
pub(super) fn with_listener(scope: &Value, tell: impl FnOnce(&dyn DerivedValues)) {
    let listener = scope.get_attr(DERIVED_VALUES).unwrap_or(Value::UNDEFINED);
    if let Some(Listener(listener)) = listener.downcast_object_ref() {
        tell(&**listener);
    }
}
