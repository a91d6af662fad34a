//! The programs of docs/receivers are run, each against a real server: verification in both shapes, a signed event, a tampered
//! one, and a repetition.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use common::Server;
use hyper::Method;
use lab::client::HttpClient;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

/// A program of docs/receivers and how it is started.
struct Sample {
    language: &'static str,
    /// The program that has to be installed; `None` for what the tests have built.
    needs: Option<&'static str>,
    start: fn(&Path, &Path) -> Command,
}

const SAMPLES: &[Sample] = &[
    Sample {
        language: "Python",
        needs: Some("python3"),
        start: |docs, _| interpreted("python3", docs, "receiver.py"),
    },
    Sample {
        language: "Node",
        needs: Some("node"),
        start: |docs, _| interpreted("node", docs, "receiver.mjs"),
    },
    Sample {
        language: "Java",
        needs: Some("javac"),
        start: |docs, _| interpreted("java", docs, "Receiver.java"),
    },
    Sample {
        language: "Ruby",
        needs: Some("ruby"),
        start: |docs, _| interpreted("ruby", docs, "receiver.rb"),
    },
    Sample { language: "Go", needs: Some("go"), start: go },
    Sample { language: "Rust", needs: None, start: |_, _| Command::new(example()) },
];

fn interpreted(program: &str, docs: &Path, file: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(docs.join(file));
    command
}

/// Compiled first, so that the receiver is the process that is ended.
fn go(docs: &Path, folder: &Path) -> Command {
    let binary = folder.join("receiver");
    let built = std::process::Command::new("go")
        .args(["build", "-o"])
        .arg(&binary)
        .arg(docs.join("receiver.go"))
        .env("GOCACHE", folder.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .status();
    assert!(built.unwrap().success(), "receiver.go does not compile");
    Command::new(binary)
}

/// Cargo builds examples beside the binary that is tested.
fn example() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_milepost")).with_file_name("examples").join("receiver")
}

fn is_installed(program: &str) -> bool {
    let proof = match program {
        "ruby" => std::process::Command::new(program).args(["-e", "require 'webrick'"]).output(),
        "go" => std::process::Command::new(program).arg("version").output(),
        _ => std::process::Command::new(program).arg("--version").output(),
    };
    proof.is_ok_and(|output| output.status.success())
}

/// A receiver that runs.
struct Running {
    url: String,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Running {
    async fn start(sample: &Sample, token: &str) -> Self {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/receivers");
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = (sample.start)(&docs, folder.path());
        // The line end is that of a file that the variable was filled from.
        command.env("MILEPOST_MANAGEMENT_TOKEN", format!("{token}\n")).env("PORT", port.to_string());
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let first =
            output.next_line().await.unwrap().unwrap_or_else(|| panic!("{} did not start", sample.language));
        let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first}")).to_owned();
        Self { url, output, _child: child }
    }

    /// The next line that it prints.
    async fn prints(&mut self) -> String {
        self.output.next_line().await.unwrap().expect("the receiver runs")
    }

    async fn post(&self, body: &str, signature: &str) -> u16 {
        let client = HttpClient::new(&self.url).unwrap().with_header("SC-Signature", signature).unwrap();
        let answer =
            client.send(Method::POST, "/hooks", Some("application/json"), body.to_owned().into()).await;
        answer.unwrap().status.as_u16()
    }
}

/// What a sample has to do, against a server that really sends.
async fn check(sample: &Sample, server: &Server, application: &str, token: &str) {
    let language = sample.language;
    let mut receiver = Running::start(sample, token).await;
    let common =
        json!({ "name": language, "callbackUri": format!("{}/hooks", receiver.url), "verify": true });
    for (settings, event) in [
        (
            json!({ "kind": "scheduled", "cadence": { "every": "day" }, "endpoints": ["/odometer"] }),
            "schedule",
        ),
        (json!({ "kind": "eventBased", "events": ["CHARGING_STARTED"] }), "eventBased"),
        (json!({ "kind": "unified", "triggers": ["odometer-traveleddistance"] }), "VEHICLE_STATE"),
    ] {
        let mut body = common.clone();
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let webhook = server.post(&format!("/applications/{application}/webhooks"), body).await;
        assert_eq!(webhook["verified"], true, "{language}: {}", webhook["lastVerification"]);
        let tested =
            server.post(&format!("/webhooks/{}/test", webhook["id"].as_str().unwrap()), Value::Null).await;
        assert_eq!(tested["lastTest"]["passed"], true, "{language}: {}", tested["lastTest"]);
        assert_eq!(receiver.prints().await, event, "{language}");
    }

    let body =
        json!({ "eventId": "e1", "eventType": "VEHICLE_STATE", "data": {}, "note": "ä  1.0" }).to_string();
    let signature = domain::signature::sign(token, body.as_bytes());
    for (body, signature) in [
        (body.replace("e1", "e2").as_str(), signature.as_str()),
        (body.as_str(), ""),
        (body.as_str(), domain::signature::sign("another token", body.as_bytes()).as_str()),
        (body.as_str(), &signature[1..]),
    ] {
        assert_eq!(receiver.post(body, signature).await, 401, "{language} takes {body} with {signature:?}");
    }
    assert_eq!(receiver.post(&body, &signature).await, 200, "{language}");
    assert_eq!(receiver.prints().await, "VEHICLE_STATE", "{language}");
    assert_eq!(receiver.post(&body, &signature).await, 200, "{language}");
    assert_eq!(receiver.prints().await, "VEHICLE_STATE again", "{language}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_program_of_the_page_about_receivers_verifies_checks_and_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.1/32"]"#)];
    let server = Server::serve(folder.path(), &settings).await;
    let made = server.post("/applications", json!({ "name": "Fleet" })).await;
    let (application, token) = (made["id"].as_str().unwrap(), made["managementToken"].as_str().unwrap());
    for sample in SAMPLES {
        match sample.needs.filter(|program| !is_installed(program)) {
            Some(program) => println!("{} did not run: {program} is not installed", sample.language),
            None => check(sample, &server, application, token).await,
        }
    }
    server.stop().await;
}
