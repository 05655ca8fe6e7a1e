//! Character references of HTML: what `&quot;`, `&#39;` and `&#x27;` stand for.
//!
//! Owns the names that escapers write: ASCII's signs and Latin-1
//! (<https://html.spec.whatwg.org/multipage/named-characters.html>).

/// Signs of ASCII that have a name.
const ASCII: [(&str, char); 38] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("apos", '\''),
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("grave", '`'),
    ("lcub", '{'),
    ("verbar", '|'),
    ("rcub", '}'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 \
    acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil \
    Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute \
    Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute \
    icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// The longest a reference may be without its `;`, leading zeros included.
const LONGEST: usize = 12;

/// The character that the reference at the start of `text` stands for, and how long that is. An ampersand that was escaped
/// again, as in `&amp;lt;`, is undone with it.
pub(super) fn decoded(text: &[u8]) -> Option<(char, usize)> {
    let mut at = 1;
    while text[at..].starts_with(b"amp;") {
        at += 4;
    }
    let end = text[at..].iter().take(LONGEST).position(|&byte| byte == b';');
    let named = end.and_then(|end| Some((letter(std::str::from_utf8(&text[at..at + end]).ok()?)?, at + end + 1)));
    named.or_else(|| (at > 1).then_some(('&', at)))
}

fn letter(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        return char::from_u32(hex.map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16)).ok()?);
    }
    let ascii = ASCII.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter);
    let latin = || (0xa0..).zip(LATIN_1.split_whitespace()).find(|(_, known)| *known == name).map(|(code, _)| code);
    ascii.or_else(|| char::from_u32(latin()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_by_name_and_by_number() {
        for (text, letter, length) in [
            ("&quot;x", '"', 6),
            ("&#39;", '\'', 5),
            ("&#0000039;", '\'', 10),
            ("&#x2f;", '/', 6),
            ("&#X2F;", '/', 6),
            ("&amp;amp;quot;", '"', 14),
            ("&amp;x", '&', 5),
            ("&yuml;", 'ÿ', 6),
            ("&nbsp;", '\u{a0}', 6),
        ] {
            assert_eq!(decoded(text.as_bytes()), Some((letter, length)), "{text}");
        }
        for text in ["&", "&x", "&unheard;", "&#;", "&#x110000;", "& amp;"] {
            assert_eq!(decoded(text.as_bytes()), None, "{text}");
        }
    }
}
