//! A real browser, driven over WebDriver: Chromium without a window, with a profile of its own and no way out.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::{path::PathBuf, process::Stdio, time::Duration};

use hyper::Method;
use lab::client::HttpClient;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::common::{PATIENCE, eventually};

/// How pages are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) dark: bool,
    pub(crate) phone: bool,
    /// Whether pages may run scripts.
    pub(crate) without_script: bool,
}

/// A browser with one window. It ends when it is dropped.
pub(crate) struct Browser {
    driver: HttpClient,
    session: String,
    _profile: tempfile::TempDir,
    _driver: Child,
}

/// What names an element in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Keys of WebDriver.
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";

/// Starts a driver. It takes a free port of IPv4 and then wants the same one of IPv6; if somebody has that, it says so and
/// ends, and another one is started.
async fn driver() -> (Lines<BufReader<ChildStdout>>, Child, String) {
    loop {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("`cargo xtask test` installs chromedriver");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim_end_matches('.').to_owned();
                return (lines, child, port);
            }
            said.push(line);
        }
        assert!(said.concat().contains("port not available"), "chromedriver does not start: {said:?}");
    }
}

impl Browser {
    pub(crate) async fn start(looks: Looks) -> Self {
        let (mut lines, child, port) = driver().await;
        // Whoever writes to a pipe that nobody reads stands still one day.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().unwrap();
        let driver =
            HttpClient::new(&format!("http://127.0.0.1:{port}")).unwrap().with_deadline(PATIENCE * 2);
        let scripts = if looks.without_script { 2 } else { 1 };
        let options = json!({
            "args": [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--disable-dev-shm-usage", "--lang=en-US",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
                format!("--user-data-dir={}", profile.path().display()),
            ],
            "prefs": {"profile.managed_default_content_settings.javascript": scripts},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = driver.post("/session", &wanted).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let session = answer.json()["value"]["sessionId"].as_str().unwrap().to_owned();
        let browser = Self { driver, session, _profile: profile, _driver: child };
        let (width, height) = if looks.phone { (360, 740) } else { (1_100, 900) };
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": looks.phone});
        browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
        browser.dark(looks.dark).await;
        browser
    }

    /// Switches between the light and the dark colours.
    pub(crate) async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("/session/{}{path}", self.session);
        let (kind, body) = match method {
            Method::POST => (Some("application/json"), body.to_string().into()),
            _ => (None, Default::default()),
        };
        let answer = self.driver.send(method, &path, kind, body).await.unwrap();
        match answer.status.is_success() {
            true => Ok(answer.json()["value"].take()),
            false => Err(answer.text()),
        }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, &body).await.unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    pub(crate) async fn go(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// One page back in its history, and there.
    pub(crate) async fn back(&self) {
        self.post("/back", json!({})).await;
    }

    pub(crate) async fn location(&self) -> String {
        self.send(Method::GET, "/url", &Value::Null).await.unwrap().as_str().unwrap().to_owned()
    }

    /// The element, once it is there.
    async fn element(&self, css: &str) -> String {
        let mut found = None;
        let wanted = json!({"using": "css selector", "value": css});
        let there = eventually(PATIENCE, async || {
            found = self.send(Method::POST, "/element", &wanted).await.ok();
            found.is_some()
        });
        assert!(there.await, "{css} is not on {}: {}", self.location().await, self.text().await);
        found.unwrap()[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Waits for an element.
    pub(crate) async fn shows(&self, css: &str) {
        self.element(css).await;
    }

    pub(crate) async fn is_there(&self, css: &str) -> bool {
        let wanted = json!({"using": "css selector", "value": css});
        self.send(Method::POST, "/element", &wanted).await.is_ok()
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// Presses keys where the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let presses: Vec<_> = keys
            .chars()
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": presses}]}))
            .await;
    }

    /// Presses Tab until an element has the focus.
    pub(crate) async fn tab_to(&self, css: &str) {
        for _ in 0..80 {
            self.press(TAB).await;
            let script =
                "return document.activeElement !== null && document.activeElement.matches(arguments[0])";
            if self.run(script, json!([css])).await == json!(true) {
                return;
            }
        }
        panic!("the keyboard does not reach {css}");
    }

    /// Runs a script in the page, whatever the page's policy.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": arguments})).await
    }

    pub(crate) async fn text(&self) -> String {
        let body = self.send(Method::GET, "/source", &Value::Null).await.unwrap_or_default();
        body.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the location has a text, and answers with it.
    pub(crate) async fn led_to(&self, text: &str) -> String {
        let mut location = String::new();
        let there = eventually(PATIENCE, async || {
            location = self.location().await;
            location.contains(text)
        });
        assert!(there.await, "{location}: {}", self.text().await);
        location
    }

    /// What pages have written to the console, and what the browser has complained about there.
    pub(crate) async fn console(&self) -> Vec<String> {
        let said = self.post("/se/log", json!({"type": "browser"})).await;
        let lines = said.as_array().unwrap().iter();
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Rules for accessible pages that this page breaks, with the elements that do.
    pub(crate) async fn barriers(&self) -> Vec<String> {
        let axe = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .with_file_name("official-sdks")
            .join("axe/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .unwrap_or_else(|_| panic!("{} is not there: `cargo xtask test` fetches it", axe.display()));
        self.run(&format!("{axe}; window.axe = axe"), json!([])).await;
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document).then(found => done(found.violations.map(broken =>
                broken.id + ': ' + broken.nodes.map(node => node.html).join(' | '))))";
        let found = self.post("/execute/async", json!({"script": script, "args": []})).await;
        found.as_array().unwrap().iter().map(|broken| broken.as_str().unwrap().to_owned()).collect()
    }

    /// How far the page can be scrolled sideways, in pixels.
    pub(crate) async fn overflow(&self) -> i64 {
        let script = "const page = document.documentElement; return page.scrollWidth - page.clientWidth";
        self.run(script, json!([])).await.as_i64().unwrap()
    }

    pub(crate) async fn window(&self) -> String {
        self.send(Method::GET, "/window", &Value::Null).await.unwrap().as_str().unwrap().to_owned()
    }

    pub(crate) async fn switch_to(&self, window: &str) {
        self.post("/window", json!({"handle": window})).await;
    }

    /// Looks at the other one of two windows.
    pub(crate) async fn switch_to_other_than(&self, window: &str) {
        let windows = self.send(Method::GET, "/window/handles", &Value::Null).await.unwrap();
        let other = windows.as_array().unwrap().iter().find(|other| other.as_str() != Some(window));
        self.switch_to(other.expect("there are two windows").as_str().unwrap()).await;
    }

    pub(crate) async fn end(self) {
        let path = format!("/session/{}", self.session);
        let _ = tokio::time::timeout(
            Duration::from_secs(10),
            self.driver.send(Method::DELETE, &path, None, Default::default()),
        )
        .await;
    }
}
