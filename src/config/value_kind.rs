//! Kinds of single values: the type each is read as, and the reasons for which a value of the right type is refused.
//!
//! A kind is a type without values, such as [`Duration`], that stands in the declaration of a key. Its [`Value::read`] is what
//! [`check`] holds a file against and what fills the fields that readers see, so that what was not complained about can be read.
//! A new kind is a variant of [`ValueKind`] with its words, a type here, an arm of [`check`] and its schema in `schema`. Kinds of several
//! values and of tables are in [`section`](super::section).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::calendar::{DateTimeValue, cron, date_time};
use super::declaration::ValueKind;
use super::diagnostic::nearest;
use super::mend;
use super::tree::{Data, Node, SourceSpan};
use super::value;

/// Why a value does not fit its kind.
#[derive(Debug)]
pub(super) enum ValueError {
    /// It is of another type.
    WrongType,
    /// It has the right type, but this is wrong with it.
    Invalid(String),
}

/// A kind, as a type.
pub(super) trait Value {
    /// The kind, for messages and the schema.
    const KIND: ValueKind;

    /// What such a value is read as.
    type Of<'t>;

    /// Reads a value, or says why it cannot be one.
    fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError>;
}

/// A kind whose default can be written down in a declaration as a `D`.
pub(super) trait Default<D>: Value {
    /// The value that the declaration means.
    fn default<'t>(written: D) -> Self::Of<'t>;
}

/// Words of a file and what each stands for.
pub(super) trait Words: Copy + Sized + 'static {
    /// The words, as files spell them.
    const WORDS: &'static [&'static str];
    /// What they stand for, in the same order.
    const MEANINGS: &'static [Self];
}

/// URL schemes, each with `://`.
pub(super) trait Schemes {
    /// The one that examples use first.
    const SCHEMES: &'static [&'static str];
}

/// Kinds that are written as strings and read by a function; what it refuses it refuses with what to do.
macro_rules! texts {
    ($($name:ident: $of:ty, $read:expr;)+) => {$(
        #[doc = concat!("As [`ValueKind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: ValueKind = ValueKind::$name;
            type Of<'t> = $of;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
                $read(node.as_text().ok_or(ValueError::WrongType)?).map_err(ValueError::Invalid)
            }
        }

        impl Default<&'static str> for $name {
            fn default<'t>(written: &'static str) -> Self::Of<'t> {
                $read(written).expect("declared defaults fit their kinds")
            }
        }
    )+};
}

texts! {
    Text: &'t str, Ok::<_, String>;
    Slug: &'t str, value::slug;
    Title: &'t str, value::title;
    Saying: &'t str, value::saying;
    Secret: &'t str, value::secret_name;
    Lint: super::Code, value::lint;
    Mailbox: &'t str, value::mailbox;
    Duration: std::time::Duration, value::duration;
    SocketAddress: std::net::SocketAddr, |text: &str| text.parse().map_err(|_| must_be(&ValueKind::SocketAddress));
    Address: std::net::SocketAddr, value::address;
    Ip: std::net::IpAddr, |text: &str| text.parse().map_err(|_| must_be(&ValueKind::Ip));
    Cron: croner::Cron, cron;
    Timezone: chrono_tz::Tz, value::timezone;
}

/// Kinds that are handed on with the place where they are written, because reading them goes on there.
macro_rules! nodes {
    ($($name:ident: $check:expr;)+) => {$(
        #[doc = concat!("As [`ValueKind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: ValueKind = ValueKind::$name;
            type Of<'t> = &'t Node<'t>;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
                $check(node).map(|()| node)
            }
        }
    )+};
}

nodes! {
    Template: |node: &Node<'_>| node.as_text().map(drop).ok_or(ValueError::WrongType);
    Expression: not_empty;
    Condition: not_empty;
    ForEach: not_empty;
    Glob: |node: &Node<'_>| value::glob(node.as_text().ok_or(ValueError::WrongType)?).map_err(ValueError::Invalid);
    Json: |_: &Node<'_>| Ok(());
    Scalar: |node: &Node<'_>| match node.data {
        Data::Text(_) | Data::Integer(_) | Data::Float(_) | Data::Bool(_) => Ok(()),
        Data::Datetime(_) | Data::List(_) | Data::Table(_) => Err(ValueError::WrongType),
    };
}

