//! `section!`: a table of the configuration, declared once.
//!
//! ```text
//! section! {
//!     /// `[heartbeat]`.
//!     Heartbeat as HeartbeatKeys: "heartbeat", "`heartbeat`" {      // the type of the section, that of its keys, id, title
//!         /// The dead-man's switch, asked with GET.                 // what schema, reference and messages say
//!         url: Template [required],
//!         /// How often.
//!         every: Duration = "1m",                                    // what holds where nothing is written
//!     }
//!     rules: &[Rule::Needs("every", "url")];                         // what holds between keys; may be left out, as `later`
//! }
//! ```
//!
//! This makes both of a key: its entry in the static [`Section`] that checking, "did you mean", JSON Schema, environment variables
//! and the tests of the READMEs read; and a field of `HeartbeatKeys`, by which readers see it. A field has the type that the
//! [kind](super::value_kind) of the key is read as; a key without a default is an `Option`, and so is a required one, whose absence has
//! been reported. After the kind may stand:
//!
//! - `= "1m"`: the default, as TOML writes it. The field always has a value.
//! - `[always]`: of a table; its keys have their defaults also where nobody writes the table.
//! - `[required]`: it is reported where it is missing.
//! - `[over true]`: what holds by default is known to whoever the value is laid over, such as a device of the service.
//! - `[default "the device's"]`: the same, in words.
//!
//! `name @ "for": …` is a key whose name is a word of Rust. A key that is declared and read by nobody is a field that the compiler
//! warns of. A value that does not fit its kind has been reported by [`check`], which reads it by the same function; the field is
//! then as if nothing were written, so that the rest of the file is looked at too, and no configuration comes of it.

use std::ops::Deref;
use std::sync::Arc;

use super::declaration::{Section, ValueKind};
use super::tree::{self, Data, Node, SourceSpan, TableEntry};
use super::value_kind::{Default, Slug, Value, ValueError};
use super::{Diagnostics, check};

/// A section, as a type.
pub(super) trait DeclaredSection {
    /// Its declaration.
    const SECTION: &'static Section;

    /// The same, for [`ValueKind`].
    fn section() -> &'static Section {
        Self::SECTION
    }

    /// Its keys, read.
    type Keys<'t>;

    /// The keys of a table that is known to be checked.
    fn keys<'t>(table: &'t tree::Table<'t>) -> Self::Keys<'t>;

    /// Checks a whole document and reads it; `top` is what to point at where something is missing.
    fn read<'t>(table: &'t tree::Table<'t>, top: SourceSpan<'t>, diagnostics: &mut Diagnostics) -> Self::Keys<'t> {
        check::document(table, Self::SECTION, top, diagnostics);
        Self::keys(table)
    }
}

/// A key of a table as it was read.
#[derive(Debug)]
pub(super) struct Field<'t, T> {
    /// The written value, or else the default.
    pub(super) value: T,
    /// Where it is written, if it is.
    pub(super) entry: Option<&'t TableEntry<'t>>,
}

impl<'t, T> Field<'t, T> {
    /// The value, as it is written.
    pub(super) fn node(&self) -> Option<&'t Node<'t>> {
        self.entry.map(|entry| &entry.value)
    }

    /// Where the value is written.
    pub(super) fn span(&self) -> Option<SourceSpan<'t>> {
        self.entry.map(|entry| entry.value.span)
    }
}

impl<'t, T> Field<'t, Option<T>> {
    /// Looks a key up.
    pub(super) fn of<K: Value<Of<'t> = T>>(table: &'t tree::Table<'t>, name: &str) -> Self {
        let entry = table.entry(name);
        Field { value: entry.and_then(|entry| K::read(&entry.value).ok()), entry }
    }

    /// The same with a default.
    pub(super) fn with_default(self, default: impl FnOnce() -> T) -> Field<'t, T> {
        Field { value: self.value.unwrap_or_else(default), entry: self.entry }
    }
}

impl<T: Clone> Field<'_, Option<T>> {
    /// Overwrites `base` with the written value, if there is one.
    pub(super) fn apply_to(&self, base: &mut T) {
        if let Some(value) = &self.value {
            base.clone_from(value);
        }
    }
}

