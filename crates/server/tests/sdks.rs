//! Software that was written for the format, unchanged, against the real binary: the official SDKs with nothing but their
//! origin variables set, and an OAuth client that knows the server only by its metadata. Owners agree in a real browser.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod browser;
mod common;

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use browser::{Browser, Looks};
use common::{PATIENCE, Server, hourly, text};
use serde_json::Value;
use tokio::process::Command;

/// Where the suites of the SDKs let owners return to. Nobody answers there; the browser's location is enough.
const REDIRECT: &str = "https://example.com/auth";

/// A callback URI need not be looked up to be taken.
const ALLOWED: &[(&str, &str)] = &[("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#)];

/// A server with an application that has a webhook.
struct Scene {
    _folder: tempfile::TempDir,
    server: Server,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::serve(folder.path(), ALLOWED).await;
        let new = serde_json::json!({"name": "Fleet", "redirectUris": [REDIRECT]});
        let made = server.post("/applications", new).await;
        let webhooks = format!("/applications/{}/webhooks", text(&made, "id"));
        let webhook = server.post(&webhooks, hourly("Hourly", "http://127.0.0.1:9/hook", false)).await;
        let variables = vec![
            ("SMARTCAR_CLIENT_ID", text(&made, "clientId").to_owned()),
            ("SMARTCAR_CLIENT_SECRET", text(&made, "clientSecret").to_owned()),
            ("SMARTCAR_REDIRECT_URI", REDIRECT.to_owned()),
            ("SMARTCAR_API_ORIGIN", server.url.clone()),
            ("SMARTCAR_CONNECT_ORIGIN", server.url.clone()),
            ("SMARTCAR_MANAGEMENT_API_ORIGIN", server.url.clone()),
            ("SMARTCAR_VEHICLE_API_V3_ORIGIN", server.url.clone()),
            ("SMARTCAR_API_V3_ORIGIN", server.url.clone()),
            ("SMARTCAR_VEHICLE_API_ORIGIN", server.url.clone()),
            ("MILEPOST_AMT", text(&made, "managementToken").to_owned()),
            ("MILEPOST_WEBHOOK", text(&webhook, "id").to_owned()),
        ];
        Self { _folder: folder, server, variables }
    }

    /// Runs a script to its end; what it said.
    async fn run(&self, command: &mut Command, arguments: &[&str]) -> String {
        self.run_without("", command, arguments).await
    }

    /// The same with one variable left out.
    async fn run_without(&self, variable: &str, command: &mut Command, arguments: &[&str]) -> String {
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let variables = self.variables.iter().filter(|(name, _)| *name != variable);
        command.envs(variables.map(|(name, value)| (name, value))).stdin(Stdio::null());
        let done = tokio::time::timeout(4 * PATIENCE, command.kill_on_drop(true).output());
        let Output { status, stdout, stderr } = done.await.expect("it ends").unwrap();
        let said = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{status}: {said}{}", String::from_utf8_lossy(&stderr));
        said.trim().to_owned()
    }

    /// The owner of a car agrees; where the browser is led.
    async fn agree(&self, browser: &Browser, url: &str, make: &str) -> String {
        browser.go(url).await;
        browser.click("button#continue-button").await;
        browser.click(&format!("button#{make}.brand-list-item")).await;
        browser.write("input#username", &format!("{make}.{}@email.com", std::process::id())).await;
        browser.write("input#password", "password").await;
        browser.click("button#sign-in-button").await;
        browser.shows(".page-content").await;
        browser.click("button#approval-button").await;
        browser.led_to("https://example.com/auth?").await
    }

    /// With every variable set, an SDK calls this machine only. With one of them left out it calls a host of the vendor, which
    /// its guard notes and refuses.
    async fn stays_here(&self, sdk: impl Fn() -> Command, variables: &[(&str, &[&str])]) {
        const DOCUMENTED: &str = include_str!("../../../docs/sdks.md");
        assert_eq!(self.run(&mut sdk(), &["origins"]).await, "[]");
        for (variable, hosts) in variables {
            assert!(DOCUMENTED.contains(&format!("`{variable}`")), "docs/sdks.md does not name {variable}");
            let called = self.run_without(variable, &mut sdk(), &["origins"]).await;
            let called: Vec<String> = serde_json::from_str(&called).unwrap();
            let expected: Vec<_> = hosts.iter().map(|host| format!("{host}smartcar.com")).collect();
            assert_eq!(called, expected, "without {variable}");
        }
    }

    /// The whole way with an SDK: its URL, the owner's browser, its use of the code.
    async fn through(&self, sdk: impl Fn() -> Command) {
        let browser = Browser::start(Looks::default()).await;
        for (make, what) in [("CHEVROLET", "use"), ("FORD", "ford")] {
            let url = self.run(&mut sdk(), &["url"]).await;
            let location = self.agree(&browser, &url, make).await;
            let location = url::Url::parse(&location).unwrap();
            let pairs: std::collections::HashMap<_, _> = location.query_pairs().into_owned().collect();
            assert_eq!(pairs["state"], "of-mine");
            assert_eq!(self.run(&mut sdk(), &[what, &pairs["code"]]).await, "all is well", "{make}");
        }
        browser.end().await;
    }
}

fn fetched(path: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("official-sdks").join(path);
    assert!(path.exists(), "{} is missing; `cargo xtask test` fetches it", path.display());
    path
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks").join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_works_unchanged() {
    let mut scene = Scene::new().await;
    // What the other SDKs call an origin is the whole URL here.
    scene.variables.push(("SMARTCAR_AUTH_ORIGIN", format!("{}/oauth/token", scene.server.url)));
    let python = fetched("python/bin/python");
    let sdk = || {
        let mut command = Command::new(&python);
        command.args(["-W", "ignore"]).arg(script("owner.py"));
        command
    };
    let variables: [(&str, &[&str]); 5] = [
        ("SMARTCAR_API_ORIGIN", &["api."]),
        ("SMARTCAR_AUTH_ORIGIN", &["auth."]),
        ("SMARTCAR_CONNECT_ORIGIN", &["connect."]),
        ("SMARTCAR_MANAGEMENT_API_ORIGIN", &["management."]),
        ("SMARTCAR_VEHICLE_API_V3_ORIGIN", &["vehicle.api."]),
    ];
    scene.stays_here(sdk, &variables).await;
    scene.through(sdk).await;
    scene.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk_works_unchanged() {
    let mut scene = Scene::new().await;
    scene.variables.push(("SMARTCAR_AUTH_ORIGIN", scene.server.url.clone()));
    scene.variables.push(("NODE_PATH", fetched("node/node_modules").display().to_string()));
    let sdk = || {
        let mut command = Command::new("node");
        command.arg(script("owner.js"));
        command
    };
    let variables: [(&str, &[&str]); 4] = [
        // It is the base of Connect's address, too.
        ("SMARTCAR_API_ORIGIN", &["api.", "connect."]),
        ("SMARTCAR_AUTH_ORIGIN", &["auth."]),
        ("SMARTCAR_MANAGEMENT_API_ORIGIN", &["management."]),
        ("SMARTCAR_API_V3_ORIGIN", &["vehicle.api."]),
    ];
    scene.stays_here(sdk, &variables).await;
    scene.through(sdk).await;
    scene.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_openid_client_completes_code_with_pkce_and_refresh() {
    let mut scene = Scene::new().await;
    let library = fetched("openid/node_modules/openid-client/build/index.js");
    scene.variables.push(("OPENID_CLIENT", library.display().to_string()));
    let client = || {
        let mut command = Command::new("node");
        command.arg(script("openid.mjs"));
        command
    };
    let begun: Value = serde_json::from_str(&scene.run(&mut client(), &["url"]).await).unwrap();
    let browser = Browser::start(Looks::default()).await;
    let location = scene.agree(&browser, text(&begun, "url"), "BMW").await;
    browser.end().await;
    let said = scene.run(&mut client(), &["use", &location, text(&begun, "remembered")]).await;
    assert_eq!(said, "all is well");
    scene.server.stop().await;
}
