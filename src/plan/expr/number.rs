//! Numbers, compared without loss and calculated without wrapping.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::lexer::whole_value;

/// A number of an expression. Truth values are not numbers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// The number in a value, if it is one.
    pub(super) fn of(value: &Value) -> Option<Self> {
        if value.kind() != ValueKind::Number {
            return None;
        }
        if value.is_integer()
            && let Ok(whole) = i128::try_from(value.clone())
        {
            return Some(Self::Whole(whole));
        }
        f64::try_from(value.clone()).ok().map(Self::Float)
    }

    /// Exact, also between whole numbers and floats; nothing if one is no number (NaN).
    pub(super) fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right),
            (Self::Whole(left), Self::Float(right)) => compare_mixed(left, right),
            (Self::Float(left), Self::Whole(right)) => compare_mixed(right, left).map(Ordering::reverse),
        }
    }

    pub(super) fn is_finite(self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Float(number) => number.is_finite(),
        }
    }

    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "a calculation with a float is done in floats, as in the language")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Whole(number) => whole_value(number),
            Self::Float(number) => Value::from(number),
        }
    }

    pub(super) fn negate(self) -> Option<Self> {
        match self {
            Self::Whole(number) => number.checked_neg().map(Self::Whole),
            Self::Float(number) => Some(Self::Float(-number)),
        }
    }

    /// The whole number of a float without a fraction that a whole number can hold.
    pub(super) fn truncated(self) -> Option<i128> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Float(number) => whole_part(number),
        }
    }
}

/// 2^127, the first float past every `i128`.
const PAST_WHOLE: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;

#[expect(clippy::cast_possible_truncation, reason = "the range is checked, and dropping the fraction is the purpose")]
fn whole_part(number: f64) -> Option<i128> {
    (-PAST_WHOLE..PAST_WHOLE).contains(&number).then_some(number as i128)
}

fn compare_mixed(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    let Some(part) = whole_part(float) else {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    };
    let fraction = 0.0_f64.partial_cmp(&float.fract())?;
    Some(whole.cmp(&part).then(fraction))
}

/// Operators that make a value of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Concatenate,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

impl Operator {
    pub(super) fn spelling(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "~",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::FloorDivide => "//",
            Self::Remainder => "%",
            Self::Power => "**",
        }
    }
}

/// `left operator right`, or nothing where it has no finite result.
pub(super) fn calculate(operator: Operator, left: Number, right: Number) -> Option<Number> {
    let whole = match (operator, left, right) {
        (Operator::Divide, ..) => None,
        (Operator::Power, _, Number::Whole(exponent)) if exponent < 0 => None,
        (_, Number::Whole(left), Number::Whole(right)) => Some((left, right)),
        _ => None,
    };
    if let Some((left, right)) = whole {
        return calculate_whole(operator, left, right).map(Number::Whole);
    }
    let result = calculate_float(operator, left.float(), right.float());
    result.is_finite().then_some(Number::Float(result))
}

fn calculate_whole(operator: Operator, left: i128, right: i128) -> Option<i128> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::FloorDivide => {
            let quotient = left.checked_div(right)?;
            let towards_zero = left % right != 0 && (left < 0) != (right < 0);
            quotient.checked_sub(i128::from(towards_zero))
        }
        Operator::Remainder => {
            let remainder = left.checked_rem(right)?;
            if remainder != 0 && (remainder < 0) != (right < 0) { remainder.checked_add(right) } else { Some(remainder) }
        }
        Operator::Power => left.checked_pow(u32::try_from(right).ok()?),
        Operator::Divide | Operator::Concatenate => None,
    }
}

fn calculate_float(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::FloorDivide => floor_divide(left, right).0,
        Operator::Remainder => floor_divide(left, right).1,
        Operator::Power => left.powf(right),
        Operator::Concatenate => f64::NAN,
    }
}

/// Quotient and remainder as Python has them: the quotient rounded down, the remainder with the sign of the divisor.
fn floor_divide(left: f64, right: f64) -> (f64, f64) {
    let mut remainder = left % right;
    let mut quotient = (left - remainder) / right;
    if remainder == 0.0 {
        remainder = 0.0_f64.copysign(right);
    } else if (remainder < 0.0) != (right < 0.0) {
        remainder += right;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(left / right), remainder);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, remainder)
}
