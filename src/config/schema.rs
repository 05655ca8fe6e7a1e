//! JSON Schemas of the files (draft 7, which Taplo and editors read), from the same declaration that checking uses.

use serde_json::{Map, Value, json};

use super::Code;
use super::declaration::{Key, Rule, Section, ValueKind};
use super::keys::{Library, Probe, Service};
use super::section::DeclaredSection;

/// The schema of a probe file.
pub fn probe_schema() -> Value {
    document(Probe::SECTION, "A Serinus probe")
}

/// The schema of a library of steps.
pub fn library_schema() -> Value {
    document(Library::SECTION, "Steps that Serinus probes share")
}

/// The schema of the service's file.
pub fn config_schema() -> Value {
    document(Service::SECTION, "A Serinus service")
}

fn document(root: &'static Section, title: &str) -> Value {
    let mut definitions = Map::new();
    let mut schema = json!({ "$schema": "http://json-schema.org/draft-07/schema#", "title": title });
    if let (Value::Object(schema), Value::Object(body)) = (&mut schema, section(root, &mut definitions)) {
        schema.extend(body);
        schema.insert("definitions".into(), definitions.into());
    }
    schema
}

fn section(section: &'static Section, definitions: &mut Map<String, Value>) -> Value {
    let properties: Map<String, Value> =
        section.keys.iter().map(|key| (key.name.to_owned(), property(key, definitions))).collect();
    let required: Vec<&str> = section.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    let rules: Vec<Value> = section.rules.iter().flat_map(rule).collect();
    if !rules.is_empty() {
        schema["allOf"] = rules.into();
    }
    schema
}

fn property(key: &'static Key, definitions: &mut Map<String, Value>) -> Value {
    let kind = kind(&key.kind, definitions);
    // Beside `$ref`, draft 7 ignores everything.
    let mut schema = if kind.get("$ref").is_some() { json!({ "allOf": [kind] }) } else { kind };
    let default = if key.default.is_empty() { String::new() } else { format!(" Default: {}.", key.default) };
    schema["description"] = format!("{}{default}", key.doc).into();
    schema
}

fn rule(rule: &Rule) -> Vec<Value> {
    let not_both = |one: &str, other: &str| json!({ "not": { "required": [one, other] } });
    match rule {
        Rule::ExactlyOne([only]) => vec![json!({ "required": [only] })],
        Rule::ExactlyOne(names) => {
            let each: Vec<Value> = names.iter().map(|name| json!({ "required": [name] })).collect();
            vec![json!({ "oneOf": each })]
        }
        Rule::AtMostOne(names) => {
            names.iter().enumerate().flat_map(|(at, one)| names[at + 1..].iter().map(|other| not_both(one, other))).collect()
        }
        Rule::Needs(key, other) => vec![json!({ "dependencies": { *key: [other] } })],
        Rule::Excludes(key, others) => others.iter().map(|other| not_both(key, other)).collect(),
    }
}

fn reference(inner: &'static Section, definitions: &mut Map<String, Value>) -> Value {
    if !definitions.contains_key(inner.id) {
        definitions.insert(inner.id.into(), Value::Null);
        let body = section(inner, definitions);
        definitions.insert(inner.id.into(), body);
    }
    json!({ "$ref": format!("#/definitions/{}", inner.id) })
}

