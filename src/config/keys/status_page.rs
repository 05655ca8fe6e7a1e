//! Keys of the public status page.

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{DeclaredSection, Field, List, Map, Tables, section, sentence};
use super::super::value_kind::{Bool, Default, Duration, Saying, Slug, SocketAddress, Text, Title, Value};

section! {
    /// `status_page`.
    StatusPage as StatusPageKeys: "status_page", "`status_page`" {
        /// What it is called.
        title: Title = "Status",
        /// What stands below the title.
        intro: Saying,
        /// Where on the service's listener it is, for everybody and without a token.
        path: Text [default "without `address` \"/status\""],
        /// A listener of its own, which serves nothing else; instead of `path`.
        address: SocketAddress,
        /// How far back its days and incidents go, in whole days.
        history: Duration = "90d",
        /// Whether it tells regions apart.
        show_regions: Bool = false,
        /// What regions are called there; the others by their own names.
        regions: Map<Title>,
        /// What it tells of, in this order.
        component: Tables<Component> [required],
    }
    rules: &[Rule::AtMostOne(&["path", "address"]), Rule::Needs("regions", "show_regions")];
}

section! {
    /// `status_page.component`.
    Component as ComponentKeys: "status_component", "a component of the status page" {
        /// What users call it.
        name: Title [required],
        /// What it is for, in users' words.
        summary: Saying,
        /// The probes that stand for it; it works while all of them do.
        probes: List<Slug> [required],
    }
}
