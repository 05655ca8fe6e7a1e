//! Kinds of single values: for each what it is read as, and what else it is refused for than its type.
//!
//! A kind is a type without values, such as [`Duration`], that stands in the declaration of a key. Its [`Value::read`] is what
//! [`check`] holds a file against and what fills the fields that readers see, so that what was not complained about can be read.
//! A new kind is a variant of [`Kind`] with its words, a type here, an arm of [`check`] and its schema in `schema`. Kinds of several
//! values and of tables are in [`section`](super::section).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::calendar::{Written, cron, written};
use super::diagnostic::nearest;
use super::shape::Kind;
use super::tree::{Data, Node, Spot};
use super::value;

/// Why a value does not fit its kind.
#[derive(Debug)]
pub(super) enum Misfit {
    /// It is of another type.
    Type,
    /// It has the right type, but this is wrong with it.
    Value(String),
}

/// A kind, as a type.
pub(super) trait Value {
    /// The kind, for messages and the schema.
    const KIND: Kind;

    /// What such a value is read as.
    type Of<'t>;

    /// Reads a value, or says why it cannot be one.
    fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, Misfit>;
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
        #[doc = concat!("As [`Kind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: Kind = Kind::$name;
            type Of<'t> = $of;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, Misfit> {
                $read(node.as_text().ok_or(Misfit::Type)?).map_err(Misfit::Value)
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
    Secret: &'t str, value::secret_name;
    Mailbox: &'t str, value::mailbox;
    Duration: std::time::Duration, value::duration;
    SocketAddress: std::net::SocketAddr, |text: &str| text.parse().map_err(|_| must_be(&Kind::SocketAddress));
    Address: std::net::SocketAddr, value::address;
    Ip: std::net::IpAddr, |text: &str| text.parse().map_err(|_| must_be(&Kind::Ip));
    Cron: croner::Cron, cron;
    Timezone: chrono_tz::Tz, value::timezone;
}

/// Kinds that are handed on with the place where they are written, because reading them goes on there.
macro_rules! nodes {
    ($($name:ident: $check:expr;)+) => {$(
        #[doc = concat!("As [`Kind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: Kind = Kind::$name;
            type Of<'t> = &'t Node<'t>;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, Misfit> {
                $check(node).map(|()| node)
            }
        }
    )+};
}

nodes! {
    Template: |node: &Node<'_>| node.as_text().map(drop).ok_or(Misfit::Type);
    Expression: not_empty;
    Condition: not_empty;
    ForEach: not_empty;
    Glob: |node: &Node<'_>| value::glob(node.as_text().ok_or(Misfit::Type)?).map_err(Misfit::Value);
    Json: |_: &Node<'_>| Ok(());
    Scalar: |node: &Node<'_>| match node.data {
        Data::Text(_) | Data::Integer(_) | Data::Float(_) | Data::Bool(_) => Ok(()),
        Data::Datetime(_) | Data::List(_) | Data::Table(_) => Err(Misfit::Type),
    };
}

/// A file's path, relative to the file it is written in.
#[derive(Debug)]
pub(super) enum File {}

/// The path of a file, as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilePath<'t> {
    pub(super) text: &'t str,
    pub(super) spot: Spot<'t>,
}

impl FilePath<'_> {
    /// The path as it is meant beside the file it is written in.
    pub(super) fn resolved(self) -> PathBuf {
        self.spot.file.path().parent().unwrap_or(Path::new("")).join(self.text)
    }
}

impl Value for File {
    const KIND: Kind = Kind::File;
    type Of<'t> = FilePath<'t>;

    fn read<'t>(node: &'t Node<'t>) -> Result<FilePath<'t>, Misfit> {
        not_empty(node)?;
        node.as_text().map(|text| FilePath { text, spot: node.spot }).ok_or(Misfit::Type)
    }
}

fn not_empty(node: &Node<'_>) -> Result<(), Misfit> {
    match node.as_text() {
        Some("") => Err(Misfit::Value("it is empty".into())),
        Some(_) => Ok(()),
        None => Err(Misfit::Type),
    }
}

/// Kinds that are more than one type of TOML, or none that is a string.
macro_rules! others {
    ($($name:ident: $of:ty, $read:expr $(, default $written:ty => $default:expr)?;)+) => {$(
        #[doc = concat!("As [`Kind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Value for $name {
            const KIND: Kind = Kind::$name;
            type Of<'t> = $of;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, Misfit> {
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
        _ => Err(Misfit::Type),
    }, default bool => |truth| truth;
    Size: usize, |data: &Data<'_>| match data {
        Data::Integer(_) | Data::Text(_) => value::size(data).map_err(Misfit::Value),
        _ => Err(Misfit::Type),
    }, default &'static str => |text: &'static str| value::size(&Data::Text(text.into())).expect("declared defaults fit their kinds");
    Share: f64, |data: &Data<'_>| match data {
        Data::Integer(_) | Data::Float(_) | Data::Text(_) => value::share(data).map_err(Misfit::Value),
        _ => Err(Misfit::Type),
    }, default u32 => f64::from;
    DurationOrFalse: Option<std::time::Duration>, |data: &Data<'_>| match data {
        Data::Bool(false) => Ok(None),
        Data::Bool(true) => Err(Misfit::Value(must_be(&Kind::DurationOrFalse))),
        Data::Text(text) => value::duration(text).map(Some).map_err(Misfit::Value),
        _ => Err(Misfit::Type),
    };
    Redirects: crate::plan::Redirects, |data: &Data<'_>| match data {
        Data::Bool(false) => Ok(crate::plan::Redirects::Off),
        Data::Bool(true) => Err(Misfit::Value(must_be(&Kind::Redirects))),
        Data::Integer(most) => match u32::try_from(*most) {
            Ok(most @ 0..=50) => Ok(crate::plan::Redirects::Follow(most)),
            _ => Err(Misfit::Value(must_be(&Kind::Redirects))),
        },
        _ => Err(Misfit::Type),
    };
    Moment: Written, |data: &Data<'_>| match data {
        Data::Datetime(text) => written(text).map_err(Misfit::Value),
        Data::Text(text) => written(text).map_err(Misfit::Value),
        _ => Err(Misfit::Type),
    };
}

