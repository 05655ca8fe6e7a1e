//! Reads HTML as browsers do (the tree construction of the HTML standard, by html5ever).

use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::sync::Arc;

use html5ever::tendril::{StrTendril, TendrilSink as _};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::{Attribute, ParseOpts, QualName, local_name, ns, parse_document};

use super::super::meter::{Meter, Stopped, metered};
use super::NoDocument;
use super::tree::{Builder, Kind, Tree};

/// Units of work that reading a page may take: some hundred milliseconds at worst, away from the workers of the runtime.
const MOST_WORK: usize = 5_000_000;

pub(super) fn read(text: &str) -> Result<Tree, NoDocument> {
    let parsed = metered(MOST_WORK, |meter| {
        meter.step(text.len() / 8);
        let sink = Sink { meter, nodes: RefCell::new(vec![SinkNode::default()]) };
        parse_document(sink, ParseOpts::default()).one(StrTendril::from_slice(text))
    });
    let (nodes, _) = parsed.map_err(|stopped| match stopped {
        Stopped::TooMuch => NoDocument::Because("its tags are too tangled to be read".into()),
        Stopped::Fuel => NoDocument::Elsewhere,
    })?;
    tree(&nodes).map_err(NoDocument::Because)
}

#[derive(Debug, Default)]
struct SinkNode {
    parent: Option<usize>,
    children: Vec<usize>,
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Root,
    Element(QualName, Vec<Attribute>),
    Text(StrTendril),
    Comment(StrTendril),
}

/// What the parser builds, in whatever order it does.
struct Sink<'m> {
    meter: &'m Meter,
    nodes: RefCell<Vec<SinkNode>>,
}

impl Sink<'_> {
    fn make(&self, content: Content) -> usize {
        self.meter.step(8);
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(SinkNode { content, ..SinkNode::default() });
        nodes.len() - 1
    }

    /// Puts something at a place among the children.
    fn insert(&self, parent: usize, at: usize, child: NodeOrText<usize>) {
        let child = match child {
            NodeOrText::AppendNode(child) => child,
            NodeOrText::AppendText(text) => {
                self.meter.step(1 + text.len() / 16);
                let before = at.checked_sub(1).and_then(|before| self.nodes.borrow()[parent].children.get(before).copied());
                if let Some(before) = before
                    && let Content::Text(known) = &mut self.nodes.borrow_mut()[before].content
                {
                    known.push_tendril(&text);
                    return;
                }
                self.make(Content::Text(text))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        self.meter.step(1 + (nodes[parent].children.len() - at) / 16);
        nodes[parent].children.insert(at, child);
        nodes[child].parent = Some(parent);
    }

    /// The parent of a node and its place there.
    fn place(&self, node: usize) -> Option<(usize, usize)> {
        let nodes = self.nodes.borrow();
        let parent = nodes[node].parent?;
        // What was added last is asked for most.
        let at = nodes[parent].children.iter().rposition(|child| *child == node)?;
        self.meter.step(1 + (nodes[parent].children.len() - at) / 8);
        Some((parent, at))
    }
}

impl TreeSink for Sink<'_> {
    type Handle = usize;
    type Output = Vec<SinkNode>;
    type ElemName<'a>
        = Ref<'a, QualName>
    where
        Self: 'a;

    fn finish(self) -> Self::Output {
        self.nodes.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Self::ElemName<'a> {
        static NONE: std::sync::LazyLock<QualName> = std::sync::LazyLock::new(|| QualName::new(None, ns!(), local_name!("")));
        // The parser asks this of everything that it looks at on its stack.
        self.meter.step(1);
        Ref::map(self.nodes.borrow(), |nodes| match &nodes[*target].content {
            Content::Element(name, _) => name,
            Content::Root | Content::Text(_) | Content::Comment(_) => &NONE,
        })
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        self.meter.step(attributes.len() * 4);
        self.make(Content::Element(name, attributes))
    }

    fn create_comment(&self, text: StrTendril) -> usize {
        self.make(Content::Comment(text))
    }

    fn create_pi(&self, _: StrTendril, data: StrTendril) -> usize {
        self.make(Content::Comment(data))
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        let at = self.nodes.borrow()[*parent].children.len();
        self.insert(*parent, at, child);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let has_parent = self.nodes.borrow()[*element].parent.is_some();
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &usize) -> usize {
        // What is in a template is of interest as well as anything else.
        *target
    }

    fn same_node(&self, one: &usize, other: &usize) -> bool {
        self.meter.step(1);
        one == other
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        if let NodeOrText::AppendNode(child) = &child {
            self.remove_from_parent(child);
        }
        if let Some((parent, at)) = self.place(*sibling) {
            self.insert(parent, at, child);
        }
    }

    fn add_attrs_if_missing(&self, target: &usize, more: Vec<Attribute>) {
        if let Content::Element(_, attributes) = &mut self.nodes.borrow_mut()[*target].content {
            for attribute in more {
                self.meter.step(1 + attributes.len());
                if attributes.iter().all(|known| known.name != attribute.name) {
                    attributes.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &usize) {
        if let Some((parent, at)) = self.place(*target) {
            let mut nodes = self.nodes.borrow_mut();
            nodes[parent].children.remove(at);
            nodes[*target].parent = None;
        }
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[*node].children);
        self.meter.step(children.len());
        for child in &children {
            nodes[*child].parent = Some(*new_parent);
        }
        nodes[*new_parent].children.extend(children);
    }
}

enum Visit {
    Node(usize),
    Close,
}

/// The same in document order.
fn tree(nodes: &[SinkNode]) -> Result<Tree, String> {
    let mut builder = Builder::new();
    let svg: Arc<str> = "http://www.w3.org/2000/svg".into();
    let math: Arc<str> = "http://www.w3.org/1998/Math/MathML".into();
    let mut rest: Vec<Visit> = nodes[0].children.iter().rev().map(|child| Visit::Node(*child)).collect();
    while let Some(visit) = rest.pop() {
        let Visit::Node(at) = visit else {
            builder.close();
            continue;
        };
        let node = &nodes[at];
        match &node.content {
            Content::Root => {}
            Content::Text(text) => drop(builder.add(Kind::Text, None, "", text)?),
            Content::Comment(text) => drop(builder.add(Kind::Comment, None, "", text)?),
            Content::Element(name, attributes) => {
                let namespace = if name.ns == ns!(svg) { Some(&svg) } else { (name.ns == ns!(mathml)).then_some(&math) };
                let id = builder.add(Kind::Element, namespace, &name.local, "")?;
                builder.open(id)?;
                for attribute in attributes {
                    builder.add(Kind::Attribute, None, &attribute.name.local, &attribute.value)?;
                }
                rest.push(Visit::Close);
                rest.extend(node.children.iter().rev().map(|child| Visit::Node(*child)));
            }
        }
    }
    Ok(builder.finish())
}
