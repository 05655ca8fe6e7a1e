//! Who asks, and what he may.

use std::sync::Arc;

/// Who asks. The guard puts it into a request's extensions, from which handlers take it as `Extension<Caller>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Caller {
    /// Who, for the audit log: the name of a token, or the one that the trusted proxy gave; in one line.
    pub(in crate::web) name: Arc<str>,
    /// What he may.
    pub(in crate::web) role: Role,
    /// How that is known.
    pub(in crate::web) via: Via,
}

impl Caller {
    /// Whether he may change something.
    pub(in crate::web) fn may_act(&self) -> bool {
        self.role == Role::Act
    }

    /// The only incident he may see, where there is one.
    pub(in crate::web) fn link(&self) -> Option<&LinkScope> {
        match &self.via {
            Via::Link(scope) => Some(scope),
            Via::Open | Via::Bearer | Via::Session | Via::Proxy => None,
        }
    }
}

/// What somebody may.
pub(crate) use crate::plan::Role;

/// How it is known who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) enum Via {
    /// It is not: no token is configured, and nobody may act.
    Open,
    /// He sent a token.
    Bearer,
    /// He logged in.
    Session,
    /// A trusted proxy says so.
    Proxy,
    /// He has the link of a page.
    Link(LinkScope),
}

/// What a link lets somebody see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct LinkScope {
    /// The incident; of its runs whoever shows a run sees that it is one.
    pub(in crate::web) incident: Arc<str>,
    /// The key, for links from one of its pages to another.
    pub(in crate::web) key: Arc<str>,
}
