//! One-time codes of RFC 6238.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::Value;
use ring::hmac;

use super::super::budget::Budget;
use super::super::number::Number;
use super::super::rule::{Rule, Rules};
use super::super::value::describe;
use super::digest::hmac_algorithm;

pub(in super::super) const TOTP_RULES: Rules = &[
    ("digits", Rule::Whole(6..=10)),
    ("period", Rule::Whole(1..=86_400)),
    ("algorithm", Rule::OneOf(&["sha1", "sha256", "sha512"])),
];

/// The code of a secret in base32 at this moment, or at `at`, in seconds since 1970.
pub(in super::super) fn totp(arguments: &[Option<Value>], budget: &mut Budget) -> Result<Value, String> {
    budget.items(64)?;
    let argument = |at: usize| arguments.get(at).and_then(Option::as_ref);
    let secret = argument(0).and_then(Value::as_str).ok_or("the secret is not a string")?;
    budget.text(secret.len())?;
    let key = base32(secret).ok_or("the secret is not base32 (letters and the digits 2 to 7)")?;
    let whole = |at: usize, otherwise: u64| match argument(at) {
        None => Ok(otherwise),
        Some(value) => rule(at).and_then(|(name, rule)| rule.breach(name, value)).map_or_else(|| whole(value), Err),
    };
    let (digits, period) = (whole(1, 6)?, whole(2, 30)?);
    let algorithm = argument(3).map_or(Ok("sha1"), |value| value.as_str().ok_or("the algorithm is not a string"))?;
    let algorithm = hmac_algorithm(algorithm)?;
    let at = argument(4).map_or_else(|| Ok(now()), seconds)?;
    Ok(Value::from(code(&hmac::Key::new(algorithm, &key), at / period, digits)))
}

fn rule(at: usize) -> Option<&'static (&'static str, Rule)> {
    at.checked_sub(1).and_then(|at| TOTP_RULES.get(at))
}

fn whole(value: &Value) -> Result<u64, String> {
    match Number::of(value) {
        Some(Number::Whole(whole)) => u64::try_from(whole).map_err(|_| format!("{} is negative", describe(value))),
        Some(Number::Float(_)) | None => Err(format!("{} is not a whole number", describe(value))),
    }
}

/// Seconds since 1970; what `to_unix` makes of a time has a fraction.
fn seconds(value: &Value) -> Result<u64, String> {
    let whole = Number::of(value).and_then(Number::truncated).and_then(|whole| u64::try_from(whole).ok());
    whole.ok_or_else(|| format!("{} is no time in seconds since 1970", describe(value)))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// RFC 4226 section 5.3.
fn code(key: &hmac::Key, counter: u64, digits: u64) -> String {
    let signature = hmac::sign(key, &counter.to_be_bytes());
    let bytes = signature.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let number = bytes.iter().skip(offset).take(4).fold(0_u64, |number, byte| number << 8 | u64::from(*byte)) & 0x7fff_ffff;
    let digits = usize::try_from(digits).unwrap_or(6);
    let code = format!("{number:0digits$}");
    code[code.len() - digits..].to_owned()
}

/// RFC 4648 section 6, in any case, with or without padding; spaces and hyphens are how people group it.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for character in text.trim_end_matches('=').bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::eval_json;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B; its secrets are 20, 32 and 64 bytes of `1234567890…` in ASCII.
        let sha1 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let sha256 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA";
        let sha512 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA";
        for (at, codes) in [
            ("59", ["94287082", "46119246", "90693936"]),
            ("1111111109", ["07081804", "68084774", "25091201"]),
            ("1111111111", ["14050471", "67062674", "99943326"]),
            ("1234567890", ["89005924", "91819424", "93441116"]),
            ("2000000000", ["69279037", "90698825", "38618901"]),
            ("20000000000", ["65353130", "77737706", "47863826"]),
        ] {
            for ((algorithm, secret), code) in [("sha1", sha1), ("sha256", sha256), ("sha512", sha512)].into_iter().zip(codes) {
                let source = format!("totp('{secret}', digits=8, algorithm='{algorithm}', at={at})");
                assert_eq!(eval_json(&source, "{}"), format!("\"{code}\""), "{source}");
            }
        }
        assert_eq!(eval_json("totp('gezd gnbv-gy3tqojqgezdgnbvgy3tqojq====', at=59.9)", "{}"), "\"287082\"");
        assert_eq!(eval_json("totp('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', period=60, at=119)", "{}"), "\"287082\"");
        assert_eq!(eval_json("totp('GEZDGNBV') is matching '^[0-9]{6}$'", "{}"), "true");
    }

    #[test]
    fn what_makes_no_code_is_said_without_the_secret() {
        for (source, why) in [
            ("totp('not base 32!')", "the secret is not base32"),
            ("totp('')", "the secret is not base32"),
            ("totp(5)", "the secret is not a string"),
            ("totp('GEZD', digits=2 + 3)", "`digits` is a whole number from 6 to 10, not the number 5"),
            ("totp('GEZD', period=1 - 1)", "`period` is a whole number from 1 to 86400"),
            ("totp('GEZD', algorithm='sha' ~ 2)", "no algorithm `sha2`"),
            ("totp('GEZD', at=0 - 1)", "no time in seconds"),
        ] {
            let shown = eval_json(source, "{}");
            assert!(shown.contains(why), "{source}: {shown}");
        }
    }
}
