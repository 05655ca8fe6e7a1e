//! JSON Web Tokens in the compact form of RFC 7515: made and signed, or read without asking who signed them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minijinja::Value;
use minijinja::value::ValueKind;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::super::arguments::{Arguments, text_in};
use super::super::budget::{Budget, MAX_TEXT, may_build_text};
use super::super::json_text::JsonText;
use super::super::rule::{Rule, Rules, none_of};
use super::super::value::{self, describe};
use super::{KEY_ENCODINGS, base64_bytes, key_bytes};

const ALGORITHMS: &[&str] = &["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"];

pub(in super::super) const JWT_RULES: Rules =
    &[("algorithm", Rule::OneOf(ALGORITHMS)), ("key_encoding", Rule::OneOf(KEY_ENCODINGS))];

/// What a signature with a private key costs: RSA takes a millisecond or two.
const KEY_PAIR_WORK: usize = 50_000;

/// A signed token of a map of claims.
pub(in super::super) fn jwt(arguments: &[Option<Value>], budget: &mut Budget) -> Result<Value, String> {
    let argument = |at: usize| arguments.get(at).and_then(Option::as_ref);
    let text = |at: usize, what: &str| {
        argument(at).map(|value| value.as_str().ok_or_else(|| format!("{what} is not a string"))).transpose()
    };
    let claims = argument(0).filter(|claims| claims.kind() == ValueKind::Map).ok_or("the claims are not a map")?;
    let key = text(1, "the key")?.ok_or("there is no key")?;
    budget.text(key.len())?;
    let algorithm = text(2, "the algorithm")?.unwrap_or("HS256");
    let mut header = vec![(Value::from("alg"), Value::from(algorithm)), (Value::from("typ"), Value::from("JWT"))];
    if let Some(more) = argument(3) {
        if more.kind() != ValueKind::Map {
            return Err(format!("the header is {}, not a map", describe(more)));
        }
        for name in value::items_of(more, budget)? {
            let value = more.get_item(&name).map_err(|error| error.to_string())?;
            header.push((name, value));
        }
    }
    let signed = [spelled(&super::super::container::map(header)?, budget)?, spelled(claims, budget)?].join(".");
    may_build_text(signed.len().checked_mul(2))?;
    let signature = signature(algorithm, key, text(4, "the key's encoding")?, signed.as_bytes(), budget)?;
    Ok(Value::from([signed, URL_SAFE_NO_PAD.encode(signature)].join(".")))
}

fn spelled(map: &Value, budget: &mut Budget) -> Result<String, String> {
    let mut text = JsonText::paid_by(MAX_TEXT, budget);
    text.value(map)?;
    Ok(URL_SAFE_NO_PAD.encode(text.finish()))
}

/// The signature of RFC 7518 and RFC 8037. Nothing of the key is in a message.
fn signature(algorithm: &str, key: &str, encoding: Option<&str>, signed: &[u8], budget: &mut Budget) -> Result<Vec<u8>, String> {
    budget.items(signed.len() / 16)?;
    let shared = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ if !ALGORITHMS.contains(&algorithm) => return Err(none_of("algorithm", algorithm, ALGORITHMS)),
        _ => {
            budget.items(KEY_PAIR_WORK)?;
            return private_signature(algorithm, key, signed);
        }
    };
    Ok(hmac::sign(&hmac::Key::new(shared, &key_bytes(key, encoding)?), signed).as_ref().to_vec())
}

fn private_signature(algorithm: &str, key: &str, signed: &[u8]) -> Result<Vec<u8>, String> {
    let no_pem = || format!("`{algorithm}` is signed with a private key in PEM, and the key is none");
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| no_pem())?;
    let unfit = |kind: &str| {
        format!(
            "the key is no {kind} private key that can be used for `{algorithm}`; \
             `openssl pkcs8 -topk8 -nocrypt` writes one in the form that can (PKCS#8)"
        )
    };
    let random = SystemRandom::new();
    match (algorithm, &der) {
        ("RS256", PrivateKeyDer::Pkcs8(_) | PrivateKeyDer::Pkcs1(_)) => {
            let pair = match &der {
                PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
                _ => RsaKeyPair::from_pkcs8(der.secret_der()),
            };
            let pair = pair.map_err(|_| unfit("RSA"))?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature).map_err(|_| unfit("RSA"))?;
            Ok(signature)
        }
        ("ES256", PrivateKeyDer::Pkcs8(der)) => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random);
            let signature = pair.map_err(|_| unfit("P-256"))?.sign(&random, signed).map_err(|_| unfit("P-256"))?;
            Ok(signature.as_ref().to_vec())
        }
        ("EdDSA", PrivateKeyDer::Pkcs8(der)) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|_| unfit("Ed25519"))?;
            Ok(pair.sign(signed).as_ref().to_vec())
        }
        (_, _) => Err(unfit(match algorithm {
            "RS256" => "RSA",
            "ES256" => "P-256",
            _ => "Ed25519",
        })),
    }
}

