//! How a secret is spelled on its way through other formats, and the one form that all spellings of it have in common.
//!
//! Escapes have no end of spellings: JSON within JSON doubles its backslashes each time, a percent sign may be encoded again,
//! and any byte may be escaped though it need not be. So they are not listed. A text and the secrets are both brought into a
//! *common form* in which escapes are what they stand for, and are compared there. What cannot be undone in a text is listed
//! instead, by [`encodings`]: base64 and hexadecimal digits.
//!
//! The common form loses things (backslashes are gone, a line break is the letter of its escape), so that it may take for a
//! secret what is none. It never takes a spelling of a secret for something else. Another escape is an arm of [`DecodePass::step`].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;

use super::entity;

/// Layers of escapes within escapes of another kind that are undone; those of one kind are undone at any depth.
const LAYERS: usize = 4;

/// Something that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needle {
    pub(super) bytes: Vec<u8>,
    /// Whether the character before, or behind, also holds bits of the secret: base64 at an offset.
    pub(super) leans: (bool, bool),
}

impl Needle {
    pub(super) fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), leans: (false, false) }
    }
}

/// The spellings of a secret that no escape explains: base64 in both alphabets, wherever in the encoded text the secret
/// begins, and hexadecimal digits in both cases. Padding is not part of them.
pub(super) fn encodings(secret: &str) -> Vec<Needle> {
    let mut found = Vec::new();
    for offset in 0..3 {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(secret.as_bytes());
        let bits = padded.len() * 8;
        // Only characters that are the secret's alone; those at its edges hold bits of their neighbours, too.
        let own = (offset * 8).div_ceil(6)..bits / 6;
        let leans = (offset > 0, !bits.is_multiple_of(24));
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            found.push(Needle { bytes: text.as_bytes()[own.clone()].to_vec(), leans });
        }
    }
    let hex = HEXLOWER.encode(secret.as_bytes());
    found.extend([Needle::plain(hex.to_ascii_uppercase()), Needle::plain(hex)]);
    found
}

/// How URLs and forms usually spell a value. Only one with a percent sign needs it: of `a%`, encoded and with a digit behind it,
/// the common form would be something else.
pub(super) fn in_urls(value: &str) -> Vec<Needle> {
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let small = |part: &str| if part.starts_with('%') { part.to_ascii_lowercase() } else { part.to_owned() };
    let small: String = url::form_urlencoded::byte_serialize(value.as_bytes()).map(small).collect();
    [form.replace('+', "%20"), small.replace('+', "%20"), form, small].map(Needle::plain).to_vec()
}

/// Whether a text may have escapes, so that its common form differs from the text itself.
pub(super) fn has_escapes(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'\\' | b'%' | b'&' | b'+'))
}

/// A text in the common form.
#[derive(Debug, Default)]
pub(super) struct CommonForm {
    pub(super) bytes: Vec<u8>,
    /// Where in the text each byte begins; empty unless asked for.
    begins: Vec<usize>,
    length: usize,
}

impl CommonForm {
    /// The common form of a text. Takes time and space linear in the text's length.
    pub(super) fn of(text: &str) -> Self {
        Self::made(text, false)
    }

    /// The same, with the places in the text.
    pub(super) fn with_places(text: &str) -> Self {
        Self::made(text, true)
    }

    fn made(text: &str, places: bool) -> Self {
        let mut pass = DecodePass::over(text.as_bytes(), |at| at, places);
        for _ in 1..LAYERS {
            if !pass.again {
                break;
            }
            let DecodePass { bytes, begins, .. } = pass;
            pass = DecodePass::over(&bytes, |at| begins.get(at).copied().unwrap_or_default(), places);
        }
        Self { bytes: pass.bytes, begins: pass.begins, length: text.len() }
    }

    /// The bytes of the text that these bytes of the common form stand for.
    pub(super) fn place(&self, from: usize, to: usize) -> (usize, usize) {
        let begin = self.begins.get(from).copied().unwrap_or_default();
        let last = to.checked_sub(1).and_then(|last| self.begins.get(last)).copied().unwrap_or_default();
        // One escape may stand for several bytes, all of which begin where it does.
        let end = self.begins.get(to..).into_iter().flatten().find(|&&next| next > last);
        (begin, end.copied().unwrap_or(self.length))
    }
}

/// One pass over a text: every escape that stands there becomes what it stands for.
#[derive(Debug, Default)]
struct DecodePass {
    bytes: Vec<u8>,
    begins: Vec<usize>,
    /// Whether an escape stood for what may begin another one.
    again: bool,
}

