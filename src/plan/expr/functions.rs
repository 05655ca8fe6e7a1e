//! Functions: `range`, random test data for `[vars]`, and what is signed with a key.
//!
//! One more is a row of [`FUNCTIONS`]. There is no `now()`: a run's time is `run.started`, the same in all its expressions. Only `totp`
//! reads the clock itself, as its codes are good for seconds.

use minijinja::Value;

use super::budget::{Budget, may_build_list, may_build_text};
use super::container;
use super::number::Number;
use super::rule::Signature;
use super::signed::{self, JWT_RULES, TOTP_RULES};
use super::value::describe;

/// Whether a function gives the same for the same arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// Always the same.
    Same,
    /// What the time makes of them: made again later, it is another value that means the same.
    OfTheMoment,
    /// A drawn value, which cannot be had again.
    Drawn,
}

/// A named source of values.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) signature: Signature,
    pub(super) gives: Gives,
    /// Whether it signs with a key, so that what it gives is a credential.
    pub(super) signs: bool,
    pub(super) call: Call,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

type Call = fn(&[Option<Value>], &mut Budget) -> Result<Value, String>;

const fn function(
    name: &'static str,
    parameters: &'static [&'static str],
    required: usize,
    gives: Gives,
    call: Call,
) -> Function {
    Function { name, signature: Signature { parameters, required, rules: &[] }, gives, signs: false, call }
}

/// A function that signs with a key.
const fn signing(name: &'static str, signature: Signature, gives: Gives, call: Call) -> Function {
    Function { name, signature, gives, signs: true, call }
}

pub(super) static FUNCTIONS: [Function; 6] = [
    function("range", &["start", "stop", "step"], 1, Gives::Same, range),
    function("random_int", &["from", "to"], 2, Gives::Drawn, random_int),
    function("random_hex", &["digits"], 1, Gives::Drawn, random_hex),
    function("uuid", &[], 0, Gives::Drawn, uuid),
    signing(
        "jwt",
        Signature { parameters: &["claims", "key", "algorithm", "header", "key_encoding"], required: 2, rules: JWT_RULES },
        // Signatures of some algorithms are drawn; each says the same.
        Gives::OfTheMoment,
        signed::jwt,
    ),
    signing(
        "totp",
        Signature { parameters: &["secret", "digits", "period", "algorithm", "at"], required: 1, rules: TOTP_RULES },
        Gives::OfTheMoment,
        signed::totp,
    ),
];

pub(super) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// Whole numbers from `start` (0 if only one is given) up to but without `stop`.
fn range(arguments: &[Option<Value>], budget: &mut Budget) -> Result<Value, String> {
    let first = whole(arguments, 0)?.unwrap_or(0);
    let (start, end) = whole(arguments, 1)?.map_or((0, first), |end| (first, end));
    let by = whole(arguments, 2)?.unwrap_or(1);
    if by == 0 {
        return Err("a range with steps of 0 has no end".into());
    }
    let distance = if by > 0 { end.checked_sub(start) } else { start.checked_sub(end) };
    let count = distance.map(|distance| distance.max(0).unsigned_abs().div_ceil(by.unsigned_abs()));
    let count = count.and_then(|count| usize::try_from(count).ok());
    may_build_list(count)?;
    let count = count.unwrap_or(0);
    budget.items(count)?;
    let numbers = std::iter::successors(Some(start), |at| at.checked_add(by));
    container::list(numbers.take(count).map(|number| Number::Whole(number).into_value()).collect())
}

/// A whole number from `from` to `to`, both included.
fn random_int(arguments: &[Option<Value>], _: &mut Budget) -> Result<Value, String> {
    let bound = |at| {
        let number = whole(arguments, at)?.unwrap_or(0);
        i64::try_from(number).map_err(|_| format!("{number} is past what random_int can draw"))
    };
    let (from, to) = (bound(0)?, bound(1)?);
    if from > to {
        return Err(format!("there is no number from {from} to {to}"));
    }
    Ok(Value::from(fastrand::i64(from..=to)))
}

/// So many hexadecimal digits.
fn random_hex(arguments: &[Option<Value>], budget: &mut Budget) -> Result<Value, String> {
    let digits = whole(arguments, 0)?.and_then(|digits| usize::try_from(digits).ok());
    may_build_text(digits)?;
    // Drawing a digit takes longer than copying one.
    budget.items(digits.unwrap_or(0) / 4)?;
    Ok(Value::from((0..digits.unwrap_or(0)).map(|_| fastrand::digit(16)).collect::<String>()))
}

/// A random UUID (RFC 9562 version 4).
#[expect(clippy::unnecessary_wraps, reason = "functions share one signature")]
fn uuid(_: &[Option<Value>], _: &mut Budget) -> Result<Value, String> {
    let random = fastrand::u128(..);
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    Ok(Value::from([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")))
}

fn whole(arguments: &[Option<Value>], at: usize) -> Result<Option<i128>, String> {
    let whole = |value| match Number::of(value) {
        Some(Number::Whole(whole)) => Ok(whole),
        Some(Number::Float(_)) | None => Err(format!("{} is not a whole number", describe(value))),
    };
    arguments.get(at).and_then(Option::as_ref).map(whole).transpose()
}