/// The claims of a token. The signature is not looked at: who has the token may have written it.
pub(in super::super) fn jwt_claims(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    may_build_text(Some(text.len()))?;
    budget.items(text.len() / 4)?;
    let parts: Vec<&str> = text.split('.').collect();
    let claims = match parts[..] {
        [_, claims, _] => claims,
        [_, _, _, _, _] => return Err("the token is encrypted (it has five parts), so that its claims cannot be read".into()),
        _ => return Err(format!("this is no JSON Web Token: it has {} parts with dots between them, not three", parts.len())),
    };
    let bytes = base64_bytes(claims).map_err(|_| "the claims of the token are not base64")?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(|_| "the claims of the token are not JSON")?;
    if !json.is_object() {
        return Err("the claims of the token are no JSON object".into());
    }
    Ok(value::from_json(&json))
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair as _, UnparsedPublicKey};

    use super::super::super::testing::{eval, eval_json};
    use super::*;

    /// A key in PEM.
    fn pem(der: &[u8]) -> String {
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            base64::engine::general_purpose::STANDARD.encode(der)
        )
    }

    fn scope(key: &str) -> String {
        serde_json::json!({ "key": key }).to_string()
    }

    #[test]
    fn a_token_is_made_of_claims_and_a_shared_key() {
        let source = "jwt({'sub': '1234567890', 'name': 'John Doe', 'iat': 1516239022}, 'your-256-bit-secret')";
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        assert_eq!(eval_json(source, "{}"), format!("\"{token}\""));
        assert_eq!(
            eval_json(&format!("'{token}' | jwt_claims"), "{}"),
            r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#
        );
        let header = "jwt({}, 'k', header={'kid': 'a1', 'typ': 'at+jwt'}) | split('.') | first | b64decode";
        assert_eq!(eval_json(header, "{}"), r#""{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"a1\"}""#);
    }

    #[test]
    fn signatures_are_those_of_rfc_7515_and_rfc_8037() {
        let mut budget = Budget::new();
        let mut sign = |algorithm: &str, key: &str, encoding: Option<&str>, signed: &str| {
            URL_SAFE_NO_PAD.encode(signature(algorithm, key, encoding, signed.as_bytes(), &mut budget).unwrap())
        };
        // RFC 7515 appendix A.1.
        let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        assert_eq!(sign("HS256", key, Some("base64"), signed), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        // RFC 8037 appendix A.4, its seed as PKCS#8 (RFC 8410).
        let seed = base64_bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let der = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec(), seed].concat();
        assert_eq!(
            sign("EdDSA", &pem(&der), None, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    /// The key of RFC 7515 appendix A.2 as PKCS#1 in base64.
    const RSA: &str = "\
        MIIEowIBAAKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+\
        SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2Ca\
        pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyu\
        XpoQIDAQABAoIBABKucaRpzQorw35SbEUAVx8dYXUdZOlJcHtiWQ+dC6V8ljxAHj/PLyzTveyI5QO/xkObCyjIL303l2cfUhPu2MFaJdjVzqACXuOrLot/\
        eSFvxjvqVidTtAZExqFRJ9mylUVAoLvhowVWmC1On95fZCXxTUtxNEG1Xcc7m0rtzJKs45J+N/V9DP1edYH6USyPSWGp6wuA+KgHRnKKVf9GRx80JQY7nV\
        NkL17eHoTWEwga+lwi0FEoW9Y7lDtWXYmKBWhUE+U8PGxlJf8f40493HDw1WRQ/aSLoS4QTp3rn7gYgeHEvfJdkkf0UMhlknlo53M09EFPdadQ4TlUbjqK\
        c50CgYEA4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/Py5PJdTJNPY8cQn7ouZ2KK\
        DcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUcCgYEAuQPEfgmVtjL0Uyyx88GZFF1fOunH3+7cepKmtH4pxhtCoHqpWmT8\
        YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD/YwD66t62wDmpe/HlB+TnBA+njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWd\
        cCgYAHAp9XcCSrn8wVkMVkKdb7DOX4IKjzdahm+ctDAJN4O/y7OW5FKebvUjdAIt2GuoTZ71iTG+7F0F+lP88jtjP4U4qe7VHoewl4MKOfXZKTe+YCS1Xb\
        NvfgwJ3Ltyl1OH9hWvu2yza7q+d5PCsDzqtm27kxuvULVeya+TEdAB1ijQKBgQCH/3r6YrVH/uCWGy6bzV1nGNOdjKc9tmkfOJmN54dxdixdpozCQ6U4Ox\
        Zrsj3FcOhHBsqAHvX2uuYjagqvo3cOj1TRqNocX40omfCCMx3bD1yPPf/6TI2XECva/ggqEY2mYzmIiA5LVVmc5nrybr+lssFKneeyxN2Wq93S0iJMdQKB\
        gCGHewxzoa1r8ZMD0LETNrToK423K377UCYqXfg5XMclbrjPbEC3YI1ZNqMtuhdBJqUnBi6tjKMF+34Xf0CUN8ncuXGO2CAYvO8PdyCixHX52ybaDjy1Ft\
        CE6yUXjoKNXKvUm7MWGsAYH6f4IegOetN5NvmUMFStCSkh7ixZLkN1";

    #[test]
    fn a_token_of_an_rsa_key_is_that_of_rfc_7515() {
        let der = base64_bytes(RSA).unwrap();
        let pkcs1 = pem(&der).replace("PRIVATE", "RSA PRIVATE");
        // RFC 5958: version, algorithm, and the key as it was.
        let head = b"\x30\x82\x04\xbd\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00\x04\x82";
        let length = u16::try_from(der.len()).unwrap();
        let mut pkcs8 = [&head[..], &length.to_be_bytes(), &der].concat();
        pkcs8[2..4].copy_from_slice(&(length + 22).to_be_bytes());
        let signed =
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        for key in [pkcs1, pem(&pkcs8)] {
            let signature = signature("RS256", &key, None, signed.as_bytes(), &mut Budget::new()).unwrap();
            assert_eq!(
                URL_SAFE_NO_PAD.encode(signature),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9\
                 uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB\
                 _eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            );
        }
    }

    #[test]
    fn a_token_of_a_curve_key_is_verified_by_its_public_key() {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        let token = eval("jwt({'sub': 'canary'}, key, 'ES256')", &scope(&pem(der.as_ref()))).unwrap();
        let (signed, signature) = token.as_str().unwrap().rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key());
        assert!(public.verify(signed.as_bytes(), &base64_bytes(signature).unwrap()).is_ok(), "{token}");
    }

    #[test]
    fn what_makes_no_token_is_said_without_the_key() {
        for (source, why) in [
            ("jwt('x', key)", "the claims are not a map"),
            ("jwt({}, 5)", "the key is not a string"),
            ("jwt({}, key, 'HS' ~ 1)", "there is no algorithm `HS1`"),
            ("jwt({}, key, 'RS256')", "a private key in PEM, and the key is none"),
            ("jwt({}, '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----', 'ES256')", "no P-256 private key"),
            ("jwt({}, key, header=[1])", "the header is a list of 1, not a map"),
            ("'a.b' | jwt_claims", "it has 2 parts"),
            ("'a.b.c.d.e' | jwt_claims", "encrypted"),
            ("'a.!.c' | jwt_claims", "not base64"),
            ("'a.YWJj.c' | jwt_claims", "not JSON"),
            ("'a.WzFd.c' | jwt_claims", "no JSON object"),
        ] {
            let shown = eval_json(source, &scope("hunter22hunter22"));
            assert!(shown.contains(why) && !shown.contains("hunter22"), "{source}: {shown}");
        }
    }
}
