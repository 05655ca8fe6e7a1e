//! Who may do what at the listener, and the key of sessions and of links in messages, at the start of a service.
//!
//! Owns where the key comes from: a secret, the store of a fleet, or the process's own store. `web` decides what each may do.

use std::sync::Arc;

use crate::history::{Fleet, StartState, Store};
use crate::outcome::{LinkKey, Secrets};
use crate::plan::{ListenToken, Service};
use crate::web::{AccessState, Hosts, RootKey, Token, restored_root_key, shared_root_key};

use super::running::StartError;

/// Who may do what, and the key of links in pages.
pub(super) async fn access(
    service: &Service,
    secrets: &Secrets,
    start_state: &StartState,
    store: &Arc<dyn Store>,
    fleet: Option<Arc<dyn Fleet>>,
    hosts: &Arc<Hosts>,
) -> Result<(Arc<AccessState>, LinkKey), StartError> {
    let tokens = tokens(service, secrets)?;
    let (root_key, new_key) = match (&service.listen.key, &fleet) {
        (Some(name), _) => (key(name, secrets)?, None),
        (None, Some(fleet)) => shared_root_key(&**fleet).await.map_err(StartError::Store)?,
        (None, None) => restored_root_key(&start_state.states),
    };
    let links = root_key.links();
    if let Some(commit) = new_key {
        store.record(commit);
    }
    let access = AccessState::new(tokens, service.listen.proxies.clone(), root_key, Arc::clone(hosts));
    Ok((Arc::new(access.in_fleet(fleet)), links))
}

/// The key that all instances have of the same secret.
fn key(name: &Arc<str>, secrets: &Secrets) -> Result<RootKey, StartError> {
    match secrets.get(name) {
        Some(Ok(secret)) if secret.expose().chars().count() >= RootKey::SHORTEST => Ok(RootKey::of_secret(secret)),
        Some(Ok(_)) => Err(StartError::ShortKey(Arc::clone(name))),
        Some(Err(_)) | None => Err(StartError::Key(Arc::clone(name))),
    }
}

/// Tokens of fewer characters may be guessed. They are refused nowhere, as those who have them cannot change them at once.
const SHORT_TOKEN: usize = 16;

/// The tokens that guard the listener, each with its value as it is now.
fn tokens(service: &Service, secrets: &Secrets) -> Result<Vec<Token>, StartError> {
    let read = |token: &ListenToken| match secrets.get(&token.secret) {
        Some(Ok(secret)) => {
            if secret.expose().len() < SHORT_TOKEN {
                tracing::warn!(
                    token = &*token.name,
                    "this token of [listen] has fewer than {SHORT_TOKEN} characters and may be guessed; `openssl rand -hex 16` makes one"
                );
            }
            Ok(Token { name: Arc::clone(&token.name), role: token.role, secret: secret.clone() })
        }
        Some(Err(_)) | None => Err(StartError::Token(Arc::clone(&token.secret))),
    };
    service.listen.tokens.iter().map(read).collect()
}
