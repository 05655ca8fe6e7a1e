//! Text with `{{ expression }}` in it.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::source::Location;

use super::budget::{Budget, may_build_text};
use super::expression::EvalError;
use super::functions::Gives;
use super::syntax::{Node, NodeKind};
use super::value::{describe, sequence, text_of};
use super::{Expression, Given, ParseError, Use};

/// Where a template's text ends up; decides which characters a captured value may not bring along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A URL: captured `/ ? #`, spaces and line breaks would break out of their segment.
    Url,
    /// A header value: line breaks would add headers.
    Header,
    /// A body or a name: anything goes.
    Text,
}

/// Names whose values are the operator's own and never come from a target.
const TRUSTED: [&str; 4] = ["run", "cell", "region", "secret"];

/// The name under which secrets are read.
const SECRET: &str = "secret";

/// The name of an attempt's number.
const ATTEMPT: &str = "attempt";

/// Literal text and expressions in turn.
#[derive(Debug, Clone)]
pub struct Template {
    source: Arc<str>,
    location: Location,
    parts: Vec<Piece>,
    /// Whether something it reads is a secret or a credential.
    private: bool,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal {
        text: Arc<str>,
        /// Where it begins in the template, in bytes.
        at: usize,
    },
    Expression {
        expression: Expression,
        /// Where its text begins in the template, in bytes.
        at: usize,
        /// Whether everything it reads is the operator's own.
        trusted: bool,
        /// Whether something that it reads is a secret, or made of one.
        private: bool,
    },
}

impl Piece {
    fn at(&self) -> usize {
        match self {
            Self::Literal { at, .. } | Self::Expression { at, .. } => *at,
        }
    }

    fn text(&self, scope: &Value) -> Result<String, EvalError> {
        match self {
            Self::Literal { text, .. } => Ok(text.to_string()),
            Self::Expression { expression, .. } => text_of(&expression.eval(scope)?).map_err(|message| EvalError { message }),
        }
    }
}

