//! What the guard knows: tokens, keys, codes and proxies. There is one of it for a service.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq as _;

use crate::base::signing::SigningKey;
use crate::history::Fleet;
use crate::outcome::{LinkKey, Secret};
use crate::plan::{Network, Proxies};
use crate::web::hosts::Hosts;

use super::caller::Role;
use super::codes::{Admitted, Codes};
use super::failures::Failures;
use super::root_key::RootKey;
use super::session::Source;

/// A token with its value.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// Who uses it.
    pub(crate) name: Arc<str>,
    /// What it allows.
    pub(crate) role: Role,
    /// What callers send.
    pub(crate) secret: Secret,
}

/// What the guard knows.
#[derive(Debug)]
pub(crate) struct AccessState {
    tokens: Vec<Token>,
    proxies: Proxies,
    root: RootKey,
    links: LinkKey,
    hosts: Arc<Hosts>,
    pub(super) codes: Codes,
    pub(super) failures: Failures,
}

impl AccessState {
    /// Begins without sessions.
    pub(crate) fn new(tokens: Vec<Token>, proxies: Proxies, root: RootKey, hosts: Arc<Hosts>) -> Self {
        let (links, codes, failures) = (root.links(), Codes::default(), Failures::default());
        Self { tokens, proxies, root, links, hosts, codes, failures }
    }

    /// The same for a process of a fleet: codes are good on all instances.
    pub(crate) fn in_fleet(self, fleet: Option<Arc<dyn Fleet>>) -> Self {
        Self { codes: Codes::of(fleet), ..self }
    }

    /// A code that lets somebody log in once within ten minutes, at `login?code=…`.
    pub(crate) fn new_code(&self, role: Role, name: &str) -> String {
        self.codes.new_code(Admitted { name: name.into(), role, source: Source::Service }, Instant::now())
    }

    /// By which names the listener may be called.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The key of links in pages.
    pub(super) fn links(&self) -> &LinkKey {
        &self.links
    }

    /// Whether any token is configured.
    pub(super) fn asks_who(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The token of this value, and its number. All are compared, each in constant time.
    pub(super) fn token(&self, offered: &str) -> Option<(usize, &Token)> {
        let is = |token: &Token| bool::from(offered.as_bytes().ct_eq(token.secret.expose().as_bytes()));
        self.tokens.iter().enumerate().fold(None, |found, (at, token)| if is(token) { Some((at, token)) } else { found })
    }

    /// What a session of this source may at most, and the key that signs it; nothing if its source is gone.
    pub(super) fn standing(&self, source: &Source) -> Option<(Role, SigningKey)> {
        match source {
            Source::Token(name) => {
                let token = self.tokens.iter().find(|token| token.name == *name)?;
                Some((token.role, self.root.0.derived("session of a token", &[name, token.secret.expose()])))
            }
            Source::Proxy => {
                let (header, role) = self.proxies.user.as_ref()?;
                Some((*role, self.root.0.derived("session of a user", &[header])))
            }
            Source::Service => Some((Role::Act, self.root.0.derived("session", &[]))),
        }
    }

    /// The key of tokens in forms.
    pub(super) fn forms(&self) -> SigningKey {
        self.root.0.derived("form", &[])
    }

    /// Whether the word of this proxy is taken.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.trusted.iter().any(|network: &Network| network.contains(peer))
    }

    /// The header in which a trusted proxy says who asks, and what he may.
    pub(super) fn user_header(&self) -> Option<(&str, Role)> {
        self.proxies.user.as_ref().map(|(header, role)| (header.as_str(), *role))
    }
}

#[cfg(test)]
pub(in crate::web) mod testing {
    use super::super::root_key::restored_root_key;
    use super::*;

    /// One that asks for these tokens, by name, value and role.
    pub(in crate::web) fn asking(tokens: &[(&str, &str, Role)]) -> AccessState {
        let token =
            |(name, secret, role): &(&str, &str, Role)| Token { name: (*name).into(), role: *role, secret: Secret::new(*secret) };
        let hosts = Hosts::new(vec!["x".to_owned()], None);
        AccessState::new(tokens.iter().map(token).collect(), Proxies::default(), restored_root_key(&[]).0, Arc::new(hosts))
    }

    impl AccessState {
        /// The same service, started again with other tokens.
        pub(in crate::web) fn asking_instead(&self, tokens: &[(&str, &str, Role)]) -> Self {
            let other = asking(tokens);
            Self::new(other.tokens, other.proxies, self.root.clone(), other.hosts)
        }
    }

    /// One that trusts these proxies.
    pub(in crate::web) fn trusting(networks: &[&str]) -> AccessState {
        let trusted = networks.iter().map(|network| network.parse().unwrap()).collect();
        let proxies = Proxies { trusted, user: Some(("x-forwarded-user".to_owned(), Role::Act)) };
        AccessState::new(Vec::new(), proxies, restored_root_key(&[]).0, Arc::default())
    }
}
