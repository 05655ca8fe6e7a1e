//! What of a service is shown to everybody: the components of its status page, in the owner's words.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// The public status page. Whatever is not in it is shown to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPage {
    /// What it is called.
    pub title: Arc<str>,
    /// What stands below the title.
    pub intro: Option<Arc<str>>,
    /// Where it is served.
    pub place: StatusPlace,
    /// Days that are shown, at least one, with today's.
    pub days: u32,
    /// What regions are called there; none is shown if absent. A region that is not in it is shown by its own name.
    pub regions: Option<BTreeMap<Arc<str>, Arc<str>>>,
    /// What it tells of, in the order in which it is shown. Names differ.
    pub components: Vec<StatusComponent>,
}

/// A part of the product, as its users know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusComponent {
    /// What users call it.
    pub name: Arc<str>,
    /// What it is for.
    pub summary: Option<Arc<str>>,
    /// The probes that stand for it, at least one.
    pub probes: Vec<Arc<str>>,
}

/// Where the status page is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusPlace {
    /// On the service's listener, below this path, which begins with a slash and does not end with one.
    Path(Arc<str>),
    /// On a listener of its own, which serves nothing else.
    Address(SocketAddr),
}

impl StatusPage {
    /// The probes that were chosen.
    pub fn chosen(&self) -> HashSet<&Arc<str>> {
        self.components.iter().flat_map(|component| &component.probes).collect()
    }

    /// What a region is called there; nothing where regions are not shown.
    pub fn region_name<'p>(&'p self, region: &'p str) -> Option<&'p str> {
        let names = self.regions.as_ref()?;
        Some(names.get(region).map_or(region, |name| &**name))
    }
}
