//! A real Chromium of the test's own, driven by chromedriver, that ends with the test whatever happens.

use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cli_support::{PATIENCE, until};
use crate::programs::{Program, free_port};

/// What people sit in front of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Width in CSS pixels.
    pub(crate) width: u32,
    /// Height in CSS pixels.
    pub(crate) height: u32,
    /// Whether it is a phone: its user agent, touch, and a viewport of its own.
    pub(crate) is_phone: bool,
    /// Whether its owner likes it dark.
    pub(crate) is_dark: bool,
    /// Whether pages may run scripts.
    pub(crate) has_scripts: bool,
}

impl Screen {
    /// The screen of a desk.
    pub(crate) const DESK: Self = Self { width: 1440, height: 900, is_phone: false, is_dark: false, has_scripts: true };
    /// One that is held in a hand.
    pub(crate) const PHONE: Self = Self { width: 390, height: 844, is_phone: true, ..Self::DESK };
    /// One that hangs on a wall.
    pub(crate) const WALL: Self = Self { width: 2560, height: 1440, ..Self::DESK };

    /// The same for those who like it dark.
    pub(crate) const fn dark(self) -> Self {
        Self { is_dark: true, ..self }
    }

    /// The same for those who switch scripts off.
    pub(crate) fn without_scripts(self) -> Self {
        Self { has_scripts: false, ..self }
    }
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.width, if self.is_dark { "dark" } else { "light" })
    }
}

/// The programs and the connection to them.
pub(super) struct Chromium {
    runtime: Runtime,
    client: Option<Client>,
    _driver: Program,
    profile: tempfile::TempDir,
}

impl Chromium {
    /// Starts one with this screen.
    pub(super) fn start(screen: Screen) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let port = free_port();
        let arguments = [format!("--port={port}"), "--allowed-ips=127.0.0.1".to_owned(), "--log-level=OFF".to_owned()];
        let driver = Program::start("chromedriver", &arguments, "chromium-driver");
        let mut chromium = Self { runtime, client: None, _driver: driver, profile: tempfile::tempdir().unwrap() };
        let Value::Object(capabilities) = capabilities(&chromium.profile.path().to_string_lossy(), screen) else {
            unreachable!("capabilities are an object")
        };
        let url = format!("http://127.0.0.1:{port}");
        until("chromedriver listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        let connected = chromium.runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            let connecting = builder.capabilities(capabilities).connect(&url);
            tokio::time::timeout(PATIENCE, connecting).await.expect("chromedriver answers")
        });
        let client = connected.unwrap_or_else(|error| panic!("Chromium (Debian's package `chromium`) does not start: {error}"));
        chromium.client = Some(client);
        chromium.set_screen(screen);
        chromium
    }

    /// Asks it for something, and waits for it.
    #[track_caller]
    pub(super) fn ask<T>(&self, what: impl AsyncFnOnce(&Client) -> Result<T, CmdError>) -> Result<T, CmdError> {
        let client = self.client.as_ref().expect("it was started");
        let asked = async { tokio::time::timeout(PATIENCE, what(client)).await.expect("Chromium answers") };
        self.runtime.block_on(asked)
    }

    /// A command of the developer tools' protocol.
    #[track_caller]
    pub(super) fn tools(&self, command: &str, parameters: &Value) {
        self.ask(async |client| {
            client.issue_cmd(Extension("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))).await
        })
        .unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    /// What the console has said since this was last asked: levels and messages.
    #[track_caller]
    pub(super) fn console(&self) -> Vec<Value> {
        let said = self.ask(async |client| client.issue_cmd(Extension("se/log", json!({ "type": "browser" }))).await);
        said.expect("the console can be read").as_array().cloned().unwrap_or_default()
    }

    /// Gives it another width, height or preference; a phone stays one.
    pub(super) fn set_screen(&self, screen: Screen) {
        if !screen.is_phone {
            let size = json!({ "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false });
            self.tools("Emulation.setDeviceMetricsOverride", &size);
        }
        let scheme = json!({ "name": "prefers-color-scheme", "value": if screen.is_dark { "dark" } else { "light" } });
        self.tools("Emulation.setEmulatedMedia", &json!({ "media": "", "features": [scheme] }));
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // It may be gone, or hang.
            let _ = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), client.close()).await });
        }
        // The driver's end would leave a browser behind that it could not close.
        for pid in those_with(&self.profile.path().to_string_lossy()) {
            let _ = std::process::Command::new("kill").args(["-s", "KILL", &pid]).stderr(std::process::Stdio::null()).status();
        }
    }
}

/// Processes in whose command line this folder stands.
fn those_with(folder: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let said = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path.join("cmdline")).unwrap_or_default()).contains(folder);
    let those = all.filter(|entry| said(entry.path()));
    those.filter_map(|entry| entry.file_name().into_string().ok().filter(|name| name.parse::<u32>().is_ok())).collect()
}

fn capabilities(profile: &str, screen: Screen) -> Value {
    let mut options = json!({
        "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en-GB",
            format!("--user-data-dir={profile}"), format!("--window-size={},{}", screen.width, screen.height),
        ],
    });
    if screen.is_phone {
        options["mobileEmulation"] = json!({
            "deviceMetrics": { "width": screen.width, "height": screen.height, "pixelRatio": 2.0, "touch": true, "mobile": true },
            "userAgent": "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36",
            "clientHints": { "platform": "Android", "mobile": true },
        });
    }
    if !screen.has_scripts {
        options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
    }
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
        "unhandledPromptBehavior": "ignore",
        "timeouts": { "pageLoad": 60_000, "script": 60_000, "implicit": 0 },
    })
}

/// A command that is chromedriver's own.
#[derive(Debug)]
struct Extension(&'static str, Value);

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}
