//! Reads XML with its namespaces.
//!
//! A document type is refused, and with it every entity but the five of XML itself: nothing is fetched, nothing grows.

use std::collections::HashMap;
use std::sync::Arc;

use roxmltree::{Document, Error, Node, ParsingOptions};

use super::MOST_NODES;
use super::tree::{Builder, Kind, Tree};

/// Namespaces that were seen, each of which is held once.
type Namespaces<'d> = HashMap<&'d str, Arc<str>>;

pub(super) fn read(text: &str) -> Result<Tree, String> {
    let nodes_limit = u32::try_from(MOST_NODES).unwrap_or(u32::MAX);
    let options = ParsingOptions { allow_dtd: false, nodes_limit, entity_resolver: None };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        Error::DtdDetected => "it declares a document type, which is not read, for its entities could be anything".to_owned(),
        other => other.to_string(),
    })?;
    let mut builder = Builder::new();
    let mut namespaces = Namespaces::new();
    let mut rest: Vec<Visit<'_, '_>> = vec![Visit::Children(document.root())];
    while let Some(visit) = rest.pop() {
        match visit {
            Visit::Children(node) => {
                let first = rest.len();
                rest.extend(node.children().map(Visit::Node));
                rest[first..].reverse();
            }
            Visit::Node(node) => {
                if add(node, &mut builder, &mut namespaces)? {
                    rest.extend([Visit::Close, Visit::Children(node)]);
                }
            }
            Visit::Close => builder.close(),
        }
    }
    Ok(builder.finish())
}

enum Visit<'a, 'input> {
    Node(Node<'a, 'input>),
    Children(Node<'a, 'input>),
    Close,
}

/// Adds a node; true if it is one that others are in.
fn add<'d>(node: Node<'d, 'd>, builder: &mut Builder, namespaces: &mut Namespaces<'d>) -> Result<bool, String> {
    let mut interned = |name: Option<&'d str>| name.map(|name| Arc::clone(namespaces.entry(name).or_insert_with(|| name.into())));
    if node.is_element() {
        let tag = node.tag_name();
        let id = builder.add(Kind::Element, interned(tag.namespace()).as_ref(), tag.name(), "")?;
        builder.open(id)?;
        for attribute in node.attributes() {
            let namespace = interned(attribute.namespace());
            builder.add(Kind::Attribute, namespace.as_ref(), attribute.name(), attribute.value())?;
        }
        return Ok(true);
    }
    if let Some(instruction) = node.pi() {
        builder.add(Kind::Instruction, None, instruction.target, instruction.value.unwrap_or_default())?;
    } else {
        let kind = if node.is_comment() { Kind::Comment } else { Kind::Text };
        builder.add(kind, None, "", node.text().unwrap_or_default())?;
    }
    Ok(false)
}
