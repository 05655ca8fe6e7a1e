//! The words of the declaration of what may be written: sections, keys, kinds of values, rules between keys.
//!
//! The tables made of these words, in [`keys`](super::keys), are the only list of keys there is: checking, JSON Schema and the
//! test of the reference documentation all read them. A new kind of value begins in [`value_kind`](super::value_kind).

/// A table of the configuration: which keys it has and what holds between them.
#[derive(Debug)]
pub struct Section {
    /// Its name in the JSON Schema.
    pub id: &'static str,
    /// What messages call it, such as "a step".
    pub title: &'static str,
    /// The keys.
    pub keys: &'static [Key],
    /// What holds between keys.
    pub rules: &'static [Rule],
    /// Keys that are known to come with a later version, and refused until then.
    pub later: &'static [&'static str],
}

/// A key, with everything the reference documentation has to say of it.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub kind: ValueKind,
    /// Whether it must be there.
    pub required: bool,
    /// What holds if it is not there, as TOML or in words; empty if nothing does.
    pub default: &'static str,
    /// One sentence on what it does.
    pub doc: &'static str,
}

/// Where to ask for a section. Steps have cleanups that take their keys from steps, so that the declaration of neither can hold the
/// other's.
pub type SectionOf = fn() -> &'static Section;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum ValueKind {
    /// A string.
    Text,
    /// A short name of letters, digits, `.`, `_` and `-`.
    Slug,
    /// A short name in one line.
    Title,
    /// A sentence in one line.
    Saying,
    /// A string with `{{ … }}` in it.
    Template,
    /// An expression that yields a value.
    Expression,
    /// An expression that must be true.
    Condition,
    /// `NAME in EXPRESSION`.
    ForEach,
    /// A positive duration such as "250ms" or "5m".
    Duration,
    /// A duration, or `false`.
    DurationOrFalse,
    /// A date and a time, with an offset or without: a string, or TOML's own.
    Moment,
    /// The name of a secret.
    Secret,
    /// The word of a lint that can be allowed.
    Lint,
    /// A mail address, with a person's name or without.
    Mailbox,
    /// Bytes: an integer, or a string such as "1MiB".
    Size,
    /// An integer in a range.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A share of one: a number from 0 to 1, or a percentage such as "99.5%".
    Share,
    /// A truth value.
    Bool,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A URL with one of some schemes.
    Url(&'static [&'static str]),
    /// An IP address and a port.
    SocketAddress,
    /// An IP address, with or without a port.
    Address,
    /// An IP address.
    Ip,
    /// A URL of the web, or a file of Markdown in the folder of the file it is named in, or below.
    Runbook,
    /// A file, relative to the file it is named in.
    File,
    /// A pattern of files, relative to the file it is in.
    Glob,
    /// A cron expression of five fields, or six with seconds first.
    Cron,
    /// A time zone of the IANA database.
    Timezone,
    /// How many redirects to follow, or `false`.
    Redirects,
    /// A string, an integer, a float or a truth value.
    Scalar,
    /// Anything but a date or time.
    Json,
    /// A list.
    List(&'static ValueKind),
    /// A list, or its only item.
    OneOrList(&'static ValueKind),
    /// A table of any keys.
    Map(&'static ValueKind),
    /// A table whose keys are names that expressions can use.
    Names(&'static ValueKind),
    /// A table of known keys.
    Table(SectionOf),
    /// A table of known keys, or `false`.
    TableOrFalse(SectionOf),
    /// A table of known keys, or a value of another kind.
    TableOr(SectionOf, &'static ValueKind),
    /// `[[…]]`, one or more.
    Tables(SectionOf),
    /// The same, where a table with the first key of the second section is of that one.
    TablesOr(SectionOf, SectionOf),
    /// `[[…]]`, or a value of another kind that stands for the only one.
    TablesOrOne(SectionOf, &'static ValueKind),
    /// `[…]` or `[[…]]`.
    OneOrMore(SectionOf),
    /// A list of names, or tables by name.
    Regions(SectionOf),
}

/// What holds between the keys of a section.
#[derive(Debug)]
pub enum Rule {
    /// Exactly one of these is there.
    ExactlyOne(&'static [&'static str]),
    /// At most one of these is there.
    AtMostOne(&'static [&'static str]),
    /// The first needs the second.
    Needs(&'static str, &'static str),
    /// Where the first is there, none of the others may be.
    Excludes(&'static str, &'static [&'static str]),
}

impl Section {
    /// The key by which a table is told to be of this section, where it may be of another one.
    pub(super) fn telling_key(&self) -> &'static str {
        self.keys.first().map_or("", |key| key.name)
    }

    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// A key that another section has as well; compiling fails if there is none of the name.
    pub(super) const fn taken(&self, name: &str) -> Key {
        let mut at = 0;
        while at < self.keys.len() {
            if same(self.keys[at].name, name) {
                return self.keys[at];
            }
            at += 1;
        }
        panic!("the section has no such key")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}

/// Whether two texts are the same, as far as that can be asked while compiling.
const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl ValueKind {
    /// The section whose tables a value of this kind holds.
    pub(super) fn section(&self) -> Option<&'static Section> {
        match self {
            Self::Table(section)
            | Self::TableOrFalse(section)
            | Self::TableOr(section, _)
            | Self::Tables(section)
            | Self::TablesOr(section, _)
            | Self::TablesOrOne(section, _)
            | Self::OneOrMore(section)
            | Self::Regions(section) => Some(section()),
            Self::List(item) | Self::OneOrList(item) | Self::Map(item) | Self::Names(item) => item.section(),
            Self::Text
            | Self::Slug
            | Self::Title
            | Self::Saying
            | Self::Template
            | Self::Expression
            | Self::Condition
            | Self::ForEach
            | Self::Duration
            | Self::DurationOrFalse
            | Self::Moment
            | Self::Secret
            | Self::Lint
            | Self::Mailbox
            | Self::Size
            | Self::Integer { .. }
            | Self::Share
            | Self::Bool
            | Self::Choice(_)
            | Self::Url(_)
            | Self::SocketAddress
            | Self::Address
            | Self::Ip
            | Self::Runbook
            | Self::File
            | Self::Glob
            | Self::Cron
            | Self::Timezone
            | Self::Redirects
            | Self::Scalar
            | Self::Json => None,
        }
    }

    /// The second section of a kind that has two.
    pub(super) fn other_section(&self) -> Option<&'static Section> {
        match self {
            Self::TablesOr(_, other) => Some(other()),
            _ => None,
        }
    }

    /// What is expected, for messages and the reference.
    pub fn describe(&self) -> String {
        match self {
            Self::Text | Self::Title | Self::Saying => "a string".into(),
            Self::Slug => "a name of letters, digits, `.`, `_` and `-`".into(),
            Self::Template => "a string, in which `{{ … }}` is evaluated".into(),
            Self::Expression => "a string that is an expression".into(),
            Self::Condition => "a string that is an expression to be true".into(),
            Self::ForEach => "a string such as \"item in items\"".into(),
            Self::Duration => "a duration such as \"250ms\" or \"5m\"".into(),
            Self::DurationOrFalse => "a duration such as \"4h\", or `false`".into(),
            Self::Moment => "a date and time such as \"2026-11-28T22:00:00Z\"".into(),
            Self::Secret => "the name of a secret of `[secrets]`".into(),
            Self::Lint => "the name of a lint such as \"chance-pages\"".into(),
            Self::Mailbox => "a mail address such as \"Canary <canary@example.com>\"".into(),
            Self::Size => "a size such as \"1MiB\", or bytes as an integer".into(),
            Self::Integer { min, max } if *max == i64::MAX => format!("an integer of {min} or more"),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Share => "a percentage such as \"99.5%\", or a number from 0 to 1".into(),
            Self::Bool => "`true` or `false`".into(),
            Self::Choice(words) => {
                format!("one of {}", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", "))
            }
            Self::Url(schemes) => format!("a URL that begins with {}", schemes.join(" or ")),
            Self::SocketAddress => "an address such as \"127.0.0.1:9464\"".into(),
            Self::Address => "an address such as \"127.0.0.1\" or \"127.0.0.1:8080\"".into(),
            Self::Ip => "an IP address such as \"192.0.2.1\"".into(),
            Self::Runbook => "a URL that begins with https:// or http://, or the path of a `.md` file beside this one".into(),
            Self::File => "the path of a file, relative to this one".into(),
            Self::Glob => "a pattern such as \"probes/*.toml\", relative to this file".into(),
            Self::Cron => "a cron expression such as \"0 */5 * * * *\"".into(),
            Self::Timezone => "a time zone such as \"Europe/Berlin\"".into(),
            Self::Redirects => "an integer from 0 to 50, or `false`".into(),
            Self::Scalar => "a string, a number or a boolean".into(),
            Self::Json => "any value but a date or time".into(),
            Self::List(item) => format!("a list, each item {}", item.describe()),
            Self::OneOrList(item) => format!("{}, or a list of such", item.describe()),
            Self::Map(item) | Self::Names(item) => format!("a table, each value {}", item.describe()),
            Self::Table(_) => "a table".into(),
            Self::TableOrFalse(_) => "a table, or `false`".into(),
            Self::TableOr(_, other) => format!("{}, or a table", other.describe()),
            Self::Tables(_) | Self::TablesOr(..) => "a list of tables".into(),
            Self::TablesOrOne(_, other) => format!("{}, or a list of tables", other.describe()),
            Self::OneOrMore(_) => "a table, or a list of tables".into(),
            Self::Regions(_) => "a list of names, or tables by name".into(),
        }
    }
}
