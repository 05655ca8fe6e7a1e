//! Secrets in every spelling, and texts that are no secrets.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

const KEY: &str = "-----BEGIN KEY-----\nMIIB/+x\"\\9&<é>'\r\n%3D=?\n-----END KEY-----\n";

fn redactor(secret: &str) -> Redactor {
    Redactor::new([&Secret::new(secret)])
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text of which each piece is spelled on its own.
fn each<T>(pieces: impl Iterator<Item = T>, spelling: impl Fn(T) -> String) -> String {
    pieces.map(spelling).collect()
}

fn percent(text: &str) -> String {
    each(text.bytes(), |byte| format!("%{byte:02X}"))
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// No eight characters of the secret's own in a row are left, and something stands in its place.
fn is_hidden(redactor: &Redactor, text: &str, why: &str) {
    let shown = redactor.redact(text);
    assert!(shown.starts_with("<<") && shown.ends_with(">>") && shown.contains(Redactor::MASK), "{why}: {shown}");
    let left = shown.trim_start_matches("<<").trim_end_matches(">>").replace(Redactor::MASK, "");
    assert!(left.chars().count() < 8, "{why}: `{left}` is left of `{text}`");
}

#[test]
fn a_secret_is_masked_in_each_of_its_spellings() {
    let redactor = redactor("p&ss word\"x");
    for spelling in ["p&ss word\"x", "p%26ss+word%22x", "p%26ss%20word%22x", "p&ss word\\\"x", "cCZzcyB3b3JkIng"] {
        assert_eq!(redactor.redact(&format!("<{spelling}>")), "<•••>", "{spelling}");
    }
}

#[test]
fn a_secret_inside_json_inside_a_string_is_masked_at_any_depth() {
    let redactor = redactor(KEY);
    let mut text = KEY.to_owned();
    for depth in 1..=6 {
        let quoted = json(&text);
        text = quoted[1..quoted.len() - 1].to_owned();
        is_hidden(&redactor, &format!("<<{text}>>"), &format!("{depth} times in a string"));
    }
    let every = each(KEY.encode_utf16(), |unit| format!("\\u{unit:04X}"));
    is_hidden(&redactor, &format!("<<{every}>>"), "each character as \\u");
    is_hidden(&redactor, &format!("<<{}>>", every.replace('\\', "\\\\")), "each character as \\u, in a string");
    is_hidden(&redactor, &format!("<<{}>>", json(KEY).trim_matches('"').replace('/', "\\/")), "with its slashes escaped");
}

#[test]
fn a_secret_is_masked_in_every_spelling_of_a_url_and_a_form() {
    let redactor = redactor(KEY);
    let form: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
    let all = percent(KEY);
    for (why, text) in [
        ("form", form.clone()),
        ("spaces as %20", form.replace('+', "%20")),
        ("every byte", all.clone()),
        ("every byte in lower case", all.to_lowercase()),
        ("encoded twice", all.replace('%', "%25")),
        ("encoded three times", all.replace('%', "%2525")),
    ] {
        is_hidden(&redactor, &format!("<<{text}>>"), why);
    }
    let mixed: String = KEY
        .bytes()
        .enumerate()
        .map(
            |(at, byte)| {
                if at % 2 == 0 && byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") }
            },
        )
        .collect();
    is_hidden(&redactor, &format!("<<{mixed}>>"), "some bytes encoded");
}

#[test]
fn a_secret_is_masked_in_html_and_in_html_in_json_in_a_url() {
    let redactor = redactor(KEY);
    let by_number = each(KEY.chars(), |letter| format!("&#{};", u32::from(letter)));
    let by_hex = each(KEY.chars(), |letter| format!("&#x{:X};", u32::from(letter)));
    for (why, text) in [
        ("named", html(KEY)),
        ("named, twice", html(&html(KEY))),
        ("with letters by name", html(KEY).replace('é', "&eacute;")),
        ("by number", by_number),
        ("by hexadecimal number", by_hex),
        ("html in json", json(&html(KEY)).trim_matches('"').to_owned()),
        ("json in html", html(&json(KEY)).replace("&quot;-----BEGIN", "-----BEGIN").replace("\\n&quot;", "\\n")),
        ("html in json in a url", percent(json(&html(KEY)).trim_matches('"'))),
        ("json that is careful with html", json(KEY).trim_matches('"').replace('&', "\\u0026").replace('<', "\\u003c")),
    ] {
        is_hidden(&redactor, &format!("<<{text}>>"), why);
    }
}

#[test]
fn a_secret_is_masked_in_base64_wherever_it_begins_and_in_hexadecimal_digits() {
    for secret in ["hunter22", "hunter222", "hunter2222", "a?>~ü=&%+/\\\""] {
        let redactor = redactor(secret);
        for (user, rest) in [("", ""), ("u", ""), ("us", "x"), ("use", "xy"), ("user:", "xyz"), ("admin:", ":x")] {
            let plain = format!("{user}{secret}{rest}");
            for text in [STANDARD.encode(&plain), URL_SAFE_NO_PAD.encode(&plain)] {
                let shown = redactor.redact(&text).into_owned();
                let left = shown.replace(Redactor::MASK, "");
                assert!(
                    shown.contains(Redactor::MASK) && left.len() <= (user.len() + rest.len()) * 4 / 3 + 4,
                    "{plain}: {shown}"
                );
                let in_url = percent(&text);
                assert!(redactor.redact(&in_url).contains(Redactor::MASK), "{plain}: {in_url}");
            }
        }
        let hex = each(secret.bytes(), |byte| format!("{byte:02x}"));
        assert_eq!(redactor.redact(&format!("<{hex}>")), "<•••>");
        assert_eq!(redactor.redact(&format!("<{}>", hex.to_uppercase())), "<•••>");
    }
}

#[test]
fn of_secrets_that_share_an_edge_neither_shows_its_rest() {
    let redactor = Redactor::new([&Secret::new("abcdefgh"), &Secret::new("fghijklm"), &Secret::new("bcde")]);
    assert_eq!(redactor.redact("<abcdefghijklm>"), "<•••>");
    assert_eq!(redactor.redact("<fghijklm+bcde>"), "<•••+•••>");
}

#[test]
fn a_text_without_secrets_is_left_alone() {
    for text in ["nothing here", r#"{"a":"\"x\" & \u00e4 %20 a+b"}"#, "", "%", "\\"] {
        assert!(matches!(redactor("hunter22").redact(text), Cow::Borrowed(shown) if shown == text), "{text}");
    }
}

#[test]
fn a_start_never_ends_with_a_part_of_a_secret() {
    let secret = "0123456789abcdef".repeat(8);
    let redactor = redactor(&secret);
    for spelled in [secret.clone(), percent(&secret), percent(&secret).replace('%', "%25"), json(&json(&secret))] {
        for before in (0..9_000).step_by(7) {
            let text = format!("{}{spelled}{}", "x".repeat(before), "y".repeat(20_000));
            let (shown, cut) = redactor.redact_start(&text, 1_024, TextKind::Text);
            assert!(cut && shown.len() <= 1_024, "{before}");
            assert!(shown.chars().all(|letter| "xy•".contains(letter) || "\\\"".contains(letter)), "{before}: {shown}");
        }
    }
    assert_eq!(redactor.redact_start("short", 1_024, TextKind::Text), ("short".to_owned(), false));
    assert_eq!(redactor.redact_start("shört", 3, TextKind::Text), ("sh".to_owned(), true));
    let only = redactor.redact_start(&secret.repeat(10_000), 1_024, TextKind::Text).0;
    assert!(only.chars().all(|letter| letter == '•'), "{only}");
}

#[test]
fn masks_stand_on_whole_characters_whatever_is_around_them() {
    let redactor = redactor("sécrét%");
    for text in ["äsécrét%ö", "ä%73%c3%a9cr%c3%a9t%25ö", "\\ud83d\\\\s\\u00e9cr\\u00E9t\\u0025ö"] {
        assert!(redactor.redact(text).contains(Redactor::MASK), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_and_no_secret_make_it_panic(secret in "\\PC{4,12}", text in "[\\\\%&+;#xu0-9a-fé😀\"n]{0,200}", most in 0_usize..64) {
        let redactor = redactor(&secret);
        let _ = redactor.redact(&text);
        let (start, _) = redactor.redact_start(&text, most, TextKind::Text);
        proptest::prop_assert!(start.len() <= most.max(Redactor::MASK.len()));
        let inside = format!("{text}{secret}{text}");
        proptest::prop_assert!(redactor.redact(&inside).contains(Redactor::MASK));
    }
}
