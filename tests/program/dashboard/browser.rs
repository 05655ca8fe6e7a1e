//! What tests do with a browser: go somewhere, read, click, type, and ask what the page complains of.
//!
//! A test that fails leaves a screenshot and the page's source in the target folder.

use std::path::Path;
use std::time::{Duration, Instant};

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, MouseActions, PointerAction};
use serde_json::{Value, json};

use crate::cli_support::{PATIENCE, until};

use super::chromium::{Chromium, Screen};

/// A browser at a service.
pub(crate) struct Browser {
    chromium: Chromium,
    /// The service's root, with a slash at the end.
    root: String,
    /// What its screenshots are named after.
    name: String,
}

impl Browser {
    /// One that has not gone anywhere yet.
    pub(crate) fn start(address: &str, screen: Screen) -> Self {
        let name = std::thread::current().name().unwrap_or("browser").rsplit("::").next().unwrap_or_default().to_owned();
        Self { chromium: Chromium::start(screen), root: format!("http://{address}/"), name }
    }

    /// Gives it another width, height or preference.
    pub(crate) fn set_screen(&self, screen: Screen) {
        self.chromium.set_screen(screen);
    }

    /// Opens a page, by its address relative to the root or as a whole.
    #[track_caller]
    pub(crate) fn goto(&self, page: &str) {
        let page = page.trim_start_matches("./");
        let url = if page.starts_with("http") { page.to_owned() } else { format!("{}{page}", self.root) };
        self.chromium.ask(async |client| client.goto(&url).await).unwrap_or_else(|error| panic!("{page}: {error}"));
    }

    /// Where it is, relative to the root.
    pub(crate) fn here(&self) -> String {
        let url = self.chromium.ask(async |client| client.current_url().await).unwrap();
        url.as_str().trim_start_matches(&self.root).to_owned()
    }

    /// The tab's title.
    pub(crate) fn title(&self) -> String {
        self.chromium.ask(async |client| client.title().await).unwrap()
    }

    /// What is seen of the first such element, which is waited for.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        until(selector, || self.chromium.ask(async |client| client.find(Locator::Css(selector)).await?.text().await).ok())
    }

    /// What is seen of all such elements.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        self.chromium
            .ask(async |client| {
                let mut texts = Vec::new();
                for element in client.find_all(Locator::Css(selector)).await? {
                    texts.push(element.text().await?);
                }
                Ok(texts)
            })
            .unwrap_or_default()
    }

    /// Waits until an element says this.
    #[track_caller]
    pub(crate) fn until_says(&self, selector: &str, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let texts = self.texts(selector);
            if let Some(text) = texts.iter().find(|text| text.contains(words)) {
                return text.clone();
            }
            assert!(Instant::now() < deadline, "{}: {selector} never says {words:?}; it says {texts:?}", self.here());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks the first such element, which is waited for.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.chromium.ask(async |client| client.find(Locator::Css(selector)).await?.click().await) {
            assert!(Instant::now() < deadline, "{selector} cannot be clicked: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Types into a field.
    #[track_caller]
    pub(crate) fn type_into(&self, selector: &str, text: &str) {
        until(selector, || {
            self.chromium.ask(async |client| client.find(Locator::Css(selector)).await?.send_keys(text).await).ok()
        });
    }

    /// Presses keys, wherever the focus is.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        self.chromium.ask(async |client| client.active_element().await?.send_keys(keys).await).unwrap();
    }

    /// Moves the pointer onto the middle of an element.
    #[track_caller]
    pub(crate) fn hover(&self, selector: &str) {
        let (x, y) = self.middle(selector);
        let there = PointerAction::MoveTo { duration: None, x, y };
        let actions = MouseActions::new("mouse".to_owned()).then(there);
        self.chromium.ask(async |client| client.perform_actions(actions).await).unwrap();
    }

    /// Puts a finger onto the middle of an element of a phone, which is not lifted before [`Self::lift_finger`].
    #[track_caller]
    pub(crate) fn put_finger(&self, selector: &str) {
        let (x, y) = self.middle(selector);
        self.chromium.tools("Input.dispatchTouchEvent", &json!({ "type": "touchStart", "touchPoints": [{ "x": x, "y": y }] }));
    }

    /// Lifts it.
    #[track_caller]
    pub(crate) fn lift_finger(&self) {
        self.chromium.tools("Input.dispatchTouchEvent", &json!({ "type": "touchEnd", "touchPoints": [] }));
    }

    /// Where the middle of an element is in the window, pixels.
    #[track_caller]
    fn middle(&self, selector: &str) -> (f64, f64) {
        let box_of = self.script(&format!(
            "const b = document.querySelector({}).getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];",
            json!(selector)
        ));
        (box_of[0].as_f64().unwrap(), box_of[1].as_f64().unwrap())
    }

    /// What a script says, given as the body of a function. The driver can run one where pages cannot.
    #[track_caller]
    pub(crate) fn script(&self, body: &str) -> Value {
        self.chromium
            .ask(async |client| client.execute(body, Vec::new()).await)
            .unwrap_or_else(|error| panic!("{body:.200}: {error}"))
    }

    /// The same of a script that is done when it calls its last argument.
    #[track_caller]
    pub(crate) fn script_later(&self, body: &str, arguments: Vec<Value>) -> Value {
        let answer = self.chromium.ask(async |client| client.execute_async(body, arguments).await);
        answer.unwrap_or_else(|error| panic!("{body:.200}: {error}"))
    }

    /// Whether a dialog of a script is open.
    pub(crate) fn has_alert(&self) -> bool {
        self.chromium.ask(async |client| client.get_alert_text().await).is_ok()
    }

    /// What the console said against pages since this was last asked: errors, and what their policy forbade.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let said = self.chromium.console();
        let bad = said.iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        bad.map(|entry| format!("{} {}", entry["source"], entry["message"])).collect()
    }

    /// Logs in with a token, on the page for that.
    #[track_caller]
    pub(crate) fn log_in(&self, token: &str) {
        self.goto("login");
        self.type_into("#token", token);
        self.click("button");
        until("the overview", || self.here().is_empty().then_some(()));
    }

    /// How much wider the page is than its window, pixels.
    #[track_caller]
    pub(crate) fn too_wide(&self) -> i64 {
        self.script("return document.scrollingElement.scrollWidth - innerWidth;").as_i64().unwrap().max(0)
    }

    /// A picture of the whole page.
    pub(crate) fn screenshot(&self, file: &Path) {
        if let Ok(picture) = self.chromium.ask(async |client| client.screenshot().await) {
            // It is a help and no more.
            let _ = std::fs::write(file, picture);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
        let _ = std::fs::create_dir_all(&folder);
        let file = |end: &str| folder.join(format!("{}.{end}", self.name));
        self.screenshot(&file("png"));
        if let Ok(source) = self.chromium.ask(async |client| client.source().await) {
            let _ = std::fs::write(file("html"), source);
        }
        eprintln!("the page as it was: {}", file("png").display());
    }
}