impl<T> Field<'_, Option<T>> {
    /// Whether a value is written that does not fit its kind. That has been reported.
    pub(super) fn is_unreadable(&self) -> bool {
        self.entry.is_some() && self.value.is_none()
    }
}

impl<T> Field<'_, Option<Vec<T>>> {
    /// What is listed; nothing where there is no list.
    pub(super) fn items(&self) -> &[T] {
        self.value.as_deref().unwrap_or_default()
    }
}

impl<'t, T> Field<'_, Option<Vec<Named<'t, T>>>> {
    /// What is listed, as it is written.
    pub(super) fn entries(&self) -> impl Iterator<Item = &'t TableEntry<'t>> {
        self.items().iter().map(|named| named.entry)
    }
}

impl<'t> Field<'_, Option<Vec<Item<'t, &'t str>>>> {
    /// The texts that are listed.
    pub(super) fn texts(&self) -> Vec<Arc<str>> {
        self.items().iter().map(|item| item.value.into()).collect()
    }
}

impl<T> Deref for Field<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One of several values.
#[derive(Debug)]
pub(super) struct Item<'t, T> {
    pub(super) value: T,
    pub(super) node: &'t Node<'t>,
}

/// A value under a name that the file chooses.
#[derive(Debug)]
pub(super) struct Named<'t, T> {
    pub(super) value: T,
    pub(super) entry: &'t TableEntry<'t>,
}

impl<'t, T> Named<'t, T> {
    pub(super) fn name(&self) -> &'t str {
        &self.entry.key
    }
}

/// A region: its name, where it stands, and its table where it has one.
#[derive(Debug)]
pub(super) struct RegionNamed<'t, T> {
    pub(super) name: &'t str,
    pub(super) span: SourceSpan<'t>,
    pub(super) keys: Option<T>,
}

/// Kinds of several values or of tables, each of which is made of another kind or a section.
macro_rules! containers {
    ($($name:ident<$of:ident: $bound:ident>: $kind:expr, $read:ty, $how:expr;)+) => {$(
        #[doc = concat!("As [`ValueKind::", stringify!($name), "`].")]
        #[derive(Debug)]
        pub(super) struct $name<$of>($of);

        impl<$of: $bound> Value for $name<$of> {
            const KIND: ValueKind = $kind;
            type Of<'t> = $read;

            fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
                let read: fn(&'t Node<'t>) -> Option<Self::Of<'t>> = $how;
                read(node).ok_or(ValueError::WrongType)
            }
        }
    )+};
}

containers! {
    List<K: Value>: ValueKind::List(&K::KIND), Vec<Item<'t, K::Of<'t>>>, |node| match &node.data {
        Data::List(nodes) => Some(items::<K>(nodes)),
        _ => None,
    };
    OneOrList<K: Value>: ValueKind::OneOrList(&K::KIND), Vec<Item<'t, K::Of<'t>>>, |node| Some(match &node.data {
        Data::List(nodes) => items::<K>(nodes),
        _ => items::<K>(std::slice::from_ref(node)),
    });
    Map<K: Value>: ValueKind::Map(&K::KIND), Vec<Named<'t, K::Of<'t>>>, |node| node.as_table().map(|table| {
        table.entries.iter().filter_map(|entry| Some(Named { value: K::read(&entry.value).ok()?, entry })).collect()
    });
    Names<K: Value>: ValueKind::Names(&K::KIND), Vec<Named<'t, Option<K::Of<'t>>>>, |node| node.as_table().map(|table| {
        // A name is there for expressions also where its value does not fit.
        table.entries.iter().map(|entry| Named { value: K::read(&entry.value).ok(), entry }).collect()
    });
    Table<S: DeclaredSection>: ValueKind::Table(S::section), S::Keys<'t>, |node| node.as_table().map(S::keys);
    TableOrFalse<S: DeclaredSection>: ValueKind::TableOrFalse(S::section), Option<S::Keys<'t>>, |node| match &node.data {
        Data::Bool(false) => Some(None),
        _ => node.as_table().map(|table| Some(S::keys(table))),
    };
    Tables<S: DeclaredSection>: ValueKind::Tables(S::section), Vec<Item<'t, S::Keys<'t>>>, |node| match &node.data {
        Data::List(nodes) => Some(items::<Table<S>>(nodes)),
        _ => None,
    };
    OneOrMore<S: DeclaredSection>: ValueKind::OneOrMore(S::section), Vec<Item<'t, S::Keys<'t>>>, |node| Some(match &node.data {
        Data::List(nodes) => items::<Table<S>>(nodes),
        _ => items::<Table<S>>(std::slice::from_ref(node)),
    });
    Regions<S: DeclaredSection>: ValueKind::Regions(S::section), Vec<RegionNamed<'t, S::Keys<'t>>>, |node| match &node.data {
        Data::List(nodes) => Some(
            items::<Slug>(nodes).into_iter().map(|item| RegionNamed { name: item.value, span: item.node.span, keys: None }).collect(),
        ),
        _ => node.as_table().map(|table| {
            let regions = table.entries.iter();
            let keys = |entry: &'t TableEntry<'t>| entry.value.as_table().map(S::keys);
            regions.map(|entry| RegionNamed { name: &entry.key, span: entry.key_span, keys: keys(entry) }).collect()
        }),
    };
}

