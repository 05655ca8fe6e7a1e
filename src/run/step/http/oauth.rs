//! OAuth2 client credentials (RFC 6749, section 4.4): a token is fetched once a run and device.

use std::collections::HashMap;

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::outcome::Reason;

use super::body;
use super::decode::Encoding;
use super::request::OAuth2;
use super::timings::Timings;
use crate::run::step::TransportError;

/// Bytes of a token answer that are read.
const ANSWER: usize = 64 << 10;

/// Tokens of one device in one run. The lock is held while a token is fetched, so that parallel steps fetch it once.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<OAuth2, String>>);

#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
}

impl Tokens {
    /// The token of this grant.
    pub(super) async fn get(&self, grant: &OAuth2, client: &reqwest::Client) -> Result<String, TransportError> {
        let mut tokens = self.0.lock().await;
        if let Some(token) = tokens.get(grant) {
            return Ok(token.clone());
        }
        let token = fetch(grant, client).await?;
        tokens.insert(grant.clone(), token.clone());
        Ok(token)
    }
}

async fn fetch(grant: &OAuth2, client: &reqwest::Client) -> Result<String, TransportError> {
    let timings = Timings::new();
    timings.scope(ask(grant, client, &timings)).await.map_err(|failure| TransportError {
        message: format!("no token from `{}`: {}", grant.token_url, failure.message),
        // The step's own request has not been sent.
        sent: false,
        ..failure
    })
}

async fn ask(grant: &OAuth2, client: &reqwest::Client, timings: &Timings) -> Result<String, TransportError> {
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(grant.scope.as_deref().map(|scope| ("scope", scope)));
    form.extend(grant.audience.as_deref().map(|audience| ("audience", audience)));
    let request = client.post(&grant.token_url).basic_auth(&grant.client_id, Some(&grant.client_secret)).form(&form);
    let response = request.send().await.map_err(|error| TransportError::of(&error, timings, false))?;
    let answered = |reason, message| TransportError { reason, message, sent: true, got_byte: true };
    let (status, encoding) = (response.status(), Encoding::of(response.headers()));
    if !status.is_success() {
        return Err(answered(Reason::Protocol, format!("the token endpoint answered {status}")));
    }
    let body = body::read(response, encoding, ANSWER, timings, &mut 0).await?;
    serde_json::from_slice::<TokenResponse>(&body)
        .map(|answer| answer.access_token)
        .map_err(|error| answered(Reason::Protocol, format!("the token endpoint's answer has no usable token: {error}")))
}