impl Template {
    /// Compiles `source`, which was written at `location`. Only `{{ … }}` is syntax.
    ///
    /// # Errors
    /// If an expression in it is none, or is not closed, or there is a `{%`.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = source[at..].find("{{").map(|open| at + open) {
            literal(source, at, open, &mut parts)?;
            let close = closing(source, open)?;
            let inner = &source[open + 2..close];
            let text = inner.trim();
            let start = open + 2 + (inner.len() - inner.trim_start().len());
            if inner.starts_with(['-', '+']) || inner.ends_with(['-', '+']) {
                let message = "there is no whitespace control; write `{{ … }}`, with a space before a sign".into();
                return Err(ParseError { message, span: open..close + 2 });
            }
            let expression = Expression::parse(text, location.clone()).map_err(|error| {
                let span = if text.is_empty() { open..close + 2 } else { start + error.span.start..start + error.span.end };
                ParseError { message: error.message, span }
            })?;
            parts.push(Piece::Expression { expression, at: start, trusted: false, private: false });
            at = close + 2;
        }
        literal(source, at, source.len(), &mut parts)?;
        let mut template = Self { source: source.into(), location, parts, private: false };
        template.with_trusted(|_| false);
        template.with_private(|_| false);
        Ok(template)
    }

    /// The same where its names stand for what is given.
    #[must_use]
    pub fn with_given(mut self, given: &Arc<Given>) -> Self {
        for part in &mut self.parts {
            if let Piece::Expression { expression, .. } = part {
                expression.given = Some(Arc::clone(given));
            }
        }
        self
    }

    /// Whether names in it stand for what is given.
    pub fn has_given(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Piece::Expression { expression, .. } if expression.given.is_some()))
    }

    /// Says which further names hold values of the operator's own, such as `[vars]` of the service: expressions that read
    /// nothing else may bring any characters into a URL. `run`, `cell`, `region` and `secret` always are.
    pub fn with_trusted(&mut self, is_trusted: impl Fn(&str) -> bool) {
        for part in &mut self.parts {
            if let Piece::Expression { expression, trusted, .. } = part {
                *trusted = expression.names().iter().all(|name| TRUSTED.contains(&&**name) || is_trusted(name));
            }
        }
    }

    /// Says which further names hold secrets or what was made of them. `secret` always does.
    pub fn with_private(&mut self, is_private: impl Fn(&str) -> bool) {
        self.private = false;
        for part in &mut self.parts {
            if let Piece::Expression { expression, private, .. } = part {
                // A parameter that is called a credential is one, whatever it is made of.
                let names = expression.names().into_iter().chain(expression.program.names());
                *private = names.into_iter().any(|name| name == SECRET || is_private(&name));
                self.private |= *private;
            }
        }
    }

    /// Whether its text is made of a secret, as far as the names tell that it reads.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Whether its value is drawn, so that it cannot be had again in the same scope.
    pub fn is_random(&self) -> bool {
        self.gives(&[Gives::Drawn])
    }

    fn gives(&self, ways: &[Gives]) -> bool {
        self.parts.iter().any(|part| match part {
            Piece::Literal { .. } => false,
            Piece::Expression { expression, .. } => gives(&expression.program.root, ways),
        })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether an attempt of a step may fill it in otherwise than the one before it: it is random or of the moment, or counts them.
    pub fn varies(&self) -> bool {
        self.gives(&[Gives::Drawn, Gives::OfTheMoment]) || self.counts_attempts()
    }

    /// Whether it reads the number of the attempt.
    pub fn counts_attempts(&self) -> bool {
        self.uses().any(|(_, each)| &*each.root == ATTEMPT)
    }

    /// What stands outside of `{{ … }}`, and where, in bytes.
    pub fn literals(&self) -> impl Iterator<Item = (usize, &str)> {
        self.parts.iter().filter_map(|part| match part {
            Piece::Literal { text, at } => Some((*at, &**text)),
            Piece::Expression { .. } => None,
        })
    }

    /// Every use of a name as it is written, in the order of the text, and where the expression begins that it stands in.
    pub fn uses(&self) -> impl Iterator<Item = (usize, &Use)> {
        let expressions = self.parts.iter().filter_map(|part| match part {
            Piece::Literal { .. } => None,
            Piece::Expression { expression, at, .. } => Some((*at, expression)),
        });
        expressions.flat_map(|(at, expression)| expression.uses().iter().map(move |each| (at, each)))
    }

    /// How many of its parts say the origin of the URL that it is; `None` if something of that comes from an answer.
    fn origin_parts(&self) -> Option<usize> {
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Piece::Literal { text, .. } => {
                    let behind_scheme = text.split_once("://").filter(|_| at == 0).map_or(&**text, |(_, rest)| rest);
                    if behind_scheme.contains(['/', '?', '#']) {
                        return Some(at + 1);
                    }
                }
                Piece::Expression { trusted: false, .. } => return None,
                Piece::Expression { trusted: true, .. } => {}
            }
        }
        Some(self.parts.len())
    }

    /// Whether it is a URL of which the operator wrote the origin: no answer can lead it elsewhere.
    pub fn has_own_origin(&self) -> bool {
        self.origin_parts().is_some()
    }

    /// Whether something private is in it beside the one name that says its origin: that may be a link which its target has signed.
    pub fn adds_private(&self) -> bool {
        let says_origin = self.parts.iter().position(|part| matches!(part, Piece::Expression { trusted: false, .. }));
        self.parts.iter().enumerate().any(|(at, part)| match part {
            Piece::Expression { expression, private: true, .. } => says_origin != Some(at) || expression.names().len() > 1,
            Piece::Expression { .. } | Piece::Literal { .. } => false,
        })
    }

    /// What is written of it up to the end of its origin, which tells URLs of one origin from those of another.
    pub fn origin_source(&self) -> &str {
        let next = self.origin_parts().and_then(|parts| self.parts.get(parts));
        &self.source[..next.map_or(self.source.len(), Piece::at)]
    }

    /// Its text up to the end of its origin, and a little more.
    ///
    /// # Errors
    /// An expression of that part has no value.
    pub fn render_origin(&self, scope: &Value) -> Result<String, EvalError> {
        let parts = &self.parts[..self.origin_parts().unwrap_or(0)];
        parts.iter().map(|part| part.text(scope)).collect()
    }

    /// Root names it refers to, sorted.
    pub fn names(&self) -> Vec<String> {
        self.collect(Expression::names)
    }

    /// Dotted paths it refers to, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.collect(Expression::paths)
    }

    fn collect(&self, of: impl Fn(&Expression) -> Vec<String>) -> Vec<String> {
        let expressions = self.parts.iter().filter_map(|part| match part {
            Piece::Literal { .. } => None,
            Piece::Expression { expression, .. } => Some(expression),
        });
        let mut found: Vec<String> = expressions.flat_map(of).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Its value: of the expression's own type if it is one expression and nothing else, text otherwise.
    ///
    /// # Errors
    /// If an expression in it has no value, or one that cannot stand in text (none, a list, a map).
    pub fn value(&self, scope: &Value) -> Result<Value, EvalError> {
        match self.parts.as_slice() {
            [Piece::Expression { expression, .. }] => expression.eval(scope),
            _ => self.render(scope, Destination::Text).map(Value::from),
        }
    }

    /// Its value or undefined, where it is one expression, as a part of another evaluation, which pays for it.
    pub(super) fn look(&self, scope: &Value, budget: &mut Budget) -> Result<Value, String> {
        if let [Piece::Expression { expression, .. }] = self.parts.as_slice() {
            return expression.evaluation(scope).part(budget);
        }
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Piece::Literal { text: literal, .. } => text.push_str(literal),
                Piece::Expression { expression, .. } => {
                    let add = |why: String| format!("`{{{{ {} }}}}`: {why}", expression.source());
                    text.push_str(&text_of(&expression.evaluation(scope).part(budget)?).map_err(add)?);
                }
            }
            may_build_text(Some(text.len()))?;
        }
        budget.text(text.len())?;
        Ok(Value::from(text))
    }

    /// Its texts: one for each item where it is one expression that yields a list, and else the one of [`render`](Self::render).
    ///
    /// # Errors
    /// If an expression in it has no value, or one that cannot stand in text (in a list: none, a list, a map); or if the texts
    /// together are larger than 1 MiB.
    pub fn texts(&self, scope: &Value) -> Result<Vec<String>, EvalError> {
        let [Piece::Expression { expression, .. }] = self.parts.as_slice() else {
            return self.render(scope, Destination::Text).map(|text| vec![text]);
        };
        let value = expression.eval(scope)?;
        let error = |why: String| EvalError { message: format!("`{{{{ {} }}}}`: {why}", expression.source()) };
        let is_list = matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
        let items = if is_list { sequence(&value, &mut Budget::new()).map_err(error)? } else { vec![value] };
        let mut texts = Vec::with_capacity(items.len());
        let mut bytes = 0_usize;
        for (at, item) in items.iter().enumerate() {
            let of_item = |why| if is_list { format!("at index {at}, {why}") } else { why };
            let text = text_of(item).map_err(|why| error(of_item(why)))?;
            bytes = bytes.saturating_add(text.len());
            may_build_text(Some(bytes)).map_err(|message| EvalError { message })?;
            texts.push(text);
        }
        Ok(texts)
    }

    /// Its text for `place`.
    ///
    /// # Errors
    /// If an expression in it has no value, one that cannot stand in text, or one that would break out of `place`; or if the
    /// text is larger than 1 MiB.
    pub fn render(&self, scope: &Value, place: Destination) -> Result<String, EvalError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Piece::Literal { text: literal, .. } => text.push_str(literal),
                Piece::Expression { expression, trusted, .. } => {
                    let value = expression.eval(scope)?;
                    let add = |why: String| EvalError { message: format!("`{{{{ {} }}}}`: {why}", expression.source()) };
                    let piece = text_of(&value).map_err(add)?;
                    let fits = match place {
                        Destination::Url if !trusted => fits_url(&text, &piece),
                        Destination::Header => fits_header(&piece),
                        Destination::Url | Destination::Text => Ok(()),
                    };
                    fits.map_err(|why| add(format!("{} {why}", describe(&value))))?;
                    text.push_str(&piece);
                }
            }
            may_build_text(Some(text.len())).map_err(|message| EvalError { message })?;
        }
        Ok(text)
    }
}

