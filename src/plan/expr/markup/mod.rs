//! XML and HTML: a body is read into a [`Tree`] once, and parts of it are selected by `XPath` or CSS.
//!
//! `tree` is what both are read into, `xml` and `html` read them, `xpath` and `css` select. A document in a scope is a value that
//! only the filters `xpath` and `css` can do something with; what they give are plain values.

mod css;
mod html;
mod tangle;
mod tree;
mod xml;
mod xpath;

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

use super::budget::Budget;
use super::value::describe;

pub(super) use css::CssSelector;
pub(super) use xpath::XPath;

use tree::Tree;

/// Bytes of text that is read as a document.
const LARGEST: usize = 8 << 20;

/// Levels of a document.
const DEEPEST: usize = 256;

/// Nodes of a document, attributes included.
const MOST_NODES: usize = 1_000_000;

/// What XML or HTML was read into.
#[derive(Debug)]
struct Document {
    tree: Tree,
    is_html: bool,
}

impl Object for Document {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// What it is called in messages.
    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_html { "an HTML document" } else { "an XML document" })
    }
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDocument {
    /// The text is none, or is too large.
    Because(String),
    /// Reading it costs more than the thread may spend, so that it has to be read elsewhere.
    Elsewhere,
}

/// The document that is written in a text as XML.
///
/// # Errors
/// If it is not well-formed, declares a document type, or is too large.
pub fn xml_document(text: &str) -> Result<Value, NoDocument> {
    let tree = of_size(text, false).and_then(|text| {
        super::spend_bytes(text.len().saturating_mul(4));
        xml::read(text)
    });
    tree.map(|tree| Value::from_object(Document { tree, is_html: false })).map_err(NoDocument::Because)
}

/// The document that browsers make of a text. They make one of anything; here, nothing is none, so that what must not be in a page is
/// not held to be absent because the page is.
///
/// # Errors
/// If it is empty, too large, or too tangled.
pub fn html_document(text: &str) -> Result<Value, NoDocument> {
    if text.trim().is_empty() {
        return Err(NoDocument::Because("it is empty".into()));
    }
    let tree = html::read(of_size(text, true).map_err(NoDocument::Because)?)?;
    Ok(Value::from_object(Document { tree, is_html: true }))
}

fn of_size(text: &str, is_html: bool) -> Result<&str, String> {
    if text.len() > LARGEST {
        return Err(format!("it has {} bytes, and no more than {LARGEST} are read as a document", text.len()));
    }
    tangle::refuse(text, is_html)?;
    Ok(text)
}

/// Selects from a document, or from one that is read from a text.
fn select(
    value: &Value,
    is_html: bool,
    budget: &mut Budget,
    with: impl FnOnce(&Tree, &mut Budget) -> Result<Value, String>,
) -> Result<Value, String> {
    let read;
    let document = match value.as_str() {
        Some(text) => {
            budget.text(text.len().saturating_mul(8))?;
            let document = if is_html { html_document(text) } else { xml_document(text) };
            read = document.map_err(|why| match why {
                NoDocument::Because(why) => {
                    format!("the text is no {} that can be read: {why}", if is_html { "HTML" } else { "XML" })
                }
                NoDocument::Elsewhere => "it costs more than may be spent here".into(),
            })?;
            &read
        }
        None => value,
    };
    match document.downcast_object_ref::<Document>() {
        Some(document) if !document.is_html && is_html => Err("CSS selects from `html`; from `xml` it is `xpath`".into()),
        Some(document) => with(&document.tree, budget),
        None => Err(format!("{} is neither a document nor a text", describe(value))),
    }
}

#[cfg(test)]
mod tests;
