//! Whether anything answers HTTP at an address, with a look-up and a connection of its own.

use reqwest::redirect::Policy;
use url::Url;

use crate::plan::{HttpVersion, TlsSettings};

use super::clients::{HttpClients, protocols};
use crate::run::step::tls;

impl HttpClients {
    /// Asks `url` for its headers; any answer will do. Nothing is shared with the connections and look-ups of runs, so that
    /// those cannot keep this one waiting.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn reach(&self, url: &Url) -> Result<(), String> {
        let settings = tls::client_config(&TlsSettings::default(), protocols(HttpVersion::Http1), self.roots(), || {})
            .map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("serinus/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(settings)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .build()
            .map_err(|error| error.to_string())?;
        client.head(url.clone()).send().await.map(drop).map_err(|error| super::failure::told(&error))
    }
}
