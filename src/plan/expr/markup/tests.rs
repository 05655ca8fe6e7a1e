//! What is selected from documents, what is refused, and what it costs.

use minijinja::Value;

use super::super::testing::{eval_json, here, parse_error};
use super::super::{Condition, Expression, within};
use super::*;

const MULTISTATUS: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav">
 <d:response><d:href>/cal/a.ics</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag>
  <c:calendar-data><![CDATA[BEGIN:VCALENDAR
SUMMARY:Tea & <cake>]]></c:calendar-data></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
 <d:response><d:href>/cal/b.ics</d:href><d:propstat><d:prop><d:getetag>"2"</d:getetag></d:prop>
  <d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
 <!-- the end --><entry xmlns="http://www.w3.org/2005/Atom" id="e&amp;1" rank="2"><id>x</id></entry><entry/>
</d:multistatus>"#;

const PAGE: &str = r#"<!doctype html><title>Log in</title><body class="dark wide">
<form id=login action="/session" method=post>
  <input type=hidden name=csrf value="a&amp;b==">
  <input name="user[name]" data-kind="text field"><input name=password type=password required>
  <p>Welcome,   <b>Ada</b>
     &copy; you<p class='hint first'>Second
  <button>Log in</button>
</form>
<table><tr><td>1<td>one<tr><td>2<td>two</table>
<ul><li>a<li>b<li>c</ul><svg><title>inside</title></svg><template><i>t</i></template>"#;

fn scope() -> Value {
    Value::from_pairs([
        ("xml", xml_document(MULTISTATUS).unwrap()),
        ("html", html_document(PAGE).unwrap()),
        ("href", Value::from("/cal/b.ics")),
        ("two", Value::from(2)),
    ])
}

fn is(source: &str, expected: &str) {
    let value = Expression::parse(source, here()).unwrap().eval(&scope());
    let shown = value.map_err(|error| error.message).and_then(|value| super::super::to_json(&value).map(|json| json.to_string()));
    assert_eq!(shown, Ok(expected.to_owned()), "{source}");
}

fn fails(source: &str, why: &str) {
    let error = Expression::parse(source, here()).unwrap().eval(&scope()).expect_err(source);
    assert!(error.message.contains(why), "{source}: {}", error.message);
}