/// Whether a function is called in it that gives its value in one of these ways.
fn gives(node: &Node, ways: &[Gives]) -> bool {
    let mut found = matches!(&node.kind, NodeKind::Call(function, _) if ways.contains(&function.gives));
    node.each_child(&mut |child| found |= gives(child, ways));
    found
}

/// Adds the text between two offsets.
fn literal(source: &str, from: usize, to: usize, parts: &mut Vec<Piece>) -> Result<(), ParseError> {
    let text = &source[from..to];
    if let Some(at) = text.find("{%") {
        let message = "only `{{ }}` is syntax, there are no `{% … %}` statements; a value that depends on something is `{{ a if condition else b }}`";
        return Err(ParseError { message: message.into(), span: from + at..from + at + 2 });
    }
    if !text.is_empty() {
        parts.push(Piece::Literal { text: text.into(), at: from });
    }
    Ok(())
}

/// Where the `}}` is that closes the `{{` at `open`: not inside a string, and not the end of a map.
fn closing(source: &str, open: usize) -> Result<usize, ParseError> {
    let mut quote = None;
    let mut braces = 0_usize;
    let mut chars = source[open + 2..].char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(char),
            (None, '{') => braces += 1,
            (None, '}') if braces > 0 => braces -= 1,
            (None, '}') if chars.peek().is_some_and(|(_, next)| *next == '}') => return Ok(open + 2 + at),
            _ => {}
        }
    }
    Err(ParseError { message: "`{{` is not closed by `}}`".into(), span: open..source.len() })
}

