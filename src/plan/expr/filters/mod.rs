//! The filters: an allow-list, each bounded in what it may build and strict about what it takes.
//!
//! A filter is a row of [`FILTERS`]: its name, its parameters, and a function from a value and [`Arguments`] to a value, in
//! the file of its field; one that may yield a truth value says so, for the hints of `constant`. It returns undefined where it found nothing (`first` of an empty list), which is an error unless
//! `default` follows. Those of [`BY_THE_PARSER`] need more than values (a fallback evaluated only if needed, a regular
//! expression compiled at load, any number of arguments) and are parts of the tree.
//!
//! MiniJinja's `format`, `indent`, `center`, `batch`, `slice`, `groupby`, `zip`, `chain`, `dictsort`, `attr`, `safe`,
//! `escape` and `pprint` are left out: they lay out pages or can build text without end.

mod codec;
mod list;
mod scalar;
mod table;
mod text;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::arguments::Arguments;
use super::budget::Budget;
use super::rule::Signature;
use super::signed::{self, HASH_RULES, HMAC_RULES};

/// A named operation on a value.
pub(super) struct Filter {
    pub(super) name: &'static str,
    pub(super) signature: Signature,
    pub(super) apply: Apply,
    /// Whether it may yield a truth value.
    pub(super) may_be_bool: bool,
    pub(super) secrecy: Secrecy,
}

/// What a filter makes of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Nothing that is not found in a text by the secret's own spellings, or by its name.
    Plain,
    /// A hash, which is as good as the secret where it was made of one.
    Hashes,
    /// A signature with a key, which is a credential.
    Signs,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Filters that are parts of the tree.
const BY_THE_PARSER: [&str; 11] =
    ["at", "css", "xpath", "default", "d", "regex", "map", "select", "reject", "selectattr", "rejectattr"];

type Apply = fn(&Value, &Arguments<'_>, &mut Budget) -> Result<Value, String>;

const fn filter(name: &'static str, parameters: &'static [&'static str], required: usize, apply: Apply) -> Filter {
    Filter { name, signature: Signature { parameters, required, rules: &[] }, apply, may_be_bool: false, secrecy: Secrecy::Plain }
}

/// A filter that may yield a truth value.
const fn any(name: &'static str, parameters: &'static [&'static str], required: usize, apply: Apply) -> Filter {
    Filter { may_be_bool: true, ..filter(name, parameters, required, apply) }
}

const fn hash(name: &'static str, apply: Apply) -> Filter {
    let signature = Signature { parameters: &["encoding"], required: 0, rules: HASH_RULES };
    Filter { name, signature, apply, may_be_bool: false, secrecy: Secrecy::Hashes }
}

const HMAC: Filter = Filter {
    signature: Signature { parameters: &["key", "algorithm", "encoding", "key_encoding"], required: 1, rules: HMAC_RULES },
    secrecy: Secrecy::Signs,
    ..filter("hmac", &[], 0, signed::hmac)
};

const CSV: Filter = Filter {
    signature: Signature { parameters: &["header", "delimiter"], required: 0, rules: table::CSV_RULES },
    ..filter("csv", &[], 0, table::csv)
};

static FILTERS: [Filter; 47] = [
    filter("abs", &[], 0, scalar::abs),
    filter("b64decode", &[], 0, codec::b64decode),
    filter("b64encode", &["url_safe"], 0, codec::b64encode),
    any("bool", &[], 0, scalar::bool),
    filter("capitalize", &[], 0, text::capitalize),
    filter("count", &[], 0, list::length),
    CSV,
    filter("difference", &["other"], 1, list::difference),
    any("first", &[], 0, list::first),
    filter("float", &["default"], 0, scalar::float),
    any("from_json", &[], 0, codec::from_json),
    HMAC,
    any("int", &["default"], 0, scalar::int),
    filter("intersect", &["other"], 1, list::intersect),
    filter("items", &[], 0, list::items),
    filter("join", &["separator", "attribute"], 0, list::join),
    filter("jwt_claims", &[], 0, signed::jwt_claims),
    filter("keys", &[], 0, list::keys),
    any("last", &[], 0, list::last),
    filter("length", &[], 0, list::length),
    filter("lines", &[], 0, text::lines),
    filter("list", &[], 0, list::list),
    filter("lower", &[], 0, text::lower),
    any("max", &["attribute"], 0, list::max),
    hash("md5", signed::md5),
    any("min", &["attribute"], 0, list::min),
    filter("replace", &["from", "to"], 2, text::replace),
    filter("reverse", &[], 0, list::reverse),
    filter("round", &["precision", "method"], 0, scalar::round),
    hash("sha1", signed::sha1),
    hash("sha256", signed::sha256),
    hash("sha512", signed::sha512),
    filter("sort", &["reverse", "attribute"], 0, list::sort),
    filter("split", &["separator", "most"], 0, text::split),
    filter("string", &[], 0, text::string),
    filter("sum", &["attribute", "start"], 0, list::sum),
    filter("title", &[], 0, text::title),
    filter("to_json", &[], 0, codec::to_json),
    filter("to_unix", &[], 0, codec::to_unix),
    filter("tojson", &[], 0, codec::to_json),
    filter("trim", &["characters"], 0, text::trim),
    filter("unique", &["attribute"], 0, list::unique),
    filter("upper", &[], 0, text::upper),
    filter("urldecode", &[], 0, codec::urldecode),
    filter("urlencode", &[], 0, codec::urlencode),
    filter("xml_escape", &[], 0, codec::xml_escape),
    filter("values", &[], 0, list::values),
];

/// Names of all filters.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    plain().chain(BY_THE_PARSER)
}

/// Names of the filters that work on a value alone.
pub(super) fn plain() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|filter| filter.name)
}

pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// Whether a filter gave up because something was not there, as opposed to making no sense.
pub(super) fn is_absence(why: &str) -> bool {
    why == list::NO_ATTRIBUTE
}

/// Follows a path into a value; undefined if it leads nowhere, and the reason if it leads to what cannot be used.
pub(super) fn follow(value: &Value, path: &[Value]) -> Value {
    path.iter().fold(value.clone(), |value, step| match value.kind() {
        ValueKind::Invalid => value,
        _ => value.get_item(step).unwrap_or(Value::UNDEFINED),
    })
}
