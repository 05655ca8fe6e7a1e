//! Asking a running service over its API.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::base::time::{from_epoch_ms, rfc3339};
use crate::config::{load_listen, process_environment, read_secrets};

use super::args::ServiceArgs;
use super::exit::Failure;
use super::logs::chain;
use super::style::printable;

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer that goes on is listened to at most.
const LISTENING: Duration = Duration::from_hours(24);

/// Bytes of an answer; the largest, of a page of runs or incidents, has a tenth of it.
const MOST: usize = 64 << 20;

/// Where a service listens by default.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// A way to a service.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Client {
    /// The service that the arguments name, or else the one that the configuration describes. Only the latter gets the configured
    /// token, so that a command inside the service's container needs no arguments.
    pub(crate) fn new(args: &ServiceArgs, config: Option<&Path>) -> Result<Self, Failure> {
        let configured = config.filter(|_| args.url.is_none()).and_then(|config| configured(config, process_environment()));
        let (address, token) = configured.unwrap_or((DEFAULT, None));
        let url = args.url.clone().unwrap_or_else(|| format!("http://{address}"));
        let base: Url = url
            .parse()
            .map_err(|error| Failure::usage(format!("`{url}` is not a URL ({error}); write it like http://{DEFAULT}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Failure::usage(format!("`{base}` is not the URL of a service; write it like http://{DEFAULT}")));
        }
        Ok(Self { http: http_client(PATIENCE)?, base, token: args.token.clone().or(token) })
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Asks the service to do something.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Asks for an answer that goes on for as long as it is listened to. Its pieces are asked for with a time limit by whoever listens.
    pub(crate) async fn follow(&self, path: &[&str], query: &[(&str, String)]) -> Result<reqwest::Response, Failure> {
        let request = self.request(Method::GET, path, query).timeout(LISTENING).send();
        let late = |_late| Failure::prober(format!("the service at {} takes too long to answer", self.base));
        let answer = tokio::time::timeout(PATIENCE, request).await.map_err(late)?;
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        Err(self.refused(status, &said))
    }

    /// Where the service is.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let request = self.http.request(method, url).query(query);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn ask(&self, method: Method, path: &[&str], query: &[(&str, String)], body: Option<&Value>) -> Result<Value, Failure> {
        let mut request = self.request(method, path, query);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST {
                return Err(Failure::prober(format!("what answers at {} says more than any serinus service would", self.base)));
            }
        }
        let text = String::from_utf8_lossy(&body);
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|error| Failure::prober(format!("what answers at {} is no serinus service: {error}", self.base)));
        }
        Err(self.refused(status, &text))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let hint = "is `serinus run` up there? name another service with --url, or its configuration with -c";
        Failure::prober(format!("cannot ask the service at {}: {}; {hint}", self.base, chain(error)))
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        let said = serde_json::from_str::<Value>(text).ok().and_then(|body| body["error"].as_str().map(str::to_owned));
        let Some(said) = said.map(|said| printable(&said).into_owned()) else {
            return Failure::prober(format!("what answers at {} is no serinus service: it says {status}", self.base));
        };
        match status {
            StatusCode::UNAUTHORIZED if self.token.is_some() => {
                Failure::usage(format!("the service at {} does not take this token: {said}", self.base))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::usage(said),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                Failure::usage(said)
            }
            _ => Failure::prober(format!("the service at {} could not do it: {said}", self.base)),
        }
    }
}

/// A client for a service, which may take so long to answer.
pub(crate) fn http_client(patience: Duration) -> Result<reqwest::Client, Failure> {
    // Only the first of a process counts, and every one is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A redirect could carry the token elsewhere, and the service sends none.
    let http = reqwest::Client::builder().timeout(patience).redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    http.map_err(|error| Failure::prober(format!("cannot set up the request: {}", chain(&error))))
}

