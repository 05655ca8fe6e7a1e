//! The MiniJinja environment all expressions are compiled in.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};

/// Instructions one evaluation may take.
const FUEL: u64 = 10_000;

pub(super) static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment
});
