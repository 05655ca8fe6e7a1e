//! A running sandbox and a client for it.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use serinus::sandbox::{Sandbox, SandboxConfig};

/// Longest wait for something that must happen. Generous, since a machine that runs all tests at once is slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sandbox that runs 50 times as fast, with a client from region `eu`, platform `ios`.
pub(crate) struct Product {
    pub(crate) sandbox: Sandbox,
    pub(crate) client: Client,
}

/// Sends requests from a place, as a signed-in device or not.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    pub(crate) headers: HeaderMap,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Product {
    pub(crate) async fn start() -> Self {
        Self::start_with(SandboxConfig { speed: 50.0, ..SandboxConfig::default() }).await
    }

    pub(crate) async fn start_with(config: SandboxConfig) -> Self {
        let sandbox = Sandbox::start(config).await.unwrap();
        let client = Client::new(&sandbox).from("eu", "ios");
        Self { sandbox, client }
    }
}

impl Client {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        // Another test may have installed it already, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { http, base: format!("http://{}", sandbox.address()), headers: HeaderMap::new() }
    }

    pub(crate) fn from(&self, region: &str, platform: &str) -> Self {
        self.with("x-region", region).with("x-platform", platform)
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.insert(name, value.parse().unwrap());
        other
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, json: Value) -> Answer {
        self.send(Method::POST, path, Some(json)).await
    }

    pub(crate) async fn put(&self, path: &str, json: Value) -> Answer {
        self.send(Method::PUT, path, Some(json)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, json: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some(json) = json {
            request = request.json(&json);
        }
        Answer::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn send_text(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.base)).header("content-type", "application/json");
        Answer::read(request.body(body).send().await.unwrap()).await
    }

    /// Polls until an answer satisfies; fails with the last one when patience ends.
    pub(crate) async fn until(&self, path: &str, satisfied: impl Fn(&Answer) -> bool) -> Answer {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if satisfied(&answer) {
                return answer;
            }
            assert!(tokio::time::Instant::now() < end, "{path} stayed {answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Self { status, headers, json }
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.json[member].as_str().unwrap_or_else(|| panic!("`{member}` is no text in {self:?}")).to_owned()
    }

    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }
}