/// Whether captured text stays where it is put in a URL of which `before` is written already.
fn fits_url(before: &str, piece: &str) -> Result<(), String> {
    let is_whole_url = |text| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    // What an answer links to is mostly a whole URL or a path of the same origin, which is joined to the device's `base`.
    if before.is_empty()
        && (piece.starts_with('/') || is_whole_url(piece))
        && !piece.contains(|char: char| char.is_whitespace() || char.is_control())
    {
        return Ok(());
    }
    let in_query = before.contains('?');
    let in_authority = before.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    let breaks_out = |char: char| {
        matches!(char, '/' | '?' | '#' | '\\')
            || char.is_whitespace()
            || char.is_control()
            || char == '&' && in_query
            || char == '@' && in_authority
    };
    if let Some(char) = piece.chars().find(|char| breaks_out(*char)) {
        return Err(format!("would break out of its place in the URL by its {char:?}; add `| urlencode`"));
    }
    let is_escape = |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    if piece.split('%').skip(1).any(|rest| !is_escape(rest)) {
        return Err("has a `%` that is no escape; add `| urlencode`".into());
    }
    if !in_query && matches!(piece, "" | "." | "..") {
        return Err("would make the URL name something else".into());
    }
    Ok(())
}

fn fits_header(piece: &str) -> Result<(), String> {
    match piece.chars().find(|char| matches!(char, '\r' | '\n' | '\0')) {
        Some(char) => Err(format!("would break out of its header by its {char:?}; add `| urlencode` or `| replace`")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{here, scope};
    use super::*;

    const SCOPE: &str = r#"{"id": "p1", "evil": "a/../b", "spaced": "a b", "lines": "a\r\nX: y", "n": 7, "f": 1.0, "ok": true, "none": null,
        "list": [1], "map": {"a": 1}, "big": 12345678901234567890, "link": "https://api.example/x?y=1", "empty": "", "dots": "..",
        "api": "http://127.0.0.1:80", "prefix": "v1/users", "run": {"id": "01 /?"}, "secret": {"token": "t/k"}, "amp": "a&b", "percent": "100%"}"#;

    fn template(source: &str) -> Template {
        Template::parse(source, here()).unwrap()
    }

    fn render(source: &str, place: Destination) -> Result<String, String> {
        template(source).render(&scope(SCOPE), place).map_err(|error| error.message)
    }

    #[test]
    fn values_inside_text_take_their_json_spelling() {
        assert_eq!(
            render("<{{ id }} {{ n }} {{ f }} {{ ok }} {{ big }}>", Destination::Text).unwrap(),
            "<p1 7 1.0 true 12345678901234567890>"
        );
    }

    #[test]
    fn null_lists_and_maps_have_no_place_inside_text() {
        for name in ["none", "list", "map"] {
            assert!(render(&format!("<{{{{ {name} }}}}>"), Destination::Text).is_err() || name == "none");
        }
        assert!(
            template("<{{ x }}>")
                .render(&scope(r#"{"x": null}"#), Destination::Text)
                .unwrap_err()
                .message
                .contains("null has no place")
        );
        assert_eq!(render("<{{ list | tojson }}>", Destination::Text).unwrap(), "<[1]>");
    }

    #[test]
    fn one_expression_and_nothing_else_keeps_its_type() {
        let value = |source| template(source).value(&scope(SCOPE)).unwrap();
        assert_eq!(value("{{ list }}"), Value::from(vec![1]));
        assert_eq!(value("{{n}}"), Value::from(7));
        assert_eq!(value("{{ n }} ").as_str(), Some("7 "));
        assert_eq!(value("plain").as_str(), Some("plain"));
        assert_eq!(value("").as_str(), Some(""));
    }

    #[test]
    fn one_expression_that_is_a_list_has_a_text_for_each_item_and_all_else_has_one() {
        let texts = |source: &str| template(source).texts(&scope(SCOPE)).map_err(|error| error.message);
        assert_eq!(texts("{{ list + [true, 'x/y', 1.5] }}").unwrap(), ["1", "true", "x/y", "1.5"]);
        assert_eq!(texts("{{ [] }}").unwrap(), [""; 0]);
        assert_eq!([texts("{{ n }}").unwrap(), texts("a {{ id }}").unwrap(), texts("").unwrap()], [["7"], ["a p1"], [""]]);
        for (source, why) in [
            ("{{ [1, none] }}", "`{{ [1, none] }}`: at index 1, null has no place inside text"),
            ("{{ [map] }}", "at index 0, a map has no place"),
            ("{{ [list] }}", "at index 0, a list of 1 has no place"),
            ("{{ map }}", "`{{ map }}`: a map has no place"),
            ("{{ none }}", "`{{ none }}`: null has no place"),
            ("a {{ list }}", "a list of 1 has no place"),
            ("{{ ['x' * 1000000] * 2 }}", "larger than"),
        ] {
            assert!(texts(source).unwrap_err().contains(why), "{source}: {}", texts(source).unwrap_err());
        }
    }

    #[test]
    fn undefined_is_an_error() {
        for source in ["{{ missing }}", "x {{ map.b }}"] {
            assert!(template(source).value(&scope(SCOPE)).unwrap_err().message.contains("is undefined"), "{source}");
        }
    }

    #[test]
    fn only_double_braces_are_syntax() {
        assert_eq!(render("{# not a comment #} { } }} %}", Destination::Text).unwrap(), "{# not a comment #} { } }} %}");
        assert_eq!(render("{{ '}}' }}{{ \"a}}b\" ~ {'k': {'l': 1}}.k.l }}", Destination::Text).unwrap(), "}}a}}b1");
        let error = Template::parse("a {% if x %}", here()).unwrap_err();
        assert_eq!(error.span, 2..4);
        for source in ["{{ a", "{{ }}", "{{- a }}", "{{ a -}}", "{{ 'a }}"] {
            let error = Template::parse(source, here()).unwrap_err();
            assert!(error.span.end <= source.len() && !error.span.is_empty(), "{source}");
        }
    }

    #[test]
    fn an_error_points_into_the_templates_own_text() {
        let source = "ü {{ id }} {{ id | uper }}";
        let error = Template::parse(source, here()).unwrap_err();
        assert_eq!(&source[error.span], "uper");
    }

    #[test]
    fn captured_text_cannot_break_out_of_a_url() {
        for name in ["evil", "spaced", "lines", "empty", "dots", "percent"] {
            let why = render(&format!("http://h/v1/{{{{ {name} }}}}"), Destination::Url).unwrap_err();
            assert!(why.contains("URL") || why.contains("escape"), "{name}: {why}");
        }
        assert!(render("http://h/?q={{ amp }}", Destination::Url).is_err());
        assert_eq!(render("http://h/v1/{{ evil | urlencode }}", Destination::Url).unwrap(), "http://h/v1/a%2F..%2Fb");
        assert_eq!(render("http://h/v1/{{ id }}/{{ n }}?q={{ empty }}", Destination::Url).unwrap(), "http://h/v1/p1/7?q=");
        assert_eq!(render("http://h/{{ evil }}", Destination::Text).unwrap(), "http://h/a/../b");
    }

    #[test]
    fn a_captured_link_may_be_the_start_of_a_url() {
        assert_eq!(render("{{ link }}", Destination::Url).unwrap(), "https://api.example/x?y=1");
        assert_eq!(render("{{ api }}/v1/{{ id }}", Destination::Url).unwrap(), "http://127.0.0.1:80/v1/p1");
        assert!(render("http://h/{{ link }}", Destination::Url).is_err());
    }

    #[test]
    fn the_operators_own_values_may_hold_anything_in_a_url() {
        assert_eq!(render("http://h/{{ run.id }}/{{ secret.token }}", Destination::Url).unwrap(), "http://h/01 /?/t/k");
        assert!(render("http://h/{{ prefix }}", Destination::Url).is_err());
        let mut trusting = template("http://h/{{ prefix }}/{{ evil }}");
        trusting.with_trusted(|name| name == "prefix");
        assert!(trusting.render(&scope(SCOPE), Destination::Url).unwrap_err().message.contains("evil"));
        let mut trusting = template("http://h/{{ prefix }}/{{ id }}");
        trusting.with_trusted(|name| name == "prefix");
        assert_eq!(trusting.render(&scope(SCOPE), Destination::Url).unwrap(), "http://h/v1/users/p1");
    }

    #[test]
    fn nothing_breaks_a_header_into_two() {
        assert!(render("x {{ lines }}", Destination::Header).unwrap_err().contains("header"));
        assert_eq!(render("x {{ evil }} {{ spaced }}", Destination::Header).unwrap(), "x a/../b a b");
    }

    #[test]
    fn names_and_paths_are_those_of_all_expressions() {
        let template = template("{{ secret.token }} {{ cell.platform }} {{ secret.other | lower }}");
        assert_eq!(template.names(), ["cell", "secret"]);
        assert_eq!(template.paths(), ["cell.platform", "secret.other", "secret.token"]);
    }

    #[test]
    fn a_rendered_text_is_bounded() {
        let text = "x".repeat(600_000);
        let scope = Value::from_pairs([("a", text)]);
        assert!(template("{{ a }}{{ a }}").render(&scope, Destination::Text).unwrap_err().message.contains("larger"));
    }

    #[test]
    fn a_missing_secret_keeps_the_words_of_whoever_knows() {
        let why = minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, "secret `token` is missing");
        let scope = Value::from_pairs([("secret", Value::from_pairs([("token", Value::from(why))]))]);
        for source in
            ["{{ secret.token }}", "Bearer {{ secret.token }}", "{{ secret.token | default('x') }}", "{{ [secret.token] }}"]
        {
            let error = template(source).value(&scope).unwrap_err();
            assert!(error.message.contains("secret `token` is missing"), "{source}: {}", error.message);
        }
    }
}
