//! The grammar of selectors. One more pseudo-class is a word in [`PSEUDO_CLASSES`] and an arm of [`Parser::pseudo_class`].

use crate::base::nearest;

use super::{AttributeTest, Chain, Combinator, Compound, Condition, CssSelector};

/// Bytes of a selector.
const LONGEST: usize = 1_000;

/// Compounds of a chain, which are gone through one within the other.
const MOST_COMPOUNDS: usize = 32;

const PSEUDO_CLASSES: [&str; 7] = ["empty", "first-child", "last-child", "not", "nth-child", "only-child", "root"];

pub(super) fn selector(source: &str) -> Result<CssSelector, String> {
    if source.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes"));
    }
    let mut parser = Parser { rest: source.trim() };
    let mut any = vec![parser.chain()?];
    while parser.take(',') {
        parser.spaces();
        any.push(parser.chain()?);
    }
    match parser.rest.chars().next() {
        None => Ok(CssSelector { any }),
        Some(other) => Err(format!("`{other}` is not expected there")),
    }
}

struct Parser<'s> {
    rest: &'s str,
}

impl<'s> Parser<'s> {
    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn spaces(&mut self) -> bool {
        let rest = self.rest.trim_start();
        let were_there = rest.len() < self.rest.len();
        self.rest = rest;
        were_there
    }

    fn chain(&mut self) -> Result<Chain, String> {
        let mut chain = Chain { first: self.compound()?, rest: Vec::new() };
        loop {
            let spaced = self.spaces();
            let combinator = match self.rest.chars().next() {
                Some('>') => Combinator::Child,
                Some('+') => Combinator::Next,
                Some('~') => Combinator::Later,
                None | Some(',') => return Ok(chain),
                Some(_) if spaced => Combinator::Inside,
                Some(_) => return Ok(chain),
            };
            if combinator != Combinator::Inside {
                self.rest = &self.rest[1..];
                self.spaces();
            }
            if chain.rest.len() + 1 == MOST_COMPOUNDS {
                return Err(format!("it has more than {MOST_COMPOUNDS} parts in a row"));
            }
            chain.rest.push((combinator, self.compound()?));
        }
    }

    fn compound(&mut self) -> Result<Compound, String> {
        let before = self.rest.len();
        let mut conditions = Vec::new();
        if !self.take('*')
            && let Some(name) = self.name()
        {
            conditions.push(Condition::Name(name.to_owned()));
        }
        loop {
            let condition = match self.rest.chars().next() {
                Some('#') => {
                    self.take('#');
                    let id = self.name().ok_or("an id has to follow `#`")?.to_owned();
                    Condition::Attribute { name: "id".into(), test: AttributeTest::Is(id), any_case: false }
                }
                Some('.') => {
                    self.take('.');
                    let class = self.name().ok_or("a class has to follow `.`")?.to_owned();
                    Condition::Attribute { name: "class".into(), test: AttributeTest::Word(class), any_case: false }
                }
                Some('[') => {
                    self.take('[');
                    self.attribute()?
                }
                Some(':') => {
                    self.take(':');
                    self.pseudo_class(&mut conditions)?
                }
                _ => break,
            };
            conditions.push(condition);
        }
        if self.rest.len() == before {
            let found = self.rest.chars().next().map_or_else(|| "its end".to_owned(), |found| format!("`{found}`"));
            return Err(format!("an element is expected, and there is {found}"));
        }
        Ok(Compound { conditions })
    }