/// A file's path, relative to the file it is written in.
#[derive(Debug)]
pub(super) enum File {}

/// The path of a file, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePath<'t> {
    pub(super) text: &'t str,
    pub(super) span: SourceSpan<'t>,
}

impl FilePath<'_> {
    /// The path as it is meant beside the file it is written in.
    pub(super) fn resolved(self) -> PathBuf {
        self.span.file.path().parent().unwrap_or(Path::new("")).join(self.text)
    }
}

impl Value for File {
    const KIND: ValueKind = ValueKind::File;
    type Of<'t> = FilePath<'t>;

    fn read<'t>(node: &'t Node<'t>) -> Result<FilePath<'t>, ValueError> {
        not_empty(node)?;
        node.as_text().map(|text| FilePath { text, span: node.span }).ok_or(ValueError::WrongType)
    }
}

/// Where a runbook is.
#[derive(Debug)]
pub(super) enum Runbook {}

/// A runbook's place, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunbookPlace<'t> {
    /// A URL of the web.
    Url(&'t str),
    /// A file of Markdown.
    File(FilePath<'t>),
}

impl Value for Runbook {
    const KIND: ValueKind = ValueKind::Runbook;
    type Of<'t> = RunbookPlace<'t>;

    fn read<'t>(node: &'t Node<'t>) -> Result<RunbookPlace<'t>, ValueError> {
        let text = node.as_text().ok_or(ValueError::WrongType)?;
        if text.contains("://") {
            value::url(text, &["https://", "http://"]).map_err(ValueError::Invalid)?;
            return Ok(RunbookPlace::Url(text));
        }
        value::markdown_below(text).map_err(ValueError::Invalid)?;
        Ok(RunbookPlace::File(FilePath { text, span: node.span }))
    }
}

fn not_empty(node: &Node<'_>) -> Result<(), ValueError> {
    match node.as_text() {
        Some("") => Err(ValueError::Invalid("it is empty".into())),
        Some(_) => Ok(()),
        None => Err(ValueError::WrongType),
    }
}

/// Kinds that are more than one type of TOML, or none that is a string.
macro_rules! others {
    ($($name:ident: $of:ty, $read:expr $(, default $written:ty => $default:expr)?;)+) => {$(
        #[doc = concat!("As [`ValueKind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: ValueKind = ValueKind::$name;
            type Of<'t> = $of;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
                $read(&node.data)
            }
        }

        $(impl Default<$written> for $name {
            fn default<'t>(written: $written) -> Self::Of<'t> {
                $default(written)
            }
        })?
    )+};
}

others! {
    Bool: bool, |data: &Data<'_>| match data {
        Data::Bool(truth) => Ok(*truth),
        _ => Err(ValueError::WrongType),
    }, default bool => |truth| truth;
    Size: usize, |data: &Data<'_>| match data {
        Data::Integer(_) | Data::Text(_) => value::size(data).map_err(ValueError::Invalid),
        _ => Err(ValueError::WrongType),
    }, default &'static str => |text: &'static str| value::size(&Data::Text(text.into())).expect("declared defaults fit their kinds");
    Share: f64, |data: &Data<'_>| match data {
        Data::Integer(_) | Data::Float(_) | Data::Text(_) => value::share(data).map_err(ValueError::Invalid),
        _ => Err(ValueError::WrongType),
    }, default u32 => f64::from;
    DurationOrFalse: Option<std::time::Duration>, |data: &Data<'_>| match data {
        Data::Bool(false) => Ok(None),
        Data::Bool(true) => Err(ValueError::Invalid(must_be(&ValueKind::DurationOrFalse))),
        Data::Text(text) => value::duration(text).map(Some).map_err(ValueError::Invalid),
        _ => Err(ValueError::WrongType),
    };
    Redirects: crate::plan::Redirects, |data: &Data<'_>| match data {
        Data::Bool(false) => Ok(crate::plan::Redirects::Off),
        Data::Bool(true) => Err(ValueError::Invalid(must_be(&ValueKind::Redirects))),
        Data::Integer(most) => match u32::try_from(*most) {
            Ok(most @ 0..=50) => Ok(crate::plan::Redirects::Follow(most)),
            _ => Err(ValueError::Invalid(must_be(&ValueKind::Redirects))),
        },
        _ => Err(ValueError::WrongType),
    };
    Moment: DateTimeValue, |data: &Data<'_>| match data {
        Data::Datetime(text) => date_time(text).map_err(ValueError::Invalid),
        Data::Text(text) => date_time(text).map_err(ValueError::Invalid),
        _ => Err(ValueError::WrongType),
    };
}