/// Where the configuration says that the service listens, from here, and the token it asks for. It need not be valid: what is
/// wrong with it may be what the service is asked about.
pub(crate) fn configured(config: &Path, environment: Vec<(String, String)>) -> Option<(SocketAddr, Option<String>)> {
    let of_environment: HashMap<String, String> = environment.iter().cloned().collect();
    let (listen, secrets) = load_listen(config, environment)?;
    let mut address = listen.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let secrets = read_secrets(&secrets, |name| of_environment.get(name).cloned());
    // The one that allows most; of alike ones the first.
    let token = listen.tokens.iter().rev().max_by_key(|token| token.role);
    let token = token.and_then(|token| Some(secrets.get(&token.secret)?.as_ref().ok()?.expose().to_owned()));
    Some((address, token))
}

/// The words of an object, safe for a terminal; empty if there are none.
pub(crate) fn word(of: &Value, key: &str) -> String {
    printable(of[key].as_str().unwrap_or_default()).into_owned()
}

/// How long ago a moment of an answer was, for people; a moment to come is now.
pub(crate) fn ago(milliseconds: &Value, now: SystemTime) -> String {
    let then = from_epoch_ms(milliseconds.as_i64().unwrap_or(0));
    let whole = now.duration_since(then).unwrap_or_default().as_secs();
    match whole {
        0..60 => format!("{whole} s ago"),
        60..3_600 => format!("{} min ago", whole / 60),
        3_600..172_800 => format!("{} h ago", whole / 3_600),
        _ => format!("{} days ago", whole / 86_400),
    }
}

/// The entries of a list of an answer; none if there is no such list.
pub(crate) fn list<'v>(of: &'v Value, key: &str) -> &'v [Value] {
    of[key].as_array().map_or(&[], Vec::as_slice)
}

/// `1 canary`, `2 canaries`.
pub(crate) fn plural(count: u64, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// A moment of an answer, for people.
pub(crate) fn moment(milliseconds: &Value) -> String {
    rfc3339(from_epoch_ms(milliseconds.as_i64().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Where a command that was told nothing asks, and with which token, given the configuration of the image and the variables
    /// of its container.
    fn found(config: &str, variables: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("serinus.toml");
        std::fs::write(&file, config).unwrap();
        std::fs::write(folder.path().join("token"), "from-a-file\n").unwrap();
        configured(&file, environment(variables)).map(|(address, token)| (address.to_string(), token))
    }

    #[test]
    fn a_command_in_the_services_container_asks_it_there_with_its_token() {
        let image = std::fs::read_to_string("docker/serinus.toml").unwrap();
        let (address, token) = found(&image, &[("METRICS_TOKEN", "choose-one")]).unwrap();
        assert_eq!((&*address, token.as_deref()), ("127.0.0.1:9464", Some("choose-one")));
        let moved = [("METRICS_TOKEN", "choose-one"), ("SERINUS_LISTEN__ADDRESS", "[::]:9000")];
        assert_eq!(found(&image, &moved).unwrap().0, "[::1]:9000");
        assert_eq!(found(&image, &[]).unwrap(), ("127.0.0.1:9464".to_owned(), None), "the service says what it thinks of that");
        let of_file = "[listen]\naddress = \"10.0.0.7:1\"\ntoken = \"key\"\n[secrets]\nkey = { file = \"token\" }\n";
        assert_eq!(found(of_file, &[]), Some(("10.0.0.7:1".to_owned(), Some("from-a-file".to_owned()))));
    }

    #[test]
    fn a_service_that_was_named_never_gets_the_token_of_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("serinus.toml");
        std::fs::write(folder.path().join("token"), "from-a-file").unwrap();
        let text = "[listen]\naddress = \"127.0.0.1:1\"\ntoken = \"key\"\n[secrets]\nkey = { file = \"token\" }\n";
        std::fs::write(&file, text).unwrap();
        let args = |url: Option<&str>| ServiceArgs { url: url.map(str::to_owned), token: None };
        let asked = |url| Client::new(&args(url), Some(&file)).map(|client| (client.base.to_string(), client.token)).ok();
        assert_eq!(asked(None), Some(("http://127.0.0.1:1/".to_owned(), Some("from-a-file".to_owned()))));
        assert_eq!(asked(Some("http://example.com")), Some(("http://example.com/".to_owned(), None)));
        let unknown = Client::new(&args(None), None).map(|client| (client.base.to_string(), client.token)).ok();
        assert_eq!(unknown, Some((format!("http://{DEFAULT}/"), None)));
    }
}
