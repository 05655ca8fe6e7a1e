//! Markdown of runbooks as HTML that a page may hold.
//!
//! What is written in Markdown comes from whoever writes probes and may quote anything: HTML in it is shown as text, links lead to
//! the web, to a mail address or to a place beside the page, images become links, and no attribute is needed that the pages'
//! content security policy refuses. The result is bounded, and cut where it would be longer.

use std::fmt;

use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Characters of HTML that are made, roughly: a runbook of 256 KiB in plain words becomes a little more than that.
const LONGEST: usize = 1 << 20;

/// What a tag counts for, in characters.
const TAG: usize = 24;

/// Where Markdown may link to, besides places beside the page.
const SCHEMES: [&str; 3] = ["https", "http", "mailto"];

/// HTML that holds nothing active, which templates show as it is (`|safe`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafeHtml(String);

impl fmt::Display for SafeHtml {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl SafeHtml {
    /// Draws Markdown (`CommonMark` with tables and struck text). Headings are two levels lower than they are written.
    pub fn from_markdown(text: &str) -> Self {
        let mut draw = Draw::default();
        for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
            if !draw.has_room() {
                break;
            }
            draw.take(event);
        }
        let mut drawn = String::new();
        html::push_html(&mut drawn, draw.finish().into_iter());
        Self(drawn)
    }
}

/// The events of the HTML, made from those of the Markdown.
#[derive(Default)]
struct Draw<'t> {
    events: Vec<Event<'t>>,
    length: usize,
    /// What ends what is open now.
    open: Vec<Event<'t>>,
    /// How many links are open around what comes now; a link in a link is none.
    links: usize,
}

impl<'t> Draw<'t> {
    fn has_room(&self) -> bool {
        self.length < LONGEST
    }

    fn take(&mut self, event: Event<'t>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Html(html) | Event::InlineHtml(html) => self.push(Event::Text(html)),
            other => self.push(other),
        }
    }

    fn push(&mut self, event: Event<'t>) {
        self.length += TAG
            + match &event {
                Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) => text.len(),
                _ => 0,
            };
        self.events.push(event);
    }

    fn start(&mut self, tag: Tag<'t>) {
        let tag = match tag {
            Tag::Link { dest_url, .. } => return self.link(&dest_url),
            Tag::Image { dest_url, .. } => {
                self.link(&dest_url);
                return self.push(Event::Text("image: ".into()));
            }
            Tag::Heading { level, .. } => {
                Tag::Heading { level: two_lower(level), id: None, classes: Vec::new(), attrs: Vec::new() }
            }
            // An alignment would be a `style`.
            Tag::Table(columns) => Tag::Table(vec![Alignment::None; columns.len()]),
            Tag::CodeBlock(_) => Tag::CodeBlock(CodeBlockKind::Indented),
            Tag::HtmlBlock => Tag::Paragraph,
            tag => tag,
        };
        self.open.push(Event::End(tag.to_end()));
        self.push(Event::Start(tag));
    }

    fn end(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Link | TagEnd::Image) {
            self.links -= 1;
        }
        if let Some(end) = self.open.pop() {
            self.push(end);
        }
    }

    fn link(&mut self, to: &str) {
        self.links += 1;
        let leads = self.links == 1 && may_lead_to(to);
        let nothing = || Event::InlineHtml(CowStr::Borrowed(""));
        let (start, end) = if leads {
            let start = format!("<a href=\"{}\" rel=\"noopener noreferrer\">", escaped(to));
            (Event::InlineHtml(start.into()), Event::InlineHtml(CowStr::Borrowed("</a>")))
        } else {
            (nothing(), nothing())
        };
        self.push(start);
        self.open.push(end);
    }

    /// All events; where there was no more room, everything is closed and the reader told.
    fn finish(mut self) -> Vec<Event<'t>> {
        if !self.has_room() {
            while let Some(end) = self.open.pop() {
                self.events.push(end);
            }
            let told = "The rest is too long to be shown here.";
            let paragraph = [Event::Start(Tag::Paragraph), Event::Text(CowStr::Borrowed(told)), Event::End(TagEnd::Paragraph)];
            self.events.extend(paragraph);
        }
        self.events
    }
}

fn two_lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

/// Whether a link may lead there: to the web, to a mail address, or to a place beside the page. Browsers leave out control
/// characters, take `\` for `/`, and take what begins with two of them for another host.
fn may_lead_to(url: &str) -> bool {
    if url.is_empty() || url.starts_with("//") || url.contains(|character: char| character.is_control() || character == '\\') {
        return false;
    }
    let before_path = url.split(['/', '?', '#']).next().unwrap_or_default();
    match before_path.trim_start().split_once(':') {
        Some((scheme, _)) => SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)),
        None => true,
    }
}