fn kind(of: &'static ValueKind, definitions: &mut Map<String, Value>) -> Value {
    const DURATION: &str = r"^\s*\d.*$";
    const NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
    match of {
        ValueKind::Text
        | ValueKind::Template
        | ValueKind::SocketAddress
        | ValueKind::Address
        | ValueKind::Ip
        | ValueKind::Timezone => {
            json!({ "type": "string" })
        }
        ValueKind::Expression | ValueKind::Condition | ValueKind::File | ValueKind::Glob | ValueKind::Cron => {
            json!({ "type": "string", "minLength": 1 })
        }
        ValueKind::ForEach => json!({ "type": "string", "pattern": "^\\s*[A-Za-z_][A-Za-z0-9_]* in .+$" }),
        ValueKind::Slug | ValueKind::Secret => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": 100 })
        }
        ValueKind::Lint => {
            let words: Vec<_> = Code::ALL.iter().filter(|code| code.can_be_allowed()).filter_map(|code| code.lint()).collect();
            json!({ "enum": words })
        }
        ValueKind::Title => json!({ "type": "string", "minLength": 1, "maxLength": 100 }),
        ValueKind::Saying => json!({ "type": "string", "minLength": 1, "maxLength": 300 }),
        ValueKind::Duration => json!({ "type": "string", "pattern": DURATION }),
        ValueKind::DurationOrFalse => json!({ "oneOf": [{ "type": "string", "pattern": DURATION }, { "enum": [false] }] }),
        // Editors hand TOML's own dates over as strings.
        ValueKind::Moment => json!({ "type": "string", "pattern": r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d" }),
        ValueKind::Mailbox => json!({ "type": "string", "pattern": "@" }),
        ValueKind::Size => {
            json!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^\\d+ ?([kKMG]i?)?B$" }] })
        }
        ValueKind::Integer { min, max } if *max == i64::MAX => json!({ "type": "integer", "minimum": min }),
        ValueKind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        ValueKind::Share => {
            json!({ "oneOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "type": "string", "pattern": "^[0-9.]+ ?%$" }] })
        }
        ValueKind::Bool => json!({ "type": "boolean" }),
        ValueKind::Choice(words) => json!({ "enum": words }),
        ValueKind::Url(schemes) => json!({ "type": "string", "pattern": format!("^({})", schemes.join("|")) }),
        ValueKind::Runbook => json!({ "type": "string", "pattern": r"^https?://|\.md$" }),
        ValueKind::Redirects => json!({ "oneOf": [{ "type": "integer", "minimum": 0, "maximum": 50 }, { "enum": [false] }] }),
        ValueKind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        ValueKind::Json => json!({ "type": ["string", "number", "boolean", "array", "object"] }),
        ValueKind::List(item) => json!({ "type": "array", "items": kind(item, definitions) }),
        ValueKind::OneOrList(item) => {
            let one = kind(item, definitions);
            json!({ "oneOf": [one, { "type": "array", "items": one }] })
        }
        ValueKind::Map(item) => json!({ "type": "object", "additionalProperties": kind(item, definitions) }),
        ValueKind::Names(item) => json!({
            "type": "object",
            "propertyNames": { "pattern": NAME },
            "additionalProperties": kind(item, definitions),
        }),
        ValueKind::Table(inner) => reference(inner(), definitions),
        ValueKind::TableOrFalse(inner) => json!({ "oneOf": [reference(inner(), definitions), { "enum": [false] }] }),
        ValueKind::TableOr(inner, other) => json!({ "oneOf": [reference(inner(), definitions), kind(other, definitions)] }),
        ValueKind::Tables(inner) => json!({ "type": "array", "minItems": 1, "items": reference(inner(), definitions) }),
        ValueKind::TablesOr(inner, other) => {
            let each = [inner, other].map(|section| reference(section(), definitions));
            json!({ "type": "array", "minItems": 1, "items": { "anyOf": each } })
        }
        ValueKind::TablesOrOne(inner, other) => {
            let tables = json!({ "type": "array", "minItems": 1, "items": reference(inner(), definitions) });
            json!({ "oneOf": [kind(other, definitions), tables] })
        }
        ValueKind::OneOrMore(inner) => {
            let one = reference(inner(), definitions);
            json!({ "oneOf": [one, { "type": "array", "minItems": 1, "items": one }] })
        }
        ValueKind::Regions(inner) => json!({ "oneOf": [
            { "type": "array", "items": kind(&ValueKind::Slug, definitions) },
            { "type": "object", "additionalProperties": reference(inner(), definitions) },
        ] }),
    }
}