#[test]
fn an_xpath_selects_texts_in_the_order_of_the_document() {
    is("xml | xpath('//d:response/d:href', d='DAV:')", r#"["/cal/a.ics","/cal/b.ics"]"#);
    is("xml | xpath('//x:href/text()', x='DAV:') | length", "2");
    is(
        "xml | xpath('/d:multistatus/d:response[1]//c:calendar-data', d='DAV:', c='urn:ietf:params:xml:ns:caldav') | first",
        r#""BEGIN:VCALENDAR\nSUMMARY:Tea & <cake>""#,
    );
    is("xml | xpath('//a:entry/@id | //a:entry/a:id', a='http://www.w3.org/2005/Atom')", r#"["e&1","x"]"#);
    is("xml | xpath('//d:getetag[contains(., \"2\")]/ancestor::d:response/d:href', d='DAV:')", r#"["/cal/b.ics"]"#);
    is("xml | xpath('//entry')", r#"[""]"#);
    is("xml | xpath('//*[local-name() = \"entry\"]') | length", "2");
    is("xml | xpath('//comment()')", r#"[" the end "]"#);
    is("xml | xpath('//d:missing', d='DAV:')", "[]");
    is("xml | xpath('//d:missing', d='DAV:') | first is undefined", "true");
}

#[test]
fn an_xpath_that_computes_gives_what_it_computes() {
    is("xml | xpath('count(//d:response)', d='DAV:')", "2");
    is("xml | xpath('sum(//@rank) div 4')", "0.5");
    is("xml | xpath('boolean(//entry)')", "true");
    is("xml | xpath('string(//d:href)', d='DAV:')", r#""/cal/a.ics""#);
    is("xml | xpath('normalize-space(//d:status[2])', d='DAV:')", r#""""#);
    is("xml | xpath('//@rank = $two', two=two)", "true");
    is("xml | xpath('string(//d:response[d:href = $href]//d:status)', d='DAV:', href=href)", r#""HTTP/1.1 404 Not Found""#);
    is("xml | xpath('number(//@rank)')", "2");
    fails("xml | xpath('number(\"x\")')", "no finite number");
    fails("xml | xpath('count(1)')", "expected a node-set");
    fails("xml | xpath('//d:a', d=two)", "the namespace of `d:` is the number 2, not a string");
    fails("xml | xpath('//a[. = $x]', x=[1])", "`$x` is a list of 1");
}

#[test]
fn a_text_is_read_where_it_is_given() {
    assert_eq!(eval_json("'<a><b>1</b><b>2</b></a>' | xpath('//b') | map('int') | sum", "{}"), "3");
    assert_eq!(eval_json("'<p>x' | css('p')", "{}"), r#"["x"]"#);
    for (source, why) in [
        ("'<a>' | xpath('//a')", "the text is no XML that can be read: "),
        ("5 | xpath('//a')", "the number 5 is neither a document nor a text"),
        ("[1] | css('a')", "a list of 1 is neither"),
    ] {
        assert!(eval_json(source, "{}").contains(why), "{source}: {}", eval_json(source, "{}"));
    }
    fails("xml | css('a')", "from `xml` it is `xpath`");
    fails("xml | length", "an XML document");
    fails("html ~ ''", "an HTML document has no place inside text");
    is("html | xpath('//input[@name = \"csrf\"]/@value') | first", r#""a&b==""#);
}

#[test]
fn a_selector_selects_texts_or_attributes() {
    is("html | css('form input[name=csrf]', 'value') | first", r#""a&b==""#);
    is("html | css('title')", r#"["Log in","inside"]"#);
    is("html | css('head > title, ul > li:nth-child(2)')", r#"["Log in","b"]"#);
    is("html | css('#login p')", r#"["Welcome, Ada © you","Second Log in"]"#);
    is("html | css('P.hint.first')", r#"["Second Log in"]"#);
    is("html | css('form', attribute='ACTION')", r#"["/session"]"#);
    is("html | css('input', 'type')", r#"["hidden","password"]"#);
    is("html | css('input[required]', 'name')", r#"["password"]"#);
    is("html | css('input[name=\"user[name]\"]', 'data-kind')", r#"["text field"]"#);
    is("html | css('[data-kind~=field]', 'name')", r#"["user[name]"]"#);
    is("html | css('[name^=pass], [name$=\"]\"], [name*=sr]', 'name')", r#"["csrf","user[name]","password"]"#);
    is("html | css('[method=POST i]') | length", "1");
    is("html | css('[method=POST]') | length", "0");
    is("html | css('input:not([type])', 'name')", r#"["user[name]"]"#);
    is("html | css('input:not([type], [name^=p])', 'name')", r#"["user[name]"]"#);
    is("html | css('tr:last-child td')", r#"["2","two"]"#);
    is("html | css('td:first-child')", r#"["1","2"]"#);
    is("html | css('li + li')", r#"["b","c"]"#);
    is("html | css('li:first-child ~ li:last-child')", r#"["c"]"#);
    is("html | css('li:nth-child(odd)')", r#"["a","c"]"#);
    is("html | css('tbody:only-child > tr:nth-child(1) > *')", r#"["1","one"]"#);
    is("html | css(':root > body', 'class')", r#"["dark wide"]"#);
    is("html | css('body.wide table td') | length", "4");
    is("html | css('input:empty') | length", "3");
    is("html | css('template i')", r#"["t"]"#);
    is("html | css('h1')", "[]");
}

#[test]
fn what_is_no_path_or_selector_is_found_while_parsing() {
    for (source, why, at) in [
        ("xml | xpath('//a[')", "is no XPath", 12..18),
        ("xml | xpath('//d:a')", "the prefix `d:` has no namespace: give it one with `d='…'`", 12..19),
        ("xml | xpath('//dav:a', dave='DAV:')", "given is `dave`", 12..21),
        ("xml | xpath('//a', d='DAV:')", "neither a prefix `d:` nor `$d`", 12..17),
        ("xml | xpath('//a[. = $x]')", "`$x` has no value: give it one with `x=…`", 12..25),
        ("xml | xpath('cuont(//a)')", "there is no function `cuont` in XPath 1.0; the nearest is `count`", 12..24),
        ("xml | xpath('matches(//a, 1)')", "no function `matches` in XPath 1.0", 12..29),
        ("xml | xpath('translate(//a, //b, //c)')", "are written out", 12..38),
        ("xml | xpath(path)", "an XPath is written out as a string here", 12..16),
        ("xml | xpath", "`xpath` takes one path", 6..11),
        ("xml | xpath('//d:a', d='x', d='y')", "`d` is given twice", 28..29),
        ("xml | xpth('//a')", "the nearest is `xpath`", 6..10),
        ("html | css('input[name=csrf')", "the `]` of `[name` is missing", 11..28),
        ("html | css('a[href=/x]')", "a value has to follow `=`", 11..23),
        ("html | css('a[href=x/y]')", "needs quotes", 11..24),
        ("html | css('li:first-chld')", "there is no `:first-chld`; the nearest is `:first-child`", 11..26),
        ("html | css('a:hover')", "there is no `:hover`; there are", 11..20),
        ("html | css('a > ')", "an element is expected, and there is its end", 11..17),
        ("html | css('a >> b')", "an element is expected, and there is `>`", 11..19),
        ("html | css('')", "an element is expected", 11..13),
        ("html | css('a:not(b c)')", "one element, not several in a row", 11..23),
        ("html | css('li:nth-child(2n)')", "takes a number from 1, `odd` or `even`, not `2n`", 11..29),
        ("html | css('a', atribute='href')", "the nearest is `attribute`", 16..24),
        ("html | css(sel)", "a CSS selector is written out", 11..14),
    ] {
        let error = parse_error(source);
        assert!(error.message.contains(why), "{source}: {}", error.message);
        assert_eq!(error.span, at, "{source}");
    }
}

#[test]
fn a_path_that_would_take_a_parser_too_deep_is_a_parse_error() {
    let deep = |open: &str, close: &str| format!("x | xpath('{}1{}')", open.repeat(200), close.repeat(200));
    let long = |part: &str| format!("x | xpath('1{}')", part.repeat(200));
    for source in [
        deep("(", ")"),
        deep("-", ""),
        deep("a[", "]"),
        long("|a"),
        long("+1"),
        long("="),
        long(" or a"),
        "x | css('a".to_owned() + &" a".repeat(100) + "')",
    ] {
        parse_error(&source);
    }
    assert!(parse_error(&format!("x | xpath('{}')", "a/".repeat(600))).message.contains("more than 1000 bytes"));
}

#[test]
fn what_could_grow_without_end_is_no_document() {
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><l>&b;</l>";
    let outside = "<!DOCTYPE l SYSTEM 'file:///etc/passwd'><l/>";
    let deep = |levels: usize| "<a>".repeat(levels) + &"</a>".repeat(levels);
    for (text, why) in [
        (laughs.to_owned(), "declares a document type"),
        (outside.to_owned(), "declares a document type"),
        ("<l>&unknown;</l>".to_owned(), "unknown"),
        ("not XML".to_owned(), ""),
        (String::new(), ""),
        ("<a></b>".to_owned(), ""),
        (deep(1_000), "nested more than 256 levels deep"),
        (deep(100_000), "nested more than 256 levels deep"),
        (" ".repeat(LARGEST + 1), "no more than 8388608 are read"),
    ] {
        let refused = xml_document(&text);
        assert!(matches!(&refused, Err(NoDocument::Because(because)) if because.contains(why)), "{why}: {refused:?}");
    }
    assert!(xml_document(&deep(200)).is_ok());
    for tangled in ["<div>".repeat(1_000), "<b a=1><i b=2><u>".repeat(20_000) + &"<p>".repeat(20_000)] {
        assert!(matches!(html_document(&tangled), Err(NoDocument::Because(_))), "{}", &tangled[..10]);
    }
    assert!(html_document("{\"no\": \"page\"}").is_ok());
    assert_eq!(html_document(" \n").unwrap_err(), NoDocument::Because("it is empty".into()));
}

#[test]
fn a_selection_costs_what_it_looks_at() {
    let rows = "<r><a x='1'>1</a></r>".repeat(5_000);
    let scope = Value::from_pairs([
        ("xml", xml_document(&format!("<t>{rows}</t>")).unwrap()),
        ("html", html_document(&format!("<table>{}</table>", "<tr><td class=x>1".repeat(5_000))).unwrap()),
    ]);
    let held = |source: &str| Condition::parse(source, here()).unwrap().judge(&scope).held;
    assert_eq!(held("xml | xpath('/t/r/a') | length == 5000"), Ok(true));
    assert_eq!(held("html | css('table td.x') | length == 5000"), Ok(true));
    for dear in [
        "xml | xpath('count(//a[count(//a) > 1])') > 1",
        "xml | xpath('//a = //r/b')",
        "xml | xpath('boolean(//a[. != //a])')",
        "xml | xpath('count(//a/following::a)') > 1",
        "xml | xpath('string-length(concat(/, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /, /)) > 1 and count(//*[string(/) = 1]) > 1')",
        "html | css('.y ~ tr ~ tr td, .z ~ tr td') | length > 1",
    ] {
        let held = held(dear);
        assert!(
            matches!(&held, Err(why) if why.contains("costs more than one evaluation may")) || held == Ok(false),
            "{dear}: {held:?}"
        );
    }
    let cheap = Expression::parse("xml | xpath('//a') | length", here()).unwrap();
    assert!(within(1_000, || cheap.eval(&scope).is_err()).is_none(), "it is stopped, and made anew elsewhere");
}