/// An integer of a range that begins with 1 or later.
#[derive(Debug)]
pub(super) enum Integer<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Value for Integer<MIN, MAX> {
    const KIND: Kind = Kind::Integer { min: MIN as i64, max: MAX as i64 };
    type Of<'t> = NonZeroU32;

    fn read<'t>(node: &'t Node<'t>) -> Result<NonZeroU32, Misfit> {
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
    const KIND: Kind = Kind::Choice(W::WORDS);
    type Of<'t> = W;

    fn read<'t>(node: &'t Node<'t>) -> Result<W, Misfit> {
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
pub(super) struct Link<'t> {
    pub(super) text: &'t str,
    pub(super) url: url::Url,
}

impl<S: Schemes> Value for Url<S> {
    const KIND: Kind = Kind::Url(S::SCHEMES);
    type Of<'t> = Link<'t>;

    fn read<'t>(node: &'t Node<'t>) -> Result<Link<'t>, Misfit> {
        let text = node.as_text().ok_or(Misfit::Type)?;
        let url = value::url(text, S::SCHEMES).map_err(Misfit::Value)?;
        Ok(Link { text, url })
    }
}

impl<S: Schemes> Default<&'static str> for Url<S> {
    fn default<'t>(written: &'static str) -> Link<'t> {
        Link { text: written, url: value::url(written, S::SCHEMES).expect("declared defaults fit their kinds") }
    }
}

fn integer(node: &Node<'_>, min: i64, max: i64) -> Result<NonZeroU32, Misfit> {
    let Data::Integer(number) = node.data else { return Err(Misfit::Type) };
    let fits = Some(number).filter(|number| (min..=max).contains(number)).and_then(|number| u32::try_from(number).ok());
    fits.and_then(NonZeroU32::new).ok_or_else(|| Misfit::Value(must_be(&Kind::Integer { min, max })))
}

/// Where in `words` a value is.
fn word(node: &Node<'_>, words: &'static [&'static str]) -> Result<usize, Misfit> {
    let text = node.as_text().ok_or(Misfit::Type)?;
    words.iter().position(|word| *word == text).ok_or_else(|| {
        Misfit::Value(match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => must_be(&Kind::Choice(words)),
        })
    })
}

fn must_be(kind: &Kind) -> String {
    format!("it must be {}", kind.describe())
}

/// Holds one value that is not a table or list against its kind.
pub(super) fn check(kind: &Kind, node: &Node<'_>) -> Result<(), Misfit> {
    match kind {
        Kind::Text => Text::read(node).map(drop),
        Kind::Slug => Slug::read(node).map(drop),
        Kind::Title => Title::read(node).map(drop),
        Kind::Template => Template::read(node).map(drop),
        Kind::Expression => Expression::read(node).map(drop),
        Kind::Condition => Condition::read(node).map(drop),
        Kind::ForEach => ForEach::read(node).map(drop),
        Kind::Duration => Duration::read(node).map(drop),
        Kind::DurationOrFalse => DurationOrFalse::read(node).map(drop),
        Kind::Moment => Moment::read(node).map(drop),
        Kind::Secret => Secret::read(node).map(drop),
        Kind::Mailbox => Mailbox::read(node).map(drop),
        Kind::Size => Size::read(node).map(drop),
        Kind::Integer { min, max } => integer(node, *min, *max).map(drop),
        Kind::Share => Share::read(node).map(drop),
        Kind::Bool => Bool::read(node).map(drop),
        Kind::Choice(words) => word(node, words).map(drop),
        Kind::Url(schemes) => value::url(node.as_text().ok_or(Misfit::Type)?, schemes).map(drop).map_err(Misfit::Value),
        Kind::SocketAddress => SocketAddress::read(node).map(drop),
        Kind::Address => Address::read(node).map(drop),
        Kind::Ip => Ip::read(node).map(drop),
        Kind::File => File::read(node).map(drop),
        Kind::Glob => Glob::read(node).map(drop),
        Kind::Cron => Cron::read(node).map(drop),
        Kind::Timezone => Timezone::read(node).map(drop),
        Kind::Redirects => Redirects::read(node).map(drop),
        Kind::Scalar => Scalar::read(node).map(drop),
        Kind::Json
        | Kind::List(_)
        | Kind::OneOrList(_)
        | Kind::Map(_)
        | Kind::Names(_)
        | Kind::Table(_)
        | Kind::TableOrFalse(_)
        | Kind::Tables(_)
        | Kind::OneOrMore(_)
        | Kind::Regions(_) => Ok(()),
    }
}