/// An integer of a range that begins with 1 or later.
#[derive(Debug)]
pub(super) enum Integer<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Value for Integer<MIN, MAX> {
    const KIND: ValueKind = ValueKind::Integer { min: MIN as i64, max: MAX as i64 };
    type Of<'t> = NonZeroU32;

    fn read<'t>(node: &'t Node<'t>) -> Result<NonZeroU32, ValueError> {
        integer(node, MIN.into(), MAX.into())
    }
}

impl<const MIN: u32, const MAX: u32> Default<u32> for Integer<MIN, MAX> {
    fn default<'t>(written: u32) -> Self::Of<'t> {
        NonZeroU32::new(written).expect("declared defaults fit their kinds")
    }
}

/// One of the words of `W`.
#[derive(Debug)]
pub(super) struct Choice<W>(W);

impl<W: Words> Value for Choice<W> {
    const KIND: ValueKind = ValueKind::Choice(W::WORDS);
    type Of<'t> = W;

    fn read<'t>(node: &'t Node<'t>) -> Result<W, ValueError> {
        word(node, W::WORDS).map(|at| W::MEANINGS[at])
    }
}

impl<W: Words> Default<&'static str> for Choice<W> {
    fn default<'t>(written: &'static str) -> Self::Of<'t> {
        let at = W::WORDS.iter().position(|word| *word == written);
        at.map(|at| W::MEANINGS[at]).expect("declared defaults fit their kinds")
    }
}

/// A URL with one of the schemes of `S`.
#[derive(Debug)]
pub(super) struct Url<S>(S);

/// A URL as it is written, and as it is understood.
#[derive(Debug)]
pub(super) struct ParsedUrl<'t> {
    pub(super) text: &'t str,
    pub(super) url: url::Url,
}

impl<S: Schemes> Value for Url<S> {
    const KIND: ValueKind = ValueKind::Url(S::SCHEMES);
    type Of<'t> = ParsedUrl<'t>;

    fn read<'t>(node: &'t Node<'t>) -> Result<ParsedUrl<'t>, ValueError> {
        let text = node.as_text().ok_or(ValueError::WrongType)?;
        let url = value::url(text, S::SCHEMES).map_err(ValueError::Invalid)?;
        Ok(ParsedUrl { text, url })
    }
}

impl<S: Schemes> Default<&'static str> for Url<S> {
    fn default<'t>(written: &'static str) -> ParsedUrl<'t> {
        ParsedUrl { text: written, url: value::url(written, S::SCHEMES).expect("declared defaults fit their kinds") }
    }
}

fn integer(node: &Node<'_>, min: i64, max: i64) -> Result<NonZeroU32, ValueError> {
    let Data::Integer(number) = node.data else { return Err(ValueError::WrongType) };
    let fits = Some(number).filter(|number| (min..=max).contains(number)).and_then(|number| u32::try_from(number).ok());
    fits.and_then(NonZeroU32::new).ok_or_else(|| ValueError::Invalid(must_be(&ValueKind::Integer { min, max })))
}

