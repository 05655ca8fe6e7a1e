//! Documents that are small and yet cost a reader more than their length: refused before anybody reads them.
//!
//! Readers compare each attribute of a tag with the others, each declared namespace with those around it, and each element of text style
//! that is not closed with the others. All of that grows with the square of what a document has in one place, and no page has much.

/// Attributes of one tag.
const MOST_ATTRIBUTES: usize = 500;

/// Namespaces that are declared in a document.
const MOST_NAMESPACES: usize = 1_000;

/// Elements of one style that are open at the same time.
const MOST_OPEN: i64 = 256;

/// Elements that HTML opens again in each block until they are closed ("formatting" in the standard, section 13.2.4.2).
const STYLES: [&str; 14] = ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// What stands in these is no markup.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

/// # Errors
/// There is more of something than any document has.
pub(super) fn refuse(text: &str, is_html: bool) -> Result<(), String> {
    let mut open = [0_i64; STYLES.len()];
    let mut namespaces = 0;
    let lowered = text.to_ascii_lowercase();
    let mut rest = lowered.as_str();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = behind(comment, "-->");
            continue;
        }
        if let Some(raw) = rest.strip_prefix("![CDATA[") {
            rest = behind(raw, "]]>");
            continue;
        }
        let closes = rest.starts_with('/');
        let named = rest.trim_start_matches('/');
        let name = &named[..named.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(named.len())];
        if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            continue;
        }
        if let Some(style) = STYLES.iter().position(|style| is_html && name == *style) {
            open[style] = if closes { (open[style] - 1).max(0) } else { open[style] + 1 };
            // Another link closes the one before it.
            if open[style] > MOST_OPEN && STYLES[style] != "a" {
                return Err(format!("more than {MOST_OPEN} elements `{name}` are open at the same time"));
            }
        }
        let inside = tag(&named[name.len()..]);
        let attributes = attributes(inside);
        if attributes > MOST_ATTRIBUTES {
            return Err(format!("a tag `{name}` has more than {MOST_ATTRIBUTES} attributes"));
        }
        namespaces += inside.matches("xmlns").count();
        if namespaces > MOST_NAMESPACES {
            return Err(format!("it declares more than {MOST_NAMESPACES} namespaces"));
        }
        rest = &named[name.len() + inside.len()..];
        if let Some(raw) = RAW.iter().find(|raw| is_html && !closes && name == **raw) {
            rest = rest.find(&format!("</{raw}")).map_or("", |end| &rest[end..]);
        }
    }
    Ok(())
}

/// What follows the first `end`.
fn behind<'t>(text: &'t str, end: &str) -> &'t str {
    text.split_once(end).map_or("", |(_, behind)| behind)
}

/// A tag's text behind its name, up to what closes it outside of quotes.
fn tag(text: &str) -> &str {
    let mut quote = None;
    let end = text.bytes().position(|byte| match (quote, byte) {
        (None, b'>') => true,
        (None, b'"' | b'\'') => {
            quote = Some(byte);
            false
        }
        (Some(opened), byte) if opened == byte => {
            quote = None;
            false
        }
        _ => false,
    });
    &text[..end.unwrap_or(text.len())]
}

/// Words outside of quotes.
fn attributes(inside: &str) -> usize {
    let (mut quote, mut in_word, mut words) = (None, false, 0);
    for byte in inside.bytes() {
        match quote {
            Some(opened) if opened == byte => quote = None,
            Some(_) => {}
            None if byte.is_ascii_whitespace() || byte == b'/' => in_word = false,
            None => {
                words += usize::from(!in_word);
                in_word = true;
                quote = (byte == b'"' || byte == b'\'').then_some(byte);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_cost_the_square_of_its_length_is_refused_and_a_long_page_is_not() {
        let long =
            format!("<html>{}</html>", "<p class='x'>some <b>bold</b> and <a href='?a=b&c=d'>linked</a> text".repeat(20_000));
        let data = format!("<div data-x='{}'>", "a = 1 ".repeat(5_000));
        let script = format!("<script>{}</SCRIPT>", "if (a<b) { x = 1 } ".repeat(5_000));
        for page in [&long, &data, &script] {
            assert_eq!(refuse(page, true), Ok(()));
        }
        let attributes = (0..600).fold(String::new(), |all, at| all + &format!(" a{at}=1"));
        for (tangled, why) in [
            (format!("<p{attributes}>"), "more than 500 attributes"),
            (format!("<p{}>", " a\n".repeat(5_000)), "more than 500 attributes"),
            ("<b a=0>".repeat(300), "more than 256 elements `b`"),
            ("<FONT>".repeat(300), "more than 256 elements `font`"),
            ("<a xmlns:q='z'/>".repeat(1_001), "more than 1000 namespaces"),
        ] {
            assert!(refuse(&tangled, true).is_err_and(|told| told.contains(why)), "{why}");
        }
    }
}