    /// A name; of what CSS allows without escapes.
    fn name(&mut self) -> Option<&'s str> {
        let is_part = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_') || !character.is_ascii();
        let end = self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    /// After `[`.
    fn attribute(&mut self) -> Result<Condition, String> {
        self.spaces();
        let name = self.name().ok_or("the name of an attribute has to follow `[`")?.to_owned();
        self.spaces();
        if self.take(']') {
            return Ok(Condition::Attribute { name, test: AttributeTest::Exists, any_case: false });
        }
        let sign = self.rest.chars().next().filter(|sign| "~|^$*".contains(*sign));
        if let Some(sign) = sign {
            self.take(sign);
        }
        if !self.take('=') {
            return Err(format!("`]` or `=` has to follow `[{name}`"));
        }
        self.spaces();
        let value = self.value()?;
        self.spaces();
        let any_case = self.take('i') || self.take('I');
        self.spaces();
        if !self.take(']') {
            return Err(format!(
                "the `]` of `[{name}` is missing; a value with other than letters, digits, `-` and `_` needs quotes"
            ));
        }
        let value = if any_case { value.to_ascii_lowercase() } else { value };
        let test = match sign {
            None => AttributeTest::Is(value),
            Some('~') => AttributeTest::Word(value),
            Some('|') => AttributeTest::Dashed(value),
            Some('^') => AttributeTest::Begins(value),
            Some('$') => AttributeTest::Ends(value),
            Some(_) => AttributeTest::Contains(value),
        };
        Ok(Condition::Attribute { name, test, any_case })
    }

    fn value(&mut self) -> Result<String, String> {
        for quote in ['"', '\''] {
            if self.take(quote) {
                let (value, rest) = self.rest.split_once(quote).ok_or("a quote is not closed")?;
                self.rest = rest;
                return Ok(value.to_owned());
            }
        }
        self.name().map(str::to_owned).ok_or_else(|| "a value has to follow `=`".to_owned())
    }

    /// After `:`.
    fn pseudo_class(&mut self, conditions: &mut Vec<Condition>) -> Result<Condition, String> {
        let name = self.name().unwrap_or_default();
        match name {
            "empty" => Ok(Condition::Empty),
            "first-child" => Ok(Condition::Before(0)),
            "last-child" => Ok(Condition::Last),
            "only-child" => {
                conditions.push(Condition::Before(0));
                Ok(Condition::Last)
            }
            "root" => Ok(Condition::Root),
            "not" => {
                let mut inside = self.inside(name)?;
                let mut others = vec![inside.negated()?];
                while inside.take(',') {
                    inside.spaces();
                    others.push(inside.negated()?);
                }
                if inside.rest.is_empty() {
                    Ok(Condition::Not(others))
                } else {
                    Err("`:not(…)` takes one element, not several in a row".into())
                }
            }
            "nth-child" => match self.inside(name)?.rest {
                "odd" => Ok(Condition::EvenBefore(true)),
                "even" => Ok(Condition::EvenBefore(false)),
                number => match number.parse::<u32>().ok().and_then(|number| number.checked_sub(1)) {
                    Some(before) => Ok(Condition::Before(before)),
                    None => Err(format!("`:nth-child` takes a number from 1, `odd` or `even`, not `{number}`")),
                },
            },
            other => Err(match nearest(other, PSEUDO_CLASSES) {
                Some(near) => format!("there is no `:{other}`; the nearest is `:{near}`"),
                None => format!("there is no `:{other}`; there are `:{}`", PSEUDO_CLASSES.join("`, `:")),
            }),
        }
    }

    fn negated(&mut self) -> Result<Compound, String> {
        if self.rest.contains(":not") {
            return Err("`:not` within `:not` is not read".into());
        }
        let compound = self.compound()?;
        self.spaces();
        Ok(compound)
    }

    /// What stands in the brackets that follow.
    fn inside(&mut self, name: &str) -> Result<Self, String> {
        let brackets = self.rest.strip_prefix('(').and_then(|rest| {
            let (mut depth, mut quote) = (0_usize, None);
            for (at, character) in rest.char_indices() {
                match (quote, character) {
                    (Some(open), close) if open == close => quote = None,
                    (None, '\'' | '"') => quote = Some(character),
                    (None, '(') => depth += 1,
                    (None, ')') if depth == 0 => return Some((&rest[..at], &rest[at + 1..])),
                    (None, ')') => depth -= 1,
                    (Some(_) | None, _) => {}
                }
            }
            None
        });
        let (inside, rest) = brackets.ok_or_else(|| format!("`:{name}` needs brackets, and something in them"))?;
        self.rest = rest;
        Ok(Self { rest: inside.trim() })
    }
}
