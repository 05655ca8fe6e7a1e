//! The one expression language: MiniJinja expressions, compiled once at load.
//!
//! [`Expression`] yields a value, [`Condition`] yields a strict bool with both sides kept for the report, [`Template`] is text
//! with `{{ … }}` in it. Cost is bounded by fuel and output size; nothing here does I/O.

mod condition;
mod environment;
mod expression;
mod template;
mod value;

pub use condition::{Condition, Judgement, Side};
pub use expression::{EvalError, Expression, ParseError};
pub use template::{Place, Template};
pub use value::{from_json, to_json};