/// Where in `words` a value is.
fn word(node: &Node<'_>, words: &'static [&'static str]) -> Result<usize, ValueError> {
    let text = node.as_text().ok_or(ValueError::WrongType)?;
    words.iter().position(|word| *word == text).ok_or_else(|| {
        ValueError::Invalid(match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => must_be(&ValueKind::Choice(words)),
        })
    })
}

/// What is written where a word is to be, and the word that was obviously meant.
pub(super) fn meant<'n>(kind: &ValueKind, node: &'n Node<'_>) -> Option<(&'n str, &'static str)> {
    let text = node.as_text()?;
    let meant = match kind {
        ValueKind::Choice(words) => mend::meant(text, words.iter().copied()),
        ValueKind::Timezone => mend::meant(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())),
        ValueKind::Lint => {
            let word = text.strip_prefix("lint::").unwrap_or(text);
            mend::meant(word, super::Code::ALL.iter().filter(|code| code.can_be_allowed()).filter_map(|code| code.lint()))
        }
        _ => None,
    };
    Some((text, meant?))
}

fn must_be(kind: &ValueKind) -> String {
    format!("it must be {}", kind.describe())
}

/// Holds one value against its kind. Kinds that hold others are of another type than a single value.
pub(super) fn check(kind: &ValueKind, node: &Node<'_>) -> Result<(), ValueError> {
    match kind {
        ValueKind::Text => Text::read(node).map(drop),
        ValueKind::Slug => Slug::read(node).map(drop),
        ValueKind::Title => Title::read(node).map(drop),
        ValueKind::Saying => Saying::read(node).map(drop),
        ValueKind::Template => Template::read(node).map(drop),
        ValueKind::Expression => Expression::read(node).map(drop),
        ValueKind::Condition => Condition::read(node).map(drop),
        ValueKind::ForEach => ForEach::read(node).map(drop),
        ValueKind::Duration => Duration::read(node).map(drop),
        ValueKind::DurationOrFalse => DurationOrFalse::read(node).map(drop),
        ValueKind::Moment => Moment::read(node).map(drop),
        ValueKind::Secret => Secret::read(node).map(drop),
        ValueKind::Lint => Lint::read(node).map(drop),
        ValueKind::Mailbox => Mailbox::read(node).map(drop),
        ValueKind::Size => Size::read(node).map(drop),
        ValueKind::Integer { min, max } => integer(node, *min, *max).map(drop),
        ValueKind::Share => Share::read(node).map(drop),
        ValueKind::Bool => Bool::read(node).map(drop),
        ValueKind::Choice(words) => word(node, words).map(drop),
        ValueKind::Url(schemes) => {
            value::url(node.as_text().ok_or(ValueError::WrongType)?, schemes).map(drop).map_err(ValueError::Invalid)
        }
        ValueKind::SocketAddress => SocketAddress::read(node).map(drop),
        ValueKind::Address => Address::read(node).map(drop),
        ValueKind::Ip => Ip::read(node).map(drop),
        ValueKind::Runbook => Runbook::read(node).map(drop),
        ValueKind::File => File::read(node).map(drop),
        ValueKind::Glob => Glob::read(node).map(drop),
        ValueKind::Cron => Cron::read(node).map(drop),
        ValueKind::Timezone => Timezone::read(node).map(drop),
        ValueKind::Redirects => Redirects::read(node).map(drop),
        ValueKind::Scalar => Scalar::read(node).map(drop),
        ValueKind::Json => Ok(()),
        ValueKind::List(_)
        | ValueKind::OneOrList(_)
        | ValueKind::Map(_)
        | ValueKind::Names(_)
        | ValueKind::Table(_)
        | ValueKind::TableOrFalse(_)
        | ValueKind::TableOr(..)
        | ValueKind::Tables(_)
        | ValueKind::TablesOr(..)
        | ValueKind::TablesOrOne(..)
        | ValueKind::OneOrMore(_)
        | ValueKind::Regions(_) => Err(ValueError::WrongType),
    }
}
