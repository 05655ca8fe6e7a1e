//! A document as a list of nodes in document order, so that a subtree is a range of it.
//!
//! An element is followed by its attributes and then by what it contains.

use std::sync::Arc;

use super::{DEEPEST, MOST_NODES};

/// The number of a node.
pub(super) type Id = u32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Root,
    Element,
    Attribute,
    Text,
    Comment,
    Instruction,
}

#[derive(Debug)]
pub(super) struct TreeNode {
    pub(super) kind: Kind,
    pub(super) parent: Option<Id>,
    /// The first node behind it and all that is in it.
    pub(super) end: Id,
    /// Of an element, the one before it in its parent, and how many there are before it.
    pub(super) previous: Option<Id>,
    pub(super) position: u32,
    pub(super) namespace: Option<Arc<str>>,
    /// The local name, or empty.
    pub(super) name: Box<str>,
    /// The text of a node that has no others in it.
    pub(super) text: Box<str>,
}

/// A document.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<TreeNode>,
}

impl Tree {
    pub(super) fn node(&self, id: Id) -> &TreeNode {
        &self.nodes[usize::try_from(id).unwrap_or(usize::MAX)]
    }

    /// All elements, in document order.
    pub(super) fn elements(&self) -> impl Iterator<Item = Id> {
        (0_u32..).zip(&self.nodes).filter(|(_, node)| node.kind == Kind::Element).map(|(id, _)| id)
    }

    pub(super) fn attributes(&self, id: Id) -> impl Iterator<Item = Id> + use<'_> {
        (id + 1..self.node(id).end).take_while(|id| self.node(*id).kind == Kind::Attribute)
    }

    /// What is directly in it; attributes are not.
    pub(super) fn children(&self, id: Id) -> impl Iterator<Item = Id> + use<'_> {
        let end = self.node(id).end;
        let first = self.attributes(id).last().unwrap_or(id) + 1;
        let inside = move |id: Id| (id < end).then_some(id);
        std::iter::successors(inside(first), move |id| inside(self.node(*id).end))
    }

    /// What comes after it in its parent.
    pub(super) fn following(&self, id: Id) -> impl Iterator<Item = Id> + use<'_> {
        let end = self.node(id).parent.map_or(0, |parent| self.node(parent).end);
        let inside = move |id: Id| (id < end).then_some(id);
        std::iter::successors(inside(self.node(id).end), move |id| inside(self.node(*id).end))
    }

    /// The text of a node, or all text that is in it.
    pub(super) fn text(&self, id: Id) -> String {
        let node = self.node(id);
        match node.kind {
            Kind::Root | Kind::Element => {
                let inside = (id + 1..node.end).map(|id| self.node(id));
                inside.filter(|node| node.kind == Kind::Text).map(|node| &*node.text).collect()
            }
            Kind::Attribute | Kind::Text | Kind::Comment | Kind::Instruction => node.text.to_string(),
        }
    }

    /// Bytes of that text.
    pub(super) fn text_length(&self, id: Id) -> usize {
        let inside = (id..self.node(id).end).map(|id| self.node(id));
        inside.map(|node| node.text.len() + 1).sum()
    }
}

/// A tree that grows in document order.
#[derive(Debug)]
pub(super) struct Builder {
    nodes: Vec<TreeNode>,
    open: Vec<Open>,
}

/// An element that others are added to.
#[derive(Debug, Clone, Copy)]
struct Open {
    id: Id,
    /// The last element in it, and how many there are.
    last: Option<Id>,
    elements: u32,
}

impl Open {
    fn new(id: Id) -> Self {
        Self { id, last: None, elements: 0 }
    }
}

impl Builder {
    pub(super) fn new() -> Self {
        let root = TreeNode {
            kind: Kind::Root,
            parent: None,
            end: 1,
            previous: None,
            position: 0,
            namespace: None,
            name: "".into(),
            text: "".into(),
        };
        Self { nodes: vec![root], open: vec![Open::new(0)] }
    }

    /// Adds a node to the one that was opened last.
    pub(super) fn add(&mut self, kind: Kind, namespace: Option<&Arc<str>>, name: &str, text: &str) -> Result<Id, String> {
        if self.nodes.len() >= MOST_NODES {
            return Err(format!("it has more than {MOST_NODES} nodes"));
        }
        let id = Id::try_from(self.nodes.len()).map_err(|_| "it has too many nodes")?;
        let (mut previous, mut position) = (None, 0);
        let parent = self.open.last_mut().map(|open| {
            if kind == Kind::Element {
                (previous, position) = (open.last.replace(id), open.elements);
                open.elements += 1;
            }
            open.id
        });
        let (namespace, name, text) = (namespace.cloned(), name.into(), text.into());
        self.nodes.push(TreeNode { kind, parent, end: id + 1, previous, position, namespace, name, text });
        Ok(id)
    }

    /// Opens an element that was added: what follows is in it.
    pub(super) fn open(&mut self, id: Id) -> Result<(), String> {
        if self.open.len() > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} levels deep"));
        }
        self.open.push(Open::new(id));
        Ok(())
    }

    pub(super) fn close(&mut self) {
        let end = Id::try_from(self.nodes.len()).unwrap_or(Id::MAX);
        if let Some(open) = self.open.pop().and_then(|open| self.nodes.get_mut(usize::try_from(open.id).unwrap_or(usize::MAX))) {
            open.end = end;
        }
    }

    pub(super) fn finish(mut self) -> Tree {
        while !self.open.is_empty() {
            self.close();
        }
        Tree { nodes: self.nodes }
    }
}