/// A text inside quotes of HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(markdown: &str) -> String {
        SafeHtml::from_markdown(markdown).to_string()
    }

    /// Names of the elements and attributes in a fragment, as a browser reads it.
    fn names(html: &str) -> (Vec<String>, Vec<String>) {
        use html5ever::tokenizer::{BufferQueue, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
        use std::cell::RefCell;

        #[derive(Default)]
        struct Names(RefCell<(Vec<String>, Vec<String>)>);
        impl TokenSink for Names {
            type Handle = ();

            fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
                if let Token::TagToken(tag) = token {
                    let mut names = self.0.borrow_mut();
                    names.0.push(tag.name.to_string());
                    names.1.extend(tag.attrs.iter().map(|attribute| format!("{}={}", &*attribute.name.local, &*attribute.value)));
                }
                TokenSinkResult::Continue
            }
        }
        let queue = BufferQueue::default();
        queue.push_back(html.into());
        let tokenizer = Tokenizer::new(Names::default(), TokenizerOpts::default());
        let _ = tokenizer.feed(&queue);
        tokenizer.end();
        tokenizer.sink.0.into_inner()
    }

    #[test]
    fn a_runbook_reads_as_it_is_meant() {
        let drawn = html(
            "# Feed\n\n1. look at [the board](https://grafana.example.com/d/1?a=1&b=2)\n2. restart `feed`\n\n## Who\n\n| who | when |\n|---|--:|\n| ann | day |\n\n```sh\nls < x\n```\n~~old~~ [more](other.md#x)",
        );
        for part in [
            "<h3>Feed</h3>",
            "<a href=\"https://grafana.example.com/d/1?a=1&amp;b=2\" rel=\"noopener noreferrer\">the board</a>",
            "<code>feed</code>",
            "<h4>Who</h4>",
            "<th>when</th>",
            "<pre><code>ls &lt; x",
            "<del>old</del>",
            "<a href=\"other.md#x\" rel=\"noopener noreferrer\">more</a>",
        ] {
            assert!(drawn.contains(part), "{part}: {drawn}");
        }
        assert!(html("###### deep").contains("<h6>deep</h6>"));
    }

    #[test]
    fn nothing_hostile_becomes_an_element_an_attribute_or_a_link() {
        let cases = [
            "<script>alert(1)</script>",
            "text <img src=x onerror=alert(1)> text",
            "<div onclick=alert(1)>\n\n[x](javascript:alert(1))\n\n</div>",
            "[x](JaVaScRiPt:alert(1))",
            "[x](<java\tscript:alert(1)>)",
            "[x](&#x6a;avascript&colon;alert(1))",
            "[x](< javascript:alert(1)>)",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x](vbscript:msgbox)",
            "[x](//evil.example.com/)",
            "[x](<\\\\evil.example.com>)",
            "![x](javascript:alert(1))",
            "<javascript:alert(1)>",
            "[r]\n\n[r]: javascript:alert(1) \"title\"",
            "[x](https://a.example.com/\"onmouseover=alert(1)//)",
            "[x](https://a.example.com 'a\" onmouseover=\"alert(1)')",
            "```\" onclick=\"alert(1)\nx\n```",
            "# x {onclick=alert(1) #id .class}",
            "| a |\n|:-:|\n| <b style=x>b</b> |",
            "<!-- comment --> <?php x ?> <![CDATA[ x ]]> <!DOCTYPE x>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "[<script>](https://a.example.com/)",
            "- [ ] a task",
        ];
        let known =
            ["a", "p", "h3", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "ul", "li", "del", "em", "strong"];
        for case in cases {
            let drawn = html(case);
            let (elements, attributes) = names(&drawn);
            assert!(elements.iter().all(|name| known.contains(&&**name)), "{case}: {drawn}");
            for attribute in attributes {
                let fine = attribute == "rel=noopener noreferrer" || attribute.starts_with("href=https://a.example.com");
                assert!(fine, "{case}: {attribute}: {drawn}");
            }
        }
    }

    #[test]
    fn an_image_is_a_link_and_a_link_in_a_link_is_none() {
        assert_eq!(
            html("![graph](https://a.example.com/g.png)").trim(),
            "<p><a href=\"https://a.example.com/g.png\" rel=\"noopener noreferrer\">image: graph</a></p>"
        );
        let nested = html("[![graph](https://a.example.com/g.png)](https://b.example.com/)");
        assert_eq!((nested.matches("<a ").count(), nested.matches("</a>").count()), (1, 1), "{nested}");
        assert!(nested.contains("href=\"https://b.example.com/\""), "{nested}");
    }

    #[test]
    fn what_is_made_to_be_large_or_deep_is_cut_and_closed() {
        let cell = "|a".repeat(2_000);
        let hostile = [
            "[".repeat(256 << 10),
            "![".repeat(128 << 10),
            "> ".repeat(128 << 10),
            "- ".repeat(128 << 10),
            "*a **b ".repeat(40_000),
            "`".repeat(256 << 10),
            "<a".repeat(128 << 10),
            "[a](b".repeat(50_000),
            "\"".repeat(256 << 10),
            format!("{cell}|\n{}|\n{}", "|-".repeat(2_000), "|\n".repeat(100_000)),
            "# ".to_owned() + &"a ".repeat(128 << 10),
        ];
        for case in hostile {
            let drawn = html(&case);
            assert!(drawn.len() < 8 * LONGEST, "{:.20}: {}", case, drawn.len());
            for (start, end) in [("<blockquote>", "</blockquote>"), ("<ul>", "</ul>"), ("<table>", "</table>"), ("<tr>", "</tr>")]
            {
                assert_eq!(drawn.matches(start).count(), drawn.matches(end).count(), "{start} {case:.20}");
            }
        }
        let long = html(&"> a\n\n".repeat(60_000));
        assert!(long.ends_with("<p>The rest is too long to be shown here.</p>\n"), "{}", &long[long.len() - 200..]);
    }
}
