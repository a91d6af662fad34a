//! The real binary as a test sees it: processes with data folders and ports of their own, that leave nothing behind.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use hyper::Method;
use lab::client::{HttpAnswer, HttpClient};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

/// Whatever a busy machine may need for something that takes no time on an idle one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An id that nothing has.
#[allow(dead_code, reason = "not every test program asks for what is not there")]
pub(crate) const UNKNOWN: &str = "0190a8c8-0000-7000-8000-000000000000";

/// A running `milepost serve` or `milepost demo`. Killed when dropped; [`Server::stop`] is the orderly end.
pub(crate) struct Server {
    /// `http://127.0.0.1:…`
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    client: HttpClient,
    child: Child,
    output: Lines,
    errors: Lines,
}

/// What a command said and how it ended.
#[allow(dead_code, reason = "not every test program uses the command line")]
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Done {
    /// What it said as JSON, if all went well.
    #[allow(dead_code, reason = "not every test program uses the command line")]
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Server {
    /// Starts `milepost serve` on a free port.
    #[allow(dead_code, reason = "not every test program needs a server on the machine's clock")]
    pub(crate) async fn serve(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::serve_with(data, settings, &[]).await
    }

    /// Starts `milepost serve` on a free port with more arguments.
    pub(crate) async fn serve_with(data: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = milepost();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments);
        command.env("MILEPOST_SERVER_METRICS_LISTEN", "");
        Self::started(command.envs(settings.iter().copied()), data, " listens on ").await
    }

    /// Sends the process a signal.
    #[allow(dead_code, reason = "not every test program signals")]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Waits for a line of the log that has this text; the log goes to standard error.
    #[allow(dead_code, reason = "not every test program reads the log")]
    pub(crate) async fn logged(&self, text: &str) -> String {
        line_with(&self.errors, text)
            .await
            .unwrap_or_else(|| panic!("{text:?} is not in {:?}", self.errors.all()))
    }

    /// Starts `milepost demo`, which allows loopback and has a clock that runs fast, and waits until its fleet is on.
    #[allow(dead_code, reason = "not every test program needs a fast clock")]
    pub(crate) async fn demo(data: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = milepost();
        command.args(["demo", "--json", "--data"]).arg(data).args(arguments);
        let server = Self::started(command.envs(settings.iter().copied()), data, r#""note":"server""#).await;
        server.said("the next slot is at").await;
        server
    }

    async fn started(command: &mut Command, data: &Path, introduction: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Lines::of(child.stdout.take().unwrap());
        let errors = Lines::of(child.stderr.take().unwrap());
        let line = line_with(&output, introduction)
            .await
            .unwrap_or_else(|| panic!("it did not start: {:?} {:?}", output.all(), errors.all()));
        let url = line[line.find("http").unwrap()..].trim_end_matches(['"', '}']).to_owned();
        let token = std::fs::read_to_string(data.join("admin-token")).unwrap();
        let client = HttpClient::new(&url.replacen("https://", "http://", 1)).unwrap();
        let client = client.bearer(token.trim()).unwrap();
        Self { url, data: data.to_owned(), client, child, output, errors }
    }

    /// Waits for a line of standard output that has this text.
    pub(crate) async fn said(&self, text: &str) -> String {
        line_with(&self.output, text)
            .await
            .unwrap_or_else(|| panic!("{text:?} is not in {:?} {:?}", self.output.all(), self.errors.all()))
    }

    /// What it has written to standard output so far.
    #[allow(dead_code, reason = "not every test program reads all of it")]
    pub(crate) fn output(&self) -> Vec<String> {
        self.output.all()
    }

    /// Any request, with the admin token.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> HttpAnswer {
        self.client.send(method, path, Some(content_type), body.into()).await.unwrap()
    }

    /// A request to the admin API.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> HttpAnswer {
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        self.send(method, &format!("/api/v1{path}"), "application/json", body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.admin(Method::GET, path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    #[allow(dead_code, reason = "not every test program posts past the command line")]
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.admin(Method::POST, path, &body).await;
        assert!(answer.status.is_success(), "{path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// The status of a page that needs no token, such as a probe.
    #[allow(dead_code, reason = "not every test program probes")]
    pub(crate) async fn status(&self, path: &str) -> u16 {
        HttpClient::new(&self.url).unwrap().get(path).await.unwrap().status.as_u16()
    }

    /// Runs a command of the same binary against this server.
    #[allow(dead_code, reason = "not every test program uses the command line")]
    pub(crate) async fn cli(&self, arguments: &[&str]) -> Done {
        let data = self.data.to_str().unwrap();
        run(&[arguments, &["--url", &self.url, "--data", data]].concat()).await
    }

    /// Every webhook of every application.
    pub(crate) async fn webhooks(&self) -> Vec<Value> {
        let mut webhooks = Vec::new();
        for application in items(&self.get("/applications?limit=100").await) {
            let path = format!("/applications/{}/webhooks?limit=100", text(application, "id"));
            webhooks.extend_from_slice(items(&self.get(&path).await));
        }
        webhooks
    }

    /// The most memory that the process ever had, in MiB.
    #[allow(dead_code, reason = "not every test program floods it")]
    pub(crate) fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
    }

    /// Sees that no work is left over, then tells the process to end and sees that it does, and well.
    pub(crate) async fn stop(self) {
        let empty =
            eventually(PATIENCE, async || self.webhooks().await.iter().all(|webhook| webhook["queued"] == 0));
        assert!(empty.await, "work was left over: {:#?}", self.webhooks().await);
        self.end().await;
    }

    /// Tells the process to end, whatever waits, and sees that it does, and well.
    pub(crate) async fn end(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let ended =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends when told to").unwrap();
        assert!(ended.success(), "{ended}: {:?}", self.errors.all());
        assert!(!self.errors.all().concat().contains('\u{1b}'), "a log that nobody watches has no colours");
    }

    /// Ends the process as a crash would.
    #[allow(dead_code, reason = "not every test program crashes it")]
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Runs a command to its end.
#[allow(dead_code, reason = "not every test program uses the command line")]
pub(crate) async fn run(arguments: &[&str]) -> Done {
    let output = milepost().args(arguments).stdin(Stdio::null()).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("a command ends").unwrap();
    Done {
        code: output.status.code().expect("it was not killed"),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The binary, without settings from outside.
fn milepost() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milepost"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).kill_on_drop(true);
    command
}

/// The lines that a process has written so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self::default();
        let kept = lines.clone();
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = pipe.next_line().await {
                kept.0.lock().push(line);
            }
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

async fn line_with(lines: &Lines, text: &str) -> Option<String> {
    let find = || lines.0.lock().iter().find(|line| line.contains(text)).cloned();
    eventually(PATIENCE, async || find().is_some()).await;
    find()
}

/// Whether something comes to hold in time.
pub(crate) async fn eventually(within: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let waiting = async {
        while !holds().await {
            pause(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(within, waiting).await.is_ok()
}

#[expect(clippy::disallowed_methods, reason = "another process lives in real time")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A scheduled webhook, as it is asked for.
#[allow(dead_code, reason = "not every test program asks for one past the command line")]
pub(crate) fn hourly(name: &str, uri: &str, verify: bool) -> Value {
    json!({
        "kind": "scheduled", "name": name, "callbackUri": uri, "cadence": { "every": "hours", "hours": 1 },
        "endpoints": ["/odometer", "/location"], "verify": verify,
    })
}

/// A member that is text.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("{member} is not in {value:#}"))
}

/// The items of a page.
#[track_caller]
pub(crate) fn items(page: &Value) -> &[Value] {
    page["items"].as_array().unwrap_or_else(|| panic!("no page: {page:#}"))
}
