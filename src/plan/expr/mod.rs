//! The one expression language: MiniJinja's expressions, compiled once at load and judged strictly.
//!
//! [`Expression`] yields a value, [`Condition`] yields a strict bool with both sides kept for the report, [`Template`] is text
//! with `{{ … }}` in it. Nothing here does I/O; the same source is compiled once for all probes.
//!
//! Grammar, precedences and values are MiniJinja's, and a test holds results against it. Parser and evaluator are our own,
//! because a judge must be strict *inside* brackets and filter arguments, too, must name the part that was undefined, and must
//! know before it allocates: MiniJinja repeats texts and lists up to 100 million times in one instruction, finds unknown
//! filters only when they run, and orders null before numbers. What differs from it:
//!
//! - truth values are bools only: `and`, `or`, `not` and `if` take nothing else;
//! - `<` and its kin take two finite numbers or two strings; `==` is false between different kinds, `true` is not 1, and
//!   numbers compare exactly; comparisons are not chained;
//! - undefined is an error but directly before `is defined`, `is undefined` and `default`; a missing parent always is;
//! - a choice needs its `else`; values have no methods; `(a, b)` is a list; a backslash in a string stands for itself unless
//!   it is an escape of JSON; whole numbers have up to 38 digits;
//! - filters, tests and functions are an allow-list ([`known_filters`], [`known_tests`], [`known_functions`]), looked up while
//!   parsing, with `regex`, `matching`, `to_unix`, `from_json`, `b64encode`, `b64decode`, `random_int`, `random_hex` and
//!   `uuid` added, and a `urlencode` that encodes `/` as well.
//!
//! One more filter, test or function is a row in the table of `filters`, `predicates` or `functions`.

mod budget;
mod compare;
mod condition;
mod eval;
mod expression;
mod filters;
mod functions;
mod lexer;
mod number;
mod parser;
mod predicates;
mod program;
mod syntax;
mod template;
mod value;

pub use condition::{Condition, Judgement, Side};
pub use expression::{EvalError, Expression, ParseError};
pub use template::{Place, Template};
pub use value::{from_json, to_json};

/// Names of all filters, sorted.
pub fn known_filters() -> Vec<&'static str> {
    sorted(filters::known())
}

/// Names of all tests (what follows `is`), sorted.
pub fn known_tests() -> Vec<&'static str> {
    sorted(predicates::known())
}

/// Names of all functions, sorted.
pub fn known_functions() -> Vec<&'static str> {
    sorted(functions::FUNCTIONS.iter().map(|function| function.name))
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}
