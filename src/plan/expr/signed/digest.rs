//! Hashes and keyed hashes of a text, as filters.

use md5::Digest as _;
use minijinja::Value;
use ring::digest::{self, Algorithm};
use ring::hmac as keyed;

use super::super::arguments::{Arguments, bytes_in};
use super::super::budget::Budget;
use super::super::rule::{Rule, Rules, none_of};
use super::{ENCODINGS, KEY_ENCODINGS, encoded, key_bytes};

const HMAC_ALGORITHMS: &[&str] = &["sha1", "sha256", "sha384", "sha512"];

pub(in super::super) const HASH_RULES: Rules = &[("encoding", Rule::OneOf(ENCODINGS))];

pub(in super::super) const HMAC_RULES: Rules = &[
    ("algorithm", Rule::OneOf(HMAC_ALGORITHMS)),
    ("encoding", Rule::OneOf(ENCODINGS)),
    ("key_encoding", Rule::OneOf(KEY_ENCODINGS)),
];

/// RFC 1321, for protocols that still ask for it.
pub(in super::super) fn md5(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    encoded(&md5::Md5::digest(bytes_in(value, budget)?), arguments.text(0)?).map(Value::from)
}

pub(in super::super) fn sha1(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    hashed(&digest::SHA1_FOR_LEGACY_USE_ONLY, value, arguments, budget)
}

pub(in super::super) fn sha256(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    hashed(&digest::SHA256, value, arguments, budget)
}

pub(in super::super) fn sha512(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    hashed(&digest::SHA512, value, arguments, budget)
}

fn hashed(algorithm: &'static Algorithm, value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    encoded(digest::digest(algorithm, bytes_in(value, budget)?).as_ref(), arguments.text(0)?).map(Value::from)
}

/// RFC 2104: a text, or bytes, signed with a key that both sides know.
pub(in super::super) fn hmac(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let signed = bytes_in(value, budget)?;
    let key = arguments.text(0)?.ok_or("there is no key")?;
    budget.text(key.len())?;
    let algorithm = hmac_algorithm(arguments.text(1)?.unwrap_or("sha256"))?;
    let key = keyed::Key::new(algorithm, &key_bytes(key, arguments.text(3)?)?);
    encoded(keyed::sign(&key, signed).as_ref(), arguments.text(2)?).map(Value::from)
}

pub(super) fn hmac_algorithm(name: &str) -> Result<keyed::Algorithm, String> {
    match name {
        "sha1" => Ok(keyed::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "sha256" => Ok(keyed::HMAC_SHA256),
        "sha384" => Ok(keyed::HMAC_SHA384),
        "sha512" => Ok(keyed::HMAC_SHA512),
        other => Err(none_of("algorithm", other, HMAC_ALGORITHMS)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{eval_json, parse_error};

    fn is(source: &str, expected: &str) {
        assert_eq!(eval_json(source, "{}"), format!("\"{expected}\""), "{source}");
    }

    #[test]
    fn hashes_are_those_of_their_standards() {
        // RFC 1321 appendix A.5, FIPS 180 examples.
        is("'' | md5", "d41d8cd98f00b204e9800998ecf8427e");
        is("'message digest' | md5", "f96b697d7cb7938d525a2f31aaf161d0");
        is("'abc' | sha1", "a9993e364706816aba3e25717850c26c9cd0d89d");
        is("'abc' | sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        is(
            "'abc' | sha512",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
        is("'abc' | sha256(encoding='base64')", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        // RFC 7636 appendix B: the challenge of a verifier.
        is("'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' | sha256('base64url')", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn signatures_are_those_of_rfc_4231_and_rfc_2202() {
        is(
            "'Hi There' | hmac('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b', 'sha1', key_encoding='hex')",
            "b617318655057264e28bc0b6fb378c8ef146be00",
        );
        is(
            "'Hi There' | hmac('0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b', key_encoding='hex')",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        );
        is("'what do ya want for nothing?' | hmac('Jefe')", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        is(
            "'what do ya want for nothing?' | hmac('Jefe', 'sha384')",
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        );
        is(
            "'what do ya want for nothing?' | hmac('Jefe', algorithm='sha512')",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
        is(
            "'what do ya want for nothing?' | hmac('SmVmZQ==', key_encoding='base64', encoding='base64')",
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        );
    }

    #[test]
    fn the_key_of_an_aws_request_is_a_chain() {
        // The example of "Deriving the signing key" in the documentation of Signature Version 4.
        is(
            "'20120215' | hmac('AWS4' ~ 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY')",
            "969fbb94feb542b71ede6f87fe4d5fa29c789342b0f407474670f0c2489e0a0d",
        );
        let chain = "'aws4_request' | hmac('iam' | hmac('us-east-1' | hmac('20120215' | hmac('AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'), key_encoding='hex'), key_encoding='hex'), key_encoding='hex')";
        is(chain, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    }

    #[test]
    fn a_word_that_does_not_exist_is_found_while_parsing_with_the_nearest_one() {
        for (source, why, at) in [
            ("x | sha256(encoding='bas64')", "there is no encoding `bas64`; the nearest is `base64`", 20..27),
            ("x | hmac(k, 'SHA-256')", "there is no algorithm `SHA-256`; the nearest is `sha256`", 12..21),
            ("x | hmac(k, algorithm='md5')", "there are `sha1`, `sha256`, `sha384` and `sha512`", 22..27),
            ("x | hmac(k, key_encoding='bas64')", "the nearest is `base64`", 25..32),
            ("x | hmac(k, 256)", "`algorithm` is one of `sha1`, `sha256`, `sha384` and `sha512`, not the number 256", 12..15),
            ("x | map('sha1', 'bas64')", "`base64`", 16..23),
            ("x | hmac", "`hmac` needs `key`", 4..8),
            ("x | sha265", "the nearest is `sha256`", 4..10),
            ("totp(s, digits=12)", "`digits` is a whole number from 6 to 10, not the number 12", 15..17),
            ("jwt(c, k, 'HS265')", "the nearest is `HS256`", 10..17),
        ] {
            let error = parse_error(source);
            assert!(error.message.contains(why), "{source}: {}", error.message);
            assert_eq!(error.span, at, "{source}");
        }
    }

    #[test]
    fn a_computed_word_is_held_against_the_same_words() {
        for (source, why) in [
            ("'x' | hmac('k', 'sha' ~ 3)", "no algorithm `sha3`"),
            ("'x' | sha1('b' ~ 64)", "no encoding `b64`"),
            ("'x' | hmac('abc', key_encoding='hex')", "pairs of hexadecimal digits"),
            ("'x' | hmac('a?', key_encoding='base64')", "the key is not base64"),
            ("'x' | hmac(1)", "an argument is the number 1, not a string"),
            ("1 | md5", "the number 1 is neither a string nor bytes"),
        ] {
            assert!(eval_json(source, "{}").contains(why), "{source}: {}", eval_json(source, "{}"));
        }
    }
}