/// As [`ValueKind::TablesOr`]: what is of the first section. Whoever declares it sees to the other tables.
#[derive(Debug)]
pub(super) struct TablesOr<S, O>(S, O);

impl<S: DeclaredSection, O: DeclaredSection> Value for TablesOr<S, O> {
    const KIND: ValueKind = ValueKind::TablesOr(S::section, O::section);
    type Of<'t> = Vec<Item<'t, S::Keys<'t>>>;

    fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
        let Data::List(nodes) = &node.data else { return Err(ValueError::WrongType) };
        let tables = nodes.iter().filter_map(|node| Some((node, node.as_table()?)));
        let own = tables.filter(|(_, table)| table.entry(O::SECTION.telling_key()).is_none());
        Ok(own.map(|(node, table)| Item { value: S::keys(table), node }).collect())
    }
}

/// As [`ValueKind::TableOr`].
#[derive(Debug)]
pub(super) struct TableOr<S, K>(S, K);

/// A table, or the value that stands in its place.
#[derive(Debug)]
pub(super) enum Either<T, V> {
    Table(T),
    Value(V),
}

impl<S: DeclaredSection, K: Value> Value for TableOr<S, K> {
    const KIND: ValueKind = ValueKind::TableOr(S::section, &K::KIND);
    type Of<'t> = Either<S::Keys<'t>, K::Of<'t>>;

    fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
        match node.as_table() {
            Some(table) => Ok(Either::Table(S::keys(table))),
            None => K::read(node).map(Either::Value),
        }
    }
}

/// As [`ValueKind::TablesOrOne`].
#[derive(Debug)]
pub(super) struct TablesOrOne<S, K>(S, K);

impl<S: DeclaredSection, K: Value> Value for TablesOrOne<S, K> {
    const KIND: ValueKind = ValueKind::TablesOrOne(S::section, &K::KIND);
    type Of<'t> = Either<Vec<Item<'t, S::Keys<'t>>>, K::Of<'t>>;

    fn read<'t>(node: &'t Node<'t>) -> Result<Self::Of<'t>, ValueError> {
        match &node.data {
            Data::List(nodes) => Ok(Either::Table(items::<Table<S>>(nodes))),
            _ => K::read(node).map(Either::Value),
        }
    }
}

/// Those of several values that fit.
fn items<'t, K: Value>(nodes: &'t [Node<'t>]) -> Vec<Item<'t, K::Of<'t>>> {
    nodes.iter().filter_map(|node| Some(Item { value: K::read(node).ok()?, node })).collect()
}

/// `[]`.
impl<K: Value> Default<[(); 0]> for List<K> {
    fn default<'t>(_: [(); 0]) -> Self::Of<'t> {
        Vec::new()
    }
}

/// `[always]`.
impl<S: DeclaredSection> Default<()> for Table<S> {
    fn default<'t>((): ()) -> Self::Of<'t> {
        static NOTHING: tree::Table<'static> = tree::Table { entries: Vec::new() };
        S::keys(&NOTHING)
    }
}

