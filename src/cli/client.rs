//! Asking a running service over its API.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::config::{load_listen, process_environment, read_secrets};

use super::args::RemoteArgs;
use super::config::variable;
use super::exit::Failure;
use super::logs::chain;
use super::report::rfc3339;
use super::style::printable;

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of an answer; the largest, of a page of runs or incidents, has a tenth of it.
const MOST: usize = 64 << 20;

/// Where a service listens that was told nothing.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

/// A way to a service.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
}

impl Client {
    /// The service that the arguments name, or the configuration, whose token is used then too. So within its container a
    /// service can be asked without a word about where it is. A service that was named gets only a token that was given.
    pub(crate) fn new(args: &RemoteArgs, config: Option<&Path>) -> Result<Self, Failure> {
        let configured = config.filter(|_| args.url.is_none()).and_then(configured);
        let (address, token) = configured.unwrap_or((DEFAULT, None));
        let url = args.url.clone().unwrap_or_else(|| format!("http://{address}"));
        let base: Url = url
            .parse()
            .map_err(|error| Failure::usage(format!("`{url}` is not a URL ({error}); write it like http://{DEFAULT}")))?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(Failure::usage(format!("`{base}` is not the URL of a service; write it like http://{DEFAULT}")));
        }
        // Only the first of a process counts, and every one is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect could carry the token elsewhere, and the service sends none.
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let http = http.map_err(|error| Failure::prober(format!("cannot set up the request: {}", chain(&error))))?;
        Ok(Self { http, base, token: args.token.clone().or(token) })
    }

    /// Asks for something.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Failure> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Asks the service to do something.
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    async fn ask(&self, method: Method, path: &[&str], query: &[(&str, String)], body: Option<&Value>) -> Result<Value, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let mut request = self.http.request(method, url).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
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

/// Where the configuration says that the service listens, from here, and the token it asks for. It need not be valid: what is
/// wrong with it may be what the service is asked about.
fn configured(config: &Path) -> Option<(SocketAddr, Option<String>)> {
    let (listen, secrets) = load_listen(config, process_environment())?;
    let mut address = listen.address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let secrets = read_secrets(&secrets, variable);
    let token = listen.token.and_then(|name| Some(secrets.get(&name)?.as_ref().ok()?.expose().to_owned()));
    Some((address, token))
}

/// The words of an object, safe for a terminal; empty if there are none.
pub(crate) fn word(of: &Value, key: &str) -> String {
    printable(of[key].as_str().unwrap_or_default()).into_owned()
}

/// How long ago a moment of an answer was, for people; a moment to come is now.
pub(crate) fn ago(milliseconds: &Value, now: SystemTime) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.as_u64().unwrap_or(0));
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
    let since = Duration::from_millis(milliseconds.as_u64().unwrap_or(0));
    rfc3339(SystemTime::UNIX_EPOCH + since)
}