impl DecodePass {
    fn over(text: &[u8], at: impl Fn(usize) -> usize, places: bool) -> Self {
        let mut pass = Self { bytes: Vec::with_capacity(text.len()), ..Self::default() };
        // Where what comes next begins: backslashes that are left out belong to what is behind them.
        let (mut here, mut begin) = (0, 0);
        while here < text.len() {
            let wrote = pass.bytes.len();
            let ordinary = text[here..].iter().take_while(|byte| !is_special(**byte)).count();
            if ordinary > 0 {
                pass.bytes.extend_from_slice(&text[here..here + ordinary]);
                here += ordinary;
                if places {
                    pass.begins.push(at(begin));
                    pass.begins.extend((here - ordinary + 1..here).map(&at));
                }
            } else {
                here = pass.step(text, here);
                if places {
                    pass.begins.resize(pass.bytes.len(), at(begin));
                }
            }
            if pass.bytes.len() > wrote {
                begin = here;
            }
        }
        pass
    }

    /// Takes one character or escape at `here` and says where the next one begins.
    fn step(&mut self, text: &[u8], here: usize) -> usize {
        let rest = &text[here..];
        match rest[0] {
            b'\\' => {
                let slashes = rest.iter().take_while(|&&byte| byte == b'\\').count();
                match unicode_escape(&rest[slashes..]) {
                    Some((letter, length)) => {
                        self.letter(letter);
                        here + slashes + length
                    }
                    // Of `\n` the letter stays, and a line break is that letter, too.
                    None => here + slashes,
                }
            }
            b'%' => {
                let again = rest[1..].chunks(2).take_while(|pair| *pair == b"25").count();
                // The last `25` may be what is encoded, not a percent sign that encodes.
                let found =
                    (0..=again).rev().find_map(|skip| Some((hex_byte(rest.get(1 + 2 * skip..3 + 2 * skip)?)?, 3 + 2 * skip)));
                let (byte, length) = found.unwrap_or((b'%', 1));
                self.again |= length > 1 && begins_escape(byte);
                self.byte(byte);
                here + length
            }
            b'&' => {
                if let Some((letter, length)) = entity::decoded(rest) {
                    self.letter(letter);
                    here + length
                } else {
                    self.byte(b'&');
                    here + 1
                }
            }
            byte => {
                self.byte(byte);
                here + 1
            }
        }
    }

    /// What an escape stands for.
    fn letter(&mut self, letter: char) {
        self.again |= u8::try_from(letter).is_ok_and(begins_escape);
        for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
            self.byte(byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            // In a form it is a space.
            b'+' => b' ',
            byte => byte,
        });
    }
}

fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | b'+' | 0x08..=0x0d)
}

/// The character of `uXXXX`, or of a pair of surrogates, and how long that is. `text` begins behind the backslashes.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    fn unit(text: &[u8]) -> Option<u32> {
        let digits = text.strip_prefix(b"u")?.get(..4)?;
        digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
    }
    let first = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    let slashes = text[5..].iter().take_while(|&&byte| byte == b'\\').count();
    let second = unit(&text[5 + slashes..]).filter(|second| slashes > 0 && (0xdc00..0xe000).contains(second))?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 10 + slashes))
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(text: &str) -> String {
        String::from_utf8(CommonForm::of(text).bytes).unwrap()
    }

    #[test]
    fn escapes_become_what_they_stand_for_at_any_depth() {
        for (text, expected) in [
            (r#"a\"b"#, r#"a"b"#),
            (r#"a\\\\\\\"b"#, r#"a"b"#),
            (r"a\nb", "anb"),
            ("a\nb", "anb"),
            (r"a\\u0026b", "a&b"),
            (r"\ud83d\ude00", "😀"),
            ("a%26b", "a&b"),
            ("a%2526b", "a&b"),
            ("a%25252fb", "a/b"),
            ("%25", "%"),
            ("100%", "100%"),
            ("a+b", "a b"),
            ("&quot;&#39;&#x2F;&amp;lt;&eacute;", "\"'/<é"),
            ("a&amp;b", "a&b"),
            ("a&b;c", "a&b;c"),
            (r"a\u0026quot;b", "a\"b"),
            (r"a%5Cu0026b", "a&b"),
        ] {
            assert_eq!(common(text), expected, "{text}");
        }
    }

    #[test]
    fn places_lead_back_to_the_whole_escape() {
        let text = r"x\\u00e4%26y";
        let common = CommonForm::with_places(text);
        assert_eq!(common.bytes, "xä&y".as_bytes());
        let places: Vec<&str> =
            [(0, 1), (1, 3), (3, 4), (4, 5)].map(|(from, to)| common.place(from, to)).map(|(a, b)| &text[a..b]).to_vec();
        assert_eq!(places, ["x", r"\\u00e4", "%26", "y"]);
    }

    #[test]
    fn foreign_bytes_of_any_kind_are_passed_over() {
        for text in
            ["\\", "\\u", "\\u12", "\\ud83d", "\\ud83d\\u", "%", "%2", "%25", "%252", "&", "&#", "&#x;", "&#99999999;", "&a"]
        {
            let made = CommonForm::with_places(text);
            assert_eq!(made.bytes.len(), made.begins.len(), "{text}");
        }
    }
}