/// The lines of a documentation comment as one text.
pub(super) const fn sentence(comment: &'static str) -> &'static str {
    comment.split_at(1).1
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident as $keys:ident: $id:literal, $title:literal {
            $($(#[doc = $doc:literal])+ $(#[expect($($lint:tt)+)])? $field:ident $(@ $name:literal)?: $kind:ty $(= $default:tt)? $([$($note:tt)+])?,)*
        }
        $(rules: $rules:expr;)?
        $(later: $later:expr;)?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(in crate::config) enum $section {}

        #[doc = concat!("The keys of [`", stringify!($section), "`].")]
        #[derive(Debug)]
        pub(in crate::config) struct $keys<'t> {
            $($(#[doc = $doc])+ $(#[expect($($lint)+)])? pub(in crate::config) $field: Field<'t, section!(@type 't, $kind $(= $default)? $([$($note)+])?)>,)*
        }

        impl DeclaredSection for $section {
            const SECTION: &'static Section = &Section {
                id: $id,
                title: $title,
                keys: &[$(Key {
                    name: section!(@name $field $($name)?),
                    kind: <$kind as Value>::KIND,
                    required: section!(@required $($($note)+)?),
                    default: section!(@default $(= $default)? $($($note)+)?),
                    doc: sentence(concat!($($doc),+)),
                },)*],
                rules: section!(@list $($rules)?),
                later: section!(@list $($later)?),
            };

            type Keys<'t> = $keys<'t>;

            fn keys<'t>(table: &'t crate::config::tree::Table<'t>) -> $keys<'t> {
                $keys {
                    $($field: section!(
                        @read Field::of::<$kind>(table, section!(@name $field $($name)?)), $kind $(= $default)? $([$($note)+])?
                    ),)*
                }
            }
        }
    };

    (@type $t:lifetime, $kind:ty = $default:tt) => { <$kind as Value>::Of<$t> };
    (@type $t:lifetime, $kind:ty [always]) => { <$kind as Value>::Of<$t> };
    (@type $t:lifetime, $kind:ty $([$($note:tt)+])?) => { Option<<$kind as Value>::Of<$t>> };

    (@read $field:expr, $kind:ty = $default:tt) => { $field.with_default(|| <$kind as Default<_>>::default($default)) };
    (@read $field:expr, $kind:ty [always]) => { $field.with_default(|| <$kind as Default<_>>::default(())) };
    (@read $field:expr, $kind:ty $([$($note:tt)+])?) => { $field };

    (@name $field:ident $name:literal) => { $name };
    (@name $field:ident) => { stringify!($field) };

    (@required required) => { true };
    (@required $($note:tt)*) => { false };

    (@default = $default:tt) => { stringify!($default) };
    (@default over $default:tt) => { stringify!($default) };
    (@default default $words:literal) => { $words };
    (@default $($note:tt)*) => { "" };

    (@list $list:expr) => { $list };
    (@list) => { &[] };
}

/// A section of some of the keys of another one, read as those are: `Parallel of Step: "parallel", "a parallel step" { name, http }`.
/// What differs from the key there is said in braces behind it.
macro_rules! part {
    (
        $(#[doc = $about:literal])+
        $section:ident of $whole:ident: $id:literal, $title:literal { $($field:ident $({ $($other:tt)+ })?),* $(,)? }
        $(rules: $rules:expr;)?
        $(later: $later:expr;)?
    ) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(in crate::config) enum $section {}

        impl DeclaredSection for $section {
            const SECTION: &'static Section = &Section {
                id: $id,
                title: $title,
                keys: &[$(Key { $($($other)+,)? ..$whole::SECTION.taken(stringify!($field)) },)*],
                rules: section!(@list $($rules)?),
                later: section!(@list $($later)?),
            };

            type Keys<'t> = <$whole as DeclaredSection>::Keys<'t>;

            fn keys<'t>(table: &'t crate::config::tree::Table<'t>) -> Self::Keys<'t> {
                $whole::keys(table)
            }
        }
    };
}

/// Words and what they stand for.
macro_rules! words {
    ($($type:ty { $($word:literal => $meaning:ident),+ $(,)? })+) => {$(
        impl Words for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];
            const MEANINGS: &'static [Self] = &[$(Self::$meaning),+];
        }
    )+};
}

/// Sets of URL schemes.
macro_rules! schemes {
    ($($(#[doc = $doc:literal])+ $name:ident: $($scheme:literal),+;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        pub(in crate::config) enum $name {}

        impl Schemes for $name {
            const SCHEMES: &'static [&'static str] = &[$($scheme),+];
        }
    )+};
}

pub(super) use {part, schemes, section, words};
